/*
 * All layers, in order, into one policy. Runs in the verbs and the warden with the user's own
 * rights; the project's file is the hostile one.
 */
#include "policy/policy.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "policy/builtin.h"
#include "policy/entries.h"
#include "policy/layer.h"
#include "policy/nearest.h"
#include "policy/profilefile.h"
#include "policy/rulecheck.h"
#include "policy/shared.h"
#include "policy/tools.h"
#include "policy/trustfile.h"
#include "policy/values.h"

#include <stdio.h>
#include <string.h>

/* Rationale: a chain of profiles longer than this is a mistake, not a design. */
#define INHERIT_MAX 8

struct load {
	const struct policy_request *request;
	struct policy *policy;
	struct keys_places places;
	const char *chain[INHERIT_MAX]; /* names of the profiles that are being read */
	size_t depth;
	struct buf done; /* "NAME\n" of those that were read */
	size_t n_found; /* profile files read */
	size_t n_opened; /* files opened, and with that the rank of the next one */
	size_t group; /* what is read with one step of read_all() is a group */
	enum trustfile_state trust; /* of the project's file, once it is read */
};

static int read_named(struct load *load, const char *name, struct err *err);

static bool is_done(const struct load *load, const char *name)
{
	AUTO_BUF struct buf line = { 0 };

	buf_addf(&line, "\n%s\n", name);
	return load->done.data != NULL && line.data != NULL &&
		strstr(load->done.data, line.data) != NULL;
}

static void set_done(struct load *load, const char *name)
{
	if (load->done.len == 0)
		buf_adds(&load->done, "\n");
	buf_addf(&load->done, "%s\n", name);
}

static int check_parent(const struct load *load, const char *name, struct err *err)
{
	AUTO_BUF struct buf ignored = { 0 };
	int r = values_profile(NULL, NULL, name, &ignored, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < load->depth; i++)
		if (strcmp(load->chain[i], name) == 0)
			return err_set(err, 0, "'%s' inherits itself; take the line out", name);
	if (load->depth == INHERIT_MAX)
		return err_set(err, 0, "more than %d profiles deep; join some", INHERIT_MAX);
	return 0;
}

/* Errors of the parent's own lines carry their own file and line, all others get this one's. */
static int inherit_one(struct load *load, const struct layer *layer, unsigned line,
	const char *name, struct err *err)
{
	size_t found = load->n_found;
	int r;

	if (is_done(load, name))
		return 0;
	r = check_parent(load, name, err);
	if (r == 0) {
		r = read_named(load, name, err);
		if (r < 0 || load->n_found > found)
			return r;
		r = err_set(err, 0, "there is no profile '%s'; look into %s", name,
			load->request->profiles_dir != NULL ? load->request->profiles_dir
							    : "agentjail(1)");
	}
	(void)err_prefix(err, "[profile] inherit");
	(void)lines_at(err, layer->file, line);
	return r;
}

/* One line of [profile] inherit. */
static int inherit(struct load *load, const struct layer *layer, const struct lines_entry *line,
	struct err *err)
{
	AUTO_ENTRIES struct entries e = { .rest = line->value };
	int r;

	while ((r = entries_next(&e, err)) > 0) {
		if (e.is_removal) {
			r = err_set(err, 0, "'!' takes nothing back that was read; delete it");
			break;
		}
		r = inherit_one(load, layer, line->line, e.text.data, err);
		if (r < 0)
			return r;
	}
	if (r == 0)
		return 0;
	(void)err_prefix(err, "[profile] inherit");
	return lines_at(err, layer->file, line->line);
}

static bool is_inherit(const struct lines_entry *e)
{
	return e->key != NULL && strcmp(e->section, "profile") == 0 &&
		strcmp(e->key, "inherit") == 0;
}

static int apply_lines(struct load *load, struct layer *layer, const struct lines *lines,
	struct err *err)
{
	bool inherits = layer->kind != LAYER_PROJECT && layer->kind != LAYER_CHECK;
	int r = 0;

	for (size_t i = 0; i < lines->n && r == 0 && inherits; i++)
		if (is_inherit(&lines->entries[i]))
			r = inherit(load, layer, &lines->entries[i], err);
	for (size_t i = 0; i < lines->n && r == 0; i++)
		r = layer_line(layer, &lines->entries[i], err);
	return r < 0 ? r : layer_end(layer, err);
}

static int warn_skipped(const struct load *load, const struct layer *layer, struct err *err)
{
	AUTO_BUF struct buf text = { 0 };
	char shown[160];

	if (layer->skipped_lines == 0)
		return 0;
	(void)log_quote(layer->file, strlen(layer->file), shown, sizeof(shown));
	buf_addf(&text,
		"%s:%u: %u line%s skipped: %s; look at it with: agentjail trust", shown,
		layer->first_skipped, layer->skipped_lines, layer->skipped_lines == 1 ? "" : "s",
		load->trust == TRUSTFILE_CHANGED
			? "the file was changed since it was trusted"
			: "a project may only tighten its own files until you trust it");
	if (text.failed)
		return err_set(err, ENOMEM, "keep a warning");
	return store_warn(layer->policy, text.data, err);
}

/* Has the user trusted the project's file with this very content? Then it is as one of theirs. */
static int judge_project(struct load *load, const char *path, const struct buf *text,
	enum layer_kind *kind, struct err *err)
{
	AUTO_BUF struct buf trusted = { 0 };
	char hash[SHA256_HEX_BYTES];
	const char *also = load->request->trusted_hash;
	int r = trustfile_read(load->request->config_dir, &trusted, err);

	if (r < 0)
		return r;
	trustfile_hash(text->data != NULL ? text->data : "", text->len, hash);
	load->trust = trustfile_find(trusted.data != NULL ? trusted.data : "", path, hash);
	if (also != NULL && strcmp(also, hash) == 0)
		load->trust = TRUSTFILE_TRUSTED;
	if (load->trust == TRUSTFILE_TRUSTED)
		*kind = LAYER_USER;
	return 0;
}

/* 1: read; 0: not there; -errno. */
static int read_layer(struct load *load, const char *path, enum layer_kind kind, struct err *err)
{
	AUTO_BUF struct buf text = { 0 };
	AUTO_LINES struct lines lines = { 0 };
	struct layer layer = { .policy = load->policy, .kind = kind, .places = load->places };
	int r = profilefile_read(path, kind == LAYER_PROJECT, &text, err);

	if (r <= 0)
		return r;
	if (kind == LAYER_PROJECT && judge_project(load, path, &text, &layer.kind, err) < 0)
		return -err->code;
	layer.file = store_keep(load->policy, path);
	if (layer.file == NULL)
		return err_set(err, ENOMEM, "%s", path);
	layer.places.is_installed = kind == LAYER_INSTALLED || kind == LAYER_PRESET;
	layer.rank = load->n_opened++;
	layer.group = load->group;
	if (kind == LAYER_INSTALLED && builtin_is(text.data, text.len)) {
		r = builtin_apply(load->policy, layer.file, &layer.places, err);
		return r < 0 ? r : 1;
	}
	r = lines_parse(&lines, path, text.data, text.len, err);
	if (r == 0)
		r = apply_lines(load, &layer, &lines, err);
	if (r == 0)
		r = warn_skipped(load, &layer, err);
	return r < 0 ? r : 1;
}

/* dir may be NULL: then there is nothing to read. */
static int read_from(struct load *load, const char *dir, const char *file, enum layer_kind kind,
	struct err *err)
{
	AUTO_BUF struct buf path = { 0 };

	if (dir == NULL)
		return 0;
	buf_addf(&path, "%s/%s", dir, file);
	if (path.failed)
		return err_set(err, ENOMEM, "%s", file);
	return read_layer(load, path.data, kind, err);
}

/* NAME.ini as installed, then the user's; both count. */
static int read_named(struct load *load, const char *name, struct err *err)
{
	AUTO_BUF struct buf installed = { 0 };
	AUTO_BUF struct buf own = { 0 };
	int r;

	if (is_done(load, name))
		return 0;
	buf_addf(&installed, "%s.ini", name);
	buf_addf(&own, "profiles/%s.ini", name);
	if (installed.failed || own.failed)
		return err_set(err, ENOMEM, "%s", name);
	load->chain[load->depth++] = name;
	r = read_from(load, load->request->profiles_dir, installed.data,
		str_starts(name, KEYS_PRESETS "/") ? LAYER_PRESET : LAYER_INSTALLED, err);
	if (r > 0)
		load->n_found++;
	if (r >= 0)
		r = read_from(load, load->request->config_dir, own.data, LAYER_USER, err);
	if (r > 0)
		load->n_found++;
	load->depth--;
	set_done(load, name);
	if (load->done.failed)
		return err_set(err, ENOMEM, "%s", name);
	return r < 0 ? r : 0;
}

static int no_profile(const struct policy_request *request, struct err *err)
{
	char shown[100];

	return err_set(err, 0, "-p %s: there is no such profile; it was looked for in %s and %s%s",
		log_quote(request->profile, strlen(request->profile), shown, sizeof(shown)),
		request->profiles_dir != NULL ? request->profiles_dir : "(no directory)",
		request->config_dir != NULL ? request->config_dir : "(no directory)",
		request->config_dir != NULL ? "/profiles" : "");
}

/* -p NAME, -p PATH, or the agent's own. */
static int read_profile(struct load *load, struct err *err)
{
	const struct policy_request *request = load->request;
	const char *name = request->profile != NULL ? request->profile : request->agent;
	AUTO_BUF struct buf ignored = { 0 };
	int r;

	if (name == NULL)
		return 0;
	if (request->profile != NULL && strchr(name, '/') != NULL) {
		r = read_layer(load, name, LAYER_USER, err);
		if (r == 0)
			return err_set(err, ENOENT, "-p %s", name);
		load->policy->has_agent_profile = r > 0;
		return r < 0 ? r : 0;
	}
	if (values_name(NULL, NULL, name, &ignored, err) < 0)
		return request->profile != NULL ? err_prefix(err, "-p") : 0;
	if (strcmp(name, "default") == 0) {
		load->policy->has_agent_profile = request->profile != NULL;
		return 0;
	}
	r = read_named(load, name, err);
	if (r < 0)
		return r;
	load->policy->has_agent_profile = load->n_found > 0;
	return load->n_found == 0 && request->profile != NULL ? no_profile(request, err) : 0;
}

static int read_default(struct load *load, struct err *err)
{
	int r = read_from(load, load->request->profiles_dir, "default.ini", LAYER_INSTALLED, err);

	set_done(load, "default");
	if (r != 0 || load->request->profiles_dir == NULL)
		return r < 0 ? r : 0;
	return err_set(err, ENOENT,
		"%s/default.ini: the profile that everything rests on is missing; reinstall",
		load->request->profiles_dir);
}

static int no_rule(const struct load *load, const char *name, struct err *err)
{
	struct nearest nearest = { .word = name };
	AUTO_BUF struct buf dir = { 0 };
	char shown[100];
	char **presets = NULL;
	int r;

	if (load->request->profiles_dir != NULL)
		buf_addf(&dir, "%s/" KEYS_PRESETS, load->request->profiles_dir);
	presets = dir.data != NULL ? profilefile_names(dir.data) : NULL;
	for (size_t i = 0; presets != NULL && presets[i] != NULL; i++)
		nearest_try(&nearest, presets[i]);
	for (size_t i = 0; i < load->policy->n_rules; i++)
		nearest_try(&nearest, load->policy->rules[i]->name);
	(void)log_quote(name, strlen(name), shown, sizeof(shown));
	if (nearest_best(&nearest) != NULL)
		r = err_set(err, 0,
			"--inject %s: there is no such rule or preset; did you mean '%s'?", shown,
			nearest_best(&nearest));
	else
		r = err_set(err, 0, "--inject %s: there is no such rule or preset; look into %s",
			shown, dir.data != NULL ? dir.data : "agentjail(1)");
	policy_free_strings(presets);
	return r;
}

/* --inject NAME: a rule that is there is on already, else the preset is read. */
static int read_rule(struct load *load, const char *name, struct err *err)
{
	AUTO_BUF struct buf preset = { 0 };
	AUTO_BUF struct buf ignored = { 0 };
	size_t found = load->n_found;
	int r;

	if (values_name(NULL, NULL, name, &ignored, err) < 0)
		return err_prefix(err, "--inject");
	buf_addf(&preset, KEYS_PRESETS "/%s", name);
	if (preset.failed)
		return err_set(err, ENOMEM, "--inject %s", name);
	if (store_rule_find(load->policy, name) != NULL || is_done(load, preset.data))
		return 0;
	r = read_named(load, preset.data, err);
	if (r < 0)
		return err_prefix(err, "--inject %s", name);
	return load->n_found > found ? 0 : no_rule(load, name, err);
}

static int read_rules(struct load *load, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < load->request->n_rules && r == 0; i++)
		r = read_rule(load, load->request->rules[i], err);
	return r;
}

/* The dot between section and key; rules' names may have dots too: "inject NAME.KEY". */
static const char *dot_of(const char *text, const char *equals)
{
	const char *dot = strchr(text, '.');

	if (equals == NULL || (!str_starts(text, "inject ") && !str_starts(text, "tool ")))
		return dot;
	for (const char *s = text; s < equals; s++)
		if (*s == '.')
			dot = s;
	return dot;
}

/* "SECTION.KEY=VALUE" as a layer of one line. */
static int apply_override(struct layer *layer, const char *text, struct err *err)
{
	const char *equals = strchr(text, '='), *dot = dot_of(text, equals);
	AUTO_FREE char *section = NULL;
	AUTO_FREE char *key = NULL;
	AUTO_FREE char *value = NULL;
	struct lines_entry entry = { 0 };
	char shown[100];

	(void)log_quote(text, strlen(text), shown, sizeof(shown));
	if (equals == NULL || dot == NULL || dot > equals)
		return err_set(err, 0, "(command line): '%s' is no SECTION.KEY=VALUE", shown);
	for (const char *s = equals; *s != '\0'; s++)
		if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
			return err_set(err, 0, "(command line): '%s' has a control character",
				shown);
	section = strndup(text, (size_t)(dot - text));
	key = strndup(dot + 1, (size_t)(equals - dot - 1));
	value = strdup(equals + 1);
	if (section == NULL || key == NULL || value == NULL)
		return err_set(err, ENOMEM, "(command line)");
	entry.section = section;
	entry.key = key;
	entry.value = value;
	return layer_line(layer, &entry, err);
}

static int apply_overrides(struct load *load, struct err *err)
{
	struct layer layer = { .policy = load->policy,
		.kind = LAYER_COMMAND_LINE,
		.file = "(command line)",
		.places = load->places,
		.rank = load->n_opened++,
		.group = load->group };
	int r = 0;

	for (size_t i = 0; i < load->request->n_overrides && r == 0; i++)
		r = apply_override(&layer, load->request->overrides[i], err);
	return r < 0 ? r : layer_end(&layer, err);
}

static int check_all(struct policy *policy, bool is_alone, struct err *err)
{
	int r = rulecheck_all(policy, is_alone, err);

	if (r == 0)
		r = tools_check(policy, is_alone, err);
	return r == 0 ? tools_settle(policy, err) : r;
}

static int read_all(struct load *load, struct err *err)
{
	const struct policy_request *request = load->request;
	int r = read_default(load, err);

	load->group++;
	if (r >= 0 && request->system_file != NULL)
		r = read_layer(load, request->system_file, LAYER_SYSTEM, err);
	load->group++;
	if (r >= 0)
		r = read_profile(load, err);
	load->group++;
	if (r >= 0)
		r = read_from(load, request->config_dir, "agentjail.ini", LAYER_USER, err);
	if (r >= 0)
		r = read_from(load, request->project, TRUSTFILE_PROJECT, LAYER_PROJECT, err);
	load->group++;
	if (r >= 0)
		r = read_rules(load, err);
	if (r >= 0)
		r = apply_overrides(load, err);
	if (r < 0)
		return r;
	store_sort_rules(load->policy);
	r = check_all(load->policy, false, err);
	if (r == 0 && request->is_shared)
		r = shared_settle(load->policy, err);
	if (r == 0 && request->config_dir != NULL &&
		trustfile_is_reached(load->policy, request->config_dir))
		return err_set(err, 0,
			"commands could write %s/" TRUSTFILE_NAME ", and with it trust any project; take "
			"the line out that lets them",
			request->config_dir);
	return r;
}

static int check_places(const struct policy_request *request, struct err *err)
{
	if (request->project == NULL || request->project[0] != '/')
		return err_set(err, 0, "the project's directory is not known; use --project DIR");
	if (request->home == NULL || request->home[0] != '/')
		return err_set(err, 0, "HOME is not an absolute path; set it");
	return 0;
}

int policy_load(const struct policy_request *request, struct policy **ret, struct err *err)
{
	struct load load = { .request = request,
		.places = { .home = request->home, .project = request->project } };
	int r = check_places(request, err);

	if (r < 0)
		return r;
	load.policy = store_new(request->project, request->home);
	if (load.policy == NULL)
		return err_set(err, ENOMEM, "read the profiles");
	r = read_all(&load, err);
	buf_done(&load.done);
	if (r < 0) {
		policy_free(load.policy);
		return r;
	}
	*ret = load.policy;
	return 0;
}

int policy_check_file(const char *path, struct policy **ret, struct err *err)
{
	const char *home = getenv("HOME");
	struct policy_request request = { .home = home != NULL && home[0] == '/' ? home : "/home",
		.project = "/project" };
	struct load load = { .request = &request,
		.places = { .home = request.home, .project = request.project } };
	int r;

	load.policy = store_new(request.project, request.home);
	if (load.policy == NULL)
		return err_set(err, ENOMEM, "%s", path);
	r = read_layer(&load, path, LAYER_CHECK, err);
	store_sort_rules(load.policy);
	if (r > 0 && check_all(load.policy, true, err) < 0)
		r = -err->code;
	if (r == 0)
		r = err_set(err, ENOENT, "%s", path);
	if (r < 0) {
		policy_free(load.policy);
		return r;
	}
	*ret = load.policy;
	return 0;
}
