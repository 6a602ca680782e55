/* The parts of policy_decide(), one file a kind of question. ret is filled as a whole. */
#ifndef POLICY_DECIDE_H
#define POLICY_DECIDE_H

#include "policy/policy.h"

/* POLICY_READ and POLICY_WRITE. */
void decide_file(const struct policy *policy, const struct policy_question *question,
	struct policy_answer *ret);

/* POLICY_EXEC. */
void decide_exec(const struct policy *policy, const struct policy_question *question,
	struct policy_answer *ret);

/* POLICY_CONNECT. */
void decide_connect(const struct policy *policy, const struct policy_question *question,
	struct policy_answer *ret);

/* POLICY_INJECT. */
void decide_inject(const struct policy *policy, const struct policy_question *question,
	struct policy_answer *ret);

/* POLICY_TOOL. */
void decide_tool(const struct policy *policy, const struct policy_question *question,
	struct policy_answer *ret);

/* The first entry of [egress] deny or private that covers host and port, or NULL. */
const struct policy_item *decide_find_host(const struct policy *policy, enum policy_key key,
	const char *host, uint16_t port);

#endif
