/*
 * See group.h. Runs in the warden with the user's rights: the kernel decides whose a group is. Nothing
 * hostile: no command sees the hierarchy.
 *
 * A group whose children are to have limits must have no process of its own (cgroups(7), "no internal
 * processes"), so the warden makes one for itself as well and goes into it, unless the limits can be
 * had without; where somebody else's processes are in the group that is not done.
 */
#include "warden/group.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ROOT "/sys/fs/cgroup"
#define PREFIX "agentjail-"
#define PERIOD_US 100000u
/* Rationale: in these files stand a handful of words, or pids of a session's first processes. */
#define TEXT_MAX (64u << 10)
/* Rationale: more than the warden has before its first cell: itself and the session's authority. */
#define MOVED_MAX 16

static int write_text(int dir, const char *name, const char *text)
{
	AUTO_CLOSE int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : write_all(fd, text, strlen(text));
}

static int write_number(int dir, const char *name, unsigned long long value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%llu", value);
	return write_text(dir, name, text);
}

static int read_text(int dir, const char *name, struct buf *out)
{
	AUTO_CLOSE int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : buf_read_fd(out, fd, TEXT_MAX);
}

/* "0::/PATH" of /proc/self/cgroup; version 2 alone has that line, and only where it stands at ROOT. */
static int open_own(void)
{
	AUTO_BUF struct buf text = { 0 }, path = { 0 };
	const char *line;

	if (read_text(AT_FDCWD, "/proc/self/cgroup", &text) < 0 || text.data == NULL)
		return -1;
	line = strncmp(text.data, "0::/", 4) == 0 ? text.data : strstr(text.data, "\n0::/");
	if (line == NULL)
		return -1;
	line = strchr(line, '/');
	buf_addf(&path, ROOT "%.*s", (int)strcspn(line, "\n"), line);
	return path.failed ? -1 : open(path.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = text; at != NULL && (at = strstr(at, word)) != NULL; at += n)
		if ((at == text || at[-1] == ' ') && strchr(" \n", at[n]) != NULL)
			return true;
	return false;
}

static const struct {
	const char *name;
	enum limits_kind kind;
} controllers[] = {
	{ "memory", LIMITS_MEMORY },
	{ "cpu", LIMITS_CORES },
	{ "pids", LIMITS_PIDS },
};

/* Do all that are wanted stand in that file of the group? */
static bool has_controllers(int group, const char *file, const struct limits *limits)
{
	AUTO_BUF struct buf text = { 0 };

	if (read_text(group, file, &text) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(controllers); i++)
		if (limits->amounts[controllers[i].kind] != 0 &&
			(text.data == NULL || !has_word(text.data, controllers[i].name)))
			return false;
	return true;
}

/* ---- names ---- */

static void name_of(pid_t pid, const char *what, char ret[64])
{
	(void)snprintf(ret, 64, PREFIX "%d-%s", pid, what);
}

/* What sessions left that were killed: empty ones, and of no process that lives. */
static void clean(int parent)
{
	int copy = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry;

	if (d == NULL) {
		cleanup_close(&copy);
		return;
	}
	while ((entry = readdir(d)) != NULL) {
		long pid = str_starts(entry->d_name, PREFIX)
			? strtol(entry->d_name + strlen(PREFIX), NULL, 10)
			: 0;

		if (pid > 0 && kill((pid_t)pid, 0) < 0 && errno == ESRCH)
			(void)unlinkat(parent, entry->d_name, AT_REMOVEDIR);
	}
	(void)closedir(d);
}

static int make(int parent, const char *what)
{
	char name[64];

	name_of(getpid(), what, name);
	if (mkdirat(parent, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	return openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void unmake(int parent, const char *what)
{
	char name[64];

	name_of(getpid(), what, name);
	(void)unlinkat(parent, name, AT_REMOVEDIR);
}

/* ---- out of the way ---- */

static pid_t parent_of(pid_t pid)
{
	AUTO_BUF struct buf text = { 0 };
	char path[64];
	const char *end;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_text(AT_FDCWD, path, &text) < 0 || text.data == NULL)
		return 0;
	end = strrchr(text.data, ')');
	return end != NULL && strlen(end) > 4 ? (pid_t)strtol(end + 4, NULL, 10) : 0;
}

/* The processes in the group, if all of them are this one and its children; else -1. */
static int list_ours(int group, pid_t *ret)
{
	AUTO_BUF struct buf text = { 0 };
	char *rest;
	int n = 0;

	if (read_text(group, "cgroup.procs", &text) < 0)
		return -1;
	for (rest = text.data; rest != NULL && *rest != '\0'; rest += strspn(rest, "\n")) {
		pid_t pid = (pid_t)strtol(rest, &rest, 10);

		if (n == MOVED_MAX || (pid != getpid() && parent_of(pid) != getpid()))
			return -1;
		ret[n++] = pid;
	}
	return n;
}

static void move_back(int parent)
{
	AUTO_CLOSE int own = make(parent, "self");
	pid_t pids[MOVED_MAX];
	int n = own >= 0 ? list_ours(own, pids) : 0;

	for (int i = 0; i < n; i++)
		(void)write_number(parent, "cgroup.procs", (unsigned long long)pids[i]);
	cleanup_close(&own);
	unmake(parent, "self");
}

static bool set_controllers(int parent, const struct limits *limits, char sign)
{
	bool did = true;

	for (size_t i = 0; i < ARRAY_LEN(controllers); i++) {
		char text[16];

		if (limits->amounts[controllers[i].kind] == 0)
			continue;
		(void)snprintf(text, sizeof(text), "%c%s", sign, controllers[i].name);
		did &= write_text(parent, "cgroup.subtree_control", text) >= 0;
	}
	return did;
}

/* The children of the group get its controllers. False: all is as it was. */
static bool share(struct group *group, const struct limits *limits)
{
	AUTO_CLOSE int own = -1;
	pid_t pids[MOVED_MAX];
	int n;

	if (has_controllers(group->parent, "cgroup.subtree_control", limits))
		return true;
	n = list_ours(group->parent, pids);
	own = n > 0 ? make(group->parent, "self") : -1;
	if (own < 0)
		return false;
	group->is_moved = true;
	for (int i = 0; i < n; i++)
		if (write_number(own, "cgroup.procs", (unsigned long long)pids[i]) < 0)
			n = -1;
	if (n > 0 && set_controllers(group->parent, limits, '+'))
		return true;
	(void)set_controllers(group->parent, limits, '-');
	move_back(group->parent);
	group->is_moved = false;
	return false;
}

/* ---- limits ---- */

/*
 * A little above what the cell watches for itself: at `high` the kernel makes the command that grows
 * wait, so that it is found and told; `max` is for what nobody has found. Then the kernel ends the
 * biggest; memory that no process has mapped makes none big, and the cell's pid 1 may be the one.
 */
static bool set_limits(int cells, const struct limits *limits)
{
	unsigned long long memory = limits->amounts[LIMITS_MEMORY];
	unsigned long long pids = limits->amounts[LIMITS_PIDS];
	unsigned long long cores = limits->amounts[LIMITS_CORES];
	char text[64];
	bool did = true;

	if (memory != 0) {
		did &= write_number(cells, "memory.high", memory + memory / 16) >= 0;
		did &= write_number(cells, "memory.max", memory + memory / 8) >= 0;
		/* Not there where swap is not accounted; then there is mostly none. */
		(void)write_text(cells, "memory.swap.max", "0");
	}
	if (pids != 0)
		did &= write_number(cells, "pids.max", pids + pids / 8 + 64) >= 0;
	if (cores != 0) {
		(void)snprintf(text, sizeof(text), "%llu %u", cores * PERIOD_US / 1000, PERIOD_US);
		did &= write_text(cells, "cpu.max", text) >= 0;
	}
	return did;
}

bool group_has_killed(struct group *group)
{
	unsigned long long before = group->n_killed;
	char text[512];
	const char *at;
	ssize_t n = group->events >= 0 ? pread(group->events, text, sizeof(text) - 1, 0) : -1;

	if (n <= 0)
		return false;
	text[n] = '\0';
	at = strstr(text, "\noom_kill ");
	if (at != NULL)
		group->n_killed = strtoull(at + strlen("\noom_kill "), NULL, 10);
	return group->n_killed > before;
}

void group_make(const struct limits *limits, struct group *ret)
{
	struct group group = GROUP_NONE;

	*ret = group;
	/* Processes alone are the kernel's to count anyway, but root's. */
	if (limits->amounts[LIMITS_MEMORY] == 0 && limits->amounts[LIMITS_CORES] == 0)
		return;
	group.parent = open_own();
	if (group.parent < 0 || faccessat(group.parent, "cgroup.subtree_control", W_OK, AT_EACCESS) < 0 ||
		!has_controllers(group.parent, "cgroup.controllers", limits)) {
		cleanup_close(&group.parent);
		return;
	}
	clean(group.parent);
	if (share(&group, limits))
		group.cells = make(group.parent, "cells");
	if (group.cells < 0 || !set_limits(group.cells, limits)) {
		group_done(&group);
		return;
	}
	group.events = openat(group.cells, "memory.events", O_RDONLY | O_CLOEXEC);
	/* From the first reading on changes are told (cgroups(7)). */
	(void)group_has_killed(&group);
	*ret = group;
}

int group_enter(const struct group *group, pid_t pid, struct err *err)
{
	int r = group->cells < 0
		? 0
		: write_number(group->cells, "cgroup.procs", (unsigned long long)pid);

	return r < 0 ? err_set(err, -r, "control group of the cell") : 0;
}

void group_done(struct group *group)
{
	static const struct limits all = { .amounts = { [LIMITS_MEMORY] = 1, [LIMITS_PIDS] = 1,
						   [LIMITS_CORES] = 1 } };

	if (group->parent < 0)
		return;
	cleanup_close(&group->events);
	cleanup_close(&group->cells);
	unmake(group->parent, "cells");
	if (group->is_moved) {
		(void)set_controllers(group->parent, &all, '-');
		move_back(group->parent);
	}
	cleanup_close(&group->parent);
	*group = (struct group)GROUP_NONE;
}
