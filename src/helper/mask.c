/*
 * Runs in a helper: in the host's pid namespace, with CAP_SYS_ADMIN in the user namespace of the view
 * it serves. Hostile: every name and link in the project, changed while we look; so all is done by
 * descriptors that were opened without following links.
 */
#include "helper/mask.h"

#include "base/cleanup.h"
#include "base/sys.h"
#include "policy/roles.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>

/* Mounts; and the paths of deletions, which are read from the commands that ask (ptrace(2)). */
static int keep_capabilities(struct err *err)
{
	const uint32_t caps = 1u << CAP_SYS_ADMIN | 1u << CAP_SYS_PTRACE;
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	for (unsigned long cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
			return err_set(err, errno, "drop capability %lu", cap);
	data[0].effective = data[0].permitted = caps;
	if (syscall(SYS_capset, &head, data) < 0)
		return err_set(err, errno, "capset");
	return 0;
}

static int look_around(struct mask_view *v, struct err *err)
{
	struct mount_attr alone = { .propagation = MS_PRIVATE };
	struct statx x;
	struct stat st;

	if (statx(v->project, "", AT_EMPTY_PATH, STATX_MNT_ID, &x) < 0 || fstat(v->masks, &st) < 0)
		return err_set(err, errno, "stat the project");
	/*
	 * Refused where the host has mounts in the project (EINVAL): then nothing masked is deleted, and no
	 * mask comes off.
	 */
	v->plain = sys_open_tree(v->project, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	/* A mother's mounts are shared: a copy that got their masks would be of no use. */
	if (v->plain >= 0 && sys_mount_setattr(v->plain, "", AT_EMPTY_PATH, &alone) < 0)
		cleanup_close(&v->plain);
	v->project_mount = x.stx_mnt_id;
	v->masks_dev = st.st_dev;
	return 0;
}

int mask_enter(struct mask_view *v, const int *fds, struct err *err)
{
	AUTO_CLOSE int userns = fds[HELPER_FD_USERNS], mntns = fds[HELPER_FD_MNTNS];

	v->root = fds[HELPER_FD_ROOT];
	v->project = fds[HELPER_FD_PROJECT];
	v->masks = fds[HELPER_FD_MASKS];
	if (setns(userns, CLONE_NEWUSER) < 0 || setns(mntns, CLONE_NEWNS) < 0)
		return err_set(err, errno, "setns");
	if (look_around(v, err) < 0)
		return -err->code;
	return keep_capabilities(err);
}

static const char *mask_for(mode_t mode, bool is_tracked)
{
	if (S_ISDIR(mode))
		return (mode & 0555) == 0 || is_tracked ? "closed" : "dir";
	return S_ISREG(mode) && is_tracked ? "refused" : "file";
}

static int attach(const struct mask_view *v, int target, const char *name)
{
	AUTO_CLOSE int tree = sys_open_tree(v->masks, name,
		OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);

	if (tree < 0)
		return -errno;
	if (sys_move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0)
		return MASK_PUT;
	/* Gone since it was opened: its name has events of its own. */
	return errno == ENOENT ? MASK_NOT_NEEDED : -errno;
}

static bool is_gone(int error)
{
	return error == ENOENT || error == ENOTDIR || error == ELOOP || error == ENAMETOOLONG;
}

static int put_on(const struct mask_view *v, int target, bool is_tracked)
{
	struct stat st;

	if (fstat(target, &st) < 0)
		return -errno;
	return st.st_dev == v->masks_dev ? MASK_NOT_NEEDED
					: attach(v, target, mask_for(st.st_mode, is_tracked));
}

int mask_put(const struct mask_view *v, const char *path, bool is_tracked)
{
	AUTO_CLOSE int target =
		sys_openat2(v->project, path, O_PATH | O_NOFOLLOW | O_CLOEXEC, RESOLVE_PLAIN);

	if (target < 0)
		return is_gone(errno) ? MASK_NOT_NEEDED : -errno;
	return put_on(v, target, is_tracked);
}

int mask_take_off(const struct mask_view *v, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
	AUTO_FREE char *parent = slash != NULL ? strndup(path, (size_t)(slash - path)) : strdup(".");
	AUTO_CLOSE int dir = -1;
	struct stat st;

	if (parent == NULL)
		return -ENOMEM;
	dir = sys_openat2(v->project, parent, O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_PLAIN);
	if (dir < 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return is_gone(errno) ? MASK_NOT_NEEDED : -errno;
	if (st.st_dev != v->masks_dev || S_ISDIR(st.st_mode))
		return MASK_NOT_NEEDED;
	if (fchdir(dir) < 0 || umount2(name, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		return -errno;
	return MASK_PUT;
}

int mask_put_target(const struct mask_view *v, const char *path, int *ret_fd)
{
	AUTO_CLOSE int target = -1;
	struct statx x;
	struct stat st;

	*ret_fd = -1;
	if (fstatat(v->project, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISLNK(st.st_mode))
		return MASK_NOT_NEEDED;
	target = sys_openat2(v->project, path, O_PATH | O_CLOEXEC,
		RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH);
	/* On another mount it is hidden, or shown, for reasons of its own. */
	if (target < 0 || statx(target, "", AT_EMPTY_PATH, STATX_MNT_ID, &x) < 0 ||
		x.stx_mnt_id != v->project_mount)
		return MASK_NOT_NEEDED;
	*ret_fd = take_fd(&target);
	return put_on(v, *ret_fd, false);
}

int mask_cover(const struct mask_view *v, const char *path, int mount)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC };
	AUTO_CLOSE int tree = mount, target = -1, dir = -1;
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	char parent[PATH_MAX] = ".";
	struct statx x;

	if (slash != NULL)
		(void)snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
	dir = sys_openat2(v->project, parent, O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_PLAIN);
	if (dir < 0 || statx(dir, name, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &x) < 0)
		return is_gone(errno) ? 0 : -errno;
	if (sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attr) < 0)
		return -errno;
	if ((x.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0 &&
		(fchdir(dir) < 0 || umount2(name, MNT_DETACH | UMOUNT_NOFOLLOW) < 0))
		return -errno;
	target = sys_openat2(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, RESOLVE_PLAIN);
	if (target < 0 || sys_move_mount(tree, "", target, "",
				  MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return is_gone(errno) ? 0 : -errno;
	return 0;
}

int mask_open_dir(const struct mask_view *v, const char *path)
{
	int fd = sys_openat2(v->project, *path != '\0' ? path : ".",
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, RESOLVE_PLAIN);

	return fd < 0 ? -errno : fd;
}
