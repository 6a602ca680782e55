/*
 * The host process that the attacks aim at: runs outside, holds a secret in its environment, in
 * memory and in an open file, and answers "victim" on every socket it was asked to listen on. What
 * it hears it writes to a log, which must stay empty of whatever a cell sent.
 */
#include "attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MAX_SOCKETS = 32 };

static struct pollfd sockets[MAX_SOCKETS];
static nfds_t socket_count;

static int keep(int fd)
{
	if (fd < 0 || socket_count == MAX_SOCKETS)
		return -1;
	sockets[socket_count++] = (struct pollfd){.fd = fd, .events = POLLIN};
	return 0;
}

/* Port 0 takes any, the same for both protocols and families. Returns the port or -1. */
static int listen_inet(int family, int type, int port)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_storage bound;
	socklen_t len = sizeof(bound);
	int on = 1, fd = socket(family, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
		 family == AF_INET ? sizeof(v4) : sizeof(v6)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 64) < 0) || keep(fd) < 0 ||
	    getsockname(fd, (struct sockaddr *)&bound, &len) < 0)
		return -1;
	/* the port stands at the same place in both kinds of address */
	return ntohs(((struct sockaddr_in *)(void *)&bound)->sin_port);
}

static int listen_unix(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || len >= sizeof(at.sun_path))
		return -1;
	memcpy(at.sun_path, path, len);
	if (path[0] == '@')
		at.sun_path[0] = '\0';
	else
		len++;
	if (bind(fd, (struct sockaddr *)&at,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0 ||
	    listen(fd, 64) < 0)
		return -1;
	return keep(fd);
}

static void note(FILE *log, int which, const char *buf, ssize_t n)
{
	fprintf(log, "heard on %d: ", which);
	for (ssize_t i = 0; i < n; i++)
		fputc(buf[i] > ' ' && buf[i] < 127 ? buf[i] : '.', log);
	fputc('\n', log);
	fflush(log);
}

static void answer_one(FILE *log, int which, int fd)
{
	char buf[2048];
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	int type = 0, peer;
	socklen_t type_len = sizeof(type);
	ssize_t n;

	getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len);
	if (type == SOCK_DGRAM) {
		n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);
		note(log, which, buf, n);
		sendto(fd, "victim\n", 7, 0, (struct sockaddr *)&from, len);
		return;
	}
	peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	if (peer < 0)
		return;
	if (poll(&(struct pollfd){.fd = peer, .events = POLLIN}, 1, 1000) == 1) {
		n = recv(peer, buf, sizeof(buf), MSG_DONTWAIT);
		note(log, which, buf, n);
	}
	send(peer, "victim\n", 7, MSG_NOSIGNAL);
	close(peer);
}

/* victim READY LOG SECRET PORT UNIX...: READY gets "pid port fd address" once all is up. */
static enum verdict act_victim(char **arg)
{
	static char memory[64] = "in memory: ";
	int port = (int)attack_number(arg[3]), secret = open(arg[2], O_RDONLY | O_CLOEXEC);
	FILE *log = fopen(arg[1], "we"), *ready;
	char part[512];

	port = listen_inet(AF_INET, SOCK_STREAM, port);
	if (!log || port < 0 || listen_inet(AF_INET, SOCK_DGRAM, port) < 0)
		return attack_cannot("cannot listen");
	/* no IPv6 on this machine: the attacks over it are refused anyhow */
	if (listen_inet(AF_INET6, SOCK_STREAM, port) >= 0)
		listen_inet(AF_INET6, SOCK_DGRAM, port);
	for (char **path = arg + 4; *path; path++)
		if (listen_unix(*path) < 0)
			fprintf(stderr, "victim: %s: %s\n", *path, strerror(errno));
	if (attack_slurp(arg[2], memory + 11, sizeof(memory) - 11) < 0)
		return attack_cannot("no secret to hold");
	signal(SIGPIPE, SIG_IGN);
	snprintf(part, sizeof(part), "%s.part", arg[0]);
	ready = fopen(part, "we");
	if (!ready)
		return attack_cannot("cannot say that it is ready");
	fprintf(ready, "%d %d %d %p\n", (int)getpid(), port, secret, (void *)memory);
	fclose(ready);
	rename(part, arg[0]);
	while (poll(sockets, socket_count, -1) > 0)
		for (nfds_t i = 0; i < socket_count; i++)
			if (sockets[i].revents)
				answer_one(log, (int)i, sockets[i].fd);
	return GOT;
}

const struct attack attack_victim[] = {
	{"victim", "READY LOG SECRET PORT UNIX...", 4, act_victim},
	{NULL, NULL, 0, NULL},
};
