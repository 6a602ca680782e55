/* `sign = aws`: a request that the client signed with a fake gets the rule's signature. */
#ifndef KEEPER_SIGN_H
#define KEEPER_SIGN_H

#include "keeper/keeper.h"
#include "keeper/sigv4.h"

#define SIGN_BODY_MAX SIGV4_BODY_MAX
#define SIGN_HASH_BYTES SIGV4_HASH_BYTES

/*
 * Does the body have to be read whole first? 1 yes, 0 no (also for rules that do not sign), -EINVAL
 * with err when the request cannot be signed.
 */
int sign_needs_body(const struct keeper *keeper, const struct keepmsg_head *head, struct err *err);

int sign_hash(const void *bytes, size_t n, char ret_hex[SIGN_HASH_BYTES]);

/*
 * Adds Authorization (and the session's token) to request, which was made from head. body_hash:
 * where it is needed, else NULL. 0, also for rules that do not sign; -errno with err.
 */
int sign_request(const struct keeper *keeper, const struct keepmsg_head *head,
	const char *body_hash, struct inject_request *request, struct err *err);

#endif
