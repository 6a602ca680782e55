/*
 * The walk over the project at the start of a session. Runs in the warden, with the user's own
 * rights. Hostile: every name, link and depth in the tree; nothing is followed, all is bounded.
 */
#include "cell/plan.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Rationale: PATH_MAX has no room for deeper trees, and each level holds one descriptor. */
#define WALK_DEPTH_MAX 200
/* Rationale: one for each level lies on the stack; most directories fit. */
#define WALK_NAMES_BYTES 4096
/* Rationale: hidden files with several names are rare; each costs a compare for each linked file. */
#define WALK_LINKED_MAX 256

/* Rationale: of a hidden directory, and of each below it; ~/.ssh has ten, a browser's profile 10,000. */
#define HIDDEN_NAMES_MAX 64u
#define HIDDEN_DEPTH_MAX 1u
/* Rationale: every name of the tree is compared with each. */
#define WALK_RULES_MAX 512

struct walk {
	const struct run_plan *run;
	struct mount_plan *plan;
	struct err *err;
	struct buf path;
	bool protects_git;
	bool looks_for_links; /* second pass: other names of hidden inodes */
	struct {
		dev_t dev;
		ino_t ino;
	} linked[WALK_LINKED_MAX];
	size_t n_linked;
	const char *rules[WALK_RULES_MAX]; /* names that the policy has something to say about */
	size_t n_rules;
};

static const enum policy_key name_keys[] = { PK_FILES_HIDE, PK_FILES_PROTECT, PK_AGENT_HIDE };

/*
 * The entries that can match a name at any depth, picked out once: the walk asks for every name. Of
 * a pattern with "**" the last component: what matches further up is mounted up there.
 */
static int pick_rules(struct walk *w)
{
	for (size_t k = 0; k < ARRAY_LEN(name_keys); k++) {
		size_t n;
		const struct policy_item *items = policy_list(w->run->policy, name_keys[k], &n);

		for (size_t i = 0; i < n; i++) {
			const char *value = items[i].value;

			if (value[0] == '/' && strstr(value, "**") == NULL)
				continue;
			if (w->n_rules == WALK_RULES_MAX)
				return err_set(w->err, 0,
					"%s:%u: more than %d name patterns in [files] hide and protect",
					items[i].origin.file, items[i].origin.line, WALK_RULES_MAX);
			w->rules[w->n_rules++] = value[0] == '/' ? strrchr(value, '/') + 1 : value;
		}
	}
	return 0;
}

static int note_linked(struct walk *w, const struct stat *st)
{
	if (S_ISDIR(st->st_mode) || st->st_nlink < 2)
		return 0;
	if (w->n_linked == WALK_LINKED_MAX)
		return err_set(w->err, 0, "more than %d hidden files with several hard links in %s",
			WALK_LINKED_MAX, w->run->project);
	w->linked[w->n_linked].dev = st->st_dev;
	w->linked[w->n_linked++].ino = st->st_ino;
	return 0;
}

/*
 * A key may have a second name inside the project. Credential stores are small: what a larger
 * directory holds beyond the first names of it is not looked at, for a start would wait for it.
 */
static int note_linked_below(struct walk *w, int parent, const char *path, unsigned depth)
{
	unsigned budget = HIDDEN_NAMES_MAX;
	int fd = openat(parent, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int r = 0;

	if (d == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return 0;
	}
	while (r == 0 && budget-- > 0 && (e = readdir(d)) != NULL) {
		struct stat st;

		if (e->d_name[0] == '.' && (e->d_name[1] == '\0' || e->d_name[1] == '.'))
			continue;
		/* Our audit has a name for each session there ever was, and holds no secret. */
		if (strcmp(e->d_name, "audit") == 0 && strcmp(path, w->run->state_dir) == 0)
			continue;
		if (e->d_type == DT_DIR && depth < HIDDEN_DEPTH_MAX)
			r = note_linked_below(w, dirfd(d), e->d_name, depth + 1);
		else if (e->d_type == DT_REG &&
			fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			r = note_linked(w, &st);
	}
	closedir(d);
	return r;
}

static int note_hidden(struct walk *w)
{
	for (size_t i = 0; i < w->plan->n; i++) {
		const struct mount_entry *e = &w->plan->entries[i];
		struct stat st;
		int r = 0;

		if ((e->kind != MOUNT_HIDE && e->kind != MOUNT_REDACT) || e->is_in_project)
			continue;
		if (e->is_dir)
			r = note_linked_below(w, AT_FDCWD, e->path, 0);
		else if (lstat(e->path, &st) == 0)
			r = note_linked(w, &st);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_here(struct walk *w, enum mount_kind kind, const struct stat *st,
	const struct policy_item *item)
{
	struct mount_entry entry = { .path = w->path.data,
		.kind = kind,
		.is_dir = S_ISDIR(st->st_mode),
		.is_in_project = true,
		.dev = st->st_dev,
		.ino = st->st_ino,
		.item = item };

	if (kind == MOUNT_HIDE && note_linked(w, st) < 0)
		return -w->err->code;
	if (S_ISLNK(st->st_mode) && plan_add_link_target(w->run, w->plan, entry, w->err) < 0)
		return -w->err->code;
	return plan_add(w->plan, entry, w->err);
}

/* A name that is hidden from the agent alone: a mask there, a pin in the cell so that it stays. */
static int add_agent_hidden(struct walk *w, const struct stat *st, const struct policy_item *item)
{
	struct mount_entry entry = { .path = w->path.data,
		.kind = MOUNT_HIDE,
		.is_dir = S_ISDIR(st->st_mode),
		.is_in_project = true,
		.agent_only = true,
		.dev = st->st_dev,
		.ino = st->st_ino,
		.item = item };

	if (plan_add(w->plan, entry, w->err) < 0)
		return -w->err->code;
	entry.kind = MOUNT_PIN;
	entry.agent_only = false;
	entry.cell_only = true;
	return plan_add(w->plan, entry, w->err);
}

static const struct policy_item *agent_rule(const struct walk *w, const char *name)
{
	size_t n;
	const struct policy_item *items = policy_list(w->run->policy, PK_AGENT_HIDE, &n);

	for (size_t i = 0; i < n; i++)
		if (items[i].value[0] != '/' ? str_glob(items[i].value, name)
					     : strstr(items[i].value, "**") != NULL &&
					policy_path_matches(items[i].value, w->path.data,
						w->run->project))
			return &items[i];
	return NULL;
}

static bool name_has_rule(const struct walk *w, const char *name)
{
	for (size_t i = 0; i < w->n_rules; i++) {
		const char *rule = w->rules[i];

		/* The first byte settles most of them. */
		if (rule[0] != name[0] && rule[0] != '*' && rule[0] != '?')
			continue;
		if (str_glob(rule, name))
			return true;
	}
	return false;
}

/* What the policy says of this very name; a rule of a directory above it is mounted up there. */
static int judge_name(struct walk *w, const char *name, const struct stat *st)
{
	struct policy_question question = { .action = POLICY_READ, .path = w->path.data };
	const struct policy_item *for_agent;
	struct policy_answer answer;

	if (S_ISSOCK(st->st_mode))
		return add_here(w, MOUNT_HIDE, st, NULL);
	if (!name_has_rule(w, name))
		return 0;
	policy_decide(w->run->policy, &question, &answer);
	if (answer.file_kind == POLICY_FILE_HIDE)
		return add_here(w, MOUNT_HIDE, st, answer.item);
	if (answer.file_kind == POLICY_FILE_PROTECT && add_here(w, MOUNT_PROTECT, st, answer.item) < 0)
		return -w->err->code;
	for_agent = agent_rule(w, name);
	return for_agent != NULL ? add_agent_hidden(w, st, for_agent) : 0;
}

static int judge_link(struct walk *w, const struct stat *st)
{
	if (st->st_nlink < 2 || S_ISDIR(st->st_mode))
		return 0;
	for (size_t i = 0; i < w->n_linked; i++)
		if (w->linked[i].dev == st->st_dev && w->linked[i].ino == st->st_ino) {
			struct mount_entry entry = { .path = w->path.data,
				.kind = MOUNT_HIDE,
				.is_in_project = true,
				.dev = st->st_dev,
				.ino = st->st_ino };

			return plan_add(w->plan, entry, w->err);
		}
	return 0;
}

static int walk_dir(struct walk *w, int fd, unsigned depth);

/* Closed now; its owner, which a command is, can open it at any time: hidden as a whole. */
static int hide_closed(struct walk *w, int parent, const char *name)
{
	struct stat st;

	if (w->looks_for_links || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return add_here(w, MOUNT_HIDE, &st, NULL);
}

/* Steps into a directory. Object stores hold no names of a user's and are left out. */
static int walk_into(struct walk *w, int parent, const char *name, unsigned depth)
{
	int fd;

	if (strcmp(name, "objects") == 0 && str_ends(w->path.data, "/.git/objects"))
		return 0;
	if (depth >= WALK_DEPTH_MAX)
		return err_set(w->err, 0, "%s is nested deeper than %d directories", w->run->project,
			WALK_DEPTH_MAX);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == EACCES || errno == EPERM))
		return hide_closed(w, parent, name);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
			? 0
			: err_set(w->err, errno, "open %s", w->path.data);
	return walk_dir(w, fd, depth + 1);
}

/*
 * A name .git: a repository, a file that names one elsewhere (worktree, submodule), or a link. git
 * on the host runs what the configuration behind it says.
 */
static int add_git(struct walk *w, const struct stat *st)
{
	AUTO_FREE char *real = NULL;

	if (S_ISDIR(st->st_mode))
		return plan_add_repository(w->run, w->plan, w->path.data, true, w->err);
	if (S_ISREG(st->st_mode))
		return add_here(w, MOUNT_PROTECT, st, NULL);
	real = S_ISLNK(st->st_mode) ? realpath(w->path.data, NULL) : NULL;
	if (real != NULL && plan_is_below(real, w->run->project))
		return plan_add_repository(w->run, w->plan, real, true, w->err);
	return 0;
}

/* *ret_is_dir: there is more to see below. */
static int judge(struct walk *w, int dir, const char *name, bool is_git, bool *ret_is_dir)
{
	size_t before = w->plan->n;
	struct stat st;

	*ret_is_dir = false;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (w->looks_for_links) {
		*ret_is_dir = S_ISDIR(st.st_mode);
		return judge_link(w, &st);
	}
	if (judge_name(w, name, &st) < 0)
		return -w->err->code;
	/* A hidden directory hides what is in it; links and sockets have nothing below. */
	if (w->plan->n != before)
		return 0;
	*ret_is_dir = S_ISDIR(st.st_mode);
	return is_git && w->protects_git ? add_git(w, &st) : 0;
}

/* The common case costs no system call: a file or directory whose name no rule knows. */
static bool is_unknown(const struct walk *w, const struct dirent *e, bool is_git)
{
	if (w->looks_for_links)
		return e->d_type == DT_DIR;
	return !is_git && (e->d_type == DT_DIR || e->d_type == DT_REG || e->d_type == DT_LNK) &&
		!name_has_rule(w, e->d_name);
}

static int walk_entry(struct walk *w, int dir, const struct dirent *e, unsigned depth)
{
	bool is_git = strcmp(e->d_name, ".git") == 0, is_dir = e->d_type == DT_DIR;

	if (!is_unknown(w, e, is_git) && judge(w, dir, e->d_name, is_git, &is_dir) < 0)
		return -w->err->code;
	return is_dir ? walk_into(w, dir, e->d_name, depth) : 0;
}

/* Takes fd. */
static int walk_dir(struct walk *w, int fd, unsigned depth)
{
	_Alignas(struct dirent) char names[WALK_NAMES_BYTES];
	AUTO_CLOSE int dir = fd;
	size_t len = w->path.len;
	ssize_t n;

	while ((n = getdents64(dir, names, sizeof(names))) > 0) {
		const struct dirent *e;

		for (ssize_t at = 0; at < n; at += e->d_reclen) {
			int r;

			e = (const void *)(names + at);
			if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
				continue;
			buf_adds(&w->path, "/");
			buf_adds(&w->path, e->d_name);
			if (w->path.failed)
				return err_set(w->err, ENOMEM, "walk");
			r = walk_entry(w, dir, e, depth);
			w->path.data[w->path.len = len] = '\0';
			if (r < 0)
				return r;
		}
	}
	/* Removed meanwhile: it has no names. */
	return n < 0 && errno != ENOENT ? err_set(w->err, errno, "read %s", w->path.data) : 0;
}

static int walk_once(struct walk *w)
{
	int fd = open(w->run->project, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_set(w->err, errno, "open project %s", w->run->project);
	w->path.len = 0;
	buf_adds(&w->path, w->run->project);
	return walk_dir(w, fd, 0);
}

int plan_walk_project(const struct run_plan *run, struct mount_plan *plan, struct err *err)
{
	struct policy_question question = { .action = POLICY_WRITE };
	struct policy_answer answer;
	AUTO_BUF struct buf config = { 0 };
	struct walk w = { .run = run, .plan = plan, .err = err };
	int r;

	buf_addf(&config, "%s/.git/config", run->project);
	question.path = config.data;
	policy_decide(run->policy, &question, &answer);
	w.protects_git = answer.file_kind == POLICY_FILE_PROTECT;
	r = pick_rules(&w);
	if (r == 0)
		r = note_hidden(&w);
	if (r == 0)
		r = walk_once(&w);
	if (r == 0 && w.n_linked > 0) {
		w.looks_for_links = true;
		r = walk_once(&w);
	}
	buf_done(&w.path);
	return r;
}
