/*
 * HTTP/2 towards a host (RFC 9113), on nghttp2: one request after the other on a connection, no
 * push. A value leaves no trace in the compressor's table, nor in its buffers once it is sent.
 */
#ifndef KEEPER_H2_H
#define KEEPER_H2_H

#include "keeper/inject.h"
#include "keeper/link.h"
#include "keeper/reply.h"

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>

struct h2 {
	nghttp2_session *session;
	struct link *link;
	struct reply *reply;
	const char *why; /* of the last failure, static text */
	struct buf out; /* frames that the socket did not take yet */
	size_t out_at;
	char *body; /* of the request, one message of the proxy at most */
	size_t body_n, body_at;
	bool is_body_over;
	int32_t stream; /* 0: none */
	struct h2_head *head; /* that is being received */
	unsigned idle_frames;
	bool is_reusable, is_complete;
};

/* 0, or -errno with h2->why; so do all of these. */
int h2_init(struct h2 *h2, struct link *link, struct reply *reply);
void h2_done(struct h2 *h2);
int h2_request(struct h2 *h2, const struct inject_request *request);

/* Should: be called only when h2_takes_body(). n > 0. */
int h2_body(struct h2 *h2, const char *bytes, size_t n, bool is_last);
bool h2_takes_body(const struct h2 *h2);
int h2_body_end(struct h2 *h2);

/* 0: nothing waits for the socket, -EAGAIN: something does, -errno. */
int h2_flush(struct h2 *h2);

/* n bytes of the host, n == 0: its end. */
int h2_feed(struct h2 *h2, const char *bytes, size_t n);

#endif
