/*
 * Runs where profiles are read. A layer of kind LAYER_PROJECT is hostile: whatever it says, the
 * policy may only become tighter by it.
 */
#include "policy/layer.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "policy/entries.h"
#include "policy/nearest.h"
#include "policy/pathmatch.h"
#include "policy/values.h"

#include <stdio.h>
#include <string.h>

/* One line with its key looked up. */
struct job {
	struct layer *layer;
	const struct lines_entry *entry;
	const struct keys_info *info;
	enum policy_key key; /* PK_COUNT: of [inject NAME] or [tool NAME] */
	/* Of [inject NAME] and [tool NAME]; NULL in a layer that may add none. */
	struct policy_item *own_value;
	struct store_list *own_list;
	const char *every; /* entry of [locked] that means all of the kind */
	bool is_skipped;
};

static struct policy_origin origin_of(const struct job *job)
{
	return (struct policy_origin){ .file = job->layer->file, .line = job->entry->line };
}

/* Where the line's value or entries go. */
static struct policy_item *value_of(const struct job *job)
{
	if (job->own_value != NULL)
		return job->own_value;
	return job->key < PK_COUNT ? &job->layer->policy->values[job->key] : NULL;
}

static struct store_list *list_of(const struct job *job)
{
	if (job->own_list != NULL)
		return job->own_list;
	return job->key < PK_COUNT ? &job->layer->policy->lists[job->key] : NULL;
}

static int check_value(const struct job *job, const char *text, struct buf *out, struct err *err)
{
	keys_check *check = job->info->words != NULL ? values_word : job->info->check;
	int r = check(job->info, &job->layer->places, text, out, err);

	if (r == 0 && out->failed)
		return err_set(err, ENOMEM, "read a value");
	if (r < 0)
		(void)err_prefix(err, "[%s] %s", job->entry->section, job->info->name);
	return r;
}

static void note_unsupported(struct job *job, const char *value)
{
	struct layer *layer = job->layer;
	char shown[24];

	if (layer->has_unsupported || !keys_is_unsupported(job->info, value))
		return;
	layer->has_unsupported = true;
	layer->unsupported_line = job->entry->line;
	(void)log_quote(value, strlen(value), shown, sizeof(shown));
	if ((job->info->flags & KEYS_UNSUPPORTED) != 0)
		(void)snprintf(layer->unsupported, sizeof(layer->unsupported), "[%s] %s",
			job->info->section, job->info->name);
	else
		(void)snprintf(layer->unsupported, sizeof(layer->unsupported), "[%s] %s = %s",
			job->info->section, job->info->name, shown);
}

static bool is_locked(const struct job *job)
{
	const struct store_list *locked = &job->layer->policy->lists[PK_LOCKED_KEY];
	char name[64];

	(void)snprintf(name, sizeof(name), "%s.%s", job->info->section, job->info->name);
	for (size_t i = 0; i < locked->n; i++)
		if (strcmp(locked->items[i].value, name) == 0 ||
			(job->every != NULL && strcmp(locked->items[i].value, job->every) == 0))
			return true;
	return false;
}

/* May this layer change the key in that way? tightens: it can only take away. */
static int check_lock(const struct job *job, bool tightens, struct err *err)
{
	enum layer_kind kind = job->layer->kind;

	if (kind == LAYER_INSTALLED || kind == LAYER_SYSTEM || tightens || !is_locked(job))
		return 0;
	return err_set(err, 0,
		"[%s] %s is locked by %s; take the line out or ask your administrator",
		job->entry->section, job->info->name,
		job->layer->policy->lists[PK_LOCKED_KEY].items[0].origin.file);
}

/* Line of this file that has set the single value already; 0: none has. */
static unsigned set_before(const struct job *job)
{
	const struct policy_item *at = value_of(job);

	if (job->layer->kind == LAYER_COMMAND_LINE)
		return 0;
	if (job->own_value != NULL)
		return at->origin.file == job->layer->file ? at->origin.line : 0;
	return job->layer->set_at[job->key];
}

static int single(struct job *job, const char *text, struct err *err)
{
	struct layer *layer = job->layer;
	struct policy_item *at = value_of(job);
	AUTO_BUF struct buf value = { 0 };
	int r = check_value(job, text, &value, err);

	if (r < 0 || job->is_skipped)
		return r;
	note_unsupported(job, text);
	if (at == NULL)
		return 0;
	if (set_before(job) != 0)
		return err_set(err, 0, "[%s] %s is set on line %u already; delete one of the two",
			job->entry->section, job->info->name, set_before(job));
	if (job->own_value == NULL)
		layer->set_at[job->key] = job->entry->line;
	r = check_lock(job, at->value != NULL && strcmp(value.data, at->value) == 0, err);
	if (r < 0)
		return r;
	return store_set_at(layer->policy, at,
		(struct policy_item){ .value = value.data, .origin = origin_of(job) }, err);
}

static int no_such_entry(const struct job *job, const char *value, struct err *err)
{
	const struct store_list *list = list_of(job);
	struct nearest nearest = { .word = value };
	char shown[100], other[100];
	const char *best;

	for (size_t i = 0; list != NULL && i < list->n; i++)
		nearest_try(&nearest, list->items[i].value);
	(void)log_quote(value, strlen(value), shown, sizeof(shown));
	best = nearest_best(&nearest);
	if (best == NULL)
		return err_set(err, 0,
			"[%s] %s: '!%s' takes away what no earlier line has; delete it",
			job->info->section, job->info->name, shown);
	(void)log_quote(best, strlen(best), other, sizeof(other));
	return err_set(err, 0,
		"[%s] %s: '!%s' takes away what no earlier line has; did you mean '!%s'?",
		job->info->section, job->info->name, shown, other);
}

/* An untrusted project speaks of its own files alone: hiding others could hide a guard. */
static bool project_may_add(const struct job *job, const char *value)
{
	if ((job->info->flags & KEYS_PROJECT) == 0)
		return false;
	return job->info->check != values_path || value[0] != '/' ||
		pathmatch_is_within(value, job->layer->places.project);
}

static int one_entry(struct job *job, const char *value, bool is_removal, struct err *err)
{
	struct layer *layer = job->layer;
	bool tightens = (job->info->flags & KEYS_TIGHTENS) != 0;
	int r;

	if (layer->kind == LAYER_PROJECT && (is_removal || !project_may_add(job, value)))
		job->is_skipped = true;
	if (job->is_skipped)
		return 0;
	if (!is_removal)
		note_unsupported(job, value);
	if (list_of(job) == NULL)
		return 0;
	r = check_lock(job, tightens != is_removal, err);
	if (r < 0)
		return r;
	if (!is_removal)
		return store_append_at(layer->policy, list_of(job),
			(struct policy_item){ .value = value, .origin = origin_of(job) }, err);
	/* An installed profile cannot know what the administrator took away before it. */
	if (store_remove_at(layer->policy, list_of(job), value) == 0 && layer->kind != LAYER_CHECK &&
		layer->kind != LAYER_INSTALLED && layer->kind != LAYER_PRESET)
		return no_such_entry(job, value, err);
	return 0;
}

static int list(struct job *job, const char *text, struct err *err)
{
	AUTO_ENTRIES struct entries e = { .rest = text };
	AUTO_BUF struct buf value = { 0 };
	size_t n = 0;
	int r;

	while ((r = entries_next(&e, err)) > 0) {
		if (value.data != NULL)
			value.data[value.len = 0] = '\0';
		n++;
		r = check_value(job, e.text.data, &value, err);
		if (r == 0)
			r = one_entry(job, value.data, e.is_removal, err);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return err_prefix(err, "[%s] %s", job->entry->section, job->info->name);
	if (n == 0)
		return err_set(err, 0,
			"[%s] %s has no entry; write one, or !ENTRY to take an earlier one away",
			job->entry->section, job->info->name);
	return 0;
}

static int whole_line(struct job *job, const char *text, struct err *err)
{
	AUTO_BUF struct buf value = { 0 };
	bool is_removal = *text == '!';
	int r;

	if (is_removal)
		text += 1 + strspn(text + 1, " \t");
	r = check_value(job, text, &value, err);
	if (r < 0)
		return r;
	return one_entry(job, value.data, is_removal, err);
}

static int check_place(const struct job *job, struct err *err)
{
	enum layer_kind kind = job->layer->kind;

	if ((job->info->flags & KEYS_SYSTEM_ONLY) != 0 && kind != LAYER_SYSTEM &&
		kind != LAYER_CHECK)
		return err_set(err, 0, "[%s] counts in the system's file only; take it out",
			job->info->section);
	if ((job->info->flags & KEYS_NO_OVERRIDE) != 0 && kind == LAYER_COMMAND_LINE)
		return err_set(err, 0, "[%s] %s is for files; use -p PROFILE", job->info->section,
			job->info->name);
	return 0;
}

/* The name in a section's header, when it is of that kind; else NULL. */
static const char *name_in(const char *section, const char *kind)
{
	size_t n = strcspn(section, " \t");

	if (n != strlen(kind) || strncmp(section, kind, n) != 0)
		return NULL;
	return section + n + strspn(section + n, " \t");
}

static int find_rule(struct job *job, const char *name, struct err *err)
{
	struct layer *layer = job->layer;
	struct store_place place = { .origin = origin_of(job),
		.rank = layer->rank,
		.group = layer->group };
	struct rules_rule *rule = store_rule(layer->policy, name, &place, err);
	enum rules_key key;

	if (rule == NULL)
		return -err->code;
	if (job->info == NULL || !keys_is_of_rule(job->info, &key))
		return 0;
	job->own_value = &rule->values[key];
	job->own_list = &rule->lists[key];
	job->every = KEYS_EVERY_RULE;
	return 0;
}

static int find_tool(struct job *job, const char *name, struct err *err)
{
	struct tools_tool *tool = store_tool(job->layer->policy, name, origin_of(job), err);
	enum tools_key key;

	if (tool == NULL)
		return -err->code;
	if (job->info == NULL || !keys_is_of_tool(job->info, &key))
		return 0;
	job->own_value = &tool->values[key];
	job->own_list = &tool->lists[key];
	job->every = KEYS_EVERY_TOOL;
	return 0;
}

/* A rule or tool is there from its header on, so that its place is that of the header. */
static int find_own(struct job *job, struct err *err)
{
	const char *rule = name_in(job->entry->section, "inject");
	const char *tool = name_in(job->entry->section, "tool");

	if (job->layer->kind == LAYER_PROJECT)
		return 0;
	if (rule != NULL)
		return find_rule(job, rule, err);
	return tool != NULL ? find_tool(job, tool, err) : 0;
}

static int apply(struct job *job, struct err *err)
{
	struct layer *layer = job->layer;
	const struct lines_entry *entry = job->entry;
	int r;

	if (entry->key == NULL) {
		r = keys_check_section(entry->section, err);
		return r == 0 ? find_own(job, err) : r;
	}
	r = keys_find(entry->section, entry->key, &job->info, &job->key, err);
	if (r == 0)
		r = check_place(job, err);
	if (r == 0)
		r = find_own(job, err);
	if (r < 0)
		return r;
	if (layer->kind == LAYER_PROJECT && (job->info->flags & KEYS_PROJECT) == 0)
		job->is_skipped = true;
	switch (job->info->kind) {
	case KEYS_SINGLE:
		return single(job, entry->value, err);
	case KEYS_LIST:
		return list(job, entry->value, err);
	case KEYS_LINE:
		return whole_line(job, entry->value, err);
	}
	return 0;
}

int layer_line(struct layer *layer, const struct lines_entry *entry, struct err *err)
{
	struct job job = { .layer = layer, .entry = entry, .key = PK_COUNT };
	int r = apply(&job, err);

	if (r < 0)
		return lines_at(err, layer->file, entry->line);
	if (!job.is_skipped)
		return 0;
	if (layer->skipped_lines++ == 0)
		layer->first_skipped = entry->line;
	return 0;
}

int layer_end(struct layer *layer, struct err *err)
{
	if (!layer->has_unsupported)
		return 0;
	(void)err_set(err, 0, "%s is not supported yet; take it out", layer->unsupported);
	return lines_at(err, layer->file, layer->unsupported_line);
}
