/* The terminal of one command: a pty of the cell's own devpts. */
#ifndef CELL_RUNNER_TTY_H
#define CELL_RUNNER_TTY_H

#include "base/err.h"
#include "wire/job.h"

#include <stdbool.h>
#include <sys/types.h>

struct runner_tty {
	int master, slave; /* both -1: none */
	/*
	 * The command started as the terminal's background: the first read or change of modes stops
	 * it (SIGTTIN, SIGTTOU), which tells that it wants the keys. runner_tty_to_front() ends it.
	 */
	bool is_background;
};

/*
 * Makes one with the caller's modes and size, as the controlling terminal of this process, which
 * must be a session leader with none. The slave stays open here, or the master would be hung up
 * whenever the command closes its last one. 0 or -errno with err.
 */
int runner_tty_open(struct runner_tty *ret, const struct job_head *head, struct err *err);

/* Makes the group the foreground one. */
void runner_tty_to_front(struct runner_tty *tty, pid_t group);

/* Lets go of the slave and of the controlling terminal; processes that still use it may go on. */
void runner_tty_release(struct runner_tty *tty);

/* Reads and drops what there is: writers that nobody listens to any more never block. */
void runner_tty_discard(struct runner_tty *tty);

void runner_tty_done(struct runner_tty *tty);

#endif
