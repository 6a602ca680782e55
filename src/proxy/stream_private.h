/* Between stream.c, tls.c and terminate.c: what a stream is made of. */
#ifndef PROXY_STREAM_PRIVATE_H
#define PROXY_STREAM_PRIVATE_H

#include "base/buf.h"
#include "proxy/stream.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/types.h>

struct stream {
	int fd;
	SSL *ssl;         /* NULL: cleartext */
	struct buf early; /* that was read before the stream was one: comes first */
	size_t early_at;
	struct event event, kick, timer;
	bool is_drained;  /* nothing is there to be read until the next event of the socket */
	unsigned timer_s; /* what the timer is set to; 0: not set */
	const char *why;  /* of the deadline, may be NULL */
	const struct target *target;
	bool is_single;
	bool is_finished, is_reset; /* stream_finish() */
	/* of the handshake */
	int client_alert; /* the last fatal one (RFC 8446, 6.2); -1: none */
	bool is_h2;       /* was agreed on */
	char reason[120]; /* why it was refused, or "" */
};

/*
 * Takes fd over. early: bytes that were read already, moved. The callbacks get arg: of the socket,
 * of stream_kick(), of the deadline. 0, or -ENOMEM: nothing is taken.
 */
struct stream_start {
	struct event_base *base;
	int fd;
	struct buf *early;
	const struct target *target;
	event_callback_fn on_event, on_kick, on_timer;
	void *arg;
};
int stream_init(struct stream *s, const struct stream_start *start);
void stream_done(struct stream *s);

/* From the socket, early bytes first, whatever is above it: as recv(2) and send(2), or -errno. */
ssize_t stream_recv(struct stream *s, void *bytes, size_t n);
ssize_t stream_send(struct stream *s, const void *bytes, size_t n);

/* Says the orderly end (TLS: close_notify). 0, -EAGAIN, or another -errno. */
int stream_say_end(struct stream *s);

#endif
