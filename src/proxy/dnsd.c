/*
 * The DNS server's sockets. Runs in the proxy; hostile input: every query.
 */
#include "proxy/dnsd.h"

#include "base/cleanup.h"
#include "policy/policy.h"
#include "proxy/dns.h"
#include "proxy/names.h"
#include "proxy/report.h"
#include "wire/honey.h"
#include "wire/proxymsg.h"

#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#define LISTENERS_MAX 4u
#define QUERIES_A_TURN 64
#define DNS_PORT 53
#define LENGTH_BYTES 2u /* in front of every message over TCP (RFC 1035, 4.2.2) */

struct tcp {
	LIST_ENTRY(tcp) links;
	struct dnsd *dnsd;
	struct event *event;
	struct sockaddr_storage from;
	int fd;
	size_t n;
	uint8_t bytes[LENGTH_BYTES + DNS_QUERY_MAX];
};

struct dnsd {
	struct proxy *proxy;
	struct dns_source source;
	struct sockaddr_storage asking; /* the client of the query that is being answered */
	struct event *listeners[LISTENERS_MAX];
	size_t n_listeners;
	LIST_HEAD(tcp_list, tcp) connections;
	size_t n_connections;
};

/* ---- where answers come from ---- */

static uint32_t address_of(void *context, const char *name)
{
	const struct dnsd *dnsd = context;

	return names_address(dnsd->proxy->names, name);
}

static const char *name_of(void *context, uint32_t address)
{
	const struct dnsd *dnsd = context;

	return names_find(dnsd->proxy->names, address);
}

/* A name without a dot exists when [egress] allow has it: "db:5432". */
static bool is_short_name(void *context, const char *name)
{
	const struct dnsd *dnsd = context;
	size_t n = 0, name_n = strlen(name);
	const struct policy_item *items = policy_list(dnsd->proxy->policy, PK_EGRESS_ALLOW, &n);

	for (size_t i = 0; i < n; i++) {
		if (strncmp(items[i].value, name, name_n) == 0 &&
			(items[i].value[name_n] == '\0' || items[i].value[name_n] == ':'))
			return true;
	}
	return false;
}

/* Whose question it is, as the socket tables of the cell have it; the resolver is 127.0.0.1. */
static void describe_client(const struct sockaddr_storage *from, struct proxymsg *msg)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)from;
	const struct in_addr local = { htonl(INADDR_LOOPBACK) };

	if (from->ss_family != AF_INET)
		return;
	msg->family = AF_INET;
	memcpy(msg->client, &in->sin_addr, sizeof(in->sin_addr));
	memcpy(msg->server, &local, sizeof(local));
	msg->client_port = ntohs(in->sin_port);
	msg->server_port = DNS_PORT;
}

/* A fake key in the labels of a name: nothing of it leaves, but the command is known by it. */
static bool is_refused(void *context, const char *name)
{
	struct dnsd *dnsd = context;
	const char *path = honey_find_name(dnsd->proxy->honey, name);
	struct proxymsg msg = { .type = PROXYMSG_DENIED, .via = PROXYMSG_DNS, .port = DNS_PORT };

	if (path == NULL)
		return false;
	(void)snprintf(msg.host, sizeof(msg.host), "%.253s", name);
	(void)snprintf(msg.reason, sizeof(msg.reason), PROXYMSG_REASON_HONEY "%.80s", path);
	describe_client(&dnsd->asking, &msg);
	report_send(dnsd->proxy->report, &msg);
	return true;
}

/* ---- UDP ---- */

static void on_udp(evutil_socket_t fd, short what, void *arg)
{
	struct dnsd *dnsd = arg;
	uint8_t query[DNS_QUERY_MAX + 1], answer[DNS_ANSWER_MAX];

	(void)what;
	for (int i = 0; i < QUERIES_A_TURN; i++) {
		struct sockaddr_storage from;
		socklen_t from_n = sizeof(from);
		ssize_t n = recvfrom(
			fd, query, sizeof(query), MSG_DONTWAIT, (struct sockaddr *)&from, &from_n);
		size_t answer_n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		dnsd->asking = from;
		answer_n = dns_answer(query, (size_t)n, &dnsd->source, answer);
		if (answer_n > 0)
			(void)sendto(fd, answer, answer_n, MSG_DONTWAIT, (struct sockaddr *)&from,
				from_n);
	}
}

/* ---- TCP ---- */

static void close_tcp(struct tcp *t)
{
	LIST_REMOVE(t, links);
	t->dnsd->n_connections--;
	event_free(t->event);
	cleanup_close(&t->fd);
	free(t);
}

/* Answers the first whole message in t->bytes. 1: did, 0: there is none, -1: close. */
static int answer_first(struct tcp *t)
{
	uint8_t reply[LENGTH_BYTES + DNS_ANSWER_MAX];
	size_t n, answer_n;

	if (t->n < LENGTH_BYTES)
		return 0;
	n = (size_t)t->bytes[0] << 8 | t->bytes[1];
	if (n > DNS_QUERY_MAX)
		return -1;
	if (t->n - LENGTH_BYTES < n)
		return 0;
	t->dnsd->asking = t->from;
	answer_n = dns_answer(t->bytes + LENGTH_BYTES, n, &t->dnsd->source, reply + LENGTH_BYTES);
	reply[0] = (uint8_t)(answer_n >> 8);
	reply[1] = (uint8_t)answer_n;
	t->n -= LENGTH_BYTES + n;
	memmove(t->bytes, t->bytes + LENGTH_BYTES + n, t->n);
	/* A client that does not read its small answers is not waited for. */
	if (answer_n == 0 ||
		send(t->fd, reply, LENGTH_BYTES + answer_n, MSG_DONTWAIT | MSG_NOSIGNAL) !=
			(ssize_t)(LENGTH_BYTES + answer_n))
		return -1;
	return 1;
}

static void on_tcp(evutil_socket_t fd, short what, void *arg)
{
	struct tcp *t = arg;
	ssize_t n;
	int r;

	if ((what & EV_TIMEOUT) != 0) {
		close_tcp(t);
		return;
	}
	n = recv(fd, t->bytes + t->n, sizeof(t->bytes) - t->n, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close_tcp(t);
		return;
	}
	t->n += (size_t)n;
	do
		r = answer_first(t);
	while (r > 0);
	if (r < 0)
		close_tcp(t);
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval tv = { .tv_sec = DNSD_TIMEOUT_S };
	struct dnsd *dnsd = arg;
	struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
	socklen_t from_n = sizeof(from);
	AUTO_CLOSE int client =
		accept4(fd, (struct sockaddr *)&from, &from_n, SOCK_NONBLOCK | SOCK_CLOEXEC);
	AUTO_FREE struct tcp *t = NULL;

	(void)what;
	if (client < 0 || dnsd->n_connections == DNSD_CONNECTIONS_MAX)
		return;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return;
	t->dnsd = dnsd;
	t->from = from;
	t->event = event_new(dnsd->proxy->base, client, EV_READ | EV_PERSIST, on_tcp, t);
	if (t->event == NULL)
		return;
	if (event_add(t->event, &tv) < 0) {
		event_free(t->event);
		return;
	}
	t->fd = take_fd(&client);
	dnsd->n_connections++;
	LIST_INSERT_HEAD(&dnsd->connections, t, links);
	(void)take_ptr(&t);
}

/* ---- both ---- */

struct dnsd *dnsd_new(struct proxy *proxy)
{
	struct dnsd *dnsd = calloc(1, sizeof(*dnsd));

	if (dnsd == NULL)
		return NULL;
	dnsd->proxy = proxy;
	dnsd->source = (struct dns_source){ dnsd, address_of, name_of, is_short_name, is_refused };
	LIST_INIT(&dnsd->connections);
	return dnsd;
}

void dnsd_free(struct dnsd *dnsd)
{
	if (dnsd == NULL)
		return;
	while (!LIST_EMPTY(&dnsd->connections))
		close_tcp(LIST_FIRST(&dnsd->connections));
	for (size_t i = 0; i < dnsd->n_listeners; i++)
		event_free(dnsd->listeners[i]);
	free(dnsd);
}

static int add(struct dnsd *dnsd, int fd, event_callback_fn callback)
{
	struct event *event;

	if (dnsd->n_listeners == LISTENERS_MAX)
		return -E2BIG;
	event = event_new(dnsd->proxy->base, fd, EV_READ | EV_PERSIST, callback, dnsd);
	if (event == NULL)
		return -ENOMEM;
	dnsd->listeners[dnsd->n_listeners++] = event;
	return event_add(event, NULL) == 0 ? 0 : -EIO;
}

int dnsd_add_udp(struct dnsd *dnsd, int fd)
{
	return add(dnsd, fd, on_udp);
}

int dnsd_add_tcp(struct dnsd *dnsd, int fd)
{
	return add(dnsd, fd, on_accept);
}
