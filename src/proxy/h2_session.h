/*
 * HTTP/2 towards a client (RFC 9113), on libnghttp2: bytes go in, bytes come out, requests become
 * exchanges. No input or output and no timer here; h2.c has them.
 */
#ifndef PROXY_H2_SESSION_H
#define PROXY_H2_SESSION_H

#include "proxy/exchange.h"
#include "proxy/h2_head.h"
#include "proxy/h2_meter.h"

#include <sys/queue.h>

#define H2_STREAMS_MAX EXCHANGE_CHANNELS_MAX

/*
 * How far a client may send ahead of the keeper, for a request and for all of them. Rationale: what
 * was received and not taken is held here. 256 KiB make an upload half as fast again as 64; sixteen
 * uploads whose servers stand still do not stop the seventeenth.
 */
#define H2_STREAM_WINDOW (256u << 10)
#define H2_WINDOW (16u * H2_STREAM_WINDOW)

/* A response is not read on while this much of it waits; one message more may come. */
#define H2_DOWN_MAX KEEPMSG_DATA_MAX

/* Rationale: 103 and 100 come once or twice; more than these are not passed on. */
#define H2_INTERIM_MAX 8u

/*
 * Frames besides DATA that wait for a client that does not read. Rationale: each stream has a head
 * and a reset or window update at a time; above it nothing more is read, so that the client waits.
 */
#define H2_QUEUE_MAX 192u

/*
 * A response of which the client takes nothing for so long is cut off. Rationale: a pager may stand
 * still for minutes; a forgotten one must not hold its channel for ever.
 */
#define H2_STALL_TIMEOUT_S 600
/*
 * What a client still sends when its response is complete is thrown away for so long and up to so
 * much; then it is told to stop. Rationale: told at once, programs that have not sent all of a small
 * body (curl) report the reset and not the response.
 */
#define H2_LINGER_MS 1000
#define H2_LINGER_MAX H2_STREAM_WINDOW
/* A connection without a request ends, orderly. Rationale: clients just open another one. */
#define H2_IDLE_TIMEOUT_S 600

/*
 * Bytes that wait in all sessions of the process: request heads without a response, bodies of both
 * directions, response heads. Above the first figure a session that has more than the second ends.
 * Rationale: a thousand stalled uploads, or a cell that means to fill the host's memory; what an
 * honest connection holds is little even while others misbehave.
 */
#define H2_HELD_MAX (64u << 20)
#define H2_HELD_FAIR H2_STREAM_WINDOW

/* What a session stands on: exchange.h, or a test. */
struct h2_backend {
	struct exchange *(*start)(struct exchange_peer *peer, const struct judge_request *request,
		const struct exchange_ops *ops, void *arg);
	size_t (*send)(struct exchange *x, const char *bytes, size_t n);
	void (*send_end)(struct exchange *x);
	void (*read)(struct exchange *x, bool on);
	void (*cancel)(struct exchange *x);
	void (*refused)(struct exchange_peer *peer, unsigned status, const char *reason);
};

struct h2_setup {
	const struct h2_backend *backend;
	struct exchange_peer *peer; /* backend's */
	int64_t (*now_ms)(void);    /* never goes back */
	void (*wake)(void *arg);    /* an exchange has left something for h2_session_take() */
	void *arg;
};

struct h2_session;
struct h2_stream;
TAILQ_HEAD(h2_streams, h2_stream);

/* NULL: no memory. free: cancels its exchanges; NULL is fine. */
struct h2_session *h2_session_new(const struct h2_setup *setup);
void h2_session_free(struct h2_session *h2);

/* Bytes of the client; never more than one turn's: at most H2_FEED_MAX. */
#define H2_FEED_MAX (16u << 10)
void h2_session_feed(struct h2_session *h2, const char *bytes, size_t n);
bool h2_session_wants_input(const struct h2_session *h2);

/* The next bytes for the client, valid until the next call; 0: nothing for now. */
size_t h2_session_take(struct h2_session *h2, const char **ret_bytes);

/* All is said: close. Nothing comes out of h2_session_take() any more. */
bool h2_session_is_done(const struct h2_session *h2);

/* Why the connection was ended before its time, static text for people; NULL: it was not. */
const char *h2_session_reason(const struct h2_session *h2);

/* When h2_session_tick() has something to do, INT64_MAX: never. */
int64_t h2_session_deadline_ms(const struct h2_session *h2);
void h2_session_tick(struct h2_session *h2);

/* ---- between h2_session.c and h2_stream.c ---- */

struct h2_session {
	struct h2_setup setup;
	nghttp2_session *ng;
	struct h2_meter meter;
	struct h2_head head; /* of the one head that is open */
	bool is_trailers;    /* it is a trailer section */
	struct h2_streams streams;
	size_t n_streams;
	int64_t idle_since_ms;
	size_t held;    /* bytes that wait in its streams */
	bool is_fed;    /* within h2_session_feed() or _take(): no need to wake */
	bool is_ending; /* GOAWAY was queued for a reason: nothing is read any more */
	bool is_broken; /* and cannot even be sent */
	const char *reason;
};

struct h2_stream {
	TAILQ_ENTRY(h2_stream) links;
	struct h2_session *h2;
	int32_t id;
	struct exchange *x;
	struct buf up; /* received, not taken by the keeper: its bytes are not consumed yet */
	size_t up_at;
	struct buf down;
	size_t down_at;
	size_t held_bytes; /* what of h2->held is this stream's */
	size_t head_bytes; /* of it: the request's head until it is answered, then the response's */
	uint64_t down_left;     /* has_length: of the response's body */
	struct h2_fields *late; /* head of a response without body, which goes with its end */
	struct h2_fields *trailers;
	unsigned n_interim;
	int64_t sent_ms;          /* is_sent: when; INT64_MAX: and the client was told to stop */
	size_t dropped_bytes;     /* and came since */
	int64_t stalled_since_ms; /* when the client last took something, or had nothing to take */
	bool is_head;             /* HEAD: the response has no body */
	bool is_up_ended;         /* the client has sent all */
	bool is_up_told;          /* and so the keeper was told */
	bool is_answered;         /* a final response was begun */
	bool is_down_ended;       /* and is complete in down */
	bool is_down_broken;      /* and is cut off after what is in down */
	bool is_sent;             /* the last byte of it has gone */
	bool is_paused;           /* exchange_read() is off */
	bool is_cut;              /* reset by us, for what the server did */
	bool has_length;
};

/* The connection ends with GOAWAY; why: static text. */
void h2_session_end(struct h2_session *h2, uint32_t error_code, const char *why);

/* NULL: no memory. */
struct h2_stream *h2_stream_new(struct h2_session *h2, int32_t id);
/* Gone from the library: cancels the exchange and gives back what was not consumed. */
void h2_stream_free(struct h2_stream *s);

/* The request's head is complete: starts the exchange, or refuses. */
void h2_stream_start(struct h2_stream *s, bool is_end);
/* Body bytes, and its end. */
void h2_stream_body(struct h2_stream *s, const char *bytes, size_t n);
void h2_stream_body_end(struct h2_stream *s);

/* The response's head went out; its last byte did. */
void h2_stream_sent_head(struct h2_stream *s);
void h2_stream_sent_end(struct h2_stream *s);
/* When the client is to be told that nobody reads the rest of its request; INT64_MAX: never. */
int64_t h2_stream_linger_ms(const struct h2_stream *s);
void h2_stream_lingered(struct h2_stream *s);
/* The client has not taken anything for H2_STALL_TIMEOUT_S. */
void h2_stream_stalled(struct h2_stream *s);
/* Does something of the response wait for the client? */
bool h2_stream_is_pending(const struct h2_stream *s);

#endif
