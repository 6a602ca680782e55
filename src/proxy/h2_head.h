/*
 * Heads of HTTP/2 (RFC 9113, 8.2 and 8.3): collecting a request's fields, in bounds, until it can
 * be judged; and writing a response's for the library. Pure but for memory.
 */
#ifndef PROXY_H2_HEAD_H
#define PROXY_H2_HEAD_H

#include "base/buf.h"
#include "proxy/judge.h"

#include <nghttp2/nghttp2.h>

/*
 * What a client may send, counted as RFC 9113, 6.5.2 does: each field with 32 bytes on top, cookie
 * crumbs one by one. Above: 431. Rationale: then it fits into a KEEPMSG_REQUEST.
 */
#define H2_LIST_MAX KEEPMSG_HEAD_MAX
/*
 * Above these it is not even read to its end. Rationale: HPACK makes 4 KiB of one byte, so that the
 * 96 KiB of a block can mean 400 MiB.
 */
#define H2_LIST_HARD_MAX (8u * H2_LIST_MAX)
#define H2_FIELDS_HARD_MAX 4096u

struct h2_span {
	size_t at, n;
};

struct h2_span_field {
	struct h2_span name, value;
};

/* Starts as {0}, or with h2_head_reset() for another one. */
struct h2_head {
	struct buf bytes, cookies;
	struct h2_span pseudo[4]; /* enum in h2_head.c; n is 0: not there */
	struct h2_span authorities[4];
	size_t n_authorities;
	struct h2_span_field fields[KEEPMSG_FIELDS_MAX];
	size_t n_fields, n_seen, list_bytes;
	uint64_t length;
	bool has_length, has_cookie, expects_continue;
	bool is_too_large; /* nothing is kept any more, but it is read on: HPACK needs that */
	bool is_malformed;
};

void h2_head_reset(struct h2_head *head);
void h2_head_done(struct h2_head *head);

/* A field as the library has checked it. False: above a hard bound, the connection must end. */
bool h2_head_add(struct h2_head *head, struct keepmsg_text name, struct keepmsg_text value);

/* A field of a trailer section: counted and forgotten. As h2_head_add(). */
bool h2_head_skip(struct h2_head *head, size_t name_n, size_t value_n);

/*
 * The complete head. 0: *ret is filled and points into head; H2_HEAD_MALFORMED: the stream must be
 * reset; else the status to refuse it with, *ret_why says why (static text).
 */
#define H2_HEAD_MALFORMED 1u
unsigned h2_head_finish(
	struct h2_head *head, bool is_end, struct judge_request *ret, const char **ret_why);

/* Fields of a response as the library takes them, in one piece of memory: free(). */
struct h2_fields {
	size_t n;
	size_t bytes_n;                         /* all of it */
	nghttp2_nv nva[KEEPMSG_FIELDS_MAX + 2]; /* and :status, content-length */
	char bytes[];
};

/*
 * status 0: trailers. Without fields that HTTP/2 forbids (RFC 9113, 8.2.2); content-length where
 * framing says so. NULL: no memory.
 */
struct h2_fields *h2_fields_new(unsigned status, const struct keepmsg_head *head);

#endif
