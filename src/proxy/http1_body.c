/*
 * Where a request's body ends (RFC 9112, 6 and 7.1). Runs in the proxy; hostile input: every byte.
 */
#include "proxy/http1.h"

#include "base/ascii.h"

/* Rationale: 15 hexadecimal digits are a petabyte and cannot overflow 64 bits. */
#define CHUNK_DIGITS_MAX 15u

enum chunk_state {
	CHUNK_SIZE,      /* digits */
	CHUNK_EXTENSION, /* to the end of the size's line */
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_LAST_CR, /* the empty line behind the last chunk, or a trailer */
	CHUNK_LAST_LF,
	CHUNK_TRAILER, /* in a line of the trailers */
	CHUNK_TRAILER_LF,
	CHUNK_END,
	CHUNK_BROKEN,
};

void http1_body_init(struct http1_body *body, const struct http1_head *head)
{
	*body = (struct http1_body){ .framing = head->framing,
		.left = head->framing == HTTP1_LENGTH ? head->length : 0,
		.state = CHUNK_SIZE };
}

static enum chunk_state size_byte(struct http1_body *body, char c)
{
	int digit = ascii_hex(c);

	if (digit >= 0 && body->n_digits < CHUNK_DIGITS_MAX) {
		body->left = body->left << 4 | (unsigned)digit;
		body->n_digits++;
		return CHUNK_SIZE;
	}
	if (body->n_digits == 0)
		return CHUNK_BROKEN;
	if (c == ';')
		return CHUNK_EXTENSION;
	return c == '\r' ? CHUNK_SIZE_LF : CHUNK_BROKEN;
}

static enum chunk_state extension_byte(char c)
{
	if (c == '\r')
		return CHUNK_SIZE_LF;
	return (unsigned char)c < 0x20 && c != '\t' ? CHUNK_BROKEN : CHUNK_EXTENSION;
}

static enum chunk_state line_end(struct http1_body *body, char c)
{
	body->line_bytes = 0;
	body->n_digits = 0;
	if (c != '\n')
		return CHUNK_BROKEN;
	return body->left > 0 ? CHUNK_DATA : CHUNK_LAST_CR;
}

/* The first byte behind the last chunk, or behind a trailer's line. */
static enum chunk_state last_byte(struct http1_body *body, char c)
{
	if (c == '\r')
		return CHUNK_LAST_LF;
	if (!body->skips_trailers || (unsigned char)c <= 0x20)
		return CHUNK_BROKEN;
	body->line_bytes++;
	return CHUNK_TRAILER;
}

static enum chunk_state trailer_byte(struct http1_body *body, char c)
{
	if (++body->line_bytes > HTTP1_TRAILERS_MAX)
		return CHUNK_BROKEN;
	if (c == '\r')
		return CHUNK_TRAILER_LF;
	return (unsigned char)c < 0x20 && c != '\t' ? CHUNK_BROKEN : CHUNK_TRAILER;
}

/* One byte that is not chunk data. */
static enum chunk_state frame_byte(struct http1_body *body, char c)
{
	switch ((enum chunk_state)body->state) {
	case CHUNK_SIZE:
	case CHUNK_EXTENSION:
		if (++body->line_bytes > HTTP1_CHUNK_LINE_MAX)
			return CHUNK_BROKEN;
		return body->state == CHUNK_SIZE ? size_byte(body, c) : extension_byte(c);
	case CHUNK_SIZE_LF:
		return line_end(body, c);
	case CHUNK_DATA_CR:
		return c == '\r' ? CHUNK_DATA_LF : CHUNK_BROKEN;
	case CHUNK_DATA_LF:
		return c == '\n' ? CHUNK_SIZE : CHUNK_BROKEN;
	case CHUNK_LAST_CR:
		return last_byte(body, c);
	case CHUNK_TRAILER:
		return trailer_byte(body, c);
	case CHUNK_TRAILER_LF:
		return c == '\n' ? CHUNK_LAST_CR : CHUNK_BROKEN;
	case CHUNK_LAST_LF:
		return c == '\n' ? CHUNK_END : CHUNK_BROKEN;
	case CHUNK_DATA:
	case CHUNK_END:
	case CHUNK_BROKEN:
		break;
	}
	return CHUNK_BROKEN;
}

static size_t skip_data(struct http1_body *body, size_t n)
{
	size_t skipped = body->left < n ? (size_t)body->left : n;

	body->left -= skipped;
	return skipped;
}

static enum http1_result feed_chunked(
	struct http1_body *body, const char *bytes, size_t n, size_t *ret_n)
{
	size_t i = 0;

	while (i < n) {
		if (body->state == CHUNK_DATA) {
			i += skip_data(body, n - i);
			if (body->left == 0)
				body->state = CHUNK_DATA_CR;
			continue;
		}
		body->state = frame_byte(body, bytes[i++]);
		if (body->state == CHUNK_BROKEN)
			return HTTP1_BAD;
		if (body->state == CHUNK_END)
			break;
	}
	*ret_n = i;
	return body->state == CHUNK_END ? HTTP1_OK : HTTP1_MORE;
}

enum http1_result http1_body_feed(
	struct http1_body *body, const char *bytes, size_t n, size_t *ret_n)
{
	if (body->framing == HTTP1_CHUNKED)
		return feed_chunked(body, bytes, n, ret_n);
	*ret_n = skip_data(body, n);
	return body->left == 0 ? HTTP1_OK : HTTP1_MORE;
}

static enum http1_result frame_chunked(
	struct http1_body *body, const char *bytes, size_t n, size_t *ret_n)
{
	size_t i = 0;

	while (i < n && body->state != CHUNK_DATA && body->state != CHUNK_END) {
		body->state = frame_byte(body, bytes[i++]);
		if (body->state == CHUNK_BROKEN)
			return HTTP1_BAD;
	}
	*ret_n = i;
	return body->state == CHUNK_END ? HTTP1_OK : HTTP1_MORE;
}

enum http1_result http1_body_frame(
	struct http1_body *body, const char *bytes, size_t n, size_t *ret_n)
{
	if (body->framing == HTTP1_CHUNKED)
		return frame_chunked(body, bytes, n, ret_n);
	*ret_n = 0;
	return body->left == 0 ? HTTP1_OK : HTTP1_MORE;
}

size_t http1_body_data(const struct http1_body *body, size_t n)
{
	if (body->framing == HTTP1_CHUNKED && body->state != CHUNK_DATA)
		return 0;
	return body->left < n ? (size_t)body->left : n;
}

void http1_body_used(struct http1_body *body, size_t n)
{
	body->left -= n;
	if (body->framing == HTTP1_CHUNKED && body->left == 0)
		body->state = CHUNK_DATA_CR;
}
