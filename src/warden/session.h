/* A session from its start to its end: `agentjail AGENT` and `agentjail run`. */
#ifndef WARDEN_SESSION_H
#define WARDEN_SESSION_H

#include "policy/roles.h"

/*
 * Runs the plan. Returns the exit status (0 to 255) to leave with, after everything of the session
 * is gone; a status by signal is mirrored by raising it, and then this does not return. -errno with
 * err when agentjail itself failed: -ENOENT and -EACCES with err->code alike mean that the agent's
 * program was not found or cannot be executed (exit statuses 127 and 126).
 * Should: be called once, from a process without children or threads.
 */
int session_run(const struct run_plan *plan, const struct role_starters *start, struct err *err);

#endif
