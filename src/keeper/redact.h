/*
 * Finds a rule's values in what a server sends back and overwrites them, byte for byte: as they are
 * and as programs usually write them (see below). What a server disguises on purpose, with rot13 or
 * one byte an answer, passes: whoever may answer can tell.
 *
 * The tables are made once a keeper and shared by its streams. They hold the values: the caller
 * places them in memory that is kept from swap and other processes. A stream holds the bytes that
 * may be the beginning of a value.
 *
 * Found is each value of at least REDACT_MIN bytes
 *   raw, in small or capital letters or both;
 *   in base64 (RFC 4648, both alphabets, any neighbours before and after, with or without padding,
 *     also broken into lines);
 *   in hexadecimal digits, small, capital or mixed, also broken into lines;
 * where each byte of those stands for itself or is escaped on its own as %HH, \uHHHH, \xHH,
 * \UHHHHHHHH, \OOO, a backslash before a sign, &#N; &#xH; &amp; &lt; &gt; &quot; &apos;, or '+' for
 * a blank, escapes of escapes included (%2553, \\u0053), and up to three NUL bytes between them are
 * passed over (UTF-16). Base64 becomes 'x', all else '*'; CR, LF and NUL stay, so that neither JSON
 * nor a field's value is broken.
 */
#ifndef KEEPER_REDACT_H
#define KEEPER_REDACT_H

#include "base/buf.h"
#include "wire/keepmsg.h"

#include <stdbool.h>
#include <stddef.h>

/* Rationale: shorter values are found in innocent text; the caller warns of them. */
#define REDACT_MIN KEEPMSG_REDACT_MIN
/* Rationale: the forms of a rule's few headers, queries and slots. */
#define REDACT_VALUES_MAX 64u

struct redact_value {
	const char *bytes;
	size_t n;
};

/* Tables of the values; immutable. */
struct redact;

/* One body, head or direction of a WebSocket. */
struct redact_stream;

/* Bytes of memory, aligned for any type, that redact_make() needs for these values. 0: too many. */
size_t redact_bytes(const struct redact_value *values, size_t n);

/*
 * Writes the tables into block, which has redact_bytes(values, n) bytes and is zero. Values shorter
 * than REDACT_MIN are left out, and so are those that contain another one. A rendered header need
 * not be given when the secret in it is long enough; what is made of it by base64 (basic) should
 * be, without "Basic ". Points nowhere outside of block; nothing is left elsewhere. Ends with the
 * block: the caller wipes it.
 */
struct redact *redact_make(void *block, const struct redact_value *values, size_t n);

/* Is there nothing to find? Then streams pass everything through. */
bool redact_is_empty(const struct redact *redact);

/* Bytes of memory that a stream needs: less than 100 KiB, whatever the values. */
size_t redact_stream_bytes(const struct redact *redact);

/*
 * Starts a stream in block (redact_stream_bytes() bytes, any content), also one that was used
 * before. It points to redact, which has to live longer.
 */
struct redact_stream *redact_stream_make(void *block, const struct redact *redact);

/*
 * Takes n bytes and appends to out what may go on: all but the tail that may be the beginning of a
 * value, which is at most 12 KiB. out is the same bytes in the same number in the end, however the
 * input was cut. On failed memory out->failed is set and the stream is of no more use.
 */
void redact_feed(struct redact_stream *stream, const void *bytes, size_t n, struct buf *out);

/* How many bytes are held back, or were given early and are not yet known to be harmless. */
size_t redact_held(const struct redact_stream *stream);

/*
 * Early, because someone may wait for what is held back: may it be given away, which it may as long
 * as it is at most `most` bytes, those counted that were given before and still belong to what may
 * be a value? redact_give() does it. The search goes on as if nothing had been given: of a value
 * that comes as slowly as its sender likes, no more than those bytes get through.
 */
bool redact_may_give(const struct redact_stream *stream, size_t most);
void redact_give(struct redact_stream *stream, struct buf *out);

/* The end of the input: appends what was held back. Then the stream begins again. */
void redact_end(struct redact_stream *stream, struct buf *out);

/* A whole text (a field's value) in its place. The stream must not be within another input. */
void redact_text(struct redact_stream *stream, char *bytes, size_t n);

/* Overwrites what a stream holds. */
void redact_stream_wipe(struct redact_stream *stream);

#endif
