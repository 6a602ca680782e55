/*
 * Exchanges: from a judged request over a dialled server and its rule's keeper to the response.
 * Runs in the proxy; hostile input: the request's bytes, and what a keeper makes of a hostile
 * server. Nothing is buffered but a request's head and a response's trailers.
 */
#include "proxy/exchange_private.h"

#include "base/cleanup.h"
#include "policy/policy.h"
#include "proxy/report.h"

#include <stdio.h>
#include <string.h>

/* ---- reports ---- */

void exchange_copy_text(char *out, size_t out_bytes, const char *at, size_t n)
{
	if (n > out_bytes - 1)
		n = out_bytes - 1;
	if (n > 0)
		memcpy(out, at, n);
	out[n] = '\0';
}

void exchange_report(struct exchange *x, unsigned status, bool is_denied, const char *reason)
{
	struct proxymsg *msg = &x->msg;

	if (msg->type != 0)
		return; /* was reported */
	msg->type = PROXYMSG_REQUEST;
	msg->status = (uint16_t)status;
	msg->is_denied = is_denied;
	exchange_copy_text(msg->reason, sizeof(msg->reason), reason, strlen(reason));
	/* The client's bytes go first: waking the warden takes as long as they do. */
	x->is_report_due = true;
	event_active(&x->later, 0, 0);
}

/* At once, while the command is there: it is to be ended before it has its answer. */
static void report_honey(struct exchange *x, const char *reason)
{
	struct proxymsg msg = x->msg;

	msg.type = PROXYMSG_REQUEST;
	msg.status = 403;
	msg.is_denied = true;
	exchange_copy_text(msg.reason, sizeof(msg.reason), reason, strlen(reason));
	x->msg.type = msg.type;
	x->is_report_due = false;
	report_send(x->peer->proxy->report, &msg);
}

static void send_report(struct exchange *x)
{
	if (!x->is_report_due)
		return;
	x->is_report_due = false;
	report_send(x->peer->proxy->report, &x->msg);
}

void exchange_refused(struct exchange_peer *peer, unsigned status, const char *reason)
{
	struct proxymsg msg = peer->msg;

	msg.type = PROXYMSG_REQUEST;
	msg.status = (uint16_t)status;
	msg.is_denied = true;
	peer->is_used = true;
	msg.rule[0] = '\0';
	exchange_copy_text(msg.reason, sizeof(msg.reason), reason, strlen(reason));
	report_send(peer->proxy->report, &msg);
}

static void report_connection(struct exchange_peer *peer, enum proxymsg_type type)
{
	peer->msg.type = type;
	report_send(peer->proxy->report, &peer->msg);
}

/* ---- the end ---- */

static void take_from_peer(struct exchange *x)
{
	struct exchange **at = &x->peer->exchanges;

	while (*at != x)
		at = &(*at)->next;
	*at = x->next;
	x->peer->n_exchanges--;
}

/* Its channel, if it still has one, is of no use to another. */
void exchange_detach(struct exchange *x)
{
	dial_cancel(x->dial);
	x->dial = NULL;
	exchange_link_close(x->link);
	take_from_peer(x);
	(void)event_del(&x->later);
}

void exchange_free(struct exchange *x)
{
	send_report(x);
	buf_done(&x->request);
	buf_done(&x->trailers);
	free(x);
}

void exchange_cancel(struct exchange *x)
{
	if (x->state == EXCHANGE_REFUSED)
		exchange_report(x, x->status, x->is_denied, x->reason);
	else if (!x->has_head)
		exchange_report(x, 0, false, "the client went away");
	exchange_detach(x);
	exchange_free(x);
}

/* From the event loop. */
void exchange_fail(struct exchange *x, unsigned status, const char *reason)
{
	if (!x->has_head)
		exchange_report(x, status, x->is_denied, reason);
	exchange_detach(x);
	x->ops->failed(x->arg, status, reason);
	exchange_free(x);
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
	struct exchange *x = arg;

	(void)fd;
	(void)what;
	send_report(x);
	if (x->state == EXCHANGE_REFUSED)
		exchange_fail(x, x->status, x->reason);
}

static void fail_later(struct exchange *x, unsigned status, const char *reason)
{
	x->state = EXCHANGE_REFUSED;
	x->status = status;
	exchange_copy_text(x->reason, sizeof(x->reason), reason, strlen(reason));
	event_active(&x->later, 0, 0);
}

static void no_keeper(struct exchange *x)
{
	char reason[KEEPMSG_REASON_MAX];

	(void)snprintf(reason, sizeof(reason), "the keeper of rule %.100s is not there",
		rules_name(x->rule));
	fail_later(x, 502, reason);
}

/* Its secret takes long to come, and the socket that connections wait in for it is full. */
static void busy_keeper(struct exchange *x)
{
	char reason[KEEPMSG_REASON_MAX];

	(void)snprintf(reason, sizeof(reason),
		"too many connections wait for the keeper of rule %.90s", rules_name(x->rule));
	fail_later(x, 503, reason);
}

/* ---- to the keeper ---- */

static void start_dial(struct exchange *x);

/* An idle channel's server may be gone: then nothing was done with a request that found it so. */
bool exchange_retry(struct exchange *x)
{
	if (!x->is_reused || x->is_retried || x->has_head || x->n_informational > 0 ||
		x->has_body || x->is_upgrade || !x->is_idempotent)
		return false;
	exchange_link_close(x->link);
	x->is_retried = true;
	x->is_reused = x->is_ended = false;
	start_dial(x);
	return true;
}

/*
 * The request's head, then what of its end is due. A reused channel that is closed has not taken
 * the head, so that another one may have it, whatever the method; a new one's event tells of its
 * end.
 */
static void send_head(struct exchange *x)
{
	bool with_end = !x->has_body;
	unsigned sent;
	int r;

	if (x->state != EXCHANGE_SENDING)
		return;
	r = keep_send_request(x->link->fd, &x->request, with_end, &sent);
	if (sent > 0)
		x->state = EXCHANGE_OPEN;
	if (sent == 2)
		x->is_ended = true;
	x->wants_end |= with_end;
	if (r == -EAGAIN) {
		exchange_link_wait(x->link);
	} else if (r < 0 && x->is_reused) {
		exchange_link_close(x->link);
		x->is_reused = false;
		start_dial(x);
	} else if (r < 0) {
		exchange_link_wake(x->link);
	}
}

void exchange_send_end_due(struct exchange *x)
{
	int r;

	if (x->state != EXCHANGE_OPEN || !x->wants_end || x->is_ended)
		return;
	r = keep_send(x->link->fd, KEEPMSG_BODY_END, NULL, 0);
	if (r == 0)
		x->is_ended = true;
	else if (r == -EAGAIN)
		exchange_link_wait(x->link);
}

void exchange_can_send(struct exchange *x)
{
	send_head(x);
	exchange_send_end_due(x);
	if (x->state != EXCHANGE_OPEN || !x->wants_writable)
		return;
	x->wants_writable = false;
	x->ops->writable(x->arg);
}

static void use_link(struct exchange *x, struct exchange_link *link)
{
	link->x = x;
	x->link = link;
	x->is_reused = link->n_served > 0;
	x->state = EXCHANGE_SENDING;
	send_head(x);
	exchange_send_end_due(x);
}

bool exchange_wants_body(struct exchange *x)
{
	if (x->state != EXCHANGE_OPEN)
		x->wants_writable = true;
	return x->state == EXCHANGE_OPEN;
}

/* The server gets no more of the request, whatever it has answered by now. */
static void refuse_body(struct exchange *x, const char *path)
{
	char reason[KEEPMSG_REASON_MAX];

	(void)snprintf(reason, sizeof(reason), PROXYMSG_REASON_HONEY "%.80s", path);
	report_honey(x, reason);
	exchange_link_close(x->link);
	x->link = NULL;
	x->wants_writable = false;
	fail_later(x, 403, reason);
}

size_t exchange_send(struct exchange *x, const char *bytes, size_t n)
{
	const struct honey *honey = x->peer->proxy->honey;
	const char *path;
	size_t done = 0;
	int r;

	/* What was not taken comes once more, and is looked at once more. */
	path = honey != NULL && x->state == EXCHANGE_OPEN ? honey_find_part(honey, &x->scan, bytes, n)
							  : NULL;
	if (path != NULL) {
		refuse_body(x, path);
		return n;
	}

	while (x->state == EXCHANGE_OPEN && done < n) {
		size_t part = n - done < KEEPMSG_DATA_MAX ? n - done : KEEPMSG_DATA_MAX;

		r = keep_send(x->link->fd, KEEPMSG_BODY, bytes + done, part);
		if (r == -EAGAIN)
			break;
		/* The channel is gone: its event tells, and the bytes have no use. */
		if (r < 0)
			return n;
		done += part;
	}
	x->peer->msg.bytes_out += done;
	x->wants_writable = done < n;
	if (x->wants_writable && x->link != NULL)
		exchange_link_wait(x->link);
	return done;
}

void exchange_send_end(struct exchange *x)
{
	x->wants_end = true;
	exchange_send_end_due(x);
}

void exchange_read(struct exchange *x, bool on)
{
	bool was = x->is_reading;

	x->is_reading = on;
	if (on && !was && x->link != NULL)
		exchange_link_wake(x->link);
}

/* ---- a new channel ---- */

static void hand_over(struct exchange *x, int server)
{
	struct exchange_peer *peer = x->peer;
	size_t rule = rules_index(x->rule);
	struct exchange_link *link;
	int fd = keep_open(peer->proxy->rules[rule], &peer->target, peer->is_plain, server);

	if (fd == -EAGAIN) {
		busy_keeper(x);
		return;
	}
	if (fd < 0) {
		no_keeper(x);
		return;
	}
	link = exchange_link_new(peer, rule, fd);
	if (link == NULL) {
		fail_later(x, 503, "out of memory");
		return;
	}
	use_link(x, link);
	exchange_can_send(x);
}

static void not_dialled(struct exchange *x, const struct dial_result *result)
{
	char reason[KEEPMSG_REASON_MAX];
	bool timed_out = strstr(result->reason, "timed out") != NULL;

	x->is_denied = result->outcome == DIAL_DENIED;
	if (result->rule[0] != '\0')
		memcpy(x->msg.rule, result->rule, sizeof(x->msg.rule));
	(void)snprintf(reason, sizeof(reason), "%s%.60s: %.80s",
		x->is_denied ? "" : "cannot reach ", x->peer->target.host, result->reason);
	exchange_fail(x, x->is_denied ? 403 : timed_out ? 504 : 502, reason);
}

static void on_dialled(void *arg, const struct dial_result *result)
{
	struct exchange *x = arg;
	int server = result->fd;

	x->dial = NULL;
	memcpy(x->msg.address, result->address, sizeof(x->msg.address));
	if (result->outcome != DIAL_CONNECTED) {
		not_dialled(x, result);
		return;
	}
	if (!x->peer->is_reported) {
		x->peer->is_reported = true;
		memcpy(x->peer->msg.address, result->address, sizeof(x->peer->msg.address));
		report_connection(x->peer, PROXYMSG_ALLOWED);
	}
	hand_over(x, server);
	cleanup_close(&server);
}

static void start_dial(struct exchange *x)
{
	struct dial_request request = { .target = x->peer->target, .done = on_dialled, .arg = x };

	/* The name means the host's own loopback, whatever a name server would say. */
	request.is_localhost = strcmp(request.target.host, "localhost") == 0;
	x->state = EXCHANGE_DIALING;
	x->dial = dial_start(x->peer->proxy, &request);
	if (x->dial == NULL)
		fail_later(x, 503, "too many look-ups at once");
}

/* ---- beginnings ---- */

static void describe(
	struct exchange *x, const struct judge_request *request, const struct judge_result *judged)
{
	struct proxymsg *msg = &x->msg;
	const struct keepmsg_text *path = &judged->head.path;

	*msg = x->peer->msg;
	msg->type = 0;
	exchange_copy_text(msg->method, sizeof(msg->method), request->method.at, request->method.n);
	if (path->at != NULL)
		exchange_copy_text(msg->path, sizeof(msg->path), path->at, path->n);
	for (char *c = msg->method; *c != '\0'; c++)
		*c = *c > 0x20 && *c < 0x7f ? *c : '?';
	if (judged->rule != NULL)
		(void)snprintf(msg->rule, sizeof(msg->rule), "%.120s:%u inject %.60s",
			rules_origin(judged->rule).file, rules_origin(judged->rule).line,
			rules_name(judged->rule));
}

static bool is_method(const struct judge_request *q, const char *method)
{
	return q->method.n == strlen(method) && memcmp(q->method.at, method, q->method.n) == 0;
}

static void fill(struct exchange *x, const struct judge_request *q)
{
	x->has_body = q->framing != KEEPMSG_NO_BODY;
	x->is_upgrade = q->has_upgrade;
	x->is_head = is_method(q, "HEAD");
	x->is_idempotent = x->is_head || is_method(q, "GET") || is_method(q, "OPTIONS") ||
			   is_method(q, "PUT") || is_method(q, "DELETE");
	x->is_reading = true;
}

static void start(struct exchange *x, const struct judge_result *judged)
{
	struct exchange_peer *peer = x->peer;
	size_t rule;
	struct exchange_link *link;
	int r;

	x->rule = judged->rule;
	if (judged->verdict == JUDGE_REFUSED) {
		x->is_denied = true;
		if (str_starts(judged->reason, PROXYMSG_REASON_HONEY))
			report_honey(x, judged->reason);
		fail_later(x, judged->status, judged->reason);
		return;
	}
	rule = rules_index(x->rule);
	r = keepmsg_put_head(&x->request, KEEPMSG_REQUEST, &judged->head);
	link = exchange_link_find(peer, rule);
	if (r < 0)
		fail_later(x, 431, "request head too long");
	else if (x->request.failed)
		fail_later(x, 503, "out of memory");
	else if (rule >= peer->proxy->n_rules || peer->proxy->rules[rule] < 0)
		no_keeper(x);
	else if (link != NULL)
		use_link(x, link);
	else
		start_dial(x);
}

struct exchange *exchange_start(struct exchange_peer *peer, const struct judge_request *request,
	const struct exchange_ops *ops, void *arg)
{
	struct judge_result judged;
	struct exchange *x;

	peer->is_used = true;
	if (peer->n_exchanges == EXCHANGE_CHANNELS_MAX)
		return NULL;
	x = calloc(1, sizeof(*x));
	if (x == NULL)
		return NULL;
	x->peer = peer;
	x->ops = ops;
	x->arg = arg;
	x->next = peer->exchanges;
	peer->exchanges = x;
	peer->n_exchanges++;
	(void)event_assign(&x->later, peer->proxy->base, -1, 0, on_later, x);
	fill(x, request);
	judge(peer->proxy, &peer->target, request, &judged);
	describe(x, request, &judged);
	start(x, &judged);
	judge_done(&judged);
	return x;
}

struct exchange_peer *exchange_peer_new(
	struct proxy *proxy, const struct target *target, const struct proxymsg *msg, bool is_plain)
{
	struct exchange_peer *peer = calloc(1, sizeof(*peer));

	if (peer == NULL)
		return NULL;
	peer->proxy = proxy;
	peer->target = *target;
	peer->msg = *msg;
	peer->is_plain = is_plain;
	return peer;
}

bool exchange_peer_is_unused(const struct exchange_peer *peer)
{
	return !peer->is_used;
}

void exchange_peer_free(struct exchange_peer *peer)
{
	if (peer == NULL)
		return;
	while (peer->exchanges != NULL)
		exchange_cancel(peer->exchanges);
	while (peer->links != NULL)
		exchange_link_close(peer->links);
	if (peer->is_reported)
		report_connection(peer, PROXYMSG_CLOSED);
	free(peer);
}
