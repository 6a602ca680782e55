/*
 * What of a client's bytes may go on to the destination that was decided on: TLS must name it in
 * its ClientHello, HTTP/1 in every request; anything else is opaque. No input or output here: bytes
 * go in, what may be forwarded comes out.
 */
#ifndef PROXY_GATE_H
#define PROXY_GATE_H

#include "base/buf.h"
#include "proxy/http1.h"
#include "proxy/target.h"
#include "wire/honey.h"

#include <stdbool.h>
#include <stddef.h>

/* Rationale: the larger of a head and a ClientHello, and one read behind it. */
#define GATE_READ_MAX (16u << 10)
#define GATE_HELD_MAX (HTTP1_HEAD_MAX + GATE_READ_MAX)

enum gate_state {
	GATE_FIRST, /* what is it? */
	GATE_TLS,   /* a ClientHello that is not complete */
	GATE_HEAD,  /* HTTP/1, between requests or in a head */
	GATE_BODY,
	GATE_UPGRADE, /* the request asked for it: gate_response() says whether it was granted */
	GATE_ENDED,   /* the one request has gone: nothing more goes on */
	GATE_OPAQUE,  /* everything goes on, unread */
	GATE_REFUSED, /* nothing goes on any more: see reason and reply */
};

struct gate {
	enum gate_state state;
	struct target target;
	const struct honey *honey; /* looked for in HTTP/1; NULL: none */
	struct honey_scan scan;
	bool is_single;  /* HTTP/1: one request, then ENDED (a proxy's client may change hosts) */
	struct buf held; /* not judged yet */
	struct buf out;  /* judged: the caller forwards it and empties the buffer */
	struct buf response; /* head of a response, while UPGRADE */
	struct http1_body body;
	unsigned n_requests; /* that have gone on, at most counted to 2 */
	char reason[120];    /* REFUSED: for people */
	char reply[512];     /* REFUSED: what the client is told, may be nothing */
	size_t reply_bytes;
};

void gate_init(struct gate *gate, const struct target *target);
void gate_done(struct gate *gate);

/* Takes n (at most GATE_READ_MAX) bytes of the client, while gate_wants_input(). */
void gate_feed(struct gate *gate, const char *bytes, size_t n);

/* The client has ended its stream: what is held back and incomplete is refused. */
void gate_feed_end(struct gate *gate);

/* Looks at bytes of the server while the state is UPGRADE; they are forwarded in any case. */
void gate_response(struct gate *gate, const char *bytes, size_t n);

bool gate_wants_input(const struct gate *gate);

/* Some bytes are held back, unjudged: the client owes the rest. */
bool gate_is_waiting(const struct gate *gate);

/* Writes a whole HTTP/1 refusal, its text for people included, into reply. */
size_t gate_http_reply(char *reply, size_t reply_bytes, const char *status, const char *reason);

#endif
