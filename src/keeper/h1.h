/*
 * HTTP/1.1 towards a host (RFC 9112): requests are written from what was judged, responses are read
 * by a strict reader. What two readers could frame differently is refused.
 */
#ifndef KEEPER_H1_H
#define KEEPER_H1_H

#include "keeper/inject.h"
#include "keeper/link.h"
#include "keeper/reply.h"

#include <stdbool.h>
#include <stddef.h>

/* Room that h1_body() wants before and behind the bytes it is given. */
#define H1_ROOM_BEFORE 8u
#define H1_ROOM_BEHIND 2u

struct h1 {
	struct link *link;
	struct reply *reply;
	const char *why; /* of the last failure, static text */
	/* towards the host: what the socket did not take; memory_take() */
	char *rest;
	size_t rest_n, rest_at;
	bool is_chunked;
	/* from the host */
	unsigned state;
	struct buf head; /* of the response or the trailers, or a chunk's line */
	uint64_t left; /* of the body or the chunk */
	bool is_bodiless, asked_upgrade;
	bool is_reusable; /* as far as is known */
	bool is_complete; /* the response is */
};

void h1_init(struct h1 *h1, struct link *link, struct reply *reply);
void h1_done(struct h1 *h1);

/* All of these: 0, or -errno with h1->why. What the socket does not take waits in rest. */
int h1_request(struct h1 *h1, const struct inject_request *request);
int h1_body(struct h1 *h1, char *bytes, size_t n); /* framed in place; n > 0 */
int h1_body_end(struct h1 *h1);
int h1_opaque(struct h1 *h1, const char *bytes, size_t n);

/* 0: nothing waits any more, -EAGAIN: it still does, -errno. */
int h1_flush(struct h1 *h1);

/* n bytes of the host, n == 0: its end. They may be overwritten. */
int h1_feed(struct h1 *h1, char *bytes, size_t n);

#endif
