/*
 * Runs in the cell's helper, in the cell's own mounts: whether a name is a mount point is judged in
 * there. Hostile: both paths of a rename, changed at any moment; what the source is and holds; the
 * copies. Where this is wrong the kernel says EBUSY, for what is held is a mount point.
 */
#include "helper/hold.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/sys.h"
#include "policy/gitshape.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#ifndef MOVE_MOUNT_BENEATH
#define MOVE_MOUNT_BENEATH 0x00000200 /* Linux 6.5 */
#endif

#define NO_REPLACE 1u /* RENAME_NOREPLACE */

/* ---- which ones ---- */

static void copy_name(const char *path, char out[HELDSTORE_ID_BYTES + sizeof("/copy")])
{
	char id[HELDSTORE_ID_BYTES];

	heldstore_id(path, id);
	(void)snprintf(out, HELDSTORE_ID_BYTES + sizeof("/copy"), "%s/copy", id);
}

/* One that is over, unless it was tried to be lucky with. */
static struct hold *free_slot(struct holds *h)
{
	struct hold *hold = h->list;

	if (h->n < HOLD_MAX)
		return &h->list[h->n++];
	while (hold < h->list + HOLD_MAX && (hold->is_active || hold->n_taken > 0))
		hold++;
	if (hold == h->list + HOLD_MAX)
		return NULL;
	free(hold->path);
	cleanup_close(&hold->file);
	buf_done(&hold->host);
	return hold;
}

struct hold *hold_add(struct holds *h, const char *path)
{
	struct hold *hold = hold_by_path(h, path);

	if (hold == NULL) {
		char *copy = strdup(path);

		hold = copy != NULL ? free_slot(h) : NULL;
		if (hold == NULL) {
			free(copy);
			return NULL;
		}
		*hold = (struct hold){ .path = copy, .file = -1, .wd = -1, .guard = -1 };
		namebits_add(&h->names, path);
	}
	hold->is_active = true;
	return hold;
}

static void add_planned(struct holds *h, const char *path)
{
	char copy[HELDSTORE_ID_BYTES + sizeof("/copy")], base[HELDSTORE_ID_BYTES + sizeof("/base")];
	struct hold *hold;
	struct stat st;

	copy_name(path, copy);
	(void)snprintf(base, sizeof(base), "%.*s/base", HELDSTORE_ID_BYTES - 1, copy);
	if (fstatat(h->store.dir, copy, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return; /* protected instead */
	hold = hold_add(h, path);
	if (hold == NULL)
		return;
	hold->dev = st.st_dev;
	hold->ino = st.st_ino;
	hold->is_new = faccessat(h->store.dir, base, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
	h->has_new |= hold->is_new;
	hold->is_config = str_ends(path, "/config") || str_ends(path, "/config.worktree");
}

static bool holds_git(const struct run_plan *plan)
{
	AUTO_BUF struct buf config = { 0 };
	struct policy_question question = { .action = POLICY_WRITE };
	struct policy_answer answer;

	buf_addf(&config, "%s/.git/config", plan->project);
	question.path = config.data;
	policy_decide(plan->policy, &question, &answer);
	return !config.failed && answer.file_kind == POLICY_FILE_HOLD;
}

void hold_begin(struct holds *h, const struct hold_setup *setup)
{
	const struct helper_request *request = setup->request;
	size_t skip = strlen(request->plan->project) + 1;
	struct stat st;

	h->store.dir = setup->store;
	h->store.lock = openat(setup->store, CACHEDIR_LOCK, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	h->proc = setup->proc;
	h->plain = setup->plain;
	h->inotify = setup->inotify;
	h->plan = request->plan;
	h->view = setup->view;
	h->holds_git = holds_git(request->plan);
	if (fstat(setup->store, &st) == 0)
		h->dev = st.st_dev;
	for (size_t i = 0; i < request->mounts->n; i++) {
		const struct mount_entry *e = &request->mounts->entries[i];

		if (e->kind == MOUNT_HOLD && !e->agent_only)
			add_planned(h, e->path + skip);
	}
}

void hold_done(struct holds *h)
{
	for (size_t i = 0; i < h->n; i++) {
		free(h->list[i].path);
		cleanup_close(&h->list[i].file);
		buf_done(&h->list[i].host);
	}
	h->n = 0;
	heldstore_done(&h->store);
}

bool hold_may_concern(const struct holds *h, const char *path)
{
	const char *slash = strrchr(path, '/');

	return h->store.dir >= 0 && (namebits_has(&h->names, slash != NULL ? slash + 1 : path) ||
		(h->holds_git && gitdir_may_concern(path)));
}

struct hold *hold_by_file(struct holds *h, const struct stat *st)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->list[i].is_active && h->list[i].dev == st->st_dev && h->list[i].ino == st->st_ino)
			return &h->list[i];
	return NULL;
}

struct hold *hold_by_path(struct holds *h, const char *path)
{
	for (size_t i = 0; i < h->n; i++)
		if (strcmp(h->list[i].path, path) == 0)
			return &h->list[i];
	return NULL;
}

int hold_open_parent(const struct holds *h, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX] = ".";

	*ret_name = slash != NULL ? slash + 1 : path;
	if (slash != NULL)
		(void)snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
	return sys_openat2(h->view->project, parent, O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_PLAIN);
}

/* ---- mounting ---- */

int hold_take_off(int dir, const char *name)
{
	if (fchdir(dir) < 0 || umount2(name, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

/*
 * The new copy goes beneath the old, which is then taken off: there is no moment at which a reader
 * meets the host's file. Without the old one, or on an older kernel, the new one lies on top.
 */
int hold_mount_copy(struct holds *h, struct hold *hold, int dir, const char *name, bool is_on)
{
	char copy[HELDSTORE_ID_BYTES + sizeof("/copy")];
	AUTO_CLOSE int tree = -1;
	struct stat st;
	bool is_beneath;

	copy_name(hold->path, copy);
	tree = sys_open_tree(h->store.dir, copy,
		OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	if (tree < 0 || fstat(tree, &st) < 0)
		return -errno;
	is_beneath = is_on &&
		sys_move_mount(tree, "", dir, name, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_BENEATH) == 0;
	if (!is_beneath && sys_move_mount(tree, "", dir, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	hold->dev = st.st_dev;
	hold->ino = st.st_ino;
	cleanup_close(&hold->file);
	if (is_beneath && hold_take_off(dir, name) < 0)
		return -errno;
	hold_show(h, hold, dir, name);
	return 0;
}

void hold_show(const struct holds *h, const struct hold *hold, int dir, const char *name)
{
	AUTO_CLOSE int mount = -1;

	if (h->show == NULL)
		return;
	mount = sys_open_tree(dir, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	if (mount >= 0)
		h->show(h->arg, hold->path, mount);
}

void hold_show_all(struct holds *h)
{
	for (size_t i = 0; i < h->n; i++) {
		AUTO_CLOSE int dir = -1;
		const char *name;
		struct stat st;

		if (!h->list[i].is_active)
			continue;
		dir = hold_open_parent(h, h->list[i].path, &name);
		/* Where a secret is replaced something else lies on top. */
		if (dir >= 0 && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			hold_by_file(h, &st) == &h->list[i])
			hold_show(h, &h->list[i], dir, name);
	}
}

/* ---- content ---- */

int hold_read(int dir, const char *name, struct buf *content, struct stat *st)
{
	AUTO_CLOSE int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return errno == ELOOP || errno == ENXIO ? -EBUSY : -errno;
	if (fstat(fd, st) < 0)
		return -errno;
	if (S_ISDIR(st->st_mode))
		return -ENOTDIR;
	if (!S_ISREG(st->st_mode))
		return -EBUSY;
	return buf_read_fd(content, fd, HELDSTORE_FILE_BYTES) < 0 ? -EBUSY : 0;
}

int hold_write_copy(struct holds *h, const char *path, const struct buf *content, const struct stat *st)
{
	AUTO_HELDENTRY struct heldstore_entry e = { .dir = -1 };
	AUTO_CLOSE int copy = -1;
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	struct err err = { 0 };

	if (heldstore_make(&h->store, path, &e, &err) < 0 ||
		heldstore_write(&e, HELDSTORE_COPY, content->data != NULL ? content->data : "",
			content->len, &err) < 0 ||
		heldstore_open_copy(&e, O_RDONLY, &copy, &err) < 0)
		return -EBUSY;
	if (fchmod(copy, st->st_mode & 0777) < 0 || futimens(copy, times) < 0 ||
		heldstore_set_mode(&e, st->st_mode & 0777, &err) < 0)
		return -EBUSY;
	return 0;
}

/* ---- a rename ---- */

/* What is held at a name; *ret_is_on: and is mounted there. */
static struct hold *find(struct holds *h, const struct call *c, const char *path, bool *ret_is_on)
{
	struct hold *hold = NULL;
	struct stat st;

	if (fstatat(c->dir, c->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		hold = hold_by_file(h, &st);
	else if (errno == ENOENT)
		return NULL; /* the host took it away: as if it had never been */
	*ret_is_on = hold != NULL;
	if (hold == NULL)
		hold = hold_by_path(h, path);
	return hold != NULL && hold->is_active ? hold : NULL;
}

static bool is_dotgit(const char *path)
{
	return strcmp(path, ".git/config") == 0 || str_ends(path, "/.git/config");
}

/*
 * Of a .git directory: to git an empty one is none. False: it is empty, and goes. So who removes a
 * repository finds it easy, and who makes the file anew writes to what is held.
 */
static bool empty_copy(struct holds *h, struct hold *hold, const struct call *c, int *ret)
{
	struct buf nothing = { 0 };
	struct stat st;

	if (fstatat(c->dir, c->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_size == 0)
		return false;
	*ret = hold_write_copy(h, hold->path, &nothing, &st);
	if (*ret == 0)
		*ret = hold_mount_copy(h, hold, c->dir, c->name, true);
	if (*ret == 0)
		hold_pass(h, hold);
	return true;
}

/* Takes a held file away, of the cell's view and the host's: 1: it is none that commands may. */
static int remove_at(struct holds *h, const struct call *c, const char *path)
{
	struct err err = { 0 };
	struct hold *hold;
	bool is_on;
	int r = 1;

	hold = find(h, c, path, &is_on);
	/* The project's own repository lives longer than any command. */
	if (hold == NULL || !is_on ||
		(!hold->is_new && (!hold->is_config || strcmp(hold->path, ".git/config") == 0)))
		return 1;
	if (is_dotgit(hold->path) && empty_copy(h, hold, c, &r))
		return r;
	if (faccessat(c->dir, ".", W_OK | X_OK, AT_EACCESS) < 0 || hold_take_off(c->dir, c->name) < 0)
		return 1;
	if (unlinkat(c->dir, c->name, 0) < 0)
		return -errno;
	hold->is_active = false;
	cleanup_close(&hold->file);
	(void)heldstore_remove(&h->store, hold->path, &err);
	return 0;
}

int hold_remove(struct holds *h, struct call *c)
{
	char path[PATH_MAX];

	if (!call_open_parent(h->proc, h->view, c) ||
		!call_path_below(h->proc, h->plan->project, c, path))
		return 1;
	return remove_at(h, c, path);
}

/* The name that a rename takes away; programs save by way of a second name in the same directory. */
static int remove_source(struct holds *h, const struct call *from)
{
	char path[PATH_MAX];
	int r = 1;

	if (namebits_has(&h->names, from->name) &&
		call_path_below(h->proc, h->plan->project, from, path))
		r = remove_at(h, from, path);
	if (r > 0)
		r = unlinkat(from->dir, from->name, 0) < 0 ? -errno : 0;
	return r;
}

/* A mask cannot go, nor what the caller may not delete. */
static bool may_remove(struct holds *h, const struct call *from)
{
	struct statx x;

	if (statx(from->dir, from->name, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &x) < 0 ||
		faccessat(from->dir, ".", W_OK | X_OK, AT_EACCESS) < 0)
		return false;
	return (x.stx_attributes & STATX_ATTR_MOUNT_ROOT) == 0 || namebits_has(&h->names, from->name);
}

/*
 * The source's name goes when its content is there: it is the lock that git's other processes wait for.
 */
static int move_in(struct holds *h, struct hold *hold, struct hold_rename *r, const char *path, bool is_on)
{
	AUTO_BUF struct buf content = { 0 };
	struct late late = { .path = path, .name = r->to.name, .dir = r->to.dir, .content = &content };
	struct stat st;
	int error;

	if (!call_open_parent(h->proc, h->view, &r->from))
		return hold != NULL ? -EBUSY : 1;
	error = hold_read(r->from.dir, r->from.name, &content, &st);
	/* What cannot be held is looked at when it is there. */
	if (error < 0)
		return hold != NULL ? error : 1;
	if (!may_remove(h, &r->from))
		return -EBUSY;
	if (!r->is_valid(r->arg))
		return -EINTR;
	late.st = &st;
	error = hold == NULL ? hold_take(h, &late) : hold_write_copy(h, hold->path, &content, &st);
	if (error == 0 && hold != NULL)
		error = hold_mount_copy(h, hold, r->to.dir, r->to.name, is_on);
	if (error == 0)
		error = remove_source(h, &r->from);
	if (error == 0 && hold != NULL)
		hold_pass(h, hold);
	return error;
}

int hold_rename(struct holds *h, struct hold_rename *r)
{
	char path[PATH_MAX];
	struct late late = { .path = path, .name = r->to.name };
	struct hold *hold;
	enum gitdir_kind kind;
	bool is_on, is_file;

	if (!call_open_parent(h->proc, h->view, &r->to) ||
		!call_path_below(h->proc, h->plan->project, &r->to, path))
		return 1;
	hold = find(h, &r->to, path, &is_on);
	if (hold != NULL && (r->flags & ~NO_REPLACE) != 0)
		return -EBUSY;
	if (hold != NULL && (r->flags & NO_REPLACE) != 0)
		return -EEXIST;
	if (hold != NULL)
		return move_in(h, hold, r, path, is_on);
	if (h->holds_git && strcmp(r->to.name, ".git") == 0 && call_open_parent(h->proc, h->view, &r->from))
		hold_before_move(h, &r->from);
	late.dir = r->to.dir;
	kind = hold_kind(h, &late, &is_file);
	if (kind == GITDIR_FORBIDDEN)
		return -EPERM;
	if ((kind == GITDIR_NONE && !is_file) || (r->flags & ~NO_REPLACE) != 0)
		return 1;
	/* It is there and not held yet: as if its event had come already. */
	if (faccessat(r->to.dir, r->to.name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		if (r->flags != 0)
			return -EEXIST;
		if (hold_take(h, &late) < 0 || (hold = find(h, &r->to, path, &is_on)) == NULL)
			return -EBUSY;
		return move_in(h, hold, r, path, is_on);
	}
	return move_in(h, NULL, r, path, false);
}

void hold_unplace(struct holds *h)
{
	for (size_t i = 0; i < h->n; i++) {
		const struct hold *hold = &h->list[i];
		AUTO_CLOSE int dir = -1;
		const char *name;
		struct stat st;

		if (!hold->is_active || !hold->is_new || hold->is_config)
			continue;
		dir = hold_open_parent(h, hold->path, &name);
		/* Without a mount of ours on it, it is somebody's file. */
		if (dir < 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			hold_by_file(h, &st) != hold || hold_take_off(dir, name) < 0)
			continue;
		if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && st.st_size == 0)
			(void)unlinkat(dir, name, 0);
	}
}

/* ---- events ---- */

/* A directory above was renamed: the entry's name goes along. */
int hold_follow(struct holds *h, struct hold *hold, const char *path)
{
	AUTO_HELDENTRY struct heldstore_entry e = { .dir = -1 };
	char from[HELDSTORE_ID_BYTES], to[HELDSTORE_ID_BYTES];
	struct hold *other = hold_by_path(h, path);
	struct err err = { 0 };
	char *again = strdup(path);

	if (again == NULL)
		return -ENOMEM;
	heldstore_id(hold->path, from);
	heldstore_id(path, to);
	if (other != NULL)
		other->path[0] = '\0'; /* its name is another's now */
	(void)heldstore_remove(&h->store, path, &err);
	free(hold->path);
	hold->path = again;
	namebits_add(&h->names, path);
	if (renameat(h->store.dir, from, h->store.dir, to) < 0 ||
		heldstore_make(&h->store, path, &e, &err) < 0)
		return -EIO;
	return 0;
}

static int look_beside(struct holds *h, const char *path, const char *name)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && gitshape_steering(i) != NULL; i++) {
		AUTO_BUF struct buf other = { 0 };

		buf_add(&other, path, (size_t)(name - path));
		buf_adds(&other, gitshape_steering(i));
		if (other.failed)
			return -ENOMEM;
		if (strcmp(other.data, path) != 0)
			r = hold_look(h, other.data, HOLD_SEEN);
	}
	return r;
}

/*
 * Commands cannot rename onto what is held, nor create it: the one was the host, the other can have
 * been anybody, for the host had taken the name away before.
 */
static bool is_of_host(const struct hold *hold, enum hold_event event)
{
	return hold->is_active && (event == HOLD_MOVED || (event == HOLD_SEEN && !hold->is_new));
}

int hold_look(struct holds *h, const char *path, enum hold_event event)
{
	AUTO_CLOSE int dir = -1;
	struct late late = { .path = path };
	struct hold *hold;
	struct stat st;
	bool completes = false;
	int r;

	dir = hold_open_parent(h, path, &late.name);
	hold = hold_by_path(h, path);
	if (dir < 0 || fstatat(dir, late.name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (hold != NULL)
			hold->is_active = false; /* the host took it away */
		return 0;
	}
	if (hold_by_file(h, &st) != NULL)
		return hold_by_file(h, &st) == hold ? 0 : hold_follow(h, hold_by_file(h, &st), path);
	if (hold != NULL && is_of_host(hold, event)) {
		r = hold_mount_copy(h, hold, dir, late.name, false);
		hold_guard(h, hold);
		return r == -ENOENT ? 0 : r; /* gone again: its name has an event */
	}
	late.dir = dir;
	r = hold_take(h, &late);
	if (r < 0 || !h->holds_git)
		return r < 0 ? r : 0;
	(void)gitdir_judge(dir, path, &completes);
	return completes ? look_beside(h, path, late.name) : 0;
}
