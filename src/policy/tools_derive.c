/*
 * The policy of one run of a tool, out of the session's. Pure, in the warden; nothing here is
 * hostile, the session's policy was checked when it was loaded.
 */
#include "policy/tools.h"

#include "base/cleanup.h"
#include "policy/entries.h"
#include "policy/keys.h"
#include "policy/pathmatch.h"
#include "policy/store.h"

#include <string.h>

struct derive {
	const struct policy *session;
	const struct tools_tool *tool;
	struct policy *to;
};

static int append(struct derive *d, enum policy_key key, const struct policy_item *item,
	struct err *err)
{
	return store_append_at(d->to, &d->to->lists[key], *item, err);
}

static int append_all(struct derive *d, enum policy_key key, const struct store_list *list,
	struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < list->n && r == 0; i++)
		r = append(d, key, &list->items[i], err);
	return r;
}

static int copy_keys(struct derive *d, const enum policy_key *keys, size_t n, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = append_all(d, keys[i], &d->session->lists[keys[i]], err);
	return r;
}

/* Ranks give the final order: as they are added. */
static int copy_rule(struct derive *d, const struct rules_rule *rule, struct err *err)
{
	struct store_place place = { .origin = rule->origin, .rank = d->to->n_rules };
	struct rules_rule *copy = store_rule(d->to, rule->name, &place, err);
	int r = copy != NULL ? 0 : -err->code;

	for (size_t k = 0; k < RULES_KEY_COUNT && r == 0; k++) {
		if (rule->values[k].value != NULL)
			r = store_set_at(d->to, &copy->values[k], rule->values[k], err);
		for (size_t i = 0; i < rule->lists[k].n && r == 0; i++)
			r = store_append_at(d->to, &copy->lists[k], rule->lists[k].items[i], err);
	}
	return r;
}

static int copy_rules(struct derive *d, struct err *err)
{
	const struct policy *session = d->session;
	int r = 0;

	for (size_t i = 0; i < session->n_tool_rules && r == 0; i++)
		if (tools_owns(d->tool, session->tool_rules[i]))
			r = copy_rule(d, session->tool_rules[i], err);
	for (size_t i = 0; i < session->n_rules && r == 0 && !tools_is_command(d->tool); i++)
		r = copy_rule(d, session->rules[i], err);
	store_sort_rules(d->to);
	return r;
}

static int copy_values(struct derive *d, struct err *err)
{
	int r = 0;

	for (size_t k = 0; k < PK_COUNT && r == 0; k++)
		if (!policy_key_is_list((enum policy_key)k))
			r = store_set_at(d->to, &d->to->values[k], d->session->values[k], err);
	return r;
}

/* ---- match: all of the session's, but what has been done already for the calling command ---- */

static int derive_match(struct derive *d, struct err *err)
{
	int r = 0;

	for (size_t k = 0; k < PK_COUNT && r == 0; k++)
		if (policy_key_is_list((enum policy_key)k) && k != PK_ENV_SET && k != PK_LOCKED_KEY)
			r = append_all(d, (enum policy_key)k, &d->session->lists[k], err);
	return r;
}

/* ---- command: nothing that a cell of the session could have changed ---- */

static bool is_named(const struct derive *d, const char *path)
{
	const struct store_list *files = &d->tool->lists[TOOLS_FILES];

	for (size_t i = 0; i < files->n; i++)
		if (strcmp(files->items[i].value, path) == 0)
			return true;
	return false;
}

/* Paths alone: name rules speak of the project, which is not there. */
static int hide(struct derive *d, const struct policy_item *item, struct err *err)
{
	if (item->value[0] != '/' || strstr(item->value, "**") != NULL || is_named(d, item->value))
		return 0;
	return append(d, PK_FILES_HIDE, item, err);
}

static int hide_all(struct derive *d, enum policy_key key, struct err *err)
{
	const struct store_list *list = &d->session->lists[key];
	int r = 0;

	for (size_t i = 0; i < list->n && r == 0; i++)
		r = hide(d, &list->items[i], err);
	return r;
}

static int show(struct derive *d, const char *path, const struct policy_item *line, struct err *err)
{
	struct policy_item item = { .value = path, .origin = line->origin };

	return append(d, PK_FILES_READ, &item, err);
}

/* Words that are paths: the user named them, and no command can write them (tools_check()). */
static int show_words(struct derive *d, struct err *err)
{
	const struct policy_item *line = &d->tool->values[TOOLS_COMMAND];
	AUTO_ENTRIES struct entries e = { .rest = line->value };
	int r;

	while ((r = entries_next(&e, err)) > 0) {
		AUTO_BUF struct buf path = { 0 };

		if (str_starts(e.text.data, "~/"))
			buf_addf(&path, "%s%s", d->session->home, e.text.data + 1);
		else
			buf_adds(&path, e.text.data);
		if (path.failed)
			return err_set(err, ENOMEM, "a tool's files");
		if (path.data[0] == '/' && path.data[1] != '\0' && !e.is_removal &&
			show(d, path.data, line, err) < 0)
			return -err->code;
	}
	return r;
}

/* What the session reads, but for the project's. */
static int show_system(struct derive *d, struct err *err)
{
	const struct store_list *list = &d->session->lists[PK_FILES_READ];
	int r = 0;

	for (size_t i = 0; i < list->n && r == 0; i++)
		if (list->items[i].value[0] == '/' &&
			!pathmatch_is_within(list->items[i].value, d->session->project))
			r = append(d, PK_FILES_READ, &list->items[i], err);
	return r;
}

static int derive_command(struct derive *d, const char *empty, struct err *err)
{
	static const enum policy_key copied[] = { PK_AGENT_KEEP, PK_AGENT_PRIVATE,
		PK_EGRESS_DENY, PK_EGRESS_PRIVATE, PK_EGRESS_NO_PROXY };
	const struct policy_item *command = &d->tool->values[TOOLS_COMMAND];
	struct policy_item project = { .value = d->session->project, .origin = command->origin };
	int r = copy_keys(d, copied, ARRAY_LEN(copied), err);

	if (r == 0)
		r = show_system(d, err);
	if (r == 0)
		r = append_all(d, PK_FILES_READ, &d->tool->lists[TOOLS_FILES], err);
	if (r == 0)
		r = show_words(d, err);
	if (r == 0)
		r = show(d, empty, command, err);
	if (r == 0)
		r = hide_all(d, PK_FILES_HIDE, err);
	/* What commands write is not the system's any more; an overlay's writes stay in their cell. */
	if (r == 0)
		r = hide_all(d, PK_FILES_WRITE, err);
	if (r == 0)
		r = hide_all(d, PK_AGENT_SHARE, err);
	if (r == 0)
		r = hide(d, &project, err);
	if (r == 0)
		r = store_set(d->to, PK_SANDBOX_HOME, "closed", command->origin, err);
	return r == 0 ? store_set(d->to, PK_SANDBOX_USERNS, "no", command->origin, err) : r;
}

int tools_derive(const struct policy *session, const struct tools_tool *tool, const char *empty,
	struct policy **ret, struct err *err)
{
	bool is_command = tools_is_command(tool);
	struct derive d = { .session = session, .tool = tool };
	int r;

	d.to = store_new(is_command ? empty : session->project, session->home);
	if (d.to == NULL)
		return err_set(err, ENOMEM, "a tool's policy");
	d.to->has_agent_profile = session->has_agent_profile;
	r = copy_values(&d, err);
	if (r == 0)
		r = is_command ? derive_command(&d, empty, err) : derive_match(&d, err);
	if (r == 0)
		r = append_all(&d, PK_EGRESS_ALLOW, &tool->lists[TOOLS_EGRESS], err);
	if (r == 0)
		r = copy_rules(&d, err);
	if (r < 0) {
		policy_free(d.to);
		return r;
	}
	*ret = d.to;
	return 0;
}
