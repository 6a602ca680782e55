/*
 * What has to hold for tools once all layers are read. Runs where profiles are read. Tools come
 * from the user and the administrator; an untrusted project has none.
 */
#include "policy/rulecheck.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "policy/lines.h"
#include "policy/tools.h"

#include <string.h>

static int at(const struct policy_item *item, struct err *err)
{
	return lines_at(err, item->origin.file, item->origin.line);
}

static int at_tool(const struct tools_tool *tool, struct err *err)
{
	return lines_at(err, tool->origin.file, tool->origin.line);
}

static int check_kind(const struct tools_tool *tool, struct err *err)
{
	static const enum tools_key of_commands[] = { TOOLS_SECRET_ENV, TOOLS_FILES };
	bool matches = tool->lists[TOOLS_MATCH].n > 0;

	if (matches == tools_is_command(tool)) {
		(void)err_set(err, 0, "[tool %s] has %s; write one of the two", tool->name,
			matches ? "match and command" : "neither match nor command");
		return at_tool(tool, err);
	}
	for (size_t i = 0; matches && i < ARRAY_LEN(of_commands); i++) {
		const struct store_list *list = &tool->lists[of_commands[i]];

		if (list->n == 0)
			continue;
		(void)err_set(err, 0,
			"[tool %s] %s goes with command alone: with match, files of the project could "
			"read it; take it out",
			tool->name, tools_key_name(of_commands[i]));
		return at(&list->items[0], err);
	}
	if (matches && tool->values[TOOLS_ARGS].origin.line > 0) {
		(void)err_set(err, 0, "[tool %s] args goes with command; put them into match",
			tool->name);
		return at(&tool->values[TOOLS_ARGS], err);
	}
	if (matches && tool->lists[TOOLS_INJECT].n + tool->lists[TOOLS_EGRESS].n +
				       tool->lists[TOOLS_KEEP_ENV].n ==
			       0) {
		(void)err_set(err, 0,
			"[tool %s] gives nothing; write inject = RULE, egress = HOST or keep-env = NAME",
			tool->name);
		return at_tool(tool, err);
	}
	return 0;
}

static int check_rules(const struct policy *policy, const struct tools_tool *tool, struct err *err)
{
	const struct store_list *list = &tool->lists[TOOLS_INJECT];

	for (size_t i = 0; i < list->n; i++) {
		if (store_rule_find(policy, list->items[i].value) != NULL)
			continue;
		(void)err_set(err, 0,
			"[tool %s] inject: there is no rule '%s'; write [inject %s], or inherit = "
			"inject/%s for a preset",
			tool->name, list->items[i].value, list->items[i].value,
			list->items[i].value);
		return at(&list->items[i], err);
	}
	return 0;
}

static int check_secrets(const struct policy *policy, const struct tools_tool *tool,
	struct err *err)
{
	const struct store_list *list = &tool->lists[TOOLS_SECRET_ENV];

	for (size_t i = 0; i < list->n; i++) {
		const char *source, *other;
		size_t n = tools_secret(list->items[i].value, &source);

		for (size_t k = 0; k < i; k++)
			if (tools_secret(list->items[k].value, &other) == n &&
				strncmp(list->items[k].value, list->items[i].value, n) == 0) {
				(void)err_set(err, 0, "[tool %s] sets %.*s twice; delete one",
					tool->name, (int)n, list->items[i].value);
				return at(&list->items[i], err);
			}
		if (rulecheck_source(policy, source, err) < 0) {
			(void)err_prefix(err, "[tool %s] secret-env", tool->name);
			return at(&list->items[i], err);
		}
	}
	return 0;
}

static int check_command(const struct policy *policy, const struct tools_tool *tool,
	struct err *err)
{
	const struct policy_item *item = &tool->values[TOOLS_COMMAND];

	if (item->value == NULL || rulecheck_command(policy, item->value, err) == 0)
		return 0;
	(void)err_prefix(err, "[tool %s] command", tool->name);
	return at(item, err);
}

/* Two tools of one name where one is a command: nobody could say which is meant. */
static int check_words(const struct tools_tool *a, const struct tools_tool *b, struct err *err)
{
	AUTO_BUF struct buf word = { 0 };
	char shown[120];

	if (!tools_is_command(a) && !tools_is_command(b))
		return 0;
	for (size_t i = 0; tools_word(a, i, &word); i++) {
		if (!tools_has_word(b, word.data))
			continue;
		(void)err_set(err, 0,
			"[tool %s] and [tool %s] (%s:%u) are both called by '%s'; rename one", b->name,
			a->name,
			log_quote(a->origin.file, strlen(a->origin.file), shown, sizeof(shown)),
			a->origin.line, word.data);
		return at_tool(b, err);
	}
	return 0;
}

int tools_check(const struct policy *policy, bool is_alone, struct err *err)
{
	bool may_add = is_alone && policy->lists[PK_PROFILE_INHERIT].n > 0;
	int r = 0;

	for (size_t i = 0; i < policy->n_tools && r == 0; i++) {
		const struct tools_tool *tool = policy->tools[i];

		if (!may_add)
			r = check_kind(tool, err);
		if (r == 0 && !is_alone)
			r = check_rules(policy, tool, err);
		if (r == 0)
			r = check_command(policy, tool, err);
		if (r == 0)
			r = check_secrets(policy, tool, err);
		for (size_t k = 0; k < i && r == 0; k++)
			r = check_words(policy->tools[k], tool, err);
	}
	return r;
}

static bool is_owned(const struct policy *policy, const struct rules_rule *rule)
{
	for (size_t i = 0; i < policy->n_tools; i++)
		if (tools_owns(policy->tools[i], rule))
			return true;
	return false;
}

bool tools_may_meet(const struct policy *policy, const struct rules_rule *a,
	const struct rules_rule *b)
{
	for (size_t i = 0; i < policy->n_tools; i++)
		if (tools_owns(policy->tools[i], a) && tools_owns(policy->tools[i], b))
			return true;
	return !is_owned(policy, a) && !is_owned(policy, b);
}

int tools_settle(struct policy *policy, struct err *err)
{
	size_t n = 0;

	if (policy->n_rules == 0 || policy->n_tools == 0)
		return 0;
	policy->tool_rules = calloc(policy->n_rules, sizeof(struct rules_rule *));
	if (policy->tool_rules == NULL)
		return err_set(err, ENOMEM, "sort the rules");
	for (size_t i = 0; i < policy->n_rules; i++) {
		struct rules_rule *rule = policy->rules[i];

		if (is_owned(policy, rule)) {
			rule->index = policy->n_tool_rules;
			policy->tool_rules[policy->n_tool_rules++] = rule;
		} else {
			rule->index = n;
			policy->rules[n++] = rule;
		}
	}
	policy->n_rules = n;
	return 0;
}
