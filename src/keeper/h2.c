/*
 * HTTP/2 towards a host. Runs in a keeper. Hostile: every byte of the server, behind nghttp2.
 */
#include "keeper/h2.h"

#include "base/cleanup.h"
#include "keeper/memory.h"
#include "wire/field.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Rationale: a window that keeps a fast line busy over half an ocean; TCP holds the rest back. */
#define WINDOW_BYTES (1 << 20)
/* Rationale: frames that bring nothing: some pings and window updates come with every answer. */
#define IDLE_FRAMES_MAX 1000u
/* Rationale: two frames of the usual size; more is written before more is made. */
#define GATHER_BYTES (32u << 10)

/* A head as it comes in; texts in arena, by offset because it moves. */
struct h2_head {
	struct buf arena;
	struct {
		size_t name, name_n, value, value_n;
	} fields[KEEPMSG_FIELDS_MAX];
	size_t n_fields;
	uint32_t status;
	uint64_t length;
	bool has_length;
};

static int broken(struct h2 *h2, const char *why)
{
	if (h2->why == NULL)
		h2->why = why;
	h2->is_reusable = false;
	return -EPROTO;
}

/* For nghttp2's callbacks. */
static int stop(struct h2 *h2, const char *why)
{
	(void)broken(h2, why);
	return NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* ---- towards the host ---- */

/* Takes a frame out of nghttp2; heads do not stay behind in its buffer. */
static int gather(struct h2 *h2, const uint8_t *bytes, size_t n)
{
	const size_t type_at = 3, header_n = 9;
	int r = memory_add(&h2->out, bytes, n);

	/*
	 * The buffer is nghttp2's own and is not read any more; other frames may be constants.
	 */
	if (n >= header_n && (bytes[type_at] == NGHTTP2_HEADERS ||
				     bytes[type_at] == NGHTTP2_CONTINUATION))
		explicit_bzero((void *)(uintptr_t)bytes, n);
	return r;
}

static int write_out(struct h2 *h2)
{
	while (h2->out_at < h2->out.len) {
		ssize_t n = link_write(
			h2->link, h2->out.data + h2->out_at, h2->out.len - h2->out_at);

		if (n == -EAGAIN)
			return -EAGAIN;
		if (n < 0) {
			/* What the host said last may still be readable. */
			h2->is_reusable = false;
			break;
		}
		h2->out_at += (size_t)n;
	}
	memory_forget(&h2->out);
	h2->out_at = 0;
	return 0;
}

int h2_flush(struct h2 *h2)
{
	const uint8_t *bytes;
	ssize_t n = 1;
	int r = 0;

	while (r == 0 && n > 0) {
		n = nghttp2_session_mem_send(h2->session, &bytes);
		if (n < 0)
			return broken(h2, nghttp2_strerror((int)n));
		if (n > 0 && gather(h2, bytes, (size_t)n) < 0)
			return broken(h2, "out of memory");
		if (n == 0 || h2->out.len >= GATHER_BYTES)
			r = write_out(h2);
	}
	return r;
}

/* NOLINTBEGIN(readability-function-size): the parameters are nghttp2's. */
static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *out, size_t max,
	uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct h2 *h2 = arg;
	size_t n = h2->body_n - h2->body_at;

	(void)session;
	(void)stream;
	(void)source;
	n = n < max ? n : max;
	if (n > 0) {
		memcpy(out, h2->body + h2->body_at, n);
		/* Two window updates answer each frame of a long body: they bring something. */
		h2->idle_frames = 0;
	}
	h2->body_at += n;
	if (h2->body_at == h2->body_n) {
		memory_give(h2->body);
		h2->body = NULL;
		h2->body_n = h2->body_at = 0;
		if (h2->is_body_over)
			*flags |= NGHTTP2_DATA_FLAG_EOF;
	}
	return n > 0 || h2->is_body_over ? (ssize_t)n : NGHTTP2_ERR_DEFERRED;
}
/* NOLINTEND(readability-function-size) */

static nghttp2_nv pair(struct keepmsg_text name, struct keepmsg_text value, bool is_ours)
{
	return (nghttp2_nv){ .name = (uint8_t *)(uintptr_t)name.at,
		.namelen = name.n,
		.value = (uint8_t *)(uintptr_t)value.at,
		.valuelen = value.n,
		.flags = is_ours ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE };
}

static struct keepmsg_text text(const char *s)
{
	return (struct keepmsg_text){ s, strlen(s) };
}

/* ":path"; memory_take(). */
static char *make_path(const struct inject_request *request, size_t *ret_n)
{
	size_t n = request->path.n + (request->query.at != NULL ? request->query.n + 1 : 0);
	char *path = memory_take(n + 1);

	if (path == NULL)
		return NULL;
	memcpy(path, request->path.at, request->path.n);
	if (request->query.at != NULL) {
		path[request->path.n] = '?';
		memcpy(path + request->path.n + 1, request->query.at, request->query.n);
	}
	*ret_n = n;
	return path;
}

#define OWN_PAIRS 6u
struct pairs {
	nghttp2_nv at[KEEPMSG_FIELDS_MAX + INJECT_FIELDS_MAX + 2 + OWN_PAIRS];
	size_t n;
};

static void add(struct pairs *pairs, struct keepmsg_text name, struct keepmsg_text value, bool ours)
{
	pairs->at[pairs->n++] = pair(name, value, ours);
}

static int submit(struct h2 *h2, const struct inject_request *request, struct keepmsg_text path)
{
	const nghttp2_data_provider body = { .read_callback = read_body };
	struct pairs pairs = { .n = 0 };
	char length[24];

	add(&pairs, text(":method"), request->method, false);
	add(&pairs, text(":scheme"), text("https"), false);
	add(&pairs, text(":authority"), text(request->host), false);
	add(&pairs, text(":path"), path, request->arena != NULL);
	for (size_t i = 0; i < request->n_fields; i++)
		add(&pairs, request->fields[i].name, request->fields[i].value,
			request->fields[i].is_ours);
	(void)snprintf(length, sizeof(length), "%llu", (unsigned long long)request->length);
	if (request->framing == KEEPMSG_LENGTH)
		add(&pairs, text("content-length"), text(length), false);
	if ((request->flags & KEEPMSG_CONTINUE) != 0)
		add(&pairs, text("expect"), text("100-continue"), false);
	return nghttp2_submit_request(h2->session, NULL, pairs.at, pairs.n,
		request->framing != KEEPMSG_NO_BODY ? &body : NULL, NULL);
}

int h2_request(struct h2 *h2, const struct inject_request *request)
{
	struct keepmsg_text path = { NULL, 0 };
	char *at = make_path(request, &path.n);
	int r;

	if (at == NULL)
		return broken(h2, "out of memory");
	path.at = at;
	h2->is_body_over = request->framing == KEEPMSG_NO_BODY ||
			   (request->framing == KEEPMSG_LENGTH && request->length == 0);
	r = submit(h2, request, path);
	memory_give(at);
	if (r < 0)
		return broken(h2, nghttp2_strerror(r));
	h2->stream = r;
	h2->is_complete = false;
	return h2_flush(h2);
}

bool h2_takes_body(const struct h2 *h2)
{
	return h2->body == NULL;
}

static bool is_closed(const struct h2 *h2)
{
	nghttp2_stream *stream = nghttp2_session_find_stream(h2->session, h2->stream);

	return stream == NULL || nghttp2_stream_get_state(stream) == NGHTTP2_STREAM_STATE_CLOSED;
}

static int resume(struct h2 *h2)
{
	/*
	 * It fails as well while the window of the connection is used up, for then nobody was asked
	 * for more and nothing was put off: the bytes stay. A stream that the host has closed takes
	 * no more.
	 */
	if (nghttp2_session_resume_data(h2->session, h2->stream) != 0 && is_closed(h2)) {
		memory_give(h2->body);
		h2->body = NULL;
		h2->body_n = h2->body_at = 0;
	}
	return h2_flush(h2);
}

int h2_body(struct h2 *h2, const char *bytes, size_t n, bool is_last)
{
	h2->body = memory_take(n);
	if (h2->body == NULL)
		return broken(h2, "out of memory");
	memcpy(h2->body, bytes, n);
	h2->body_n = n;
	h2->body_at = 0;
	h2->is_body_over = is_last;
	return resume(h2);
}

int h2_body_end(struct h2 *h2)
{
	if (h2->is_body_over)
		return 0;
	h2->is_body_over = true;
	return resume(h2);
}

/* ---- from the host ---- */

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct h2 *h2 = arg;

	(void)session;
	(void)frame;
	memory_forget(&h2->head->arena);
	h2->head->n_fields = 0;
	h2->head->status = 0;
	h2->head->has_length = false;
	return 0;
}

/* NOLINTBEGIN(readability-function-size): the parameters are nghttp2's. */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
	size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
	struct h2 *h2 = arg;
	struct h2_head *head = h2->head;
	const struct keepmsg_text n = { (const char *)name, name_n };
	const struct keepmsg_text v = field_trim(
		(struct keepmsg_text){ (const char *)value, value_n });
	uint64_t number;

	(void)session;
	(void)frame;
	(void)flags;
	if (name_n > 0 && name[0] == ':') {
		if (!field_says(n, ":status") || v.n != 3 || !field_number(v, &number) ||
			number < 100 || number > 599)
			return stop(h2, "a malformed status");
		head->status = (uint32_t)number;
		return 0;
	}
	if (!field_is_token(n) || !field_is_value(v))
		return stop(h2, "a malformed header field");
	if (field_is(n, "content-length")) {
		head->has_length = field_number(v, &head->length);
		return head->has_length ? 0 : stop(h2, "a malformed Content-Length");
	}
	if (head->n_fields == KEEPMSG_FIELDS_MAX ||
		head->arena.len + n.n + v.n > KEEPMSG_HEAD_MAX)
		return stop(h2, "a head that is too large");
	head->fields[head->n_fields].name = head->arena.len;
	head->fields[head->n_fields].name_n = n.n;
	head->fields[head->n_fields].value = head->arena.len + n.n;
	head->fields[head->n_fields].value_n = v.n;
	head->n_fields++;
	if (memory_add(&head->arena, n.at, n.n) < 0 || memory_add(&head->arena, v.at, v.n) < 0)
		return stop(h2, "out of memory");
	return 0;
}

static int on_bad_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
	size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
	(void)session;
	(void)frame;
	(void)name;
	(void)name_n;
	(void)value;
	(void)value_n;
	(void)flags;
	return stop(arg, "a malformed header field");
}
/* NOLINTEND(readability-function-size) */

static void to_head(const struct h2_head *from, struct keepmsg_head *ret)
{
	const char *base = from->arena.data;

	*ret = (struct keepmsg_head){ .status = from->status, .n_fields = from->n_fields };
	for (size_t i = 0; i < from->n_fields; i++)
		ret->fields[i] = (struct keepmsg_field){
			{ base + from->fields[i].name, from->fields[i].name_n },
			{ base + from->fields[i].value, from->fields[i].value_n },
		};
}

static int complete(struct h2 *h2, struct keepmsg_head *trailers)
{
	if (reply_end(h2->reply, trailers) < 0)
		return stop(h2, h2->reply->why);
	h2->is_complete = true;
	if (!h2->is_body_over) {
		h2->is_reusable = false;
		(void)nghttp2_submit_rst_stream(
			h2->session, NGHTTP2_FLAG_NONE, h2->stream, NGHTTP2_NO_ERROR);
	}
	return 0;
}

static int take_head(struct h2 *h2, bool is_end)
{
	struct keepmsg_head head;
	bool is_final = h2->head->status >= 200;

	to_head(h2->head, &head);
	if (h2->reply->has_head)
		return is_end && head.status == 0 ? complete(h2, &head)
						  : stop(h2, "a second response");
	if (head.status == 101 || (is_end && !is_final))
		return stop(h2, "a malformed response");
	if (is_final && h2->head->has_length && head.status != 204) {
		head.framing = KEEPMSG_LENGTH;
		head.length = h2->head->length;
	} else if (is_final && !is_end) {
		head.framing = KEEPMSG_UNKNOWN;
	}
	if (reply_head(h2->reply, &head) < 0)
		return stop(h2, h2->reply->why);
	return is_end ? complete(h2, NULL) : 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct h2 *h2 = arg;
	bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;

	(void)session;
	if (++h2->idle_frames > IDLE_FRAMES_MAX)
		return stop(h2, "a flood of frames");
	if (frame->hd.type == NGHTTP2_GOAWAY)
		h2->is_reusable = false;
	if (h2->stream == 0 || frame->hd.stream_id != h2->stream || h2->is_complete)
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS)
		return take_head(h2, is_end);
	return frame->hd.type == NGHTTP2_DATA && is_end ? complete(h2, NULL) : 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes,
	size_t n, void *arg)
{
	struct h2 *h2 = arg;

	(void)session;
	(void)flags;
	if (stream != h2->stream || h2->is_complete || n == 0)
		return 0;
	h2->idle_frames = 0;
	return reply_data(h2->reply, (const char *)bytes, n) < 0 ? stop(h2, h2->reply->why) : 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *arg)
{
	struct h2 *h2 = arg;

	(void)session;
	if (stream != h2->stream)
		return 0;
	h2->stream = 0;
	h2->idle_frames = 0;
	if (h2->is_complete)
		return 0;
	return stop(h2, code == NGHTTP2_REFUSED_STREAM ? "the server refused the request"
						       : "the server broke the response off");
}

int h2_feed(struct h2 *h2, const char *bytes, size_t n)
{
	ssize_t r;

	if (n == 0) {
		h2->is_reusable = false;
		return h2->is_complete ? 0 : broken(h2, "the server closed the connection");
	}
	r = nghttp2_session_mem_recv(h2->session, (const uint8_t *)bytes, n);
	if (r < 0)
		return broken(h2, nghttp2_strerror((int)r));
	if (h2->why != NULL)
		return -EPROTO;
	if (h2_flush(h2) < 0 && h2->why != NULL)
		return -EPROTO;
	if (!nghttp2_session_want_read(h2->session)) {
		h2->is_reusable = false;
		if (!h2->is_complete)
			return broken(h2, "the server speaks no proper HTTP/2");
	}
	return 0;
}

/* ---- both ---- */

static nghttp2_session_callbacks *make_callbacks(void)
{
	nghttp2_session_callbacks *all = NULL;

	if (nghttp2_session_callbacks_new(&all) != 0)
		return NULL;
	nghttp2_session_callbacks_set_on_begin_headers_callback(all, on_begin);
	nghttp2_session_callbacks_set_on_header_callback(all, on_header);
	nghttp2_session_callbacks_set_on_invalid_header_callback(all, on_bad_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(all, on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(all, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(all, on_close);
	return all;
}

static int make_session(struct h2 *h2)
{
	static const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		/* No table of what the host says: it may be an echo, and would stay. */
		{ NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0 },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_BYTES },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, KEEPMSG_HEAD_MAX },
	};
	nghttp2_session_callbacks *callbacks = make_callbacks();
	nghttp2_option *option = NULL;
	int r = callbacks != NULL && nghttp2_option_new(&option) == 0 ? 0 : NGHTTP2_ERR_NOMEM;

	if (r == 0) {
		nghttp2_option_set_max_outbound_ack(option, IDLE_FRAMES_MAX);
		r = nghttp2_session_client_new3(
			&h2->session, callbacks, h2, option, memory_nghttp2());
	}
	if (r == 0)
		r = nghttp2_submit_settings(
			h2->session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings));
	if (r == 0)
		r = nghttp2_session_set_local_window_size(
			h2->session, NGHTTP2_FLAG_NONE, 0, WINDOW_BYTES);
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	return r;
}

int h2_init(struct h2 *h2, struct link *link, struct reply *reply)
{
	*h2 = (struct h2){ .link = link, .reply = reply, .is_reusable = true, .is_complete = true };
	h2->head = calloc(1, sizeof(*h2->head));
	if (h2->head == NULL || make_session(h2) != 0)
		return broken(h2, "out of memory");
	return 0;
}

void h2_done(struct h2 *h2)
{
	nghttp2_session_del(h2->session);
	h2->session = NULL;
	memory_done(&h2->out);
	memory_give(h2->body);
	h2->body = NULL;
	if (h2->head != NULL)
		memory_done(&h2->head->arena);
	free(h2->head);
	h2->head = NULL;
}
