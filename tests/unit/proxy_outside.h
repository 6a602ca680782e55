/*
 * The world outside of proxy_live's cell: namespaces with addresses of their own, servers, and a
 * name server that counts what it is asked.
 */
#ifndef TESTS_PROXY_OUTSIDE_H
#define TESTS_PROXY_OUTSIDE_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "cell/net.h"
#include "cell/net_msg.h"
#include "policy/policy.h"
#include "proxy/main.h"
#include "tap.h"
#include "wire/fdpass.h"
#include "wire/netplan.h"
#include "wire/proxymsg.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define PUBLIC "8.8.4.4"   /* allowed.test and its like */
#define PRIVATE "10.1.2.3" /* rebind.test and intranet.test */
#define BIG_BYTES (8u << 20)

static const char *const overrides[] = {
	"egress.allow=allowed.test:443",
	"egress.allow=allowed.test:80",
	"egress.allow=allowed.test:22",
	"egress.allow=allowed.test:7000",
	"egress.allow=allowed.test:7001",
	"egress.allow=allowed.test:8080",
	"egress.allow=allowed.test:9999",
	"egress.allow=other.test:80",
	"egress.allow=rebind.test:80",
	"egress.allow=intranet.test:80",
	"egress.private=intranet.test",
	"egress.allow=missing.test:80",
	"egress.allow=localhost:5432",
	"egress.allow=10.1.2.3:5555",
	"egress.allow=metadata.test:80",
	"egress.allow=dns.test:7000",
	"egress.allow=flip.test:7000",
};

static const char hosts[] = "127.0.0.1 localhost\n" PUBLIC " allowed.test other.test\n" PRIVATE
			    " rebind.test intranet.test\n169.254.169.254 metadata.test\n";

static int reports = -1; /* the warden's end */

/* What the name server outside was asked, all questions in a row; shared with its process. */
static char *asked;
#define ASKED_BYTES 65536

_Noreturn static void fail(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	_exit(1);
}

/* ---- namespaces ---- */

static void write_file(const char *path, const char *text)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail(path);
}

static void enter_namespaces(int extra)
{
	char map[64];
	uid_t uid = getuid();
	gid_t gid = getgid();

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET | extra) < 0) {
		printf("1..0 # SKIP no user namespaces here: %s\n", strerror(errno));
		exit(0);
	}
	write_file("/proc/self/setgroups", "deny");
	(void)snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	write_file("/proc/self/uid_map", map);
	(void)snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	write_file("/proc/self/gid_map", map);
}

static void add_address(struct net_msg *m, const char *text)
{
	struct ifaddrmsg ifa = { .ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = 1 };
	struct in_addr in;

	if (inet_pton(AF_INET, text, &in) != 1)
		fail(text);
	net_msg_begin(m, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE);
	net_msg_put(m, &ifa, sizeof(ifa));
	net_msg_attr(m, IFA_LOCAL, &in, sizeof(in));
	net_msg_attr(m, IFA_ADDRESS, &in, sizeof(in));
}

static void make_outside(void)
{
	static struct net_msg m;
	struct ifinfomsg up = { .ifi_index = 1, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	char dir[] = "/tmp/proxy_live.XXXXXX", path[64];
	AUTO_CLOSE int sock = -1;

	enter_namespaces(CLONE_NEWNS);
	sock = net_msg_socket(NETLINK_ROUTE);
	net_msg_init(&m);
	net_msg_begin(&m, RTM_NEWLINK, NLM_F_ACK);
	net_msg_put(&m, &up, sizeof(up));
	add_address(&m, PUBLIC);
	add_address(&m, PRIVATE);
	add_address(&m, "169.254.169.254");
	if (net_msg_exchange(&m, sock) < 0)
		fail("addresses of the outside");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mkdtemp(dir) == NULL)
		fail("private mounts");
	(void)snprintf(path, sizeof(path), "%s/hosts", dir);
	write_file(path, hosts);
	if (mount(path, "/etc/hosts", NULL, MS_BIND, NULL) < 0)
		fail("mount /etc/hosts");
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/resolv.conf", dir);
	write_file(path, "nameserver 127.0.0.1\noptions attempts:1 timeout:1\n");
	if (mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL) < 0)
		fail("mount /etc/resolv.conf");
	(void)unlink(path);
	(void)rmdir(dir);
}

/* ---- servers outside ---- */

static void write_text(int fd, const char *text)
{
	(void)write_all(fd, text, strlen(text));
}

/* Until the client's end, or a request that asks for it. */
static void echo(int fd)
{
	static const char close_line[] = "Connection: close\r\n\r\n";
	char bytes[8192];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
		(void)write_all(fd, bytes, (size_t)n);
		if (memmem(bytes, (size_t)n, close_line, sizeof(close_line) - 1) != NULL)
			break;
	}
	write_text(fd, "END");
}

static void serve_ssh(int fd)
{
	write_text(fd, "SSH-2.0-test\r\n");
	echo(fd);
}

static void serve_big(int fd)
{
	static char bytes[65536];

	for (size_t n = 0; n < BIG_BYTES; n += sizeof(bytes))
		if (write_all(fd, bytes, sizeof(bytes)) < 0)
			return;
}

static void serve_upgrade(int fd)
{
	char bytes[4096];
	ssize_t n = read(fd, bytes, sizeof(bytes) - 1);

	bytes[n > 0 ? n : 0] = '\0';
	if (strstr(bytes, "Upgrade: websocket") != NULL)
		write_text(fd, "HTTP/1.1 101 Switching Protocols\r\n\r\n");
	else
		write_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	echo(fd);
}

static const struct server {
	const char *address;
	uint16_t port;
	void (*serve)(int fd);
} servers[] = {
	{ PUBLIC, 443, echo },
	{ PUBLIC, 80, echo },
	{ PUBLIC, 22, serve_ssh },
	{ PUBLIC, 7000, echo },
	{ PUBLIC, 7001, serve_big },
	{ PUBLIC, 8080, serve_upgrade },
	{ PRIVATE, 80, echo },
	{ PRIVATE, 5555, echo },
	{ "127.0.0.1", 5432, echo },
	{ "169.254.169.254", 80, echo },
};

static int listen_on(const struct server *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(s->port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (inet_pton(AF_INET, s->address, &a.sin_addr) != 1 ||
		bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 64) < 0)
		fail("listen outside");
	return fd;
}

static void run_server(const struct server *s)
{
	int listener = listen_on(s);

	if (fork() != 0)
		return;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGCHLD, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0 && fork() == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			s->serve(fd);
			_exit(0);
		}
		(void)close(fd);
	}
}

/* ---- a name server outside ---- */

/* Appends the question's name to `asked`; its length on the wire. */
static size_t note_question(const unsigned char *q, size_t n)
{
	size_t at = 12, used = strlen(asked);

	while (at < n && q[at] != 0 && used < ASKED_BYTES - 256) {
		memcpy(asked + used, q + at + 1, q[at]);
		used += q[at];
		asked[used++] = '.';
		at += q[at] + 1u;
	}
	asked[used] = ' ';
	return at + 1 - 12;
}

/* dns.test is PUBLIC; flip.test is PUBLIC when asked first and PRIVATE ever after. */
static const char *address_for(const unsigned char *q)
{
	static int n_flips;

	if (memcmp(q + 12, "\3dns\4test", 10) == 0)
		return PUBLIC;
	if (memcmp(q + 12, "\4flip\4test", 11) == 0)
		return n_flips++ == 0 ? PUBLIC : PRIVATE;
	return NULL;
}

static size_t answer(unsigned char *q, size_t n)
{
	size_t question = note_question(q, n);
	bool is_a = q[12 + question + 1] == 1;
	const char *address = is_a ? address_for(q) : NULL;
	bool exists = address != NULL || memcmp(q + 12, "\3dns\4test", 10) == 0 ||
		      memcmp(q + 12, "\4flip\4test", 11) == 0;

	q[2] = 0x81;
	q[3] = exists ? 0x80 : 0x83;
	q[7] = address != NULL;
	q[9] = q[11] = 0;
	n = 12 + question + 4;
	if (address == NULL)
		return n;
	memcpy(q + n, "\xc0\x0c\0\1\0\1\0\0\0\0\0\4", 12);
	(void)inet_pton(AF_INET, address, q + n + 12);
	return n + 16;
}

static void run_name_server(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(53),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	asked = mmap(NULL, ASKED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (asked == MAP_FAILED || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		fail("name server outside");
	if (fork() != 0) {
		(void)close(fd);
		return;
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		unsigned char q[1024] = { 0 };
		socklen_t a_n = sizeof(a);
		ssize_t n = recvfrom(fd, q, 512, 0, (struct sockaddr *)&a, &a_n);

		if (n > 12)
			(void)sendto(fd, q, answer(q, (size_t)n), 0, (struct sockaddr *)&a, a_n);
	}
}

#endif
