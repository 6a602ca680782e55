/*
 * Fuzzes a session of HTTP/2 with a client's bytes; behind it are exchanges that answer. What
 * arrives there must be whole: no forbidden field, no byte that ends a line, a body as long as it
 * was said to be; and what waits must be bounded.
 *
 * Input: how many bytes at a time; a seed for the answers; then the client's bytes, behind a
 * preface and SETTINGS that are always the same unless the seed is odd.
 */
#include "proxy/h2_session.h"

#include <string.h>

struct exchange {
	const struct exchange_ops *ops;
	void *arg;
	uint64_t length, got;
	bool has_length, is_live, is_ended, is_paused, is_begun;
};

static struct exchange live[EXCHANGE_CHANNELS_MAX];
static uint32_t seed;
static int64_t clock_ms;

static void hold_true(bool what)
{
	if (!what)
		abort();
}

static unsigned dice(unsigned sides)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % sides;
}

/* ---- the keeper's side ---- */

static bool is_clean(struct keepmsg_text t)
{
	for (size_t i = 0; i < t.n; i++) {
		if (t.at[i] == '\r' || t.at[i] == '\n' || t.at[i] == '\0')
			return false;
	}
	return true;
}

static void check(const struct judge_request *r)
{
	hold_true(r->method.n > 0 && is_clean(r->method) &&
		  memchr(r->method.at, ' ', r->method.n) == NULL);
	hold_true(r->target.n > 0 && is_clean(r->target) &&
		  memchr(r->target.at, ' ', r->target.n) == NULL);
	hold_true(r->n_authorities > 0 && r->is_h2 && !r->is_plain && !r->has_upgrade);
	for (size_t i = 0; i < r->n_authorities; i++)
		hold_true(r->authorities[i].n > 0 && is_clean(r->authorities[i]) &&
			  memchr(r->authorities[i].at, '@', r->authorities[i].n) == NULL);
	for (size_t i = 0; i < r->n_fields; i++) {
		const struct keepmsg_field *f = &r->fields[i];

		hold_true(f->name.n > 0 && f->name.at[0] != ':' && is_clean(f->name) &&
			  is_clean(f->value));
		for (size_t j = 0; j < f->name.n; j++)
			hold_true(f->name.at[j] < 'A' || f->name.at[j] > 'Z');
		hold_true(f->name.n != 4 || memcmp(f->name.at, "host", 4) != 0);
		hold_true(f->name.n != 10 || memcmp(f->name.at, "connection", 10) != 0);
		hold_true(f->name.n != 17 || memcmp(f->name.at, "transfer-encoding", 17) != 0);
	}
}

static struct exchange *start(struct exchange_peer *peer, const struct judge_request *r,
	const struct exchange_ops *ops, void *arg)
{
	(void)peer;
	check(r);
	for (size_t i = 0; i < EXCHANGE_CHANNELS_MAX; i++) {
		if (live[i].is_live)
			continue;
		live[i] = (struct exchange){ .ops = ops, .arg = arg, .is_live = true };
		live[i].has_length = r->framing == KEEPMSG_LENGTH;
		live[i].length = r->length;
		return dice(50) == 0 ? (live[i].is_live = false, NULL) : &live[i];
	}
	abort(); /* more at once than were allowed */
}

static size_t take(struct exchange *x, const char *bytes, size_t n)
{
	size_t took = dice(3) == 0 ? dice(1000) : n;

	(void)bytes;
	hold_true(x->is_live && !x->is_ended);
	took = took < n ? took : n;
	x->got += took;
	hold_true(!x->has_length || x->got <= x->length);
	return took;
}

static void take_end(struct exchange *x)
{
	hold_true(x->is_live && !x->is_ended && (!x->has_length || x->got == x->length));
	x->is_ended = true;
}

static void pause_or_go_on(struct exchange *x, bool on)
{
	hold_true(x->is_live);
	x->is_paused = !on;
}

static void cancel(struct exchange *x)
{
	hold_true(x->is_live);
	x->is_live = false;
}

static void refused(struct exchange_peer *peer, unsigned status, const char *reason)
{
	(void)peer;
	(void)status;
	hold_true(reason[0] != '\0');
}

/* ---- answers ---- */

static void answer_head(struct exchange *x)
{
	static const unsigned statuses[] = { 100, 103, 200, 200, 200, 204, 304, 403, 101, 500 };
	static const enum keepmsg_framing framings[] = { KEEPMSG_UNKNOWN, KEEPMSG_UNKNOWN,
		KEEPMSG_LENGTH, KEEPMSG_NO_BODY };
	struct keepmsg_head head = {
		.status = statuses[dice(10)], .framing = framings[dice(4)], .length = dice(40000)
	};

	head.fields[0] = (struct keepmsg_field){ { "set-cookie", 10 }, { "a=b", 3 } };
	head.fields[1] = (struct keepmsg_field){ { "connection", 10 }, { "close", 5 } };
	head.n_fields = dice(3);
	x->is_begun = head.status >= 200;
	x->ops->head(x->arg, &head);
}

static void answer_end(struct exchange *x)
{
	struct keepmsg_head trailers = { .n_fields = 1 };

	trailers.fields[0] = (struct keepmsg_field){ { "grpc-status", 11 }, { "0", 1 } };
	x->is_live = false;
	if (dice(4) == 0)
		x->ops->failed(x->arg, 400 + dice(200), "because");
	else
		x->ops->end(x->arg, dice(2) == 0 ? &trailers : NULL);
}

static void answer(struct exchange *x)
{
	static char block[KEEPMSG_DATA_MAX];

	switch (dice(6)) {
	case 0:
	case 1:
		if (!x->is_begun)
			answer_head(x);
		break;
	case 2:
	case 3:
		if (x->is_begun && !x->is_paused)
			x->ops->data(x->arg, block, 1 + dice(KEEPMSG_DATA_MAX));
		break;
	case 4:
		x->ops->writable(x->arg);
		break;
	default:
		answer_end(x);
		break;
	}
}

/* ---- the client's side ---- */

static int64_t now_ms(void)
{
	return clock_ms;
}

static void wake(void *arg)
{
	(void)arg;
}

/* What is counted is what waits. */
static void check_held(const struct h2_session *h2)
{
	const struct h2_stream *s;
	size_t waits = 0;

	TAILQ_FOREACH(s, &h2->streams, links)
	{
		waits += s->up.len - s->up_at + s->down.len - s->down_at + s->head_bytes;
		hold_true(s->up.len - s->up_at <= H2_STREAM_WINDOW);
		hold_true(s->down.len - s->down_at < H2_DOWN_MAX + KEEPMSG_DATA_MAX);
	}
	hold_true(waits == h2->held);
}

static void turn(struct h2_session *h2)
{
	const char *bytes;

	for (size_t i = 0; i < EXCHANGE_CHANNELS_MAX; i++) {
		if (live[i].is_live && dice(2) == 0)
			answer(&live[i]);
	}
	/* Now and then the client does not read. */
	if (dice(4) != 0) {
		while (h2_session_take(h2, &bytes) > 0)
			;
	}
	clock_ms += dice(2) == 0 ? 0 : dice(3000);
	h2_session_tick(h2);
	hold_true(h2->n_streams <= H2_STREAMS_MAX);
	check_held(h2);
}

static void feed(struct h2_session *h2, const char *bytes, size_t n, size_t piece)
{
	for (size_t at = 0; at < n; at += piece) {
		if (h2_session_wants_input(h2))
			h2_session_feed(h2, bytes + at, n - at < piece ? n - at : piece);
		turn(h2);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const struct h2_backend backend = { start, take, take_end, pause_or_go_on, cancel,
		refused };
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
	struct h2_setup setup = { .backend = &backend, .now_ms = now_ms, .wake = wake };
	struct h2_session *h2;

	if (n < 2)
		return 0;
	memset(live, 0, sizeof(live));
	seed = bytes[1];
	clock_ms = 0;
	h2 = h2_session_new(&setup);
	hold_true(h2 != NULL);
	if ((bytes[1] & 1) == 0)
		feed(h2, preface, sizeof(preface) - 1, 100);
	feed(h2, (const char *)bytes + 2, n - 2, 1u + bytes[0] * bytes[0] / 8u);
	for (int i = 0; i < 30; i++)
		turn(h2);
	h2_session_free(h2);
	for (size_t i = 0; i < EXCHANGE_CHANNELS_MAX; i++)
		hold_true(!live[i].is_live);
	return 0;
}
