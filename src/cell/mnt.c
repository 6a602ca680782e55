/*
 * Runs in the first process of a cell or of the agent context, before it drops its capabilities.
 * Hostile: the project's content; its paths are opened by the callers without following links.
 */
#include "cell/mnt.h"

#include "base/cleanup.h"
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

/* mkdir -p below root, for all but the last component of path. */
static int make_parents(int root, const char *path, struct err *err)
{
	char part[4096];
	size_t n = strlen(path);

	if (n >= sizeof(part))
		return err_set(err, ENAMETOOLONG, "%s", path);
	memcpy(part, path, n + 1);
	for (char *s = part; (s = strchr(s, '/')) != NULL; s++) {
		*s = '\0';
		if (mkdirat(root, part, 0755) < 0 && errno != EEXIST)
			return err_set(err, errno, "mkdir %s", part);
		*s = '/';
	}
	return 0;
}

int mnt_point(int root, const char *path, int is_dir, struct err *err)
{
	int fd;

	while (*path == '/')
		path++;
	if (*path == '\0')
		path = ".";
	fd = openat(root, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno != ENOENT)
		return err_set(err, errno, "open %s", path);
	if (make_parents(root, path, err) < 0)
		return -err->code;
	if (is_dir) {
		if (mkdirat(root, path, 0755) < 0 && errno != EEXIST)
			return err_set(err, errno, "mkdir %s", path);
	} else {
		fd = openat(root, path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
		if (fd < 0)
			return err_set(err, errno, "create %s", path);
		(void)close(fd);
	}
	fd = openat(root, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, errno, "open %s", path);
	return fd;
}
