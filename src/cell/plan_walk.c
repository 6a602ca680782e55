/*
 * The walk over the project at the start of a session. Runs in the warden, with the user's own
 * rights. Hostile: every name, link and depth in the tree; nothing is followed, all is bounded.
 */
#include "cell/plan.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "policy/gitshape.h"
#include "policy/namerules.h"
#include "policy/tracked.h"

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
	struct namerules rules;
	struct tracked_cache tracked;
	int root; /* O_PATH: / */
	int node; /* what the watcher calls the directory that is read; see struct walk_watcher */
};

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

/* A hidden file outside of the project: a name of it in there may come later. */
static int note_outside(struct walk *w, const struct stat *st, int dir, const char *name)
{
	if (w->plan->watcher != NULL && S_ISREG(st->st_mode))
		w->plan->watcher->hidden(w->plan->watcher->self, dir, name);
	return note_linked(w, st);
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
			r = note_outside(w, &st, dirfd(d), e->d_name);
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
			r = note_outside(w, &st, AT_FDCWD, e->path);
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

/*
 * A name that is hidden from the agent alone: a mask there, a pin in the cell so that it stays. Not of
 * what is shown as git's: git replaces it when it changes branches, and the helper masks it again.
 */
static int add_agent_hidden(struct walk *w, const struct stat *st, const struct policy_item *item,
	bool is_pinned)
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
	if (!is_pinned)
		return 0;
	entry.kind = MOUNT_PIN;
	entry.agent_only = false;
	entry.cell_only = true;
	return plan_add(w->plan, entry, w->err);
}

/* Is it git's? From before it is read on, changes of it are noticed. */
static enum tracked ask_git(struct walk *w, int dir, const char *name, const struct stat *st)
{
	const struct walk_watcher *watcher = w->plan->watcher;
	const char *path = w->path.data + strlen(w->run->project) + 1;
	AUTO_CLOSE int file = -1;

	if (!S_ISREG(st->st_mode) || w->root < 0 ||
		(watcher != NULL && !watcher->file(watcher->self, dir, name, path)))
		return TRACKED_NO;
	file = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return file < 0 ? TRACKED_NO
			: tracked_judge(&w->tracked,
				  &(struct tracked_question){ .root = w->root,
					  .file = file,
					  .project = w->run->project,
					  .path = path });
}

/* A name that the policy hides: shown all the same while it is git's, but no more than that. */
static int add_hidden(struct walk *w, int dir, const char *name, const struct stat *st,
	const struct policy_answer *answer)
{
	enum tracked tracked = TRACKED_NO;
	const struct policy_item *protects, *for_agent;

	if (namerules_may_show(answer))
		tracked = ask_git(w, dir, name, st);
	if (tracked != TRACKED_SAME) {
		size_t before = w->plan->n;
		int r = add_here(w, MOUNT_HIDE, st, answer->item);

		for (size_t i = before; i < w->plan->n; i++)
			w->plan->entries[i].is_tracked = tracked == TRACKED_CHANGED;
		return r;
	}
	for_agent = namerules_agent_hides(&w->rules, w->path.data, true);
	if (for_agent != NULL && add_agent_hidden(w, st, for_agent, false) < 0)
		return -w->err->code;
	protects = namerules_protects(&w->rules, w->path.data);
	return protects != NULL ? add_here(w, MOUNT_PROTECT, st, protects) : 0;
}

static int add_held(struct walk *w, const struct stat *st, const struct policy_item *item)
{
	struct mount_entry entry = { .path = w->path.data,
		.kind = MOUNT_HOLD,
		.is_dir = S_ISDIR(st->st_mode),
		.is_in_project = true,
		.dev = st->st_dev,
		.ino = st->st_ino,
		.item = item };

	return plan_add_hold(w->run, w->plan, entry, st->st_mode, w->err);
}

/* What the policy says of this very name; a rule of a directory above it is mounted up there. */
static int judge_name(struct walk *w, int dir, const char *name, const struct stat *st)
{
	struct policy_question question = { .action = POLICY_READ, .path = w->path.data };
	const struct policy_item *for_agent;
	struct policy_answer answer;

	if (S_ISSOCK(st->st_mode))
		return add_here(w, MOUNT_HIDE, st, NULL);
	if (!namerules_may_match(&w->rules, name))
		return 0;
	policy_decide(w->run->policy, &question, &answer);
	if (answer.file_kind == POLICY_FILE_HIDE)
		return add_hidden(w, dir, name, st, &answer);
	if (answer.file_kind == POLICY_FILE_HOLD && add_held(w, st, answer.item) < 0)
		return -w->err->code;
	if (answer.file_kind == POLICY_FILE_PROTECT && add_here(w, MOUNT_PROTECT, st, answer.item) < 0)
		return -w->err->code;
	for_agent = namerules_agent_hides(&w->rules, w->path.data, false);
	return for_agent != NULL ? add_agent_hidden(w, st, for_agent, true) : 0;
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

/* Of one: its configuration, its hooks. */
static int add_bare(struct walk *w, const char *name, const struct stat *st)
{
	if (strcmp(name, "hooks") == 0)
		return add_here(w, MOUNT_PROTECT, st, NULL);
	if (S_ISREG(st->st_mode) && plan_is_held(w->run->policy, w->path.data))
		return add_here(w, MOUNT_HOLD, st, NULL);
	return S_ISDIR(st->st_mode) ? 0 : add_here(w, MOUNT_PROTECT, st, NULL);
}

static bool is_of_bare(const struct walk *w, const char *name)
{
	return w->protects_git && !w->looks_for_links && gitshape_steers(name);
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
	if (judge_name(w, dir, name, &st) < 0)
		return -w->err->code;
	/* A hidden directory hides what is in it; links and sockets have nothing below. */
	if (w->plan->n != before)
		return 0;
	*ret_is_dir = S_ISDIR(st.st_mode);
	if (is_of_bare(w, name) && gitshape_is(dir))
		return add_bare(w, name, &st);
	return is_git && w->protects_git ? add_git(w, &st) : 0;
}

/* The common case costs no system call: a file or directory whose name no rule knows. */
static bool is_unknown(const struct walk *w, const struct dirent *e, bool is_git)
{
	if (w->looks_for_links)
		return e->d_type == DT_DIR;
	return !is_git && (e->d_type == DT_DIR || e->d_type == DT_REG || e->d_type == DT_LNK) &&
		!namerules_may_match(&w->rules, e->d_name);
}

static int walk_entry(struct walk *w, int dir, const struct dirent *e, unsigned depth)
{
	bool is_git = strcmp(e->d_name, ".git") == 0, is_dir = e->d_type == DT_DIR;

	if ((!is_unknown(w, e, is_git) || is_of_bare(w, e->d_name)) && judge(w, dir, e->d_name, is_git, &is_dir) < 0)
		return -w->err->code;
	return is_dir ? walk_into(w, dir, e->d_name, depth) : 0;
}

/* From here on no name of the directory comes unseen: watched first, then read. */
static int enter_node(struct walk *w, int dir)
{
	const struct walk_watcher *watcher = w->plan->watcher;

	if (watcher == NULL || w->looks_for_links)
		return 0;
	w->node = watcher->dir(watcher->self, dir, w->node, strrchr(w->path.data, '/') + 1);
	return w->node < 0 ? err_set(w->err, ENOMEM, "watch %s", w->path.data) : 0;
}

/* Takes fd. */
static int walk_dir(struct walk *w, int fd, unsigned depth)
{
	_Alignas(struct dirent) char names[WALK_NAMES_BYTES];
	AUTO_CLOSE int dir = fd;
	size_t len = w->path.len;
	int above = w->node;
	ssize_t n;

	if (enter_node(w, dir) < 0)
		return -w->err->code;
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
	w->node = above;
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

/* The watcher moves about; the session's own working directory stays. */
static int walk_and_watch(struct walk *w)
{
	AUTO_CLOSE int here = -1;
	int r;

	if (w->plan->watcher == NULL)
		return walk_once(w);
	here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = walk_once(w);
	if (here >= 0 && fchdir(here) < 0 && r == 0)
		r = err_set(w->err, errno, "chdir");
	return r;
}

/*
 * Names that are hidden whatever is in them: which of them git has. Rationale of the limit: of the first
 * so many each costs a look through the index; masks of more are what git takes for a change.
 */
static void note_tracked(struct walk *w)
{
	size_t skip = strlen(w->run->project) + 1;
	unsigned left = 64;

	for (size_t i = 0; i < w->plan->n && w->root >= 0 && left > 0; i++) {
		struct mount_entry *e = &w->plan->entries[i];
		bool is_judged = !e->is_dir && e->item != NULL &&
			(e->item->value[0] != '/' || strstr(e->item->value, "**") != NULL);

		if (e->kind != MOUNT_HIDE || !e->is_in_project || e->agent_only || is_judged ||
			strlen(e->path) <= skip)
			continue;
		e->is_tracked = tracked_is_named(&w->tracked,
			&(struct tracked_question){ .root = w->root,
				.project = w->run->project,
				.path = e->path + skip },
			e->is_dir);
		left--;
	}
}

int plan_walk_project(const struct run_plan *run, struct mount_plan *plan, struct err *err)
{
	struct policy_question question = { .action = POLICY_WRITE };
	struct policy_answer answer;
	AUTO_BUF struct buf config = { 0 };
	AUTO_CLOSE int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct walk w = { .run = run, .plan = plan, .err = err, .node = -1, .root = root };
	int r;

	buf_addf(&config, "%s/.git/config", run->project);
	question.path = config.data;
	policy_decide(run->policy, &question, &answer);
	w.protects_git =
		answer.file_kind == POLICY_FILE_PROTECT || answer.file_kind == POLICY_FILE_HOLD;
	r = namerules_init(&w.rules, run->policy, false, err);
	if (r == 0)
		r = note_hidden(&w);
	if (r == 0)
		r = walk_and_watch(&w);
	if (r == 0 && w.n_linked > 0) {
		w.looks_for_links = true;
		r = walk_once(&w);
	}
	if (r == 0)
		note_tracked(&w);
	tracked_done(&w.tracked);
	buf_done(&w.path);
	return r;
}
