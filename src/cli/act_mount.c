/*
 * Acts with the mount calls, old and new (act.h): taking masks off, looking around them, making
 * what is read-only writable. Each goes into a mount namespace of its own first, as root or by a
 * new user namespace: nothing that it does reaches the mounts of the machine.
 */
#include "base/cleanup.h"
#include "base/sys.h"
#include "cli/act.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

/* <sys/mount.h> and <linux/mount.h> cannot both be included with every libc. */
extern int mount(const char *, const char *, const char *, unsigned long, const void *);
extern int umount2(const char *, int);

enum { BIND = 4096, REC = 16384, PRIVATE = 1 << 18, DETACH = 2 };

static void write_file(const char *path, const char *text)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		errno = EPERM;
}

/* NULL, or why there is no such namespace here. */
static const char *enter_room(void)
{
	char map[64];
	unsigned uid = getuid(), gid = getgid();

	if (unshare(CLONE_NEWNS) < 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
			return act_result(-1);
		(void)snprintf(map, sizeof(map), "%u %u 1\n", uid, uid);
		write_file("/proc/self/uid_map", map);
		write_file("/proc/self/setgroups", "deny\n");
		(void)snprintf(map, sizeof(map), "%u %u 1\n", gid, gid);
		write_file("/proc/self/gid_map", map);
	}
	if (mount(NULL, "/", NULL, REC | PRIVATE, NULL) < 0)
		return act_result(-1);
	return NULL;
}

/* FROM TO FILE: a second, unmasked view of FROM at TO; reads FILE in it. */
static const char *act_bind_read(char **arg)
{
	const char *no = enter_room();

	if (no != NULL)
		return no;
	if (mount(arg[0], arg[1], NULL, BIND, NULL) < 0)
		return act_result(-1);
	return act_read_path(arg[2]);
}

/* Takes off every mount that comes off, the last first, then reads FILE. */
static const char *act_unmount_read(char **arg)
{
	static char table[1 << 16], *at[1024];
	const char *no = enter_room();
	char point[512];
	size_t n = 0;

	if (no != NULL)
		return no;
	if (act_slurp("/proc/self/mounts", table, sizeof(table)) < 0)
		return act_result(-1);
	for (char *line = table; line != NULL && *line != '\0' && n < ARRAY_LEN(at); n++) {
		at[n] = line;
		line = strchr(line, '\n');
		line = line != NULL ? line + 1 : NULL;
	}
	while (n-- > 0)
		if (sscanf(at[n], "%*s %511s", point) == 1 && strcmp(point, "/") != 0 &&
			/* FILE may itself lie on one of them */
			strncmp(point, arg[0], strlen(point)) != 0)
			(void)umount2(point, DETACH);
	(void)umount2(arg[0], DETACH);
	return act_read_path(arg[0]);
}

/* DIR FILE: a copy of the one mount that DIR is on, without what is mounted below it. */
static const char *act_open_tree(char **arg)
{
	const char *no = enter_room();
	AUTO_CLOSE int tree = -1;
	AUTO_CLOSE int fd = -1;
	char bytes[256];

	if (no != NULL)
		return no;
	tree = sys_open_tree(AT_FDCWD, arg[0], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		return act_result(-1);
	fd = openat(tree, arg[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return act_result(-1);
	return act_has_canary(bytes, read(fd, bytes, sizeof(bytes))) ? "OK" : "EMPTY";
}

static const char *act_tmpfs(char **arg)
{
	const char *no = enter_room();

	return no != NULL ? no : act_result(mount("none", arg[0], "tmpfs", 0, NULL));
}

static const char *act_fsopen(char **arg)
{
	const char *no = enter_room();

	return no != NULL ? no : act_result(sys_fsopen(arg[0], 0));
}

static const char *act_setattr(char **arg)
{
	struct mount_attr attr = { .attr_clr = MOUNT_ATTR_RDONLY };
	const char *no = enter_room();

	return no != NULL ? no : act_result(sys_mount_setattr(AT_FDCWD, arg[0], 0, &attr));
}

static const char *act_pivot(char **arg)
{
	const char *no = enter_room();

	if (no != NULL)
		return no;
	return act_result(chdir(arg[0]) < 0 ? -1 : sys_pivot_root(".", "."));
}

static const char *act_chroot(char **arg)
{
	const char *no = enter_room();

	return no != NULL ? no : act_result(chroot(arg[0]));
}

const struct act act_mount[] = {
	{ "bind-read", 3, act_bind_read },
	{ "unmount-read", 1, act_unmount_read },
	{ "open-tree", 2, act_open_tree },
	{ "tmpfs", 1, act_tmpfs },
	{ "fsopen", 1, act_fsopen },
	{ "mount-setattr", 1, act_setattr },
	{ "pivot", 1, act_pivot },
	{ "chroot", 1, act_chroot },
	{ NULL, 0, NULL },
};
