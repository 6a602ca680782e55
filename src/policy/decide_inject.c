/*
 * Whose secret does a request get? Pure, in the proxy, keepers and verbs; host, method and path are
 * a hostile request's, in normal form.
 */
#include "policy/decide.h"

#include "base/cleanup.h"
#include "policy/store.h"

#include <string.h>

void decide_inject(const struct policy *policy, const struct policy_question *question,
	struct policy_answer *ret)
{
	const struct policy_item *denied;
	const struct rules_rule *passing = NULL;
	bool has_rule = false;

	*ret = (struct policy_answer){ .verdict = POLICY_DENIED,
		.key = PK_COUNT,
		.reason = "no request" };
	if (question->host == NULL || question->method == NULL || question->url_path == NULL)
		return;
	denied = decide_find_host(policy, PK_EGRESS_DENY, question->host, question->port);
	if (denied != NULL) {
		ret->key = PK_EGRESS_DENY;
		ret->item = denied;
		ret->reason = "denied by name";
		return;
	}
	for (size_t i = 0; i < policy->n_rules; i++) {
		const struct rules_rule *rule = policy->rules[i];

		if (!rules_covers(rule, question->host, question->port, question->is_plain))
			continue;
		has_rule = true;
		if (rules_match(rule, question->method, question->url_path)) {
			ret->verdict = POLICY_ALLOWED;
			ret->rule = rule;
			ret->item = rules_value(rule, RULES_HOST);
			ret->reason = "a rule matches";
			return;
		}
		if (passing == NULL && rules_says(rule, RULES_ELSE, "pass"))
			passing = rule;
	}
	if (has_rule && !rules_may_serve(question->method)) {
		ret->reason = "a method that is never served";
		return;
	}
	ret->reason = has_rule ? "no rule of this host has this method and path"
			       : "no rule has this host and port";
	if (passing == NULL)
		return;
	ret->verdict = POLICY_PASSED;
	ret->rule = passing;
	ret->item = rules_value(passing, RULES_ELSE);
	ret->reason = "no rule matches; passed without a secret";
}
