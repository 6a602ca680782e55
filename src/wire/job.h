/*
 * A command on its way from the warden to a runner in the cell: one SOCK_SEQPACKET message.
 *
 *	descriptors: the command's socket (struct job_msg), then those of open_mask that are not
 *	terminals, in order, then, with JOB_BODY_IN_MEMFD, a sealed memfd with the body
 *	bytes: struct job_head, then the body unless it is in the memfd
 *	then n_secrets pipes
 *	body: path, cwd, argc argument strings, envc environment strings, each with its NUL. The last
 *	n_secrets variables are "NAME=": the runner appends what it reads from the pipe of each, so that
 *	no warden ever has the value.
 *
 * The warden writes, the runner reads; the runner trusts the warden but checks all the same: one
 * mistake here would be a command with another one's arguments.
 */
#ifndef WIRE_JOB_H
#define WIRE_JOB_H

#include "base/err.h"
#include "wire/hello.h"

#include <stddef.h>

#define JOB_VERSION 1u
#define JOB_BODY_IN_MEMFD 1u
/* Rationale: variables with secrets of one tool. */
#define JOB_SECRETS_MAX 8u

/* Rationale: a SEQPACKET message must fit the default wmem (212,992 bytes) with room to spare. */
#define JOB_INLINE_MAX (96u << 10)
/* Rationale: the strings of the hello, a path, a cwd, and what [env] set adds. */
#define JOB_BODY_MAX (HELLO_STRINGS_MAX + (1u << 20))

struct job_head {
	uint32_t version, flags;
	uint32_t id; /* the warden's number of this command, for the audit */
	uint32_t argc, envc;
	uint32_t umask;
	int32_t nice;
	uint32_t open_mask, tty_mask;
	uint32_t body_bytes;
	uint64_t ignored;
	uint16_t rows, cols, xpixel, ypixel;
	uint8_t termios[HELLO_TERMIOS_BYTES];
	uint32_t tty_flags;
	uint32_t n_secrets;
	struct shim_rlimit rlimits[HELLO_RLIMITS];
};

/* A decoded job; argv and envp point into body, both NULL-terminated. */
struct job {
	struct job_head head;
	char *body;
	const char *path, *cwd;
	char **argv, **envp;
	int sock; /* the command's socket */
	int fds[3]; /* -1: not open, or a terminal */
	int secrets[JOB_SECRETS_MAX]; /* -1 */
};

/*
 * Sends a job: head->flags is set here, all else is the caller's; body has head->body_bytes.
 * stdio[N] is used where open_mask has bit N and tty_mask has not. Borrows all descriptors.
 * 0 or -errno with err; with a non-blocking sock -EAGAIN when the queue is full.
 */
int job_send(int sock, const struct job_head *head, const char *body, int job_sock,
	const int stdio[3], struct err *err);

/* The same; from has the pipes of head->n_secrets secrets behind the three of stdio. */
int job_send_secrets(int sock, const struct job_head *head, const char *body, int job_sock,
	const int *from, struct err *err);

/*
 * Receives the next job. 1: *ret is filled and the caller's (job_done), 0: end of file,
 * -errno with err: a message that is not one; its descriptors are closed.
 */
int job_recv(int sock, struct job *ret, struct err *err);
void job_done(struct job *job);

/* ---- what the cell's first process and runners tell the warden, SOCK_SEQPACKET ---- */

enum cell_msg_type {
	CELL_MSG_READY = 1, /* descriptors: see report_ready(); text: a note for the user, or "" */
	CELL_MSG_ERROR, /* text: the step that failed */
	CELL_MSG_EXIT, /* id, value: wait status */
	CELL_MSG_STARTED, /* id, value: pid as the cell sees it */
	/*
	 * id, value: enum limits_kind, pids: processes of it whose stderr may hear it, or 0. The warden
	 * answers with the same type and id when it was told, on the same socket.
	 */
	CELL_MSG_LIMIT,
	CELL_MSG_END, /* from the warden: the command id is to be ended */
	CELL_MSG_BORN, /* of a cell's mother: a descriptor, the pidfd of its first process */
};

/* Rationale: of processes that end all the time one is there still. */
#define CELL_MSG_PIDS 8

struct cell_msg {
	uint32_t type, id;
	uint32_t value;
	uint32_t unused;
	uint32_t pids[CELL_MSG_PIDS]; /* as the cell sees them */
	char text[ERR_TEXT_BYTES];
};

#endif
