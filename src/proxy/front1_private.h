/* Between front1.c, the connection and its requests, and front1_response.c. */
#ifndef PROXY_FRONT1_PRIVATE_H
#define PROXY_FRONT1_PRIVATE_H

#include "base/buf.h"
#include "proxy/exchange.h"
#include "proxy/front1.h"
#include "proxy/http1.h"

/* Rationale: what is read at once; with TLS a record holds as much. */
#define FRONT1_READ_BYTES (16u << 10)
/* Rationale: a head that is not complete and one read behind it. */
#define FRONT1_IN_MAX (HTTP1_HEAD_MAX + FRONT1_READ_BYTES)
/* Rationale: a client that does not read holds back this much, and one message more. */
#define FRONT1_OUT_MAX (64u << 10)

/* Rationale: fits one TLS record together with its head. */
#define FRONT1_SMALL_BYTES 8192u

/*
 * What may happen in which state:
 *
 *	HEAD		between requests or in a head: to BODY or CLOSING
 *	BODY		the request's body goes, the response may come: to WAIT or CLOSING
 *	WAIT		the whole request has gone: to HEAD, OPAQUE or CLOSING
 *	OPAQUE		behind 101, both directions: to CLOSING
 *	CLOSING		what is to be written is written, then it ends
 */
enum front1_state { FRONT1_HEAD, FRONT1_BODY, FRONT1_WAIT, FRONT1_OPAQUE, FRONT1_CLOSING };

/* How the client sees the end of a response's body. */
enum front1_end { FRONT1_END_NONE, FRONT1_END_LENGTH, FRONT1_END_CHUNK, FRONT1_END_CLOSE };

struct front1 {
	struct proxy *proxy;
	struct stream *stream;
	struct exchange_peer *peer;
	struct exchange *x;
	enum front1_state state;
	struct buf in, out;
	size_t out_at;  /* written so far */
	bool is_eof;    /* the client has ended its stream */
	bool is_over;   /* stream_finish() was called */
	bool is_reset;  /* CLOSING: no orderly end */
	bool is_paused; /* exchange_read() is off */
	bool has_deadline;
	/* of the request */
	struct http1_body body;
	bool is_http10, is_head, keeps_alive, waits_for_100;
	/* of the response */
	bool has_head;
	enum front1_end end;
	uint64_t left;    /* of END_LENGTH */
	bool is_error;    /* status 400 or above: the server does not want the rest of the body */
	bool is_answered; /* with an error, while the body is still coming: over, see front1_run()
			   */
};

/* ---- front1.c ---- */

/* Goes on with whatever can go on. */
void front1_run(struct front1 *f);

/* ---- front1_response.c ---- */

extern const struct exchange_ops front1_ops;

/* A whole response of ours, and the connection's end behind it if closes. */
void front1_refuse(struct front1 *f, unsigned status, const char *reason, bool closes);

#endif
