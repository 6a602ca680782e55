/* --explain: the plan of a running verb, on stdout; nothing is run. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "cli/listing.h"
#include "cli/verbs.h"

#include <string.h>

/* Rationale: the layers of agentjail(1), PROFILES, with room for inherited profiles. */
#define LAYERS_MAX 32

struct layers {
	const char *files[LAYERS_MAX];
	size_t n;
};

static const struct group {
	const char *title;
	enum policy_key keys[10]; /* ended by PK_COUNT */
} groups[] = {
	{ "files of a cell (the longest matching path decides; of equal ones the stricter key)",
		{ PK_FILES_WRITE, PK_FILES_CACHE, PK_FILES_OVERLAY, PK_FILES_READ, PK_FILES_HOLD,
			PK_FILES_PROTECT, PK_FILES_REDACT, PK_FILES_HIDE, PK_COUNT } },
	{ "files of the agent alone",
		{ PK_AGENT_KEEP, PK_AGENT_SHARE, PK_AGENT_RECEIVE, PK_AGENT_HIDE, PK_AGENT_PRIVATE,
			PK_COUNT } },
	{ "programs that stay in the agent's context", { PK_AGENT_TRUSTED, PK_COUNT } },
	{ "variables of a cell", { PK_ENV_KEEP, PK_ENV_HIDE, PK_ENV_SET, PK_COUNT } },
	{ "variables of the agent alone", { PK_AGENT_KEEP_ENV, PK_COUNT } },
	{ "hosts",
		{ PK_EGRESS_ALLOW, PK_EGRESS_DENY, PK_EGRESS_PRIVATE, PK_AGENT_EGRESS, PK_COUNT } },
	{ "sandbox", { PK_SANDBOX_ISOLATION, PK_SANDBOX_HOME, PK_SANDBOX_USERNS, PK_SANDBOX_TTY,
			     PK_AGENT_TMP, PK_COUNT } },
};

static void note_file(struct layers *layers, const char *file)
{
	for (size_t i = 0; i < layers->n; i++)
		if (strcmp(layers->files[i], file) == 0)
			return;
	if (layers->n < LAYERS_MAX)
		layers->files[layers->n++] = file;
}

static void note_layer(enum policy_key key, const struct policy_item *item, void *context)
{
	(void)key;
	note_file(context, item->origin.file);
}

static void add_layers(const struct policy *policy, struct buf *out)
{
	struct layers layers = { 0 };

	size_t n = 0;
	const struct rules_rule *const *rules = rules_all(policy, &n);
	const struct tools_tool *const *tools;

	listing_walk(policy, note_layer, &layers);
	for (size_t i = 0; i < n; i++)
		note_file(&layers, rules_origin(rules[i]).file);
	tools = tools_all(policy, &n);
	for (size_t i = 0; i < n; i++)
		note_file(&layers, tools_origin(tools[i]).file);
	buf_adds(out, "profile layers with a say\n");
	for (size_t i = 0; i < layers.n; i++) {
		buf_adds(out, "  ");
		listing_add_quoted(out, layers.files[i]);
		buf_adds(out, "\n");
	}
}

static void add_field(struct buf *out, const char *name, const char *value)
{
	buf_addf(out, "%-9s", name);
	listing_add_quoted(out, value);
	buf_adds(out, "\n");
}

static void add_head(const struct run_plan *plan, struct buf *out)
{
	static const char *const modes[] = {
		[RUN_NONE] = "none: no boundary at all",
		[RUN_INJECT] = "inject: no boundary but the secrets of rules",
		[RUN_SHARED] = "shared: the agent and what it starts in one cell",
		[RUN_SPLIT] = "split: the agent in its own context, what it starts in a cell",
	};
	_Static_assert(ARRAY_LEN(modes) == RUN_MODE_COUNT, "one text a mode");

	add_field(out, "mode",
		plan->is_run_verb && plan->mode == RUN_SPLIT ? "one command in a cell"
							     : modes[plan->mode]);
	add_field(out, "program", plan->program);
	for (size_t i = 1; plan->argv[i] != NULL; i++)
		add_field(out, "argument", plan->argv[i]);
	add_field(out, "cwd", plan->cwd);
	add_field(out, "project", plan->project);
	add_field(out, "home", plan->home);
	add_field(out, "state", plan->state_dir);
	add_field(out, "cache", plan->cache_dir);
}

/* Names alone: a value may be a secret. */
static void add_env(const struct run_plan *plan, struct buf *out)
{
	for (size_t i = 0; plan->env != NULL && plan->env[i] != NULL; i++) {
		size_t n = strcspn(plan->env[i], "=");

		buf_addf(out, "  --env %.*s%s\n", (int)n, plan->env[i],
			plan->env[i][n] != '\0' ? " (with a value)" : "");
	}
}

static void add_group(const struct run_plan *plan, const struct group *group, struct buf *out)
{
	bool any = false;

	buf_addf(out, "\n%s\n", group->title);
	for (size_t i = 0; group->keys[i] != PK_COUNT; i++)
		any |= listing_add_key(plan->policy, group->keys[i], out);
	if (group->keys[0] == PK_ENV_KEEP)
		add_env(plan, out);
	if (!any)
		buf_adds(out, "  none\n");
}

static void add_files(const struct run_plan *plan, struct buf *out)
{
	buf_adds(out, "\nwhat commands see here, by path (the nearest line above decides)\n");
	listing_add_files(plan->policy, false, out);
}

/* Rules of one host are tried in this order. */
static void add_rules(const struct run_plan *plan, struct buf *out)
{
	AUTO_BUF struct buf rules = { 0 };

	buf_adds(out, "\nsecrets put into requests (of the rules of one host the first that matches)\n");
	if (!listing_add_rules(plan->policy, &rules))
		buf_adds(&rules, "  none\n");
	buf_add(out, rules.data, rules.len);
	out->failed |= rules.failed;
}

static void add_tools(const struct run_plan *plan, struct buf *out)
{
	AUTO_BUF struct buf tools = { 0 };

	if (!listing_add_tools(plan->policy, &tools))
		return;
	buf_adds(out, "\ncommands with grants of their own (reached by name, each run in its own cell)\n");
	buf_add(out, tools.data, tools.len);
	out->failed |= tools.failed;
}

/* With the agent in the cell nothing is its alone: the policy has it among the cell's. */
static bool is_meant(const struct run_plan *plan, const struct group *group)
{
	enum policy_key key = group->keys[0];

	return plan->mode != RUN_SHARED || (key != PK_AGENT_KEEP && key != PK_AGENT_TRUSTED &&
		key != PK_AGENT_KEEP_ENV);
}

int explain_verb(struct launch *launch, struct err *err)
{
	const struct run_plan *plan = &launch->plan;
	AUTO_BUF struct buf out = { 0 };

	add_head(plan, &out);
	add_layers(plan->policy, &out);
	for (size_t i = 0; plan->mode != RUN_NONE && i < ARRAY_LEN(groups); i++)
		if (is_meant(plan, &groups[i]))
			add_group(plan, &groups[i], &out);
	if (plan->mode != RUN_NONE) {
		add_files(plan, &out);
		add_rules(plan, &out);
		add_tools(plan, &out);
	}
	return listing_print(&out, err);
}
