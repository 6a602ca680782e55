/*
 * Rules for people and programs. See listing.h. No secret is here: a policy has only the names of
 * their sources. What a user has written in the wrong place is not shown either.
 */
#include "cli/listing.h"

#include "base/cleanup.h"

#include <string.h>

#define SECRET "{secret}"
#define COMMAND "command:"

/* The text of a line as it may be shown. */
static void add_shown(struct buf *out, enum rules_key key, const char *value)
{
	bool is_text = key == RULES_HEADER || key == RULES_QUERY;
	size_t n = strcspn(value, key == RULES_HEADER ? ":" : "=");

	if (is_text && strstr(value, SECRET) == NULL && value[n] != '\0') {
		buf_add(out, value, n + 1);
		buf_adds(out, key == RULES_HEADER ? " (fixed text)" : "(fixed text)");
		return;
	}
	if (!str_starts(value, COMMAND)) {
		buf_adds(out, value);
		return;
	}
	n = strlen(COMMAND);
	n += value[n] == '"' ? strcspn(value + n + 1, "\"") + 2 : strcspn(value + n, " \t");
	buf_add(out, value, n);
	if (value[n] != '\0')
		buf_adds(out, " ...");
}

typedef void each_line(struct buf *out, enum rules_key key, const struct policy_item *item);

static void add_shown_line(struct buf *out, enum rules_key key, const struct policy_item *item,
	each_line *each)
{
	AUTO_BUF struct buf shown = { 0 };
	struct policy_item copy = *item;

	add_shown(&shown, key, item->value);
	copy.value = shown.data;
	if (!shown.failed && shown.data != NULL)
		each(out, key, &copy);
	out->failed |= shown.failed;
}

/* What a rule without a line of the key means. */
static const char *implied(const struct rules_rule *rule, enum rules_key key)
{
	if (key == RULES_PORT)
		return rules_says(rule, RULES_PLAIN, "yes") ? "443, and 80 without TLS" : "443";
	if (key == RULES_METHOD)
		return "*";
	return key == RULES_PATH ? "*" : NULL;
}

static void walk(const struct rules_rule *rule, struct buf *out, each_line *each)
{
	for (size_t k = 0; k < RULES_KEY_COUNT; k++) {
		enum rules_key key = (enum rules_key)k;
		size_t n = 0;
		const struct policy_item *items = rules_list(rule, key, &n);
		struct policy_item none = { .value = implied(rule, key),
			.origin.file = "(built-in)" };

		if (!rules_key_is_list(key)) {
			items = rules_value(rule, key);
			n = items != NULL;
		} else if (n == 0 && none.value != NULL) {
			items = &none;
			n = 1;
		}
		for (size_t i = 0; i < n; i++)
			add_shown_line(out, key, &items[i], each);
	}
}

static void add_text_line(struct buf *out, enum rules_key key, const struct policy_item *item)
{
	listing_add_line(out, rules_key_name(key), item);
}

/* Whose the rule is: commands of the session do not have it. */
static void add_owners(const struct policy *policy, const struct rules_rule *rule, struct buf *out)
{
	size_t n = 0;
	const struct tools_tool *const *tools = tools_all(policy, &n);

	buf_adds(out, "  (for");
	for (size_t i = 0; i < n; i++)
		if (tools_owns(tools[i], rule))
			buf_addf(out, " [tool %s]", tools_name(tools[i]));
	buf_adds(out, " alone)\n");
}

bool listing_add_rules(const struct policy *policy, struct buf *out)
{
	size_t n = 0, n_owned = 0;
	const struct rules_rule *const *rules = rules_all(policy, &n);
	const struct rules_rule *const *owned = tools_rules(policy, &n_owned);

	for (size_t i = 0; i < n + n_owned; i++) {
		const struct rules_rule *rule = i < n ? rules[i] : owned[i - n];

		buf_addf(out, "%s[inject %s]\n", out->len > 0 ? "\n" : "", rules_name(rule));
		if (i >= n)
			add_owners(policy, rule, out);
		walk(rule, out, add_text_line);
	}
	return n + n_owned > 0;
}

static void add_json_line(struct buf *out, enum rules_key key, const struct policy_item *item)
{
	listing_add_json_line(out, "      ", rules_key_name(key), item);
}

void listing_add_rules_json(const struct policy *policy, struct buf *out)
{
	size_t n = 0, n_owned = 0;
	const struct rules_rule *const *rules = rules_all(policy, &n);
	const struct rules_rule *const *owned = tools_rules(policy, &n_owned);

	buf_adds(out, "[");
	for (size_t i = 0; i < n + n_owned; i++) {
		const struct rules_rule *rule = i < n ? rules[i] : owned[i - n];
		AUTO_BUF struct buf items = { 0 };

		buf_addf(out, "%s\n    {\"name\": ", i > 0 ? "," : "");
		buf_add_json_text(out, rules_name(rule));
		buf_addf(out, ", \"for_tools_alone\": %s", i < n ? "false" : "true");
		buf_adds(out, ", \"items\": [\n");
		walk(rule, &items, add_json_line);
		buf_add(out, items.data, items.len);
		buf_adds(out, "\n    ]}");
		out->failed |= items.failed;
	}
	buf_adds(out, n + n_owned > 0 ? "\n  ]" : "]");
}
