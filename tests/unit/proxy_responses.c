/*
 * Proves how bodies and responses go between a client and a keeper through the proxy: framing in both
 * directions, early and interim responses, streams, WebSocket, channels that are used again, limits of
 * memory and time, and what a keeper may not do. `proxy_responses bench` says how fast it is;
 * tests/fuzz/front1.c cuts streams of requests in every way.
 */
#include "proxy_world.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: api.test\r\n\r\n"
#define LAST(path) "GET " path " HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n"
#define POST(fields) "POST /v1/post HTTP/1.1\r\nHost: api.test\r\n" fields "\r\n"

#define CHUNKED POST("Connection: close\r\nTransfer-Encoding: chunked\r\n")

/* ---- bodies of requests (D1 to D9) ---- */

static const struct {
	const char *text, *status;
	const char *seen; /* what the keeper was told, body included */
	const char *what;
} bodies[] = {
	{ POST("Connection: close\r\nContent-Length: 5\r\n") "hello", "200",
		"framing=1 length=5>\nhello", "a length" },
	{ POST("Connection: close\r\nContent-Length: 0\r\n"), "200", "framing=0 length=0>\n",
		"a length of nothing" },
	{ CHUNKED "5;x=\"y\"\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "200",
		"framing=2 length=0>\nhello world", "chunks are decoded" },
	{ CHUNKED "2\r\nhi\r\n0\r\nAuthorization: Bad\r\n\r\n", "200", "framing=2 length=0>\nhi",
		"trailers are dropped" },
	{ CHUNKED "2\r\nhi\r\n0\r\nA: b\n\r\n\r\n", "400", NULL, "a bare LF in trailers" },
	{ "DELETE /v1/x HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\nTransfer-Encoding: "
	  "chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
		"200", "framing=2 length=0>\nhi", "DELETE with chunks" },
	{ POST("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") "0\r\n\r\n", "400", NULL,
		"length and chunks" },
	{ POST("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") "0\r\n\r\n", "400", NULL,
		"chunks and length" },
	{ POST("Content-Length: 5\r\nContent-Length: 5\r\n") "hello", "400", NULL, "two lengths" },
	{ POST("Content-Length: 5, 5\r\n") "hello", "400", NULL, "a list of lengths" },
	{ POST("Content-Length: +5\r\n") "hello", "400", NULL, "a sign" },
	{ POST("Content-Length: 0x5\r\n") "hello", "400", NULL, "hexadecimal" },
	{ POST("Content-Length: 99999999999999999999\r\n") "hello", "400", NULL, "20 digits" },
	{ POST("Content-Length:\r\n") "", "400", NULL, "an empty length" },
	{ POST("Transfer-Encoding: xchunked\r\n") "0\r\n\r\n", "400", NULL, "another coding" },
	{ POST("Transfer-Encoding: chunked, identity\r\n") "0\r\n\r\n", "400", NULL, "two codings" },
	{ POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") "0\r\n\r\n", "400",
		NULL, "chunked twice" },
	{ POST("Transfer-Encoding : chunked\r\n") "0\r\n\r\n", "400", NULL, "a blank before ':'" },
	{ POST("Transfer-Encoding: chunked\r\n") "0x5\r\nhello\r\n0\r\n\r\n", "400", NULL,
		"a size with 0x" },
	{ POST("Transfer-Encoding: chunked\r\n") "-1\r\n", "400", NULL, "a negative size" },
	{ POST("Transfer-Encoding: chunked\r\n") "fffffffffffffffff\r\n", "400", NULL,
		"a size that overflows" },
	{ POST("Transfer-Encoding: chunked\r\n") "5\nhello\r\n0\r\n\r\n", "400", NULL,
		"a bare LF behind a size" },
	{ POST("Transfer-Encoding: chunked\r\n") "5;a\nb\r\nhello\r\n0\r\n\r\n", "400", NULL,
		"LF in an extension" },
	{ POST("Transfer-Encoding: chunked\r\n") "5\r\nhelloX\r\n0\r\n\r\n", "400", NULL,
		"a chunk that is longer than it says" },
	{ "POST /v1/post HTTP/1.0\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"400", NULL, "chunks in HTTP/1.0" },
	{ POST("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n") "hello", "400",
		NULL, "an upgrade with a body" },
	{ "GET /v1/a HTTP/1.1\r\nHost: api.test\r\n X: folded\r\n\r\n", "400", NULL, "a folded line" },
	{ "GET /v1/a HTTP/1.1\nHost: api.test\n\n", "400", NULL, "bare LFs" },
	{ "GET /v1/a HTTP/1.1\r\nHost: api.test\r\nX: a\rb\r\n\r\n", "400", NULL, "a bare CR" },
	{ "\r\n\r\nGET /v1/a HTTP/1.1\r\nHost: api.test\r\n\r\n", "400", NULL, "two empty lines" },
	{ "\r\n" LAST("/v1/a"), "200", "<GET /v1/a ", "one empty line before a request" },
	{ "GET /v1/a\r\n\r\n", "400", NULL, "HTTP/0.9" },
	{ "GET /v1/a HTTP/1.10\r\nHost: api.test\r\n\r\n", "400", NULL, "HTTP/1.10" },
	{ "GET /v1/a HTTP/2.0\r\nHost: api.test\r\n\r\n", "400", NULL, "HTTP/2.0" },
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400", NULL, "HTTP/2 that was not agreed on" },
};

static void test_bodies(void)
{
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		const char *r = ask("api.test", bodies[i].text);

		OK(is_status(r, bodies[i].status) &&
				(bodies[i].seen == NULL || has(r, bodies[i].seen)),
			r, "%s: %s", bodies[i].what, bodies[i].status);
		if (bodies[i].seen == NULL)
			OK(has(r, "connection: close\r\n") && count(r, "HTTP/1.1 ") == 1, r,
				"%s: and nothing behind it", bodies[i].what);
	}
}

/* What stands behind a broken body is never taken for a request. */
static void test_smuggled(void)
{
	unsigned before = kept->n_requests;
	const char *r = ask("api.test",
		POST("Transfer-Encoding: chunked\r\n") "5\r\nhelloX\r\n" LAST("/v1/smuggled"));

	OK(!has(r, "HTTP/1.1 200"), r, "a request behind a broken body is not answered");
	tap_ok(!has(kept->text, "smuggled") && kept->n_requests <= before + 1,
		"and no keeper is told of it");
	r = ask("api.test", POST("Content-Length: 30\r\n") LAST("/v1/smuggled"));
	OK(!has(r, "<GET /v1/smuggled"), r, "a request within a body is a body");
}

static void test_large_upload(void)
{
	static char block[1 << 16];
	struct client c = connect_to("api.test");
	unsigned before;
	const char *r;

	(void)poll(NULL, 0, 100); /* what keepers still count of the tests before */
	before = kept->n_body_bytes;
	client_say(&c, "POST /v1/short HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n"
		       "Content-Length: 16777216\r\n\r\n");
	for (int i = 0; i < 256; i++)
		client_write(&c, block, sizeof(block));
	r = client_read(&c, NULL);
	OK(is_status(r, "200"), r, "16 MiB are taken");
	tap_ok(kept->n_body_bytes - before == 16777216, "to the last byte: %u",
		kept->n_body_bytes - before);
	close_client(&c);
}

static void test_continue(void)
{
	struct client c = connect_to("api.test");
	const char *r;

	client_say(&c, POST("Content-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n"));
	r = client_read(&c, "\r\n\r\n");
	OK(is_status(r, "100"), r, "100 before the body");
	client_say(&c, "hello");
	r = client_read(&c, NULL);
	OK(is_status(r, "200") && has(r, "hello") && !has(r, "expect"), r, "then the response");
	close_client(&c);
	c = connect_to("api.test");
	client_say(&c, "POST /v2/no HTTP/1.1\r\nHost: api.test\r\nContent-Length: 5\r\n"
		       "Expect: 100-continue\r\n\r\n");
	r = client_read(&c, NULL);
	OK(is_status(r, "403"), r, "no 100 for what is refused");
	close_client(&c);
}

/* ---- responses ---- */

static const struct {
	const char *text, *status, *there, *gone, *what;
} responses[] = {
	{ LAST("/v1/short"), "200", "content-length: 2\r\nconnection: close\r\n\r\nok", NULL,
		"a length" },
	{ LAST("/v1/empty"), "200", "content-length: 0\r\n", NULL, "an empty body has a length" },
	{ LAST("/v1/none"), "204", "\r\n\r\n", "content-length", "204 has none" },
	{ LAST("/v1/same"), "304", "content-length: 1234\r\nconnection: close\r\n\r\n", NULL,
		"304 says a length without a body" },
	{ "HEAD /v1/empty HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n", "200", "\r\n\r\n",
		"content-length", "HEAD without a length" },
	{ LAST("/v1/hints"), "103", "HTTP/1.1 200 OK", "HTTP/1.1 100", "interim responses" },
	{ LAST("/v1/flood"), "103", "HTTP/1.1 502", NULL, "but not without end" },
	{ LAST("/v1/trailers"), "200", "1\r\nx\r\n0\r\ngrpc-status: 0\r\n\r\n", NULL, "trailers" },
	{ "GET /v1/trailers HTTP/1.0\r\nHost: api.test\r\n\r\n", "200", "connection: close\r\n\r\nx",
		"chunked", "no chunks for HTTP/1.0" },
	{ "GET /v1/hints HTTP/1.0\r\nHost: api.test\r\n\r\n", "200", "ok", "103",
		"and no interim responses" },
	{ LAST("/v1/limit"), "429", "agentjail: the limit of rule api is used up??X-Bad: 1\n",
		"\r\nX-Bad", "a keeper's refusal" },
	{ LAST("/v1/dies"), "502", "agentjail: the keeper is gone\n", NULL, "a keeper that is gone" },
	{ LAST("/v1/garbage"), "502", "agentjail: ", NULL, "a malformed head" },
	{ LAST("/v1/unasked"), "502", "agentjail: ", NULL, "an upgrade that nobody asked for" },
	{ LAST("/v1/excess"), "200", "content-length: 2\r\n", "HTTP/1.1 200 OK\r\nHTTP", "excess" },
	{ LAST("/v1/cut"), "200", "4\r\npart\r\n", "0\r\n\r\n", "cut short: no last chunk" },
};

static void test_responses(void)
{
	for (size_t i = 0; i < ARRAY_LEN(responses); i++) {
		const char *r = ask("api.test", responses[i].text);

		OK(is_status(r, responses[i].status) && has(r, responses[i].there) &&
				(responses[i].gone == NULL || !has(r, responses[i].gone)),
			r, "response: %s", responses[i].what);
	}
}

static void test_early(void)
{
	struct client c = connect_to("api.test");
	const char *r;

	client_say(&c, "POST /v1/early HTTP/1.1\r\nHost: api.test\r\nContent-Length: 1000\r\n\r\nx");
	r = client_read(&c, NULL);
	OK(is_status(r, "401") && has(r, "connection: close") && has(r, "\r\n\r\nno"), r,
		"a response before the body is read comes whole, and is the last one");
	close_client(&c);
}

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void test_events(void)
{
	struct client c = connect_to("api.test");
	double start = now(), first;
	const char *r;

	client_say(&c, LAST("/v1/events"));
	r = client_read(&c, "3\r\none\r\n");
	first = now() - start;
	OK(has(r, "one") && !has(r, "two"), r, "an event comes when it is there");
	r = client_read(&c, NULL);
	OK(has(r, "two") && now() - start > first + 0.2, r, "and the next one later");
	close_client(&c);
}

static void test_socket(void)
{
	struct client c = connect_to("api.test");
	const char *r;

	client_say(&c, "GET /v1/socket HTTP/1.1\r\nHost: api.test\r\nConnection: upgrade\r\n"
		       "Upgrade: WebSocket\r\nSec-WebSocket-Key: abc\r\n\r\n");
	r = client_read(&c, "hello ");
	OK(is_status(r, "101") && has(r, "upgrade: websocket\r\nconnection: Upgrade\r\n"), r,
		"an upgrade to WebSocket");
	client_say(&c, "GET /v1/inside HTTP/1.1\r\n\r\n");
	r = client_read(&c, "\r\n\r\n");
	OK(has(r, "GET /v1/inside HTTP/1.1"), r, "what follows is opaque, there and back");
	tap_ok(!has(kept->text, "<GET /v1/inside"), "and no request");
	tap_ok(has(kept->text, "<GET /v1/socket flags=2 framing=0 length=0>\nsec-websocket-key: abc"),
		"the keeper is told of the upgrade");
	(void)SSL_shutdown(c.ssl);
	r = client_read(&c, NULL);
	OK(has(r, " bye"), r, "the client's end goes on, the server's last words come back");
	close_client(&c);
	r = ask("api.test", "GET /v1/nosocket HTTP/1.1\r\nHost: api.test\r\nConnection: upgrade\r\n"
			    "Upgrade: websocket\r\n\r\n" LAST("/v1/short"));
	OK(is_status(r, "426") && count(r, "HTTP/1.1 200") == 1, r,
		"an upgrade that is refused leaves HTTP as it is");
}

static void test_given_up(void)
{
	struct client c = connect_to("api.test");
	unsigned before = kept->n_given_up;

	client_say(&c, GET("/v1/slowly"));
	(void)poll(NULL, 0, 200);
	close_client(&c);
	(void)poll(NULL, 0, 300);
	tap_ok(kept->n_given_up == before + 1, "a client that goes away stops its request");
}

/* ---- channels ---- */

static void test_many(void)
{
	struct client c = connect_to("api.test");
	unsigned opened = kept->n_opened, served = kept->n_requests, n = 0;

	for (int i = 0; i < 500; i++) {
		client_say(&c, GET("/v1/short"));
		n += has(client_read(&c, "ok"), "HTTP/1.1 200");
	}
	tap_ok(n == 500 && kept->n_requests == served + 500, "500 requests on one connection");
	tap_ok(kept->n_opened == opened + 1, "through one channel");
	close_client(&c);
}

static void test_reuse(void)
{
	struct client c = connect_to("api.test");
	unsigned opened = kept->n_opened;
	const char *r;

	client_say(&c, GET("/v1/last"));
	(void)client_read(&c, "ok");
	client_say(&c, GET("/v1/gone"));
	r = client_read(&c, "ok");
	OK(is_status(r, "200"), r, "a channel that ends is followed by another");
	client_say(&c, GET("/v1/gone"));
	r = client_read(&c, "ok");
	OK(is_status(r, "200"), r, "so is one whose end comes unexpectedly");
	(void)poll(NULL, 0, 100);
	client_say(&c, "POST /v1/gone HTTP/1.1\r\nHost: api.test\r\nContent-Length: 2\r\n\r\nhi");
	r = client_read(&c, "ok");
	OK(is_status(r, "200"), r, "a POST, too, when nothing of it was sent");
	tap_ok(kept->n_opened == opened + 4, "each has had its own");
	close_client(&c);
}

static void test_no_way(void)
{
	const char *r = ask("lone.test", "GET / HTTP/1.1\r\nHost: lone.test\r\nConnection: close\r\n\r\n");
	struct client c;

	OK(is_status(r, "502") && has(r, "agentjail: the keeper of rule lone is not there\n"), r,
		"a rule without a keeper");
	r = ask("far.test", "GET / HTTP/1.1\r\nHost: far.test\r\nConnection: close\r\n\r\n");
	OK(is_status(r, "403"), r, "a private address");
	OK(!has(r, "10.1.2.3"), r, "which is not told");
	drop_reports();
	(void)start_client(&c, dial_connect("down.test:444"), "down.test", true);
	client_say(&c, "GET / HTTP/1.1\r\nHost: down.test:444\r\nConnection: close\r\n\r\n");
	r = client_read(&c, NULL);
	OK(is_status(r, "502") && has(r, "cannot reach down.test: connection refused"), r,
		"a host that is down");
	close_client(&c);
	tap_ok(next_report(PROXYMSG_REQUEST)->status == 502, "is reported");
}

/* ---- limits ---- */

static long rss_kib(void)
{
	char path[64], line[256];
	FILE *f;
	long kib = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", proxy_pid);
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "VmRSS: %ld", &kib) == 1)
			break;
	}
	if (f != NULL)
		(void)fclose(f);
	return kib;
}

/* AddressSanitizer keeps freed memory for a while. */
#ifdef __SANITIZE_ADDRESS__
#define GROWTH_KIB (64 * 1024)
#else
#define GROWTH_KIB (8 * 1024)
#endif

/* A client that asks for much and reads nothing: what the keeper could send stays bounded. */
static void test_no_reader(void)
{
	struct client c[8];
	unsigned before = kept->n_body_bytes;
	long rss = rss_kib();

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		c[i] = connect_to("api.test");
		client_say(&c[i], LAST("/v1/big"));
	}
	(void)poll(NULL, 0, 1000);
	tap_ok(kept->n_body_bytes - before < 8 * (KEPT_BIG / 2),
		"a client that does not read slows the keeper: %u KiB",
		(kept->n_body_bytes - before) >> 10);
	tap_ok(rss_kib() - rss < GROWTH_KIB, "and the proxy's memory is bounded: %ld KiB more",
		rss_kib() - rss);
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		close_client(&c[i]);
}

static void test_big(void)
{
	struct client c = connect_to("api.test");
	static char bytes[65536];
	size_t n = 0;
	int got;

	client_say(&c, LAST("/v1/big"));
	while ((got = SSL_read(c.ssl, bytes, sizeof(bytes))) > 0)
		n += (size_t)got;
	tap_ok(n > KEPT_BIG && n < KEPT_BIG + 1000, "32 MiB come back whole: %zu", n);
	close_client(&c);
}

static void test_large_heads(void)
{
	static char text[80000];
	size_t n = (size_t)snprintf(text, sizeof(text), "GET /v1/a HTTP/1.1\r\nHost: api.test\r\nX: ");
	const char *r;

	memset(text + n, 'a', 40000);
	(void)snprintf(text + n + 40000, 32, "\r\nConnection: close\r\n\r\n");
	r = ask("api.test", text);
	OK(is_status(r, "431"), r, "a head of 40 kB is too long");
	memset(text + n, 'a', 20000);
	(void)snprintf(text + n + 20000, 32, "\r\nConnection: close\r\n\r\n");
	r = ask("api.test", text);
	OK(is_status(r, "200"), r, "one of 20 kB is not");
	n = (size_t)snprintf(text, sizeof(text), "GET /v1/a HTTP/1.1\r\nHost: api.test\r\n");
	for (int i = 0; i < 200; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "X-%d: a\r\n", i);
	(void)snprintf(text + n, sizeof(text) - n, "\r\n");
	r = ask("api.test", text);
	OK(is_status(r, "431"), r, "200 fields are too many");
}

/* One byte a second for the whole head, and one for the handshake, both at once. */
static void test_slow_clients(void)
{
	struct client head = connect_to("api.test");
	int hello = dial_connect("api.test:443");
	double start = now();
	char byte;

	client_say(&head, "GET /v1/a HTTP/1.1\r\n");
	(void)write_all(hello, "\x16\x03\x01\x02", 4);
	for (int i = 0; i < 30; i++) {
		struct pollfd p[2] = { { .fd = head.fd, .events = POLLRDHUP },
			{ .fd = hello, .events = POLLRDHUP } };

		(void)poll(NULL, 0, 500);
		if (poll(p, 2, 0) == 2)
			break;
		if ((i & 1) != 0 && (p[0].revents & POLLRDHUP) == 0)
			client_say(&head, "X");
	}
	tap_ok(now() - start > 8 && now() - start < 14, "slow heads and hellos end after 10 s: %.0f",
		now() - start);
	tap_ok(read(hello, &byte, 1) <= 0, "the hello's connection is gone");
	(void)close(hello);
	close_client(&head);
}

/* ---- how fast ---- */

static double cpu_of(pid_t pid)
{
	char path[64], text[1024] = "";
	unsigned long user = 0, of_system = 0;
	const char *p;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	(void)!read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	p = strrchr(text, ')');
	if (p != NULL)
		(void)sscanf(p, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
			&of_system);
	return (double)(user + of_system) / (double)sysconf(_SC_CLK_TCK);
}

static void run_bench(int depth)
{
	const int total = 40000;
	struct client c = connect_to("api.test");
	char request[64 * 128] = "", reply[65536];
	double start = now(), cpu = cpu_of(proxy_pid);
	int n = 0, got;

	for (int i = 0; i < depth; i++)
		(void)snprintf(request + strlen(request), 128, "%s", GET("/v1/short"));
	while (n < total) {
		int want = n + depth;

		client_say(&c, request);
		while (n < want && (got = SSL_read(c.ssl, reply, sizeof(reply) - 1)) > 0) {
			reply[got] = '\0';
			n += (int)count(reply, "HTTP/1.1 200");
		}
	}
	printf("# %d requests at once: %.0f a second, the proxy uses %.1f us for each\n", depth,
		total / (now() - start), (cpu_of(proxy_pid) - cpu) * 1e6 / total);
	close_client(&c);
}

static void run_bench_of_handshakes(void)
{
	double start = now(), cpu = cpu_of(proxy_pid);

	for (int i = 0; i < 1000; i++) {
		struct client c = connect_to("api.test");

		close_client(&c);
	}
	printf("# %.0f handshakes a second, the proxy uses %.0f us for each\n", 1000 / (now() - start),
		(cpu_of(proxy_pid) - cpu) * 1e6 / 1000);
}

/* As many clients at once, with a connection each. */
static void run_bench_of(int clients)
{
	double start = now(), cpu = cpu_of(proxy_pid);

	for (int i = 0; i < clients; i++) {
		if (fork() == 0) {
			struct client c = connect_to("api.test");

			for (int n = 0; n < 40000 / clients; n++) {
				client_say(&c, GET("/v1/short"));
				(void)client_read(&c, "ok");
			}
			_exit(0);
		}
	}
	for (int i = 0; i < clients; i++)
		(void)wait(NULL);
	printf("# %d clients: %.0f a second, the proxy uses %.1f us for each\n", clients,
		40000 / (now() - start), (cpu_of(proxy_pid) - cpu) * 1e6 / 40000);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "@proxy") == 0)
		return proxy_main(argc, argv);
	start_world();
	if (argc > 1) {
		run_bench(1);
		run_bench(16);
		run_bench_of(8);
		run_bench_of_handshakes();
		return 0;
	}
	test_bodies();
	test_smuggled();
	test_large_upload();
	test_continue();
	test_responses();
	test_early();
	test_events();
	test_socket();
	test_given_up();
	test_many();
	test_reuse();
	test_no_way();
	test_no_reader();
	test_big();
	test_large_heads();
	test_slow_clients();
	return end_world();
}
