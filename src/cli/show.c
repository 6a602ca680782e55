/* `agentjail show [AGENT]`: the effective policy and where each line came from. */
#include "base/buf.h"
#include "cli/listing.h"
#include "cli/verbs.h"

#include <string.h>

static size_t section_bytes(enum policy_key key)
{
	return strcspn(policy_key_name(key), ".");
}

static void add_text(const struct policy *policy, struct buf *out)
{
	AUTO_BUF struct buf section = { 0 };

	for (size_t k = 0; k < PK_COUNT; k++) {
		enum policy_key key = (enum policy_key)k, next = (enum policy_key)(k + 1);
		size_t n = section_bytes(key);

		(void)listing_add_key(policy, key, &section);
		if (k + 1 < PK_COUNT && section_bytes(next) == n &&
			memcmp(policy_key_name(key), policy_key_name(next), n) == 0)
			continue;
		if (section.len > 0) {
			buf_addf(out, "%s[%.*s]\n", out->len > 0 ? "\n" : "", (int)n,
				policy_key_name(key));
			buf_add(out, section.data, section.len);
		}
		out->failed |= section.failed;
		section.len = 0;
	}
}

static void add_json_item(enum policy_key key, const struct policy_item *item, void *context)
{
	listing_add_json_line(context, "    ", policy_key_name(key), item);
}

static void add_json(const struct launch *launch, struct buf *out)
{
	AUTO_BUF struct buf items = { 0 };
	const char *agent = launch->options.operands[0];

	buf_adds(out, "{\n  \"agent\": ");
	if (agent != NULL)
		buf_add_json_text(out, agent);
	else
		buf_adds(out, "null");
	buf_addf(out, ",\n  \"has_profile\": %s",
		policy_has_agent_profile(launch->policy) ? "true" : "false");
	buf_adds(out, ",\n  \"project\": ");
	buf_add_json_text(out, policy_project(launch->policy));
	buf_adds(out, ",\n  \"home\": ");
	buf_add_json_text(out, policy_home(launch->policy));
	buf_adds(out, ",\n  \"items\": [\n");
	listing_walk(launch->policy, add_json_item, &items);
	buf_add(out, items.data, items.len);
	buf_adds(out, "\n  ],\n  \"files\": [\n");
	listing_add_files(launch->policy, true, out);
	buf_adds(out, "  ],\n  \"rules\": ");
	listing_add_rules_json(launch->policy, out);
	buf_adds(out, ",\n  \"tools\": ");
	listing_add_tools_json(launch->policy, out);
	buf_adds(out, "\n}\n");
	out->failed |= items.failed;
}

int show_verb(struct launch *launch, struct err *err)
{
	const struct options *o = &launch->options;
	AUTO_BUF struct buf out = { 0 };
	int r;

	if (o->n_operands > 1)
		return err_set(err, 0, "show: one AGENT at most; see agentjail --help");
	r = launch_load(launch, o->operands[0], err);
	if (r < 0)
		return r;
	if (o->json) {
		add_json(launch, &out);
	} else {
		add_text(launch->policy, &out);
		(void)listing_add_rules(launch->policy, &out);
		(void)listing_add_tools(launch->policy, &out);
		buf_adds(&out, "\nwhat commands see here, by path (the nearest line above decides)\n");
		listing_add_files(launch->policy, false, &out);
	}
	return listing_print(&out, err);
}
