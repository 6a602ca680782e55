/*
 * What passes between a cell and a host through a keeper besides plain requests: bodies both ways,
 * early and informational answers, WebSocket, event streams, connections that end, limits, a
 * time to live, and secrets that cannot be used. Fast and slow readers get the same bytes.
 */
#include "keeper_fixture.h"

#define RULES                                                                                      \
	"[inject api]\nhost = api.test\nheader = X-Key: {secret}\nquery = k=v{secret}\n"          \
	"secret = env:X\n"                                                                         \
	"[inject plain]\nhost = plain.test\nport = 80 8080\nplain = yes\nredact = no\n"            \
	"basic = user:{secret}\nsecret = env:X\n"                                                  \
	"[inject few]\nhost = few.test\nheader = X-Key: {secret}\nsecret = env:X\n"               \
	"limits = 3/minute 1K/day\nelse = pass\npath = /in/*\n"

static const char *secret;
static struct cert leaf;
static SSL_CTX *ctx;

static struct conn ready(int door, const char *host)
{
	struct conn c = conn_open_to(door, host, 443, false);

	send_get(&c, "/in/first", "");
	tap_ok(conn_accept(&c, ctx), "a connection");
	(void)server_receive(&c, "\r\n\r\n");
	server_send(&c, "HTTP/1.1 204 N\r\n\r\n");
	if (strcmp(whole_answer(&c), "204 none\n\nEND 1") != 0)
		tap_ok(false, "its first answer");
	return c;
}

static struct keepmsg_head with_length(uint64_t n)
{
	return (struct keepmsg_head){ .framing = KEEPMSG_LENGTH, .length = n };
}

static void bodies(int door)
{
	struct conn c = ready(door, "api.test");
	const char *got;

	send_request(&c, "POST /a", "", with_length(5));
	send_message(&c, KEEPMSG_BODY, "he", 2);
	send_message(&c, KEEPMSG_BODY, "llo", 3);
	send_end(&c);
	got = server_receive(&c, "hello");
	tap_ok(strcasestr(got, "\r\ncontent-length: 5\r\n") != NULL && strcasestr(got, "\r\n\r\nhello") != NULL,
		"a body with a length");
	server_send(&c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	tap_is(whole_answer(&c), "200 length:0\n\nEND 1", "its answer");
	send_request(&c, "POST /a", "", (struct keepmsg_head){ .framing = KEEPMSG_UNKNOWN });
	send_message(&c, KEEPMSG_BODY, "0123456789abcdefg", 17);
	send_message(&c, KEEPMSG_BODY, "x", 1);
	send_end(&c);
	got = server_receive(&c, "\r\n0\r\n\r\n");
	tap_ok(strcasestr(got, "\r\ntransfer-encoding: chunked\r\n") != NULL &&
			strcasestr(got, "\r\n\r\n11\r\n0123456789abcdefg\r\n1\r\nx\r\n0\r\n\r\n") != NULL,
		"a body of unknown length goes in chunks");
	server_send(&c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	tap_is(whole_answer(&c), "200 length:0\n\nEND 1", "its answer");
	send_request(&c, "POST /a", "", (struct keepmsg_head){ .status = 0 });
	send_end(&c);
	tap_ok(strcasestr(server_receive(&c, "\r\n\r\n"), "\r\ncontent-length: 0\r\n") != NULL,
		"no body of a method that has one: its length is said");
	server_send(&c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	tap_is(whole_answer(&c), "200 length:0\n\nEND 1", "its answer");
	conn_close(&c);
}

static void lying_bodies(int door)
{
	struct conn c = ready(door, "api.test");

	send_request(&c, "POST /a", "", with_length(2));
	send_message(&c, KEEPMSG_BODY, "abc", 3);
	tap_is(whole_answer(&c), "\nFAILED 400", "a body that is longer than it says");
	conn_close(&c);
	c = ready(door, "api.test");
	send_request(&c, "POST /a", "", with_length(2));
	send_message(&c, KEEPMSG_BODY, "a", 1);
	send_end(&c);
	tap_is(whole_answer(&c), "\nFAILED 400", "one that is shorter");
	conn_close(&c);
	c = ready(door, "api.test");
	send_get(&c, "/a", "");
	send_get(&c, "/b", "");
	tap_is(whole_answer(&c), "\nFAILED 400", "a request before the last one is answered");
	conn_close(&c);
	c = ready(door, "api.test");
	send_message(&c, KEEPMSG_BODY, "a", 1);
	tap_is(whole_answer(&c), "\nFAILED 400", "a body without a request");
	conn_close(&c);
	c = ready(door, "api.test");
	send_message(&c, KEEPMSG_REQUEST, "nonsense", 8);
	tap_is(whole_answer(&c), "\nFAILED 400", "a malformed message");
	conn_close(&c);
}

static void early(int door)
{
	struct conn c = ready(door, "api.test");

	send_request(&c, "POST /a", "",
		(struct keepmsg_head){ .framing = KEEPMSG_LENGTH, .length = 1000000,
			.flags = KEEPMSG_CONTINUE });
	tap_ok(strcasestr(server_receive(&c, "\r\n\r\n"), "\r\nexpect: 100-continue\r\n") != NULL,
		"who waits for 100 asks the host for it");
	server_send(&c, "HTTP/1.1 100 Continue\r\n\r\n");
	tap_ok(next_answer(&c)->head.status == 100, "and hears it");
	send_message(&c, KEEPMSG_BODY, "a", 1);
	server_send(&c, "HTTP/1.1 413 L\r\nContent-Length: 1\r\n\r\nn");
	tap_is(whole_answer(&c), "413 length:1\nn\nEND 0",
		"an answer before the body is over comes, the connection ends");
	conn_close(&c);
}

static void upgrade(int door)
{
	struct conn c = conn_open_to(door, "api.test", 443, false);
	const char *got;
	char frame[128];

	send_request(&c, "GET /ws", "sec-websocket-key: a\nsec-websocket-extensions: x\n",
		(struct keepmsg_head){ .flags = KEEPMSG_UPGRADE | KEEPMSG_H2 });
	send_end(&c);
	(void)conn_accept(&c, ctx);
	got = server_receive(&c, "\r\n\r\n");
	tap_ok(strcasestr(got, "\r\nconnection: Upgrade\r\nupgrade: websocket\r\n") != NULL &&
			strcasestr(got, "\r\nsec-websocket-key: a\r\n") != NULL &&
			strcasestr(got, "extensions") == NULL && strcasestr(got, secret) != NULL,
		"a WebSocket's handshake carries the value");
	server_send(&c, "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX: y\r\n\r\n");
	tap_ok(next_answer(&c)->head.status == 101, "and its answer comes");
	send_message(&c, KEEPMSG_BODY, "\x81\x82mask", 6);
	tap_ok(memcmp(server_receive(&c, "mask"), "\x81\x82mask", 6) == 0, "bytes to the host");
	(void)snprintf(frame, sizeof(frame), "\x81\x2a<%s>", secret);
	server_send(&c, frame);
	send_message(&c, KEEPMSG_BODY_END, "", 0);
	tap_ok(SSL_read(c.ssl, frame, 1) == 0, "the end of one direction");
	SSL_shutdown(c.ssl);
	got = whole_answer(&c);
	tap_ok(strcasestr(got, "<***") != NULL && strcasestr(got, secret) == NULL && strcasestr(got, "END 0") != NULL,
		"bytes from the host, redacted, and the other direction's end");
	conn_close(&c);
	c = conn_open_to(door, "api.test", 443, false);
	send_request(&c, "GET /ws", "", (struct keepmsg_head){ .flags = KEEPMSG_UPGRADE });
	send_end(&c);
	(void)conn_accept(&c, ctx);
	(void)server_receive(&c, "\r\n\r\n");
	server_send(&c, "HTTP/1.1 400 B\r\nContent-Length: 2\r\n\r\nno");
	tap_is(whole_answer(&c), "400 length:2\nno\nEND 1", "a handshake that is declined");
	conn_close(&c);
}

/* An event comes as soon as it is sent, and so does one that ends like a value begins. */
static void events(int door)
{
	struct conn c = ready(door, "api.test");
	struct answer *a;
	char text[64];

	send_get(&c, "/events", "");
	(void)server_receive(&c, "\r\n\r\n");
	server_send(&c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
	(void)next_answer(&c);
	a = next_answer(&c);
	tap_ok(a->type == KEEPMSG_DATA && a->n == 9, "an event comes at once");
	(void)snprintf(text, sizeof(text), "data: %.4s", secret);
	server_send(&c, text);
	a = next_answer(&c);
	tap_ok(a->type == KEEPMSG_DATA && a->n == 6, "what may begin a value is held back");
	a = next_answer(&c);
	tap_ok(a->type == KEEPMSG_DATA && a->n == 4 && memcmp(a->bytes + 4, secret, 4) == 0,
		"for a moment");
	SSL_shutdown(c.ssl);
	tap_is(whole_answer(&c), "\nEND 0", "the end");
	conn_close(&c);
}

static void query(int door)
{
	static const char *const asked[][2] = { { "/q", "/q?k=v" }, { "/q?", "/q?k=v" },
		{ "/q?a=1&b", "/q?a=1&b&k=v" }, { "/q?k=ATTACK", "/q?k=v" },
		{ "/q?a=1&k=A&c=2&%6b=B&k", "/q?a=1&c=2&k=v" },
		{ "/q?a=1;k=A", "/q?a=1;&k=v" }, { "/q?access_token=A&x=%6b", "/q?x=%6b&k=v" } };
	struct conn c = ready(door, "api.test");
	char want[256];

	for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
		send_get(&c, asked[i][0], "");
		(void)snprintf(want, sizeof(want), "GET %s%s HTTP/1.1\r\n", asked[i][1], secret);
		tap_ok(strncmp(server_receive(&c, "\r\n\r\n"), want, strlen(want)) == 0, "query %s",
			asked[i][0]);
		server_send(&c, "HTTP/1.1 204 N\r\n\r\n");
		(void)whole_answer(&c);
	}
	conn_close(&c);
}

static void plain(int door)
{
	struct conn c = conn_open_to(door, "plain.test", 8080, true);
	unsigned char both[64], coded[128];
	char want[256];
	const char *got;

	(void)EVP_EncodeBlock(coded, both,
		snprintf((char *)both, sizeof(both), "user:%s", secret));
	(void)snprintf(want, sizeof(want), "\r\nauthorization: Basic %s\r\n", coded);
	send_get(&c, "/", "accept-encoding: gzip\nrange: bytes=0-1\n");
	got = server_receive(&c, "\r\n\r\n");
	tap_ok(strcasestr(got, want) != NULL && strcasestr(got, "host: plain.test:8080\r\n") != NULL,
		"Basic, without TLS where the rule says so");
	tap_ok(strcasestr(got, "accept-encoding: gzip") != NULL && strcasestr(got, "range:") != NULL,
		"who does not redact lets codings and ranges alone");
	(void)snprintf(want, sizeof(want), "HTTP/1.1 200 OK\r\nX: %s\r\n\r\n", secret);
	server_send(&c, want);
	(void)shutdown(c.server, SHUT_WR);
	tap_ok(strcasestr(whole_answer(&c), secret) != NULL, "nor is anything redacted");
	conn_close(&c);
}

/* The host closes between two requests, and within an answer. */
static void ends(int door)
{
	struct conn c = ready(door, "api.test");

	SSL_shutdown(c.ssl);
	(void)shutdown(c.server, SHUT_WR);
	tap_is(whole_answer(&c), "\nEOF", "a host that closes an idle connection closes the channel");
	conn_close(&c);
	c = ready(door, "api.test");
	send_get(&c, "/a", "");
	(void)server_receive(&c, "\r\n\r\n");
	/* A blank line: nothing of it could begin a value and be held back when the end comes. */
	server_send(&c, "HTTP/1.1 200 OK\r\n\r\nhalf\n\n");
	(void)shutdown(c.server, SHUT_WR);
	tap_is(whole_answer(&c), "200 unknown\nhalf\n\n\nFAILED 502",
		"an end that TLS does not announce is none");
	conn_close(&c);
	c = ready(door, "api.test");
	server_send(&c, "HTTP/1.1 200 OK\r\n\r\n");
	tap_is(whole_answer(&c), "\nEOF", "nor is an answer to nothing");
	conn_close(&c);
	c = ready(door, "api.test");
	send_get(&c, "/a", "");
	(void)server_receive(&c, "\r\n\r\n");
	(void)close(c.channel);
	c.channel = -1;
	{
		char byte;

		tap_ok(SSL_read(c.ssl, &byte, 1) <= 0, "a proxy that closes ends the connection");
	}
	conn_close(&c);
}

/* 8 MiB to a client that reads nothing at first. */
static void pressure(int door)
{
	static char block[1 << 16];
	struct conn c = ready(door, "api.test");
	size_t sent = 0, came = 0;
	struct answer *a;
	pid_t pid;

	send_get(&c, "/big", "");
	(void)server_receive(&c, "\r\n\r\n");
	memset(block, '.', sizeof(block));
	server_send(&c, "HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n");
	(void)fcntl(c.server, F_SETFL, O_NONBLOCK);
	for (int idle = 0; idle < 20;) {
		int n = SSL_write(c.ssl, block, sizeof(block));

		sent += n > 0 ? (size_t)n : 0;
		idle = n > 0 ? 0 : idle + 1;
		(void)usleep(n > 0 ? 0 : 10000);
	}
	tap_ok(sent < 4 << 20, "a host waits for a slow client (after %zu bytes)", sent);
	(void)fcntl(c.server, F_SETFL, 0);
	pid = fork();
	if (pid == 0) {
		while (sent < 8 << 20) {
			int n = SSL_write(c.ssl, block, sizeof(block));

			if (n <= 0)
				_exit(1);
			sent += (size_t)n;
		}
		_exit(0);
	}
	do {
		a = next_answer(&c);
		came += a->type == KEEPMSG_DATA ? a->n : 0;
	} while (a->type == KEEPMSG_DATA || a->type == KEEPMSG_RESPONSE);
	if (!tap_ok(a->type == KEEPMSG_END && came == 8 << 20, "and nothing is lost"))
		printf("# %u, %zu bytes, %s\n", a->type, came, a->text);
	(void)waitpid(pid, NULL, 0);
	conn_close(&c);
}

static void limits(int door)
{
	struct conn c = ready(door, "few.test");

	send_request(&c, "GET /out", "x-key: mine\n",
		(struct keepmsg_head){ .flags = KEEPMSG_PASS });
	send_end(&c);
	{
		const char *got = server_receive(&c, "\r\n\r\n");

		tap_ok(strcasestr(got, secret) == NULL && strcasestr(got, "\r\nx-key: mine\r\n") != NULL,
			"a request that the rule lets pass goes as it is");
	}
	server_send(&c, "HTTP/1.1 204 N\r\n\r\n");
	(void)whole_answer(&c);
	send_get(&c, "/in/a", "");
	(void)server_receive(&c, "\r\n\r\n");
	server_send(&c, "HTTP/1.1 204 N\r\n\r\n");
	(void)whole_answer(&c);
	send_get(&c, "/in/a", "");
	tap_is(whole_answer(&c), "\nFAILED 429", "the fourth request of a minute is refused");
	conn_close(&c);
	c = conn_open_to(door, "few.test", 443, false);
	send_request(&c, "GET /in/a", "", (struct keepmsg_head){ .flags = KEEPMSG_PASS });
	tap_is(whole_answer(&c), "\nFAILED 403", "what the rule matches does not pass");
	conn_close(&c);
	c = conn_open_to(door, "few.test", 443, false);
	send_request(&c, "GET /out", "", (struct keepmsg_head){ .flags = 0 });
	tap_is(whole_answer(&c), "\nFAILED 403", "nor does what passes get a value");
	conn_close(&c);
}

static void expiry(void)
{
	const char *values[KEEPMSG_SLOT_COUNT] = { secret };
	int door = keeper_start_slots(0, 1, values);
	struct conn idle = ready(door, "api.test"), busy = ready(door, "api.test");
	struct keepmsg_ended ended = { 0 };

	send_get(&busy, "/a", "");
	(void)server_receive(&busy, "\r\n\r\n");
	tap_is(whole_answer(&idle), "\nEOF", "after its time a keeper closes what is idle");
	server_send(&busy, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	tap_is(whole_answer(&busy), "200 length:2\nok\nEND 0", "and lets what runs end");
	conn_close(&busy);
	conn_close(&idle);
	if (!tap_ok(keeper_has_ended(&ended) && ended.rule == 0 && WIFEXITED(ended.status) &&
				WEXITSTATUS(ended.status) == KEEPMSG_EXIT_EXPIRED,
		    "then it says that it has expired"))
		printf("# rule %u, status %#x, %s\n", ended.rule, (unsigned)ended.status,
			ended.reason);
}

static void bad_secrets(void)
{
	static const char *const bad[][2] = { { "", "is empty" }, { "\n", "is empty" },
		{ "a\nb", "more than one line" }, { "abc\r\n", "more than one line" },
		{ "abc\n\n", "more than one line" }, { "a\x01", "control byte" },
		{ " abcdefghij", "secret" } };
	static char big[KEEPMSG_SECRET_MAX + 2];
	struct keepmsg_ended ended;
	int door;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		door = keeper_start_with(0, bad[i][0]);
		if (!tap_ok(keeper_has_ended(&ended) && WEXITSTATUS(ended.status) == EXIT_AGENTJAIL &&
				    strcasestr(ended.reason, bad[i][1]) != NULL,
			    "a secret that %s is refused", bad[i][1]))
			printf("# %s\n", ended.reason);
		(void)close(door);
	}
	memset(big, 'a', KEEPMSG_SECRET_MAX + 1);
	door = keeper_start_with(0, big);
	tap_ok(keeper_has_ended(&ended) && strcasestr(ended.reason, "too long") != NULL,
		"so is one that is too long");
	(void)close(door);
	door = keeper_start_with(0, NULL);
	tap_ok(keeper_has_ended(&ended) && strcasestr(ended.reason, "no secret") != NULL,
		"so is none");
	(void)close(door);
	door = keeper_start_with(7, "x");
	tap_ok(keeper_has_ended(&ended) && ended.rule == 7, "so is an unknown rule");
	(void)close(door);
}

int main(int argc, char **argv)
{
	int door;

	fixture_role(argc, argv);
	if (!fixture_make() || !fixture_start(RULES))
		return tap_done();
	secret = random_secret();
	leaf = cert_leaf(&fix.authority, "DNS:api.test,DNS:few.test");
	ctx = server_context(&leaf, NULL, true);
	door = keeper_start_with(0, secret);
	bodies(door);
	lying_bodies(door);
	early(door);
	upgrade(door);
	events(door);
	query(door);
	ends(door);
	pressure(door);
	(void)close(door);
	door = keeper_start_with(1, secret);
	plain(door);
	door = keeper_start_with(2, secret);
	limits(door);
	(void)fixture_stop();
	if (!fixture_start(RULES))
		return tap_done();
	expiry();
	bad_secrets();
	tap_ok(fixture_stop() == 0, "the mother ends with the warden");
	fixture_remove();
	return tap_done();
}
