/* The socket between the proxy and a rule's keeper: messages of wire/keepmsg.h, no state. */
#ifndef PROXY_KEEP_H
#define PROXY_KEEP_H

#include "base/buf.h"
#include "proxy/target.h"
#include "wire/keepmsg.h"

#include <stdbool.h>

struct keep_message {
	enum keepmsg_type type;
	const char *bytes; /* valid until the next keep_recv() */
	size_t n;
};

/*
 * Hands a connected server (borrowed, may be closed afterwards) to the keeper behind a rule's
 * socket. The channel to it, non-blocking, or -errno: -EAGAIN when the keeper does not keep up.
 */
int keep_open(int rule_sock, const struct target *target, bool is_plain, int server);

/*
 * Sends a message that is encoded already, and with_end a BODY_END behind it. 0 or -errno; -EAGAIN:
 * *ret_sent messages of the two have gone.
 */
int keep_send_request(int fd, const struct buf *request, bool with_end, unsigned *ret_sent);

/* Sends one message. 0 or -errno. */
int keep_send(int fd, enum keepmsg_type type, const void *bytes, size_t n);

/* 1: a message of a known type and allowed size; 0: the end; -errno, -EPROTO for a bad message. */
int keep_recv(int fd, struct keep_message *ret);

#endif
