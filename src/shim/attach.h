/*
 * The front end of one command that runs in a cell: between the command's socket (struct job_msg),
 * the signals of this process and the user's terminal. Freestanding; part of the shim, and of
 * `agentjail run`, which uses it from the warden's own loop.
 *
 * Use: block all signals; attach_describe() while descriptors 0 to 2 are still what the command is
 * to get; attach_init(); then attach_pollfds(), poll, attach_dispatch() until it gives another
 * result than ATTACH_RUNS; attach_mirror() to end as the command did. No other file touches the
 * terminal meanwhile. Every way out of the process goes through attach_restore() (attach_mirror()
 * does it).
 */
#ifndef SHIM_ATTACH_H
#define SHIM_ATTACH_H

#include "wire/hello.h"

#include <stdbool.h>
#include <stddef.h>

struct pollfd;

/*
 * Rationale: a pty's read gives at most 4095 bytes, keys come in ones or as a paste, which may wait
 * in the terminal. A buffer is read into when it is empty alone: that is the back-pressure.
 */
#define ATTACH_OUT_BYTES 4096
#define ATTACH_IN_BYTES 1024

#define ATTACH_POLLFDS 5

enum attach_result {
	ATTACH_RUNS,
	ATTACH_ENDED, /* status: a wait status (waitpid(2)) */
	ATTACH_FAILED, /* status: exit status; the reason has been said on the command's stderr */
	ATTACH_LOST, /* the command's tree is gone, killed, with no word of its status */
};

/* All members are attach.c's own but those marked. */
struct attach {
	uint32_t status; /* read: of ATTACH_ENDED and ATTACH_FAILED */
	int sock, signal_fd;
	int tty_in, tty_out; /* the user's terminal, -1: none; they may be equal */
	int master; /* of the command's terminal; -1 before JOB_MSG_TERMINAL and after a hang-up */
	bool is_group_leader;
	bool is_shared; /* HELLO_TTY_SHARED */
	bool may_read; /* keys are the command's */
	bool is_raw; /* the terminal is in raw mode by us; saved has how it was */
	bool owns_tty_fds;
	bool has_return; /* a CR at the end of what was read: it goes with what follows */
	enum attach_result ending; /* ATTACH_RUNS until the end is known; then output is drained */
	uint32_t conts; /* SIGCONTs sent; a stop that was reported before one of them is stale */
	uint64_t typed; /* bit N-1: the key of signal N was typed by the user and passed on */
	uint8_t saved[HELLO_TERMIOS_BYTES];
	size_t in_at, in_end, out_at, out_end;
	char in[ATTACH_IN_BYTES];
	char out[ATTACH_OUT_BYTES];
};

/*
 * Fills what a command inherits from this process: umask, niceness, limits, ignored signals,
 * descriptors 0 to 2 and their terminal. Strings, cwd and version are left 0.
 */
void attach_describe(struct shim_hello *ret);

/*
 * sock and signal_fd are borrowed; signal_fd may be -1 (then attach_signal() brings them). From
 * 0 to 2, it keeps those of tty_mask in use and closes none.
 */
void attach_init(struct attach *a, int sock, int signal_fd, const struct shim_hello *hello);

/* Fills ATTACH_POLLFDS entries (descriptor -1: not now). Returns the timeout in ms, -1: none. */
int attach_pollfds(struct attach *a, struct pollfd *fds);

/* After poll: does what can be done without blocking. May stop the process as the command did. */
enum attach_result attach_dispatch(struct attach *a, const struct pollfd *fds);

/*
 * Passes one signal on; code and pid as in siginfo_t (sigaction(2)). Of several that are pending,
 * SIGCONT should be the first.
 */
void attach_signal(struct attach *a, int sig, int code, uint32_t pid);

/* Gives the terminal its modes back. May be called at any time and twice. */
void attach_restore(struct attach *a);

/* Ends the process as the command ended: the same exit status, or killed by the same signal. */
_Noreturn void attach_mirror(struct attach *a, enum attach_result result);

#endif
