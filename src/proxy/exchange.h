/*
 * One request and its response through the keeper of a rule. HTTP/1 and HTTP/2 towards the cell
 * stand on it alike. A peer is a client connection whose TLS we have ended; it keeps a few channels
 * to keepers open and uses each for one exchange after the other. Channels are never shared between
 * client connections or between rules.
 */
#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include "proxy/judge.h"
#include "proxy/proxy.h"

/* Rationale: as many as HTTP/2 streams at once on a connection; HTTP/1 uses one. */
#define EXCHANGE_CHANNELS_MAX 64u

struct exchange;
struct exchange_peer;
struct proxymsg;

/* Called from the event loop, never from within exchange_*(). */
struct exchange_ops {
	/* A response head; may come several times while its status is 1xx. Valid during the call.
	 */
	void (*head)(void *arg, const struct keepmsg_head *head);
	/* Body bytes, at most KEEPMSG_DATA_MAX; all of them are the receiver's now. */
	void (*data)(void *arg, const char *bytes, size_t n);
	/* trailers: NULL for none. The exchange is gone after this call. */
	void (*end)(void *arg, const struct keepmsg_head *trailers);
	/*
	 * Refused, unreachable or broken off: status for the client if no head was given yet, else
	 * its response can only be cut short. The exchange is gone after this call.
	 */
	void (*failed)(void *arg, unsigned status, const char *reason);
	/* exchange_send() took less than it was given: it takes more now. */
	void (*writable)(void *arg);
};

/* target: what the connection was allowed for. msg: reported with each request. NULL: no memory. */
struct exchange_peer *exchange_peer_new(struct proxy *proxy, const struct target *target,
	const struct proxymsg *msg, bool is_plain);
void exchange_peer_free(struct exchange_peer *peer); /* cancels what runs; NULL is fine */

/* Has the client not asked for anything yet? */
bool exchange_peer_is_unused(const struct exchange_peer *peer);

/*
 * Judges the request and starts it; a refusal comes through ops->failed, later. NULL: no memory or
 * too many at once.
 */
struct exchange *exchange_start(struct exchange_peer *peer, const struct judge_request *request,
	const struct exchange_ops *ops, void *arg);

/*
 * Is the request judged, its server reached and its keeper told? Only then is a client that waits
 * for 100 (Continue) told to send. False: ops->writable is called when it is, unless it fails.
 */
bool exchange_wants_body(struct exchange *x);

/* Takes body bytes; returns how many, less than n (0 too): wait for ops->writable. */
size_t exchange_send(struct exchange *x, const char *bytes, size_t n);
void exchange_send_end(struct exchange *x); /* of the body, or behind 101 of the connection */

/* Back-pressure: while off, ops->data is not called and nothing more is read from the keeper. */
void exchange_read(struct exchange *x, bool on);

/* The client has gone: ops are not called any more; the channel is closed. */
void exchange_cancel(struct exchange *x);

/*
 * Reports a request that a parser could not even read, so that no exchange was started: what the
 * client was answered and why.
 */
void exchange_refused(struct exchange_peer *peer, unsigned status, const char *reason);

#endif
