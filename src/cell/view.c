/*
 * What both views share. Runs in the first process of a cell or of the agent context, with
 * capabilities in its own user namespace. Hostile: names inside the project.
 */
#include "cell/view.h"

#include "base/cleanup.h"
#include "base/sys.h"
#include "cell/mnt.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* Where a masked file's link points: nowhere, and it says why. */
#define MASK_TARGET "/proc/0/hidden-by-agentjail"

int view_masks_init(struct masks *m, int at, const struct cell_request *request, struct err *err)
{
	AUTO_CLOSE int tree = mnt_tmpfs("755", "256k", MNT_NOEXEC_, err);
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };

	if (tree < 0)
		return err_prefix(err, "masks");
	if (symlinkat(MASK_TARGET, tree, "file") < 0 || mkdirat(tree, "dir", 0555) < 0 ||
		mkdirat(tree, "closed", 0) < 0 || mknodat(tree, "refused", S_IFREG, 0) < 0)
		return err_set(err, errno, "masks");
	if (request != NULL && view_honey_write(tree, request, err) < 0)
		return -err->code;
	if (sys_mount_setattr(tree, "", AT_EMPTY_PATH, &read_only) < 0)
		return err_set(err, errno, "masks: mount_setattr");
	/* Attached, since a copy of a detached tree needs Linux 6.15; later mounts cover it. */
	if (mnt_attach(tree, at, err) < 0)
		return err_prefix(err, "masks");
	m->file = openat(tree, "file", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	m->dir = openat(tree, "dir", O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
	m->closed = openat(tree, "closed", O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
	m->refused = openat(tree, "refused", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (m->file < 0 || m->dir < 0 || m->closed < 0 || m->refused < 0)
		return err_set(err, errno, "masks");
	m->root = take_fd(&tree);
	return 0;
}

void view_masks_done(struct masks *m)
{
	cleanup_close(&m->file);
	cleanup_close(&m->dir);
	cleanup_close(&m->closed);
	cleanup_close(&m->refused);
	cleanup_close(&m->root);
}

int view_hide(const struct masks *m, int target, bool is_tracked, struct err *err)
{
	struct stat st, mask;
	int source, tree, r;

	if (fstat(target, &st) < 0 || fstat(m->file, &mask) < 0)
		return err_set(err, errno, "hide");
	if (st.st_dev == mask.st_dev)
		return 0;
	if (S_ISDIR(st.st_mode))
		source = (st.st_mode & 0555) == 0 || is_tracked ? m->closed : m->dir;
	else
		source = S_ISREG(st.st_mode) && is_tracked ? m->refused : m->file;
	tree = mnt_clone(source, MNT_RDONLY_ | MNT_NOEXEC_, err);
	if (tree < 0)
		return err_prefix(err, "hide");
	r = mnt_attach(tree, target, err);
	(void)close(tree);
	return r < 0 ? err_prefix(err, "hide") : 0;
}

int view_protect(int target, enum mount_kind kind, unsigned flags, struct err *err)
{
	int tree = mnt_clone(target, flags | (kind == MOUNT_PIN ? 0 : MNT_RDONLY_), err);
	int r;

	if (tree < 0)
		return err_prefix(err, "protect");
	r = mnt_attach(tree, target, err);
	(void)close(tree);
	return r < 0 ? err_prefix(err, "protect") : 0;
}

int view_attach(int root, int tree, const char *path, int is_dir, struct err *err)
{
	AUTO_CLOSE int target = -1, owned = tree;

	if (owned < 0)
		return err_prefix(err, "%s", path);
	target = mnt_point(root, path, is_dir, err);
	if (target < 0 || mnt_attach(owned, target, err) < 0)
		return err_prefix(err, "%s", path);
	return 0;
}

int view_changed(const struct mount_entry *entry, struct err *err)
{
	return err_set(err, ESTALE, "%s was changed while a session started", entry->path);
}

int view_went(const struct mount_entry *entry, struct err *err)
{
	if (err->code != ENOENT)
		return -err->code;
	return view_is_any(entry) ? 0 : view_changed(entry, err);
}

bool view_is_any(const struct mount_entry *entry)
{
	return entry->kind == MOUNT_HIDE && entry->item != NULL;
}

int view_check(const struct masks *m, int target, const struct mount_entry *entry, struct err *err)
{
	struct stat st, mask;

	if (entry->ino == 0 || view_is_any(entry))
		return 0;
	if (fstat(target, &st) < 0 || fstat(m->file, &mask) < 0)
		return err_set(err, errno, "stat %s", entry->path);
	if (st.st_dev == mask.st_dev || (st.st_dev == entry->dev && st.st_ino == entry->ino))
		return 0;
	return view_changed(entry, err);
}

int view_target(int root, const struct mount_entry *entry, struct err *err)
{
	const char *path = entry->path;
	uint64_t resolve = RESOLVE_NO_MAGICLINKS | RESOLVE_IN_ROOT |
		(entry->is_in_project ? (uint64_t)RESOLVE_NO_SYMLINKS : 0);
	int fd;

	while (*path == '/')
		path++;
	fd = sys_openat2(root, path, O_PATH | O_NOFOLLOW | O_CLOEXEC, resolve);
	if (fd < 0)
		/* A link or a file where the plan saw a directory: the name itself is gone. */
		return err_set(err, errno == ELOOP || errno == ENOTDIR ? ENOENT : errno, "open %s",
			entry->path);
	return fd;
}
