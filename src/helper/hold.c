/*
 * Runs in the cell's helper, in the cell's own mounts: whether a name is a mount point is judged in
 * there. Hostile: both paths of a rename, changed at any moment; what the source is and holds; the
 * copies. Where this is wrong the kernel says EBUSY, for what is held is a mount point.
 */
#include "helper/hold.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/sys.h"

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
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1u
#endif

#define RESOLVE_PLAIN (RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH)

/* ---- which ones ---- */

static bool copy_stat(const struct holds *h, const char *path, struct stat *st)
{
	char id[HELDSTORE_ID_BYTES], copy[HELDSTORE_ID_BYTES + sizeof("/copy")];

	heldstore_id(path, id);
	(void)snprintf(copy, sizeof(copy), "%s/copy", id);
	return fstatat(h->store.dir, copy, st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st->st_mode);
}

static struct hold *add(struct holds *h, const char *path)
{
	struct hold *hold = &h->list[h->n];
	struct stat st;

	if (h->n == HOLD_MAX || !copy_stat(h, path, &st))
		return NULL;
	*hold = (struct hold){ .path = strdup(path), .ino = st.st_ino };
	if (hold->path == NULL)
		return NULL;
	h->n++;
	namebits_add(&h->names, path);
	return hold;
}

void hold_begin(struct holds *h, int store, int proc, const struct mask_view *view,
	const struct helper_request *request)
{
	size_t skip = strlen(request->plan->project) + 1;
	struct stat st;

	h->store.dir = store;
	h->proc = proc;
	h->plan = request->plan;
	h->view = view;
	if (fstat(store, &st) == 0)
		h->dev = st.st_dev;
	for (size_t i = 0; i < request->mounts->n; i++) {
		const struct mount_entry *e = &request->mounts->entries[i];

		if (e->kind == MOUNT_HOLD && !e->agent_only)
			(void)add(h, e->path + skip);
	}
}

void hold_done(struct holds *h)
{
	for (size_t i = 0; i < h->n; i++)
		free(h->list[i].path);
	h->n = 0;
	heldstore_done(&h->store);
}

bool hold_may_concern(const struct holds *h, const char *name)
{
	return h->store.dir >= 0 && namebits_has(&h->names, name);
}

static struct hold *by_copy(struct holds *h, const struct stat *st)
{
	for (size_t i = 0; st->st_dev == h->dev && i < h->n; i++)
		if (h->list[i].ino == st->st_ino)
			return &h->list[i];
	return NULL;
}

static struct hold *by_path(struct holds *h, const char *path)
{
	for (size_t i = 0; i < h->n; i++)
		if (strcmp(h->list[i].path, path) == 0)
			return &h->list[i];
	return NULL;
}

/* What is held at a name; *ret_is_on: and its copy is mounted there. */
static struct hold *find(struct holds *h, const struct call *c, bool *ret_is_on)
{
	char path[PATH_MAX];
	struct hold *hold = NULL;
	struct stat st;

	if (fstatat(c->dir, c->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		hold = by_copy(h, &st);
	*ret_is_on = hold != NULL;
	if (hold == NULL && call_path_below(h->proc, h->plan->project, c, path))
		hold = by_path(h, path);
	return hold;
}

/* ---- mounting ---- */

static int clone_copy(const struct holds *h, const char *path)
{
	char id[HELDSTORE_ID_BYTES], copy[HELDSTORE_ID_BYTES + sizeof("/copy")];
	int tree;

	heldstore_id(path, id);
	(void)snprintf(copy, sizeof(copy), "%s/copy", id);
	tree = sys_open_tree(h->store.dir, copy, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	return tree < 0 ? -errno : tree;
}

/*
 * The new copy goes beneath the old, which is then taken off: there is no moment at which a reader
 * meets the host's file. Without the old one, or on an older kernel, the new one lies on top.
 */
static int mount_copy(struct holds *h, struct hold *hold, int dir, const char *name, bool is_on)
{
	AUTO_CLOSE int tree = clone_copy(h, hold->path);
	struct stat st;

	if (tree < 0)
		return tree;
	if (fstat(tree, &st) < 0)
		return -errno;
	if (is_on && sys_move_mount(tree, "", dir, name, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_BENEATH) == 0) {
		hold->ino = st.st_ino;
		if (fchdir(dir) < 0 || umount2(name, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
			return -errno;
		return 0;
	}
	if (sys_move_mount(tree, "", dir, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	hold->ino = st.st_ino;
	return 0;
}

/* ---- a rename ---- */

static int read_source(const struct call *from, struct buf *content, struct stat *st)
{
	AUTO_CLOSE int fd = openat(from->dir, from->name,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

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

static int write_copy(struct holds *h, const char *path, const struct buf *content, const struct stat *st)
{
	AUTO_HELDENTRY struct heldstore_entry e = { .dir = -1 };
	AUTO_CLOSE int copy = -1;
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	struct err err = { 0 };

	if (heldstore_find(&h->store, path, &e, &err) < 0 ||
		heldstore_write(&e, HELDSTORE_COPY, content->data != NULL ? content->data : "",
			content->len, &err) < 0 ||
		heldstore_open_copy(&e, O_RDONLY, &copy, &err) < 0)
		return -EBUSY;
	if (fchmod(copy, st->st_mode & 0777) < 0 || futimens(copy, times) < 0 ||
		heldstore_set_mode(&e, st->st_mode & 0777, &err) < 0)
		return -EBUSY;
	return 0;
}

/* The source's name goes before the copy comes: one that cannot go (a mask, a held file) says EBUSY. */
static int replace(struct holds *h, struct hold *hold, struct hold_rename *r, bool is_on)
{
	AUTO_BUF struct buf content = { 0 };
	struct stat st;
	int error;

	if ((r->flags & ~(unsigned)RENAME_NOREPLACE) != 0)
		return -EBUSY;
	if ((r->flags & (unsigned)RENAME_NOREPLACE) != 0)
		return -EEXIST;
	if (!call_open_parent(h->proc, h->view, &r->from))
		return -EBUSY;
	error = read_source(&r->from, &content, &st);
	if (error < 0)
		return error;
	if (!r->is_valid(r->arg))
		return -EINTR;
	if (unlinkat(r->from.dir, r->from.name, 0) < 0)
		return -errno;
	error = write_copy(h, hold->path, &content, &st);
	return error < 0 ? error : mount_copy(h, hold, r->to.dir, r->to.name, is_on);
}

int hold_rename(struct holds *h, struct hold_rename *r)
{
	struct hold *hold;
	bool is_on;

	if (!hold_may_concern(h, r->to.name) || !call_open_parent(h->proc, h->view, &r->to))
		return 1;
	hold = find(h, &r->to, &is_on);
	return hold == NULL ? 1 : replace(h, hold, r, is_on);
}

/* ---- the host's own changes ---- */

static int open_parent(const struct holds *h, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX] = ".";

	*ret_name = slash != NULL ? slash + 1 : path;
	if (slash != NULL)
		(void)snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
	return sys_openat2(h->view->project, parent, O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_PLAIN);
}

int hold_look(struct holds *h, const char *path)
{
	AUTO_CLOSE int dir = -1;
	const char *name;
	struct hold *hold;
	struct stat st;

	hold = h->store.dir >= 0 ? by_path(h, path) : NULL;
	if (hold == NULL)
		return 0;
	dir = open_parent(h, path, &name);
	if (dir < 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (by_copy(h, &st) == hold)
		return 0;
	return mount_copy(h, hold, dir, name, false);
}
