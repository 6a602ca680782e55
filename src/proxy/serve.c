/*
 * Accepting connections. Runs in the proxy; hostile input: how many there are, and to what.
 */
#include "proxy/serve.h"

#include "base/cleanup.h"
#include "proxy/conn.h"
#include "proxy/names.h"
#include "proxy/report.h"
#include "wire/netplan.h"

#include <arpa/inet.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* linux/netfilter_ipv6/ip6_tables.h, which cannot be included beside netinet/in.h everywhere. */
#define IP6T_SO_ORIGINAL_DST_ 80

/* Rationale: as many as the loop takes from one listener before the others have their turn. */
#define ACCEPTS_A_TURN 64
/* Rationale: without descriptors, try again soon; connections that end resume it earlier. */
#define PAUSE_MS 100

struct listener {
	struct serve *serve;
	struct event *event;
	enum serve_kind kind;
};

struct serve {
	struct proxy *proxy;
	struct listener listeners[SERVE_LISTENERS_MAX];
	size_t n;
	struct event *timer;
	bool is_paused;
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static void pause_all(struct serve *serve)
{
	const struct timeval tv = { .tv_usec = PAUSE_MS * 1000 };

	serve->is_paused = true;
	for (size_t i = 0; i < serve->n; i++)
		(void)event_del(serve->listeners[i].event);
	(void)event_add(serve->timer, &tv);
}

void serve_resume(struct serve *serve)
{
	if (!serve->is_paused || serve->proxy->n_conns >= PROXY_CONNECTIONS_MAX)
		return;
	serve->is_paused = false;
	for (size_t i = 0; i < serve->n; i++)
		(void)event_add(serve->listeners[i].event, NULL);
}

static void on_pause_over(evutil_socket_t fd, short what, void *arg)
{
	struct serve *serve = arg;
	const struct timeval tv = { .tv_usec = PAUSE_MS * 1000 };

	(void)fd;
	(void)what;
	serve_resume(serve);
	if (serve->is_paused)
		(void)event_add(serve->timer, &tv);
}

/* ---- who and where ---- */

static uint16_t put_address(const union address *a, uint8_t bytes[16], uint16_t *ret_port)
{
	memset(bytes, 0, 16);
	if (a->any.sa_family == AF_INET) {
		memcpy(bytes, &a->v4.sin_addr, 4);
		*ret_port = ntohs(a->v4.sin_port);
	} else {
		memcpy(bytes, &a->v6.sin6_addr, 16);
		*ret_port = ntohs(a->v6.sin6_port);
	}
	return a->any.sa_family;
}

/* Before the ruleset redirected it. A connection that was not redirected has none. */
static bool original_destination(int fd, int family, union address *ret)
{
	socklen_t n = sizeof(*ret);

	memset(ret, 0, sizeof(*ret));
	return family == AF_INET
		       ? getsockopt(fd, IPPROTO_IP, SO_ORIGINAL_DST, ret, &n) == 0
		       : getsockopt(fd, IPPROTO_IPV6, IP6T_SO_ORIGINAL_DST_, ret, &n) == 0;
}

static void deny(
	struct proxy *proxy, struct conn_request *request, struct proxymsg *msg, const char *reason)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	msg->type = PROXYMSG_DENIED;
	msg->via = request->via;
	msg->connection = ++proxy->last_connection;
	memcpy(msg->host, request->target.host, sizeof(request->target.host));
	msg->port = request->target.port;
	(void)snprintf(msg->reason, sizeof(msg->reason), "%s", reason);
	report_send(proxy->report, msg);
	(void)setsockopt(request->client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	cleanup_close(&request->client);
}

static bool is_synthetic(const struct target *t)
{
	return t->family == AF_INET && t->address[0] == (NETPLAN_SYNTHETIC_NET >> 24) &&
	       t->address[1] == ((NETPLAN_SYNTHETIC_NET >> 16) & 0xff);
}

/* From the synthetic address to its name; a literal address stays what it is. */
static bool find_name(struct proxy *proxy, struct conn_request *request)
{
	struct target *t = &request->target;
	const char *name;
	uint32_t address;

	if (!is_synthetic(t))
		return true;
	address = (uint32_t)t->address[0] << 24 | (uint32_t)t->address[1] << 16 |
		  (uint32_t)t->address[2] << 8 | t->address[3];
	name = names_find(proxy->names, address);
	if (name == NULL)
		return false;
	memset(t->host, 0, sizeof(t->host));
	memcpy(t->host, name, strlen(name));
	t->family = 0;
	request->synthetic = address;
	return true;
}

static void start_transparent(
	struct proxy *proxy, struct conn_request *request, struct proxymsg *msg)
{
	union address server;

	request->via = PROXYMSG_TRANSPARENT;
	request->has_target = true;
	if (!original_destination(request->client, msg->family, &server)) {
		cleanup_close(&request->client);
		return;
	}
	(void)put_address(&server, msg->server, &msg->server_port);
	target_from_address(msg->family, msg->server, msg->server_port, &request->target);
	if (find_name(proxy, request))
		conn_start(proxy, request);
	else
		deny(proxy, request, msg, "no name has this address any more");
}

static void start_localhost(struct proxy *proxy, struct conn_request *request, struct proxymsg *msg)
{
	static const char name[] = "localhost";

	request->via = PROXYMSG_LOCALHOST;
	request->has_target = true;
	memcpy(request->target.host, name, sizeof(name));
	request->target.port = msg->server_port;
	conn_start(proxy, request);
}

static void start_one(struct proxy *proxy, int fd, enum serve_kind kind)
{
	struct proxymsg msg = { 0 };
	struct conn_request request = { .client = fd, .via = PROXYMSG_CONNECT, .msg = &msg };
	union address client = { 0 }, server = { 0 };
	socklen_t n_client = sizeof(client), n_server = sizeof(server);

	if (getpeername(fd, &client.any, &n_client) < 0 ||
		getsockname(fd, &server.any, &n_server) < 0) {
		cleanup_close(&request.client);
		return;
	}
	msg.family = put_address(&client, msg.client, &msg.client_port);
	(void)put_address(&server, msg.server, &msg.server_port);
	if (kind == SERVE_TRANSPARENT)
		start_transparent(proxy, &request, &msg);
	else if (kind == SERVE_LOCALHOST)
		start_localhost(proxy, &request, &msg);
	else
		conn_start(proxy, &request);
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;
	struct serve *serve = l->serve;

	(void)what;
	for (int i = 0; i < ACCEPTS_A_TURN && !serve->is_paused; i++) {
		int client;

		if (serve->proxy->n_conns >= PROXY_CONNECTIONS_MAX) {
			pause_all(serve);
			return;
		}
		client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (client >= 0) {
			start_one(serve->proxy, client, l->kind);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			pause_all(serve);
		if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

struct serve *serve_new(struct proxy *proxy)
{
	struct serve *serve = calloc(1, sizeof(*serve));

	if (serve == NULL)
		return NULL;
	serve->proxy = proxy;
	serve->timer = event_new(proxy->base, -1, 0, on_pause_over, serve);
	if (serve->timer == NULL) {
		free(serve);
		return NULL;
	}
	return serve;
}

void serve_free(struct serve *serve)
{
	if (serve == NULL)
		return;
	for (size_t i = 0; i < serve->n; i++)
		event_free(serve->listeners[i].event);
	event_free(serve->timer);
	free(serve);
}

int serve_add(struct serve *serve, int fd, enum serve_kind kind)
{
	struct listener *l = &serve->listeners[serve->n];

	if (serve->n == SERVE_LISTENERS_MAX)
		return -E2BIG;
	l->serve = serve;
	l->kind = kind;
	l->event = event_new(serve->proxy->base, fd, EV_READ | EV_PERSIST, on_acceptable, l);
	if (l->event == NULL)
		return -ENOMEM;
	serve->n++;
	return event_add(l->event, NULL) == 0 ? 0 : -EIO;
}
