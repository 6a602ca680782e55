/*
 * A keeper as it lives: started by its mother, it gives its value to the rule's host alone, on
 * top of what the cell asked, exactly once, and takes it out of what comes back. Decided by the raw
 * bytes that a TLS server received.
 */
#include "keeper_fixture.h"

#include <time.h>

#define RULES                                                                                      \
	"[inject api]\nhost = api.test\nmethod = GET POST\npath = /v1/*\n"                         \
	"header = Authorization: Bearer {secret}\nheader = X-Version: 7\nremove = X-Debug\n"      \
	"secret = env:X\nstrip-response = Set-Cookie\n"                                            \
	"[inject aws]\nhost = aws.test\nsign = aws\nsecret = env:X\nkey-id = env:Y\n"             \
	"session-token = env:Z\n"

static void injection(int door, SSL_CTX *ctx, const char *secret)
{
	struct conn c = conn_open_to(door, "api.test", 443, false);
	char want[128];
	const unsigned char *protocol = NULL;
	unsigned protocol_n = 0;
	const char *got;

	send_get(&c, "/v1/a?x=1",
		"accept: */*\nauthorization: Bearer ATTACKER\nx-api-key: ATTACKER\n"
		"cookie: s=ATTACKER\nx_version: 6\nx-debug: 1\naccept-encoding: gzip\n");
	tap_ok(conn_accept(&c, ctx), "the handshake succeeds");
	SSL_get0_alpn_selected(c.ssl, &protocol, &protocol_n);
	tap_ok(protocol_n == 8 && memcmp(protocol, "http/1.1", 8) == 0, "HTTP/1.1 is what it offers");
	tap_is(SSL_get_servername(c.ssl, TLSEXT_NAMETYPE_host_name), "api.test", "and the name");
	got = server_receive(&c, "\r\n\r\n");
	(void)snprintf(want, sizeof(want), "\r\nauthorization: Bearer %s\r\n", secret);
	tap_ok(strncmp(got, "GET /v1/a?x=1 HTTP/1.1\r\nHost: api.test\r\n", 40) == 0,
		"the request goes out with the host that was verified");
	tap_ok(strcasestr(got, want) != NULL && count(got, "uthorization") == 1,
		"the value is there, once");
	tap_ok(strcasestr(got, "ATTACKER") == NULL, "no other identity is");
	tap_ok(count(got, "ersion") == 1 && strcasestr(got, "\r\nx-version: 7\r\n") != NULL,
		"a field of the rule takes the place of the cell's, however it is written");
	tap_ok(strcasestr(got, "debug") == NULL, "what the rule removes is not there");
	tap_ok(strcasestr(got, "\r\naccept-encoding: identity\r\n") != NULL, "no coding is asked for");
	server_send(&c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=b\r\nX-A: b\r\n"
			"Alt-Svc: h3=\":443\"\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\nok");
	tap_is(whole_answer(&c), "200 length:2|x-a: b\nok\nEND 1", "the response comes back");
	send_get(&c, "/v1/b", "");
	got = server_receive(&c, "\r\n\r\n");
	tap_ok(strcasestr(got, want) != NULL, "a second request on the same connection");
	server_send(&c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n");
	server_send(&c, "0\r\nx-t: 1\r\n\r\n");
	tap_is(whole_answer(&c), "200 unknown\nabc\ntrailers|x-t: 1\nEND 1", "chunks and trailers");
	conn_close(&c);
}

static void echo(int door, SSL_CTX *ctx, const char *secret)
{
	struct conn c = conn_open_to(door, "api.test", 443, false);
	char body[256];
	const char *got;

	send_get(&c, "/v1/a", "");
	(void)conn_accept(&c, ctx);
	(void)server_receive(&c, "\r\n\r\n");
	(void)snprintf(body, sizeof(body),
		"HTTP/1.1 200 OK\r\nx-echo: Bearer %s\r\ncontent-length: 44\r\n\r\n<<%s>>", secret,
		secret);
	server_send(&c, body);
	got = whole_answer(&c);
	tap_ok(strcasestr(got, secret) == NULL && strcasestr(got, "x-echo: Bearer ****") != NULL &&
			strcasestr(got, "\n<<***") != NULL && strcasestr(got, "*>>\nEND 1") != NULL,
		"an echo is redacted in head and body, its length kept");
	conn_close(&c);
}

/* A client in the cell signs with a fake key, its body's hash said or not. */
static void send_signed(const struct conn *c, const char *line, const char *more, size_t body_n)
{
	char fields[1024], day[16], moment[32];
	time_t now = time(NULL);
	struct tm tm;

	(void)gmtime_r(&now, &tm);
	(void)strftime(day, sizeof(day), "%Y%m%d", &tm);
	(void)strftime(moment, sizeof(moment), "%Y%m%dT%H%M%SZ", &tm);
	(void)snprintf(fields, sizeof(fields),
		"x-amz-date: %s\n%sauthorization: AWS4-HMAC-SHA256 "
		"Credential=FAKE/%s/us-east-1/sqs/aws4_request, SignedHeaders=host;x-amz-date, "
		"Signature=%064d\n", moment, more, day, 0);
	send_request(c, line, fields,
		(struct keepmsg_head){ .framing = body_n > 0 ? KEEPMSG_LENGTH : KEEPMSG_NO_BODY,
			.length = body_n });
}

static void signing(int door, SSL_CTX *ctx)
{
	struct conn c = conn_open_to(door, "aws.test", 443, false);
	const char *got;

	send_signed(&c, "GET /a?x-amz-y=1", "x-amz-security-token: FAKE\n", 0);
	send_end(&c);
	(void)conn_accept(&c, ctx);
	got = server_receive(&c, "\r\n\r\n");
	tap_ok(strcasestr(got, "Credential=AKIDREAL/") != NULL && strcasestr(got, "FAKE") == NULL &&
			count(got, "authorization: ") == 1 &&
			strcasestr(got, "\r\nx-amz-security-token: session-of-test\r\n") != NULL,
		"a signature of the rule's takes the place of the client's");
	server_send(&c, "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\nsession-of-test!");
	tap_is(whole_answer(&c), "200 length:16\n***************!\nEND 1",
		"its token is redacted as well");
	send_signed(&c, "POST /a", "", 5);
	send_message(&c, KEEPMSG_BODY, "he", 2);
	send_message(&c, KEEPMSG_BODY, "llo", 3);
	send_end(&c);
	got = server_receive(&c, "hello");
	tap_ok(strcasestr(got, "Credential=AKIDREAL/") != NULL && strcasestr(got, "\r\n\r\nhello") != NULL,
		"a body whose hash is signed is read first");
	server_send(&c, "HTTP/1.1 204 N\r\n\r\n");
	tap_is(whole_answer(&c), "204 none\n\nEND 1", "its answer");
	send_get(&c, "/unsigned", "");
	got = whole_answer(&c);
	tap_is(got, "\nFAILED 403", "a request that is not signed is refused");
	conn_close(&c);
}

/* A server that codes though nobody asked. */
static void coded(int door, SSL_CTX *ctx)
{
	struct conn c = conn_open_to(door, "api.test", 443, false);
	static const unsigned char coded_text[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x01, 5, 0,
		0xfa, 0xff, 'h', 'e', 'l', 'l', 'o', 0x86, 0xa6, 0x10, 0x36, 5, 0, 0, 0 };
	const char *got;

	send_get(&c, "/v1/a", "");
	(void)conn_accept(&c, ctx);
	(void)server_receive(&c, "\r\n\r\n");
	server_send(&c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 28\r\n\r\n");
	server_send_bytes(&c, (const char *)coded_text, sizeof(coded_text));
	got = whole_answer(&c);
	tap_is(got, "200 unknown\nhello\nEND 1", "a coding is undone");
	conn_close(&c);
}

static void refusals(int door, SSL_CTX *ctx)
{
	static const struct {
		const char *host;
		uint16_t port;
		bool plain;
	} wrong[] = { { "evil.test", 443, false }, { "api.test", 8443, false },
		{ "api.test", 80, true }, { "API.test", 443, false }, { "", 443, false } };
	static const char *const lines[] = { "DELETE /v1/a", "GET /v2/a", "GET /v1/../v2",
		"GET /v1/%2e%2e/a", "GET //v1/a", "TRACE /v1/a", "GET *" };
	struct conn c;

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		c = conn_open_to(door, wrong[i].host, wrong[i].port, wrong[i].plain);
		tap_is(whole_answer(&c), "\nFAILED 502", "a host that is not the rule's is refused");
		conn_close(&c);
	}
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		char byte;

		c = conn_open_to(door, "api.test", 443, false);
		send_request(&c, lines[i], "", (struct keepmsg_head){ .status = 0 });
		tap_is(whole_answer(&c), "\nFAILED 403", lines[i]);
		tap_ok(recv(c.server, &byte, 1, 0) == 0, "and nothing was sent to the host");
		conn_close(&c);
	}
	(void)ctx;
}

int main(int argc, char **argv)
{
	struct cert leaf;
	SSL_CTX *ctx;
	const char *secret = random_secret();
	const char *const keys[KEEPMSG_SLOT_COUNT] = { [KEEPMSG_SLOT_SECRET] = "aws-secret-of-test",
		[KEEPMSG_SLOT_KEY_ID] = "AKIDREAL", [KEEPMSG_SLOT_SESSION] = "session-of-test" };
	int door;

	fixture_role(argc, argv);
	if (!fixture_make() || !fixture_start(RULES))
		return tap_done();
	leaf = cert_leaf(&fix.authority, "DNS:api.test,DNS:aws.test");
	ctx = server_context(&leaf, NULL, false);
	door = keeper_start_with(0, secret);
	injection(door, ctx, secret);
	echo(door, ctx, secret);
	coded(door, ctx);
	refusals(door, ctx);
	signing(keeper_start_slots(1, 0, keys), ctx);
	tap_ok(fixture_stop() == 0, "the mother ends with the warden");
	fixture_remove();
	return tap_done();
}
