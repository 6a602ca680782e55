/*
 * Runs in a cell's runners and in its pid 1 without privilege. Hostile: the processes that are to
 * be killed, which may fork, setsid and exit while this goes on. A pid that was read and is reused
 * before its kill would take all pids of the namespace to be used up within a millisecond.
 */
#include "cell/runner_tree.h"

#include "base/cleanup.h"
#include "cell/procs.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct tree_spare {
	pid_t self;
	bool (*is_spared)(pid_t pid, void *arg);
	void *arg;
};

/* What is below a spared one is its own. */
static bool is_root(pid_t pid, void *arg)
{
	const struct tree_spare *spare = arg;

	return pid == spare->self || (spare->is_spared != NULL && spare->is_spared(pid, spare->arg));
}

/*
 * A group at one blow: it cannot fork faster than that. Only processes of one session can be in a group
 * (setpgid(2)), and those that matter here lead one: their own group is left alone, for a command may
 * have joined it.
 */
static void kill_groups(const struct procs_entry *all, size_t n, struct tree_spare *spare)
{
	pid_t last = 0;

	for (size_t i = 0; i < n; i++) {
		const struct procs_entry *p = &all[i];

		if (p->root != spare->self || p->pid == spare->self || p->group <= 1 ||
			p->group == last || is_root(p->group, spare))
			continue;
		last = p->group;
		(void)kill(-p->group, SIGKILL);
	}
}

size_t runner_tree_kill(bool (*is_spared)(pid_t pid, void *arg), void *arg)
{
	AUTO_FREE struct procs_entry *all = calloc(PROCS_MAX, sizeof(*all));
	struct tree_spare spare = { .self = getpid(), .is_spared = is_spared, .arg = arg };
	size_t n, killed = 0;

	if (all == NULL)
		return 1; /* not known: to be tried again */
	n = procs_read(all);
	procs_mark(all, n, is_root, &spare);
	kill_groups(all, n, &spare);
	for (size_t i = 0; i < n; i++)
		if (all[i].root == spare.self && all[i].pid != spare.self &&
			kill(all[i].pid, SIGKILL) == 0)
			killed++;
	return killed;
}
