/* The fields of a request: which of them may go on to a host with rules. Part of judge.c. */
#ifndef PROXY_JUDGE_FIELDS_H
#define PROXY_JUDGE_FIELDS_H

#include "proxy/judge.h"

/*
 * Fills ret->head.fields from the request's, names in lower case appended to ret->arena: names[i]
 * is where the i-th one starts there. ret->rule and ret->verdict are known. NULL, or why the
 * request is refused: static text, with ret->status when it is not 400.
 */
const char *judge_fields(
	const struct judge_request *request, struct judge_result *ret, size_t *names);

/* Text of the cell cut to fit and fit to be shown. Returns out. */
const char *judge_fields_shown(struct keepmsg_text text, char *out, size_t out_bytes);

#endif
