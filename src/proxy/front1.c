/*
 * HTTP/1 towards the cell. Runs in the proxy; hostile input: every byte of the client, which may
 * also send without end, stop reading, or vanish. One request after the other: what is sent ahead
 * is parsed and judged when its turn comes, whatever the one before it was.
 */
#include "proxy/front1_private.h"

#include "base/cleanup.h"

#include <string.h>

/* Rationale: a transfer may be paused (^Z); what it holds is the cell's own. */
#define STALL_TIMEOUT_S 3600u

/* ---- output ---- */

/* False: the client does not read now, or is gone. */
static bool flush(struct front1 *f)
{
	while (f->out_at < f->out.len) {
		ssize_t n =
			stream_write(f->stream, f->out.data + f->out_at, f->out.len - f->out_at);

		if (n == -EAGAIN)
			return false;
		if (n < 0) {
			f->is_over = true;
			stream_finish(f->stream, true);
			return false;
		}
		f->out_at += (size_t)n;
	}
	f->out.len = f->out_at = 0;
	if (f->is_paused && f->x != NULL) {
		f->is_paused = false;
		exchange_read(f->x, true);
	}
	return true;
}

/* ---- input ---- */

/* What came goes behind what is there. False: nothing came. */
static bool fill(struct front1 *f)
{
	static char bytes[FRONT1_READ_BYTES]; /* not on the stack, where it would be zeroed each time */
	ssize_t n;

	if (f->is_eof || f->in.len + sizeof(bytes) > FRONT1_IN_MAX)
		return false;
	n = stream_read(f->stream, bytes, sizeof(bytes));
	if (n == -EAGAIN)
		return false;
	if (n < 0) {
		f->is_over = true;
		stream_finish(f->stream, true);
		return false;
	}
	if (n == 0)
		f->is_eof = true;
	else
		buf_add(&f->in, bytes, (size_t)n);
	return true;
}

/* ---- requests ---- */

static void refuse_unparsed(struct front1 *f, unsigned status, const char *reason)
{
	exchange_refused(f->peer, status, reason);
	front1_refuse(f, status, reason, true);
}

static void describe(const struct front1 *f, const struct http1_head *head, struct judge_request *q)
{
	static const enum keepmsg_framing framing[] = { [HTTP1_NO_BODY] = KEEPMSG_NO_BODY,
		[HTTP1_LENGTH] = KEEPMSG_LENGTH,
		[HTTP1_CHUNKED] = KEEPMSG_UNKNOWN };

	q->is_plain = stream_is_plain(f->stream);
	q->is_h2 = false;
	q->method = head->method;
	q->target = head->path;
	if (head->path.n == 0)
		q->target = (struct keepmsg_text){ "/", 1 };
	q->n_authorities = 0;
	if (head->host.at != NULL)
		q->authorities[q->n_authorities++] = head->host;
	if (head->authority.at != NULL)
		q->authorities[q->n_authorities++] = head->authority;
	q->n_fields = 0;
	for (size_t i = 0; i < head->n_fields; i++) {
		if (head->fields[i].value.at == head->host.at)
			continue;
		q->fields[q->n_fields++] = head->fields[i];
	}
	q->framing = head->framing == HTTP1_LENGTH && head->length == 0 ? KEEPMSG_NO_BODY
									: framing[head->framing];
	q->length = head->length;
	q->has_upgrade = head->has_upgrade && head->is_websocket && !head->is_upgrade_h2c &&
			 head->minor == 1;
	q->expects_continue = false; /* we say it ourselves */
}

static void start_request(struct front1 *f, const struct http1_head *head)
{
	struct judge_request q;

	describe(f, head, &q);
	f->is_http10 = head->minor == 0;
	f->is_head = head->method.n == 4 && memcmp(head->method.at, "HEAD", 4) == 0;
	f->keeps_alive = !head->says_close && !stream_is_single(f->stream) &&
			 (!f->is_http10 || head->says_keep_alive);
	f->waits_for_100 = head->expects_continue && !f->is_http10 && q.framing != KEEPMSG_NO_BODY;
	f->has_head = f->is_answered = false;
	f->end = FRONT1_END_NONE;
	f->state = q.framing != KEEPMSG_NO_BODY ? FRONT1_BODY : FRONT1_WAIT;
	http1_body_init(&f->body, head);
	f->body.skips_trailers = true;
	f->x = exchange_start(f->peer, &q, &front1_ops, f);
	if (f->x == NULL)
		refuse_unparsed(f, 503, "out of memory");
	else if (f->state == FRONT1_WAIT && !q.has_upgrade)
		exchange_send_end(f->x);
}

/* False: nothing more to be done with what is there. */
static bool step_head(struct front1 *f)
{
	struct http1_head head;

	if (f->in.len == 0)
		return false;
	switch (http1_parse_head(f->in.data, f->in.len, &head)) {
	case HTTP1_MORE:
		return false;
	case HTTP1_BAD:
		f->is_head = f->is_http10 = false;
		refuse_unparsed(f, strstr(head.why, "too ") != NULL ? 431 : 400, head.why);
		return true;
	case HTTP1_OK:
		break;
	}
	f->is_head = f->is_http10 = false;
	if (head.expects_other)
		refuse_unparsed(f, 417, "an expectation that nobody knows");
	else if (head.authority.at != NULL && head.is_https == stream_is_plain(f->stream))
		refuse_unparsed(f, 421, "the request is for another scheme");
	else
		start_request(f, &head);
	buf_drop(&f->in, head.bytes);
	return true;
}

static void end_body(struct front1 *f)
{
	f->state = FRONT1_WAIT;
	exchange_send_end(f->x);
}

static void break_body(struct front1 *f, const char *reason)
{
	exchange_cancel(f->x);
	f->x = NULL;
	if (f->has_head) {
		f->is_reset = f->end == FRONT1_END_CLOSE;
		f->state = FRONT1_CLOSING;
	} else {
		refuse_unparsed(f, 400, reason);
	}
}

/* As step_head(). */
static bool step_body(struct front1 *f)
{
	enum http1_result r;
	size_t n = 0, taken;

	if (f->waits_for_100 && !f->has_head && exchange_wants_body(f->x)) {
		f->waits_for_100 = false;
		buf_adds(&f->out, "HTTP/1.1 100 Continue\r\n\r\n");
		stream_kick(f->stream);
	}
	r = http1_body_frame(&f->body, f->in.data, f->in.len, &n);
	if (r == HTTP1_BAD) {
		break_body(f, "malformed chunk");
		return true;
	}
	buf_drop(&f->in, n);
	if (r == HTTP1_OK) {
		end_body(f);
		return true;
	}
	n = http1_body_data(&f->body, f->in.len);
	if (n == 0)
		return false;
	taken = exchange_send(f->x, f->in.data, n);
	http1_body_used(&f->body, taken);
	buf_drop(&f->in, taken);
	return taken == n;
}

static bool step_opaque(struct front1 *f)
{
	size_t taken;

	if (f->in.len == 0)
		return false;
	taken = exchange_send(f->x, f->in.data, f->in.len);
	buf_drop(&f->in, taken);
	return taken > 0 && f->in.len == 0;
}

static bool step(struct front1 *f)
{
	switch (f->state) {
	case FRONT1_HEAD:
		return step_head(f);
	case FRONT1_BODY:
		return step_body(f);
	case FRONT1_OPAQUE:
		return step_opaque(f);
	case FRONT1_WAIT:
	case FRONT1_CLOSING:
		break;
	}
	return false;
}

/* The client sends no more, and all that it sent was looked at. */
static void at_eof(struct front1 *f)
{
	switch (f->state) {
	case FRONT1_HEAD:
		f->state = FRONT1_CLOSING;
		break;
	case FRONT1_BODY:
		if (f->in.len == 0 || http1_body_data(&f->body, f->in.len) == 0)
			break_body(f, "the body ended too early");
		break;
	case FRONT1_OPAQUE:
		if (f->in.len == 0)
			exchange_send_end(f->x);
		break;
	case FRONT1_WAIT:
	case FRONT1_CLOSING:
		break;
	}
}

/*
 * Clients of TLS do not end their stream and go on reading: they have given up, and what the server
 * still works on for them is stopped. In cleartext scripts do (`printf ... | nc`).
 */
static bool has_given_up(const struct front1 *f)
{
	return f->is_eof && !stream_is_plain(f->stream) &&
	       (f->state == FRONT1_WAIT || f->state == FRONT1_BODY);
}

/* ---- turns ---- */

static void set_deadline(struct front1 *f)
{
	/* A request ahead of its turn waits for the client to read, not to write. */
	bool is_idle = f->state == FRONT1_HEAD && f->out.len == 0;
	bool in_head = is_idle && f->in.len > 0;

	if (in_head && !f->has_deadline)
		stream_deadline(f->stream, PROXY_HEAD_TIMEOUT_S,
			"the client did not finish what it had begun to send");
	else if (!is_idle)
		stream_deadline(f->stream, STALL_TIMEOUT_S, NULL);
	else if (!in_head)
		stream_deadline(f->stream, 0, NULL);
	f->has_deadline = in_head;
}

void front1_run(struct front1 *f)
{
	bool more = true;

	while (more && !f->is_over) {
		/* Whoever does not read its responses is not served the next request. */
		if (!flush(f) && (f->state == FRONT1_HEAD || f->state == FRONT1_CLOSING))
			break;
		if (f->is_over || f->in.failed || f->out.failed)
			break;
		if (f->is_answered && f->x != NULL) {
			exchange_cancel(f->x);
			f->x = NULL;
			f->state = FRONT1_CLOSING;
		}
		if (f->state == FRONT1_CLOSING) {
			f->is_over = true;
			stream_finish(f->stream, f->is_reset);
			break;
		}
		more = step(f);
		if (!more && !f->is_over)
			more = fill(f);
		if (f->is_eof && !f->is_over && !step(f)) {
			at_eof(f);
			more = f->state == FRONT1_CLOSING;
		}
		if (!f->is_over && has_given_up(f)) {
			f->is_over = true;
			stream_finish(f->stream, true);
		}
	}
	if (!f->is_over && (f->in.failed || f->out.failed)) {
		f->is_over = true;
		stream_finish(f->stream, true);
	}
	if (!f->is_over)
		set_deadline(f);
}

static void *new_front(struct proxy *proxy, struct stream *stream, struct exchange_peer *peer)
{
	struct front1 *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->proxy = proxy;
	f->stream = stream;
	f->peer = peer;
	return f;
}

static void ready(void *front)
{
	front1_run(front);
}

static void free_front(void *front)
{
	struct front1 *f = front;

	if (f->x != NULL)
		exchange_cancel(f->x);
	buf_done(&f->in);
	buf_done(&f->out);
	free(f);
}

const struct stream_front front1 = { .new = new_front, .ready = ready, .free = free_front };
