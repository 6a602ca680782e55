/*
 * The world of proxy_rules: namespaces with an address of their own and names for it, servers that
 * accept and say nothing, a fake keeper, the proxy as the warden starts it, and clients.
 */
#ifndef TESTS_PROXY_WORLD_H
#define TESTS_PROXY_WORLD_H

#include "policy/policy.h"
#include "proxy/main.h"
#include "proxy_authority.h"
#include "proxy_keeper.h"
#include "tap.h"
#include "wire/proxymsg.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>

#define PUBLIC "8.8.4.4"
#define PROXY_PORT 3128

static const char profile[] = "[profile]\nname = default\n"
			      "[egress]\nallow = evil.test:443\n"
			      "[inject api]\nhost = api.test\nmethod = GET POST PUT HEAD DELETE\n"
			      "path = /v1/*\nheader = Authorization: Bearer {secret}\n"
			      "secret = env:TOKEN\n"
			      "[inject open]\nhost = open.test\nport = 443 80\nplain = yes\n"
			      "header = X-Api-Key: {secret}\nsecret = env:TOKEN\nelse = pass\n"
			      "[inject lone]\nhost = lone.test\nheader = X-Api-Key: {secret}\n"
			      "secret = env:TOKEN\n"
			      "[inject far]\nhost = far.test\nheader = X-Api-Key: {secret}\n"
			      "secret = env:TOKEN\n"
			      "[inject down]\nhost = down.test\nport = 444\n"
			      "header = X-Api-Key: {secret}\nsecret = env:TOKEN\n";
#define N_RULES 5
#define RULE_LONE 2 /* whose keeper is not there */

static const char hosts[] = "127.0.0.1 localhost\n" PUBLIC
			    " api.test open.test lone.test evil.test down.test\n10.1.2.3 far.test\n";

static int reports = -1; /* the warden's end */
static X509 *authority;
static BIO *authority_pem;
static pid_t proxy_pid;

_Noreturn static void fail(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	_exit(1);
}

static void write_file(const char *path, const char *text)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail(path);
}

/* ---- namespaces ---- */

static void enter_namespaces(void)
{
	char map[64];
	uid_t uid = getuid();
	gid_t gid = getgid();

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) < 0) {
		printf("1..0 # SKIP no user namespaces here: %s\n", strerror(errno));
		exit(0);
	}
	write_file("/proc/self/setgroups", "deny");
	(void)snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	write_file("/proc/self/uid_map", map);
	(void)snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	write_file("/proc/self/gid_map", map);
}

/* netdevice(7): an address of lo's own, and lo up. */
static void bring_up(const char *label, const char *address)
{
	AUTO_CLOSE int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = { .sin_family = AF_INET };
	struct ifreq r = { .ifr_flags = 0 };

	(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", label);
	(void)inet_pton(AF_INET, address, &a.sin_addr);
	memcpy(&r.ifr_addr, &a, sizeof(a));
	if (ioctl(sock, SIOCSIFADDR, &r) < 0)
		fail("address");
	r.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(sock, SIOCSIFFLAGS, &r) < 0)
		fail("lo up");
}

static void make_world(void)
{
	char dir[] = "/tmp/proxy_rules.XXXXXX", path[64];

	enter_namespaces();
	bring_up("lo", "127.0.0.1");
	bring_up("lo:1", PUBLIC);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mkdtemp(dir) == NULL)
		fail("private mounts");
	(void)snprintf(path, sizeof(path), "%s/hosts", dir);
	write_file(path, hosts);
	if (mount(path, "/etc/hosts", NULL, MS_BIND, NULL) < 0)
		fail("mount /etc/hosts");
	(void)unlink(path);
	(void)rmdir(dir);
}

/* ---- what is outside ---- */

static int listen_on(const char *address, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	(void)inet_pton(AF_INET, address, &a.sin_addr);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 512) < 0)
		fail("listen");
	return fd;
}

/* Accepts, says nothing, and hangs up when the other end does. */
static void run_server(uint16_t port)
{
	int listener = listen_on(PUBLIC, port);

	if (fork() != 0) {
		(void)close(listener);
		return;
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		(void)close(accept(listener, NULL, NULL));
}

/* ---- the proxy ---- */

static struct policy *make_policy(void)
{
	char dir[] = "/tmp/proxy_rules.XXXXXX", path[64];
	struct policy_request request = { .project = "/tmp",
		.home = "/nonexistent",
		.config_dir = "/nonexistent/config",
		.profiles_dir = dir,
		.system_file = "/nonexistent/system.ini" };
	struct policy *policy;
	struct err err;

	if (mkdtemp(dir) == NULL)
		fail("temporary directory");
	(void)snprintf(path, sizeof(path), "%s/default.ini", dir);
	write_file(path, profile);
	if (policy_load(&request, &policy, &err) < 0) {
		printf("Bail out! %s\n", err.text);
		_exit(1);
	}
	(void)unlink(path);
	(void)rmdir(dir);
	return policy;
}

static int make_keeper(size_t rule)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		fail("socketpair");
	if (rule != RULE_LONE && fork() == 0)
		run_keeper(pair[1]);
	(void)close(pair[1]);
	return pair[0];
}

static int authority_file(void)
{
	int fd = memfd_create("authority", MFD_CLOEXEC);
	char *pem;
	long n;

	authority_pem = BIO_new(BIO_s_mem());
	authority = make_authority(authority_pem, "critical,permitted;DNS:test");
	n = BIO_get_mem_data(authority_pem, &pem);
	if (authority == NULL || write_all(fd, pem, (size_t)n) < 0)
		fail("authority");
	return fd;
}

static void exec_proxy(int *fds, size_t n)
{
	char rules[16];

	for (size_t i = 3; i < n; i++)
		fds[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD, 100);
	for (int i = 3; i < (int)n; i++) {
		(void)close(i);
		if (fds[i] >= 0)
			(void)dup2(fds[i], i);
	}
	(void)snprintf(rules, sizeof(rules), "%d", N_RULES);
	execl("/proc/self/exe", "agentjail", "@proxy", "0", rules, (char *)NULL);
	fail("exec");
}

static void start_proxy(void)
{
	struct policy *policy = make_policy();
	struct err err;
	int fds[PROXY_FD_LOCALHOST + N_RULES], pair[2];
	size_t n = PROXY_FD_LOCALHOST + N_RULES;

	for (size_t i = 0; i < n; i++)
		fds[i] = -1;
	fds[PROXY_FD_POLICY] = memfd_create("policy", MFD_CLOEXEC);
	if (policy_dump(policy, fds[PROXY_FD_POLICY], &err) < 0 ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		fail("policy");
	policy_free(policy);
	(void)lseek(fds[PROXY_FD_POLICY], 0, SEEK_SET);
	fds[PROXY_FD_WARDEN] = pair[1];
	fds[PROXY_FD_AUTHORITY] = authority_file();
	fds[PROXY_FD_PROXY] = listen_on("127.0.0.1", PROXY_PORT);
	for (size_t i = 0; i < N_RULES; i++)
		fds[PROXY_FD_LOCALHOST + i] = make_keeper(i);
	reports = pair[0];
	proxy_pid = fork();
	if (proxy_pid == 0)
		exec_proxy(fds, n);
	for (size_t i = 3; i < n; i++)
		cleanup_close(&fds[i]);
}

/* ---- reports ---- */

/* The next report of this type within two seconds; others are skipped. */
__attribute__((unused)) static const struct proxymsg *next_report(enum proxymsg_type type)
{
	static struct proxymsg msg;
	struct pollfd p = { .fd = reports, .events = POLLIN };

	while (poll(&p, 1, 2000) > 0) {
		ssize_t n = recv(reports, &msg, sizeof(msg), MSG_DONTWAIT);

		if (n <= 0)
			break;
		if (!proxymsg_is_valid(&msg, (size_t)n))
			fail("an invalid report");
		if (msg.type == PROXYMSG_DENIED)
			(void)send(reports, "", 1, MSG_NOSIGNAL);
		if (msg.type == type)
			return &msg;
	}
	memset(&msg, 0, sizeof(msg));
	return &msg;
}

__attribute__((unused)) static void drop_reports(void)
{
	struct proxymsg msg;
	struct pollfd p = { .fd = reports, .events = POLLIN };

	while (poll(&p, 1, 50) > 0 && recv(reports, &msg, sizeof(msg), MSG_DONTWAIT) > 0)
		continue;
}

/* ---- clients ---- */

static int dial_proxy(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(PROXY_PORT) };
	const struct timeval tv = { .tv_sec = 5 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	(void)inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		fail("connect to the proxy");
	return fd;
}

/* CONNECT target; the proxy's answer is read. */
static int dial_connect(const char *target)
{
	char request[512], reply[512];
	int fd = dial_proxy();
	size_t n = 0;

	(void)snprintf(request, sizeof(request), "CONNECT %s HTTP/1.1\r\n\r\n", target);
	(void)write_all(fd, request, strlen(request));
	while (n < sizeof(reply) - 1 && read(fd, reply + n, 1) == 1) {
		reply[++n] = '\0';
		if (strstr(reply, "\r\n\r\n") != NULL)
			break;
	}
	reply[n] = '\0';
	if (strstr(reply, " 200 ") == NULL) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

struct client {
	int fd;
	SSL *ssl;
};

static SSL_CTX *client_ctx(bool trusts)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (trusts)
		(void)X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), authority);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	(void)X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_X509_STRICT);
	return ctx;
}

static void set_name(SSL *ssl, const char *name)
{
	(void)SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
		(void *)(size_t)name);
}

/* TLS over a connection, with this server name (NULL: none). False: the handshake failed. */
static bool start_client(struct client *c, int fd, const char *name, bool trusts)
{
	SSL_CTX *ctx = client_ctx(trusts);

	c->fd = fd;
	c->ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	(void)SSL_set_fd(c->ssl, fd);
	if (name != NULL) {
		set_name(c->ssl, name);
		(void)SSL_set1_host(c->ssl, name);
	}
	return SSL_connect(c->ssl) == 1;
}

static void close_client(struct client *c)
{
	SSL_free(c->ssl);
	cleanup_close(&c->fd);
	c->ssl = NULL;
}

static struct client connect_to(const char *name)
{
	struct client c;
	char target[300];

	(void)snprintf(target, sizeof(target), "%s:443", name);
	if (!start_client(&c, dial_connect(target), name, true))
		fail("TLS handshake");
	return c;
}

static void client_write(struct client *c, const char *bytes, size_t n)
{
	while (n > 0) {
		int sent = SSL_write(c->ssl, bytes, (int)n);

		if (sent <= 0)
			return;
		bytes += sent;
		n -= (size_t)sent;
	}
}

static void client_say(struct client *c, const char *text)
{
	client_write(c, text, strlen(text));
}

/* Reads until `until` was seen, the end, or a time-out; what came, terminated. */
static const char *client_read(struct client *c, const char *until)
{
	static char text[1 << 20];
	size_t n = 0;
	int got;

	text[0] = '\0';
	while (n < sizeof(text) - 1 && (until == NULL || strstr(text, until) == NULL)) {
		got = c->ssl != NULL ? SSL_read(c->ssl, text + n, (int)(sizeof(text) - 1 - n))
				     : (int)read(c->fd, text + n, sizeof(text) - 1 - n);
		if (got <= 0)
			break;
		for (int i = 0; i < got; i++) {
			if (text[n + (size_t)i] == '\0')
				text[n + (size_t)i] = '0';
		}
		n += (size_t)got;
		text[n] = '\0';
	}
	return text;
}

/* One connection to name, one text said, all that comes back until the end. */
static const char *ask(const char *name, const char *text)
{
	struct client c = connect_to(name);
	const char *reply;

	client_say(&c, text);
	reply = client_read(&c, NULL);
	close_client(&c);
	return reply;
}

/* As a keeper of api.test saw it: a request with these lines behind the first, answered as echo. */
__attribute__((unused)) static const char *echo(const char *line, const char *fields)
{
	static char text[100000];

	(void)snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n%s\r\n",
		line, fields);
	return ask("api.test", text);
}

static bool has(const char *text, const char *part)
{
	return strcasestr(text, part) != NULL;
}

__attribute__((unused)) static unsigned count(const char *text, const char *part)
{
	unsigned n = 0;

	for (const char *p = text; (p = strcasestr(p, part)) != NULL; p += strlen(part))
		n++;
	return n;
}

__attribute__((unused)) static bool is_status(const char *text, const char *status)
{
	return strncmp(text, "HTTP/1.1 ", 9) == 0 && strncmp(text + 9, status, 3) == 0;
}

/* Shown when the test before it failed. */
static void show(bool ok, const char *text)
{
	if (!ok)
		printf("# got: %.600s\n", text);
}

#define OK(condition, text, ...) show(tap_ok(condition, __VA_ARGS__), text)

/* ---- all of it ---- */

static void start_world(void)
{
	kept = mmap(NULL, sizeof(*kept), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (kept == MAP_FAILED)
		fail("shared memory");
	(void)signal(SIGPIPE, SIG_IGN);
	make_world();
	run_server(443);
	run_server(80);
	start_proxy();
}

static int end_world(void)
{
	tap_ok(kill(proxy_pid, 0) == 0 && waitpid(proxy_pid, NULL, WNOHANG) == 0,
		"the proxy is still there");
	(void)kill(proxy_pid, SIGKILL);
	return tap_done();
}

#endif
