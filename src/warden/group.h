/*
 * A control group for the session's cells (cgroups(7), version 2), where this process stands in one
 * that was handed over to the user (systemd-run --user --scope -p Delegate=yes). It holds what
 * [limits] says to the byte and to a part of a processor; the cell's own watching tells who passed it.
 * Without one that watching is all there is.
 */
#ifndef WARDEN_GROUP_H
#define WARDEN_GROUP_H

#include "base/err.h"
#include "policy/limits.h"

#include <stdbool.h>
#include <sys/types.h>

struct group {
	int parent; /* the directory of the group that was ours; -1: there is no group */
	int cells; /* and that of the cells, below it */
	int events; /* of memory: priority data for poll(2) when there are some; -1 */
	unsigned long long n_killed;
	bool is_moved; /* this process has gone into a third, beside the cells' */
};

#define GROUP_NONE { .parent = -1, .cells = -1, .events = -1 }

/*
 * Makes one if a limit is set that it holds better. Nothing is made, and nothing said, where none can
 * be: not ours, others are in it, a controller is missing.
 * Should: be called before anything is forked that others wait for.
 */
void group_make(const struct limits *limits, struct group *ret);

/* What a process starts from now on is in it. 0, or -errno with err; 0 without one. */
int group_enter(const struct group *group, pid_t pid, struct err *err);

/* Has the kernel ended a process for its memory since this was asked last? */
bool group_has_killed(struct group *group);

/*
 * Removes it, when its processes are gone. Where the warden is killed it stays, empty, until the next
 * session in the same group, or until systemd removes the scope, which has no process any more.
 */
void group_done(struct group *group);

#endif
