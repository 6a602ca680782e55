/*
 * Proves that an ordinary client, libnghttp2's own, gets along with a session: many requests at
 * once, large bodies in both directions through the flow control of both ends, trailers.
 *
 * usage: proxy_h2_client [MIB]     to measure: how long an upload and a download of MIB take
 */
#include "proxy_h2_fixture.h"

#include <time.h>

#define CALLS_MAX 64

struct call {
	uint64_t to_send, sent, got;
	uint32_t error;
	int status;
	char trailer[32];
	bool is_closed;
};

static struct call calls[CALLS_MAX];
static nghttp2_session *client;

/* ---- the client's callbacks ---- */

static ssize_t read_body(nghttp2_session *ng, int32_t id, uint8_t *bytes, size_t max,
	uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct call *call = source->ptr;
	size_t n = call->to_send - call->sent < max ? (size_t)(call->to_send - call->sent) : max;

	(void)ng;
	(void)id;
	(void)arg;
	memset(bytes, 'u', n);
	call->sent += n;
	if (call->sent == call->to_send)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

static int on_data(
	nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n, void *arg)
{
	struct call *call = nghttp2_session_get_stream_user_data(ng, id);

	(void)flags;
	(void)bytes;
	(void)arg;
	call->got += n;
	return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
	size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
	struct call *call = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);

	(void)flags;
	(void)arg;
	if (name_n == 7 && memcmp(name, ":status", 7) == 0)
		call->status = (value[0] - '0') * 100 + (value[1] - '0') * 10 + value[2] - '0';
	else if (frame->headers.cat == NGHTTP2_HCAT_HEADERS && call->status >= 200)
		(void)snprintf(call->trailer, sizeof(call->trailer), "%.*s=%.*s", (int)name_n,
			(const char *)name, (int)value_n, (const char *)value);
	return 0;
}

static int on_close(nghttp2_session *ng, int32_t id, uint32_t error_code, void *arg)
{
	struct call *call = nghttp2_session_get_stream_user_data(ng, id);

	(void)arg;
	call->error = error_code;
	call->is_closed = true;
	return 0;
}

static void start_client(void)
{
	nghttp2_session_callbacks *callbacks;

	start_bare();
	memset(calls, 0, sizeof(calls));
	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
	nghttp2_session_client_new(&client, callbacks, NULL);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_submit_settings(client, NGHTTP2_FLAG_NONE, NULL, 0);
}

static nghttp2_nv nv_of(const char *name, const char *value)
{
	nghttp2_nv nv = { .namelen = strlen(name), .valuelen = strlen(value) };

	memcpy(&nv.name, &name, sizeof(name));
	memcpy(&nv.value, &value, sizeof(value));
	return nv;
}

static void call_start(struct call *call, uint64_t to_send)
{
	nghttp2_data_provider provider = { .source.ptr = call, .read_callback = read_body };
	nghttp2_nv nva[] = { nv_of(":method", to_send > 0 ? "POST" : "GET"),
		nv_of(":scheme", "https"), nv_of(":path", "/a?b"), nv_of(":authority", "api.test"),
		nv_of("user-agent", "test") };

	call->to_send = to_send;
	(void)nghttp2_submit_request(client, NULL, nva, 5, to_send > 0 ? &provider : NULL, call);
}

/* Moves what both say until neither has anything to say. */
static void exchange_bytes(void)
{
	const uint8_t *up;
	const char *down;
	ssize_t n;
	size_t m;

	do {
		n = nghttp2_session_mem_send(client, &up);
		for (ssize_t at = 0; at < n; at += (ssize_t)H2_FEED_MAX)
			h2_session_feed(h2, (const char *)up + at,
				n - at < (ssize_t)H2_FEED_MAX ? (size_t)(n - at) : H2_FEED_MAX);
		m = h2_session_take(h2, &down);
		if (m > 0)
			(void)nghttp2_session_mem_recv(client, (const uint8_t *)down, m);
	} while (n > 0 || m > 0);
}

/* ---- tests ---- */

static void many(void)
{
	static const char *const pair[] = { "grpc-status", "0", NULL };
	struct keepmsg_head trailers = reply_head(0, KEEPMSG_NO_BODY, 0, pair);
	size_t good = 0;

	start_client();
	for (size_t round = 0; round < 3; round++) {
		size_t first = n_fakes;

		memset(calls, 0, sizeof(calls));
		for (size_t i = 0; i < CALLS_MAX; i++)
			call_start(&calls[i], i % 2 * 100000 * i);
		exchange_bytes();
		for (size_t i = 0; i < CALLS_MAX; i++) {
			struct exchange *x = &fakes[first + i];

			reply(x, 200, KEEPMSG_UNKNOWN, 0);
			x->ops->data(x->arg, "twelve bytes", 12);
			x->ops->end(x->arg, i % 3 == 0 ? &trailers : NULL);
			exchange_bytes();
		}
		for (size_t i = 0; i < CALLS_MAX; i++)
			good += calls[i].is_closed && calls[i].error == 0 && calls[i].got == 12 &&
				fakes[first + i].body.len == calls[i].to_send &&
				fakes[first + i].is_ended &&
				(calls[i].trailer[0] != '\0') == (i % 3 == 0);
	}
	tap_ok(good == 3 * CALLS_MAX, "three times 64 requests at once: %zu of 192 as meant", good);
	tap_ok(h2->n_streams == 0 && h2->held == 0, "and nothing is held afterwards");
	nghttp2_session_del(client);
}

static double seconds(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void large(uint64_t bytes)
{
	static char block[KEEPMSG_DATA_MAX];
	struct exchange *x = &fakes[0];
	uint64_t left = bytes;
	double begun = seconds();
	size_t most = 0;

	start_client();
	call_start(&calls[0], bytes);
	/* A keeper that takes half a message at a time. */
	fake_room = KEEPMSG_DATA_MAX / 2;
	for (int i = 0; i < 100000000 && !x->is_ended; i++) {
		exchange_bytes();
		most = h2->held > most ? h2->held : most;
		left -= x->body.len;
		x->body.len = 0;
		x->room = KEEPMSG_DATA_MAX * 4;
		x->ops->writable(x->arg);
	}
	tap_ok(left - x->body.len == 0 && most < H2_STREAM_WINDOW + 4096,
		"an upload of %llu bytes, %zu held at most, %.2f s", (unsigned long long)bytes,
		most, seconds() - begun);
	begun = seconds();
	reply(x, 200, KEEPMSG_LENGTH, bytes);
	for (left = bytes, most = 0; left > 0 && !x->is_cancelled;) {
		size_t n = left < sizeof(block) ? (size_t)left : sizeof(block);

		if (!x->is_paused) {
			x->ops->data(x->arg, block, n);
			left -= n;
		}
		most = h2->held > most ? h2->held : most;
		exchange_bytes();
	}
	x->ops->end(x->arg, NULL);
	exchange_bytes();
	tap_ok(calls[0].got == bytes && calls[0].is_closed && calls[0].error == 0 &&
			most < H2_DOWN_MAX + KEEPMSG_DATA_MAX + 8192,
		"a download of as many, %zu held at most, %.2f s", most, seconds() - begun);
	nghttp2_session_del(client);
}

int main(int argc, char **argv)
{
	many();
	large(argc > 1 ? strtoull(argv[1], NULL, 10) << 20 : 3u << 20);
	fixture_done();
	return tap_done();
}
