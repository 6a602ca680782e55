/* All processes below this one. */
#ifndef CELL_RUNNER_TREE_H
#define CELL_RUNNER_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Sends SIGKILL to every process below this one once, but to those that are spared (NULL: none) and
 * to what is below them. Returns how many there were, zombies included.
 *
 * Should: be called by a subreaper (PR_SET_CHILD_SUBREAPER) again until all are reaped: what was
 * forked meanwhile is a descendant still, and each pass kills faster than a parent forks.
 */
size_t runner_tree_kill(bool (*is_spared)(pid_t pid, void *arg), void *arg);

#endif
