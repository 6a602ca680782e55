/*
 * Acts on sockets (act.h): the test's own servers on loopback, on an address of this machine,
 * behind paths and abstract names; sockets of the machine that are connected to and closed again.
 * No packet leaves the machine.
 */
#include "base/cleanup.h"
#include "cli/act.h"
#include "cli/selftest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Rationale: loopback answers in less than a millisecond; a silent drop must be told from it. */
#define WAIT_MS 1500

static socklen_t parse_address(const char *host, const char *port, struct sockaddr_storage *ret)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

	memset(ret, 0, sizeof(*ret));
	/* inet_aton() knows octal, hexadecimal and short forms as well. */
	if (inet_aton(host, &v4.sin_addr) != 0) {
		v4.sin_port = htons((uint16_t)act_number(port));
		memcpy(ret, &v4, sizeof(v4));
		return sizeof(v4);
	}
	if (inet_pton(AF_INET6, host, &v6.sin6_addr) != 1)
		return 0;
	v6.sin6_port = htons((uint16_t)act_number(port));
	memcpy(ret, &v6, sizeof(v6));
	return sizeof(v6);
}

/* The greeting of the test's own server decides: anything else was somebody else. */
static const char *read_greeting(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char bytes[256];
	ssize_t n;

	if (poll(&p, 1, WAIT_MS) <= 0)
		return "ETIMEDOUT";
	n = recv(fd, bytes, sizeof(bytes), 0);
	if (n < 0)
		return act_result(-1);
	return act_has_canary(bytes, n) ? "OK" : n == 0 ? "ECONNRESET" : "NONE";
}

static const char *greet(char **arg, int type)
{
	struct sockaddr_storage to;
	socklen_t len = parse_address(arg[0], arg[1], &to);
	AUTO_CLOSE int fd = -1;

	if (len == 0)
		return act_skip("no such address here");
	fd = socket(to.ss_family, type | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&to, len) < 0 ||
		send(fd, "hello\n", 6, MSG_NOSIGNAL) < 0)
		return act_result(-1);
	return read_greeting(fd);
}

static const char *act_tcp(char **arg)
{
	return greet(arg, SOCK_STREAM);
}

static const char *act_udp(char **arg)
{
	return greet(arg, SOCK_DGRAM);
}

static const char *act_socket(char **arg)
{
	AUTO_CLOSE int fd = socket((int)act_number(arg[0]), (int)act_number(arg[1]) | SOCK_CLOEXEC,
		(int)act_number(arg[2]));

	return act_result(fd);
}

/* A path, or @NAME for an abstract address. A connected socket, or -1. */
static int connect_unix(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || len >= sizeof(to.sun_path)) {
		errno = fd < 0 ? errno : EINVAL;
		return -1;
	}
	memcpy(to.sun_path, path, len);
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	len += path[0] != '@';
	if (connect(fd, (const struct sockaddr *)&to,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		return -1;
	return take_fd(&fd);
}

static const char *act_unix(char **arg)
{
	AUTO_CLOSE int fd = connect_unix(arg[0]);

	if (fd < 0 || send(fd, "hello\n", 6, MSG_NOSIGNAL) < 0)
		return act_result(-1);
	return read_greeting(fd);
}

/* VARIABLE: the socket that it names, if it still names one: PATH, PATH,... or unix:path=PATH. */
static const char *act_unix_env(char **arg)
{
	const char *value = getenv(arg[0]);
	char path[108];
	char *one[] = { path, NULL };

	if (value == NULL)
		return "NONE";
	if (strncmp(value, "unix:path=", 10) == 0)
		value += 10;
	(void)snprintf(path, sizeof(path), "%.*s", (int)strcspn(value, ","), value);
	return act_unix(one);
}

/* Any of the machine's own sockets that hand out power; connected to and closed. */
static const char *act_unix_system(char **arg)
{
	static char found[ACT_ANSWER_BYTES];

	(void)arg;
	for (size_t i = 0; selftest_system_sockets[i] != NULL; i++) {
		AUTO_CLOSE int fd = connect_unix(selftest_system_sockets[i]);

		if (fd < 0)
			continue;
		(void)snprintf(found, sizeof(found), "OK %s", selftest_system_sockets[i]);
		return found;
	}
	return "NONE";
}

const struct act act_net[] = {
	{ "tcp", 2, act_tcp },
	{ "udp", 2, act_udp },
	{ "socket", 3, act_socket },
	{ "unix", 1, act_unix },
	{ "unix-env", 1, act_unix_env },
	{ "unix-system", 0, act_unix_system },
	{ NULL, 0, NULL },
};
