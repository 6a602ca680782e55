/* Asking the policy. Runs in the proxy; hostile input: the target, parsed already. */
#include "proxy/proxy.h"

#include "policy/policy.h"
#include "policy/rules.h"

#include <stdio.h>

bool proxy_may_connect(const struct proxy *proxy, const struct target *target,
	const struct target *address, struct policy_answer *ret)
{
	const struct policy_question question = { .action = POLICY_CONNECT,
		.host = target->host,
		.address = address != NULL ? address->address : NULL,
		.family = address != NULL ? address->family : 0,
		.port = target->port };

	policy_decide(proxy->policy, &question, ret);
	return ret->verdict == POLICY_ALLOWED;
}

void proxy_rule_text(const struct policy_answer *answer, char *rule, size_t rule_bytes)
{
	rule[0] = '\0';
	if (answer->item != NULL && answer->key < PK_COUNT)
		(void)snprintf(rule, rule_bytes, "%s:%u %s %s", answer->item->origin.file,
			answer->item->origin.line, policy_key_name(answer->key),
			answer->item->value);
	else if (answer->rule != NULL)
		(void)snprintf(rule, rule_bytes, "%s:%u [inject %s]",
			rules_origin(answer->rule).file, rules_origin(answer->rule).line,
			rules_name(answer->rule));
}
