/*
 * What the shim tells the warden, and the eight-byte messages on a command's socket. Freestanding:
 * included by the shim, which has no libc. x86-64 and aarch64 agree on every layout here.
 *
 * The shim's first act is execveat(HELLO_FD, HELLO_PATH, &struct shim_hello, ...): no file system
 * has that descriptor, so the call means nothing but to the warden, who reads the structure and the
 * strings from the shim's memory and answers with the command's socket as the call's result.
 */
#ifndef WIRE_HELLO_H
#define WIRE_HELLO_H

#include <stdint.h>

#define HELLO_FD (-0x616a) /* "aj" */
#define HELLO_VERSION 1u
#define HELLO_RLIMITS 16 /* RLIM_NLIMITS of every Linux architecture */
/*
 * The user's terminal serves others too (a pipeline, a background job, an agent that reads keys):
 * it is left as it is, and no key is read, until the command reads or changes its own.
 */
#define HELLO_TTY_SHARED 1u

#define HELLO_TERMIOS_BYTES 36 /* the kernel's struct termios (asm-generic/termbits.h), TCGETS */

/* Rationale: ARG_MAX on Linux is a quarter of the stack limit, never above 6 MiB (execve(2)). */
#define HELLO_STRINGS_MAX (6u << 20)
#define HELLO_CWD_MAX 4096u

struct shim_rlimit {
	uint64_t cur, max;
};

struct shim_hello {
	uint32_t version, bytes;
	uint64_t strings; /* address of argv[0]; the environment's strings follow argv's directly */
	uint64_t strings_bytes;
	uint64_t cwd; /* address of the NUL-terminated path getcwd(2) gave */
	uint32_t cwd_bytes; /* with its NUL */
	uint32_t argc, envc;
	uint32_t umask;
	int32_t nice;
	uint32_t is_group_leader; /* kill(-pgid) is how it will be ended */
	uint64_t ignored; /* bit N-1: signal N is ignored */
	uint32_t open_mask; /* bit N: descriptor N (0 to 2) is open */
	uint32_t tty_mask; /* bit N: descriptor N is a terminal */
	uint16_t rows, cols, xpixel, ypixel; /* of the terminal, when tty_mask is not 0 */
	uint8_t termios[HELLO_TERMIOS_BYTES];
	uint32_t tty_flags;
	struct shim_rlimit rlimits[HELLO_RLIMITS];
};

/* ---- the command's socket: SOCK_SEQPACKET, every message one struct job_msg ---- */

enum job_msg_type {
	/* shim to runner */
	JOB_MSG_SIGNAL = 1, /* value: signal number, | JOB_SIGNAL_GROUP */
	/* runner to shim */
	JOB_MSG_TERMINAL, /* a descriptor comes along: the master of the command's terminal */
	JOB_MSG_WANTS_KEYS, /* HELLO_TTY_SHARED: the command reads or changes its terminal */
	JOB_MSG_STOPPED, /* value: the stop signal | SIGCONTs received before << 8 */
	JOB_MSG_CONTINUED,
	JOB_MSG_EXIT, /* value: wait status (waitpid(2)) */
	JOB_MSG_FAILED, /* value: exit status of agentjail's own; the reason stands on stderr already */
};

#define JOB_SIGNAL_GROUP 0x100u

struct job_msg {
	uint32_t type, value;
};

#endif
