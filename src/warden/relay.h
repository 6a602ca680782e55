/*
 * One-way copies of what a tool's command writes, to descriptors of the calling cell. The command
 * itself never holds those: a terminal or a socket could be read by it, and a caller that closes or
 * stops reading would be seen by it.
 */
#ifndef WARDEN_RELAY_H
#define WARDEN_RELAY_H

#include <stdbool.h>
#include <stddef.h>

struct pollfd;

/* Rationale: PIPE_BUF: a pipe that poll calls writable takes as much without waiting. */
#define RELAY_BYTES 4096

struct relay {
	int from; /* pipe, owned; -1: at its end */
	int to; /* owned; -1: what comes is dropped */
	bool is_socket;
	size_t at, end;
	char bytes[RELAY_BYTES];
};

/* Takes both. `to` is opened anew where that lets a write not wait; -1 is fine. */
void relay_init(struct relay *r, int from, int to);
void relay_done(struct relay *r);

/* Is there nothing left to copy, ever? */
bool relay_is_done(const struct relay *r);

void relay_pollfd(const struct relay *r, struct pollfd *fd);
void relay_dispatch(struct relay *r, const struct pollfd *fd);

/*
 * Writes a line to a descriptor that a command has passed, without ever waiting for it: what cannot
 * be written now is not.
 */
void relay_say(int fd, const char *line, size_t n);

#endif
