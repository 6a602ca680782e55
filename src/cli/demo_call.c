/*
 * A small client for plain HTTP. Runs where the demo's scripts run: as they are, or in a cell, with
 * what a command there has. What the other side sends is printed and nothing else.
 */
#include "cli/demo.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define WAIT_SECONDS 5
/* Rationale: a host and a port; a login of the proxy's, of which it knows the length. */
#define NAME_BYTES 128u

struct call {
	const char *method, *url;
	char host[NAME_BYTES]; /* of the URL */
	char server[NAME_BYTES], port[8]; /* to connect to */
	char login[NAME_BYTES]; /* for the proxy; "": none */
	const char *target; /* of the request line */
};

/* RFC 4648, 4 */
static void add_base64(struct buf *out, const char *text)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *s = (const unsigned char *)text;

	for (size_t n = strlen(text); n > 0; n -= n < 3 ? n : 3, s += 3) {
		unsigned v = (unsigned)s[0] << 16 | (n > 1 ? (unsigned)s[1] << 8 : 0) | (n > 2 ? s[2] : 0);
		char four[4] = { digits[v >> 18], digits[v >> 12 & 63], n > 1 ? digits[v >> 6 & 63] : '=',
			n > 2 ? digits[v & 63] : '=' };

		buf_add(out, four, sizeof(four));
		if (n <= 3)
			break;
	}
}

/* Splits "http://[LOGIN@]HOST[:PORT][/...]"; the path's beginning, or NULL. */
static const char *split_url(const char *url, struct call *ret)
{
	const char *rest = str_starts(url, "http://") ? url + 7 : NULL;
	size_t n = rest != NULL ? strcspn(rest, "/") : 0;
	const char *at = rest != NULL ? memchr(rest, '@', n) : NULL;
	const char *host = at != NULL ? at + 1 : rest;
	size_t host_bytes;

	if (rest == NULL || n >= NAME_BYTES)
		return NULL;
	(void)snprintf(ret->login, sizeof(ret->login), "%.*s", at != NULL ? (int)(at - rest) : 0, rest);
	n -= (size_t)(host - rest);
	host_bytes = n < strcspn(host, ":") ? n : strcspn(host, ":");
	(void)snprintf(ret->server, sizeof(ret->server), "%.*s", (int)host_bytes, host);
	(void)snprintf(ret->port, sizeof(ret->port), "%.*s", host_bytes < n ? (int)(n - host_bytes - 1) : 2,
		host_bytes < n ? host + host_bytes + 1 : "80");
	return host + n;
}

static int prepare(struct call *c)
{
	const char *proxy = getenv("http_proxy");

	c->target = split_url(c->url, c);
	if (c->target == NULL)
		return -EINVAL;
	memcpy(c->host, c->server, sizeof(c->host));
	if (proxy == NULL || proxy[0] == '\0')
		return 0;
	c->target = c->url;
	return split_url(proxy, c) != NULL ? 0 : -EINVAL;
}

/* The proxy's address, which stands as numbers in http_proxy: no name is looked up here. */
static int dial(const struct call *c)
{
	const struct timeval wait = { .tv_sec = WAIT_SECONDS };
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtoul(c->port, NULL, 10)) };
	AUTO_CLOSE int fd = -1;

	if (inet_pton(AF_INET, c->server, &to.sin_addr) != 1)
		return -EHOSTUNREACH;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0 ||
		connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	return take_fd(&fd);
}

static int send_request(const struct call *c, int fd)
{
	AUTO_BUF struct buf out = { 0 }, body = { 0 };
	const char *token = getenv("DEMO_TOKEN");

	if (strcmp(c->method, "POST") == 0 && buf_read_fd(&body, 0, DEMO_TEXT_MAX) < 0)
		return -EIO;
	buf_addf(&out, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", c->method, c->target,
		c->host);
	if (token != NULL)
		buf_addf(&out, "Authorization: Bearer %s\r\n", token);
	if (c->login[0] != '\0') {
		buf_adds(&out, "Proxy-Authorization: Basic ");
		add_base64(&out, c->login);
		buf_adds(&out, "\r\n");
	}
	buf_addf(&out, "Content-Length: %zu\r\n\r\n", body.len);
	buf_add(&out, body.data != NULL ? body.data : "", body.len);
	return out.failed ? -ENOMEM : write_all(fd, out.data, out.len);
}

/* 0: the answer was 2xx. */
static int print_answer(int fd)
{
	AUTO_BUF struct buf in = { 0 };
	const char *body;

	(void)buf_read_fd(&in, fd, DEMO_TEXT_MAX);
	if (in.failed || in.data == NULL || !str_starts(in.data, "HTTP/1."))
		return 1;
	body = strstr(in.data, "\r\n\r\n");
	if (body != NULL)
		(void)fputs(body + 4, stdout);
	return in.data[9] == '2' && fflush(stdout) == 0 ? 0 : 1;
}

int demo_call_main(int argc, char **argv)
{
	struct call c = { 0 };
	AUTO_CLOSE int fd = -1;

	if (argc != 4)
		return 1;
	c.method = argv[2];
	c.url = argv[3];
	fd = prepare(&c) < 0 ? -1 : dial(&c);
	return fd < 0 || send_request(&c, fd) < 0 ? 1 : print_answer(fd);
}
