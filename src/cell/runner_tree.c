/*
 * Runs in a cell's runners and in its pid 1 without privilege. Hostile: the processes that are to
 * be killed, which may fork, setsid and exit while this goes on. A pid that was read and is reused
 * before its kill would take all pids of the namespace to be used up within a millisecond.
 *
 * Read from /proc/PID/stat: it has the cell's processes alone, and task/TID/children is an option
 * that not every kernel has.
 */
#include "cell/runner_tree.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rationale: far above any pid limit of a cell; what is above comes with the next pass. */
#define TREE_MAX 16384

struct tree_spare {
	pid_t self;
	bool (*is_spared)(pid_t pid, void *arg);
	void *arg;
};

/* proc_pid_stat(5): "PID (NAME) STATE PPID ...", of which NAME is 64 bytes at most. */
#define STAT_BYTES 160

struct process {
	pid_t pid, parent;
	bool is_below, is_known; /* is_known: is_below is final */
};

static bool read_parent(int proc, struct process *p)
{
	char name[32], text[STAT_BYTES + 1];
	AUTO_CLOSE int fd = -1;
	const char *end;
	ssize_t n;

	(void)snprintf(name, sizeof(name), "%d/stat", p->pid);
	fd = openat(proc, name, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, text, STAT_BYTES) : -1;
	if (n <= 0)
		return false;
	text[n] = '\0';
	end = strrchr(text, ')'); /* a name may have any byte, what follows it is numbers */
	if (end == NULL || strlen(end) < sizeof(") S "))
		return false;
	p->parent = (pid_t)strtol(end + 4, NULL, 10);
	return true;
}

static size_t read_all(struct process *all)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	size_t n = 0;

	if (proc == NULL)
		return 0;
	while (n < TREE_MAX && (entry = readdir(proc)) != NULL) {
		unsigned long pid;

		if (!str_to_ulong(entry->d_name, INT32_MAX, &pid))
			continue;
		all[n] = (struct process){ .pid = (pid_t)pid };
		n += read_parent(dirfd(proc), &all[n]);
	}
	(void)closedir(proc);
	return n;
}

static int by_pid(const void *a, const void *b)
{
	pid_t left = ((const struct process *)a)->pid, right = ((const struct process *)b)->pid;

	return (left > right) - (left < right);
}

/* Below this process by a chain of parents without a spared one? */
static void judge(struct process *all, size_t n, struct process *p, const struct tree_spare *spare)
{
	struct process *at = p;
	bool is_below = false;

	/* As many steps as there are processes: a snapshot with reused pids may have a circle. */
	for (size_t steps = 0; steps < n && at != NULL; steps++) {
		struct process parent = { .pid = at->parent };

		if (spare->is_spared != NULL && spare->is_spared(at->pid, spare->arg))
			break;
		if (at->is_known || at->parent == spare->self) {
			is_below = at->is_known ? at->is_below : true;
			break;
		}
		at = bsearch(&parent, all, n, sizeof(*all), by_pid);
	}
	p->is_below = is_below;
	p->is_known = true;
}

size_t runner_tree_kill(bool (*is_spared)(pid_t pid, void *arg), void *arg)
{
	AUTO_FREE struct process *all = calloc(TREE_MAX, sizeof(*all));
	struct tree_spare spare = { .self = getpid(), .is_spared = is_spared, .arg = arg };
	size_t n, killed = 0;

	if (all == NULL)
		return 1; /* not known: to be tried again */
	n = read_all(all);
	qsort(all, n, sizeof(*all), by_pid);
	for (size_t i = 0; i < n; i++) {
		judge(all, n, &all[i], &spare);
		if (all[i].is_below && kill(all[i].pid, SIGKILL) == 0)
			killed++;
	}
	return killed;
}
