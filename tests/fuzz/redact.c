/*
 * Redaction: however the input is cut, the output is the same and as long as the input, and a plain
 * reference finds no value in it.
 *
 * Input: 1 byte length of the value, 1 byte for the cuts, the value, then the text, in which 0xff
 * and a byte stand for the value in one of its forms.
 */
#include "base/cleanup.h"
#include "keeper/redact.h"
#include "../unit/keeper_plain.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_text(
	const char *value, size_t value_n, const uint8_t *from, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n && out->len < 1024; i++)
		if (from[i] == 0xff && i + 1 < n)
			plain_forms[from[++i] % plain_n_forms].write(value, value_n, out);
		else
			buf_add(out, from + i, 1);
}

/* A value that the overwriting or what it spares could make again proves nothing. */
static bool is_fit(const char *value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (value[i] == 0 || strchr("xX*\r\n", value[i]) != NULL)
			return false;
	return true;
}

static void cut_in_two(struct redact_stream *s, const struct buf *in, size_t at, struct buf *out)
{
	redact_feed(s, in->data, at, out);
	redact_feed(s, in->data + at, in->len - at, out);
	redact_end(s, out);
}

static void cut_often(struct redact_stream *s, const struct buf *in, uint32_t seed, struct buf *out)
{
	for (size_t at = 0, n; at < in->len; at += n) {
		seed = seed * 1664525u + 1013904223u;
		n = 1 + (seed >> 24) % 9;
		n = n < in->len - at ? n : in->len - at;
		redact_feed(s, in->data + at, n, out);
	}
	redact_end(s, out);
}

static void check_same(const struct buf *a, const struct buf *b)
{
	assert(a->len == b->len && memcmp(a->data, b->data, a->len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_BUF struct buf in = { 0 };
	AUTO_BUF struct buf want = { 0 };
	size_t value_n = size < 2 ? 0 : REDACT_MIN + data[0] % 33u;

	if (size < 2 + value_n + 1 || value_n == 0)
		return 0;
	struct redact_value value = { (const char *)data + 2, value_n };
	struct redact *redact = redact_make(calloc(1, redact_bytes(&value, 1)), &value, 1);
	struct redact_stream *stream =
		redact_stream_make(malloc(redact_stream_bytes(redact)), redact);

	make_text(value.bytes, value_n, data + 2 + value_n, size - 2 - value_n, &in);
	cut_in_two(stream, &in, 0, &want);
	assert(want.len == in.len);
	for (size_t at = 1; at < in.len; at += in.len < 50 ? 1 : in.len / 25) {
		AUTO_BUF struct buf out = { 0 };

		cut_in_two(stream, &in, at, &out);
		check_same(&out, &want);
	}
	for (uint32_t i = 0; i < 4; i++) {
		AUTO_BUF struct buf out = { 0 };

		cut_often(stream, &in, data[1] + i * 7919, &out);
		check_same(&out, &want);
	}
	redact_text(stream, in.data, in.len);
	check_same(&in, &want);
	if (is_fit(value.bytes, value_n))
		assert(plain_is_clean(want.data, want.len, value.bytes, value_n));
	free(stream);
	free(redact);
	return 0;
}
