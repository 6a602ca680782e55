/*
 * Runs where profiles are read, after all layers. Rules come from the user and the administrator;
 * an untrusted project has none.
 */
#include "policy/rulecheck.h"

#include "policy/lines.h"

static int check_rule(const struct rules_rule *rule, struct err *err)
{
	if (rule->values[RULES_HOST].value == NULL)
		return err_set(err, 0, "[inject %s] has no host; write host = NAME", rule->name);
	return 0;
}

int rulecheck_all(struct policy *policy, struct err *err)
{
	for (size_t i = 0; i < policy->n_rules; i++) {
		const struct rules_rule *rule = policy->rules[i];

		if (check_rule(rule, err) < 0)
			return lines_at(err, rule->origin.file, rule->origin.line);
	}
	return 0;
}
