/*
 * Dialling. Runs in the proxy; hostile input: the addresses that name servers answer with. The
 * address that was judged is the one that is dialled: there is no second look-up.
 */
#include "proxy/dial.h"

#include "base/cleanup.h"
#include "policy/policy.h"
#include "proxy/parent.h"
#include "proxy/resolver.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

struct dial {
	struct proxy *proxy;
	struct dial_request request;
	struct resolver_waiter waiter;
	struct target candidates[RESOLVER_ADDRESSES_MAX];
	size_t n, next;
	int fd;
	struct event *event; /* of fd while it connects, else of the deferred end */
	bool has_parent;     /* the candidates are those of the parent proxy */
	struct target through;
	struct parent *parent; /* while it is asked to connect */
	struct dial_result result;
};

void dial_cancel(struct dial *d)
{
	if (d == NULL)
		return;
	resolver_cancel(&d->waiter);
	parent_free(d->parent);
	if (d->event != NULL)
		event_free(d->event);
	cleanup_close(&d->fd);
	free(d);
}

static void finish(struct dial *d)
{
	struct dial_result result = d->result;
	struct dial_request request = d->request;

	result.fd = result.outcome == DIAL_CONNECTED ? take_fd(&d->fd) : -1;
	dial_cancel(d);
	request.done(request.arg, &result);
}

static void on_end(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	finish(arg);
}

/* The end is told from the event loop even when it is known at once. */
static void end_later(struct dial *d)
{
	if (d->event != NULL)
		event_free(d->event);
	d->event = event_new(d->proxy->base, -1, 0, on_end, d);
	if (d->event != NULL)
		event_active(d->event, 0, 0);
}

static void connect_next(struct dial *d);

static const char *reason_of(int code)
{
	static const struct {
		int code;
		const char *reason;
	} table[] = { { ECONNREFUSED, "connection refused" },
		{ ENETUNREACH, "network is unreachable" }, { EHOSTUNREACH, "no route to host" },
		{ ETIMEDOUT, "connection timed out" }, { ECONNRESET, "connection reset" },
		{ EMFILE, "too many open files" } };

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (table[i].code == code)
			return table[i].reason;
	}
	return "cannot connect";
}

static void attempt_failed(struct dial *d, int code)
{
	d->result.reason = reason_of(code);
	cleanup_close(&d->fd);
	connect_next(d);
}

static void on_parent(void *arg, const char *why)
{
	struct dial *d = arg;

	parent_free(d->parent);
	d->parent = NULL;
	if (why == NULL) {
		d->result.outcome = DIAL_CONNECTED;
	} else {
		d->result.reason = why;
		cleanup_close(&d->fd);
	}
	finish(d);
}

/* The socket leads to the parent: it has to lead on to the target. */
static void ask_parent(struct dial *d)
{
	const struct parent_request request = {
		.fd = d->fd, .target = &d->request.target, .done = on_parent, .arg = d
	};

	event_free(d->event);
	d->event = NULL;
	d->parent = parent_start(d->proxy->base, &request);
	if (d->parent == NULL)
		attempt_failed(d, ENOMEM);
}

static void on_connect(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;
	int code = 0;
	socklen_t n = sizeof(code);

	if ((what & EV_TIMEOUT) != 0)
		code = ETIMEDOUT;
	else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &n) < 0)
		code = errno;
	if (code != 0) {
		attempt_failed(d, code);
		return;
	}
	if (d->has_parent) {
		ask_parent(d);
		return;
	}
	d->result.outcome = DIAL_CONNECTED;
	finish(d);
}

static int connect_to(int fd, const struct target *address, uint16_t port)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int one = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	if (address->family == AF_INET) {
		memcpy(&a4.sin_addr, address->address, sizeof(a4.sin_addr));
		return connect(fd, (struct sockaddr *)&a4, sizeof(a4));
	}
	memcpy(&a6.sin6_addr, address->address, sizeof(a6.sin6_addr));
	return connect(fd, (struct sockaddr *)&a6, sizeof(a6));
}

static void connect_next(struct dial *d)
{
	const struct target *address;
	struct timeval tv = { .tv_sec = DIAL_NEXT_S };

	if (d->next == d->n) {
		end_later(d);
		return;
	}
	address = &d->candidates[d->next++];
	if (d->next == d->n)
		tv.tv_sec = DIAL_TIMEOUT_S;
	memcpy(d->result.address, address->host, sizeof(d->result.address) - 1);
	d->fd = socket(address->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (d->fd < 0 ||
		(connect_to(d->fd, address, d->has_parent ? d->through.port : d->request.target.port) <
				0 &&
			errno != EINPROGRESS)) {
		attempt_failed(d, errno);
		return;
	}
	if (d->event != NULL)
		event_free(d->event);
	d->event = event_new(d->proxy->base, d->fd, EV_WRITE, on_connect, d);
	if (d->event == NULL || event_add(d->event, &tv) < 0)
		attempt_failed(d, ENOMEM);
}

/* False: policy does not allow this address, and why is the dial's result. */
static bool add_candidate(struct dial *d, const struct target *address)
{
	struct policy_answer answer;

	if (!proxy_may_connect(d->proxy, &d->request.target, address, &answer)) {
		proxy_rule_text(&answer, d->result.rule, sizeof(d->result.rule));
		d->result.reason = answer.reason;
		d->result.outcome = DIAL_DENIED;
		memcpy(d->result.address, address->host, sizeof(d->result.address) - 1);
		return false;
	}
	d->candidates[d->n++] = *address;
	return true;
}

static void connect_first(struct dial *d)
{
	if (d->n > 0) {
		d->result.outcome = DIAL_FAILED;
		d->result.rule[0] = '\0';
	}
	connect_next(d);
}

static void start_localhost(struct dial *d);

static void on_parent_lookup(void *arg, const struct resolver_result *found)
{
	struct dial *d = arg;

	d->result.reason = "the parent proxy's name is not known";
	for (size_t i = 0; i < found->n; i++)
		d->candidates[d->n++] = found->addresses[i];
	connect_first(d);
}

/*
 * What of the target was looked up here has been judged; what only the parent can look up is judged
 * by its name alone.
 */
static void start_parent(struct dial *d)
{
	d->n = 0;
	d->waiter.done = on_parent_lookup;
	if (strcmp(d->through.host, "localhost") == 0) {
		start_localhost(d);
	} else if (d->through.family != 0) {
		d->candidates[d->n++] = d->through;
		connect_first(d);
	} else if (!resolver_lookup(d->proxy->resolver, d->through.host, &d->waiter)) {
		d->result.reason = "too many look-ups at once";
		end_later(d);
	}
}

static void on_lookup(void *arg, const struct resolver_result *found)
{
	struct dial *d = arg;

	d->result.reason = found->why;
	/* One address that leads inside spoils the answer: whoever gave it would get it sooner or later. */
	for (size_t i = 0; i < found->n; i++)
		if (!add_candidate(d, &found->addresses[i])) {
			d->n = 0;
			break;
		}
	if (d->has_parent && (d->n > 0 || found->n == 0))
		start_parent(d);
	else
		connect_first(d);
}

static void start_localhost(struct dial *d)
{
	static const uint8_t four[4] = { 127, 0, 0, 1 }, six[16] = { [15] = 1 };
	struct target address;

	target_from_address(AF_INET, four, 0, &address);
	d->candidates[d->n++] = address;
	target_from_address(AF_INET6, six, 0, &address);
	d->candidates[d->n++] = address;
	connect_first(d);
}

struct dial *dial_start(struct proxy *proxy, const struct dial_request *request)
{
	struct dial *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->proxy = proxy;
	d->request = *request;
	d->fd = -1;
	d->result.outcome = DIAL_FAILED;
	d->result.reason = "cannot connect";
	d->waiter.done = on_lookup;
	d->waiter.arg = d;
	d->has_parent = parent_find(proxy->policy, &request->target, &d->through);
	if (request->is_localhost) {
		start_localhost(d);
	} else if (request->target.family != 0) {
		(void)add_candidate(d, &request->target);
		if (d->has_parent && d->n > 0)
			start_parent(d);
		else
			connect_first(d);
	} else if (!resolver_lookup(proxy->resolver, request->target.host, &d->waiter)) {
		dial_cancel(d);
		return NULL;
	}
	return d;
}
