/*
 * What the proxy is measured against: a relay that does nothing but splice(2), one thread, epoll.
 *
 * usage: relay PORT TARGET-PORT [HOST:PORT]    both ports on 127.0.0.1; with HOST:PORT the target
 * is a proxy that is asked for it by CONNECT first, for clients that cannot ask themselves
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECE = 1 << 16, EVENTS = 64 };

struct side {
	struct pair *pair;
	int fd, pipe[2];
	size_t in_pipe; /* read here, not yet written to the other one */
	bool is_ended, is_shut;
};

struct pair {
	struct side side[2];
	bool is_dead;
	struct pair *next; /* of those that are freed after this turn */
};

static int epoll;
static struct sockaddr_in target;
static struct pair *dead;
static const char *asked; /* HOST:PORT, or NULL */

static struct sockaddr_in local(const char *port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void end(struct pair *p)
{
	if (p->is_dead)
		return;
	for (int i = 0; i < 2; i++) {
		close(p->side[i].fd);
		close(p->side[i].pipe[0]);
		close(p->side[i].pipe[1]);
	}
	p->is_dead = true;
	p->next = dead;
	dead = p;
}

/* Moves what there is from one side to the other. False: the pair is at its end. */
static bool move(struct side *from, struct side *to)
{
	for (;;) {
		ssize_t n;

		while (from->in_pipe > 0) {
			n = splice(from->pipe[0], NULL, to->fd, NULL, from->in_pipe,
				SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
			if (n <= 0)
				return n < 0 && errno == EAGAIN;
			from->in_pipe -= (size_t)n;
		}
		if (from->is_ended) {
			if (!from->is_shut)
				shutdown(to->fd, SHUT_WR);
			from->is_shut = true;
			return !to->is_shut;
		}
		n = splice(from->fd, NULL, from->pipe[1], NULL, PIECE,
			SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n < 0)
			return errno == EAGAIN;
		if (n == 0)
			from->is_ended = true;
		from->in_pipe = (size_t)n;
	}
}

static void watch(struct side *s)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.ptr = s };

	epoll_ctl(epoll, EPOLL_CTL_ADD, s->fd, &e);
}

/* Nobody else is served meanwhile: connections are few. */
static void ask_proxy(int server)
{
	char text[1024];
	size_t n = 0;
	int len = snprintf(
		text, sizeof(text), "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", asked, asked);

	if (write(server, text, (size_t)len) != len)
		return;
	while (n < sizeof(text) && read(server, text + n, 1) == 1)
		if (++n >= 4 && memcmp(text + n - 4, "\r\n\r\n", 4) == 0)
			break;
	(void)fcntl(server, F_SETFL, O_NONBLOCK);
}

static void start(int client)
{
	struct pair *p = calloc(1, sizeof(*p));
	int mode = asked == NULL ? SOCK_NONBLOCK : 0, one = 1;
	int server = socket(AF_INET, SOCK_STREAM | mode | SOCK_CLOEXEC, 0);

	if (p == NULL || server < 0)
		exit(1);
	(void)connect(server, (struct sockaddr *)&target, sizeof(target));
	if (asked != NULL)
		ask_proxy(server);
	for (int i = 0; i < 2; i++) {
		p->side[i] = (struct side){ .pair = p, .fd = i == 0 ? client : server };
		setsockopt(p->side[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (pipe2(p->side[i].pipe, O_CLOEXEC | O_NONBLOCK) != 0)
			exit(1);
	}
	watch(&p->side[0]);
	watch(&p->side[1]);
}

static void turn(int listener, const struct epoll_event *e)
{
	struct side *s = e->data.ptr;
	struct pair *p;
	int client;

	if (s == NULL) {
		while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
			start(client);
		return;
	}
	p = s->pair;
	if (!p->is_dead && (!move(&p->side[0], &p->side[1]) || !move(&p->side[1], &p->side[0])))
		end(p);
}

int main(int argc, char **argv)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
	struct epoll_event events[EVENTS], first = { .events = EPOLLIN };
	struct sockaddr_in here;

	if (argc != 3 && argc != 4)
		return 2;
	asked = argv[3];
	here = local(argv[1]);
	target = local(argv[2]);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&here, sizeof(here)) != 0 ||
		listen(listener, 1024) != 0)
		return perror("relay"), 1;
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &first);
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++)
			turn(listener, &events[i]);
		while (dead != NULL) {
			struct pair *next = dead->next;

			free(dead);
			dead = next;
		}
	}
}
