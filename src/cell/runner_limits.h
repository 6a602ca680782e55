/* [limits] of one command, watched by its runner; and the end of one that passed a limit. */
#ifndef CELL_RUNNER_LIMITS_H
#define CELL_RUNNER_LIMITS_H

#include "cell/runner.h"

struct runner_limits {
	int64_t start_ms, next_ms, kill_ms;
	uint64_t own_ticks, own_written; /* the runner's, from commands before this one */
	bool is_over;
};

/* A command of that number begins. */
void runner_limits_begin(struct runner_limits *l, struct runner *r, uint32_t id);

/* When runner_limits_are_over() is to be asked again, for poll(2); -1: no need. */
int runner_limits_timeout_ms(const struct runner_limits *l, const struct runner *r);

/*
 * Has it passed a limit, this runner's or one that pid 1 watches, and has the warden said so (or not
 * within its time)? pid: the command, 0: it has ended and left processes behind. True: it is to be
 * killed now, with all that it started.
 */
bool runner_limits_are_over(struct runner_limits *l, struct runner *r, pid_t pid);

/* Nothing of it is left. */
void runner_limits_end(struct runner *r);

#endif
