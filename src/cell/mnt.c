/*
 * Runs in the first process of a cell or of the agent context, before it drops its capabilities.
 * Hostile: the project's content; its paths are opened by the callers without following links.
 */
#include "cell/mnt.h"

#include "base/cleanup.h"
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

static uint64_t attrs_of(unsigned flags)
{
	return MOUNT_ATTR_NOSUID | (flags & MNT_DEVICES_ ? 0 : (uint64_t)MOUNT_ATTR_NODEV) |
		(flags & MNT_NOEXEC_ ? MOUNT_ATTR_NOEXEC : 0) |
		(flags & MNT_RDONLY_ ? MOUNT_ATTR_RDONLY : 0) |
		(flags & MNT_NOSYMFOLLOW_ ? MOUNT_ATTR_NOSYMFOLLOW : 0);
}

int mnt_clone(int fd, unsigned flags, struct err *err)
{
	struct mount_attr attr = { .attr_set = attrs_of(flags) };
	unsigned recursive = flags & MNT_FLAT_ ? 0 : AT_RECURSIVE;
	AUTO_CLOSE int tree = sys_open_tree(fd, "",
		OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | recursive);

	if (tree < 0)
		return err_set(err, errno, "open_tree");
	if (sys_mount_setattr(tree, "", AT_EMPTY_PATH | recursive, &attr) < 0)
		return err_set(err, errno, "mount_setattr");
	return take_fd(&tree);
}

int mnt_new(const char *type, const char *const *options, uint64_t attrs, struct err *err)
{
	AUTO_CLOSE int fs = sys_fsopen(type, FSOPEN_CLOEXEC);
	int tree;

	if (fs < 0)
		return err_set(err, errno, "fsopen %s", type);
	for (; options != NULL && options[0] != NULL; options += 2) {
		unsigned cmd = options[1] ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;

		if (sys_fsconfig(fs, cmd, options[0], options[1], 0) < 0)
			return err_set(err, errno, "%s: option %s", type, options[0]);
	}
	if (sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_set(err, errno, "create %s", type);
	tree = sys_fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)attrs);
	if (tree < 0)
		return err_set(err, errno, "fsmount %s", type);
	return tree;
}

int mnt_tmpfs(const char *mode, const char *size, unsigned flags, struct err *err)
{
	const char *options[] = { "mode", mode, "size", size, NULL };

	return mnt_new("tmpfs", options, attrs_of(flags), err);
}

int mnt_attach(int tree, int target, struct err *err)
{
	if (sys_move_mount(tree, "", target, "",
		    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_set(err, errno, "move_mount");
	return 0;
}

/*
 * Links count as the new root has them: none leads to the host's tree, where something would be made
 * or mounted over.
 */
#define RESOLVE_BELOW (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)

static int open_dir(int root, const char *path)
{
	return sys_openat2(root, path, O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_BELOW);
}

/*
 * Opens path, a directory below root, and makes what is missing of it: up to what is there, then
 * down. Its descriptor or -errno.
 */
static int make_dir(int root, const char *path, struct err *err)
{
	AUTO_CLOSE int dir = -1;
	char part[PATH_MAX];
	size_t n = strlen(path), len = n;

	if (n >= sizeof(part))
		return err_set(err, ENAMETOOLONG, "%s", path);
	memcpy(part, path, n + 1);
	while ((dir = open_dir(root, len > 0 ? part : ".")) < 0 && errno == ENOENT && len > 0) {
		const char *slash = memrchr(part, '/', len);

		len = slash != NULL ? (size_t)(slash - part) : 0;
		part[len] = '\0';
	}
	while (dir >= 0 && len < n) {
		size_t start = len + (len > 0);
		int next = -1;

		len = start + strcspn(path + start, "/");
		memcpy(part, path, len);
		part[len] = '\0';
		if (mkdirat(dir, part + start, 0755) == 0 || errno == EEXIST)
			next = open_dir(root, part);
		cleanup_close(&dir);
		dir = next;
	}
	return dir < 0 ? err_set(err, errno, "mkdir %s", path) : take_fd(&dir);
}

/* The directory of path's last component, *ret_name, made where it is missing. */
static int open_parent(int root, const char *path, const char **ret_name, struct err *err)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *parent = strndup(path, slash != NULL ? (size_t)(slash - path) : 0);

	if (parent == NULL)
		return err_set(err, ENOMEM, "%s", path);
	*ret_name = slash != NULL ? slash + 1 : path;
	return make_dir(root, parent, err);
}

int mnt_point(int root, const char *path, int is_dir, struct err *err)
{
	AUTO_CLOSE int dir = -1, made = -1;
	const char *name = path;
	int fd;

	while (*path == '/')
		path++;
	if (*path == '\0')
		path = ".";
	fd = sys_openat2(root, path, O_PATH | O_NOFOLLOW | O_CLOEXEC, RESOLVE_BELOW);
	if (fd >= 0)
		return fd;
	if (errno != ENOENT)
		return err_set(err, errno, "open %s", path);
	dir = open_parent(root, path, &name, err);
	if (dir < 0)
		return dir;
	if (is_dir && mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
		return err_set(err, errno, "mkdir %s", path);
	if (!is_dir) {
		made = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
		if (made < 0)
			return err_set(err, errno, "create %s", path);
	}
	fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_set(err, errno, "open %s", path) : fd;
}

void mnt_parent_forget(struct mnt_parent *p)
{
	cleanup_close(&p->fd);
	p->path[0] = '\0';
}

/* Opens the directory of path's last component, if it is not the one that is open. */
static int find_parent(struct mnt_parent *p, const char *path, const char **ret_name, struct err *err)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash != NULL ? (size_t)(slash - path) : 0;

	*ret_name = path + n + (slash != NULL);
	if (p->fd >= 0 && strlen(p->path) == n && memcmp(p->path, path, n) == 0)
		return 0;
	mnt_parent_forget(p);
	if (n >= sizeof(p->path))
		return err_set(err, ENAMETOOLONG, "%s", path);
	p->fd = open_parent(p->root, path, ret_name, err);
	if (p->fd < 0)
		return -err->code;
	memcpy(p->path, path, n);
	p->path[n] = '\0';
	return 0;
}

int mnt_place(struct mnt_parent *p, int tree, const char *path, int is_dir, struct err *err)
{
	AUTO_CLOSE int owned = tree;
	const char *name;
	int r;

	while (*path == '/')
		path++;
	if (owned < 0 || find_parent(p, path, &name, err) < 0)
		return -err->code;
	r = is_dir ? mkdirat(p->fd, name, 0755) : mknodat(p->fd, name, S_IFREG | 0644, 0);
	if (r < 0 && errno != EEXIST)
		return err_set(err, errno, "make %s", path);
	/* A final symbolic link is not followed: it is what is mounted over. */
	if (sys_move_mount(owned, "", p->fd, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_set(err, errno, "move_mount");
	return 0;
}
