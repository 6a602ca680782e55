/*
 * Proves that HTTP/2 works through the proxy as the warden starts it, its system call filter
 * included, with clients that people use: curl and node. Judged by what a fake keeper was told.
 * Skipped without a curl that speaks HTTP/2. Runs as any user, in namespaces of its own.
 *
 * usage: proxy_h2_live [MIB]       to measure an upload of MIB
 */
#include "proxy_world.h"

static char dir[] = "/tmp/proxy_h2.XXXXXX";
static unsigned megabytes = 8;

/* Runs a program with both outputs in the file `out`. Its exit status. */
static int run(const char *const *argv)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open("out", O_WRONLY | O_CREAT | O_TRUNC, 0600);

		(void)dup2(fd, 1);
		(void)dup2(fd, 2);
		execvp(argv[0], (char **)(size_t)argv);
		_exit(127);
	}
	(void)waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const char *output(void)
{
	static struct buf text;
	AUTO_CLOSE int fd = open("out", O_RDONLY | O_CLOEXEC);

	text.len = 0;
	buf_adds(&text, "");
	if (fd >= 0)
		(void)buf_read_fd(&text, fd, 64u << 20);
	return text.data;
}

/* curl, with the session's authority, through the proxy; then these options (at most 12). */
static int curl(const char *const *more)
{
	const char *argv[24] = { "curl", "-sS", "--http2", "-m", "60", "--cacert", "authority.pem",
		"-p", "-x", "http://127.0.0.1:3128" };
	size_t n = 10;

	while (*more != NULL)
		argv[n++] = *more++;
	argv[n] = NULL;
	return run(argv);
}

#define CURL(...) curl((const char *const[]){ __VA_ARGS__, NULL })

static void test_curl(void)
{
	int r = CURL("-i", "-H", "X-One: 1", "-b", "a=b", "https://api.test/v1/a?x=1");
	const char *said = output();

	OK(r == 0 && has(said, "HTTP/2 200"), said, "curl gets its answer over HTTP/2");
	OK(has(said, "<GET /v1/a?x=1 flags=4 framing=0 length=0>\n") && has(said, "x-one: 1\n"),
		said, "the keeper is told the same as of HTTP/1, and that it is HTTP/2");
	OK(!has(said, "alt-svc"), said, "Alt-Svc does not come through");
	tap_ok(next_report(PROXYMSG_REQUEST)->status == 200, "it is reported");
	r = CURL("-w", "%{http_code} %{http_version}", "-H", "Host: evil.test",
		"https://api.test/v1/a", "https://api.test/v1/a");
	OK(r == 0 && count(output(), "421 2") == 2 && has(output(), "agentjail: "), output(),
		"another authority is 421, each time");
	r = CURL("-w", "%{http_code}", "https://api.test/v2/a");
	OK(r == 0 && has(output(), "agentjail: ") && has(output(), "403"), output(),
		"what no rule allows is 403, with words");
	tap_ok(CURL("-I", "https://api.test/v1/same") == 0 && has(output(), "content-length: 1234"),
		"HEAD and 304");
	r = CURL("-i", "https://api.test/v1/hints", "https://api.test/v1/none",
		"https://api.test/v1/empty", "https://api.test/v1/short");
	OK(r == 0 && has(output(), "HTTP/2 103") && has(output(), "HTTP/2 204") &&
			count(output(), "HTTP/2 200") == 3,
		output(), "interim heads, and responses without body");
	r = CURL("https://api.test/v1/cut");
	OK(r == 92, output(), "a response that breaks off is an error");
	tap_ok(CURL("https://api.test/v1/excess") != 0, "so is one that is too long");
	r = CURL("-w", "%{http_code}", "https://api.test/v1/dies");
	OK(r == 0 && has(output(), "502"), output(), "without an answer it is 502");
	r = CURL("-d", "x", "-w", "%{http_code}", "https://api.test/v1/early");
	OK(r == 0 && has(output(), "401"), output(), "an answer before the body's end (%d)", r);
}

static double seconds(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void test_large(void)
{
	unsigned before = atomic_load(&kept->n_body_bytes);
	double begun;
	char want[32];
	int fd = open("up", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)megabytes << 20) < 0)
		fail("a file to send");
	(void)close(fd);
	begun = seconds();
	tap_ok(CURL("-T", "up", "https://api.test/v1/short") == 0 &&
			atomic_load(&kept->n_body_bytes) - before == megabytes << 20,
		"an upload of %u MiB arrives whole", megabytes);
	printf("# %.2f s\n", seconds() - begun);
	begun = seconds();
	(void)snprintf(want, sizeof(want), "%u", KEPT_BIG);
	tap_ok(CURL("-o", "/dev/null", "-w", "%{size_download}", "https://api.test/v1/big") == 0 &&
			strcmp(output(), want) == 0,
		"a download of 32 MiB arrives whole");
	printf("# %.2f s\n", seconds() - begun);
}

/* Many requests at once on one connection, trailers, resets in the midst of both directions. */
static void test_node(void)
{
	static const char script[] =
		"const fs = require('fs'), http = require('http'), h2 = require('http2'),"
		"  tls = require('tls');"
		"http.request({port: 3128, method: 'CONNECT', path: 'api.test:443'})"
		".on('connect', (_, socket) => {"
		"  const c = h2.connect('https://api.test', {createConnection: () => "
		"tls.connect({socket,"
		"    servername: 'api.test', ALPNProtocols: ['h2'],"
		"    ca: fs.readFileSync('authority.pem')})});"
		"  c.on('error', e => { console.log('ERROR', e.message); process.exit(1); });"
		"  let n = 0, trailers = 0;"
		"  const one = (path, cut) => new Promise(done => {"
		"    const r = c.request({':path': path, ':method': 'POST', te: 'trailers'});"
		"    let text = '';"
		"    r.on('trailers', t => trailers += t['grpc-status'] === '0');"
		"    r.on('data', d => { text += d; if (cut) r.close(8); });"
		"    r.on('error', () => {});"
		"    r.on('close', () => { n += text.includes('te: trailers') && "
		"text.endsWith('hello');"
		"      done(); });"
		"    r.end('hello'); });"
		"  (async () => {"
		"    await Promise.all([...Array(40).keys()].map(i => one('/v1/p' + i)));"
		"    await one('/v1/trailers'); await one('/v1/big', true); await one('/v1/cut');"
		"    await one('/v1/last');"
		"    await one('/v1/z');"
		"    console.log(n, trailers, c.destroyed); process.exit(0); })();"
		"}).end();";

	if (run((const char *const[]){ "node", "--version", NULL }) != 0) {
		tap_ok(true, "node is not there # SKIP");
		return;
	}
	OK(run((const char *const[]){ "node", "-e", script, NULL }) == 0 &&
			strcmp(output(), "41 1 false\n") == 0,
		output(),
		"node: 40 requests at once, trailers, resets, and more on the same connection");
}

/* ---- floods ---- */

static struct client connect_h2(void)
{
	static const char hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
	SSL_CTX *ctx = client_ctx(true);
	struct client c = { .fd = dial_connect("api.test:443") };

	(void)SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)"\2h2", 3);
	c.ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	(void)SSL_set_fd(c.ssl, c.fd);
	set_name(c.ssl, "api.test");
	if (SSL_connect(c.ssl) != 1)
		fail("TLS handshake");
	client_write(&c, hello, sizeof(hello) - 1);
	return c;
}

static void put_frame(
	struct buf *out, char type, char flags, uint32_t stream, const char *bytes, size_t n)
{
	char h[9] = { 0, (char)(n >> 8), (char)n, type, flags, (char)(stream >> 24),
		(char)(stream >> 16), (char)(stream >> 8), (char)stream };

	buf_add(out, h, sizeof(h));
	buf_add(out, bytes, n);
}

/* GET https://api.test/v1/slowly, by the static table. */
#define HEAD                                                                                       \
	"\x82\x87\x41\x08"                                                                         \
	"api.test\x04\x0a/v1/slowly"

static void flood_resets(struct buf *out, uint32_t i)
{
	put_frame(out, 1, 5, 2 * i + 1, HEAD, sizeof(HEAD) - 1);
	put_frame(out, 3, 0, 2 * i + 1, "\0\0\0\x08", 4);
}

static void flood_pings(struct buf *out, uint32_t i)
{
	(void)i;
	put_frame(out, 6, 0, 0, "12345678", 8);
}

static void flood_continuations(struct buf *out, uint32_t i)
{
	if (i == 0)
		put_frame(out, 1, 1, 1, HEAD, sizeof(HEAD) - 1);
	put_frame(out, 9, 0, 1, "\x90", 1);
}

/* 4,000 bytes in the table, then 16,000 fields of one byte each. */
static void flood_hpack(struct buf *out, uint32_t i)
{
	AUTO_BUF struct buf block = { 0 };

	buf_adds(&block, HEAD "\x40\x01x\x7f\xa1\x1e");
	for (int j = 0; j < 4000; j++)
		buf_adds(&block, "v");
	for (int j = 0; j < 12000; j++)
		buf_adds(&block, "\xbe");
	put_frame(out, 1, 5, 2 * i + 1, block.data, block.len);
}

static const struct {
	void (*put)(struct buf *out, uint32_t i);
	uint32_t few, many; /* that are borne (proxy_h2_hostile has the others), that are not */
	const char *what;
} floods[] = {
	{ flood_resets, 20, 20000, "requests that are reset at once" },
	{ flood_pings, 500, 200000, "pings" },
	{ flood_continuations, 0, 100000, "CONTINUATION frames" },
	{ flood_hpack, 0, 2, "heads that unpack to 48 MiB" },
};

static long proxy_kib(void)
{
	char path[64], line[128];
	long kib = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)proxy_pid);
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "VmRSS:", 6) == 0)
			kib = strtol(line + 6, NULL, 10);
	if (f != NULL)
		(void)fclose(f);
	return kib;
}

/* Does this come within a second? */
static bool is_said(struct client *c, const char *what, size_t what_n)
{
	static char bytes[1 << 20];
	const struct timeval tv = { .tv_sec = 1 };
	size_t n = 0;
	int got;

	(void)setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	while (n < sizeof(bytes) && memmem(bytes, n, what, what_n) == NULL &&
		(got = SSL_read(c->ssl, bytes + n, (int)(sizeof(bytes) - n))) > 0)
		n += (size_t)got;
	return memmem(bytes, n, what, what_n) != NULL;
}

static bool answers_ping(struct client *c)
{
	AUTO_BUF struct buf ping = { 0 };

	put_frame(&ping, 6, 0, 0, "12345678", 8);
	client_write(c, ping.data, ping.len);
	return is_said(c,
		"\0\0\x08\6\1\0\0\0\0"
		"12345678",
		17);
}

/* Ends the connection, or does not, as expected. */
static bool flood(size_t which, uint32_t n, bool is_ended)
{
	AUTO_BUF struct buf out = { 0 };
	struct client c = connect_h2();
	bool calmed, ended, ok;

	for (uint32_t i = 0; i < n; i++)
		floods[which].put(&out, i);
	client_write(&c, out.data, out.len);
	/* The code of a GOAWAY: nothing else has these bytes. */
	calmed = is_said(&c, "\0\0\0\x0b", 4);
	ended = !answers_ping(&c);
	ok = calmed == ended && ended == is_ended;
	close_client(&c);
	return ok;
}

static void test_floods(void)
{
	long before = proxy_kib(), after;

	for (size_t i = 0; i < ARRAY_LEN(floods); i++) {
		struct client other = connect_h2();

		if (floods[i].few > 0)
			tap_ok(flood(i, floods[i].few, false), "%u %s are borne", floods[i].few,
				floods[i].what);
		tap_ok(flood(i, floods[i].many, true), "%u %s: the connection is ended",
			floods[i].many, floods[i].what);
		tap_ok(answers_ping(&other), "others go on");
		close_client(&other);
	}
	after = proxy_kib();
	tap_ok(after - before < 16 << 10, "the proxy has not grown much: %ld to %ld KiB", before,
		after);
}

static void leave(void)
{
	static const char *const files[] = { "out", "up", "authority.pem" };

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		(void)unlink(files[i]);
	(void)rmdir(dir);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "@proxy") == 0)
		return proxy_main(argc, argv);
	if (argc > 1)
		megabytes = (unsigned)strtoul(argv[1], NULL, 10);
	if (mkdtemp(dir) == NULL || chdir(dir) < 0)
		fail("temporary directory");
	if (run((const char *const[]){ "curl", "--version", NULL }) != 0 ||
		!has(output(), "HTTP2")) {
		printf("1..0 # SKIP no curl with HTTP/2\n");
		leave();
		return 0;
	}
	start_world();
	{
		AUTO_CLOSE int fd = open("authority.pem", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		BIO *bio = BIO_new_fd(fd, BIO_NOCLOSE);

		(void)PEM_write_bio_X509(bio, authority);
		BIO_free(bio);
	}
	test_curl();
	test_large();
	test_node();
	drop_reports();
	test_floods();
	leave();
	return end_world();
}
