/*
 * Proves that only what names the destination goes on: TLS, every HTTP/1 request of a connection,
 * upgrades; that other protocols pass unread; and that it makes no difference how bytes are cut up.
 */
#include "base/cleanup.h"
#include "proxy/gate.h"
#include "proxy/socks.h"
#include "tap.h"

#include <sys/socket.h>

static struct gate gate;
static struct buf passed;

static void start(const char *host, uint16_t port)
{
	struct target t;

	gate_done(&gate);
	passed.len = 0;
	buf_adds(&passed, "");
	if (!target_from_host(host, strlen(host), port, &t))
		memset(&t, 0, sizeof(t));
	gate_init(&gate, &t);
}

static void take(void)
{
	if (gate.out.len > 0)
		buf_add(&passed, gate.out.data, gate.out.len);
	gate.out.len = 0;
}

/* Feeds in pieces of this many bytes while the gate wants more. */
static void feed(const char *bytes, size_t n, size_t piece)
{
	for (size_t at = 0; at < n; at += piece) {
		if (!gate_wants_input(&gate))
			return;
		gate_feed(&gate, bytes + at, n - at < piece ? n - at : piece);
		take();
	}
}

/* Whole and byte by byte must end the same way. The state after it. */
static enum gate_state judge_n(const char *host, uint16_t port, const char *bytes, size_t n)
{
	enum gate_state whole;
	size_t whole_n;

	start(host, port);
	feed(bytes, n, GATE_READ_MAX);
	whole = gate.state;
	whole_n = passed.len;
	start(host, port);
	feed(bytes, n, 1);
	return whole == gate.state && (whole_n == passed.len || whole == GATE_REFUSED)
		       ? whole
		       : (enum gate_state) - 1;
}

static enum gate_state judge(const char *host, uint16_t port, const char *text)
{
	return judge_n(host, port, text, strlen(text));
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: api.test\r\n\r\n"

static void test_http(void)
{
	static const struct {
		const char *what, *text, *reply; /* reply NULL: passes */
	} table[] = {
		{ "the name", GET("/"), NULL },
		{ "in capitals", "GET / HTTP/1.1\r\nHost: API.TEST\r\n\r\n", NULL },
		{ "with the port", "GET / HTTP/1.1\r\nHost: api.test:80\r\n\r\n", NULL },
		{ "another port", "GET / HTTP/1.1\r\nHost: api.test:443\r\n\r\n", "421" },
		{ "another name", "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n", "421" },
		{ "user information", "GET / HTTP/1.1\r\nHost: api.test@evil.test\r\n\r\n", "421" },
		{ "a list", "GET / HTTP/1.1\r\nHost: api.test, evil.test\r\n\r\n", "421" },
		{ "brackets", "GET / HTTP/1.1\r\nHost: [api.test]\r\n\r\n", "421" },
		{ "empty", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "421" },
		{ "none", "GET / HTTP/1.1\r\nX: y\r\n\r\n", "400" },
		{ "two", "GET / HTTP/1.1\r\nHost: api.test\r\nHost: api.test\r\n\r\n", "400" },
		{ "absolute-form", "GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n",
			NULL },
		{ "absolute-form elsewhere",
			"GET http://evil.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n", "421" },
		{ "absolute-form, other Host",
			"GET http://api.test/ HTTP/1.1\r\nHost: evil.test\r\n\r\n", "421" },
		{ "https in the clear", "GET https://api.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n",
			"421" },
		{ "CONNECT", "CONNECT evil.test:443 HTTP/1.1\r\nHost: api.test\r\n\r\n", "400" },
		{ "HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400" },
		{ "leading blanks", " GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n", "400" },
		{ "lower-case version", "GET / http/1.1\r\nHost: evil.test\r\n\r\n", "400" },
		{ "second request", GET("/") "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n", "421" },
		{ "two good ones", GET("/") GET("/b"), NULL },
		{ "after a body",
			"POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 3\r\n\r\nabc"
			"GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n",
			"421" },
		{ "after chunks",
			"POST / HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n"
			"3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: evil.test\r\n\r\n",
			"421" },
		{ "smuggled by both lengths",
			"POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 4\r\n"
			"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			"400" },
		{ "bytes after the request", GET("/") "xx\x01\r\n\r\n", "400" },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		enum gate_state s = judge("api.test", 80, table[i].text);

		if (table[i].reply == NULL)
			tap_ok(s == GATE_HEAD && passed.len > 0, "Host: %s", table[i].what);
		else
			tap_ok(s == GATE_REFUSED && gate.reply_bytes > 12 &&
					memcmp(gate.reply + 9, table[i].reply, 3) == 0,
				"Host: %s: %s", table[i].what, gate.reason);
		if (s == GATE_REFUSED && passed.len > 0)
			tap_ok(memmem(passed.data, passed.len, "evil", 4) == NULL,
				"no byte of it went on");
	}
	(void)judge("api.test", 80, GET("/") "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n");
	tap_is(passed.data, GET("/"), "of a refused second request nothing goes on");
}

static void test_first_bytes(void)
{
	static const char hello[] = "\x16\3\1\0\x2d\1\0\0\x29\3\3"
				    "01234567890123456789012345678901"
				    "\0\0\2\x13\1\1\0";

	tap_ok(judge("db.test", 5432, "\x80\0\0\x08") == GATE_OPAQUE && passed.len == 1,
		"bytes: opaque");
	tap_ok(judge("git.test", 22, "SSH-2.0-x\r\n\x01") == GATE_OPAQUE && passed.len == 12,
		"ssh: opaque");
	tap_ok(judge("mail.test", 587, "EHLO x\r\nSTARTTLS\r\n") == GATE_OPAQUE, "smtp: opaque");
	tap_ok(judge("api.test", 80, "\x80\0") == GATE_HEAD && passed.len == 0, "on port 80: held");
	tap_ok(judge("git.test", 22, "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n") == GATE_REFUSED,
		"HTTP on any port");
	tap_ok(judge_n("api.test", 443, hello, sizeof(hello) - 1) == GATE_REFUSED &&
			gate.reply[0] == 0x15 && gate.reply[6] == 49,
		"TLS without a name: access_denied");
	tap_ok(judge_n("10.1.2.3", 443, hello, sizeof(hello) - 1) == GATE_OPAQUE,
		"to a literal address it needs none");
	start("api.test", 443);
	feed(hello, 9, 9);
	tap_ok(gate.state == GATE_TLS && gate_is_waiting(&gate), "a part of a hello waits");
	gate_feed_end(&gate);
	tap_ok(gate.state == GATE_REFUSED && gate.reply_bytes == 0, "and an end there is refused");
	start("api.test", 443);
	gate_feed_end(&gate);
	tap_ok(gate.state == GATE_FIRST, "an end without a byte is fine");
}

#define UPGRADE                                                                                    \
	"GET / HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

static void respond(const char *text, size_t piece)
{
	for (size_t at = 0, n = strlen(text); at < n; at += piece)
		gate_response(&gate, text + at, n - at < piece ? n - at : piece);
	take();
}

static void test_upgrade(void)
{
	static const char evil[] = "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n";

	for (size_t piece = 1; piece < 200; piece += 198) {
		start("api.test", 80);
		feed(UPGRADE, strlen(UPGRADE), GATE_READ_MAX);
		tap_ok(gate.state == GATE_UPGRADE && !gate_wants_input(&gate),
			"an upgrade waits for its answer");
		respond("HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 101 OK\r\n\r\n", piece);
		tap_ok(gate.state == GATE_OPAQUE, "101: opaque");
		start("api.test", 80);
		feed(UPGRADE, strlen(UPGRADE), GATE_READ_MAX);
		respond("HTTP/1.1 200 OK\r\n\r\n", piece);
		tap_ok(gate.state == GATE_HEAD, "200: requests again");
		feed(evil, strlen(evil), piece);
		tap_ok(gate.state == GATE_REFUSED, "which are judged");
	}
	start("api.test", 80);
	feed(UPGRADE GET("/x"), strlen(UPGRADE GET("/x")), GATE_READ_MAX);
	passed.len = 0;
	respond("HTTP/1.1 404 No\r\n\r\n", 100);
	tap_ok(memmem(passed.data, passed.len, "/x", 2) != NULL,
		"what was sent behind it is judged then");
	start("api.test", 80);
	feed(UPGRADE, strlen(UPGRADE), GATE_READ_MAX);
	respond("garbage\r\n\r\n", 100);
	tap_ok(gate.state == GATE_REFUSED, "an answer that is none: refused");
	start("api.test", 80);
	feed(GET("/") UPGRADE, strlen(GET("/") UPGRADE), GATE_READ_MAX);
	tap_ok(gate.state == GATE_HEAD && memmem(passed.data, passed.len, "Upgrade", 7) == NULL,
		"later requests do not ask for it");
}

static void test_single(void)
{
	start("api.test", 80);
	gate.is_single = true;
	feed(GET("/") GET("/b"), strlen(GET("/") GET("/b")), GATE_READ_MAX);
	tap_ok(gate.state == GATE_ENDED && memmem(passed.data, passed.len, "/b", 2) == NULL,
		"a proxy's client has one request a connection");
	tap_ok(memmem(passed.data, passed.len, "Connection: close\r\n", 19) != NULL,
		"and the server knows");
}

static bool parse_target(const char *text, struct target *t)
{
	return target_parse(text, strlen(text), 80, t);
}

static void test_targets(void)
{
	static const char *const bad[] = { "", ":80", "a.test:", "a.test:0", "a.test:080",
		"a.test:65536", "a.test:+1", "a.test:1:2", "u@a.test", "a..test", ".test", "127.1",
		"2130706433", "0x7f.1", "0177.0.0.1", "127.0.0.1.", "1.2.3.256", "[::1", "[::1]x",
		"[a.test]", "[127.0.0.1]", "[fe80::1%lo]", "::1", "a%00.test", "a test", "a.test/",
		"a_.0x1f", "\xef\xbd\x81.test" };
	struct target t = { .port = 0 };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		tap_ok(!parse_target(bad[i], &t), "no destination: %s", bad[i]);
	tap_ok(!target_from_host("evil\0.a.test", 12, 80, &t), "no destination: NUL");
	tap_ok(parse_target("A.Test.:8080", &t) && t.port == 8080 && t.family == 0, "a name");
	tap_is(t.host, "a.test", "in normal form");
	tap_ok(parse_target("[::ffff:127.0.0.1]:443", &t) && t.family == AF_INET, "IPv4 in IPv6");
	tap_is(t.host, "127.0.0.1", "is IPv4");
	tap_ok(parse_target("[2001:DB8:0::1]", &t) && t.port == 80, "IPv6");
	tap_is(t.host, "2001:db8::1", "in its one form");
}

static enum socks_result socks(struct socks *s, const char *bytes, size_t n)
{
	return socks_parse(s, (const unsigned char *)bytes, n);
}

static void test_socks(void)
{
	static const char name[] = "\5\1\0\3\6a.test\1\xbb";
	struct socks s = { .version = 0 };
	bool more = true;

	tap_ok(socks(&s, "\5\1", 2) == SOCKS_MORE && socks(&s, "\5\1\2", 3) == SOCKS_BAD &&
			s.reply[1] == 0xff,
		"no method in common");
	s = (struct socks){ .version = 0 };
	tap_ok(socks(&s, "\5\2\2\0", 4) == SOCKS_GREETED && s.bytes == 4 && s.reply[1] == 0,
		"greeting");
	for (size_t n = 0; n < sizeof(name) - 1; n++)
		more = more && socks(&s, name, n) == SOCKS_MORE;
	tap_ok(more && socks(&s, name, sizeof(name) - 1) == SOCKS_REQUEST && s.target.port == 443,
		"a name, however it is cut");
	tap_is(s.target.host, "a.test", "which one");
	tap_ok(socks(&s, "\5\2\0\1\1\2\3\4\0\1", 10) == SOCKS_BAD && s.reply[1] == 7, "BIND");
	tap_ok(socks(&s, "\5\3\0\1\1\2\3\4\0\1", 10) == SOCKS_BAD, "UDP");
	tap_ok(socks(&s, "\5\1\0\2\1\2\3\4\0\1", 10) == SOCKS_BAD, "unknown address type");
	tap_ok(socks(&s, "\5\1\0\1\1\2\3\4\0\0", 10) == SOCKS_BAD, "port 0");
	tap_ok(socks(&s, "\5\1\0\3\0\0\1", 7) == SOCKS_BAD, "empty name");
	tap_ok(socks(&s, "\5\1\0\3\4a\0.b\0\1", 11) == SOCKS_BAD, "NUL in the name");
	tap_ok(socks(&s, "\5\1\0\4\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1\0\1", 22) ==
				SOCKS_REQUEST &&
			s.target.family == AF_INET,
		"IPv4 in IPv6 is IPv4");
	s = (struct socks){ .version = 0 };
	tap_ok(socks(&s, "\4\1\0\x50\1\2\3\4u\0", 10) == SOCKS_REQUEST, "SOCKS4");
	tap_is(s.target.host, "1.2.3.4", "has an address");
	tap_ok(socks(&s, "\4\1\0\x50\0\0\0\1u\0a.te", 14) == SOCKS_MORE,
		"SOCKS4a waits for its name");
	tap_ok(socks(&s, "\4\2\0\x50\1\2\3\4u\0", 10) == SOCKS_BAD && s.reply[1] == 91,
		"SOCKS4 BIND");
}

int main(void)
{
	test_http();
	test_first_bytes();
	test_upgrade();
	test_single();
	test_targets();
	test_socks();
	gate_done(&gate);
	buf_done(&passed);
	return tap_done();
}
