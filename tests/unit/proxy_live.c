/*
 * Proves that the cell's network and the proxy do together what they promise: names, allowed and
 * denied; literal addresses; localhost; what TLS and HTTP say must agree with the name; CONNECT,
 * absolute-form and SOCKS; exact half-close; audit messages. Runs as any user.
 *
 * "Outside" is a user, mount and network namespace of the test's own: its lo has public and private
 * addresses, its /etc/hosts the names, so the proxy runs as it does in earnest, with no switch for
 * tests. "The cell" is a second network namespace inside.
 */
#include "proxy_outside.h"

/* ---- clients in the cell ---- */

static int dial(const char *address, uint16_t port)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	const struct timeval tv = { .tv_sec = 5 };
	bool is4 = inet_pton(AF_INET, address, &a4.sin_addr) == 1;
	int fd = socket(is4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (!is4 && inet_pton(AF_INET6, address, &a6.sin6_addr) != 1)
		fail(address);
	if ((is4 ? connect(fd, (struct sockaddr *)&a4, sizeof(a4))
		 : connect(fd, (struct sockaddr *)&a6, sizeof(a6))) < 0) {
		int code = errno;

		(void)close(fd);
		return -code;
	}
	return fd;
}

/* The address that the cell's resolver gives to a name, as text; "" for none. */
static const char *look_up(const char *name, uint16_t type)
{
	static char text[INET6_ADDRSTRLEN];
	unsigned char q[300] = { 0x12, 0x34, 1, 0, 0, 1 }, a[700];
	size_t n = 12;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(53) };
	const struct timeval tv = { .tv_sec = 3 };
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM, 0);
	ssize_t got;

	for (const char *p = name; *p != '\0'; p += *p == '.') {
		size_t label = strcspn(p, ".");

		q[n++] = (unsigned char)label;
		memcpy(q + n, p, label);
		n += label;
		p += label;
	}
	n++;
	q[n + 1] = (unsigned char)type;
	q[n + 3] = 1;
	n += 4;
	text[0] = '\0';
	/* Not the one of resolv.conf: whoever is asked, the cell's own resolver answers. */
	(void)inet_pton(AF_INET, "9.9.9.9", &to.sin_addr);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	(void)sendto(fd, q, n, 0, (struct sockaddr *)&to, sizeof(to));
	got = recv(fd, a, sizeof(a), 0);
	if (got >= 4 && a[7] == 1)
		(void)inet_ntop(AF_INET, a + got - 4, text, sizeof(text));
	return text;
}

static int dial_name(const char *name, uint16_t port)
{
	return dial(look_up(name, 1), port);
}

/* Reads until the end or an error: what came, then "<RESET>" or "<TIMEOUT>" if it was one. */
static const char *read_all(int fd)
{
	static char text[65536];
	size_t n = 0;
	ssize_t got;

	while (n < sizeof(text) - 16 && (got = read(fd, text + n, sizeof(text) - 16 - n)) > 0)
		n += (size_t)got;
	if (n < sizeof(text) - 16 && got < 0)
		n += (size_t)snprintf(
			text + n, 16, "%s", errno == ECONNRESET ? "<RESET>" : "<TIMEOUT>");
	text[n] = '\0';
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\0')
			text[i] = '0';
	}
	return text;
}

/* Sends, ends the stream, reads all. */
static const char *talk(int fd, const void *bytes, size_t n)
{
	AUTO_CLOSE int owned = fd;

	if (fd < 0)
		return strerror(-fd);
	/* The first call after a reset takes the error; the later ones see an end. */
	if (send(fd, bytes, n, MSG_NOSIGNAL) < 0 || shutdown(fd, SHUT_WR) < 0)
		return "<RESET>";
	return read_all(owned);
}

static const char *say(int fd, const char *text)
{
	return talk(fd, text, strlen(text));
}

/* The next report of this type within two seconds; others are skipped. */
static const struct proxymsg *next_report(enum proxymsg_type type)
{
	static struct proxymsg msg;
	struct pollfd p = { .fd = reports, .events = POLLIN };

	while (poll(&p, 1, 2000) > 0) {
		ssize_t n = recv(reports, &msg, sizeof(msg), MSG_DONTWAIT);

		if (n <= 0)
			break;
		if (!proxymsg_is_valid(&msg, (size_t)n))
			fail("an invalid report");
		if (msg.type == type)
			return &msg;
	}
	memset(&msg, 0, sizeof(msg));
	return &msg;
}

static void drop_reports(void)
{
	struct proxymsg msg;
	struct pollfd p = { .fd = reports, .events = POLLIN };

	while (poll(&p, 1, 100) > 0 && recv(reports, &msg, sizeof(msg), MSG_DONTWAIT) > 0)
		continue;
}

/* ---- the tests ---- */

/* A ClientHello for name (NULL: without the extension): its length. */
static size_t hello(unsigned char *out, const char *name)
{
	size_t name_n = name != NULL ? strlen(name) : 0, ext_n = name != NULL ? 9 + name_n : 0;
	size_t body = 2 + 32 + 1 + 4 + 2 + 2 + ext_n;
	unsigned char *p = out;

	memset(out, 0, 9 + body);
	*p++ = 22, *p++ = 3, *p++ = 1, *p++ = (unsigned char)((body + 4) >> 8);
	*p++ = (unsigned char)(body + 4);
	*p++ = 1, *p++ = 0, *p++ = (unsigned char)(body >> 8), *p++ = (unsigned char)body;
	*p++ = 3, *p++ = 3;
	p += 32 + 1;
	*p++ = 0, *p++ = 2, *p++ = 0x13, *p++ = 1;
	*p++ = 1, *p++ = 0;
	*p++ = 0, *p++ = (unsigned char)ext_n;
	if (name != NULL) {
		*p++ = 0, *p++ = 0, *p++ = 0, *p++ = (unsigned char)(name_n + 5);
		*p++ = 0, *p++ = (unsigned char)(name_n + 3), *p++ = 0;
		*p++ = 0, *p++ = (unsigned char)name_n;
		memcpy(p, name, name_n);
		p += name_n;
	}
	return (size_t)(p - out);
}

static void test_names(void)
{
	char first[INET6_ADDRSTRLEN];

	(void)snprintf(first, sizeof(first), "%s", look_up("allowed.test", 1));
	tap_ok(strncmp(first, "198.18.", 7) == 0,
		"a name gets a synthetic address, whoever is asked");
	tap_is(look_up("ALLOWED.test", 1), first, "the same one again");
	tap_is(look_up("allowed.test", 28), "", "and no IPv6 one");
	tap_ok(strncmp(look_up("secret-data.evil.test", 1), "198.18.", 7) == 0,
		"denied names get one too");
	tap_is(look_up("localhost", 1), "127.0.0.1", "localhost is the cell's own");
	tap_is(look_up("wpad", 1), "", "a short name does not exist");
}

static void test_allowed(void)
{
	const struct proxymsg *r;

	tap_is(say(dial_name("allowed.test", 7000), "\x01 some bytes"), "\x01 some bytesEND",
		"an allowed name: bytes pass, half-close is exact");
	r = next_report(PROXYMSG_ALLOWED);
	tap_is(r->host, "allowed.test", "it is reported by name");
	tap_is(r->address, PUBLIC, "with the address that was dialled");
	tap_ok(r->port == 7000 && r->server_port == 7000 && r->server[0] == 198 &&
			r->client_port != 0,
		"and both ends as the cell has them");
	tap_ok(strstr(r->rule, "egress.allow allowed.test:7000") != NULL, "and the line: %s",
		r->rule);
	r = next_report(PROXYMSG_CLOSED);
	tap_ok(r->bytes_out == 12 && r->bytes_in == 15, "its end is reported with byte counts");
}

static void test_denied(void)
{
	const struct proxymsg *r;
	int fd = dial_name("evil.test", 443);

	tap_is(say(fd, ""), "<RESET>", "a denied name: reset");
	r = next_report(PROXYMSG_DENIED);
	tap_is(r->host, "evil.test", "reported by name");
	tap_ok(r->port == 443, "and port: %s", r->reason);
	tap_is(say(dial_name("allowed.test", 25), ""), "<RESET>",
		"another port of an allowed name: reset");
	tap_is(say(dial_name("rebind.test", 80), ""), "<RESET>",
		"a name that resolves to a private address");
	(void)next_report(PROXYMSG_DENIED);
	r = next_report(PROXYMSG_DENIED);
	tap_ok(strcmp(r->host, "rebind.test") == 0 && strcmp(r->address, PRIVATE) == 0,
		"reported with it: %s", r->reason);
	tap_is(say(dial_name("metadata.test", 80), ""), "<RESET>",
		"a name that resolves to metadata");
	tap_is(say(dial_name("intranet.test", 80), "GET / HTTP/1.1\r\nHost: intranet.test\r\n\r\n"),
		"GET / HTTP/1.1\r\nHost: intranet.test\r\n\r\nEND",
		"a private name that policy lists: fine");
	tap_is(say(dial_name("allowed.test", 9999), ""), "<RESET>",
		"allowed but nobody listens: reset");
	r = next_report(PROXYMSG_FAILED);
	tap_ok(r->port == 9999, "reported as failed: %s", r->reason);
	tap_is(say(dial_name("missing.test", 80), ""), "<RESET>", "allowed but not found: reset");
	tap_ok(strcmp(next_report(PROXYMSG_FAILED)->host, "missing.test") == 0,
		"reported as failed");
	tap_ok(dial("198.18.77.77", 80) >= 0, "an address nobody was given connects");
	tap_ok(strstr(next_report(PROXYMSG_DENIED)->reason, "no name") != NULL, "and is denied");
}

static void test_literals(void)
{
	const struct proxymsg *r;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(123) };
	AUTO_CLOSE int udp = socket(AF_INET, SOCK_DGRAM, 0);
	char byte;

	drop_reports();
	tap_ok(dial("1.2.3.4", 443) == -ECONNREFUSED, "a literal address: refused at once");
	r = next_report(PROXYMSG_DENIED);
	tap_ok(r->via == PROXYMSG_LITERAL && strcmp(r->host, "1.2.3.4") == 0 && r->port == 443 &&
			r->client_port != 0,
		"reported from the log");
	tap_ok(dial("2001:db8::1", 443) == -ECONNREFUSED, "an IPv6 one too");
	tap_is(next_report(PROXYMSG_DENIED)->host, "2001:db8::1", "reported");
	tap_ok(dial("169.254.169.254", 80) == -ECONNREFUSED, "metadata");
	tap_ok(dial(PRIVATE, 80) == -ECONNREFUSED, "another port of an allowed literal");
	tap_is(say(dial(PRIVATE, 5555), "\x02x"), "\x02xEND",
		"an allowed literal address and port");
	(void)inet_pton(AF_INET, "1.2.3.4", &a.sin_addr);
	(void)connect(udp, (struct sockaddr *)&a, sizeof(a));
	(void)send(udp, "x", 1, 0);
	tap_ok(recv(udp, &byte, 1, 0) < 0 && errno == ECONNREFUSED, "UDP is refused at once");
	tap_ok(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP) < 0 && errno == EACCES,
		"ping has no socket");
	tap_is(say(dial("127.0.0.1", 5432), "db"), "dbEND",
		"localhost:PORT reaches the host's loopback");
	tap_is(say(dial("::1", 5432), "db"), "dbEND", "from ::1 as well");
	tap_ok(dial("127.0.0.1", 5433) == -ECONNREFUSED, "other ports are the cell's own");
	tap_ok(dial("127.0.0.1", NETPLAN_REDIRECT_PORT) >= 0, "the redirect port itself connects");
	drop_reports();
}

static void test_tls(void)
{
	unsigned char h[512];
	size_t n = hello(h, "allowed.test");
	const char *got = talk(dial_name("allowed.test", 443), h, n);

	tap_ok(strlen(got) == n + 3 && strcmp(got + n, "END") == 0, "the right server name passes");
	n = hello(h, "evil.test");
	got = talk(dial_name("allowed.test", 443), h, n);
	tap_ok(memcmp(got, "\x15\x03\x03\x30\x02\x02\x31", 8) == 0, "another one: alert");
	tap_ok(strstr(next_report(PROXYMSG_DENIED)->reason, "evil.test is not allowed.test") !=
			NULL,
		"and a report that names both");
	n = hello(h, NULL);
	tap_ok(talk(dial_name("allowed.test", 443), h, n)[0] == 0x15, "none: alert");
	n = hello(h, "evil.test");
	tap_ok(talk(dial_name("allowed.test", 7000), h, n)[0] == 0x15, "on any port");
	n = hello(h, "allowed.test");
	tap_is(talk(dial_name("allowed.test", 443), h, n - 3), "<RESET>",
		"one that is cut off: reset");
}

static void test_http(void)
{
	static const char good[] = "GET /a HTTP/1.1\r\nHost: allowed.test\r\n\r\n";
	char two[256];
	const char *got;

	tap_is(say(dial_name("allowed.test", 80), good),
		"GET /a HTTP/1.1\r\nHost: allowed.test\r\n\r\nEND",
		"a request for the name passes");
	got = say(dial_name("allowed.test", 80), "GET /a HTTP/1.1\r\nHost: other.test\r\n\r\n");
	tap_ok(strncmp(got, "HTTP/1.1 421 ", 13) == 0, "for another allowed name on it: 421");
	(void)snprintf(
		two, sizeof(two), "%s%s", good, "GET /b HTTP/1.1\r\nHost: other.test\r\n\r\n");
	got = say(dial_name("allowed.test", 80), two);
	tap_ok(strstr(got, "/b") == NULL && strstr(got, "421 Misdirected") != NULL,
		"as second request: 421");
	got = say(dial_name("allowed.test", 80),
		"CONNECT evil.test:443 HTTP/1.1\r\nHost: allowed.test\r\n\r\n");
	tap_ok(strncmp(got, "HTTP/1.1 400 ", 13) == 0, "CONNECT: 400");
	got = say(dial_name("allowed.test", 80), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	tap_ok(strncmp(got, "HTTP/1.1 400 ", 13) == 0, "HTTP/2 without TLS: 400");
	got = say(dial_name("allowed.test", 80), "\x01\x02\r\n\r\n");
	tap_ok(strncmp(got, "HTTP/1.1 400 ", 13) == 0, "no HTTP on port 80: 400");
	got = say(dial_name("allowed.test", 7000), "GET /a HTTP/1.1\r\nHost: other.test\r\n\r\n");
	tap_ok(strncmp(got, "HTTP/1.1 421 ", 13) == 0, "HTTP on any port is judged");
	got = say(dial_name("allowed.test", 8080),
		"GET / HTTP/1.1\r\nHost: allowed.test:8080\r\nConnection: Upgrade\r\n"
		"Upgrade: websocket\r\n\r\n\x81\x01x");
	tap_is(got, "HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x01xEND", "a WebSocket passes");
	got = say(dial_name("allowed.test", 8080),
		"GET / HTTP/1.1\r\nHost: allowed.test:8080\r\nConnection: Upgrade, "
		"HTTP2-Settings\r\n"
		"Upgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n");
	tap_is(got, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nEND",
		"an upgrade to h2c is not asked for");
	drop_reports();
}

static void test_server_first(void)
{
	AUTO_CLOSE int fd = dial_name("allowed.test", 22);
	char bytes[64];
	ssize_t n = read(fd, bytes, sizeof(bytes));

	tap_ok(n == 14 && memcmp(bytes, "SSH-2.0-test\r\n", 14) == 0, "a server may speak first");
	(void)send(fd, "SSH-2.0-client\r\n", 16, MSG_NOSIGNAL);
	n = read(fd, bytes, sizeof(bytes));
	tap_ok(n == 16 && memcmp(bytes, "SSH-2.0-client\r\n", 16) == 0, "and the client answers");
}

static void test_big(void)
{
	AUTO_CLOSE int fd = dial_name("allowed.test", 7001);
	static char bytes[65536];
	size_t total = 0;
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		total += (size_t)n;
	tap_ok(n == 0 && total == BIG_BYTES, "8 MiB arrive whole: %zu", total);
}

static void test_proxy(void)
{
	static const char connect_ok[] =
		"CONNECT allowed.test:7000 HTTP/1.1\r\nHost: x\r\n\r\n\x01hi";
	const char *got;
	uint16_t port = NETPLAN_PROXY_PORT;

	drop_reports();
	tap_is(say(dial("127.0.0.1", port), connect_ok),
		"HTTP/1.1 200 Connection established\r\n\r\n\x01hiEND",
		"CONNECT to an allowed name");
	tap_ok(next_report(PROXYMSG_ALLOWED)->via == PROXYMSG_CONNECT, "is reported");
	got = say(dial("127.0.0.1", port), "CONNECT evil.test:443 HTTP/1.1\r\n\r\n");
	tap_ok(strncmp(got, "HTTP/1.1 403 ", 13) == 0, "to a denied one: 403");
	got = say(dial("127.0.0.1", port), "CONNECT 127.1:5432 HTTP/1.1\r\n\r\n");
	tap_ok(strncmp(got, "HTTP/1.1 400 ", 13) == 0, "to a number that is no address: 400");
	got = say(dial("127.0.0.1", port), "CONNECT allowed.test:9999 HTTP/1.1\r\n\r\n");
	tap_ok(strncmp(got, "HTTP/1.1 502 ", 13) == 0, "to one that does not answer: 502");
	got = say(dial("127.0.0.1", port),
		"GET http://allowed.test/x?y HTTP/1.1\r\nHost: allowed.test\r\n"
		"Proxy-Connection: keep-alive\r\nProxy-Authorization: x\r\n\r\n");
	tap_is(got, "GET /x?y HTTP/1.1\r\nHost: allowed.test\r\nConnection: close\r\n\r\nEND",
		"absolute-form becomes origin-form, one request");
	got = say(dial("127.0.0.1", port),
		"GET http://allowed.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n");
	tap_ok(strncmp(got, "HTTP/1.1 421 ", 13) == 0, "with another Host: 421");
	got = talk(dial("127.0.0.1", port),
		"\x05\x01\0\x05\x01\0\x03\x0c"
		"allowed.test\x1b\x58\x01yo",
		25);
	tap_ok(memcmp(got,
		       "\x05"
		       "0\x05"
		       "00\x01",
		       6) == 0 &&
			strstr(got, "\x01yoEND") != NULL,
		"SOCKS5 to an allowed name");
	got = talk(dial("127.0.0.1", port),
		"\x05\x01\0\x05\x01\0\x03\x09"
		"evil.test\x01\xbb",
		19);
	tap_ok(got[3] == 2, "SOCKS5 to a denied one");
	got = talk(dial("127.0.0.1", port),
		"\x05\x01\0\x05\x01\0\x03\x16"
		"evil.test\0allowed.test\x1b\x58",
		32);
	tap_ok(got[3] == 2, "SOCKS5 with a NUL in the name");
	got = talk(dial("127.0.0.1", port), "\x04\x01\x1b\x58\0\0\0\1me\0allowed.test\0\x01zz", 27);
	tap_ok(got[1] == 90 && strstr(got, "\x01zzEND") != NULL, "SOCKS4a");
	drop_reports();
}

static void test_real_names(void)
{
	drop_reports();
	tap_is(say(dial_name("dns.test", 7000), "\x01x"), "\x01xEND", "a name from a name server");
	tap_is(say(dial_name("flip.test", 7000), "\x01x"), "\x01xEND",
		"the address that was judged is dialled");
	(void)usleep(1100 * 1000); /* what may not be kept is kept for a second */
	tap_is(say(dial_name("flip.test", 7000), "\x01x"), "<RESET>",
		"one that has changed is judged anew");
	(void)look_up("c2VjcmV0.evil.test", 1);
	(void)look_up("c2VjcmV0.dns.test", 1);
	(void)say(dial_name("c2VjcmV0.evil.test", 443), "");
	tap_ok(strstr(asked, "dns.test") != NULL, "allowed names were asked for: %s", asked);
	tap_ok(strstr(asked, "c2VjcmV0") == NULL && strstr(asked, "evil") == NULL,
		"nothing of a denied name ever left");
	tap_ok(strstr(asked, "missing.test") != NULL, "though this one did");
}

static int run_cell(int up)
{
	char byte;

	if (read(up, &byte, 1) != 1)
		return 1;
	test_names();
	test_allowed();
	test_denied();
	test_literals();
	test_tls();
	test_http();
	test_server_first();
	test_big();
	test_proxy();
	test_real_names();
	return tap_done();
}

/* ---- putting it together ---- */

static struct policy *make_policy(void)
{
	char dir[] = "/tmp/proxy_live.XXXXXX", path[64];
	struct policy_request request = { .project = "/tmp",
		.home = "/nonexistent",
		.config_dir = "/nonexistent/config",
		.profiles_dir = dir,
		.system_file = "/nonexistent/system.ini",
		.overrides = overrides,
		.n_overrides = ARRAY_LEN(overrides) };
	struct policy *policy;
	struct err err;

	if (mkdtemp(dir) == NULL)
		fail("temporary directory");
	(void)snprintf(path, sizeof(path), "%s/default.ini", dir);
	write_file(path, "[profile]\nname = default\n");
	if (policy_load(&request, &policy, &err) < 0) {
		printf("Bail out! %s\n", err.text);
		_exit(1);
	}
	(void)unlink(path);
	(void)rmdir(dir);
	return policy;
}

static void start_proxy(const struct net_sockets *s, const struct policy *policy, int warden)
{
	char n_localhost[16];
	struct err err;
	int fds[PROXY_FD_LOCALHOST + 2 * PLACE_LOCALHOST_MAX];
	int n = PROXY_FD_LOCALHOST + (int)(s->n - NET_FD_LOCALHOST);

	if (fork() != 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = -1;
	fds[PROXY_FD_POLICY] = memfd_create("policy", MFD_CLOEXEC);
	if (policy_dump(policy, fds[PROXY_FD_POLICY], &err) < 0)
		fail(err.text);
	(void)lseek(fds[PROXY_FD_POLICY], 0, SEEK_SET);
	fds[PROXY_FD_WARDEN] = warden;
	for (int i = NET_FD_TCP4; i <= NET_FD_NFLOG; i++)
		fds[PROXY_FD_TCP4 + i] = s->fds[i];
	for (int i = PROXY_FD_LOCALHOST; i < n; i++)
		fds[i] = s->fds[NET_FD_LOCALHOST + i - PROXY_FD_LOCALHOST];
	for (int i = 3; i < n; i++)
		fds[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD, 100);
	for (int i = 3; i < n; i++) {
		(void)close(i);
		if (fds[i] >= 0)
			(void)dup2(fds[i], i);
	}
	(void)snprintf(n_localhost, sizeof(n_localhost), "%d", n - PROXY_FD_LOCALHOST);
	execl("/proc/self/exe", "agentjail", "@proxy", n_localhost, (char *)NULL);
	fail("exec");
}

static pid_t start_cell(int pair[2], const struct policy *policy)
{
	struct net_request request;
	struct net_sockets sockets;
	struct err err;
	unsigned char there[NET_FD_COUNT];
	int fds[NET_FD_COUNT];
	size_t n = 0;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	enter_namespaces(0);
	if (net_request_from(policy, &request, &err) < 0 ||
		net_setup(&request, &sockets, &err) < 0) {
		printf("Bail out! %s\n", err.text);
		_exit(1);
	}
	for (size_t i = 0; i < NET_FD_COUNT; i++) {
		there[i] = sockets.fds[i] >= 0;
		if (there[i])
			fds[n++] = sockets.fds[i];
	}
	if (fdpass_send(pair[1], there, sizeof(there), fds, n) < 0)
		fail("send sockets");
	net_done(&sockets);
	(void)close(pair[0]);
	_exit(run_cell(pair[1]));
}

static void receive_sockets(int sock, struct net_sockets *ret)
{
	unsigned char there[NET_FD_COUNT];
	int fds[NET_FD_COUNT];
	size_t n = 0, next = 0;

	if (fdpass_recv(sock, there, sizeof(there), fds, ARRAY_LEN(fds), &n) != sizeof(there))
		fail("the cell has no network");
	for (size_t i = 0; i < NET_FD_COUNT; i++) {
		ret->fds[i] = there[i] ? fds[next++] : -1;
		if (i >= NET_FD_LOCALHOST && there[i])
			ret->n = i + 1;
	}
}

int main(int argc, char **argv)
{
	struct net_sockets sockets = { .n = NET_FD_LOCALHOST };
	struct policy *policy;
	int pair[2], warden[2], status;
	pid_t pid;

	if (argc > 1 && strcmp(argv[1], "@proxy") == 0)
		return proxy_main(argc, argv);
	setbuf(stdout, NULL);
	policy = make_policy();
	make_outside();
	run_name_server();
	for (size_t i = 0; i < ARRAY_LEN(servers); i++)
		run_server(&servers[i]);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, warden) < 0)
		fail("socketpair");
	reports = warden[0];
	pid = start_cell(pair, policy);
	(void)close(pair[1]);
	receive_sockets(pair[0], &sockets);
	start_proxy(&sockets, policy, warden[1]);
	(void)close(warden[1]);
	(void)close(warden[0]);
	policy_free(policy);
	(void)send(pair[0], "x", 1, MSG_NOSIGNAL);
	if (waitpid(pid, &status, 0) < 0)
		fail("wait");
	return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}
