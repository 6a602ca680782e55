/*
 * Proves that the server name of a ClientHello is found however it is cut up, and that whatever two
 * readers could see differently is refused.
 */
#include "base/cleanup.h"
#include "proxy/clienthello.h"
#include "tap.h"

#include <stdlib.h>

struct bytes {
	uint8_t at[70000];
	size_t n;
};

static void add(struct bytes *b, const void *bytes, size_t n)
{
	memcpy(b->at + b->n, bytes, n);
	b->n += n;
}

static void add16(struct bytes *b, size_t value)
{
	uint8_t two[2] = { (uint8_t)(value >> 8), (uint8_t)value };

	add(b, two, 2);
}

static void add_extension(struct bytes *b, size_t type, const void *bytes, size_t n)
{
	add16(b, type);
	add16(b, n);
	add(b, bytes, n);
}

static void add_name(struct bytes *b, const char *name, size_t n)
{
	static struct bytes ext;

	ext.n = 0;
	add16(&ext, n + 3);
	add(&ext, "", 1);
	add16(&ext, n);
	add(&ext, name, n);
	add_extension(b, 0, ext.at, ext.n);
}

/* A handshake message with these extensions (NULL: not even the list). */
static const struct bytes *message(const struct bytes *extensions)
{
	static struct bytes body, m;
	uint8_t random[32] = { 1, 2, 3 };

	body.n = m.n = 0;
	add(&body, "\3\3", 2);
	add(&body, random, sizeof(random));
	add(&body, "\0\0\4\x13\1\x13\2\1\0", 9);
	if (extensions != NULL) {
		add16(&body, extensions->n);
		add(&body, extensions->at, extensions->n);
	}
	add(&m, "\1\0", 2);
	add16(&m, body.n);
	add(&m, body.at, body.n);
	return &m;
}

/* In records of at most `piece` bytes. */
static const struct bytes *records(const struct bytes *m, size_t piece)
{
	static struct bytes r;

	r.n = 0;
	for (size_t at = 0; at < m->n; at += piece) {
		size_t n = m->n - at < piece ? m->n - at : piece;

		add(&r, "\x16\3\1", 3);
		add16(&r, n);
		add(&r, m->at + at, n);
	}
	return &r;
}

static struct clienthello got;

static enum clienthello_result parse(const uint8_t *bytes, size_t n)
{
	/* A block of exactly this size, so that a sanitizer sees a read beyond its end. */
	AUTO_FREE uint8_t *exact = malloc(n > 0 ? n : 1);

	memcpy(exact, bytes, n);
	return clienthello_parse(exact, n, &got);
}

static enum clienthello_result parse_ext(const struct bytes *extensions)
{
	const struct bytes *r = records(message(extensions), 16384);

	return parse(r->at, r->n);
}

static void test_good(void)
{
	static struct bytes ext;
	const struct bytes *r;
	bool more = true;

	add_extension(&ext, 43, "\2\3\4", 3);
	add_name(&ext, "host.test", 9);
	add_extension(&ext, 0x0a0a, "", 0);
	tap_ok(parse_ext(&ext) == CLIENTHELLO_OK, "a hello");
	tap_is(got.name, "host.test", "its name");
	tap_ok(got.name_n == 9 && !got.has_ech, "and nothing more");
	for (size_t piece = 1; piece < 40; piece++) {
		r = records(message(&ext), piece);
		if (parse(r->at, r->n) != CLIENTHELLO_OK || strcmp(got.name, "host.test") != 0)
			break;
		if (piece == 39)
			tap_ok(true, "in records of 1 to 39 bytes");
	}
	r = records(message(&ext), 7);
	for (size_t n = 0; n < r->n; n++)
		more = more && parse(r->at, n) == CLIENTHELLO_MORE;
	tap_ok(more, "cut anywhere: more is needed");
	tap_ok(parse_ext(NULL) == CLIENTHELLO_OK && got.name_n == 0, "no extensions: no name");
	ext.n = 0;
	tap_ok(parse_ext(&ext) == CLIENTHELLO_OK && got.name_n == 0, "an empty list: no name");
	add_extension(&ext, 0xfe0d, "\0", 1);
	add_name(&ext, "host.test", 9);
	tap_ok(parse_ext(&ext) == CLIENTHELLO_OK && got.has_ech,
		"an encrypted one beside it is noticed");
}

static void test_bad_names(void)
{
	static struct bytes ext;
	char long_name[256];

	memset(long_name, 'a', sizeof(long_name));
	add_name(&ext, "a.test", 6);
	add_name(&ext, "b.test", 6);
	tap_ok(parse_ext(&ext) == CLIENTHELLO_BAD, "two server_name extensions");
	ext.n = 0;
	add_extension(&ext, 0, "\0\x0a\0\0\2aa\0\0\2bb", 12);
	tap_ok(parse_ext(&ext) == CLIENTHELLO_BAD, "two names in one");
	ext.n = 0;
	add_name(&ext, "", 0);
	tap_ok(parse_ext(&ext) == CLIENTHELLO_BAD, "an empty name");
	ext.n = 0;
	add_name(&ext, "evil\0.test", 10);
	tap_ok(parse_ext(&ext) == CLIENTHELLO_BAD, "NUL in the name");
	ext.n = 0;
	add_name(&ext, long_name, 256);
	tap_ok(parse_ext(&ext) == CLIENTHELLO_BAD, "256 bytes of name");
	ext.n = 0;
	add_extension(&ext, 0, "\0\5\1\0\2ab", 7);
	tap_ok(parse_ext(&ext) == CLIENTHELLO_BAD, "another name type");
	ext.n = 0;
	add_extension(&ext, 0, "\0\6\0\0\2ab", 7);
	tap_ok(parse_ext(&ext) == CLIENTHELLO_BAD, "a list longer than its extension");
	ext.n = 0;
	add_extension(&ext, 0, "\0\5\0\0\2abX", 8);
	tap_ok(parse_ext(&ext) == CLIENTHELLO_BAD, "bytes behind the list");
	ext.n = 0;
	add_extension(&ext, 0, "", 0);
	tap_ok(parse_ext(&ext) == CLIENTHELLO_BAD, "nothing in it");
	ext.n = 0;
	add_extension(&ext, 5, "", 0);
	add_extension(&ext, 5, "", 0);
	tap_ok(parse_ext(&ext) == CLIENTHELLO_BAD, "any extension twice");
	ext.n = 0;
	for (size_t i = 0; i < 65; i++)
		add_extension(&ext, 1000 + i, "", 0);
	tap_ok(parse_ext(&ext) == CLIENTHELLO_BAD, "65 extensions");
	ext.n = 0;
	add(&ext, "\0\0\0\x20", 4);
	tap_ok(parse_ext(&ext) == CLIENTHELLO_BAD, "an extension that ends behind the list");
}

static void test_bad_records(void)
{
	static struct bytes ext, r, big;
	const struct bytes *good;

	add_name(&ext, "host.test", 9);
	good = records(message(&ext), 16384);
	memcpy(&r, good, sizeof(r));
	r.at[0] = 23;
	tap_ok(parse(r.at, r.n) == CLIENTHELLO_BAD, "not a handshake record");
	r.at[0] = 22;
	r.at[1] = 2;
	tap_ok(parse(r.at, 2) == CLIENTHELLO_BAD, "SSL 2, seen at the second byte");
	r.at[1] = 3;
	r.at[5] = 2;
	tap_ok(parse(r.at, r.n) == CLIENTHELLO_BAD, "a ServerHello");
	r.at[5] = 1;
	r.at[8]--;
	tap_ok(parse(r.at, r.n) == CLIENTHELLO_BAD, "more than the hello in its record");
	r.at[8]++;
	r.at[6] = 1;
	tap_ok(parse(r.at, r.n) == CLIENTHELLO_BAD, "a length of 64 KiB");
	r.at[6] = 0;
	r.at[9] = 2;
	tap_ok(parse(r.at, r.n) == CLIENTHELLO_BAD, "version 2 inside");
	tap_ok(parse((const uint8_t *)"\x16\3\1\0\0", 5) == CLIENTHELLO_BAD, "an empty record");
	tap_ok(parse((const uint8_t *)"\x16\3\1\x40\1", 5) == CLIENTHELLO_BAD,
		"a record over 16 KiB");
	for (size_t i = 0; i < CLIENTHELLO_RAW_MAX; i += 6)
		add(&big, "\x16\3\1\0\1", 5), add(&big, i == 0 ? "\1" : i == 6 ? "\0" : "\x3f", 1);
	tap_ok(parse(big.at, CLIENTHELLO_RAW_MAX) == CLIENTHELLO_BAD, "32 KiB of one-byte records");
}

static void test_mutations(void)
{
	static struct bytes ext, r;
	unsigned seed = 7;
	bool sane = true;

	add_extension(&ext, 43, "\2\3\4", 3);
	add_name(&ext, "host.test", 9);
	for (int round = 0; round < 50000; round++) {
		memcpy(r.at, records(message(&ext), 20)->at, 512);
		r.n = records(message(&ext), 20)->n;
		for (int k = 0; k < 2; k++) {
			seed = seed * 1103515245u + 12345u;
			r.at[(seed >> 8) % r.n] = (uint8_t)(seed >> 24);
		}
		if (parse(r.at, r.n) == CLIENTHELLO_OK)
			sane = sane && got.name_n == strlen(got.name) &&
			       got.name_n < sizeof(got.name);
	}
	tap_ok(sane, "50,000 mutations: no crash, no name with a NUL");
}

int main(void)
{
	test_good();
	test_bad_names();
	test_bad_records();
	test_mutations();
	return tap_done();
}
