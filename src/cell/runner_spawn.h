/* From a job to a process that executes it. */
#ifndef CELL_RUNNER_SPAWN_H
#define CELL_RUNNER_SPAWN_H

#include "base/err.h"
#include "cell/runner.h"
#include "cell/runner_tty.h"
#include "wire/job.h"

struct runner_spawn {
	const struct job *job;
	const struct runner_tty *tty; /* used where tty_mask says so */
	const struct runner *runner;
};

/*
 * Starts the command in a process group of its own, in the runner's session. What goes wrong up to
 * its exec is one line on its stderr and its exit status (125, 126, 127; agentjail(1)). Returns its
 * pid or -errno with err when there is no process at all.
 */
pid_t runner_spawn(const struct runner_spawn *spawn, struct err *err);

#endif
