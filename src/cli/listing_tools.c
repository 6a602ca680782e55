/*
 * Tools for people and programs, with the rules that serve them alone. See listing.h. A command's
 * words are shown as the user wrote them; of a source of a secret only its kind and name.
 */
#include "cli/listing.h"

#include "base/cleanup.h"

#include <string.h>

#define COMMAND "command:"

typedef void each_line(struct buf *out, const char *key, const struct policy_item *item);

/* Of NAME=command:LINE the program alone, as listing_add_rules() does. */
static void add_shown(struct buf *out, enum tools_key key, const struct policy_item *item,
	each_line *each)
{
	AUTO_BUF struct buf shown = { 0 };
	struct policy_item copy = *item;
	const char *source;

	if (key == TOOLS_SECRET_ENV) {
		size_t n = tools_secret(item->value, &source);
		size_t words = strcspn(source, " \t");

		buf_add(&shown, item->value, n + 1);
		buf_add(&shown, source, words);
		if (str_starts(source, COMMAND) && source[words] != '\0')
			buf_adds(&shown, " ...");
		else
			buf_adds(&shown, source + words);
		copy.value = shown.data;
	}
	if (!shown.failed && copy.value != NULL)
		each(out, tools_key_name(key), &copy);
	out->failed |= shown.failed;
}

static void walk(const struct tools_tool *tool, struct buf *out, each_line *each)
{
	for (size_t k = 0; k < TOOLS_KEY_COUNT; k++) {
		enum tools_key key = (enum tools_key)k;
		size_t n = 0;
		const struct policy_item *items = tools_list(tool, key, &n);

		if (!tools_key_is_list(key)) {
			items = tools_value(tool, key);
			n = items != NULL && (key != TOOLS_ARGS || tools_is_command(tool));
		}
		for (size_t i = 0; i < n; i++)
			add_shown(out, key, &items[i], each);
	}
}

bool listing_add_tools(const struct policy *policy, struct buf *out)
{
	size_t n = 0;
	const struct tools_tool *const *tools = tools_all(policy, &n);

	for (size_t i = 0; i < n; i++) {
		buf_addf(out, "%s[tool %s]\n", out->len > 0 ? "\n" : "", tools_name(tools[i]));
		walk(tools[i], out, listing_add_line);
	}
	return n > 0;
}

static void add_json_line(struct buf *out, const char *key, const struct policy_item *item)
{
	listing_add_json_line(out, "      ", key, item);
}

void listing_add_tools_json(const struct policy *policy, struct buf *out)
{
	size_t n = 0;
	const struct tools_tool *const *tools = tools_all(policy, &n);

	buf_adds(out, "[");
	for (size_t i = 0; i < n; i++) {
		AUTO_BUF struct buf items = { 0 };

		buf_addf(out, "%s\n    {\"name\": ", i > 0 ? "," : "");
		buf_add_json_text(out, tools_name(tools[i]));
		buf_adds(out, ", \"items\": [\n");
		walk(tools[i], &items, add_json_line);
		buf_add(out, items.data, items.len);
		buf_adds(out, "\n    ]}");
		out->failed |= items.failed;
	}
	buf_adds(out, n > 0 ? "\n  ]" : "]");
}
