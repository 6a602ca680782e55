/*
 * Runs in the cell's helper. Hostile: names, links, depth and number of everything in the project.
 * A name is judged as it is now, whatever its event said: what changed since has its own event.
 */
#include "helper/tree.h"

#include "base/cleanup.h"
#include "base/sys.h"
#include "helper/shown.h"
#include "wire/helpmsg.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Rationale: as at the start; what lies deeper has no name that PATH_MAX has room for. */
#define TREE_DEPTH_MAX 200
/* Rationale: one for each level lies on the stack. */
#define TREE_NAMES_BYTES 4096
/* Rationale: some thousand events in one read. */
#define TREE_EVENTS_BYTES (64u << 10)

static void scan(struct tree *t, int fd, int parent, const char *name);

/* ---- judging one name: t->path ---- */

static const char *full_path(struct tree *t)
{
	t->full.len = 0;
	buf_addf(&t->full, "%s/%s", t->plan->project, t->path.data);
	return t->full.failed ? NULL : t->full.data;
}

/* Masked at the start: then it is no new name of a package. */
static bool was_hidden(const struct tree *t, const char *path)
{
	for (size_t i = 0; i < t->mounts->n; i++) {
		const struct mount_entry *e = &t->mounts->entries[i];

		if (e->kind == MOUNT_HIDE && e->is_in_project && strcmp(e->path, path) == 0)
			return true;
	}
	return false;
}

static bool is_kept(const struct tree *t, const char *path)
{
	size_t n;
	const struct policy_item *items = policy_list(t->plan->policy, PK_AGENT_KEEP, &n);

	for (size_t i = 0; i < n; i++)
		if (policy_path_matches(items[i].value, path, t->plan->project))
			return true;
	return false;
}

/* What is protected as well would be writable here: a mount of that kind is made at the start alone. */
static enum tracked ask_git(struct tree *t, const struct policy_answer *answer)
{
	const char *path = t->full.data;

	if (!namerules_may_show(answer) || namerules_protects(&t->rules, path) != NULL)
		return shown_is_named(t);
	return shown_judge(t);
}

static unsigned judge_rules(struct tree *t, const char *name, bool *ret_is_shown)
{
	enum tracked tracked;
	struct policy_question question = { .action = POLICY_READ };
	struct policy_answer answer;
	bool is_agents;
	unsigned how = 0;

	if (!namerules_may_match(&t->rules, name))
		return 0;
	question.path = full_path(t);
	if (question.path == NULL) {
		t->error = -ENOMEM;
		return 0;
	}
	if (namerules_is_package(t->path.data) && !was_hidden(t, question.path))
		return 0;
	policy_decide(t->plan->policy, &question, &answer);
	is_agents = !t->plan->is_run_verb &&
		namerules_agent_hides(&t->rules, question.path, true) != NULL;
	if (answer.file_kind == POLICY_FILE_HIDE) {
		tracked = ask_git(t, &answer);
		*ret_is_shown = tracked == TRACKED_SAME;
		if (*ret_is_shown && is_agents)
			return HELPMSG_IN_AGENT;
		how = HELPMSG_IN_CELL | (is_kept(t, question.path) ? 0u : HELPMSG_IN_AGENT) |
			(tracked == TRACKED_CHANGED ? HELPMSG_TRACKED : 0u);
	} else if (is_agents) {
		how = HELPMSG_IN_AGENT;
	}
	return how;
}

static unsigned judge_inode(struct tree *t, bool *is_dir)
{
	struct watch_inode inode;

	*is_dir = false;
	return watch_stat(t->view.project, t->path.data, &inode, is_dir) &&
			watch_is_hidden(t->watch, &inode)
		? HELPMSG_IN_CELL | HELPMSG_IN_AGENT | HELPMSG_BY_INODE
		: 0;
}

static void note_result(struct tree *t, int r, unsigned how)
{
	if (r < 0 && t->error == 0)
		t->error = r;
	if (r == MASK_PUT || (how & HELPMSG_IN_CELL) == 0)
		t->told(t->arg, t->path.data, how);
	else if (r == MASK_NOT_NEEDED && !t->plan->is_run_verb && (how & HELPMSG_IN_AGENT) != 0)
		t->told(t->arg, t->path.data, how | HELPMSG_AGAIN);
}

/* First what it may lead to: a link named .env hides the file behind it as well. */
static void hide(struct tree *t, unsigned how)
{
	AUTO_CLOSE int target = -1;
	int r = MASK_NOT_NEEDED;

	if ((how & HELPMSG_IN_CELL) != 0) {
		(void)mask_put_target(&t->view, t->path.data, &target);
		if (!watch_hide(t->watch, t->view.project, t->path.data) ||
			(target >= 0 && !watch_hide(t->watch, target, "")))
			t->error = -ENOMEM;
		r = mask_put(&t->view, t->path.data, (how & HELPMSG_TRACKED) != 0);
	}
	note_result(t, r, how);
}

/* The mask comes off; in the agent's view it stays where the profile hides the name from it. */
static void show(struct tree *t, unsigned how)
{
	bool is_agents = (how & HELPMSG_IN_CELL) == 0;
	int r = mask_take_off(&t->view, t->path.data);

	if (is_agents)
		t->told(t->arg, t->path.data, how);
	if (r == MASK_PUT)
		t->told(t->arg, t->path.data, (is_agents ? HELPMSG_IN_CELL : how) | HELPMSG_OFF);
}

void tree_look_again(struct tree *t)
{
	const char *slash = strrchr(t->path.data, '/');
	bool is_shown = false;
	unsigned how = judge_rules(t, slash != NULL ? slash + 1 : t->path.data, &is_shown);

	if (is_shown)
		show(t, how);
	else if (how != 0)
		hide(t, how);
}

static void look_at_held(struct tree *t)
{
	int r = hold_look(t->holds, t->path.data, t->event);

	if (r < 0 && t->error == 0)
		t->error = r;
}

/* A name in the directory numbered node that t->path leads to. */
static void look_at(struct tree *t, int node, const char *name)
{
	bool is_dir = false, is_shown = false;
	unsigned how = judge_rules(t, name, &is_shown);

	if (is_shown) {
		show(t, how);
		return;
	}
	if ((how & HELPMSG_IN_CELL) == 0)
		how |= judge_inode(t, &is_dir);
	if (how != 0)
		hide(t, how);
	else if (t->holds != NULL && hold_wants(t->holds, t->path.data))
		look_at_held(t);
	/* One that is known and has no watch is compared itself. */
	if (is_dir && t->is_comparing && watch_is_known(t->watch, node, name))
		return;
	if ((how & HELPMSG_IN_CELL) == 0 && is_dir) {
		bool was_comparing = t->is_comparing;
		int fd = mask_open_dir(&t->view, t->path.data);

		t->is_comparing = false;
		if (fd >= 0)
			scan(t, fd, node, name);
		else if ((fd == -EACCES || fd == -EPERM) && watch_closed(t->watch, node, name) < 0)
			t->error = -ENOMEM;
		t->is_comparing = was_comparing;
	}
}

/* ---- directories ---- */

static void push(struct tree *t, const char *name)
{
	if (t->path.len > 0)
		buf_adds(&t->path, "/");
	buf_adds(&t->path, name);
}

static void pop(struct tree *t, size_t len)
{
	t->path.len = len;
	if (t->path.data != NULL)
		t->path.data[len] = '\0';
}

/* The name in the directory that t->path leads to. */
static bool is_held_here(struct tree *t, const char *name)
{
	size_t len = t->path.len;
	bool r;

	if (t->holds == NULL)
		return false;
	push(t, name);
	r = !t->path.failed && hold_wants(t->holds, t->path.data);
	pop(t, len);
	return r;
}

/* The common case costs no system call: a file whose name no rule knows, nor its number. */
static bool is_of_interest(struct tree *t, const struct dirent *e)
{
	if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
		return false;
	return e->d_type == DT_DIR || e->d_type == DT_UNKNOWN ||
		watch_may_be_hidden(t->watch, e->d_ino) || namerules_may_match(&t->rules, e->d_name) ||
		is_held_here(t, e->d_name);
}

static void read_names(struct tree *t, int fd, int node)
{
	_Alignas(struct dirent) char names[TREE_NAMES_BYTES];
	size_t len = t->path.len;
	ssize_t n;

	while ((n = getdents64(fd, names, sizeof(names))) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct dirent *e = (const void *)(names + at);

			at += e->d_reclen;
			if (!is_of_interest(t, e))
				continue;
			push(t, e->d_name);
			if (!t->path.failed)
				look_at(t, node, e->d_name);
			pop(t, len);
		}
}

/* Takes fd, the directory that t->path names. Watched first, then read. */
static void scan(struct tree *t, int fd, int parent, const char *name)
{
	AUTO_CLOSE int dir = fd;
	int node;

	if (t->depth >= TREE_DEPTH_MAX || str_ends(t->path.data, ".git/objects"))
		return;
	t->depth++;
	node = watch_dir(t->watch, dir, parent, name);
	if (node < 0)
		t->error = node;
	else
		read_names(t, dir, node);
	t->depth--;
}

static int finish(struct tree *t)
{
	int r = t->path.failed ? -ENOMEM : t->error;

	t->error = 0;
	return r;
}

int tree_rescan(struct tree *t)
{
	int fd = mask_open_dir(&t->view, "");

	if (fd < 0)
		return fd;
	t->path.len = 0;
	buf_adds(&t->path, "");
	scan(t, fd, -1, "");
	return finish(t);
}

/* ---- events ---- */

static void handle(struct tree *t, const struct inotify_event *e)
{
	int node = watch_find(t->watch, e->wd);

	if ((e->mask & IN_Q_OVERFLOW) != 0) {
		t->must_rescan = true;
		return;
	}
	if ((e->mask & IN_IGNORED) != 0) {
		watch_gone(t->watch, e->wd);
		shown_gone(t, e->wd);
		return;
	}
	if (node < 0) {
		shown_written(t, e->wd);
		if (t->holds != NULL && !hold_written(t->holds, e->wd))
			(void)hold_guard_event(t->holds, e->wd);
	}
	if (node < 0 || e->len == 0)
		return;
	t->path.len = 0;
	buf_adds(&t->path, "");
	if (!watch_path(t->watch, node, &t->path)) {
		watch_drop(t->watch, node); /* moved out of the project */
		return;
	}
	if ((e->mask & IN_MOVED_FROM) != 0) {
		if ((e->mask & IN_ISDIR) != 0)
			watch_lose(t->watch, node, e->name);
		return;
	}
	if (strcmp(e->name, "index") == 0 && strstr(t->path.data, ".git") != NULL)
		t->must_ask_git = true;
	push(t, e->name);
	t->event = (e->mask & IN_MOVED_TO) != 0 ? HOLD_MOVED : HOLD_CREATED;
	if (!t->path.failed)
		look_at(t, node, e->name);
	t->event = HOLD_SEEN;
}

int tree_drain(struct tree *t)
{
	static _Alignas(struct inotify_event) char events[TREE_EVENTS_BYTES];
	int queued = 0;
	ssize_t n;

	/* What is queued now, not what a command that never stops adds meanwhile (inotify(7)). */
	if (watch_inotify(t->watch) < 0 || ioctl(watch_inotify(t->watch), FIONREAD, &queued) < 0)
		queued = 0;
	while (queued > 0 && (n = read(watch_inotify(t->watch), events, sizeof(events))) > 0) {
		queued -= (int)n;
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *e = (const void *)(events + at);

			at += (ssize_t)(sizeof(*e) + e->len);
			handle(t, e);
		}
		/* What is lost meanwhile is queued behind, as another overflow. */
		if (t->must_rescan) {
			int r;

			t->must_rescan = false;
			t->n_rescans++;
			r = tree_rescan(t);
			if (r < 0)
				return r;
		}
	}
	if (t->must_ask_git)
		shown_index(t);
	t->must_ask_git = false;
	return finish(t);
}

/* ---- directories without a watch ---- */

/* Takes fd: what was closed is not any more, and nothing in it has been seen. */
static void open_up(struct tree *t, int fd, int node)
{
	const char *slash = strrchr(t->path.data, '/');
	AUTO_FREE char *name = strdup(slash != NULL ? slash + 1 : t->path.data);
	int parent = watch_parent(t->watch, node);

	if (name == NULL) {
		(void)close(fd);
		t->error = -ENOMEM;
		return;
	}
	watch_drop(t->watch, node);
	scan(t, fd, parent, name);
}

int tree_compare(struct tree *t)
{
	size_t at = 0;
	int node;

	while ((node = watch_next_unwatched(t->watch, &at)) >= 0) {
		struct stat st;
		AUTO_CLOSE int fd = -1;

		t->path.len = 0;
		buf_adds(&t->path, "");
		if (!watch_path(t->watch, node, &t->path)) {
			watch_drop(t->watch, node);
			continue;
		}
		if (fstatat(t->view.project, t->path.len > 0 ? t->path.data : ".", &st,
			    AT_SYMLINK_NOFOLLOW) < 0) {
			watch_drop(t->watch, node);
			continue;
		}
		if (!watch_is_stale(t->watch, node, &st))
			continue;
		fd = mask_open_dir(&t->view, t->path.data);
		if (fd < 0)
			continue;
		if (watch_is_closed(t->watch, node)) {
			open_up(t, take_fd(&fd), node);
			continue;
		}
		if (watch_seen(t->watch, node, fd) < 0)
			continue;
		t->is_comparing = true;
		read_names(t, fd, node);
		t->is_comparing = false;
	}
	return finish(t);
}

/* ---- at the start ---- */

void tree_note_planned(struct tree *t)
{
	shown_note_planned(t);
	for (size_t i = 0; i < t->mounts->n; i++) {
		const struct mount_entry *e = &t->mounts->entries[i];

		if (e->kind == MOUNT_HIDE && e->is_in_project && !e->agent_only && !e->cell_only)
			(void)watch_hide(t->watch, AT_FDCWD, e->path);
	}
}
