/*
 * Proves that every coding and every stack of them comes out as it went in, however input and room
 * are cut; that a body cut short, malformed or followed by bytes never counts as whole; that a bomb
 * costs the caller's room alone.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "keeper/decode.h"
#include "tap.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

/* Made by the encoder of brotli 1.0.9: text() with a window of 64 KiB; 64 MiB of zeros, 16 MiB. */
static const char brotli_text[] =
	"\xa2\xc1\x00\x80\x40\x31\xb7\x54\x3f\xc4\xfd\xfd\x36\x15\x5b\x32\x4c\x10\x44\x83"
	"\x0b\x62\x81\x27\x00\x5d\x94\x0a\xd6\x22\x0f\x1f\xd4\x87\xcc\xb1\xb4\x50\x45\x84"
	"\xd3\xff\xff\xbe\x9e\xa1\xa2\xf7\xd4\xa1\x39\xfe\xa9\x5f\xb9\x67\xc7\xfb\xd4\x71"
	"\x77\x25\xbb\x3b\x3d\xbd\xf6\xd6\x7b\x5f\xfa\xda\xb7\x85\x0f\xf0\x81\x81\x0d\x6c"
	"\x60\x03\x1b\xd8\xc0\x06\x36\x30\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\x04\x04"
	"\x04\x04\x04\x04\x04\xa4\x05";
static const char brotli_bomb[] =
	"\xcf\xff\xff\x7f\x00\x24\x00\xe2\xb1\x40\x72\xef\xff\xf9\xff\xff\x0f\x80\x04\x40"
	"\x1c\x16\x80\xee\xfd\x3f\xff\xff\xff\x01\x90\x00\x88\xc3\x02\xd0\xbd\xff\xcf\xff"
	"\xff\x7f\x00\x12\x00\x71\x58\x00\xba\xf7\xff";
static void text(struct buf *out)
{
	for (int i = 0; i < 40; i++)
		buf_addf(out, "line %d of a text that repeats itself; ", i);
}

/* ---- encoders; window is zlib's windowBits ---- */

static void encode_zlib(const struct buf *in, int window, struct buf *out)
{
	uLong room = in->len + 1000;
	AUTO_FREE Bytef *bytes = malloc(room);
	z_stream z = { .next_in = (Bytef *)in->data,
		.avail_in = (uInt)in->len,
		.next_out = bytes,
		.avail_out = (uInt)room };

	(void)deflateInit2(&z, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY);
	(void)deflate(&z, Z_FINISH);
	buf_add(out, bytes, z.total_out);
	(void)deflateEnd(&z);
}

static void encode_gzip(const struct buf *in, struct buf *out)
{
	encode_zlib(in, 16 + MAX_WBITS, out);
}

static void encode_deflate(const struct buf *in, struct buf *out)
{
	encode_zlib(in, MAX_WBITS, out);
}

static void encode_raw(const struct buf *in, struct buf *out)
{
	encode_zlib(in, -MAX_WBITS, out);
}

static void encode_zstd(const struct buf *in, struct buf *out)
{
	size_t room = ZSTD_compressBound(in->len);
	AUTO_FREE char *bytes = malloc(room);

	buf_add(out, bytes, ZSTD_compress(bytes, room, in->data, in->len, 3));
}

static void encode_brotli(const struct buf *in, struct buf *out)
{
	AUTO_BUF struct buf want = { 0 };

	text(&want); /* the one text that there is */
	if (in->len == want.len)
		buf_add(out, brotli_text, sizeof(brotli_text) - 1);
}

/* ---- decoding with cuts ---- */

struct cut {
	size_t in, out;
};

/* The final state or -errno. */
static int decode_all(struct decode *d, const struct buf *in, struct cut cut, struct buf *out)
{
	AUTO_FREE char *room = malloc(cut.out);
	struct decode_io io = { .in = in->data };
	size_t given = 0;
	struct err err;
	int r;

	do {
		if (io.in_n == 0 && given < in->len) {
			io.in_n = in->len - given < cut.in ? in->len - given : cut.in;
			given += io.in_n;
		}
		io.is_last = given == in->len;
		io.out = room;
		io.out_n = cut.out;
		r = decode_pull(d, &io, &err);
		buf_add(out, room, cut.out - io.out_n);
	} while (r == DECODE_WANTS_ROOM || (r == DECODE_WANTS_INPUT && given < in->len));
	return r;
}

static int decode_as(const char *value, const struct buf *in, struct cut cut, struct buf *out)
{
	struct decode *d = NULL;
	struct err err;
	int r = decode_new(value, strlen(value), &d, &err);

	if (r < 0)
		return r;
	r = decode_all(d, in, cut, out);
	decode_free(d);
	return r;
}

static bool is_same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static const struct coding {
	const char *value, *name;
	void (*encode[3])(const struct buf *in, struct buf *out); /* the first is applied first */
} codings[] = {
	{ "gzip", "gzip", { encode_gzip } },
	{ " X-GZip\t", "x-gzip between blanks", { encode_gzip } },
	{ "deflate", "deflate (zlib)", { encode_deflate } },
	{ "deflate", "deflate (raw)", { encode_raw } },
	{ "br", "br", { encode_brotli } },
	{ "zstd", "zstd", { encode_zstd } },
	{ "br, gzip", "br, gzip", { encode_brotli, encode_gzip } },
	{ "gzip, identity,, deflate", "gzip, deflate", { encode_gzip, encode_deflate } },
	{ "deflate,zstd", "deflate, zstd", { encode_raw, encode_zstd } },
	{ "br, zstd, gzip", "br, zstd, gzip", { encode_brotli, encode_zstd, encode_gzip } },
};

static void encode(const struct coding *c, struct buf *out)
{
	AUTO_BUF struct buf now = { 0 };

	text(&now);
	for (size_t i = 0; i < 3 && c->encode[i] != NULL; i++) {
		out->len = 0;
		c->encode[i](&now, out);
		now.len = 0;
		buf_add(&now, out->data, out->len);
	}
}

static void check_coding(const struct coding *c)
{
	static const size_t sizes[] = { 1, 2, 3, 7, 100, 1 << 20 };
	AUTO_BUF struct buf want = { 0 };
	AUTO_BUF struct buf in = { 0 };
	bool all_same = true, none_whole = true, none_longer = true;

	text(&want);
	encode(c, &in);
	for (size_t i = 0; i < ARRAY_LEN(sizes) * ARRAY_LEN(sizes); i++) {
		AUTO_BUF struct buf out = { 0 };
		struct cut cut = { sizes[i / ARRAY_LEN(sizes)], sizes[i % ARRAY_LEN(sizes)] };

		all_same = all_same && decode_as(c->value, &in, cut, &out) == DECODE_DONE &&
			   is_same(&out, &want);
	}
	tap_ok(all_same, "%s, cut in 36 ways", c->name);
	for (size_t n = 1; n < in.len; n++) {
		AUTO_BUF struct buf out = { 0 };
		struct buf part = { .data = in.data, .len = n };

		none_whole = none_whole &&
			     decode_as(c->value, &part, (struct cut){ 7, 100 }, &out) == -EPROTO &&
			     out.len <= want.len &&
			     memcmp(out.data != NULL ? out.data : "", want.data, out.len) == 0;
	}
	tap_ok(none_whole, "%s, cut short anywhere, is an error", c->name);
	for (size_t cut = 1; cut < 1000; cut += 499) {
		AUTO_BUF struct buf out = { 0 };
		AUTO_BUF struct buf more = { 0 };

		buf_add(&more, in.data, in.len);
		buf_adds(&more, "garbage");
		none_longer = none_longer &&
			      decode_as(c->value, &more, (struct cut){ cut, 100 }, &out) == -EPROTO;
	}
	tap_ok(none_longer, "%s with bytes behind it is an error", c->name);
}

static void test_codings(void)
{
	for (size_t i = 0; i < ARRAY_LEN(codings); i++)
		check_coding(&codings[i]);
}

/* Members and frames one after the other are one body. */
static void test_members(void)
{
	static const struct coding *const several[] = { &codings[0], &codings[5] };

	for (size_t i = 0; i < ARRAY_LEN(several); i++) {
		AUTO_BUF struct buf in = { 0 };
		AUTO_BUF struct buf twice = { 0 };
		AUTO_BUF struct buf want = { 0 };
		AUTO_BUF struct buf out = { 0 };

		encode(several[i], &in);
		text(&want);
		text(&want);
		buf_add(&twice, in.data, in.len);
		buf_add(&twice, in.data, in.len);
		tap_ok(decode_as(several[i]->value, &twice, (struct cut){ 5, 64 }, &out) ==
					DECODE_DONE &&
				is_same(&out, &want),
			"%s, two one after the other", several[i]->name);
	}
}

/* Raw deflate that begins nearly as zlib's header does: a stored block with a bit in its padding.
 */
static void test_sniffing(void)
{
	char bytes[] = "\x08\x05\x00\xfa\xffhello\x03";
	struct buf in = { .data = bytes, .len = sizeof(bytes) };
	AUTO_BUF struct buf out = { 0 };

	tap_ok(decode_as("deflate", &in, (struct cut){ 1, 1 }, &out) == DECODE_DONE &&
			out.len == 5 && memcmp(out.data, "hello", 5) == 0,
		"raw deflate that looks like zlib");
}

static void test_empty(void)
{
	static const char *const names[] = { "gzip", "deflate", "br", "zstd", "gzip, br" };
	struct buf nothing = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_BUF struct buf out = { 0 };

		tap_ok(decode_as(names[i], &nothing, (struct cut){ 1, 9 }, &out) == DECODE_DONE &&
				out.len == 0,
			"%s of nothing at all is nothing", names[i]);
	}
}

static void test_names(void)
{
	static const struct {
		const char *value;
		int result;
	} names[] = { { "compress", -ENOTSUP }, { "gzip, exi", -ENOTSUP }, { "gzi", -ENOTSUP },
		{ "gzip;q=1", -ENOTSUP }, { "gzip,gzip,gzip,gzip", -ENOTSUP }, { "", 0 },
		{ "identity", 0 }, { " , Identity,", 0 } };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct decode *d = NULL;
		struct err err;

		tap_ok(decode_new(names[i].value, strlen(names[i].value), &d, &err) ==
					names[i].result &&
				d == NULL,
			"\"%s\" is %s", names[i].value,
			names[i].result < 0 ? "refused" : "nothing to do");
		decode_free(d);
	}
}

/* ---- bombs ---- */

static void check_bomb(const char *value, const struct buf *bomb)
{
	struct decode *d = NULL;
	char room[4096];
	struct decode_io io = { .in = bomb->data, .in_n = bomb->len, .is_last = true };
	size_t total = 0;
	bool all_fit = true;
	struct err err;
	int r = decode_new(value, strlen(value), &d, &err);

	if (r == 0) {
		do {
			io.out = room;
			io.out_n = sizeof(room);
			r = decode_pull(d, &io, &err);
			total += sizeof(room) - io.out_n;
			all_fit = all_fit && io.out_n <= sizeof(room);
		} while (r == DECODE_WANTS_ROOM);
	}
	tap_ok(r == DECODE_DONE && all_fit && total == 64u << 20,
		"a bomb of %zu bytes of %s: %zu bytes", bomb->len, value, total);
	decode_free(d);
}

static void test_bombs(void)
{
	struct buf zeros = { .data = calloc(1, 64u << 20), .len = 64u << 20 };
	struct buf brotli = { .data = malloc(sizeof(brotli_bomb) - 1),
		.len = sizeof(brotli_bomb) - 1 };
	AUTO_BUF struct buf gzip = { 0 };
	AUTO_BUF struct buf twice = { 0 };
	AUTO_BUF struct buf zstd = { 0 };

	memcpy(brotli.data, brotli_bomb, sizeof(brotli_bomb) - 1);
	encode_gzip(&zeros, &gzip);
	encode_gzip(&gzip, &twice);
	encode_zstd(&zeros, &zstd);
	check_bomb("gzip", &gzip);
	check_bomb("gzip, gzip", &twice);
	check_bomb("zstd", &zstd);
	check_bomb("br", &brotli);
	free(zeros.data);
	free(brotli.data);
}

/* zstd may ask for a window of gigabytes; the length is left out, so that it has to be one. */
static void test_window(void)
{
	for (int log = 23; log <= 24; log++) {
		AUTO_FREE char *bytes = malloc(1u << 20);
		ZSTD_CCtx *c = ZSTD_createCCtx();
		char some[1000] = "text";
		ZSTD_inBuffer in = { some, sizeof(some), 0 };
		ZSTD_outBuffer out = { bytes, 1u << 20, 0 };
		AUTO_BUF struct buf got = { 0 };

		(void)ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, log);
		(void)ZSTD_compressStream2(c, &out, &in, ZSTD_e_flush);
		(void)ZSTD_compressStream2(c, &out, &in, ZSTD_e_end);
		ZSTD_freeCCtx(c);
		struct buf body = { .data = bytes, .len = out.pos };

		tap_ok(decode_as("zstd", &body, (struct cut){ 9, 999 }, &got) ==
				(log == 23 ? (int)DECODE_DONE : -EPROTO),
			"zstd with a window of %d MiB is %s", 1 << (log - 20),
			log == 23 ? "read" : "refused");
	}
}

/* A thousand connections of one server, each with the largest windows there are. */
static void test_all(void)
{
	static struct decode *many[1000];
	struct decode *one = NULL;
	struct err err;
	size_t n = 0;
	int r = 0;

	while (n < ARRAY_LEN(many) && r == 0) {
		r = decode_new("zstd, zstd", 10, &many[n], &err);
		n += r == 0;
	}
	tap_ok(r == -ENOMEM && n > 8 && n < 32, "all decoders have a bound together: %zu", n);
	tap_ok(decode_new("gzip", 4, &one, &err) == 0 && one != NULL, "a small one fits beside");
	decode_free(one);
	while (n > 0)
		decode_free(many[--n]);
	tap_ok(decode_new("zstd, zstd", 10, &one, &err) == 0, "what is freed is there again");
	decode_free(one);
}

int main(void)
{
	test_codings();
	test_members();
	test_sniffing();
	test_empty();
	test_names();
	test_bombs();
	test_window();
	test_all();
	return tap_done();
}
