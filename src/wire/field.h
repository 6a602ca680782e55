/*
 * Header fields as all of our processes see them: proxy and keepers compare, list and spell them
 * alike, or one would let pass what the other believes gone. Names are compared by their letters
 * and digits alone, case folded: what gateways make variables of loses its '-', '_' and '.' on the
 * way (RFC 3875, 4.1.18).
 */
#ifndef WIRE_FIELD_H
#define WIRE_FIELD_H

#include "wire/keepmsg.h"

/* field_matches(): want may end in '*'. */
bool field_is(struct keepmsg_text name, const char *want);
bool field_is_same(struct keepmsg_text a, struct keepmsg_text b);
bool field_matches(struct keepmsg_text name, const char *want);

/* Does it match one of them? */
bool field_is_listed(struct keepmsg_text name, const char *const *wants, size_t n);

/* Equal texts, case folded, nothing else; want: lower case. */
bool field_says(struct keepmsg_text value, const char *want);

/*
 * Takes the next element of a comma-separated list off *rest, without blanks; false at its end.
 * (RFC 9110, 5.6.1; quoted strings do not stand in the lists that we read.)
 */
bool field_next(struct keepmsg_text *rest, struct keepmsg_text *ret);

struct keepmsg_text field_trim(struct keepmsg_text text);

/* A decimal number of at most 18 digits, nothing around it. */
bool field_number(struct keepmsg_text text, uint64_t *ret);

/* How many of the first n bytes can stand in a token; is it one (RFC 9110, 5.6.2)? */
size_t field_token_length(const char *at, size_t n);
bool field_is_token(struct keepmsg_text text);

/* No control byte but tab (RFC 9110, 5.5). */
bool field_is_value(struct keepmsg_text text);

/*
 * Ways of saying who one is: a request that gets a rule's value must carry no other identity beside
 * it, the host would decide whose data it is. What a client's own signature needs is a way of its own:
 * a rule that signs anew has to read it first.
 */
bool field_is_credential(struct keepmsg_text name);
bool field_is_signature(struct keepmsg_text name);

/* The same for parameters of a query; name as it stands there, percent-encoded or not. */
bool field_is_credential_param(struct keepmsg_text name);
bool field_is_signature_param(struct keepmsg_text name);

/*
 * The name of a parameter "NAME=VALUE" or "NAME" as the server reads it: percent-decoded, at most
 * out_bytes of it.
 */
struct keepmsg_text field_param_name(struct keepmsg_text param, char *out, size_t out_bytes);

/*
 * Takes the next parameter off *rest; both '&' and ';' end one, as some servers have it. *ret_end:
 * which, '\0' at the end of the query. False when there is none left.
 */
bool field_next_param(struct keepmsg_text *rest, struct keepmsg_text *ret, char *ret_end);

/*
 * Turns n bytes of a lower-case name into the usual spelling of HTTP/1, in place: Content-Type, ETag.
 * Case means nothing (RFC 9110, 5.1), but scripts and some old servers look for what is usual.
 */
void field_spell(char *name, size_t n);

#endif
