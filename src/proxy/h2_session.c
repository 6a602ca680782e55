/*
 * HTTP/2 sessions. Runs in the proxy; hostile input: every byte of the client. The meter sees them
 * first and bounds what they may cost; the library checks framing, header fields and flow control;
 * what a request says is judge.c's.
 */
#include "proxy/h2_session.h"

#include "base/cleanup.h"

#include <string.h>

/* Rationale: a response's head of KEEPMSG_HEAD_MAX bytes, as the library counts before it packs. */
#define SEND_BLOCK_MAX (4u * KEEPMSG_HEAD_MAX)

/* What ends the connection before its time, once. */
static void blame(struct h2_session *h2, const char *why)
{
	if (h2->reason != NULL || why == NULL)
		return;
	h2->reason = why;
	h2->setup.backend->refused(h2->setup.peer, 0, why);
}

void h2_session_end(struct h2_session *h2, uint32_t error_code, const char *why)
{
	if (h2->is_ending)
		return;
	h2->is_ending = true;
	blame(h2, why);
	if (nghttp2_session_terminate_session(h2->ng, error_code) != 0)
		h2->is_broken = true;
	if (!h2->is_fed)
		h2->setup.wake(h2->setup.arg);
}

static void count_reset(struct h2_session *h2)
{
	const char *why = h2_meter_reset(&h2->meter, h2->setup.now_ms());

	if (why != NULL)
		h2_session_end(h2, NGHTTP2_ENHANCE_YOUR_CALM, why);
}

/* ---- what the library calls ---- */

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
	struct h2_session *h2 = arg;
	struct h2_stream *s;

	h2_head_reset(&h2->head);
	h2->is_trailers = frame->headers.cat != NGHTTP2_HCAT_REQUEST;
	if (h2->is_trailers)
		return 0;
	s = h2_stream_new(h2, frame->hd.stream_id);
	if (s == NULL)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	return nghttp2_session_set_stream_user_data(ng, s->id, s) == 0
		       ? 0
		       : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, nghttp2_rcbuf *name,
	nghttp2_rcbuf *value, uint8_t flags, void *arg)
{
	struct h2_session *h2 = arg;
	nghttp2_vec n = nghttp2_rcbuf_get_buf(name), v = nghttp2_rcbuf_get_buf(value);
	bool ok;

	(void)ng;
	(void)frame;
	(void)flags;
	if (h2->is_ending)
		return 0;
	/* A request's trailers end here: they are no place for what a head must say. */
	if (h2->is_trailers)
		ok = h2_head_skip(&h2->head, n.len, v.len);
	else
		ok = h2_head_add(&h2->head, (struct keepmsg_text){ (const char *)n.base, n.len },
			(struct keepmsg_text){ (const char *)v.base, v.len });
	if (!ok)
		h2_session_end(h2, NGHTTP2_ENHANCE_YOUR_CALM,
			"a head that unpacks to more than 512 KiB or 4096 fields");
	return 0;
}

/* The library would drop the field and go on with the rest of the request. */
static int on_invalid_header(nghttp2_session *ng, const nghttp2_frame *frame, nghttp2_rcbuf *name,
	nghttp2_rcbuf *value, uint8_t flags, void *arg)
{
	(void)ng;
	(void)frame;
	(void)name;
	(void)value;
	(void)flags;
	(void)arg;
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_frame_recv(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
	struct h2_session *h2 = arg;
	struct h2_stream *s = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
	bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;

	if (s == NULL || h2->is_ending ||
		(frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		h2_stream_start(s, is_end);
	if (is_end)
		h2_stream_body_end(s);
	return 0;
}

/*
 * What the library refuses: a stream that exists is counted when it is closed, others (never begun,
 * or gone) here. More streams than we said are no crime before the client has read what we said.
 */
static int on_invalid_frame(
	nghttp2_session *ng, const nghttp2_frame *frame, int error_code, void *arg)
{
	struct h2_session *h2 = arg;

	if (nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id) == NULL)
		count_reset(h2);
	if (error_code != NGHTTP2_ERR_REFUSED_STREAM)
		h2->setup.backend->refused(h2->setup.peer, 0, "a malformed request");
	return 0;
}

static int on_data(
	nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n, void *arg)
{
	struct h2_stream *s = nghttp2_session_get_stream_user_data(ng, id);
	struct h2_session *h2 = arg;

	(void)flags;
	if (s != NULL && !h2->is_ending)
		h2_stream_body(s, (const char *)bytes, n);
	else
		(void)nghttp2_session_consume(ng, id, n);
	return 0;
}

static int on_frame_send(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
	struct h2_session *h2 = arg;
	struct h2_stream *s;

	if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
		blame(h2, "the client broke the rules of HTTP/2");
	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
		return 0;
	s = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
	if (s == NULL)
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS)
		h2_stream_sent_head(s);
	if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
		h2_stream_sent_end(s);
	return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t error_code, void *arg)
{
	struct h2_stream *s = nghttp2_session_get_stream_user_data(ng, id);

	(void)error_code;
	if (s == NULL)
		return 0;
	if (!s->is_cut && !s->is_sent)
		count_reset(arg);
	h2_stream_free(s);
	return 0;
}

/* ---- beginning and end ---- */

static int set_callbacks(nghttp2_session_callbacks **ret)
{
	int r = nghttp2_session_callbacks_new(ret);

	if (r != 0)
		return r;
	nghttp2_session_callbacks_set_on_begin_headers_callback(*ret, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback2(*ret, on_header);
	nghttp2_session_callbacks_set_on_invalid_header_callback2(*ret, on_invalid_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(*ret, on_frame_recv);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(*ret, on_invalid_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(*ret, on_data);
	nghttp2_session_callbacks_set_on_frame_send_callback(*ret, on_frame_send);
	nghttp2_session_callbacks_set_on_stream_close_callback(*ret, on_stream_close);
	return 0;
}

static int make_session(struct h2_session *h2)
{
	nghttp2_session_callbacks *callbacks = NULL;
	nghttp2_option *option = NULL;
	int r = set_callbacks(&callbacks);

	if (r == 0)
		r = nghttp2_option_new(&option);
	if (r == 0) {
		nghttp2_option_set_no_auto_window_update(option, 1);
		nghttp2_option_set_no_closed_streams(option, 1);
		nghttp2_option_set_max_send_header_block_length(option, SEND_BLOCK_MAX);
		r = nghttp2_session_server_new2(&h2->ng, callbacks, h2, option);
	}
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	return r;
}

/* No push: servers alone may, and we never do. Extended CONNECT (RFC 8441) is not offered. */
static int greet(struct h2_session *h2)
{
	static const nghttp2_settings_entry entries[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, H2_STREAMS_MAX },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, H2_LIST_MAX },
		{ NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
	};
	int r = nghttp2_submit_settings(h2->ng, NGHTTP2_FLAG_NONE, entries, ARRAY_LEN(entries));

	if (r != 0)
		return r;
	return nghttp2_session_set_local_window_size(
		h2->ng, NGHTTP2_FLAG_NONE, 0, (int32_t)H2_WINDOW);
}

struct h2_session *h2_session_new(const struct h2_setup *setup)
{
	struct h2_session *h2 = calloc(1, sizeof(*h2));

	if (h2 == NULL)
		return NULL;
	h2->setup = *setup;
	TAILQ_INIT(&h2->streams);
	h2->idle_since_ms = setup->now_ms();
	h2_meter_init(&h2->meter, h2->idle_since_ms);
	if (make_session(h2) != 0 || greet(h2) != 0) {
		h2_session_free(h2);
		return NULL;
	}
	return h2;
}

void h2_session_free(struct h2_session *h2)
{
	struct h2_stream *s;

	if (h2 == NULL)
		return;
	h2->is_broken = true;
	while ((s = TAILQ_FIRST(&h2->streams)) != NULL)
		h2_stream_free(s);
	nghttp2_session_del(h2->ng);
	h2_head_done(&h2->head);
	free(h2);
}

/* ---- bytes ---- */

static void end_fatally(struct h2_session *h2, ssize_t r)
{
	if (r == NGHTTP2_ERR_FLOODED)
		h2_session_end(
			h2, NGHTTP2_ENHANCE_YOUR_CALM, "too many frames that want an answer");
	else if (r == NGHTTP2_ERR_BAD_CLIENT_MAGIC)
		h2_session_end(h2, NGHTTP2_PROTOCOL_ERROR, "the client does not speak HTTP/2");
	else
		h2_session_end(h2, NGHTTP2_INTERNAL_ERROR, "out of memory");
}

void h2_session_feed(struct h2_session *h2, const char *bytes, size_t n)
{
	const uint8_t *at = (const uint8_t *)bytes;
	const char *why;
	ssize_t r;

	if (h2->is_ending || h2->is_broken)
		return;
	why = h2_meter_feed(&h2->meter, at, n, h2->setup.now_ms());
	h2->is_fed = true;
	if (why != NULL) {
		h2_session_end(h2, NGHTTP2_ENHANCE_YOUR_CALM, why);
	} else {
		r = nghttp2_session_mem_recv(h2->ng, at, n);
		if (r < 0)
			end_fatally(h2, r);
	}
	h2->is_fed = false;
}

bool h2_session_wants_input(const struct h2_session *h2)
{
	return !h2->is_ending && !h2->is_broken &&
	       nghttp2_session_get_outbound_queue_size(h2->ng) <= H2_QUEUE_MAX;
}

size_t h2_session_take(struct h2_session *h2, const char **ret_bytes)
{
	const uint8_t *bytes = NULL;
	ssize_t n;

	if (h2->is_broken)
		return 0;
	h2->is_fed = true;
	n = nghttp2_session_mem_send(h2->ng, &bytes);
	h2->is_fed = false;
	if (n < 0) {
		h2->is_broken = true;
		blame(h2, "out of memory");
		return 0;
	}
	*ret_bytes = (const char *)bytes;
	return (size_t)n;
}

bool h2_session_is_done(const struct h2_session *h2)
{
	return h2->is_broken ||
	       (!nghttp2_session_want_read(h2->ng) && !nghttp2_session_want_write(h2->ng));
}

const char *h2_session_reason(const struct h2_session *h2)
{
	return h2->reason;
}

/* ---- time ---- */

static void sooner(int64_t *at, int64_t other)
{
	if (other < *at)
		*at = other;
}

int64_t h2_session_deadline_ms(const struct h2_session *h2)
{
	int64_t at = INT64_MAX, since;
	const struct h2_stream *s;

	if (h2->is_ending || h2->is_broken)
		return INT64_MAX;
	if (h2_meter_is_waiting(&h2->meter, &since))
		sooner(&at, since + PROXY_HEAD_TIMEOUT_S * 1000);
	if (h2->n_streams == 0)
		sooner(&at, h2->idle_since_ms + H2_IDLE_TIMEOUT_S * 1000);
	TAILQ_FOREACH(s, &h2->streams, links)
	{
		sooner(&at, h2_stream_linger_ms(s));
		if (h2_stream_is_pending(s))
			sooner(&at, s->stalled_since_ms + H2_STALL_TIMEOUT_S * 1000);
	}
	return at;
}

void h2_session_tick(struct h2_session *h2)
{
	int64_t now = h2->setup.now_ms(), since;
	struct h2_stream *s;

	if (h2_session_deadline_ms(h2) > now)
		return;
	if (h2_meter_is_waiting(&h2->meter, &since) && since + PROXY_HEAD_TIMEOUT_S * 1000 <= now) {
		h2_session_end(h2, NGHTTP2_ENHANCE_YOUR_CALM,
			"the client did not finish what it had begun to send");
		return;
	}
	if (h2->n_streams == 0 && h2->idle_since_ms + H2_IDLE_TIMEOUT_S * 1000 <= now) {
		h2_session_end(h2, NGHTTP2_NO_ERROR, NULL);
		return;
	}
	TAILQ_FOREACH(s, &h2->streams, links)
	{
		if (h2_stream_linger_ms(s) <= now)
			h2_stream_lingered(s);
		else if (h2_stream_is_pending(s) &&
			s->stalled_since_ms + H2_STALL_TIMEOUT_S * 1000 <= now)
			h2_stream_stalled(s);
	}
}
