/* Memory of the rules of a policy, and their order. No input is read here. */
#include "policy/store.h"

#include "base/cleanup.h"
#include "policy/keys.h"

#include <string.h>

struct rules_rule *store_rule_find(const struct policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->n_rules; i++)
		if (strcmp(policy->rules[i]->name, name) == 0)
			return policy->rules[i];
	return NULL;
}

static struct rules_rule *new_rule(struct policy *policy, const char *name)
{
	AUTO_FREE struct rules_rule *rule = calloc(1, sizeof(*rule));
	struct rules_rule **array;

	if (rule == NULL)
		return NULL;
	rule->name = store_keep(policy, name);
	for (size_t k = 0; k < RULES_KEY_COUNT; k++)
		rule->values[k] = (struct policy_item){
			.value = keys_of_rule((enum rules_key)k)->built_in,
			.origin.file = "(built-in)" };
	array = reallocarray(policy->rules, policy->n_rules + 1, sizeof(struct rules_rule *));
	if (array == NULL)
		return NULL;
	policy->rules = array;
	return rule->name != NULL ? take_ptr(&rule) : NULL;
}

static bool comes_before(size_t rank, unsigned line, const struct rules_rule *rule)
{
	return rank != rule->rank ? rank < rule->rank : line < rule->origin.line;
}

struct rules_rule *store_rule(struct policy *policy, const char *name,
	const struct store_place *place, struct err *err)
{
	struct rules_rule *rule = store_rule_find(policy, name);
	bool is_new = rule == NULL;

	if (is_new && policy->n_rules == STORE_RULES_MAX) {
		(void)err_set(err, 0, "more than %d rules in all layers; join some",
			STORE_RULES_MAX);
		return NULL;
	}
	if (is_new)
		rule = new_rule(policy, name);
	if (rule == NULL) {
		(void)err_set(err, ENOMEM, "keep a rule");
		return NULL;
	}
	if (is_new || comes_before(place->rank, place->origin.line, rule)) {
		rule->origin = place->origin;
		rule->rank = place->rank;
		rule->group = place->group;
	}
	if (!is_new)
		return rule;
	rule->index = policy->n_rules;
	policy->rules[policy->n_rules++] = rule;
	return rule;
}

/* By insertion: few rules, mostly in order, and equal ones have to stay as they are. */
void store_sort_rules(struct policy *policy)
{
	struct rules_rule **rules = policy->rules;

	for (size_t i = 1; i < policy->n_rules; i++)
		for (size_t k = i; k > 0 &&
			comes_before(rules[k]->rank, rules[k]->origin.line, rules[k - 1]);
			k--) {
			struct rules_rule *later = rules[k - 1];

			rules[k - 1] = rules[k];
			rules[k] = later;
		}
	for (size_t i = 0; i < policy->n_rules; i++)
		rules[i]->index = i;
}

static void free_all(struct rules_rule **rules, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < RULES_KEY_COUNT; k++)
			free(rules[i]->lists[k].items);
		free(rules[i]);
	}
	free(rules);
}

void store_free_rules(struct policy *policy)
{
	free_all(policy->rules, policy->n_rules);
	free_all(policy->tool_rules, policy->n_tool_rules);
}
