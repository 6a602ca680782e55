/*
 * Runs in a cell's runners and in its pid 1 without privilege. Hostile: the processes that are to
 * be killed, which may fork, setsid and exit while this goes on. A pid that was read and is reused
 * before its kill would take all pids of the namespace to be used up within microseconds.
 */
#include "cell/runner_tree.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/*
 * Rationale: no more than that are known at a time, and there is no more than one pid each; what
 * is above comes with the next pass.
 */
#define TREE_MAX 8192

struct tree {
	pid_t *pids;
	size_t n;
};

static void tree_add(struct tree *t, pid_t pid)
{
	if (t->n < TREE_MAX && pid > 0)
		t->pids[t->n++] = pid;
}

/* proc_pid_task(5): pids with a blank after each. */
static void parse_children(struct tree *t, int fd)
{
	char bytes[4096];
	pid_t pid = 0;
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (bytes[i] >= '0' && bytes[i] <= '9') {
				pid = pid * 10 + (bytes[i] - '0');
			} else {
				tree_add(t, pid);
				pid = 0;
			}
		}
	}
}

static void add_children(struct tree *t, const char *process)
{
	char path[64];
	DIR *threads;
	struct dirent *entry;

	(void)snprintf(path, sizeof(path), "/proc/%s/task", process);
	threads = opendir(path);
	if (threads == NULL)
		return;
	while ((entry = readdir(threads)) != NULL) {
		char name[300];
		AUTO_CLOSE int fd = -1;

		(void)snprintf(name, sizeof(name), "%s/children", entry->d_name);
		fd = openat(dirfd(threads), name, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			parse_children(t, fd);
	}
	(void)closedir(threads);
}

size_t runner_tree_kill(bool (*spare)(pid_t pid, void *arg), void *arg)
{
	AUTO_FREE pid_t *pids = calloc(TREE_MAX, sizeof(*pids));
	struct tree tree = { .pids = pids };
	size_t killed = 0;

	if (pids == NULL)
		return 1; /* not known: to be tried again */
	add_children(&tree, "self");
	for (size_t i = 0; i < tree.n; i++) {
		char name[16];

		if (spare != NULL && spare(pids[i], arg))
			continue;
		/* Before the kill: a dead process has no children any more. */
		(void)snprintf(name, sizeof(name), "%d", pids[i]);
		add_children(&tree, name);
		if (kill(pids[i], SIGKILL) == 0)
			killed++;
	}
	return killed;
}
