/* Identity and capabilities. Runs in the first process of a cell or of the agent context. */
#include "cell/belts.h"

#include "base/calls.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

static int write_proc(const char *path, const char *text, struct err *err)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return err_set(err, errno, "%s", path);
	return 0;
}

int belts_map_ids(uid_t uid, gid_t gid, struct err *err)
{
	char map[64];

	if (write_proc("/proc/self/setgroups", "deny", err) < 0)
		return -err->code;
	(void)snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	if (write_proc("/proc/self/uid_map", map, err) < 0)
		return -err->code;
	(void)snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	return write_proc("/proc/self/gid_map", map, err);
}

int belts_bound_caps(struct err *err)
{
	/* The kernel's last capability is wherever the drop says EINVAL. */
	for (unsigned long cap = 0; cap < 64; cap++) {
		/* Looking is cheap; each drop makes new credentials, also one that changes nothing. */
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 0 || prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		if (errno == EINVAL && cap > CAP_AUDIT_READ)
			break;
		return err_set(err, errno, "drop capability %lu from the bounding set", cap);
	}
	return 0;
}

int belts_drop_caps(struct err *err)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_set(err, errno, "clear ambient capabilities");
	return belts_bound_caps(err) < 0 ? -err->code : calls_drop_capabilities(err);
}

int belts_no_new_privs(struct err *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(err, errno, "no_new_privs");
	return 0;
}
