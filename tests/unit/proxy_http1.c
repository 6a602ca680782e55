/*
 * Proves that requests are read as strictly as smuggling needs it, that what is written again says
 * the same, and that the end of a body is where every server sees it.
 */
#include "base/cleanup.h"
#include "proxy/http1.h"
#include "tap.h"

#include <stdlib.h>

static struct http1_head head;
static char *kept; /* what head points into */

static enum http1_result parse_n(const char *text, size_t n)
{
	free(kept);
	kept = malloc(n > 0 ? n : 1);
	memcpy(kept, text, n);
	return http1_parse_head(kept, n, &head);
}

static enum http1_result parse(const char *text)
{
	return parse_n(text, strlen(text));
}

static const char *written(const char *text, unsigned flags)
{
	static char copy[4096];
	AUTO_BUF struct buf out = { 0 };

	if (parse(text) != HTTP1_OK)
		return "(refused)";
	http1_write_head(&head, flags, &out);
	(void)snprintf(copy, sizeof(copy), "%s", out.data);
	return copy;
}

#define GET "GET / HTTP/1.1\r\n"
#define HOST "Host: a.test\r\n"
#define POST "POST / HTTP/1.1\r\n" HOST

static void test_bad(void)
{
	static const struct {
		const char *what, *text;
	} bad[] = {
		{ "CL and TE", POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" },
		{ "TE and CL", POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n" },
		{ "two equal CL", POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\n" },
		{ "CL +2", POST "Content-Length: +2\r\n\r\n" },
		{ "CL -1", POST "Content-Length: -1\r\n\r\n" },
		{ "CL 0x2", POST "Content-Length: 0x2\r\n\r\n" },
		{ "CL list", POST "Content-Length: 2, 2\r\n\r\n" },
		{ "CL empty", POST "Content-Length:\r\n\r\n" },
		{ "CL of 20 digits", POST "Content-Length: 10000000000000000000\r\n\r\n" },
		{ "CL with a blank inside", POST "Content-Length: 1 2\r\n\r\n" },
		{ "TE xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n" },
		{ "TE chunked, identity", POST "Transfer-Encoding: chunked, identity\r\n\r\n" },
		{ "TE gzip, chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n" },
		{ "TE twice",
			POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" },
		{ "TE with VT", POST "Transfer-Encoding: \vchunked\r\n\r\n" },
		{ "blank before the colon", POST "Transfer-Encoding : chunked\r\n\r\n" },
		{ "underscore for dash", POST "Transfer_Encoding: chunked\r\n\r\n" },
		{ "Content_Length", POST "Content_Length: 4\r\n\r\n" },
		{ "TE in HTTP/1.0",
			"POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n" },
		{ "folded line", GET HOST "X: a\r\n b\r\n\r\n" },
		{ "folded first line", GET " Host: a.test\r\n\r\n" },
		{ "bare LF", "GET / HTTP/1.1\nHost: a.test\r\n\r\n" },
		{ "bare LF in a field", GET "Host: a.test\nX: y\r\n\r\n" },
		{ "bare CR in a field", GET "Host: a.test\rX: y\r\n\r\n" },
		{ "control byte in a value", GET HOST "X: a\x01\r\n\r\n" },
		{ "two Hosts", GET HOST "Host: b.test\r\n\r\n" },
		{ "two equal Hosts", GET HOST HOST "\r\n" },
		{ "Connection: host", GET HOST "Connection: close, Host\r\n\r\n" },
		{ "Connection: content-length",
			POST "Content-Length: 1\r\nConnection: content_length\r\n\r\n" },
		{ "Upgrade with a body",
			POST "Content-Length: 1\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n" },
		{ "no version", "GET /\r\n" HOST "\r\n" },
		{ "HTTP/1.2", "GET / HTTP/1.2\r\n" HOST "\r\n" },
		{ "HTTP/1.10", "GET / HTTP/1.10\r\n" HOST "\r\n" },
		{ "http/1.1", "GET / http/1.1\r\n" HOST "\r\n" },
		{ "HTTP/2.0", "PRI * HTTP/2.0\r\n\r\n" },
		{ "two blanks", "GET  / HTTP/1.1\r\n" HOST "\r\n" },
		{ "blank at the end", "GET / HTTP/1.1 \r\n" HOST "\r\n" },
		{ "tab", "GET\t/ HTTP/1.1\r\n" HOST "\r\n" },
		{ "fragment", "GET /#x HTTP/1.1\r\n" HOST "\r\n" },
		{ "relative target", "GET x HTTP/1.1\r\n" HOST "\r\n" },
		{ "other scheme", "GET ftp://a.test/ HTTP/1.1\r\n" HOST "\r\n" },
		{ "method with a slash", "G/T / HTTP/1.1\r\n" HOST "\r\n" },
		{ "two empty lines first", "\r\n\r\n" GET HOST "\r\n" },
		{ "field without a name", GET HOST ": x\r\n\r\n" },
		{ "field without a colon", GET HOST "x\r\n\r\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		tap_ok(parse(bad[i].text) == HTTP1_BAD, "%s: %s", bad[i].what, head.why);
	tap_ok(parse_n(GET "Host: a\0b\r\n\r\n", sizeof(GET) - 1 + 13) == HTTP1_BAD, "NUL");
}

static void test_good(void)
{
	static const char full[] = "\r\n" GET HOST "X:  y \r\n\r\nrest";
	size_t n;

	for (n = 0; n < strlen(full) - 4 && parse_n(full, n) == HTTP1_MORE; n++)
		continue;
	tap_ok(n == strlen(full) - 4, "cut anywhere: more is needed");
	tap_ok(parse(full) == HTTP1_OK && head.bytes == strlen(full) - 4,
		"one empty line before is skipped");
	tap_is(written(full, 0), GET HOST "X: y\r\n\r\n", "written again");
	tap_ok(parse(POST "Content-Length: 12\r\n\r\n") == HTTP1_OK && head.length == 12,
		"a length");
	tap_ok(parse(POST "Transfer-Encoding: Chunked\r\n\r\n") == HTTP1_OK &&
			head.framing == HTTP1_CHUNKED,
		"chunked");
	tap_is(written("GET http://A.test:80/x?y HTTP/1.1\r\n" HOST "\r\n", 0),
		"GET /x?y HTTP/1.1\r\n" HOST "\r\n", "absolute-form becomes origin-form");
	tap_ok(head.authority.n == 9, "and its authority is known");
	tap_is(written("GET http://a.test?y HTTP/1.1\r\n" HOST "\r\n", 0),
		"GET /?y HTTP/1.1\r\n" HOST "\r\n", "without a path as well");
	tap_is(written("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 0),
		"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "asterisk-form");
	tap_is(written(GET HOST
		       "Proxy-Connection: x\r\nProxy-Authorization: y\r\nKeep-Alive: 5\r\n\r\n",
		       HTTP1_CLOSE),
		GET HOST "Connection: close\r\n\r\n", "what is for a proxy does not go on");
	tap_is(written(GET HOST
		       "Connection: close, Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n\r\n",
		       HTTP1_DROP_UPGRADE),
		GET HOST "Connection: close\r\n\r\n", "an upgrade is dropped, close stays");
	tap_ok(head.is_upgrade_h2c && head.has_upgrade && head.says_close, "and was seen");
}

static void test_limits(void)
{
	AUTO_BUF struct buf b = { 0 };

	buf_adds(&b, GET HOST);
	for (size_t i = 0; i < HTTP1_FIELDS_MAX - 1; i++)
		buf_adds(&b, "X: y\r\n");
	buf_adds(&b, "\r\n");
	tap_ok(parse(b.data) == HTTP1_OK, "128 fields");
	b.len -= 2;
	buf_adds(&b, "X: y\r\n\r\n");
	tap_ok(parse(b.data) == HTTP1_BAD, "129 fields");
	b.len = 0;
	buf_adds(&b, GET "X: ");
	while (b.len < HTTP1_HEAD_MAX)
		buf_adds(&b, "y");
	tap_ok(parse(b.data) == HTTP1_BAD, "32 KiB without an end");
}

/* How the body ends: "MORE", "BAD", or the number of bytes; fed whole and byte by byte. */
static const char *body(const char *field, const char *bytes)
{
	static char result[32];
	struct http1_body whole, single;
	char text[256];
	size_t n = 0, sum = 0, k;
	enum http1_result r, s = HTTP1_MORE;

	(void)snprintf(text, sizeof(text), POST "%s\r\n\r\n", field);
	if (parse(text) != HTTP1_OK)
		return "(refused)";
	http1_body_init(&whole, &head);
	http1_body_init(&single, &head);
	r = http1_body_feed(&whole, bytes, strlen(bytes), &n);
	for (size_t i = 0; bytes[i] != '\0' && s == HTTP1_MORE; i++) {
		s = http1_body_feed(&single, bytes + i, 1, &k);
		sum += k;
	}
	if (r != s || (r == HTTP1_OK && sum != n))
		return "whole and single bytes differ";
	(void)snprintf(result, sizeof(result), "%zu", n);
	return r == HTTP1_BAD ? "BAD" : r == HTTP1_MORE ? "MORE" : result;
}

static void test_body(void)
{
	static const char chunked[] = "Transfer-Encoding: chunked";

	tap_is(body("Content-Length: 3", "abcGET"), "3", "a length");
	tap_is(body("Content-Length: 3", "ab"), "MORE", "not yet");
	tap_is(body(chunked, "3\r\nabc\r\n0\r\n\r\nGET"), "13", "chunks");
	tap_is(body(chunked, "A;x=\"y\"\r\n0123456789\r\n0\r\n\r\n"), "26", "with an extension");
	tap_is(body(chunked, "3\r\nabc\r\n0\r\n"), "MORE", "not yet");
	tap_is(body(chunked, "3\nabc\r\n0\r\n\r\n"), "BAD", "bare LF");
	tap_is(body(chunked, "3\r\nabcd\r\n0\r\n\r\n"), "BAD", "chunk longer than said");
	tap_is(body(chunked, "0x3\r\nabc\r\n0\r\n\r\n"), "BAD", "0x");
	tap_is(body(chunked, "-1\r\n"), "BAD", "a sign");
	tap_is(body(chunked, " 3\r\nabc"), "BAD", "a blank before");
	tap_is(body(chunked, "3 \r\nabc"), "BAD", "a blank behind");
	tap_is(body(chunked, "\r\n"), "BAD", "no size");
	tap_is(body(chunked, "FFFFFFFFFFFFFFFFF\r\n"), "BAD", "a size beyond 64 bits");
	tap_is(body(chunked, "3;a\nb\r\nabc"), "BAD", "LF in an extension");
	tap_is(body(chunked, "0\r\nX: y\r\n\r\n"), "BAD", "a trailer");
	tap_is(body(chunked, "3\r\nabc\r0"), "BAD", "CR without LF");
}

static void test_sniff(void)
{
	static const struct {
		const char *text;
		enum http1_result want;
	} table[] = { { "GET / HTTP/1.1\r\n", HTTP1_OK }, { "GET /", HTTP1_MORE },
		{ "\r\n \tget / hTtP/1", HTTP1_OK }, { "GET\t/\tHTTP/1.1\n", HTTP1_OK },
		{ "SSH-2.0-x\r\n", HTTP1_BAD }, { "EHLO x\r\n", HTTP1_BAD },
		{ "EHLO x", HTTP1_MORE }, { "\x80\x01", HTTP1_BAD }, { "*1\r\n", HTTP1_BAD },
		{ "PRI * HTTP/2.0\r\n", HTTP1_OK }, { "{\"a\":1}", HTTP1_BAD },
		{ "GET /\r\n", HTTP1_BAD } };

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		tap_ok(http1_sniff(table[i].text, strlen(table[i].text)) == table[i].want,
			"first bytes %zu", i);
	tap_ok(http1_sniff("AMQP\0\0\x09\x01", 8) == HTTP1_BAD, "AMQP");
	tap_ok(http1_sniff("0032git-upload-pack /x\0host=a", 28) == HTTP1_BAD, "git");
}

static void test_status(void)
{
	unsigned status = 0;
	size_t n = 0;
	const char *r = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nrest";

	tap_ok(http1_parse_status(r, strlen(r), &status, &n) == HTTP1_OK && status == 101 &&
			n == strlen(r) - 4,
		"a status");
	tap_ok(http1_parse_status(r, 20, &status, &n) == HTTP1_MORE, "not yet");
	tap_ok(http1_parse_status("HTTP/1.1 1010 \r\n\r\n", 18, &status, &n) == HTTP1_BAD,
		"four digits");
	tap_ok(http1_parse_status("ICY 200 OK\r\n\r\n", 14, &status, &n) == HTTP1_BAD, "no HTTP");
}

static void test_mutations(void)
{
	static const char seed_text[] = "POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n"
					"Connection: x, close\r\n\r\n";
	AUTO_BUF struct buf out = { 0 };
	unsigned seed = 3;
	bool same = true;

	for (int round = 0; round < 50000; round++) {
		char text[sizeof(seed_text)];
		struct keepmsg_text method;

		memcpy(text, seed_text, sizeof(text));
		for (int k = 0; k < 3; k++) {
			seed = seed * 1103515245u + 12345u;
			text[(seed >> 8) % (sizeof(text) - 1)] = (char)(seed >> 24);
		}
		if (parse_n(text, sizeof(text) - 1) != HTTP1_OK)
			continue;
		method = head.method;
		out.len = 0;
		http1_write_head(&head, 0, &out);
		/* What is written is read again as the same. */
		same = same && http1_parse_head(out.data, out.len, &head) == HTTP1_OK &&
		       head.bytes == out.len && head.method.n == method.n;
	}
	tap_ok(same, "50,000 mutations: what is accepted is written so that it is accepted again");
}

int main(void)
{
	test_bad();
	test_good();
	test_limits();
	test_body();
	test_sniff();
	test_status();
	test_mutations();
	free(kept);
	return tap_done();
}
