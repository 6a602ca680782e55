/*
 * ClientHello: a verdict does not change with more bytes, and does not depend on how the handshake
 * is cut into records.
 *
 * Input: 1 byte: 0: bytes of a client; else the size of records that the rest is cut into.
 */
#include "input.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "proxy/clienthello.h"

static bool is_same(enum clienthello_result a, const struct clienthello *x,
	enum clienthello_result b, const struct clienthello *y)
{
	if (a != b)
		return false;
	return a != CLIENTHELLO_OK || (x->name_n == y->name_n && x->has_ech == y->has_ech &&
					      memcmp(x->name, y->name, x->name_n + 1) == 0);
}

/* As records of at most `piece` bytes. */
static void wrap(const uint8_t *data, size_t n, size_t piece, struct buf *out)
{
	for (size_t at = 0; at < n; at += piece) {
		size_t part = n - at < piece ? n - at : piece;
		uint8_t head[5] = { 0x16, 3, 1, (uint8_t)(part >> 8), (uint8_t)part };

		buf_add(out, head, sizeof(head));
		buf_add(out, data + at, part);
	}
}

/* Of the first message at most. */
static size_t hello_bytes(const uint8_t *data, size_t n)
{
	size_t length = n < 4 ? 0 : (size_t)data[1] << 16 | (size_t)data[2] << 8 | data[3];

	return n < 4 || n - 4 < length ? n : 4 + length;
}

static void check_prefixes(const uint8_t *bytes, size_t n)
{
	struct clienthello whole, part;
	enum clienthello_result all = clienthello_parse(bytes, n, &whole), r;

	if (all == CLIENTHELLO_OK)
		assert(whole.name_n < sizeof(whole.name) && strlen(whole.name) == whole.name_n);
	for (size_t cut = 0; cut < n; cut += 1 + n / 24) {
		uint8_t *copy = malloc(cut);

		memcpy(copy, bytes, cut);
		r = clienthello_parse(copy, cut, &part);
		assert(r == CLIENTHELLO_MORE || is_same(r, &part, all, &whole));
		free(copy);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_BUF struct buf large = { 0 };
	AUTO_BUF struct buf small = { 0 };
	struct clienthello a, b;
	enum clienthello_result r, s;
	size_t n;

	if (size < 2)
		return 0;
	if (data[0] == 0) {
		check_prefixes(data + 1, size - 1);
		return 0;
	}
	/* What follows in a record of its own is another matter than what follows in the same one.
	 */
	n = hello_bytes(data + 1, size - 1);
	wrap(data + 1, n, 16384, &large);
	wrap(data + 1, n, data[0], &small);
	if (small.len >= CLIENTHELLO_RAW_MAX)
		return 0;
	r = clienthello_parse((const uint8_t *)large.data, large.len, &a);
	s = clienthello_parse((const uint8_t *)small.data, small.len, &b);
	assert(is_same(r, &a, s, &b));
	check_prefixes((const uint8_t *)small.data, small.len);
	return 0;
}
