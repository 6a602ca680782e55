/*
 * What the warden and the helpers of the two views tell each other: SOCK_SEQPACKET, a struct helpmsg
 * cut behind its text. Each side trusts the other; no byte of a command's comes this way but paths.
 */
#ifndef WIRE_HELPMSG_H
#define WIRE_HELPMSG_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum helpmsg_type {
	/* to the helper */
	HELPMSG_ENTER = 1, /* descriptors: enum helper_fd, and behind them what value says */
	HELPMSG_BARRIER, /* value: a number, sent back when all that was queued before is done */
	HELPMSG_MASK, /* text: a path below the project, to be masked in the agent's view; value: as below */
	HELPMSG_SHOW, /* text: one to be covered there by a mount, which comes along; "": send HELPMSG_HELD of all */
	HELPMSG_LISTENER, /* a descriptor: CELL_FD_CALLS of a cell that is a copy of the view */
	/* from it */
	HELPMSG_MASKED, /* text: a path below the project; value: enum helpmsg_mask */
	HELPMSG_HELD, /* text: a path below the project; its mount, for the agent's view, comes along */
	HELPMSG_DONE, /* value: the barrier's number */
	HELPMSG_WARNING, /* text, for the user */
	HELPMSG_FAILED, /* text: it has ended, and the view has to end with it */
	HELPMSG_HOSTILE, /* the same; text: what a command did */
};

/* In this order. */
enum helpmsg_enter {
	HELPMSG_WITH_CALLS = 1, /* the listener of the cell's deletions and renames */
	HELPMSG_WITH_HELD = 2, /* the project's store of held files */
};

enum helpmsg_mask {
	HELPMSG_IN_CELL = 1, /* was masked there */
	HELPMSG_IN_AGENT = 2, /* is to be masked there */
	HELPMSG_BY_INODE = 4, /* another name of a hidden file; else a rule */
	HELPMSG_TRACKED = 16, /* git has the name, with another content */
	HELPMSG_OFF = 32, /* git has the content: the mask is taken off */
	HELPMSG_AGAIN = 8, /* the cell had it masked already: a mask moves along with a renamed file */
};

struct helpmsg {
	uint32_t type, value;
	char text[PATH_MAX];
};

/* Sends one message with n_fds descriptors (borrowed). text may be NULL. 0 or -errno. */
int helpmsg_send(int sock, enum helpmsg_type type, uint32_t value, const char *text, const int *fds,
	size_t n_fds);

/*
 * Receives one, its text NUL-terminated: 1, 0 at end of file, -errno (-EAGAIN without one and with
 * MSG_DONTWAIT set on the socket). fds: room for max_fds; what came of them is the caller's.
 */
int helpmsg_recv(int sock, struct helpmsg *ret, int *fds, size_t max_fds, size_t *ret_n_fds);

#endif
