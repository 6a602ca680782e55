/*
 * Taking masks off or looking around them with the mount calls, old and new (see attack.h). The
 * positive control runs in a user namespace of its own, where these calls are allowed.
 */
#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* <sys/mount.h> and <linux/mount.h> cannot both be included with every libc. */
extern int mount(const char *, const char *, const char *, unsigned long, const void *);
extern int umount2(const char *, int);

static const unsigned long ms_bind = 4096, ms_rec = 16384, ms_remount = 32;
static const int mnt_detach = 2;

static enum verdict act_bind(char **arg)
{
	return attack_result(mount(arg[0], arg[1], NULL, ms_bind | ms_rec, NULL));
}

static enum verdict act_remount(char **arg)
{
	return attack_result(mount(NULL, arg[0], NULL, ms_remount | ms_bind, NULL));
}

static enum verdict act_tmpfs(char **arg)
{
	return attack_result(mount("none", arg[0], "tmpfs", 0, NULL));
}

static enum verdict act_proc(char **arg)
{
	return attack_result(mount("proc", arg[0], "proc", 0, NULL));
}

static enum verdict act_umount(char **arg)
{
	return attack_result(umount2(arg[0], mnt_detach));
}

/* Takes off every mount it can, the last first, then tries the hidden path. */
static enum verdict act_umount_all(char **arg)
{
	static char table[1 << 16], *at[1024];
	char buf[64], point[512];
	long len = attack_slurp("/proc/self/mounts", table, sizeof(table));
	int n = 0, taken = 0, saved = ENOENT;

	for (char *line = table; len > 0 && line && *line && n < 1024; n++) {
		at[n] = line;
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	while (n-- > 0) {
		if (sscanf(at[n], "%*s %511s", point) != 1 || strcmp(point, "/") == 0)
			continue;
		if (umount2(point, mnt_detach) == 0)
			taken++;
		else
			saved = errno;
	}
	if (taken > 0 || attack_slurp(arg[0], buf, sizeof(buf)) >= 0)
		return attack_got("mounts came off");
	errno = saved;
	return attack_result(-1);
}

static enum verdict act_open_tree(char **arg)
{
	long fd = syscall(SYS_open_tree, AT_FDCWD, arg[0], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	return attack_result(fd);
}

static enum verdict act_move_mount(char **arg)
{
	return attack_result(syscall(SYS_move_mount, AT_FDCWD, arg[0], AT_FDCWD, arg[1], 0));
}

static enum verdict act_fsopen(char **arg)
{
	return attack_result(syscall(SYS_fsopen, arg[0], 0));
}

static enum verdict act_fspick(char **arg)
{
	return attack_result(syscall(SYS_fspick, AT_FDCWD, arg[0], 0));
}

static enum verdict act_setattr(char **arg)
{
	struct mount_attr attr = {.attr_clr = MOUNT_ATTR_NOSUID};

	return attack_result(syscall(SYS_mount_setattr, AT_FDCWD, arg[0], 0, &attr, sizeof(attr)));
}

static enum verdict act_pivot(char **arg)
{
	if (chdir(arg[0]) < 0)
		return attack_result(-1);
	return attack_result(syscall(SYS_pivot_root, ".", "."));
}

/* The classic: chroot below the working directory, then climb. */
static enum verdict act_chroot(char **arg)
{
	return attack_result(chroot(arg[0]));
}


const struct attack attack_mount[] = {
	{"bind", "FROM TO", 2, act_bind},
	{"remount", "PATH", 1, act_remount},
	{"tmpfs", "PATH", 1, act_tmpfs},
	{"mount-proc", "PATH", 1, act_proc},
	{"umount", "PATH", 1, act_umount},
	{"umount-all", "PATH", 1, act_umount_all},
	{"open-tree", "PATH", 1, act_open_tree},
	{"move-mount", "FROM TO", 2, act_move_mount},
	{"fsopen", "TYPE", 1, act_fsopen},
	{"fspick", "PATH", 1, act_fspick},
	{"mount-setattr", "PATH", 1, act_setattr},
	{"pivot", "DIR", 1, act_pivot},
	{"chroot", "DIR", 1, act_chroot},
	{NULL, NULL, 0, NULL},
};
