/*
 * A cell's own /proc. Runs in a cell's first process, with capabilities in its own user namespace or its
 * mother's, before anything hostile does.
 */
#include "cell/view.h"

#include "base/cleanup.h"
#include "cell/mnt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>

/*
 * /proc is fresh and knows only the cell's processes, but some of its files speak to the whole
 * machine and are guarded by file ownership alone: a cell started by root would own them.
 */
static const char *const proc_read_only[] = { "sys", "sysrq-trigger", "irq", "bus", "fs", "scsi",
	"acpi", "asound", "mtrr" };
static const char *const proc_hidden[] = { "kcore", "kmsg", "timer_list",
	"sched_debug", "slabinfo", "vmallocinfo", "latency_stats", "kpagecgroup", "kpagecount", "kpageflags" };

#define PROC_ATTRS (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/* The user's keyrings (keyrings(7)) know no namespace: their keys' names are on no one's list. */
static const char *const proc_keys[] = { "keys", "key-users" };

/* One of /proc's files, hidden or (masks NULL) read-only; kernels differ in which they have. */
static int guard_proc(int root, const struct masks *masks, const char *name, struct err *err)
{
	char path[64];
	AUTO_CLOSE int target = -1;

	(void)snprintf(path, sizeof(path), "proc/%s", name);
	target = openat(root, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0)
		return errno == ENOENT ? 0 : err_set(err, errno, "open %s", path);
	return masks != NULL ? view_hide(masks, target, false, err)
			     : view_protect(target, MOUNT_PROTECT, MNT_NOEXEC_, err);
}

int view_proc(int root, struct err *err)
{
	return view_attach(root, mnt_new("proc", NULL, PROC_ATTRS, err), "proc", 1, err);
}

int view_proc_guard(int root, const struct masks *masks, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(proc_keys); i++)
		if (guard_proc(root, masks, proc_keys[i], err) < 0)
			return err_prefix(err, "/proc/%s", proc_keys[i]);
	/* Others than root own none of them, and have no capability that would stand in for it. */
	if (geteuid() != 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(proc_read_only); i++)
		if (guard_proc(root, NULL, proc_read_only[i], err) < 0)
			return err_prefix(err, "/proc/%s", proc_read_only[i]);
	for (size_t i = 0; i < ARRAY_LEN(proc_hidden); i++)
		if (guard_proc(root, masks, proc_hidden[i], err) < 0)
			return err_prefix(err, "/proc/%s", proc_hidden[i]);
	return 0;
}
