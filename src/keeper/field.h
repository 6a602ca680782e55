/* Header fields as both versions of HTTP see them. */
#ifndef KEEPER_FIELD_H
#define KEEPER_FIELD_H

#include "wire/keepmsg.h"

/* Equal but for case, '-', '_' and '.': gateways make one variable of such names. */
bool field_is(struct keepmsg_text name, const char *folded);
bool field_is_same(struct keepmsg_text a, struct keepmsg_text b);

/* Equal texts, case folded. */
bool field_says(struct keepmsg_text value, const char *lower);

/*
 * Takes the next element of a comma-separated list off *rest, without blanks; false at its end.
 * (RFC 9110, 5.6.1; quoted strings do not stand in the lists that we read.)
 */
bool field_next(struct keepmsg_text *rest, struct keepmsg_text *ret);

struct keepmsg_text field_trim(struct keepmsg_text text);

/* A decimal number of at most 18 digits, nothing around it. */
bool field_number(struct keepmsg_text text, uint64_t *ret);

bool field_is_token(struct keepmsg_text text); /* RFC 9110, 5.6.2 */

/* No control byte but tab (RFC 9110, 5.5). */
bool field_is_value(struct keepmsg_text text);

#endif
