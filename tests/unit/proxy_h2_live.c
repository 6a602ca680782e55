/*
 * Proves that HTTP/2 works over real connections: TLS and ALPN as the proxy ends them, requests
 * judged by a policy, a keeper's process behind them (one of the test's own, that answers instead
 * of a server), and clients that people use: curl and node. Skipped without curl.
 *
 * usage: proxy_h2_live [MIB]       to measure: an upload and a download of MIB
 */
#include "base/cleanup.h"
#include "policy/rules.h"
#include "policy_fixture.h"
#include "proxy/exchange.h"
#include "proxy/h2.h"
#include "proxy/names.h"
#include "proxy/report.h"
#include "proxy/resolver.h"
#include "proxy/serve.h"
#include "proxy/terminate.h"
#include "proxy/tls.h"
#include "wire/fdpass.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#define SERVER "8.8.4.4"

static struct proxy proxy;
static struct target target;
static int reports[2], rule_socks[2];
static unsigned megabytes = 8;

/* ---- a keeper that answers by itself ---- */

static void tell(int channel, enum keepmsg_type type, const void *bytes, size_t n)
{
	static char message[KEEPMSG_MAX];
	uint32_t word = type;

	memcpy(message, &word, sizeof(word));
	if (n > 0)
		memcpy(message + sizeof(word), bytes, n);
	if (send(channel, message, sizeof(word) + n, MSG_NOSIGNAL) < 0)
		_exit(0);
}

static void tell_head(
	int channel, enum keepmsg_type type, unsigned status, const char *name, const char *value)
{
	static struct keepmsg_head head;
	AUTO_BUF struct buf out = { 0 };

	memset(&head, 0, sizeof(head));
	head.status = status;
	head.framing = type == KEEPMSG_RESPONSE ? KEEPMSG_UNKNOWN : KEEPMSG_NO_BODY;
	head.fields[0].name = (struct keepmsg_text){ name, strlen(name) };
	head.fields[0].value = (struct keepmsg_text){ value, strlen(value) };
	head.n_fields = 1;
	if (keepmsg_put_head(&out, type, &head) < 0)
		_exit(1);
	tell(channel, type, out.data + sizeof(uint32_t), out.len - sizeof(uint32_t));
}

/* PATH, how many bytes came, and for /download many more; then a trailer. */
static void answer(int channel, const struct keepmsg_head *head, uint64_t body)
{
	static char block[KEEPMSG_DATA_MAX];
	char text[200];
	uint32_t may_reuse = 1;
	bool is_large = head->path.n == 9 && memcmp(head->path.at, "/download", 9) == 0;

	tell_head(channel, KEEPMSG_RESPONSE, 200, "x-answer", "yes");
	(void)snprintf(text, sizeof(text), "%.*s %.*s %llu\n", (int)head->method.n, head->method.at,
		(int)head->path.n, head->path.at, (unsigned long long)body);
	tell(channel, KEEPMSG_DATA, text, strlen(text));
	for (unsigned i = 0; is_large && i < megabytes * 64; i++)
		tell(channel, KEEPMSG_DATA, block, sizeof(block));
	tell_head(channel, KEEPMSG_TRAILERS, 0, "x-trailer", "last");
	tell(channel, KEEPMSG_END, &may_reuse, sizeof(may_reuse));
}

static void serve_channel(int channel)
{
	static char message[KEEPMSG_MAX], kept[KEEPMSG_MAX];
	static struct keepmsg_head head;
	uint64_t body = 0;
	uint32_t type;
	ssize_t n;

	(void)fcntl(channel, F_SETFL, 0);
	while ((n = recv(channel, message, sizeof(message), 0)) >= (ssize_t)sizeof(type)) {
		memcpy(&type, message, sizeof(type));
		n -= (ssize_t)sizeof(type);
		if (type == KEEPMSG_REQUEST) {
			memcpy(kept, message + sizeof(type), (size_t)n);
			if (keepmsg_get_head(KEEPMSG_REQUEST, kept, (size_t)n, &head) < 0)
				_exit(1);
			body = 0;
		} else if (type == KEEPMSG_BODY) {
			body += (uint64_t)n;
		} else if (type == KEEPMSG_BODY_END) {
			answer(channel, &head, body);
		}
	}
}

static void keep(int sock)
{
	struct keepmsg_open open;
	int fds[2];
	size_t n_fds;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGCHLD, SIG_IGN);
	while (fdpass_recv(sock, &open, sizeof(open), fds, 2, &n_fds) == sizeof(open)) {
		if (fork() == 0) {
			serve_channel(fds[0]);
			_exit(0);
		}
		(void)close(fds[0]);
		(void)close(fds[1]);
	}
	_exit(0);
}

/* A server that is only there to be connected to. */
static void accept_all(int server)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)fcntl(server, F_SETFL, 0);
	for (;;)
		(void)close(accept(server, NULL, NULL));
}

/* ---- the proxy ---- */

static int run(const char *const *argv, const char *out)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		(void)dup2(fd, 1);
		(void)dup2(fd, 2);
		execvp(argv[0], (char **)(size_t)argv);
		_exit(127);
	}
	(void)waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int make_authority(void)
{
	AUTO_BUF struct buf pem = { 0 };
	const char *const argv[] = { "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
		"ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=test", "-addext",
		"keyUsage=critical,keyCertSign", "-keyout", "key.pem", "-out", "cert.pem", NULL };
	const char *const files[] = { "cert.pem", "key.pem" };
	int fd;

	if (chdir(dir) < 0 || run(argv, "openssl.txt") != 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		AUTO_CLOSE int part = open(files[i], O_RDONLY | O_CLOEXEC);

		if (part < 0 || buf_read_fd(&pem, part, 65536) < 0)
			return -1;
	}
	fd = open("both.pem", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return fd >= 0 && write_all(fd, pem.data, pem.len) == 0 ? fd : -1;
}

static void on_client(evutil_socket_t sock, short what, void *arg)
{
	static struct proxymsg msg;
	struct buf early = { 0 }, greeting = { 0 };
	struct terminate_request request = {
		.early = &early, .greeting = &greeting, .target = target, .msg = &msg
	};

	(void)what;
	(void)arg;
	request.client = accept4(sock, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	memcpy(msg.host, target.host, sizeof(target.host));
	msg.port = target.port;
	if (request.client >= 0)
		(void)terminate_start(&proxy, &request);
}

/* A listening socket of 127.0.0.1 or SERVER; *ret_port 0: any port. */
static int listening(const char *address, uint16_t *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(*ret_port) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)inet_pton(AF_INET, address, &a.sin_addr);
	if (bind(fd, (struct sockaddr *)&a, n) < 0 || listen(fd, 64) < 0 ||
		getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		return -1;
	*ret_port = ntohs(a.sin_port);
	return fd;
}

static void write_text(const char *path, const char *text)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)write_all(fd, text, strlen(text));
}

/* A world with one address and one name, so that the proxy dials as it does in earnest. */
static void enter_outside(void)
{
	struct ifreq lo = { .ifr_name = "lo" }, server = { .ifr_name = "lo:1" };
	struct sockaddr_in a = { .sin_family = AF_INET };
	char map[2][64];
	int sock;

	(void)snprintf(map[0], sizeof(map[0]), "%u %u 1", getuid(), getuid());
	(void)snprintf(map[1], sizeof(map[1]), "%u %u 1", getgid(), getgid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) < 0) {
		printf("1..0 # SKIP no user namespaces here\n");
		exit(0);
	}
	write_text("/proc/self/setgroups", "deny");
	write_text("/proc/self/uid_map", map[0]);
	write_text("/proc/self/gid_map", map[1]);
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	lo.ifr_flags = IFF_UP;
	(void)inet_pton(AF_INET, SERVER, &a.sin_addr);
	memcpy(&server.ifr_addr, &a, sizeof(a));
	puts_at("hosts", "127.0.0.1 localhost\n" SERVER " api.test\n");
	if (ioctl(sock, SIOCSIFFLAGS, &lo) < 0 || ioctl(sock, SIOCSIFADDR, &server) < 0 ||
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount(at("hosts"), "/etc/hosts", NULL, MS_BIND, NULL) < 0) {
		printf("Bail out! the outside: %s\n", strerror(errno));
		exit(1);
	}
	(void)close(sock);
}

/* Serves clients of port `entry`, as if they had gone to api.test:443, until it is killed. */
static void serve(int entry)
{
	struct err err = { 0 };
	AUTO_CLOSE int authority = make_authority();
	struct event *event;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGPIPE, SIG_IGN);
	proxy.base = event_base_new();
	proxy.names = names_new(64);
	proxy.report = report_new(proxy.base, reports[0]);
	proxy.resolver = resolver_new(proxy.base);
	proxy.serve = serve_new(&proxy);
	proxy.rules = rule_socks;
	proxy.n_rules = 1;
	proxy.h2 = &h2_front;
	if (authority < 0 || tls_new(authority, true, &proxy.tls, &err) < 0) {
		fprintf(stderr, "# %s\n", err.text);
		_exit(1);
	}
	event = event_new(proxy.base, entry, EV_READ | EV_PERSIST, on_client, NULL);
	(void)event_add(event, NULL);
	(void)event_base_dispatch(proxy.base);
	_exit(0);
}

static pid_t start(uint16_t *ret_entry)
{
	static const char ini[] =
		"[files]\nwrite = .\n[inject test]\nhost = api.test\npath = /*\n"
		"method = GET POST\nsecret = env:NOTHING\nheader = authorization: {secret}\n";
	struct policy_request request = request_of(NULL);
	struct err err;
	uint16_t port = 443;
	int server = listening(SERVER, &port), entry = listening("127.0.0.1", ret_entry), pair[2];
	pid_t pid;

	puts_at("profiles/default.ini", ini);
	proxy.policy = load(request, &err);
	if (proxy.policy == NULL)
		printf("# %s\n", err.text);
	if (server < 0 || entry < 0 || proxy.policy == NULL ||
		!target_from_host("api.test", 8, port, &target) ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, reports) < 0 ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	rule_socks[0] = pair[0];
	if (fork() == 0)
		accept_all(server);
	if (fork() == 0)
		keep(pair[1]);
	pid = fork();
	if (pid == 0)
		serve(entry);
	(void)close(entry);
	return pid;
}

/* ---- clients ---- */

static const char *text_of(const char *path)
{
	static struct buf text;
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	text.len = 0;
	buf_adds(&text, "");
	(void)buf_read_fd(&text, fd, 1u << 20);
	return text.data;
}

static double seconds(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static char connect_to[64];

/* curl with its usual options, then these (at most 8). What it said is in out.txt. */
static int curl(const char *const *more)
{
	const char *argv[24] = { "curl", "-sS", "-k", "--http2", "--noproxy", "*", "-m", "60",
		"--connect-to", connect_to };
	size_t n = 10;

	while (*more != NULL)
		argv[n++] = *more++;
	argv[n] = NULL;
	return run(argv, at("out.txt"));
}

static void ordinary(void)
{
	const char *const get[] = { "-v", "https://api.test/a", NULL };
	const char *const two[] = { "-H", "Host: evil.test", "-w", "%{http_code} %{http_version}",
		"https://api.test/a", "https://api.test/a", NULL };
	const char *const denied[] = { "-X", "DELETE", "-w", "%{http_code}", "https://api.test/a",
		NULL };

	tap_ok(curl(get) == 0 && strstr(text_of(at("out.txt")), "GET /a 0") != NULL &&
			strstr(text_of(at("out.txt")), "HTTP/2 200") != NULL,
		"curl gets an answer over HTTP/2");
	tap_ok(strstr(text_of(at("out.txt")), "x-answer: yes") != NULL, "with its fields");
	tap_ok(curl(two) == 0 && strstr(text_of(at("out.txt")), "421 2") != NULL,
		"another authority is 421 for each stream");
	tap_ok(curl(denied) == 0 && strstr(text_of(at("out.txt")), "agentjail: ") != NULL &&
			strstr(text_of(at("out.txt")), "403") != NULL,
		"what no rule allows is 403, with words");
}

static void large(void)
{
	static char want[64];
	const char *const up[] = { "-T", at("up.bin"), "-X", "POST", "-H",
		"Expect:", "https://api.test/upload", NULL };
	const char *const down[] = { "-o", "/dev/null", "-w", "%{size_download}",
		"https://api.test/download", NULL };
	double begun;
	int fd = open(at("up.bin"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)megabytes << 20) < 0)
		tap_ok(false, "a file to send");
	(void)close(fd);
	begun = seconds();
	(void)snprintf(
		want, sizeof(want), "POST /upload %llu\n", (unsigned long long)megabytes << 20);
	curl(up);
	tap_is(text_of(at("out.txt")), want, "an upload arrives whole");
	printf("# %u MiB in %.2f s\n", megabytes, seconds() - begun);
	begun = seconds();
	(void)snprintf(want, sizeof(want), "%llu", ((unsigned long long)megabytes << 20) + 16);
	curl(down);
	tap_is(text_of(at("out.txt")), want, "a download arrives whole");
	printf("# %u MiB in %.2f s\n", megabytes, seconds() - begun);
}

/* 40 requests at once on one connection, a trailer, a reset in the midst of a response. */
static void with_node(uint16_t entry)
{
	char port[8];
	static const char script[] =
		"const tls = require('tls');"
		"const c = require('http2').connect('https://api.test', {createConnection: () =>"
		"  tls.connect({host: '127.0.0.1', port: process.argv[1], servername: 'api.test',"
		"    ALPNProtocols: ['h2'], rejectUnauthorized: false})});"
		"c.on('error', e => { console.log('ERROR', e.message); process.exit(1); });"
		"let n = 0, trailers = 0;"
		"const one = (path, cut) => new Promise(done => {"
		"  const r = c.request({':path': path, ':method': 'POST', te: 'trailers'});"
		"  let text = '';"
		"  r.on('trailers', t => trailers += t['x-trailer'] === 'last');"
		"  r.on('data', d => { text += d; if (cut) r.close(8); });"
		"  r.on('error', () => {}); r.on('close', () => { n += text.endsWith(' 5\\n'); "
		"done(); });"
		"  r.end('hello'); });"
		"(async () => {"
		"  await Promise.all([...Array(40).keys()].map(i => one('/p' + i)));"
		"  await one('/download', true); await one('/last');"
		"  console.log(n, trailers, c.destroyed); c.close(); })();";
	const char *const argv[] = { "node", "-e", script, port, NULL };

	(void)snprintf(port, sizeof(port), "%u", entry);

	if (run((const char *const[]){ "node", "--version", NULL }, at("out.txt")) != 0) {
		tap_ok(true, "node is not there # SKIP");
		return;
	}
	tap_ok(run(argv, at("out.txt")) == 0 &&
			strcmp(text_of(at("out.txt")), "41 41 false\n") == 0,
		"node: 40 requests at once, trailers, a reset, and one more");
	printf("# %s", text_of(at("out.txt")));
}

int main(int argc, char **argv)
{
	uint16_t entry = 0;
	pid_t pid;
	int status;

	megabytes = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : megabytes;
	(void)snprintf(dir, sizeof(dir), "/tmp/proxy_h2_live.XXXXXX");
	if (mkdtemp(dir) == NULL || mkdir(at("profiles"), 0755) < 0 ||
		mkdir(at("config"), 0755) < 0 || mkdir(at("project"), 0755) < 0 ||
		mkdir(at("home"), 0755) < 0)
		return 1;
	if (run((const char *const[]){ "curl", "--version", NULL }, at("out.txt")) != 0 ||
		strstr(text_of(at("out.txt")), "HTTP2") == NULL) {
		printf("1..0 # SKIP no curl with HTTP/2\n");
		return 0;
	}
	enter_outside();
	pid = start(&entry);
	(void)snprintf(connect_to, sizeof(connect_to), "::127.0.0.1:%u", entry);
	tap_ok(pid > 0, "a proxy of the test's own");
	ordinary();
	large();
	with_node(entry);
	tap_ok(waitpid(pid, &status, WNOHANG) == 0, "the proxy lives");
	(void)kill(pid, SIGKILL);
	(void)run((const char *const[]){ "rm", "-rf", dir, NULL }, "/dev/null");
	return tap_done();
}
