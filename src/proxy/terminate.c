/*
 * From the first byte of a connection to a host with rules to its end. Runs in the proxy; hostile
 * input: the client's bytes, of which only the first one is looked at here.
 */
#include "proxy/terminate.h"

#include "base/cleanup.h"
#include "policy/policy.h"
#include "policy/rules.h"
#include "proxy/front1.h"
#include "proxy/gate.h"
#include "proxy/names.h"
#include "proxy/report.h"
#include "proxy/serve.h"
#include "proxy/stream_private.h"
#include "proxy/tls.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define TLS_HANDSHAKE_BYTE 0x16

/* Rationale: a refusal is read within a round trip. */
#define DRAIN_TIMEOUT_S 2u
/* Rationale: 64 KiB of what nobody wants, then the others have their turn. */
#define DRAIN_STEPS 16

/*
 * What may happen in which state:
 *
 *	FIRST		the greeting goes out, the first byte comes: to HANDSHAKE, OPEN or ENDING
 *	HANDSHAKE	to OPEN or ENDING
 *	OPEN		HTTP/1 or HTTP/2 does what it wants: to ENDING
 *	ENDING		last words (of ours, or TLS's) go out: to DRAINING
 *	DRAINING	what still comes is forgotten, until the client has ended too
 */
enum state { FIRST, HANDSHAKE, OPEN, ENDING, DRAINING };

struct terminate {
	struct proxy *proxy;
	enum state state;
	bool is_dead;
	struct stream stream;
	struct buf words; /* greeting or refusal, below TLS */
	size_t words_at;
	struct target target;
	struct proxymsg msg;
	uint32_t held_name;
	struct exchange_peer *peer;
	const struct stream_front *front;
	void *front_arg;
};

static void die(struct terminate *t, bool is_reset)
{
	t->is_dead = true;
	t->stream.is_reset = is_reset;
}

static void report(struct terminate *t, enum proxymsg_type type, const char *reason)
{
	struct proxymsg msg = t->msg;

	msg.type = type;
	(void)snprintf(msg.reason, sizeof(msg.reason), "%s", reason);
	report_send(t->proxy->report, &msg);
}

/* Some clients (node) refuse a certificate without an alert: they only go away. */
static void report_unused(struct terminate *t)
{
	if (t->peer != NULL && t->stream.ssl != NULL && exchange_peer_is_unused(t->peer))
		report(t, PROXYMSG_FAILED,
			"client left before its first request: does it know the session's "
			"certificate authority?");
}

static void free_terminate(struct terminate *t)
{
	struct proxy *proxy = t->proxy;

	report_unused(t);
	if (t->front_arg != NULL)
		t->front->free(t->front_arg);
	exchange_peer_free(t->peer);
	stream_done(&t->stream);
	if (t->held_name != 0)
		names_release(proxy->names, t->held_name);
	buf_done(&t->words);
	free(t);
	proxy->n_conns--;
	serve_resume(proxy->serve);
}

/* ---- first bytes ---- */

/* False: not all of it goes now. */
static bool flush_words(struct terminate *t)
{
	while (t->words_at < t->words.len) {
		ssize_t n = stream_send(
			&t->stream, t->words.data + t->words_at, t->words.len - t->words_at);

		if (n == -EAGAIN)
			return false;
		if (n < 0) {
			die(t, true);
			return false;
		}
		t->words_at += (size_t)n;
	}
	t->words.len = t->words_at = 0;
	return true;
}

static void refuse(struct terminate *t, const char *reason, const void *words, size_t n)
{
	report(t, PROXYMSG_DENIED, reason);
	buf_add(&t->words, words, n);
	t->state = ENDING;
}

static void refuse_tls(struct terminate *t, const char *reason)
{
	/* A fatal access_denied (RFC 8446, 6.2). */
	static const char alert[] = { 0x15, 3, 3, 0, 2, 2, 49 };

	refuse(t, reason, alert, sizeof(alert));
}

static void refuse_plain(struct terminate *t)
{
	char reason[120], reply[512];

	(void)snprintf(reason, sizeof(reason), "%.60s has rules, and none for cleartext: use https",
		t->target.host);
	refuse(t, reason, reply, gate_http_reply(reply, sizeof(reply), "403 Forbidden", reason));
}

static void open_front(struct terminate *t)
{
	const struct stream_front *front = t->stream.is_h2 ? t->proxy->h2 : &front1;

	t->peer = exchange_peer_new(t->proxy, &t->target, &t->msg, t->stream.ssl == NULL);
	if (t->peer != NULL)
		t->front_arg = front->new (t->proxy, &t->stream, t->peer);
	if (t->front_arg == NULL) {
		die(t, true);
		return;
	}
	t->front = front;
	t->state = OPEN;
	stream_deadline(&t->stream, 0, NULL);
}

static void start_tls(struct terminate *t)
{
	if (!rules_cover(t->proxy->policy, t->target.host, t->target.port, false))
		refuse_tls(t, "the rules of this port are for cleartext alone");
	else if (t->proxy->tls == NULL)
		refuse_tls(t, "the session has no certificate authority");
	else if (tls_start(t->proxy->tls, &t->stream) < 0)
		die(t, true);
	else
		t->state = HANDSHAKE;
}

/* A byte is enough to tell; it stays in front of what the stream reads. */
static void run_first(struct terminate *t)
{
	struct buf *early = &t->stream.early;
	char byte;
	ssize_t n;

	if (!flush_words(t))
		return;
	if (early->len == 0) {
		n = stream_recv(&t->stream, &byte, 1);
		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			die(t, n < 0);
			return;
		}
		buf_add(early, &byte, 1);
		if (early->failed) {
			die(t, true);
			return;
		}
	}
	if (early->data[0] == TLS_HANDSHAKE_BYTE)
		start_tls(t);
	else if (rules_cover(t->proxy->policy, t->target.host, t->target.port, true))
		open_front(t);
	else
		refuse_plain(t);
}

static void run_handshake(struct terminate *t)
{
	switch (tls_accept(&t->stream)) {
	case 0:
		open_front(t);
		break;
	case -EAGAIN:
		break;
	case -EACCES:
		report(t, PROXYMSG_DENIED, t->stream.reason);
		t->state = ENDING;
		break;
	default:
		if (tls_was_refused(&t->stream))
			report(t, PROXYMSG_DENIED, PROXYMSG_REASON_UNTRUSTED);
		else
			report(t, PROXYMSG_FAILED, "the client's TLS handshake failed");
		t->state = ENDING;
		break;
	}
}

/* ---- the end ---- */

static void run_ending(struct terminate *t)
{
	int r;

	if (!flush_words(t))
		return;
	r = stream_say_end(&t->stream);
	if (r == -EAGAIN)
		return;
	if (r < 0) {
		die(t, true);
		return;
	}
	(void)shutdown(t->stream.fd, SHUT_WR);
	t->state = DRAINING;
	stream_deadline(&t->stream, DRAIN_TIMEOUT_S, NULL);
}

/* Reads and forgets, until the client has ended: an early close would be a reset to it. */
static void run_draining(struct terminate *t)
{
	char bytes[4096];

	for (int i = 0; i < DRAIN_STEPS; i++) {
		ssize_t n = stream_recv(&t->stream, bytes, sizeof(bytes));

		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			die(t, false);
			return;
		}
	}
	stream_kick(&t->stream);
}

static void run_open(struct terminate *t)
{
	if (!t->stream.is_finished)
		t->front->ready(t->front_arg);
	if (!t->stream.is_finished)
		return;
	if (t->stream.is_reset)
		die(t, true);
	else
		t->state = ENDING;
}

static void run(struct terminate *t)
{
	static void (*const steps[])(struct terminate * t) = { [FIRST] = run_first,
		[HANDSHAKE] = run_handshake,
		[OPEN] = run_open,
		[ENDING] = run_ending,
		[DRAINING] = run_draining };
	enum state before;

	do {
		before = t->state;
		steps[before](t);
	} while (!t->is_dead && t->state != before);
	if (t->is_dead || t->words.failed)
		free_terminate(t);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct terminate *t = arg;

	(void)fd;
	(void)what;
	t->stream.is_drained = false;
	run(t);
}

static void on_kick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	run(arg);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct terminate *t = arg;

	(void)fd;
	(void)what;
	if (t->stream.why != NULL)
		report(t, PROXYMSG_FAILED, t->stream.why);
	die(t, t->state != DRAINING);
	free_terminate(t);
}

/* ---- beginning ---- */

bool terminate_covers(const struct proxy *proxy, const struct target *target)
{
	return rules_cover(proxy->policy, target->host, target->port, false) ||
	       rules_cover(proxy->policy, target->host, target->port, true);
}

int terminate_start(struct proxy *proxy, const struct terminate_request *request)
{
	struct terminate *t = calloc(1, sizeof(*t));
	struct stream_start start = { .base = proxy->base,
		.fd = request->client,
		.early = request->early,
		.on_event = on_event,
		.on_kick = on_kick,
		.on_timer = on_timer,
		.arg = t };

	if (t == NULL)
		return -ENOMEM;
	start.target = &t->target;
	t->target = request->target;
	if (stream_init(&t->stream, &start) < 0) {
		free(t);
		return -ENOMEM;
	}
	t->proxy = proxy;
	t->msg = *request->msg;
	t->held_name = request->held_name;
	t->words = *request->greeting;
	*request->greeting = (struct buf){ 0 };
	t->stream.is_single = t->msg.via == PROXYMSG_ABSOLUTE;
	proxy->n_conns++;
	stream_deadline(&t->stream, PROXY_HEAD_TIMEOUT_S,
		"the client did not finish what it had begun to send");
	stream_kick(&t->stream);
	return 0;
}
