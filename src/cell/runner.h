/*
 * One of a cell's runners: takes a command from the shared job socket, runs it, tells the command's
 * front end how it fares, and when nothing of it is left takes the next. A command costs one
 * message and one vfork this way.
 */
#ifndef CELL_RUNNER_H
#define CELL_RUNNER_H

#include "policy/limits.h"
#include "wire/hello.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Rationale: one for each command that runs at a time and for each that left a background process
 * behind; each costs some 200 kB. Commands above it wait for one that ends.
 */
#define RUNNER_MAX 1024

enum runner_state { RUNNER_NONE, RUNNER_IDLE, RUNNER_BUSY };

/* A runner_slot's `over` where the warden wants the command's end. */
#define RUNNER_OVER_WARDEN (LIMITS_KIND_COUNT + 1u)

struct policy_item;

/* Shared memory of init and all runners; commands never map it. */
struct runner_pool {
	struct runner_slot {
		_Atomic uint32_t state; /* the runner's own; RUNNER_NONE: init's */
		pid_t pid; /* init's */
		_Atomic uint32_t command; /* the warden's number of what it runs; 0: nothing */
		_Atomic uint32_t over; /* enum limits_kind that it has passed, and 1; 0: none */
		_Atomic uint32_t told; /* the warden has said so */
	} slots[RUNNER_MAX];
};

struct runner {
	int job_sock, ctl_sock;
	int wake_fd; /* eventfd(2): init is to look at the pool */
	int signal_fd; /* SIGCHLD; all signals are blocked */
	struct runner_pool *pool;
	struct runner_slot *slot;
	struct limits config_limits;
	unsigned spare; /* idle runners that there should be at any time */
	bool is_single; /* ends when its first command has, whatever that one leaves */
	int tmp; /* the agent's /tmp, for files that it waits for: see runner_receive.h */
	const struct policy_item *received; /* their names: [agent] receive */
	size_t n_received; /* 0: there is no tmp */
	struct shim_rlimit limits[HELLO_RLIMITS]; /* this process's own */
	char *stack; /* lowest address of RUNNER_STACK_BYTES for a command before its exec */
};

#define RUNNER_STACK_BYTES (64u << 10)

/* Number of slots in that state, as of now. */
unsigned runner_pool_count(struct runner_pool *pool, enum runner_state state);

/*
 * Runs in a process that init forked. Should: r has its sockets, wake_fd, pool, slot (state
 * RUNNER_IDLE) and spare. Ends when the job socket does.
 */
_Noreturn void runner_run(struct runner *r);

#endif
