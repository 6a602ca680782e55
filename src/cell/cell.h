/* Starting a cell. Runs in the warden, but for what the clone does. */
#ifndef CELL_CELL_H
#define CELL_CELL_H

#include "policy/roles.h"

/*
 * Starts a cell: namespaces and network are set up while the caller goes on, to make the mount plan
 * for one (plan_init() was called, plan_mounts() comes next). cell_go_on() tells it that the plan is
 * complete, cell_finish() waits until it is ready for jobs. 0: *ret is the caller's. -errno with err naming the step that failed;
 * then nothing is left of it. The cell dies with the calling thread.
 */
int cell_begin(const struct cell_request *request, struct cell *ret, struct err *err);
void cell_go_on(struct cell *cell);
int cell_finish(struct cell *cell, struct err *err);

/*
 * Asks a mother (a ready cell of cell_request.is_mother) for a cell for one command, without waiting:
 * *ret is the caller's; it ends when ret->jobs is closed. cell_follow() takes one message of it when
 * ret->ctl can be read: enum cell_progress. -errno with err, -EAGAIN of cell_ask() when the mother
 * has enough to do.
 */
int cell_ask(const struct cell *mother, struct cell *ret, struct err *err);
int cell_follow(struct cell *cell, struct err *err);

/* Starts the agent (agent.c): *ret is the caller's. The agent waits in its first exec's notification. */
int agent_start(const struct agent_request *request, struct agent *ret, struct err *err);

/*
 * Steps that both kinds of places begin with: dies with the parent, ids mapped, mounts private.
 * Should: be called first in the new process. uid and gid: those of before the clone.
 */
int place_begin(uid_t uid, gid_t gid, struct err *err) __attribute__((warn_unused_result));

/*
 * Arguments and environment of this process, the user's secrets among them, came along with the
 * clone: out of its memory, and with it out of /proc/PID/cmdline and environ.
 */
void place_wipe(void);

#endif
