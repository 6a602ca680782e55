/* [limits] of a whole cell, watched by its pid 1: memory, and processes. */
#ifndef CELL_INIT_LIMITS_H
#define CELL_INIT_LIMITS_H

#include "cell/init.h"
#include "cell/runner.h"

struct init_limits {
	struct limits limits;
	const char *home;
	int64_t next_ms, patience_ms;
	unsigned looks;
	pid_t victim; /* the runner whose command was told to end; 0: none */
};

/* Processors are bound here already: where less than all are allowed, to as many, rounded up. */
void init_limits_begin(struct init_limits *l, const struct init_config *config);

/* When init_limits_check() is to be called again, for poll(2); -1: never. */
int init_limits_timeout_ms(const struct init_limits *l);

/*
 * Looks, when it is time to. Where a limit is passed the runner of the command that uses most is told
 * (struct runner_slot, and SIGCHLD); it does the rest.
 */
void init_limits_check(struct init_limits *l, struct runner_pool *pool);

#endif
