/*
 * HTTP/1 requests as a strict reader sees them (RFC 9110, RFC 9112): what two servers could frame
 * differently is refused. Heads are written anew from what was parsed; bodies go on byte by byte.
 */
#ifndef PROXY_HTTP1_H
#define PROXY_HTTP1_H

#include "base/buf.h"
#include "wire/keepmsg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rationale: servers take 8 to 32 KiB of head; cookies rarely fill a quarter of it. */
#define HTTP1_HEAD_MAX (32u << 10)
#define HTTP1_FIELDS_MAX 128u
/* Rationale: chunk extensions have no known user; a line with one must end somewhere. */
#define HTTP1_CHUNK_LINE_MAX 256u
/* Rationale: nobody is known to send any; they are read to be forgotten. */
#define HTTP1_TRAILERS_MAX (8u << 10)

enum http1_result { HTTP1_MORE, HTTP1_OK, HTTP1_BAD };
enum http1_framing { HTTP1_NO_BODY, HTTP1_LENGTH, HTTP1_CHUNKED };

/* Points into the bytes that were parsed. */
struct http1_head {
	size_t bytes; /* of the head with its empty line */
	struct keepmsg_text method, target;
	struct keepmsg_text
		authority;      /* of an absolute-form target; at is NULL for the other forms */
	struct keepmsg_text path; /* the target in origin-form; may be empty (then "/" is meant) */
	bool is_https;          /* absolute-form with https: */
	unsigned minor;         /* HTTP/1.minor */
	struct keepmsg_field fields[HTTP1_FIELDS_MAX];
	size_t n_fields;
	struct keepmsg_text host; /* at is NULL: none */
	enum http1_framing framing;
	uint64_t length;
	bool has_upgrade;    /* an Upgrade field that Connection names */
	bool is_upgrade_h2c; /* to HTTP/2, whose requests would go by unread */
	bool is_websocket;   /* to WebSocket */
	bool says_close, says_keep_alive;
	bool expects_continue;
	bool expects_other; /* something that nobody knows */
	const char *why; /* HTTP1_BAD: static text */
};

/*
 * Parses one request head from its first byte (one empty line before it is skipped). MORE: not
 * complete yet; with HTTP1_HEAD_MAX bytes it is OK or BAD. Pure.
 */
enum http1_result http1_parse_head(const char *bytes, size_t n, struct http1_head *ret);

/* What http1_write_head() changes. */
#define HTTP1_DROP_UPGRADE 1u /* the server must stay with HTTP/1 */
#define HTTP1_CLOSE 2u        /* the server must close after its response */

/* Writes the head, target in origin-form, without fields that are meant for a proxy. */
void http1_write_head(const struct http1_head *head, unsigned flags, struct buf *out);

/* Where in a request's body the connection is; starts with http1_body_init(). */
struct http1_body {
	enum http1_framing framing;
	bool skips_trailers; /* else they are refused */
	uint64_t left; /* of the body or of the chunk */
	unsigned state;
	size_t line_bytes; /* of the chunk's line, or of the trailers, so far */
	unsigned n_digits;
};

void http1_body_init(struct http1_body *body, const struct http1_head *head);

/*
 * How many of n bytes belong to the body, in *ret_n. OK: the body ends there; MORE: all n belong to
 * it; BAD: the framing is broken, nothing of it may go on.
 */
enum http1_result http1_body_feed(
	struct http1_body *body, const char *bytes, size_t n, size_t *ret_n);

/*
 * Reading a body without its framing: how many of n bytes are framing (*ret_n), up to the next data.
 * OK: the body ends behind them; MORE: data or more framing follows; BAD: the framing is broken.
 */
enum http1_result http1_body_frame(
	struct http1_body *body, const char *bytes, size_t n, size_t *ret_n);

/* How many of the next n bytes are data; and some of them have been used. */
size_t http1_body_data(const struct http1_body *body, size_t n);
void http1_body_used(struct http1_body *body, size_t n);

/*
 * Could these first bytes of a stream be an HTTP/1 request to a lenient server? MORE: not known
 * before the first line is complete; OK: treat it as one; BAD: no.
 */
enum http1_result http1_sniff(const char *bytes, size_t n);

/*
 * The status of a response head that is complete. MORE, BAD, or OK with *ret_status and *ret_bytes
 * (of the head). Only as strict as telling 101 from the rest needs.
 */
enum http1_result http1_parse_status(
	const char *bytes, size_t n, unsigned *ret_status, size_t *ret_bytes);

#endif
