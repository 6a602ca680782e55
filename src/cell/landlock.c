/*
 * Landlock rule sets of the two places. Runs in the first process of a cell or of the agent
 * context. A path that is there and cannot be opened is an error, never skipped.
 */
#include "cell/belts.h"

#include "base/cleanup.h"
#include "cell/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Rights newer than the headers we build with (landlock(7)). */
#define RIGHT_REFER (1ull << 13) /* ABI 2 */
#define RIGHT_TRUNCATE (1ull << 14) /* ABI 3 */
#define RIGHT_IOCTL_DEV (1ull << 15) /* ABI 5 */

#define RIGHTS_FILE                                                                                \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |                              \
		LANDLOCK_ACCESS_FS_READ_FILE | RIGHT_TRUNCATE | RIGHT_IOCTL_DEV)
#define RIGHTS_READ                                                                                \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

struct ruleset {
	int fd;
	uint64_t handled;
};

static long abi_version(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static uint64_t all_rights(long abi)
{
	uint64_t rights = (1ull << 13) - 1;

	if (abi >= 2)
		rights |= RIGHT_REFER;
	if (abi >= 3)
		rights |= RIGHT_TRUNCATE;
	if (abi >= 5)
		rights |= RIGHT_IOCTL_DEV;
	return rights;
}

static int ruleset_new(struct ruleset *set, uint64_t handled, struct err *err)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = handled };

	set->handled = handled;
	/* Only the member that every version has. */
	set->fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
	if (set->fd < 0)
		return err_set(err, errno, "landlock_create_ruleset");
	return 0;
}

static int allow_fd(const struct ruleset *set, int fd, uint64_t rights, struct err *err)
{
	struct landlock_path_beneath_attr rule = { 0 };
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, errno, "landlock: stat");
	if (!S_ISDIR(st.st_mode))
		rights &= RIGHTS_FILE;
	rule.parent_fd = fd;
	rule.allowed_access = rights & set->handled;
	if (rule.allowed_access == 0)
		return 0;
	if (syscall(SYS_landlock_add_rule, set->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return err_set(err, errno, "landlock");
	return 0;
}

static int allow(const struct ruleset *set, const char *path, uint64_t rights, struct err *err)
{
	AUTO_CLOSE int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : err_set(err, errno, "landlock: open %s", path);
	return allow_fd(set, fd, rights, err) < 0 ? err_prefix(err, "%s", path) : 0;
}

static int enforce(const struct ruleset *set, struct err *err)
{
	if (syscall(SYS_landlock_restrict_self, set->fd, 0) < 0)
		return err_set(err, errno, "landlock_restrict_self");
	return 0;
}

static int allow_plan(const struct ruleset *set, const struct mount_plan *plan, struct err *err)
{
	const char *allowed = NULL;

	for (size_t i = 0; i < plan->n; i++) {
		const struct mount_entry *e = &plan->entries[i];

		if (e->agent_only ||
			(e->kind != MOUNT_WRITE && e->kind != MOUNT_EMPTY &&
				e->kind != MOUNT_OVERLAY && e->kind != MOUNT_CACHE))
			continue;
		/* A rule holds for all below, mounts too: parents stand first. */
		if (allowed != NULL && plan_is_below(e->path, allowed))
			continue;
		if (allow(set, e->path, ~0ull, err) < 0)
			return -err->code;
		allowed = e->path;
	}
	return 0;
}

int belts_landlock_cell(const struct mount_plan *plan, int writable_dir, struct err *err)
{
	/* /dev/mqueue by name: mq_open(3) opens below the root of that file system, not below /dev. */
	static const char *const writable[] = { "/tmp", "/run", "/dev", "/dev/mqueue", "/proc" };
	long abi = abi_version();
	struct ruleset set;
	int r;

	if (abi < 1)
		return 0;
	if (ruleset_new(&set, all_rights(abi), err) < 0)
		return -err->code;
	r = allow(&set, "/", RIGHTS_READ, err);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(writable); i++)
		r = allow(&set, writable[i], ~0ull, err);
	if (r == 0 && writable_dir >= 0)
		r = allow_fd(&set, writable_dir, ~0ull, err);
	if (r == 0)
		r = allow_plan(&set, plan, err);
	if (r == 0)
		r = enforce(&set, err);
	(void)close(set.fd);
	return r;
}

int belts_landlock_agent(const char *const *files, size_t n, struct err *err)
{
	long abi = abi_version();
	struct ruleset set;
	int r = 0;

	/* Without REFER (ABI 1) every rename between directories would fail: then none at all. */
	if (abi < 2)
		return 0;
	if (ruleset_new(&set, LANDLOCK_ACCESS_FS_EXECUTE | RIGHT_REFER, err) < 0)
		return -err->code;
	r = allow(&set, "/", RIGHT_REFER, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = allow(&set, files[i], LANDLOCK_ACCESS_FS_EXECUTE, err);
	if (r == 0)
		r = enforce(&set, err);
	(void)close(set.fd);
	return r;
}
