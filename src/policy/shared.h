/* The policy of --mode shared: agent and commands in one cell, so there is one view for both. */
#ifndef POLICY_SHARED_H
#define POLICY_SHARED_H

#include "base/err.h"
#include "policy/policy.h"

/*
 * Turns the policy of an agent and its cell into that of a cell with the agent in it: what the
 * agent keeps is writable in the cell, its hosts are allowed in it, and what keeps the two apart
 * ([agent] hide, private, trusted) is gone. Its variables are warden/environ.c's matter. A key that
 * the system's file locks is not loosened this way either: -EPERM. 0 or -errno with err.
 * Should: be called once, when all layers are read and before anything is decided.
 */
int shared_settle(struct policy *policy, struct err *err);

#endif
