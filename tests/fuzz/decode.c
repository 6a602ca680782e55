/*
 * Content codings: however input and room are cut, the same bytes come out and the same verdict;
 * the room is never overrun. Input: 1 byte coding, 1 byte for the cuts, then the body.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "keeper/decode.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Rationale: bombs are many; what they hold is of no interest. */
#define OUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const codings[] = { "gzip", "deflate", "br", "zstd", "gzip, gzip", "br, gzip",
	"zstd, deflate", "gzip, br, zstd" };

/* The verdict; DECODE_WANTS_ROOM: more than OUT_MAX. */
static int decode_all(
	const char *coding, const struct buf *in, size_t part, size_t room, struct buf *out)
{
	AUTO_FREE char *bytes = malloc(room);
	struct decode *d = NULL;
	struct decode_io io = { .in = in->data };
	size_t given = 0;
	struct err err;
	int r = decode_new(coding, strlen(coding), &d, &err);

	assert(r == 0);
	do {
		if (io.in_n == 0 && given < in->len) {
			io.in_n = in->len - given < part ? in->len - given : part;
			given += io.in_n;
		}
		io.is_last = given == in->len;
		io.out = bytes;
		io.out_n = room;
		r = decode_pull(d, &io, &err);
		assert(io.out_n <= room && io.out == bytes + (room - io.out_n));
		assert(r != DECODE_WANTS_INPUT || io.in_n == 0);
		assert(r != DECODE_WANTS_INPUT || !io.is_last);
		assert(r != DECODE_WANTS_ROOM || io.out_n == 0);
		buf_add(out, bytes, room - io.out_n);
	} while (out->len < OUT_MAX && (r == DECODE_WANTS_ROOM || r == DECODE_WANTS_INPUT));
	decode_free(d);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_BUF struct buf in = { 0 };
	AUTO_BUF struct buf whole = { 0 };
	AUTO_BUF struct buf cut = { 0 };
	const char *coding;
	int r, r_cut;

	if (size < 2)
		return 0;
	coding = codings[data[0] % ARRAY_LEN(codings)];
	buf_add(&in, data + 2, size - 2);
	r = decode_all(coding, &in, in.len + 1, 1u << 16, &whole);
	if (whole.len >= OUT_MAX)
		return 0;
	r_cut = decode_all(coding, &in, 1 + data[1] % 16u, 1 + data[1] / 16u * 7, &cut);
	assert(r == r_cut);
	assert(r != DECODE_DONE ||
		(whole.len == cut.len &&
			(cut.len == 0 || memcmp(whole.data, cut.data, cut.len) == 0)));
	return 0;
}
