/*
 * One direction of a connection: bytes that were read and are not written yet. Either a buffer that
 * was looked at, or a pipe through which they go from socket to socket unread (splice(2)). It is
 * filled again only when it is empty, so a slow reader slows the sender and nothing else.
 */
#ifndef PROXY_FLOW_H
#define PROXY_FLOW_H

#include "base/buf.h"

#include <stdint.h>
#include <sys/types.h>

/* Rationale: the size of a pipe; larger ones made no difference over loopback. */
#define FLOW_SPLICE_BYTES (64u << 10)

struct flow {
	struct buf out;
	size_t out_at; /* written so far */
	int pipe[2];   /* -1: none */
	size_t in_pipe;
	uint64_t bytes; /* written in all */
	bool is_eof;    /* the source has ended */
	bool is_shut;   /* and the sink has been told so */
};

void flow_init(struct flow *flow);
void flow_done(struct flow *flow);
bool flow_is_empty(const struct flow *flow);

/* Writes what there is: 0 when all of it went, -EAGAIN, or another -errno of the sink. */
int flow_flush(struct flow *flow, int sink);

/*
 * Reads into the empty pipe: the number of bytes, 0 at the end of the stream, -EAGAIN, or another
 * -errno of the source.
 */
ssize_t flow_fill(struct flow *flow, int source);

/* After the source's end, once everything is written: ends the sink's stream too. */
void flow_end(struct flow *flow, int sink);

#endif
