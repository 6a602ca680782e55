/*
 * A rule's changes of a request, rendered once: the only place where a value meets a request.
 *
 * What a request loses besides what the rule says: when the rule puts something in, every other
 * way of saying who one is that the cell may have used (inject.c lists them, Cookie among them),
 * unless the rule sets that very field; when answers are redacted, Range and If-Range, and
 * Accept-Encoding says identity.
 */
#ifndef KEEPER_INJECT_H
#define KEEPER_INJECT_H

#include "base/err.h"
#include "keeper/redact.h"
#include "keeper/secret.h"
#include "policy/rules.h"
#include "wire/keepmsg.h"

/* Rationale: rules set one or two fields; some APIs want a version and an organisation beside. */
#define INJECT_FIELDS_MAX 16u

struct inject;

struct inject_field {
	struct keepmsg_text name, value; /* name in lower case */
	bool is_ours; /* may hold a value: is to leave no trace */
};

/* A request as it goes to the host. Points into the message, the rule's store and arena. */
struct inject_request {
	struct keepmsg_text method, path, query; /* query.at is NULL: none */
	const char *host; /* with the port when it is not the usual one */
	enum keepmsg_framing framing;
	uint64_t length;
	uint32_t flags; /* of the head */
	struct inject_field fields[KEEPMSG_FIELDS_MAX + INJECT_FIELDS_MAX + 2];
	size_t n_fields;
	char *arena; /* memory_take() */
	struct buf signature;
};

/* NULL with err: a template that the store has no room for, or that is none. */
struct inject *inject_new(
	const struct rules_rule *rule, struct secret_store *secrets, struct err *err);
void inject_free(struct inject *inject); /* NULL is fine */

/* What was made of the secret and goes to hosts, at most max; how many. */
size_t inject_rendered(const struct inject *inject, struct redact_value *out, size_t max);

/*
 * From a request of the proxy to that for the host; host stays the caller's. 0; -E2BIG (431 to the
 * client), -ENOMEM. Should: be given back with inject_done() as soon as it is written.
 */
int inject_make(const struct inject *inject, const struct keepmsg_head *head, const char *host,
	struct inject_request *ret);
void inject_done(struct inject_request *request);

#endif
