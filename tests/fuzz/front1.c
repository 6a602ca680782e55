/*
 * Fuzzes HTTP/1 towards the cell with a client's bytes; behind it are exchanges that answer, in
 * front a stream that takes and gives pieces. What arrives at the exchanges must be whole and must
 * not depend on how the bytes were cut: one reading of a stream of bytes, or none.
 *
 * Input: a seed for the answers, the size of the pieces, then the client's bytes.
 */
#include "proxy/front1_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct stream {
	const char *bytes;
	size_t n, at, piece, given; /* given: since the last turn */
	bool is_finished, is_kicked;
};

struct exchange {
	const struct exchange_ops *ops;
	void *arg;
	enum keepmsg_framing framing;
	uint64_t length, got;
	bool is_live, is_ended, is_upgrade, is_paused;
};

static struct exchange live;
static struct buf seen; /* what the exchanges were told */
static unsigned seed;

static void hold_true(bool what)
{
	if (!what)
		abort();
}

/* ---- the stream ---- */

ssize_t stream_read(struct stream *s, void *bytes, size_t n)
{
	hold_true(!s->is_finished);
	if (s->at == s->n)
		return 0;
	if (s->given == s->piece)
		return -EAGAIN;
	if (n > s->piece - s->given)
		n = s->piece - s->given;
	if (n > s->n - s->at)
		n = s->n - s->at;
	memcpy(bytes, s->bytes + s->at, n);
	s->at += n;
	s->given += n;
	return (ssize_t)n;
}

ssize_t stream_write(struct stream *s, const void *bytes, size_t n)
{
	(void)bytes;
	hold_true(!s->is_finished && n > 0 && n < FRONT1_OUT_MAX + 4 * KEEPMSG_HEAD_MAX);
	return (ssize_t)(n > 100 ? n / 2 : n);
}

void stream_kick(struct stream *s)
{
	s->is_kicked = true;
}

void stream_deadline(struct stream *s, unsigned seconds, const char *why)
{
	(void)s;
	(void)seconds;
	(void)why;
}

void stream_finish(struct stream *s, bool is_reset)
{
	(void)is_reset;
	hold_true(!s->is_finished);
	s->is_finished = true;
}

/* As cleartext: there a client may end its stream and read on. */
bool stream_is_plain(const struct stream *s)
{
	(void)s;
	return true;
}

bool stream_is_single(const struct stream *s)
{
	(void)s;
	return false;
}

/* ---- the exchanges ---- */

static void note(struct keepmsg_text t)
{
	for (size_t i = 0; i < t.n; i++)
		hold_true(t.at[i] != '\r' && t.at[i] != '\n' && t.at[i] != '\0');
	buf_add(&seen, t.at, t.n);
	buf_adds(&seen, "\n");
}

struct exchange *exchange_start(struct exchange_peer *peer, const struct judge_request *q,
	const struct exchange_ops *ops, void *arg)
{
	(void)peer;
	hold_true(!live.is_live && q->method.n > 0 && q->target.n > 0 && q->n_authorities <= 2);
	hold_true(q->n_fields <= KEEPMSG_FIELDS_MAX && !q->is_h2);
	hold_true(!q->has_upgrade || q->framing == KEEPMSG_NO_BODY);
	live = (struct exchange){ .ops = ops,
		.arg = arg,
		.framing = q->framing,
		.length = q->length,
		.is_live = true,
		.is_ended = q->has_upgrade,
		.is_upgrade = q->has_upgrade };
	buf_adds(&seen, "\nREQUEST\n");
	note(q->method);
	note(q->target);
	for (size_t i = 0; i < q->n_authorities; i++)
		note(q->authorities[i]);
	for (size_t i = 0; i < q->n_fields; i++) {
		hold_true(q->fields[i].name.n > 0);
		note(q->fields[i].name);
		note(q->fields[i].value);
	}
	return &live;
}

bool exchange_wants_body(struct exchange *x)
{
	hold_true(x->is_live);
	return true;
}

size_t exchange_send(struct exchange *x, const char *bytes, size_t n)
{
	hold_true(x->is_live && (x->is_upgrade || (!x->is_ended && x->framing != KEEPMSG_NO_BODY)));
	buf_add(&seen, bytes, n);
	x->got += n;
	hold_true(x->framing != KEEPMSG_LENGTH || x->got <= x->length);
	return n;
}

void exchange_send_end(struct exchange *x)
{
	hold_true(x->is_live);
	hold_true(x->framing != KEEPMSG_LENGTH || x->got == x->length);
	if (!x->is_ended)
		buf_adds(&seen, "\nEND\n");
	x->is_ended = true;
}

void exchange_read(struct exchange *x, bool on)
{
	hold_true(x->is_live);
	x->is_paused = !on;
}

void exchange_cancel(struct exchange *x)
{
	hold_true(x->is_live);
	x->is_live = false;
}

void exchange_refused(struct exchange_peer *peer, unsigned status, const char *reason)
{
	(void)peer;
	(void)reason;
	hold_true(status >= 400 && status < 600);
	buf_addf(&seen, "\nREFUSED %u\n", status);
}

/* ---- turns ---- */

static void answer(void)
{
	static const char text[] = "some bytes";
	struct keepmsg_head head = { .status = 200, .framing = (enum keepmsg_framing)(seed % 3) };
	struct exchange x = live;

	head.length = head.framing == KEEPMSG_LENGTH ? sizeof(text) : 0;
	if (x.is_upgrade && (seed & 4) != 0)
		head = (struct keepmsg_head){ .status = 101, .flags = KEEPMSG_UPGRADE };
	if ((seed & 8) != 0) {
		live.is_live = false;
		x.ops->failed(x.arg, 502, "no");
		return;
	}
	x.ops->head(x.arg, &head);
	if (head.status == 101) {
		live.is_ended = false;
		live.is_upgrade = true;
		return;
	}
	if (head.framing != KEEPMSG_NO_BODY)
		x.ops->data(x.arg, text, sizeof(text));
	live.is_live = false;
	x.ops->end(x.arg, NULL);
}

/* Everything that was seen, as one text. */
static void run(const char *bytes, size_t n, size_t piece)
{
	struct stream s = { .bytes = bytes, .n = n, .piece = piece };
	struct front1 *f = front1.new(NULL, &s, NULL);

	hold_true(f != NULL);
	live.is_live = false;
	seen.len = 0;
	for (size_t i = 0; i < n / piece + 300 && !s.is_finished; i++) {
		s.given = 0;
		front1.ready(f);
		hold_true(f->in.len <= FRONT1_IN_MAX);
		if (!s.is_finished && live.is_live && live.is_ended && f->state == FRONT1_WAIT)
			answer();
	}
	front1.free(f);
	hold_true(!live.is_live);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct buf whole;

	if (n < 3 || n > 100000)
		return 0;
	seed = bytes[0];
	run((const char *)bytes + 2, n - 2, SIZE_MAX / 2);
	whole = seen;
	seen = (struct buf){ 0 };
	run((const char *)bytes + 2, n - 2, 1u + bytes[1] % 32u);
	hold_true(whole.len == seen.len &&
		  (seen.len == 0 || memcmp(whole.data, seen.data, seen.len) == 0));
	buf_done(&whole);
	return 0;
}
