/*
 * The bytes of one client connection that the proxy itself is the other end of: TLS that it has
 * ended, or cleartext where a rule says `plain = yes`. HTTP/1 (front1.c) and HTTP/2 (h2.c) stand on
 * it alike. It owns the socket; nothing is buffered here, so that a peer that does not read or does
 * not stop sending is its user's to bound.
 */
#ifndef PROXY_STREAM_H
#define PROXY_STREAM_H

#include "proxy/exchange.h"
#include "proxy/proxy.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct stream;

/*
 * What speaks over a stream: one table each of front1.c and h2.c. new() may not read or write yet;
 * ready() is called soon after it, and then from the event loop alone: bytes may have come, a write
 * may go on, the client may have ended. Like an edge: whoever stops before a call has said -EAGAIN
 * and has nothing else that wakes it asks for it with stream_kick(). ready() is never called from
 * within stream_*().
 *
 * free() is called once, after the connection's end: it cancels its exchanges. The peer is freed
 * behind it by its owner.
 */
struct stream_front {
	void *(*new)(struct proxy *proxy, struct stream *stream, struct exchange_peer *peer);
	void (*ready)(void *front);
	void (*free)(void *front);
};

/* At most n bytes: how many, 0 at the client's end, -EAGAIN, or another -errno: it is broken. */
ssize_t stream_read(struct stream *s, void *bytes, size_t n);

/*
 * Writes what goes: how many (often less than n), -EAGAIN, or another -errno: it is broken. After
 * -EAGAIN the next call must start with the same bytes; there may be more of them, and they may
 * have moved. n > 0.
 */
ssize_t stream_write(struct stream *s, const void *bytes, size_t n);

/* Cleartext: the requests are judged with is_plain. */
bool stream_is_plain(const struct stream *s);

/* One request alone: the client of an explicit proxy may want another host next. */
bool stream_is_single(const struct stream *s);

/* ready() is called once more, from the event loop. */
void stream_kick(struct stream *s);

/*
 * The connection ends in so many seconds unless this is called again; 0: no deadline. why: static
 * text for the audit, NULL for an end that is nobody's fault.
 */
void stream_deadline(struct stream *s, unsigned seconds, const char *why);

/*
 * The user is done: ready() is not called any more, nothing may be read or written. is_reset: the
 * client sees a reset; else an orderly end (close_notify), after which what it still sends is read
 * and forgotten for a moment, since a close before would be a reset too.
 */
void stream_finish(struct stream *s, bool is_reset);

#endif
