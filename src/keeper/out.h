/*
 * Messages of a keeper to the proxy. Small ones gather, so that a whole answer is one system call;
 * what the socket does not take is kept in order.
 */
#ifndef KEEPER_OUT_H
#define KEEPER_OUT_H

#include "wire/keepmsg.h"

#include <stdbool.h>
#include <stddef.h>

struct out_item;

struct out {
	int fd; /* SOCK_SEQPACKET, the channel; not owned */
	struct out_item *first, *last;
	size_t bytes; /* that wait */
	bool is_full; /* the socket took no more */
};

/* How many bytes wait in all of them. */
size_t out_all_bytes(void);

void out_init(struct out *out, int fd);
void out_done(struct out *out);

/*
 * A message of a type; n <= KEEPMSG_HEAD_MAX. 0 (sent or kept), or -errno: the peer has gone.
 * Should: be followed by out_flush() before waiting for anything.
 */
int out_put(struct out *out, enum keepmsg_type type, const void *payload, size_t n);

/* KEEPMSG_RESPONSE or KEEPMSG_TRAILERS. Also -E2BIG. */
int out_put_head(struct out *out, enum keepmsg_type type, const struct keepmsg_head *head);
int out_put_end(struct out *out, bool is_reusable);
int out_put_failed(struct out *out, unsigned status, const char *reason);

/* Sends what waits. 0: all of it; -EAGAIN; -errno. */
int out_flush(struct out *out);

#endif
