/* A cell's pid 1: keeps runners ready, reaps, and ends the cell when the warden is gone. */
#ifndef CELL_INIT_H
#define CELL_INIT_H

#include "policy/limits.h"

#include <stdbool.h>
#include <stddef.h>

struct policy_item;

struct init_config {
	bool is_single; /* one command will come and no other: no runner is forked behind it */
	bool ends_with_it; /* the cell ends with that command, whatever it leaves */
	struct limits limits;
	const char *home; /* may be a tmpfs of the cell's own: memory */
	int tmp; /* see struct runner */
	const struct policy_item *received;
	size_t n_received;
};

/* Rationale: one takes the next command while another is being forked for the one after it. */
#define INIT_SPARE 2

/*
 * job_sock: the warden's jobs (wire/job.h); ctl_sock: struct cell_msg to the warden; both
 * SOCK_SEQPACKET, blocking at this end. Ends the process, with 0 when job_sock reaches its end.
 *
 * Should: be called in the cell, with all privilege given up and not dumpable; with /dev/ptmx of
 * the cell's own devpts and /proc of its pid namespace. Mustn't: be called with descriptors open
 * that commands are not to have below a bug (they are closed before exec all the same).
 */
_Noreturn void init_run(int job_sock, int ctl_sock, const struct init_config *config);

#endif
