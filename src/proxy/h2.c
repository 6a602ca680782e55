/*
 * HTTP/2 over a client's connection: moves bytes between stream.h and a session, and keeps its
 * deadlines. Runs in the proxy; hostile input: a client that sends too much or reads too little.
 */
#include "proxy/h2.h"

#include "base/clock.h"

#include "proxy/h2_session.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <string.h>

/* Rationale: half a megabyte for one connection, then the others have their turn. */
#define TURN_STEPS 32
/* Rationale: fills a TLS record; one frame of 16 KiB more may come behind it. */
#define OUT_BYTES (16u << 10)
/* Rationale: the last words are read within a round trip. */
#define GOAWAY_TIMEOUT_S 2u

struct h2 {
	struct stream *stream;
	struct h2_session *session;
	struct buf out;
	size_t out_at;
	int64_t blocked_since_ms; /* when out last moved */
	struct event timer;
	int64_t timer_ms; /* what it is set to, INT64_MAX: not set */
	bool is_ending;   /* waits for GOAWAY to be read */
	bool is_finished;
};

static void wake(void *arg)
{
	struct h2 *h = arg;

	if (!h->is_finished)
		stream_kick(h->stream);
}

static void finish(struct h2 *h, bool is_reset)
{
	h->is_finished = true;
	(void)event_del(&h->timer);
	stream_finish(h->stream, is_reset);
}

static void fill_out(struct h2 *h)
{
	const char *bytes = NULL;
	size_t n;

	h->out.len = h->out_at = 0;
	while (h->out.len < OUT_BYTES && (n = h2_session_take(h->session, &bytes)) > 0)
		buf_add(&h->out, bytes, n);
	h->blocked_since_ms = clock_ms();
}

/* One write; false: nothing more can be written now. */
static bool step_out(struct h2 *h)
{
	ssize_t n;

	if (h->out_at == h->out.len)
		fill_out(h);
	if (h->out.failed) {
		finish(h, true);
		return false;
	}
	if (h->out.len == 0) {
		if (h2_session_is_done(h->session))
			finish(h, false);
		return false;
	}
	n = stream_write(h->stream, h->out.data + h->out_at, h->out.len - h->out_at);
	if (n < 0 && n != -EAGAIN)
		finish(h, true);
	if (n <= 0)
		return false;
	h->out_at += (size_t)n;
	h->blocked_since_ms = clock_ms();
	return true;
}

/* One read; false: nothing more is to be had, or wanted before something was written. */
static bool step_in(struct h2 *h)
{
	char bytes[H2_FEED_MAX];
	ssize_t n;

	if (!h2_session_wants_input(h->session))
		return false;
	n = stream_read(h->stream, bytes, sizeof(bytes));
	if (n > 0)
		h2_session_feed(h->session, bytes, (size_t)n);
	else if (n != -EAGAIN)
		finish(h, n < 0);
	return n > 0;
}

static int64_t deadline(const struct h2 *h)
{
	int64_t at = h2_session_deadline_ms(h->session);
	int64_t blocked = h->blocked_since_ms + H2_STALL_TIMEOUT_S * 1000;

	return h->out_at < h->out.len && blocked < at ? blocked : at;
}

/* It may go off too early: then it is set anew. */
static void set_timer(struct h2 *h)
{
	int64_t at = deadline(h), ms;
	struct timeval tv;

	if (at >= h->timer_ms)
		return;
	ms = at - clock_ms();
	if (ms < 0)
		ms = 0;
	tv = (struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	if (event_add(&h->timer, &tv) == 0)
		h->timer_ms = at;
}

static void run(void *arg)
{
	struct h2 *h = arg;
	bool more = true;

	for (int i = 0; more && !h->is_finished && i < TURN_STEPS; i++) {
		more = step_out(h);
		if (!h->is_finished && step_in(h))
			more = true;
	}
	if (h->is_finished)
		return;
	if (h2_session_reason(h->session) != NULL && !h->is_ending) {
		h->is_ending = true;
		stream_deadline(h->stream, GOAWAY_TIMEOUT_S, NULL);
	}
	if (more)
		stream_kick(h->stream);
	set_timer(h);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct h2 *h = arg;

	(void)fd;
	(void)what;
	h->timer_ms = INT64_MAX;
	h2_session_tick(h->session);
	if (h->out_at < h->out.len && h->blocked_since_ms + H2_STALL_TIMEOUT_S * 1000 <= clock_ms())
		finish(h, true);
	else
		run(h);
}

static void front_free(void *arg)
{
	struct h2 *h = arg;

	h->is_finished = true;
	(void)event_del(&h->timer);
	h2_session_free(h->session);
	buf_done(&h->out);
	free(h);
}

static const struct h2_backend backend = {
	.start = exchange_start,
	.send = exchange_send,
	.send_end = exchange_send_end,
	.read = exchange_read,
	.cancel = exchange_cancel,
	.refused = exchange_refused,
};

static void *front_new(struct proxy *proxy, struct stream *stream, struct exchange_peer *peer)
{
	struct h2 *h = calloc(1, sizeof(*h));
	struct h2_setup setup = { &backend, peer, clock_ms, wake, h };

	if (h == NULL)
		return NULL;
	h->stream = stream;
	h->timer_ms = INT64_MAX;
	h->blocked_since_ms = clock_ms();
	(void)event_assign(&h->timer, proxy->base, -1, 0, on_timer, h);
	h->session = h2_session_new(&setup);
	if (h->session == NULL) {
		free(h);
		return NULL;
	}
	return h;
}

const struct stream_front h2_front = { .new = front_new, .ready = run, .free = front_free };
