/*
 * Acts on the network and on sockets of the host (see attack.h). Addresses are the test's own
 * servers: nothing here leaves the machine.
 */
#include "attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/vm_sockets.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const int wait_ms = 1500;

static socklen_t address(const char *host, const char *port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)attack_number(port));
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) != 1)
		return 0;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons((uint16_t)attack_number(port));
	return sizeof(*v6);
}

/* The answer decides: "victim" from the test's server, anything else was somebody else. */
static enum verdict answer(int fd)
{
	char buf[512];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	if (poll(&p, 1, wait_ms) <= 0) {
		errno = ETIMEDOUT;
		return attack_result(-1);
	}
	n = recv(fd, buf, sizeof(buf), 0);
	if (n < 0)
		return attack_result(-1);
	if (attack_holds(buf, n, "victim"))
		return attack_got("answered");
	errno = ECONNRESET;
	return n == 0 ? attack_result(-1) : attack_none();
}

static enum verdict act_tcp(char **arg)
{
	struct sockaddr_storage to;
	socklen_t len = address(arg[0], arg[1], &to);
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, len) < 0)
		return attack_result(-1);
	if (send(fd, "hello\n", 6, MSG_NOSIGNAL) < 0)
		return attack_result(-1);
	return answer(fd);
}

static enum verdict act_udp(char **arg)
{
	struct sockaddr_storage to;
	socklen_t len = address(arg[0], arg[1], &to);
	int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, len) < 0 || send(fd, "hello\n", 6, 0) < 0)
		return attack_result(-1);
	return answer(fd);
}

static enum verdict act_icmp(char **arg)
{
	struct icmphdr echo = {.type = ICMP_ECHO};
	struct sockaddr_storage to;
	socklen_t len = address(arg[1], "0", &to);
	int kind = strcmp(arg[0], "raw") == 0 ? SOCK_RAW : SOCK_DGRAM;
	int fd = socket(AF_INET, kind | SOCK_CLOEXEC, IPPROTO_ICMP);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (fd < 0)
		return attack_result(-1);
	/* the sum of the header's words, complemented: all are zero but the type */
	echo.checksum = kind == SOCK_RAW ? (uint16_t)~htons(ICMP_ECHO << 8) : 0;
	if (sendto(fd, &echo, sizeof(echo), 0, (struct sockaddr *)&to, len) < 0)
		return attack_result(-1);
	errno = ETIMEDOUT;
	return attack_result(poll(&p, 1, wait_ms) == 1 ? 0 : -1);
}

/* Any socket of a family that a cell has no use for. */
static enum verdict act_families(char **arg)
{
	static const int kinds[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET};
	char what[64];

	(void)arg;
	for (int family = 3; family < AF_MAX; family++) {
		if (family == AF_INET6 || family == AF_NETLINK)
			continue;
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
			int fd = socket(family, kinds[i] | SOCK_CLOEXEC, 0);

			if (fd < 0)
				continue;
			snprintf(what, sizeof(what), "family %d type %d", family, kinds[i]);
			return attack_got(what);
		}
	}
	return attack_none();
}

static enum verdict act_socket(char **arg)
{
	int fd = socket((int)attack_number(arg[0]), (int)attack_number(arg[1]) | SOCK_CLOEXEC,
			(int)attack_number(arg[2]));

	return attack_result(fd);
}

/* Netlink families other than route: audit, netfilter, uevents, generic... */
static enum verdict act_netlink(char **arg)
{
	char what[64];

	(void)arg;
	for (int protocol = 1; protocol < 24; protocol++) {
		int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

		if (fd < 0)
			continue;
		snprintf(what, sizeof(what), "protocol %d", protocol);
		return attack_got(what);
	}
	return attack_none();
}

/* Route netlink may be read; changing anything must fail: here, taking lo down. */
static enum verdict act_link_down(char **arg)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg info;
	} ask = {.head = {.nlmsg_len = sizeof(ask),
			  .nlmsg_type = RTM_NEWLINK,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		 .info = {.ifi_family = AF_UNSPEC, .ifi_index = 1, .ifi_change = 1}};
	struct {
		struct nlmsghdr head;
		struct nlmsgerr err;
	} got = {.err = {.error = 0}};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	(void)arg;
	if (fd < 0 || send(fd, &ask, sizeof(ask), 0) < 0 || recv(fd, &got, sizeof(got), 0) < 0)
		return attack_result(-1);
	errno = -got.err.error;
	return attack_result(got.err.error < 0 ? -1 : 0);
}

/* A path, or @NAME for an abstract address. */
static enum verdict act_unix(char **arg)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t len = strlen(arg[0]);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || len >= sizeof(to.sun_path))
		return attack_result(-1);
	memcpy(to.sun_path, arg[0], len);
	if (arg[0][0] == '@')
		to.sun_path[0] = '\0';
	else
		len++;
	if (connect(fd, (struct sockaddr *)&to,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		return attack_result(-1);
	if (send(fd, "hello\n", 6, MSG_NOSIGNAL) < 0)
		return attack_result(-1);
	return answer(fd);
}

/* The socket that an environment variable names, if it still names one. */
static enum verdict act_unix_env(char **arg)
{
	const char *value = NULL;
	char *to[2] = {NULL, NULL};
	static char copy[108];
	size_t len = strlen(arg[0]);

	for (char **e = environ; *e; e++)
		if (strncmp(*e, arg[0], len) == 0 && (*e)[len] == '=')
			value = *e + len + 1;
	if (!value)
		return attack_none();
	if (strncmp(value, "unix:path=", 10) == 0)
		value += 10;
	snprintf(copy, sizeof(copy), "%s", value);
	to[0] = copy;
	return act_unix(to);
}

/* One question for NAME, type A, to a server that the test watches. */
static enum verdict act_dns(char **arg)
{
	unsigned char ask[300] = {0x12, 0x34, 1, 0, 0, 1};
	struct sockaddr_storage to;
	socklen_t len = address(arg[0], arg[1], &to);
	size_t at = 12;
	int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	for (const char *label = arg[2]; *label && at < 200;) {
		size_t n = strcspn(label, ".");

		n = n > 63 ? 63 : n;
		ask[at++] = (unsigned char)n;
		memcpy(ask + at, label, n);
		at += n;
		label += n + (label[n] == '.');
	}
	memcpy(ask + at, "\0\0\1\0\1", 5);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, len) < 0 || send(fd, ask, at + 5, 0) < 0)
		return attack_result(-1);
	return answer(fd);
}

const struct attack attack_net[] = {
	{"tcp", "ADDRESS PORT", 2, act_tcp},
	{"udp", "ADDRESS PORT", 2, act_udp},
	{"icmp", "raw|dgram ADDRESS", 2, act_icmp},
	{"families", "", 0, act_families},
	{"socket", "FAMILY TYPE PROTOCOL", 3, act_socket},
	{"netlink", "", 0, act_netlink},
	{"link-down", "", 0, act_link_down},
	{"unix", "PATH|@NAME", 1, act_unix},
	{"unix-env", "VARIABLE", 1, act_unix_env},
	{"dns", "ADDRESS PORT NAME", 3, act_dns},
	{NULL, NULL, 0, NULL},
};
