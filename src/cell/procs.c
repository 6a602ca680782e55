/*
 * Runs in a cell's runners and in its pid 1 without privilege. Hostile: the processes that are read
 * of, which choose their names, and may fork and exit while this goes on.
 *
 * Read from /proc/PID/stat: it has the cell's processes alone, and task/TID/children is an option
 * that not every kernel has.
 */
#include "cell/procs.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* proc_pid_stat(5): "PID (NAME) STATE PPID ...", NAME of 64 bytes at most, numbers of 20 digits. */
#define STAT_BYTES 1023
/* Rationale: more than most machines make; a count is enough of a reason by then. */
#define COUNT_MAX 65536
/* Rationale: smaps_rollup, status and io have some 25, 60 and 7 short lines. */
#define TEXT_BYTES 4095

/* Fields behind the name, counted from the state. */
enum field { FIELD_PARENT = 1, FIELD_GROUP, FIELD_SESSION, FIELD_UTIME = 11, FIELD_STIME, FIELD_CUTIME, FIELD_CSTIME,
	FIELD_THREADS = 17, FIELD_RESIDENT = 21, FIELD_COUNT };

static ssize_t read_text(int proc, const char *path, char *text, size_t bytes)
{
	AUTO_CLOSE int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, bytes) : -1;

	if (n > 0)
		text[n] = '\0';
	return n;
}

static bool read_stat(int proc, struct procs_entry *p)
{
	char name[32], text[STAT_BYTES + 1], *rest;
	uint64_t fields[FIELD_COUNT] = { 0 };
	size_t n = 0;

	(void)snprintf(name, sizeof(name), "%d/stat", p->pid);
	if (read_text(proc, name, text, STAT_BYTES) <= 0)
		return false;
	rest = strrchr(text, ')'); /* a name may have any byte, what follows it is numbers */
	if (rest == NULL || strlen(rest) < sizeof(") S "))
		return false;
	for (rest += 3, n = FIELD_PARENT; n < FIELD_COUNT && *rest == ' '; n++)
		fields[n] = strtoull(rest, &rest, 10);
	if (n < FIELD_COUNT)
		return false;
	p->parent = (pid_t)fields[FIELD_PARENT];
	p->group = (pid_t)fields[FIELD_GROUP];
	p->session = (pid_t)fields[FIELD_SESSION];
	p->threads = (uint32_t)fields[FIELD_THREADS];
	p->ticks = fields[FIELD_UTIME] + fields[FIELD_STIME] + fields[FIELD_CUTIME] +
		fields[FIELD_CSTIME];
	p->resident_pages = fields[FIELD_RESIDENT];
	return true;
}

static int by_pid(const void *a, const void *b)
{
	pid_t left = ((const struct procs_entry *)a)->pid;
	pid_t right = ((const struct procs_entry *)b)->pid;

	return (left > right) - (left < right);
}

/* The pids in /proc, at most max of them. */
static size_t read_pids(DIR *proc, pid_t *ret, size_t max)
{
	struct dirent *entry;
	unsigned long pid;
	size_t n = 0;

	while (n < max && (entry = readdir(proc)) != NULL)
		if (str_to_ulong(entry->d_name, INT32_MAX, &pid))
			ret[n++] = (pid_t)pid;
	return n;
}

size_t procs_sample(struct procs_entry *ret, size_t max, size_t *ret_all)
{
	AUTO_FREE pid_t *pids = malloc(COUNT_MAX * sizeof(*pids));
	DIR *proc = opendir("/proc");
	size_t all, step, n = 0;

	*ret_all = 0;
	if (proc == NULL || pids == NULL) {
		if (proc != NULL)
			(void)closedir(proc);
		return 0;
	}
	all = read_pids(proc, pids, COUNT_MAX);
	step = max > 0 ? (all + max - 1) / max : 1;
	for (size_t i = 0; i < all && n < max; i += step) {
		ret[n] = (struct procs_entry){ .pid = pids[i] };
		n += read_stat(dirfd(proc), &ret[n]);
	}
	(void)closedir(proc);
	*ret_all = all;
	qsort(ret, n, sizeof(*ret), by_pid);
	return n;
}

size_t procs_read(struct procs_entry *ret)
{
	size_t all;

	return procs_sample(ret, PROCS_MAX, &all);
}

void procs_mark(struct procs_entry *all, size_t n, bool (*is_root)(pid_t pid, void *arg), void *arg)
{
	for (size_t i = 0; i < n; i++) {
		struct procs_entry *at = &all[i];

		/* As many steps as there are processes: reused pids may make a circle. */
		for (size_t steps = 0; steps < n && at != NULL; steps++) {
			struct procs_entry parent = { .pid = at->parent };

			if (at->is_marked || is_root(at->pid, arg)) {
				all[i].root = at->is_marked ? at->root : at->pid;
				break;
			}
			at = bsearch(&parent, all, n, sizeof(*all), by_pid);
		}
		all[i].is_marked = true;
	}
}

/* The number behind a name at the start of a line; 0: it is not there. */
static uint64_t number_of(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at != NULL ? strtoull(at + strlen(name), NULL, 10) : 0;
}

bool procs_written(pid_t pid, uint64_t *ret)
{
	char path[64], text[TEXT_BYTES + 1];

	(void)snprintf(path, sizeof(path), "/proc/%d/io", pid);
	if (read_text(AT_FDCWD, path, text, TEXT_BYTES) <= 0)
		return false;
	*ret = number_of(text, "\nwrite_bytes:");
	return true;
}

uint64_t procs_memory(pid_t pid, bool is_exact)
{
	char path[64], text[TEXT_BYTES + 1];

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	if (is_exact && read_text(AT_FDCWD, path, text, TEXT_BYTES) > 0)
		return (number_of(text, "\nPss_Anon:") + number_of(text, "\nPss_Shmem:") +
			       number_of(text, "\nSwapPss:"))
			<< 10;
	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (read_text(AT_FDCWD, path, text, TEXT_BYTES) <= 0)
		return 0;
	return (number_of(text, "\nRssAnon:") + number_of(text, "\nRssShmem:") +
		       number_of(text, "\nVmSwap:"))
		<< 10;
}
