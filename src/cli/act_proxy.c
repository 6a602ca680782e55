/*
 * Acts on the proxy that a sandbox offers (act.h): names and requests that reach what it must
 * refuse, if it judges another name than it dials. The control's proxy is the test's own server,
 * which answers everything. Nothing is asked for that lies outside of this machine.
 */
#include "base/cleanup.h"
#include "cli/act.h"
#include "wire/netplan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* Rationale: loopback answers in less than a millisecond; a silent drop must be told from it. */
#define WAIT_MS 1000
/* Rationale: SOCKS5 has one byte for the length of a name. */
#define NAME_MAX_BYTES 255

/* The proxy that the environment names, else the one that every cell has. */
static int connect_proxy(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(NETPLAN_PROXY_PORT) };
	const char *url = getenv("HTTPS_PROXY");
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char host[64] = "127.0.0.1", port[8];

	if (url != NULL && sscanf(url, "http://%63[0-9.]:%7[0-9]", host, port) == 2)
		to.sin_port = htons((uint16_t)act_number(port));
	if (fd < 0 || inet_pton(AF_INET, host, &to.sin_addr) != 1 ||
		connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
		return -1;
	return take_fd(&fd);
}

static ssize_t receive(int fd, char *bytes, size_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n = poll(&p, 1, WAIT_MS) > 0 ? recv(fd, bytes, size - 1, 0) : -1;

	bytes[n > 0 ? n : 0] = '\0';
	return n;
}

/* What comes now is from the other side of the tunnel. */
static const char *greet_through(int fd)
{
	char bytes[512];

	if (send(fd, "hello\n", 6, MSG_NOSIGNAL) < 0)
		return act_result(-1);
	return act_has_canary(bytes, receive(fd, bytes, sizeof(bytes))) ? "OK"
									: "OK, a tunnel to nobody";
}

/* NAME PORT: by CONNECT, with the name in both places. */
static const char *act_proxy_connect(char **arg)
{
	static char answer[ACT_ANSWER_BYTES];
	AUTO_CLOSE int fd = connect_proxy();
	char text[1024], bytes[1024];
	ssize_t n;

	n = snprintf(text, sizeof(text), "CONNECT %.300s:%s HTTP/1.1\r\nHost: %.300s:%s\r\n\r\n",
		arg[0], arg[1], arg[0], arg[1]);
	if (fd < 0 || send(fd, text, (size_t)n, MSG_NOSIGNAL) < 0)
		return act_result(-1);
	n = receive(fd, bytes, sizeof(bytes));
	if (act_has_canary(bytes, n))
		return "OK";
	if (strncmp(bytes, "HTTP/1.1 200", 12) == 0 || strncmp(bytes, "HTTP/1.0 200", 12) == 0)
		return greet_through(fd);
	(void)snprintf(answer, sizeof(answer), "NONE %.12s", bytes);
	return answer;
}

/* TARGET NAME: a plain request, the one host in its line and the other in its head. */
static const char *act_proxy_get(char **arg)
{
	static char answer[ACT_ANSWER_BYTES];
	AUTO_CLOSE int fd = connect_proxy();
	char text[1024], bytes[1024];
	ssize_t n;

	n = snprintf(text, sizeof(text),
		"GET %.300s HTTP/1.1\r\nHost: %.300s\r\nConnection: close\r\n\r\n", arg[0], arg[1]);
	if (fd < 0 || send(fd, text, (size_t)n, MSG_NOSIGNAL) < 0)
		return act_result(-1);
	n = receive(fd, bytes, sizeof(bytes));
	if (act_has_canary(bytes, n))
		return "OK";
	(void)snprintf(answer, sizeof(answer), "NONE %.12s", bytes);
	return answer;
}

/* NAME PORT: by SOCKS5 (RFC 1928); ^ in the name is a NUL. */
static const char *act_proxy_socks(char **arg)
{
	AUTO_CLOSE int fd = connect_proxy();
	unsigned char ask[8 + NAME_MAX_BYTES] = { 5, 1, 0, 3 };
	size_t n = strnlen(arg[0], NAME_MAX_BYTES);
	long port = act_number(arg[1]);
	char bytes[512];

	if (fd < 0 || send(fd, "\5\1\0", 3, MSG_NOSIGNAL) < 0)
		return act_result(-1);
	if (act_has_canary(bytes, receive(fd, bytes, sizeof(bytes))))
		return "OK";
	ask[4] = (unsigned char)n;
	for (size_t i = 0; i < n; i++)
		ask[5 + i] = arg[0][i] == '^' ? '\0' : (unsigned char)arg[0][i];
	ask[5 + n] = (unsigned char)(port >> 8);
	ask[6 + n] = (unsigned char)port;
	if (send(fd, ask, 7 + n, MSG_NOSIGNAL) < 0)
		return act_result(-1);
	if (receive(fd, bytes, sizeof(bytes)) < 2 || bytes[0] != 5 || bytes[1] != 0)
		return "NONE";
	return greet_through(fd);
}

const struct act act_proxy[] = {
	{ "proxy-connect", 2, act_proxy_connect },
	{ "proxy-get", 2, act_proxy_get },
	{ "proxy-socks", 2, act_proxy_socks },
	{ NULL, 0, NULL },
};
