/*
 * The child that makes the namespaces of a cell and tries in them what a cell needs. It writes the
 * errors into a shared page and ends; its mounts and its network end with it.
 */
#include "base/cleanup.h"
#include "base/sys.h"
#include "cli/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* linux/mount.h and linux/fanotify.h of the newest kernels; older headers lack them. */
#define PROBE_MOVE_MOUNT_BENEATH 0x200u /* Linux 6.5 */
#define PROBE_FAN_REPORT_MNT 0x4000u    /* Linux 6.14, as the next two */
#define PROBE_FAN_MARK_MNTNS 0x110u
#define PROBE_FAN_MNT_DETACH 0x2000000u

#define PLACE "/tmp" /* of the child's own mount namespace */

static int write_file(const char *path, const char *text)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t n = strlen(text);

	if (fd < 0)
		return errno;
	return write(fd, text, n) == (ssize_t)n ? 0 : errno;
}

static int write_maps(uid_t uid, gid_t gid)
{
	char map[48];
	int e;

	(void)snprintf(map, sizeof(map), "%u %u 1\n", uid, uid);
	e = write_file("/proc/self/uid_map", map);
	if (e != 0)
		return e;
	e = write_file("/proc/self/setgroups", "deny");
	if (e != 0 && e != ENOENT)
		return e;
	(void)snprintf(map, sizeof(map), "%u %u 1\n", gid, gid);
	return write_file("/proc/self/gid_map", map);
}

static int try_mount(void)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return errno;
	if (mount("probe", PLACE, "tmpfs", MS_NOSUID | MS_NODEV, NULL) < 0)
		return errno;
	if (mkdir(PLACE "/a", 0700) < 0 || mkdir(PLACE "/b", 0700) < 0 ||
		mkdir(PLACE "/u", 0700) < 0 || mkdir(PLACE "/w", 0700) < 0)
		return errno;
	return 0;
}

static int try_overlay(void)
{
	const char *options =
		"lowerdir=" PLACE "/a,upperdir=" PLACE "/u,workdir=" PLACE "/w,userxattr";

	return mount("overlay", PLACE "/b", "overlay", 0, options) < 0 ? errno : 0;
}

/* open_tree, mount_setattr and move_mount on one detached clone; then a second one beneath it. */
static void try_mount_api(int *errors)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC };
	AUTO_CLOSE int tree =
		sys_open_tree(AT_FDCWD, PLACE "/a", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	AUTO_CLOSE int again =
		sys_open_tree(AT_FDCWD, PLACE "/a", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	errors[STEP_OPEN_TREE] = tree < 0 || again < 0 ? errno : 0;
	if (errors[STEP_OPEN_TREE] != 0)
		return;
	errors[STEP_SETATTR] =
		sys_mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr) < 0 ? errno : 0;
	errors[STEP_MOVE_MOUNT] =
		sys_move_mount(tree, "", AT_FDCWD, PLACE "/u", MOVE_MOUNT_F_EMPTY_PATH) < 0 ? errno
											    : 0;
	if (errors[STEP_MOVE_MOUNT] == 0)
		errors[STEP_BENEATH] =
			sys_move_mount(again, "", AT_FDCWD, PLACE "/u",
				MOVE_MOUNT_F_EMPTY_PATH | PROBE_MOVE_MOUNT_BENEATH) < 0
				? errno
				: 0;
}

static int try_mntns(void)
{
	AUTO_CLOSE int ns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int group =
		fanotify_init(FAN_CLASS_NOTIF | PROBE_FAN_REPORT_MNT | FAN_CLOEXEC, O_RDONLY);

	if (ns < 0 || group < 0)
		return errno;
	return fanotify_mark(group, FAN_MARK_ADD | PROBE_FAN_MARK_MNTNS, PROBE_FAN_MNT_DETACH, ns,
		       NULL) < 0
		       ? errno
		       : 0;
}

/* The first process of the new pid namespace mounts its /proc. */
static int try_proc(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid < 0)
		return errno;
	if (pid == 0)
		_exit(mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0
				? errno
				: 0);
	if (waitpid(pid, &status, 0) < 0)
		return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

static void run_steps(int *errors)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	errors[STEP_USERNS] = unshare(CLONE_NEWUSER) < 0 ? errno : 0;
	if (errors[STEP_USERNS] != 0)
		return;
	errors[STEP_MAPS] = write_maps(uid, gid);
	if (errors[STEP_MAPS] != 0)
		return;
	errors[STEP_NAMESPACES] = unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
					  CLONE_NEWUTS | CLONE_NEWCGROUP) < 0
					  ? errno
					  : 0;
	if (errors[STEP_NAMESPACES] != 0)
		return;
	errors[STEP_NFT] = -probe_nft_try();
	errors[STEP_MOUNT] = try_mount();
	if (errors[STEP_MOUNT] == 0) {
		errors[STEP_OVERLAY] = try_overlay();
		try_mount_api(errors);
		errors[STEP_MNTNS] = try_mntns();
	}
	errors[STEP_PROC] = try_proc();
}

void probe_steps_run(struct probe_steps *ret)
{
	int *shared = mmap(NULL, sizeof(ret->errors), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	for (size_t i = 0; i < STEP_COUNT; i++)
		ret->errors[i] = STEP_NOT_TRIED;
	if (shared == MAP_FAILED)
		return;
	memcpy(shared, ret->errors, sizeof(ret->errors));
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		run_steps(shared);
		_exit(0);
	}
	if (pid > 0 && waitpid(pid, NULL, 0) == pid)
		memcpy(ret->errors, shared, sizeof(ret->errors));
	(void)munmap(shared, sizeof(ret->errors));
}
