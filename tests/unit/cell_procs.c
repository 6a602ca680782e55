/*
 * Proves: what is read of /proc is what the processes are and do: parents, groups, sessions, threads,
 * processor time, resident memory, also of one whose name is made to look like the fields behind it;
 * roots are the nearest ones; a sample has as many as asked for and the number of all; what was written
 * and what is shared is counted as it should be.
 */
#include "cell/procs.h"

#include "base/cleanup.h"
#include "tap.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEMORY (64u << 20)

static struct procs_entry all[PROCS_MAX];
static size_t n_all;

static const struct procs_entry *entry_of(pid_t pid)
{
	for (size_t i = 0; i < n_all; i++)
		if (all[i].pid == pid)
			return &all[i];
	return NULL;
}

static void *idle(void *arg)
{
	while (pause() < 0)
		continue;
	return arg;
}

/* Tells of itself with one byte, and waits. */
static _Noreturn void child_main(int ready)
{
	pthread_t thread;
	char *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)prctl(PR_SET_NAME, "x) Z 1 1 1 (");
	(void)setsid();
	memset(memory, 1, MEMORY);
	for (int i = 0; i < 3; i++)
		(void)pthread_create(&thread, NULL, idle, NULL);
	(void)!write(ready, "", 1);
	(void)pause();
	_exit(0);
}

static pid_t start(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready) < 0)
		return -1;
	pid = fork();
	if (pid == 0)
		child_main(ready[1]);
	(void)!read(ready[0], &byte, 1);
	(void)close(ready[0]);
	(void)close(ready[1]);
	return pid;
}

static bool is_one(pid_t pid, void *arg)
{
	const pid_t *roots = arg;

	return pid == roots[0] || pid == roots[1];
}

static void test_fields(pid_t child)
{
	const struct procs_entry *self, *p;
	size_t page = (size_t)sysconf(_SC_PAGESIZE), total = 0;
	struct procs_entry some[4];

	n_all = procs_read(all);
	self = entry_of(getpid());
	p = entry_of(child);
	tap_ok(self != NULL && p != NULL, "both processes are there");
	if (self == NULL || p == NULL)
		return;
	tap_ok(self->parent == getppid() && self->group == getpgrp() && self->session == getsid(0),
		"parent, group and session of this one");
	tap_ok(p->parent == getpid() && p->group == child && p->session == child,
		"and of one whose name says otherwise");
	tap_ok(p->threads == 4 && self->threads == 1, "threads");
	tap_ok(p->resident_pages * page > MEMORY && p->resident_pages * page < MEMORY + (64u << 20),
		"resident memory");
	for (size_t i = 1; i < n_all; i++)
		total += all[i].pid <= all[i - 1].pid;
	tap_ok(total == 0, "in the order of pids");
	tap_ok(procs_sample(some, 4, &total) <= 4 && total >= n_all - 4, "a sample, and how many there are");
	tap_ok(procs_sample(some, 0, &total) == 0 && total > 1, "an empty one");
}

static void test_roots(pid_t child)
{
	pid_t roots[2] = { getpid(), child };
	pid_t none[2] = { -1, -1 };

	n_all = procs_read(all);
	procs_mark(all, n_all, is_one, roots);
	tap_ok(entry_of(child)->root == child && entry_of(getpid())->root == getpid(),
		"a root is its own, though it is below another");
	tap_ok(entry_of(getppid()) == NULL || entry_of(getppid())->root == 0, "what is above has none");
	n_all = procs_read(all);
	procs_mark(all, n_all, is_one, none);
	tap_ok(entry_of(child)->root == 0, "without roots nothing has one");
	roots[1] = -1;
	n_all = procs_read(all);
	procs_mark(all, n_all, is_one, roots);
	tap_ok(entry_of(child)->root == getpid(), "below a root");
}

static void test_use(pid_t child)
{
	AUTO_CLOSE int fd = open(".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	static char bytes[1 << 20];
	uint64_t before = 0, after = 0, exact = procs_memory(child, true);

	tap_ok(exact >= MEMORY && exact < MEMORY + (16u << 20), "memory of its own");
	tap_ok(procs_memory(child, false) >= MEMORY, "by the other way, too");
	tap_ok(procs_memory(-1, true) == 0 && !procs_written(-1, &after), "of one that is not there");
	if (fd < 0 || !procs_written(getpid(), &before)) {
		printf("# no temporary file here\n");
		return;
	}
	(void)!write(fd, bytes, sizeof(bytes));
	tap_ok(procs_written(getpid(), &after) && after >= before, "what was written only grows");
}

int main(void)
{
	pid_t child = start();

	test_fields(child);
	test_roots(child);
	test_use(child);
	(void)kill(child, SIGKILL);
	(void)waitpid(child, NULL, 0);
	return tap_done();
}
