/* Starting a cell. Runs in the warden, but for what the clone does. */
#ifndef CELL_CELL_H
#define CELL_CELL_H

#include "policy/roles.h"

/*
 * Makes a cell and waits until it is ready for jobs (about 3 ms). 0: *ret is the caller's,
 * cell_done() it. -errno with err naming the step that failed; then nothing is left of it.
 * Should: request->mounts come from plan_mounts(). The cell dies with the calling thread.
 */
int cell_start(const struct cell_request *request, struct cell *ret, struct err *err);

/* Starts the agent (agent.c): *ret is the caller's. The agent waits in its first exec's notification. */
int agent_start(const struct agent_request *request, struct agent *ret, struct err *err);

/*
 * Steps that both kinds of places begin with: dies with the parent, ids mapped, mounts private.
 * Should: be called first in the new process. uid and gid: those of before the clone.
 */
int place_begin(uid_t uid, gid_t gid, struct err *err) __attribute__((warn_unused_result));

/* Standard descriptors to /dev/null: a waiting first process must not hold the user's pipes open. */
int place_leave_stdio(struct err *err) __attribute__((warn_unused_result));

#endif
