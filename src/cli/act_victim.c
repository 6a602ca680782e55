/*
 * The process that the acts aim at (act.h). Runs outside with the user's rights; whatever connects
 * may be hostile: it reads one buffer and answers with one line.
 */
#include "cli/act.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Rationale: two protocols on three addresses, and the paths of selftest_lab.c. */
enum { SOCKETS_MAX = 64 };

static struct pollfd sockets[SOCKETS_MAX];
static nfds_t n_sockets;
static char memory[128]; /* where the canary lies for who reads memory */

static int keep(int fd)
{
	if (fd < 0 || n_sockets == SOCKETS_MAX)
		return -1;
	sockets[n_sockets++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	return 0;
}

static int port_of(int fd)
{
	struct sockaddr_in at = { 0 };
	socklen_t len = sizeof(at);

	return getsockname(fd, (struct sockaddr *)&at, &len) < 0 ? -1 : ntohs(at.sin_port);
}

/* Port 0 takes any. The port, or -1. */
static int listen_inet(const char *host, int type, int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || inet_pton(AF_INET, host, &at.sin_addr) != 1)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
		(type == SOCK_STREAM && listen(fd, 64) < 0) || keep(fd) < 0)
		return -1;
	return port_of(fd);
}

static void listen_inet6(int type, int port)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6,
		.sin6_port = htons((uint16_t)port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		return;
	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
		(type == SOCK_STREAM && listen(fd, 64) < 0) || keep(fd) < 0)
		(void)close(fd);
}

static void listen_unix(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* Too long a path: its attack has no control, and is skipped. */
	if (fd < 0 || len >= sizeof(at.sun_path)) {
		(void)close(fd);
		return;
	}
	memcpy(at.sun_path, path, len);
	if (path[0] == '@')
		at.sun_path[0] = '\0';
	len += path[0] != '@';
	if (bind(fd, (const struct sockaddr *)&at,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0 ||
		listen(fd, 64) < 0 || keep(fd) < 0)
		(void)close(fd);
}

static void answer_one(int fd)
{
	struct sockaddr_storage from;
	socklen_t from_len = sizeof(from), type_len = sizeof(int);
	AUTO_CLOSE int peer = -1;
	char bytes[512];
	int type = 0;

	(void)getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len);
	if (type == SOCK_DGRAM) {
		if (recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &from_len) >= 0)
			(void)sendto(
				fd, memory, strlen(memory), 0, (struct sockaddr *)&from, from_len);
		return;
	}
	peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	if (peer < 0)
		return;
	if (poll(&(struct pollfd){ .fd = peer, .events = POLLIN }, 1, 1000) == 1)
		(void)!recv(peer, bytes, sizeof(bytes), MSG_DONTWAIT);
	(void)send(peer, memory, strlen(memory), MSG_NOSIGNAL);
}

/* READY gets "pid port fd address" once all is up: renamed, so that nobody reads half of it. */
static int say_ready(const char *path, int port, int secret)
{
	char line[128], part[512];
	AUTO_CLOSE int fd = -1;

	(void)snprintf(part, sizeof(part), "%s.part", path);
	(void)snprintf(line, sizeof(line), "%d %d %d %#lx\n", (int)getpid(), port, secret,
		(unsigned long)(uintptr_t)memory);
	fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write_all(fd, line, strlen(line)) < 0)
		return -1;
	return rename(part, path);
}

int act_victim(char **arg)
{
	int secret = open(arg[1], O_RDONLY | O_CLOEXEC), port;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGPIPE, SIG_IGN);
	port = listen_inet("127.0.0.1", SOCK_STREAM, 0);
	if (secret < 0 || port < 0 || act_slurp(arg[1], memory, sizeof(memory)) < 0)
		return 1;
	(void)listen_inet("127.0.0.1", SOCK_DGRAM, port);
	listen_inet6(SOCK_STREAM, port);
	listen_inet6(SOCK_DGRAM, port);
	if (strcmp(arg[2], "-") != 0) {
		(void)listen_inet(arg[2], SOCK_STREAM, port);
		(void)listen_inet(arg[2], SOCK_DGRAM, port);
	}
	for (char **path = arg + 3; *path != NULL; path++)
		listen_unix(*path);
	if (say_ready(arg[0], port, secret) < 0)
		return 1;
	while (poll(sockets, n_sockets, -1) > 0 || errno == EINTR)
		for (nfds_t i = 0; i < n_sockets; i++)
			if (sockets[i].revents != 0)
				answer_one(sockets[i].fd);
	return 0;
}
