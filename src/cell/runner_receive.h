/* Files that a command leaves in its own /tmp for the agent: [agent] receive. */
#ifndef CELL_RUNNER_RECEIVE_H
#define CELL_RUNNER_RECEIVE_H

#include "policy/policy.h"

/*
 * Copies regular files in /tmp, not below it, whose paths match one of n names to the directory `to`.
 * Should: be called when the command has ended and before that is told. What cannot be copied is not.
 */
void runner_receive(int to, const struct policy_item *names, size_t n);

#endif
