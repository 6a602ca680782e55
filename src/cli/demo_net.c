/*
 * The hosts of `agentjail demo`. Runs in the demo's process with the user's rights; what it reads
 * are the demo's own scripts and this program's proxy, and nothing of it is believed.
 */
#include "cli/demo.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/* Rationale: heads here have some hundred bytes. */
#define HEAD_MAX 8192u
/* Rationale: everything is on this machine; who says nothing has nothing to say. */
#define WAIT_SECONDS 3

int demo_net_open(struct demo_net *net, const char *token, struct err *err)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);

	*net = (struct demo_net){ .token = token };
	net->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (net->listener < 0 || bind(net->listener, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
		listen(net->listener, 16) < 0 ||
		getsockname(net->listener, (struct sockaddr *)&a, &n) < 0)
		return err_set(err, errno, "listen on 127.0.0.1");
	net->port = ntohs(a.sin_port);
	return 0;
}

void demo_net_done(struct demo_net *net)
{
	cleanup_close(&net->listener);
	buf_done(&net->sent);
}

/* Reads up to the end of a head. Its length with the blank line; 0: there is none. */
static size_t read_head(int fd, struct buf *in)
{
	for (;;) {
		char *end = in->data != NULL ? strstr(in->data, "\r\n\r\n") : NULL;
		char bytes[1024];
		ssize_t n;

		if (end != NULL)
			return (size_t)(end - in->data) + 4;
		n = in->len < HEAD_MAX ? recv(fd, bytes, sizeof(bytes), 0) : 0;
		if (n <= 0)
			return 0;
		buf_add(in, bytes, (size_t)n);
		if (in->failed)
			return 0;
	}
}

static const char *field(const char *head, const char *name)
{
	const char *at = strcasestr(head, name);

	return at != NULL ? at + strlen(name) : "";
}

/* Reads the rest of a body that has begun to come in behind the head. */
static void read_body(int fd, struct buf *in, size_t head)
{
	unsigned long wanted = 0;
	char length[16];

	(void)snprintf(length, sizeof(length), "%.*s",
		(int)strcspn(field(in->data, "\r\nContent-Length: "), "\r"),
		field(in->data, "\r\nContent-Length: "));
	if (!str_to_ulong(length, DEMO_TEXT_MAX, &wanted))
		return;
	while (!in->failed && in->len < head + wanted) {
		char bytes[4096];
		ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

		if (n <= 0)
			return;
		buf_add(in, bytes, (size_t)n);
	}
}

static void reply(int fd, const char *status, const char *body)
{
	char text[256];
	int n = snprintf(text, sizeof(text),
		"HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", status,
		strlen(body), body);

	(void)write_all(fd, text, (size_t)n);
}

static void be_service(struct demo_net *net, int fd, const char *head)
{
	char want[80];

	(void)snprintf(want, sizeof(want), "\r\nAuthorization: Bearer %s\r\n", net->token);
	if (strcasestr(head, want) == NULL) {
		reply(fd, "401 Unauthorized", "who are you?\n");
	} else if (str_starts(head, "GET ")) {
		net->was_read = true;
		reply(fd, "200 OK", "order 4711\n");
	} else {
		net->was_deleted = true;
		reply(fd, "200 OK", "deleted\n");
	}
}

static void serve(struct demo_net *net, int fd)
{
	AUTO_BUF struct buf in = { 0 };
	size_t head = read_head(fd, &in);

	if (head > 0 && str_starts(in.data, "CONNECT ")) {
		static const char yes[] = "HTTP/1.1 200 OK\r\n\r\n";

		(void)write_all(fd, yes, sizeof(yes) - 1);
		buf_drop(&in, head);
		head = read_head(fd, &in);
	}
	if (head == 0)
		return;
	read_body(fd, &in, head);
	if (str_starts(field(in.data, "\r\nHost: "), DEMO_SERVICE)) {
		be_service(net, fd, in.data);
	} else if (str_starts(field(in.data, "\r\nHost: "), DEMO_EVIL)) {
		net->was_reached = true;
		if (net->sent.len < DEMO_TEXT_MAX)
			buf_add(&net->sent, in.data + head, in.len - head);
		reply(fd, "200 OK", "thank you\n");
	} else {
		reply(fd, "404 Not Found", "there is no such host\n");
	}
}

void demo_net_serve(struct demo_net *net)
{
	struct timeval wait = { .tv_sec = WAIT_SECONDS };
	AUTO_CLOSE int fd = accept4(net->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0)
		return;
	serve(net, fd);
}
