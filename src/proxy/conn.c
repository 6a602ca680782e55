/*
 * Connections. Runs in the proxy; hostile input: what the client sends is the gate's, what the
 * server sends is not looked at; both may stop reading or vanish at any time.
 */
#include "proxy/conn.h"

#include "base/cleanup.h"
#include "policy/policy.h"
#include "proxy/names.h"
#include "proxy/report.h"
#include "proxy/serve.h"
#include "proxy/terminate.h"
#include "wire/honey.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* Rationale: a megabyte for one connection, then the others have their turn. */
#define TURN_STEPS 16

/* Rationale: a refusal is read within a round trip. */
#define DRAIN_TIMEOUT_S 2u
/* Rationale: after the client's end a server may still work on its answer, but not for ever. */
#define HALF_CLOSED_TIMEOUT_S 3600u

static void die(struct conn *c, bool reset)
{
	c->is_dead = true;
	c->is_reset = reset;
}

static void describe(struct conn *c)
{
	c->msg.via = c->via;
	memcpy(c->msg.host, c->target.host, sizeof(c->target.host));
	c->msg.port = c->target.port;
}

static void report(struct conn *c, enum proxymsg_type type, const char *reason)
{
	describe(c);
	c->msg.type = type;
	(void)snprintf(c->msg.reason, sizeof(c->msg.reason), "%s", reason);
	c->msg.bytes_out = c->up.bytes;
	c->msg.bytes_in = c->down.bytes;
	report_send(c->proxy->report, &c->msg);
}

/* ---- both ends ---- */

static void close_socket(int *fd, bool reset)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	if (*fd >= 0 && reset)
		(void)setsockopt(*fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	cleanup_close(fd);
}

static void close_server(struct conn *c, bool reset)
{
	dial_cancel(c->dial);
	c->dial = NULL;
	if (c->has_server_event)
		(void)event_del(&c->server_event);
	c->has_server_event = false;
	close_socket(&c->server, reset);
}

static void free_conn(struct conn *c)
{
	struct proxy *proxy = c->proxy;

	if (c->is_reported)
		report(c, PROXYMSG_CLOSED, "");
	close_server(c, c->is_reset);
	(void)event_del(&c->client_event);
	(void)event_del(&c->timer);
	close_socket(&c->client, c->is_reset);
	if (c->held_name != 0)
		names_release(proxy->names, c->held_name);
	gate_done(&c->gate);
	flow_done(&c->up);
	flow_done(&c->down);
	buf_done(&c->front);
	free(c);
	proxy->n_conns--;
	serve_resume(proxy->serve);
}

static void drain(struct conn *c)
{
	close_server(c, false);
	c->state = CONN_DRAINING;
}

void conn_refuse(struct conn *c, const char *reason, const void *reply, size_t reply_bytes)
{
	if (reason != NULL)
		report(c, PROXYMSG_DENIED, reason);
	if (reply_bytes == 0) {
		die(c, true);
		return;
	}
	buf_add(&c->down.out, reply, reply_bytes);
	drain(c);
}

/* ---- client to server ---- */

/* What the client sent behind its request to the explicit proxy comes first. */
static ssize_t read_client(struct conn *c, char *bytes, size_t n)
{
	ssize_t got;

	if (c->front.len > 0) {
		if (n > c->front.len)
			n = c->front.len;
		memcpy(bytes, c->front.data, n);
		buf_drop(&c->front, n);
		return (ssize_t)n;
	}
	do
		got = recv(c->client, bytes, n, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

static ssize_t fill_up(struct conn *c)
{
	char bytes[GATE_READ_MAX];
	ssize_t n;

	if (c->gate.state == GATE_OPAQUE && c->front.len == 0)
		return flow_fill(&c->up, c->client);
	n = read_client(c, bytes, sizeof(bytes));
	if (n > 0)
		gate_feed(&c->gate, bytes, (size_t)n);
	else if (n == 0)
		gate_feed_end(&c->gate);
	return n;
}

/* The gate's judged bytes become the flow's. */
static void take_judged(struct conn *c)
{
	struct buf empty = c->up.out;

	c->up.out = c->gate.out;
	c->gate.out = empty;
	c->gate.out.len = 0;
}

/* The server does not read any more; it may have said why. */
static void break_up(struct conn *c)
{
	c->is_up_broken = true;
	c->up.is_eof = c->up.is_shut = true;
	c->up.out.len = c->up.out_at = 0;
}

/* One step; false: nothing more to be done now. */
static bool step_up(struct conn *c)
{
	ssize_t n;
	int r;

	if (c->is_up_broken)
		return false;
	if (c->state == CONN_OPEN) {
		r = flow_flush(&c->up, c->server);
		if (r < 0 && r != -EAGAIN)
			break_up(c);
		if (r < 0)
			return false;
	}
	if (!flow_is_empty(&c->up))
		return false;
	if (c->gate.out.len > 0) {
		take_judged(c);
		return true;
	}
	if (c->up.is_eof) {
		if (c->state == CONN_OPEN)
			flow_end(&c->up, c->server);
		return false;
	}
	if (!gate_wants_input(&c->gate) ||
		(c->state == CONN_DIALING && c->gate.state == GATE_OPAQUE) ||
		(!c->is_client_readable && c->front.len == 0))
		return false;
	n = fill_up(c);
	if (n == 0)
		c->up.is_eof = true;
	else if (n == -EAGAIN)
		c->is_client_readable = false;
	else if (n < 0)
		die(c, true);
	return n >= 0;
}

/* ---- server to client ---- */

static ssize_t read_response(struct conn *c)
{
	char bytes[GATE_READ_MAX];
	ssize_t n;

	do
		n = recv(c->server, bytes, sizeof(bytes), MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : 0;
	buf_add(&c->down.out, bytes, (size_t)n);
	gate_response(&c->gate, bytes, (size_t)n);
	return n;
}

static bool step_down(struct conn *c)
{
	ssize_t n = flow_flush(&c->down, c->client);

	if (n < 0) {
		if (n != -EAGAIN)
			die(c, true);
		return false;
	}
	if (c->down.is_eof) {
		flow_end(&c->down, c->client);
		return false;
	}
	if (c->state != CONN_OPEN || !c->is_server_readable)
		return false;
	n = c->gate.state == GATE_UPGRADE ? read_response(c) : flow_fill(&c->down, c->server);
	if (n == 0)
		c->down.is_eof = true;
	else if (n == -EAGAIN)
		c->is_server_readable = false;
	else if (n < 0)
		die(c, true);
	return n >= 0;
}

/* ---- turns ---- */

/* Reads and forgets, until the client has ended: an early close would be a reset to it. */
static void run_draining(struct conn *c)
{
	char bytes[4096];

	if (flow_flush(&c->down, c->client) == -EAGAIN)
		return;
	flow_end(&c->down, c->client);
	for (int i = 0; i < TURN_STEPS; i++) {
		ssize_t n = recv(c->client, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			die(c, false);
			return;
		}
	}
	event_active(&c->client_event, EV_READ, 0);
}

static void run_front(struct conn *c)
{
	char bytes[GATE_READ_MAX];
	ssize_t n;

	for (;;) {
		if (flow_flush(&c->down, c->client) == -EAGAIN || c->state != CONN_FRONT)
			return;
		n = recv(c->client, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			die(c, n < 0);
			return;
		}
		buf_add(&c->front, bytes, (size_t)n);
		front_run(c);
	}
}

static bool is_over(const struct conn *c)
{
	return c->down.is_shut && (c->up.is_shut || c->gate.state == GATE_ENDED);
}

static void run_open(struct conn *c)
{
	bool more = true;

	for (int i = 0; more && i < TURN_STEPS; i++) {
		more = step_up(c);
		if (!c->is_dead && c->gate.state == GATE_REFUSED) {
			conn_refuse(c, c->gate.reason, c->gate.reply, c->gate.reply_bytes);
			return;
		}
		if (!c->is_dead && step_down(c))
			more = true;
		if (c->is_dead)
			return;
	}
	if (more)
		event_active(&c->client_event, EV_READ, 0);
	else if (is_over(c) && (c->is_up_broken || c->gate.state == GATE_ENDED))
		drain(c);
	else if (is_over(c))
		die(c, false);
}

/* Which deadline holds now, in seconds; 0: none. */
static unsigned deadline(const struct conn *c)
{
	if (c->state == CONN_DRAINING)
		return DRAIN_TIMEOUT_S;
	if (c->state == CONN_FRONT)
		return c->front.len > 0 || c->socks.version != 0 ? PROXY_HEAD_TIMEOUT_S : 0;
	if (gate_is_waiting(&c->gate))
		return PROXY_HEAD_TIMEOUT_S;
	if (c->up.is_shut || c->down.is_shut || c->gate.state == GATE_ENDED)
		return HALF_CLOSED_TIMEOUT_S;
	return 0;
}

static void set_timer(struct conn *c)
{
	unsigned s = deadline(c);
	struct timeval tv = { .tv_sec = s };

	/* A half-closed connection that still moves bytes is not idle. */
	if (s == c->timer_s && s != HALF_CLOSED_TIMEOUT_S)
		return;
	c->timer_s = s;
	if (s != 0)
		(void)event_add(&c->timer, &tv);
	else
		(void)event_del(&c->timer);
}

static void run(struct conn *c)
{
	if (c->state == CONN_FRONT)
		run_front(c);
	if (!c->is_dead && (c->state == CONN_DIALING || c->state == CONN_OPEN))
		run_open(c);
	if (!c->is_dead && c->state == CONN_DRAINING)
		run_draining(c);
	if (c->is_dead || c->front.failed || c->down.out.failed) {
		free_conn(c);
		return;
	}
	set_timer(c);
}

static void on_client(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	if ((what & EV_READ) != 0)
		c->is_client_readable = true;
	run(c);
}

static void on_server(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	if ((what & EV_READ) != 0)
		c->is_server_readable = true;
	run(c);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	if (c->state != CONN_DRAINING && c->timer_s == PROXY_HEAD_TIMEOUT_S)
		report(c, PROXYMSG_FAILED, "the client did not finish what it had begun to send");
	die(c, c->state != CONN_DRAINING);
	run(c);
}

/* ---- beginning ---- */

static void open_server(struct conn *c, const struct dial_result *result)
{
	c->server = result->fd;
	c->state = CONN_OPEN;
	if (c->via != PROXYMSG_TRANSPARENT && c->via != PROXYMSG_LOCALHOST)
		front_answer(c, DIAL_CONNECTED, "");
	report(c, PROXYMSG_ALLOWED, "");
	c->is_reported = true;
	(void)event_assign(&c->server_event, c->proxy->base, c->server,
		EV_READ | EV_WRITE | EV_ET | EV_PERSIST, on_server, c);
	c->has_server_event = event_add(&c->server_event, NULL) == 0;
	if (!c->has_server_event)
		die(c, true);
}

/* The destination was not reached: a reset, or words if the client's protocol has some. */
static void end_undialled(struct conn *c, enum dial_outcome outcome, const char *reason)
{
	report(c, outcome == DIAL_DENIED ? PROXYMSG_DENIED : PROXYMSG_FAILED, reason);
	if (c->via == PROXYMSG_TRANSPARENT || c->via == PROXYMSG_LOCALHOST) {
		die(c, true);
		return;
	}
	front_answer(c, outcome, reason);
	drain(c);
}

static void on_dialled(void *arg, const struct dial_result *result)
{
	struct conn *c = arg;

	c->dial = NULL;
	memcpy(c->msg.address, result->address, sizeof(c->msg.address));
	if (result->rule[0] != '\0')
		memcpy(c->msg.rule, result->rule, sizeof(c->msg.rule));
	if (result->outcome == DIAL_CONNECTED)
		open_server(c, result);
	else
		end_undialled(c, result->outcome, result->reason);
	run(c);
}

/*
 * A host with rules is not dialled for a connection but for requests, and what the client says to it
 * is read. The connection is the other's from here on.
 */
static void terminate(struct conn *c)
{
	struct terminate_request request = { .client = c->client,
		.early = &c->front,
		.greeting = &c->down.out,
		.target = c->target,
		.msg = &c->msg,
		.held_name = c->held_name };

	describe(c);
	if (c->via != PROXYMSG_TRANSPARENT && c->via != PROXYMSG_LOCALHOST)
		front_answer(c, DIAL_CONNECTED, "");
	(void)event_del(&c->client_event);
	if (terminate_start(c->proxy, &request) == 0) {
		c->client = -1;
		c->held_name = 0;
	}
	die(c, true);
}

/* A name with a fake key in it; what was refused as a name never comes so far. */
static bool is_honey(struct conn *c)
{
	const char *path = honey_find_name(c->proxy->honey, c->target.host);
	char reason[sizeof(c->msg.reason)];

	if (path == NULL)
		return false;
	(void)snprintf(reason, sizeof(reason), PROXYMSG_REASON_HONEY "%.80s", path);
	end_undialled(c, DIAL_DENIED, reason);
	return true;
}

void conn_dial(struct conn *c)
{
	struct policy_answer answer;
	struct dial_request request = { .target = c->target, .done = on_dialled, .arg = c };

	c->state = CONN_DIALING;
	gate_init(&c->gate, &c->target);
	c->gate.honey = c->proxy->honey;
	c->gate.is_single = c->via == PROXYMSG_ABSOLUTE;
	if (c->via == PROXYMSG_LOCALHOST)
		c->gate.state = GATE_OPAQUE;
	if (c->proxy->login != NULL && c->via != PROXYMSG_ABSOLUTE)
		c->gate.state = GATE_OPAQUE;
	if (is_honey(c))
		return;
	if (!proxy_may_connect(c->proxy, &c->target, NULL, &answer)) {
		proxy_rule_text(&answer, c->msg.rule, sizeof(c->msg.rule));
		end_undialled(c, DIAL_DENIED, answer.reason);
		return;
	}
	proxy_rule_text(&answer, c->msg.rule, sizeof(c->msg.rule));
	if (terminate_covers(c->proxy, &c->target)) {
		terminate(c);
		return;
	}
	/* The name means the host's own loopback, whatever a name server would say. */
	request.is_localhost = strcmp(c->target.host, "localhost") == 0;
	c->dial = dial_start(c->proxy, &request);
	if (c->dial == NULL)
		end_undialled(c, DIAL_FAILED, "too many look-ups at once");
}

void conn_start(struct proxy *proxy, const struct conn_request *request)
{
	struct conn *c = calloc(1, sizeof(*c));
	int client = request->client, one = 1;

	if (c == NULL) {
		close_socket(&client, true);
		return;
	}
	proxy->n_conns++;
	c->proxy = proxy;
	c->via = request->via;
	c->client = client;
	c->server = -1;
	c->is_client_readable = true;
	c->target = request->target;
	c->msg = *request->msg;
	c->msg.connection = ++proxy->last_connection;
	flow_init(&c->up);
	flow_init(&c->down);
	if (request->synthetic != 0) {
		names_hold(proxy->names, request->synthetic);
		c->held_name = request->synthetic;
	}
	(void)setsockopt(c->client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)event_assign(&c->timer, proxy->base, -1, 0, on_timer, c);
	(void)event_assign(&c->client_event, proxy->base, c->client,
		EV_READ | EV_WRITE | EV_ET | EV_PERSIST, on_client, c);
	if (event_add(&c->client_event, NULL) < 0)
		die(c, true);
	else if (request->has_target)
		conn_dial(c);
	run(c);
}
