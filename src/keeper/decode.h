/*
 * Content codings of responses (RFC 9110, 8.4.1), undone while they stream, so that redact.h sees
 * the text: gzip, x-gzip, deflate (zlib's, and raw as some servers send it), br, zstd, identity,
 * and stacks of them.
 *
 * The caller pulls: a call writes at most what the caller has room for and takes no more input than
 * it needs for that, so that a bomb costs the caller's buffer and the windows, never its size.
 */
#ifndef KEEPER_DECODE_H
#define KEEPER_DECODE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Rationale: one is what servers send, two what misconfigured ones do. */
#define DECODE_STACK_MAX 3u
/*
 * Rationale: the windows of gzip, deflate and br of all stages together; one brotli window has 16
 * MiB (RFC 7932) and is moved while it grows. A zstd stage has 8 MiB and a little of its own (RFC
 * 9659).
 */
#define DECODE_MEMORY_MAX (32u << 20)

/*
 * Rationale: of all decoders of the process. A server that codes without being asked is rare, one
 * that does so with the largest windows and a thousand connections means harm.
 */
#define DECODE_ALL_MAX (256u << 20)

struct decode;

struct decode_io {
	const char *in; /* advanced over what was taken */
	size_t in_n;
	bool is_last; /* nothing comes after in */
	char *out;    /* advanced over what was written */
	size_t out_n;
};

enum decode_state {
	DECODE_WANTS_INPUT, /* all of in was taken and more is to come */
	DECODE_WANTS_ROOM,  /* out is full and there may be more */
	DECODE_DONE,        /* the whole body was taken and is well-formed */
};

/*
 * A decoder for the value of Content-Encoding: codings, comma-separated, in the order in which they
 * were applied. *ret is NULL for identity alone or an empty list: nothing to do. 0, -ENOTSUP with
 * text for a coding that is not known or too many, -ENOMEM (also of DECODE_ALL_MAX).
 */
int decode_new(const char *value, size_t n, struct decode **ret, struct err *err);
void decode_free(struct decode *decode);

/*
 * Goes on until out is full, in is taken or the body is at its end. Returns an enum decode_state,
 * or -EPROTO with text: malformed, cut short (is_last), bytes behind the end, windows too large.
 * Whatever was written before is right; after an error the decoder is of no more use. An entirely
 * empty body is the coding of an empty one. More is asked for only with in_n == 0.
 */
int decode_pull(struct decode *decode, struct decode_io *io, struct err *err);

#endif
