/* See answer.h. Entries and names of files may come from a hostile project: always quoted. */
#include "cli/answer.h"

#include "base/cleanup.h"
#include "cli/listing.h"
#include "policy/rules.h"
#include "policy/tools.h"

#include <string.h>

const char *answer_verdict(const struct policy_answer *answer)
{
	static const char *const verdicts[] = {
		[POLICY_DENIED] = "denied",
		[POLICY_ALLOWED] = "allowed",
		[POLICY_IN_AGENT] = "allowed, in the agent's context",
		[POLICY_IN_CELL] = "allowed, in the cell",
		[POLICY_PASSED] = "passed on",
	};

	return verdicts[answer->verdict];
}

/* Of a rule or tool: which key the line sets. */
static const char *own_key(const struct policy_answer *answer)
{
	for (size_t k = 0; answer->rule != NULL && k < RULES_KEY_COUNT; k++)
		if (rules_value(answer->rule, (enum rules_key)k) == answer->item)
			return rules_key_name((enum rules_key)k);
	for (size_t k = 0; answer->tool != NULL && k < TOOLS_KEY_COUNT; k++)
		if (tools_value(answer->tool, (enum tools_key)k) == answer->item)
			return tools_key_name((enum tools_key)k);
	return answer->tool != NULL ? tools_key_name(TOOLS_MATCH) : "";
}

static void split_key(const struct policy_answer *answer, struct buf *section, const char **ret_key)
{
	const char *name = policy_key_name(answer->key);
	size_t n = strcspn(name, ".");

	*ret_key = name + n + (name[n] == '.');
	buf_add(section, name, n);
	if (answer->key < PK_COUNT)
		return;
	*ret_key = own_key(answer);
	if (answer->rule != NULL)
		buf_addf(section, "inject %s", rules_name(answer->rule));
	else if (answer->tool != NULL)
		buf_addf(section, "tool %s", tools_name(answer->tool));
}

void answer_add(const struct policy_answer *answer, const char *said, struct buf *out)
{
	AUTO_BUF struct buf section = { 0 };
	const char *key;

	split_key(answer, &section, &key);
	buf_adds(out, "  line     ");
	if (answer->item == NULL) {
		buf_adds(out, "none: this is the default");
	} else {
		listing_add_quoted(out, answer->item->origin.file);
		if (answer->item->origin.line > 0)
			buf_addf(out, ":%u", answer->item->origin.line);
		if (section.len > 0)
			buf_addf(out, "  [%s] %s = ", section.data, key);
		else
			buf_adds(out, "  ");
		listing_add_quoted(out, answer->item->value);
	}
	buf_adds(out, "\n");
	if (said == NULL || strcmp(said, answer->reason) != 0)
		buf_addf(out, "  reason   %s\n", answer->reason);
	out->failed |= section.failed;
}

static void add_member(struct buf *out, const char *name, const char *text)
{
	buf_addf(out, ", \"%s\": ", name);
	if (text != NULL)
		buf_add_json_text(out, text);
	else
		buf_adds(out, "null");
}

void answer_add_json(const struct policy_answer *answer, struct buf *out)
{
	static const char *const words[] = { "denied", "allowed", "agent", "cell", "passed" };
	const struct policy_item *item = answer->item;
	AUTO_BUF struct buf section = { 0 };
	const char *key;

	split_key(answer, &section, &key);
	buf_addf(out, "\"verdict\": \"%s\", \"allowed\": %s", words[answer->verdict],
		query_is_allowed(answer) ? "true" : "false");
	add_member(out, "section", section.len > 0 ? section.data : NULL);
	add_member(out, "key", section.len > 0 ? key : NULL);
	add_member(out, "file", item != NULL ? item->origin.file : NULL);
	buf_addf(out, ", \"line\": %u", item != NULL ? item->origin.line : 0);
	add_member(out, "entry", item != NULL ? item->value : NULL);
	add_member(out, "reason", answer->reason);
	out->failed |= section.failed;
}
