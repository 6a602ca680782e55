/*
 * Streams of HTTP/2: a request and its response each, between the library and an exchange. Runs in
 * the proxy; hostile input: bodies, which are only passed on; the keeper's messages, which the
 * exchange has decoded. What either side does not take is held in bounds: the window up, one
 * message and H2_DOWN_MAX down.
 */
#include "proxy/h2_session.h"

#include <stdio.h>
#include <string.h>

static void wake(const struct h2_stream *s)
{
	if (!s->h2->is_fed)
		s->h2->setup.wake(s->h2->setup.arg);
}

static void cancel(struct h2_stream *s)
{
	if (s->x != NULL)
		s->h2->setup.backend->cancel(s->x);
	s->x = NULL;
}

static void reset(struct h2_stream *s, uint32_t error_code)
{
	cancel(s);
	(void)nghttp2_submit_rst_stream(s->h2->ng, NGHTTP2_FLAG_NONE, s->id, error_code);
	wake(s);
}

/* For what is not the client's fault. */
static void cut(struct h2_stream *s)
{
	s->is_cut = true;
	reset(s, NGHTTP2_INTERNAL_ERROR);
}

/* ---- what waits ---- */

static size_t all_held; /* by all sessions */

static void hold(struct h2_stream *s, size_t n)
{
	s->held_bytes += n;
	s->h2->held += n;
	all_held += n;
	if (all_held > H2_HELD_MAX && s->h2->held > H2_HELD_FAIR)
		h2_session_end(s->h2, NGHTTP2_ENHANCE_YOUR_CALM,
			"too much waits for servers or clients that do not read");
}

static void release(struct h2_stream *s, size_t n)
{
	s->held_bytes -= n;
	s->h2->held -= n;
	all_held -= n;
}

static void hold_head(struct h2_stream *s, size_t n)
{
	release(s, s->head_bytes);
	s->head_bytes = n;
	hold(s, n);
}

void h2_stream_sent_head(struct h2_stream *s)
{
	hold_head(s, 0);
}

/* Forgets the first *at bytes, which were passed on, so that a buffer holds what waits and no more.
 */
static void compact(struct buf *buf, size_t *at)
{
	buf_drop(buf, *at);
	*at = 0;
}

/* ---- responses ---- */

static size_t pending(const struct h2_stream *s)
{
	return s->down.len - s->down_at;
}

bool h2_stream_is_pending(const struct h2_stream *s)
{
	return pending(s) > 0;
}

static size_t take_down(struct h2_stream *s, uint8_t *bytes, size_t max)
{
	size_t n = pending(s) < max ? pending(s) : max;

	if (n == 0)
		return 0;
	memcpy(bytes, s->down.data + s->down_at, n);
	s->down_at += n;
	release(s, n);
	if (pending(s) == 0)
		s->down.len = s->down_at = 0;
	s->stalled_since_ms = s->h2->setup.now_ms();
	h2_meter_sent(&s->h2->meter, n);
	return n;
}

/* NOLINTNEXTLINE(readability-function-size): the library's signature */
static ssize_t read_down(nghttp2_session *ng, int32_t id, uint8_t *bytes, size_t max,
	uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct h2_stream *s = source->ptr;
	size_t n = take_down(s, bytes, max);

	(void)arg;
	if (s->is_paused && s->x != NULL && pending(s) < H2_DOWN_MAX) {
		s->is_paused = false;
		s->h2->setup.backend->read(s->x, true);
	}
	if (pending(s) > 0)
		return (ssize_t)n;
	if (!s->is_down_ended && !(s->is_down_broken && n == 0))
		return n > 0 ? (ssize_t)n : NGHTTP2_ERR_DEFERRED;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (s->trailers != NULL)
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
	if (s->is_down_broken ||
		(s->trailers != NULL &&
			nghttp2_submit_trailer(ng, id, s->trailers->nva, s->trailers->n) != 0)) {
		s->is_cut = true;
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	return (ssize_t)n;
}

static void submit(struct h2_stream *s, const struct h2_fields *fields, bool has_body)
{
	nghttp2_data_provider provider = { .source.ptr = s, .read_callback = read_down };

	hold_head(s, fields->bytes_n);
	if (nghttp2_submit_response(
		    s->h2->ng, s->id, fields->nva, fields->n, has_body ? &provider : NULL) != 0)
		cut(s);
}

/* Answers by ourselves; the exchange, if there was one, is gone. */
static void refuse(struct h2_stream *s, unsigned status, const char *reason)
{
	struct keepmsg_head head = { .framing = KEEPMSG_LENGTH };
	struct h2_fields *fields;

	head.fields[head.n_fields++] = (struct keepmsg_field){ .name = { "content-type", 12 },
		.value = { "text/plain; charset=utf-8", 25 } };
	buf_addf(&s->down, "agentjail: %s\n", reason);
	head.length = s->down.len;
	if (s->is_head)
		s->down.len = 0;
	hold(s, s->down.len);
	fields = s->down.failed ? NULL : h2_fields_new(status, &head);
	if (fields == NULL) {
		cut(s);
		return;
	}
	s->is_answered = s->is_down_ended = true;
	s->stalled_since_ms = s->h2->setup.now_ms();
	submit(s, fields, !s->is_head);
	free(fields);
	wake(s);
}

static void interim(struct h2_stream *s, const struct keepmsg_head *head)
{
	struct h2_fields *fields;

	if (++s->n_interim > H2_INTERIM_MAX)
		return;
	fields = h2_fields_new(head->status, head);
	if (fields != NULL)
		(void)nghttp2_submit_headers(
			s->h2->ng, NGHTTP2_FLAG_NONE, s->id, NULL, fields->nva, fields->n, NULL);
	free(fields);
	wake(s);
}

static bool has_no_body(const struct h2_stream *s, const struct keepmsg_head *head)
{
	return s->is_head || head->status == 204 || head->status == 304 ||
	       head->framing == KEEPMSG_NO_BODY ||
	       (head->framing == KEEPMSG_LENGTH && head->length == 0);
}

static void on_head(void *arg, const struct keepmsg_head *head)
{
	struct h2_stream *s = arg;
	struct h2_fields *fields;

	if (head->status < 200 && head->status != 101 && !s->is_answered) {
		interim(s, head);
		return;
	}
	if (head->status < 200 || s->is_answered) {
		cut(s);
		return;
	}
	fields = h2_fields_new(head->status, head);
	if (fields == NULL) {
		cut(s);
		return;
	}
	s->is_answered = true;
	/* It goes when its end has come, in one frame with it: gRPC's clients want to see that. */
	if (has_no_body(s, head)) {
		hold_head(s, fields->bytes_n);
		s->late = fields;
		return;
	}
	s->has_length = head->framing == KEEPMSG_LENGTH;
	s->down_left = head->length;
	submit(s, fields, true);
	free(fields);
	wake(s);
}

static void on_body(void *arg, const char *bytes, size_t n)
{
	struct h2_stream *s = arg;

	if (!s->is_answered || s->late != NULL || (s->has_length && n > s->down_left)) {
		cut(s);
		return;
	}
	if (pending(s) == 0)
		s->stalled_since_ms = s->h2->setup.now_ms();
	s->down_left -= s->has_length ? n : 0;
	compact(&s->down, &s->down_at);
	buf_add(&s->down, bytes, n);
	if (s->down.failed) {
		cut(s);
		return;
	}
	hold(s, n);
	if (pending(s) >= H2_DOWN_MAX && !s->is_paused) {
		s->is_paused = true;
		s->h2->setup.backend->read(s->x, false);
	}
	(void)nghttp2_session_resume_data(s->h2->ng, s->id);
	wake(s);
}

/* What the client still sends goes nowhere. */
static void drop_up(struct h2_stream *s)
{
	size_t n = s->up.len - s->up_at;

	if (n > 0)
		(void)nghttp2_session_consume(s->h2->ng, s->id, n);
	release(s, n);
	buf_done(&s->up);
	s->up_at = 0;
}

static void break_off(struct h2_stream *s)
{
	if (s->late != NULL) {
		cut(s);
		return;
	}
	s->is_down_broken = true;
	(void)nghttp2_session_resume_data(s->h2->ng, s->id);
	wake(s);
}

static void on_end(void *arg, const struct keepmsg_head *trailers)
{
	struct h2_stream *s = arg;

	s->x = NULL;
	drop_up(s);
	if (!s->is_answered) {
		refuse(s, 502, "the server's response never began");
		return;
	}
	if (trailers != NULL && trailers->n_fields > 0)
		s->trailers = h2_fields_new(0, trailers);
	if ((s->has_length && s->down_left > 0) ||
		(trailers != NULL && trailers->n_fields > 0 && s->trailers == NULL)) {
		break_off(s);
		return;
	}
	s->is_down_ended = true;
	if (s->late != NULL)
		submit(s, s->late, s->trailers != NULL);
	(void)nghttp2_session_resume_data(s->h2->ng, s->id);
	wake(s);
}

static void on_failed(void *arg, unsigned status, const char *reason)
{
	struct h2_stream *s = arg;

	s->x = NULL;
	drop_up(s);
	if (s->is_answered)
		break_off(s);
	else
		refuse(s, status >= 400 && status <= 599 ? status : 502, reason);
}

void h2_stream_sent_end(struct h2_stream *s)
{
	s->is_sent = true;
	s->sent_ms = s->h2->setup.now_ms();
}

int64_t h2_stream_linger_ms(const struct h2_stream *s)
{
	return s->is_sent && !s->is_up_ended && s->sent_ms != INT64_MAX ? s->sent_ms + H2_LINGER_MS
									: INT64_MAX;
}

/* RFC 9113, 8.1: the client need not go on sending. */
void h2_stream_lingered(struct h2_stream *s)
{
	s->sent_ms = INT64_MAX;
	reset(s, NGHTTP2_NO_ERROR);
}

void h2_stream_stalled(struct h2_stream *s)
{
	release(s, pending(s));
	s->down.len = s->down_at = 0;
	reset(s, NGHTTP2_ENHANCE_YOUR_CALM);
}

/* ---- requests ---- */

static void push_up(struct h2_stream *s)
{
	size_t took, n = s->up.len - s->up_at;

	if (n > 0 && s->x != NULL) {
		took = s->h2->setup.backend->send(s->x, s->up.data + s->up_at, n);
		s->up_at += took;
		n -= took;
		release(s, took);
		if (took > 0)
			(void)nghttp2_session_consume(s->h2->ng, s->id, took);
	}
	if (n > 0)
		return;
	buf_done(&s->up);
	s->up_at = 0;
	if (s->is_up_ended && s->x != NULL && !s->is_up_told) {
		s->is_up_told = true;
		s->h2->setup.backend->send_end(s->x);
	}
}

static void on_writable(void *arg)
{
	struct h2_stream *s = arg;

	push_up(s);
	wake(s);
}

void h2_stream_body(struct h2_stream *s, const char *bytes, size_t n)
{
	size_t took = n;

	if (s->x != NULL && s->up.len == 0)
		took = s->h2->setup.backend->send(s->x, bytes, n);
	else if (s->x != NULL)
		took = 0;
	if (took > 0)
		(void)nghttp2_session_consume(s->h2->ng, s->id, took);
	s->dropped_bytes += s->is_sent ? n : 0;
	if (s->dropped_bytes > H2_LINGER_MAX && h2_stream_linger_ms(s) != INT64_MAX)
		h2_stream_lingered(s);
	if (took == n)
		return;
	compact(&s->up, &s->up_at);
	buf_add(&s->up, bytes + took, n - took);
	if (s->up.failed)
		cut(s);
	else
		hold(s, n - took);
}

void h2_stream_body_end(struct h2_stream *s)
{
	s->is_up_ended = true;
	push_up(s);
}

static const struct exchange_ops ops = {
	.head = on_head,
	.data = on_body,
	.end = on_end,
	.failed = on_failed,
	.writable = on_writable,
};

void h2_stream_start(struct h2_stream *s, bool is_end)
{
	struct h2_session *h2 = s->h2;
	struct judge_request request;
	const char *why = "";
	unsigned status = h2_head_finish(&h2->head, is_end, &request, &why);

	if (status == H2_HEAD_MALFORMED) {
		h2->setup.backend->refused(h2->setup.peer, 0, "a malformed request");
		reset(s, NGHTTP2_PROTOCOL_ERROR);
		return;
	}
	if (status != 0) {
		h2->setup.backend->refused(h2->setup.peer, status, why);
		refuse(s, status, why);
		return;
	}
	hold_head(s, h2->head.bytes.len + h2->head.cookies.len);
	s->is_head = request.method.n == 4 && memcmp(request.method.at, "HEAD", 4) == 0;
	s->x = h2->setup.backend->start(h2->setup.peer, &request, &ops, s);
	if (s->x == NULL)
		refuse(s, 503, "too many requests at once");
}

/* ---- beginning and end ---- */

struct h2_stream *h2_stream_new(struct h2_session *h2, int32_t id)
{
	struct h2_stream *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->h2 = h2;
	s->id = id;
	TAILQ_INSERT_TAIL(&h2->streams, s, links);
	h2->n_streams++;
	return s;
}

void h2_stream_free(struct h2_stream *s)
{
	struct h2_session *h2 = s->h2;
	size_t n = s->up.len - s->up_at;

	cancel(s);
	release(s, s->held_bytes);
	TAILQ_REMOVE(&h2->streams, s, links);
	if (--h2->n_streams == 0)
		h2->idle_since_ms = h2->setup.now_ms();
	/* The stream is gone, the connection's window is not. */
	if (n > 0 && !h2->is_broken)
		(void)nghttp2_session_consume_connection(h2->ng, n);
	buf_done(&s->up);
	buf_done(&s->down);
	free(s->late);
	free(s->trailers);
	free(s);
}
