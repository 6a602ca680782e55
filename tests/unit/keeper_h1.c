/*
 * Responses of HTTP/1 as the strict reader sees them, whole and byte by byte alike: what two readers
 * could frame differently is refused, and what stands behind a response ends the connection's use.
 */
#include "keeper/h1.h"
#include "base/cleanup.h"
#include "keeper/limit.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

static struct limit_use use;
static struct limit limit = { &use, UINT64_MAX, UINT64_MAX };
static const struct reply_rules rules = { .limit = &limit, .decodes = true };

enum kind { GET, HEAD, UPGRADE };

/* The messages that came out, as in "200 length:2|a: b\nok\ntrailers|c: d". */
static void print(struct out *from, int fd, struct buf *out)
{
	static char message[KEEPMSG_MAX];
	ssize_t n;

	(void)out_flush(from);
	while ((n = recv(fd, message, sizeof(message), MSG_DONTWAIT)) > 0) {
		static struct keepmsg_head head;
		uint32_t type;

		memcpy(&type, message, sizeof(type));
		if (type == KEEPMSG_DATA) {
			buf_add(out, message + 4, (size_t)n - 4);
			continue;
		}
		if (keepmsg_get_head((enum keepmsg_type)type, message + 4, (size_t)n - 4, &head) < 0)
			buf_adds(out, "BAD HEAD");
		if (type == KEEPMSG_TRAILERS)
			buf_adds(out, "\ntrailers");
		else
			buf_addf(out, "%u %s", head.status,
				head.framing == KEEPMSG_LENGTH	      ? "length"
					: head.framing == KEEPMSG_UNKNOWN ? "unknown"
									: "none");
		if (head.framing == KEEPMSG_LENGTH)
			buf_addf(out, ":%llu", (unsigned long long)head.length);
		for (size_t i = 0; i < head.n_fields; i++)
			buf_addf(out, "|%.*s: %.*s", (int)head.fields[i].name.n,
				head.fields[i].name.at, (int)head.fields[i].value.n,
				head.fields[i].value.at);
		if (type == KEEPMSG_RESPONSE)
			buf_adds(out, "\n");
	}
}

static void begin(struct h1 *h1, enum kind kind)
{
	static struct inject_request request;

	request = (struct inject_request){ .method = { kind == HEAD ? "HEAD" : "GET",
						   kind == HEAD ? 4 : 3 },
		.path = { "/", 1 },
		.host = "api.test",
		.flags = kind == UPGRADE ? KEEPMSG_UPGRADE : 0 };
	reply_begin(h1->reply, kind == HEAD, kind == UPGRADE);
	(void)h1_request(h1, &request);
}

/* Feeds at most `step` bytes at a time, then the end when the response is not complete. */
static const char *read_response(enum kind kind, const char *bytes, size_t n, size_t step)
{
	static struct buf text;
	struct link link = { .fd = -1 };
	struct reply reply;
	struct out out;
	struct h1 h1;
	int channel[2], server[2], r = 0;

	text.len = 0;
	buf_adds(&text, "");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, channel) < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM, 0, server) < 0)
		return "no sockets";
	link.fd = server[0];
	out_init(&out, channel[0]);
	reply_init(&reply, &rules, &out);
	h1_init(&h1, &link, &reply);
	begin(&h1, kind);
	for (size_t at = 0; at < n && r == 0 && !h1.is_complete; at += step) {
		size_t piece = n - at < step ? n - at : step;
		char *copy = malloc(piece);

		memcpy(copy, bytes + at, piece);
		r = h1_feed(&h1, copy, piece);
		if (reply_flush(&reply) < 0)
			r = -EPROTO;
		free(copy);
		print(&out, channel[1], &text);
		if (h1.is_complete && at + piece < n)
			h1.is_reusable = false; /* what the channel sees behind it */
	}
	if (r == 0 && !h1.is_complete)
		r = h1_feed(&h1, NULL, 0);
	print(&out, channel[1], &text);
	buf_addf(&text, "%s", r < 0 ? "\nBROKEN: " : (h1.is_reusable ? "\nKEEP" : "\nCLOSE"));
	buf_adds(&text, r < 0 ? h1.why : "");
	h1_done(&h1);
	reply_done(&reply);
	out_done(&out);
	for (int i = 0; i < 2; i++) {
		(void)close(channel[i]);
		(void)close(server[i]);
	}
	return text.data;
}

#define OK "HTTP/1.1 200 OK\r\n"
#define FRAMING "a malformed Content-Length, Transfer-Encoding or Connection"

static const struct {
	enum kind kind;
	const char *response, *want;
} cases[] = {
	{ GET, OK "Content-Length: 2\r\n\r\nok", "200 length:2\nok\nKEEP" },
	{ GET, OK "content-length:2 \r\nA:\tb c \r\n\r\nok", "200 length:2|a: b c\nok\nKEEP" },
	{ GET, OK "Content-Length: 0\r\n\r\n", "200 length:0\n\nKEEP" },
	{ GET, "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 length:0\n\nKEEP" },
	{ GET, "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200 length:0\n\nKEEP" },
	{ GET, OK "Content-Length: 0\r\nConnection: Close\r\n\r\n", "200 length:0\n\nCLOSE" },
	{ GET, "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", "200 length:1\na\nCLOSE" },
	{ GET, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na",
		"200 length:1\na\nKEEP" },
	{ GET, OK "\r\nuntil the end", "200 unknown\nuntil the end\nCLOSE" },
	{ GET, OK "Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0a\r\n0123456789\r\n0\r\n\r\n",
		"200 unknown\nabc0123456789\nKEEP" },
	{ GET, OK "Transfer-Encoding: chunked\r\n\r\n1;a=\"b\"\r\nx\r\n0;z\r\nT: 1\r\nHost: a\r\n\r\n",
		"200 unknown\nx\ntrailers|t: 1\nKEEP" },
	{ HEAD, OK "Content-Length: 99\r\n\r\n", "200 length:99\n\nKEEP" },
	{ HEAD, OK "Transfer-Encoding: chunked\r\n\r\n", "200 none\n\nKEEP" },
	{ GET, "HTTP/1.1 304 N\r\nContent-Length: 99\r\n\r\n", "304 length:99\n\nKEEP" },
	{ GET, "HTTP/1.1 204 N\r\nContent-Length: 0\r\n\r\n", "204 none\n\nKEEP" },
	{ GET, "HTTP/1.1 204 N\r\n\r\n", "204 none\n\nKEEP" },
	{ GET, "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 E\r\nLink: a\r\n\r\n" OK "Content-Length: 0\r\n\r\n",
		"100 none\n103 none|link: a\n200 length:0\n\nKEEP" },
	{ GET, OK "Connection: x-a, close\r\nX-A: 1\r\nX_A: 2\r\nKeep-Alive: 5\r\n"
		"Proxy-Authenticate: b\r\nContent-Length: 0\r\n\r\n", "200 length:0\n\nCLOSE" },
	{ UPGRADE, "HTTP/1.1 101 S\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nX: y\r\n\r\n\x81\x01z",
		"101 none|x: y\n\x81\x01z\nCLOSE" },
	{ UPGRADE, OK "Content-Length: 0\r\n\r\n", "200 length:0\n\nKEEP" },
	/* behind a response */
	{ GET, OK "Content-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n", "200 length:2\nok\nCLOSE" },
	{ HEAD, OK "Content-Length: 2\r\n\r\nok", "200 length:2\n\nCLOSE" },
	{ GET, "HTTP/1.1 204 N\r\n\r\nbody", "204 none\n\nCLOSE" },
	/* cut short */
	{ GET, "", "\nBROKEN: the server closed the connection" },
	{ GET, "HTTP/1.1 200 O", "\nBROKEN: the server closed the connection" },
	{ GET, OK "Content-Length: 3\r\n\r\nok",
		"200 length:3\nok\nBROKEN: the server closed the connection" },
	{ GET, OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"200 unknown\nabc\nBROKEN: the server closed the connection" },
	/* framing */
	{ GET, OK "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", "\nBROKEN: " FRAMING },
	{ GET, OK "Content-Length: 2, 2\r\n\r\nok", "\nBROKEN: " FRAMING },
	{ GET, OK "Content-Length: +2\r\n\r\nok", "\nBROKEN: " FRAMING },
	{ GET, OK "Content-Length: 0x2\r\n\r\nok", "\nBROKEN: " FRAMING },
	{ GET, OK "Content-Length: \r\n\r\nok", "\nBROKEN: " FRAMING },
	{ GET, OK "Content-Length: 99999999999999999999\r\n\r\nok", "\nBROKEN: " FRAMING },
	{ GET, OK "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
		"\nBROKEN: both Content-Length and Transfer-Encoding" },
	{ GET, OK "Transfer-Encoding: gzip, chunked\r\n\r\n",
		"\nBROKEN: a Transfer-Encoding that nobody asked for" },
	{ GET, OK "Transfer-Encoding: xchunked\r\n\r\n",
		"\nBROKEN: a Transfer-Encoding that nobody asked for" },
	{ GET, OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
		"\nBROKEN: " FRAMING },
	{ GET, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"\nBROKEN: a Transfer-Encoding that nobody asked for" },
	{ GET, "HTTP/1.1 204 N\r\nContent-Length: 2\r\n\r\nok", "\nBROKEN: 204 with a body" },
	{ GET, "HTTP/1.1 204 N\r\nTransfer-Encoding: chunked\r\n\r\n",
		"\nBROKEN: 204 with a body" },
	{ GET, "HTTP/1.1 100 C\r\nContent-Length: 2\r\n\r\n",
		"\nBROKEN: an informational response with a body" },
	{ GET, "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
		"\nBROKEN: it changes the protocol, which nobody asked for" },
	{ UPGRADE, "HTTP/1.1 101 S\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
		"\nBROKEN: it changes the protocol, which nobody asked for" },
	/* heads */
	{ GET, "HTTP/1.1 099 OK\r\n\r\n", "\nBROKEN: a malformed status line" },
	{ GET, "HTTP/1.1 600 OK\r\n\r\n", "\nBROKEN: a malformed status line" },
	{ GET, "HTTP/1.1 2000 OK\r\n\r\n", "\nBROKEN: a malformed status line" },
	{ GET, "HTTP/1.1  200 OK\r\n\r\n", "\nBROKEN: a malformed status line" },
	{ GET, "HTTP/1.2 200 OK\r\n\r\n", "\nBROKEN: a malformed status line" },
	{ GET, "HTTP/2 200 OK\r\n\r\n", "\nBROKEN: a malformed status line" },
	{ GET, "ICY 200 OK\r\n\r\n", "\nBROKEN: a malformed status line" },
	{ GET, "\r\n" OK "\r\n", "\nBROKEN: a malformed status line" },
	{ GET, "HTTP/1.1 200 OK\n\n", "\nBROKEN: a line that does not end with CR LF" },
	{ GET, OK "A: b\n\r\n", "\nBROKEN: a line that does not end with CR LF" },
	{ GET, OK "A: b\rc\r\n\r\n", "\nBROKEN: a malformed header field" },
	{ GET, OK "A: b\r\n c\r\n\r\n", "\nBROKEN: a malformed header field" },
	{ GET, OK "A : b\r\n\r\n", "\nBROKEN: a malformed header field" },
	{ GET, OK ": b\r\n\r\n", "\nBROKEN: a malformed header field" },
	{ GET, OK "no colon\r\n\r\n", "\nBROKEN: a malformed header field" },
	{ GET, OK "A: \x01\r\n\r\n", "\nBROKEN: a malformed header field" },
	{ GET, "HTTP/1.1 200 O\x01K\r\n\r\n", "\nBROKEN: a malformed status line" },
	/* chunks */
	{ GET, OK "Transfer-Encoding: chunked\r\n\r\nx\r\n", "200 unknown\n\nBROKEN: a malformed chunk" },
	{ GET, OK "Transfer-Encoding: chunked\r\n\r\n-1\r\n", "200 unknown\n\nBROKEN: a malformed chunk" },
	{ GET, OK "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n",
		"200 unknown\n\nBROKEN: a malformed chunk" },
	{ GET, OK "Transfer-Encoding: chunked\r\n\r\n\r\n", "200 unknown\n\nBROKEN: a malformed chunk" },
	{ GET, OK "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
		"200 unknown\n\nBROKEN: a malformed chunk" },
	{ GET, OK "Transfer-Encoding: chunked\r\n\r\n1\nabc",
		"200 unknown\n\nBROKEN: a line that does not end with CR LF" },
	{ GET, OK "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
		"200 unknown\na\nBROKEN: a chunk that is longer than it says" },
	{ GET, OK "Transfer-Encoding: chunked\r\n\r\n0\r\nbad trailer\r\n\r\n",
		"200 unknown\n\nBROKEN: malformed trailers" },
	/* codings */
	{ GET, OK "Content-Encoding: identity\r\nContent-Length: 1\r\n\r\na",
		"200 length:1\na\nKEEP" },
	{ GET, OK "Content-Encoding: rot13\r\nContent-Length: 1\r\n\r\na",
		"\nBROKEN: its content has a coding that cannot be undone to look for secrets" },
	{ GET, OK "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\na",
		"200 unknown\n\nBROKEN: its content is not coded as it says" },
};

static void floods(void)
{
	AUTO_BUF struct buf many = { 0 }, fields = { 0 }, line = { 0 };

	for (int i = 0; i < 17; i++)
		buf_adds(&many, "HTTP/1.1 102 P\r\n\r\n");
	tap_ok(strcasestr(read_response(GET, many.data, many.len, 1000),
		       "BROKEN: a flood of informational responses") != NULL,
		"informational responses have an end");
	buf_adds(&fields, OK);
	for (int i = 0; i < 129; i++)
		buf_addf(&fields, "a%d: b\r\n", i);
	buf_adds(&fields, "\r\n");
	tap_is(read_response(GET, fields.data, fields.len, 16384),
		"\nBROKEN: too many header fields", "so have fields");
	buf_adds(&line, OK "A: ");
	for (int i = 0; i < 70000; i++)
		buf_add(&line, "b", 1);
	tap_is(read_response(GET, line.data, line.len, 16384),
		"\nBROKEN: a head or chunk line that is too long", "so has a line");
	line.len = 0;
	buf_adds(&line, OK "Transfer-Encoding: chunked\r\n\r\n1;");
	for (int i = 0; i < 300; i++)
		buf_add(&line, "b", 1);
	tap_is(read_response(GET, line.data, line.len, 16384),
		"200 unknown\n\nBROKEN: a head or chunk line that is too long",
		"so has a chunk's line");
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t n = strlen(cases[i].response);
		char what[32];

		(void)snprintf(what, sizeof(what), "response %zu", i);
		if (!tap_is(read_response(cases[i].kind, cases[i].response, n, n + 1),
			    cases[i].want, what))
			printf("# of: %s\n", cases[i].response);
		(void)snprintf(what, sizeof(what), "response %zu byte by byte", i);
		tap_is(read_response(cases[i].kind, cases[i].response, n, 1), cases[i].want, what);
	}
	floods();
	return tap_done();
}
