/*
 * What a tool says and which calls it means. Pure, in the warden and verbs; words and arguments are
 * a hostile command's.
 */
#include "policy/tools.h"

#include "base/cleanup.h"
#include "policy/decide.h"
#include "policy/entries.h"
#include "policy/store.h"

#include <string.h>

const struct tools_tool *const *tools_all(const struct policy *policy, size_t *ret_n)
{
	*ret_n = policy->n_tools;
	return (const struct tools_tool *const *)policy->tools;
}

const char *tools_name(const struct tools_tool *tool)
{
	return tool->name;
}

struct policy_origin tools_origin(const struct tools_tool *tool)
{
	return tool->origin;
}

const struct policy_item *tools_list(const struct tools_tool *tool, enum tools_key key,
	size_t *ret_n)
{
	*ret_n = tool->lists[key].n;
	return tool->lists[key].items;
}

const struct policy_item *tools_value(const struct tools_tool *tool, enum tools_key key)
{
	return tool->values[key].value != NULL ? &tool->values[key] : NULL;
}

bool tools_is_command(const struct tools_tool *tool)
{
	return tool->values[TOOLS_COMMAND].value != NULL;
}

const struct rules_rule *const *tools_rules(const struct policy *policy, size_t *ret_n)
{
	*ret_n = policy->n_tool_rules;
	return (const struct rules_rule *const *)policy->tool_rules;
}

bool tools_owns(const struct tools_tool *tool, const struct rules_rule *rule)
{
	const struct store_list *list = &tool->lists[TOOLS_INJECT];

	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->items[i].value, rule->name) == 0)
			return true;
	return false;
}

bool tools_word(const struct tools_tool *tool, size_t i, struct buf *out)
{
	const struct store_list *lines = &tool->lists[TOOLS_MATCH];

	out->len = 0;
	if (tools_is_command(tool) && i == 0)
		buf_adds(out, tool->name);
	else if (!tools_is_command(tool) && i < lines->n)
		buf_add(out, lines->items[i].value, strcspn(lines->items[i].value, " \t"));
	else
		return false;
	return !out->failed;
}

bool tools_has_word(const struct tools_tool *tool, const char *word)
{
	AUTO_BUF struct buf own = { 0 };

	for (size_t i = 0; tools_word(tool, i, &own); i++)
		if (strcmp(own.data, word) == 0)
			return true;
	return false;
}

/* One pattern of a line; "!x" is one like any other here. */
static int next_pattern(struct entries *e, struct buf *pattern)
{
	struct err ignored;
	int r = entries_next(e, &ignored);

	pattern->len = 0;
	if (r <= 0)
		return r;
	if (e->is_removal)
		buf_adds(pattern, "!");
	buf_adds(pattern, e->text.data);
	return pattern->failed ? -ENOMEM : 1;
}

static bool is_blank(const char *s)
{
	return s[strspn(s, " \t")] == '\0';
}

static bool one_matches(const char *pattern, const char *arg, bool is_strict)
{
	return (!is_strict || arg[0] != '-' || pattern[0] == '-') && str_glob(pattern, arg);
}

bool tools_args_match(const char *line, const char *const *args, bool is_strict)
{
	AUTO_ENTRIES struct entries e = { .rest = line };
	AUTO_BUF struct buf pattern = { 0 };
	int r;

	while ((r = next_pattern(&e, &pattern)) > 0) {
		if (strcmp(pattern.data, "*") == 0 && is_blank(e.rest)) {
			while (*args != NULL && one_matches("*", *args, is_strict))
				args++;
			break;
		}
		if (*args == NULL || !one_matches(pattern.data, *args, is_strict))
			return false;
		args++;
	}
	return r >= 0 && *args == NULL;
}

bool tools_limit(const char *entry, struct tools_limits *ret)
{
	static const char per_minute[] = "/minute";
	size_t n = strspn(entry, "0123456789");
	AUTO_FREE char *digits = strndup(entry, n);
	unsigned long value;

	/* Rationale: more than once a second is no limit, and a day is a session. */
	if (digits == NULL || !str_to_ulong(digits, 86400, &value) || value == 0)
		return false;
	if (strcmp(entry + n, per_minute) == 0)
		ret->runs_a_minute = (unsigned)value;
	else if (strcmp(entry + n, "s") == 0)
		ret->seconds = (unsigned)value;
	else if (strcmp(entry + n, "m") == 0 && value <= 1440)
		ret->seconds = (unsigned)value * 60;
	else
		return false;
	return true;
}

struct tools_limits tools_limits(const struct tools_tool *tool)
{
	const struct store_list *list = &tool->lists[TOOLS_LIMITS];
	struct tools_limits limits = { 0 };

	for (size_t i = 0; i < list->n; i++)
		(void)tools_limit(list->items[i].value, &limits);
	return limits;
}

size_t tools_secret(const char *line, const char **ret_source)
{
	size_t n = strcspn(line, "=");

	*ret_source = line[n] == '=' ? line + n + 1 : "";
	return n;
}

/* ---- deciding ---- */

static const struct policy_item *matching_line(const struct tools_tool *tool, const char *word,
	const char *const *args)
{
	const struct store_list *lines = &tool->lists[TOOLS_MATCH];

	for (size_t i = 0; i < lines->n; i++) {
		const char *line = lines->items[i].value;
		size_t n = strcspn(line, " \t");

		if (strlen(word) == n && strncmp(line, word, n) == 0 &&
			tools_args_match(line + n, args, false))
			return &lines->items[i];
	}
	return NULL;
}

static void judge_command(const struct tools_tool *tool, const char *const *args,
	struct policy_answer *ret)
{
	const struct policy_item *item = &tool->values[TOOLS_ARGS];
	bool takes_none = strcmp(item->value, "none") == 0;

	ret->tool = tool;
	ret->item = &tool->values[TOOLS_COMMAND];
	ret->reason = "the tool's own command";
	if (takes_none ? args[0] == NULL : tools_args_match(item->value, args, true)) {
		ret->verdict = POLICY_ALLOWED;
		return;
	}
	if (item->origin.line > 0)
		ret->item = item;
	ret->reason = takes_none ? "it takes no arguments" : "it takes no such arguments";
}

void decide_tool(const struct policy *policy, const struct policy_question *question,
	struct policy_answer *ret)
{
	*ret = (struct policy_answer){ .verdict = POLICY_DENIED,
		.key = PK_COUNT,
		.reason = "there is no tool of that name" };
	if (question->word == NULL || question->args == NULL)
		return;
	for (size_t i = 0; i < policy->n_tools; i++) {
		const struct tools_tool *tool = policy->tools[i];

		if (!tools_has_word(tool, question->word))
			continue;
		if (tools_is_command(tool)) {
			judge_command(tool, question->args, ret);
			return;
		}
		ret->verdict = POLICY_PASSED;
		ret->reason = "no tool has these arguments: the program itself";
		ret->item = matching_line(tool, question->word, question->args);
		if (ret->item == NULL)
			continue;
		ret->verdict = POLICY_ALLOWED;
		ret->tool = tool;
		ret->reason = "a line of match has these arguments";
		return;
	}
}
