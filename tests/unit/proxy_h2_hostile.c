/*
 * Proves that what a client of HTTP/2 may not send does not reach the keeper's side: each forbidden
 * head resets its stream alone, each flood ends its connection with ENHANCE_YOUR_CALM, and memory
 * stays bounded meanwhile. Each has a control: the same, allowed or less of it, goes through.
 */
#include "proxy_h2_fixture.h"

#define PROTOCOL_ERROR "R(1)"
#define CALM "G(11)"

struct bad_head {
	const char *lines;
	const char *says; /* how stream 1 ends */
	const char *what;
};

#define REST ":scheme https\n:path /\n:authority api.test\n"
#define PSEUDO ":method GET\n" REST

static const struct bad_head bad_heads[] = {
	{ PSEUDO "host evil.test\n", PROTOCOL_ERROR, "host that is not :authority" },
	{ PSEUDO "host evil.test\nhost api.test\n", PROTOCOL_ERROR, "two hosts, the second right" },
	{ PSEUDO "host api.test\nhost evil.test\n", PROTOCOL_ERROR, "two hosts, the first right" },
	{ PSEUDO "host api.test:444\n", PROTOCOL_ERROR, "host with another port" },
	{ PSEUDO "host \n", PROTOCOL_ERROR, "empty host" },
	{ PSEUDO ":authority api.test\n", PROTOCOL_ERROR, "two :authority" },
	{ PSEUDO ":path /other\n", PROTOCOL_ERROR, "two :path" },
	{ PSEUDO ":method POST\n", PROTOCOL_ERROR, "two :method" },
	{ ":method GET\nx a\n" REST, PROTOCOL_ERROR, "pseudo-header field after a regular one" },
	{ PSEUDO ":status 200\n", PROTOCOL_ERROR, "pseudo-header field of a response" },
	{ PSEUDO ":other 1\n", PROTOCOL_ERROR, "unknown pseudo-header field" },
	{ ":method GET\n:scheme https\n:path /\n", PROTOCOL_ERROR, "no authority at all" },
	{ ":scheme https\n:path /\n:authority api.test\n", PROTOCOL_ERROR, "no :method" },
	{ ":method GET\n:scheme https\n:authority api.test\n", PROTOCOL_ERROR, "no :path" },
	{ ":method GET\n:scheme https\n:path /\n:authority u@api.test\n", PROTOCOL_ERROR,
		"user information in :authority" },
	{ ":method GET\n:scheme https\n:path /\n:authority api.test@evil.test\n", PROTOCOL_ERROR,
		"the name as user information" },
	{ ":method GET\n:scheme https\n:path /\nhost u:p@api.test\n", PROTOCOL_ERROR,
		"user information in host" },
	{ ":method GET\n:scheme https\n:path https://evil.test/\n:authority api.test\n",
		PROTOCOL_ERROR, "absolute form in :path" },
	{ ":method GET\n:scheme https\n:path /a b\n:authority api.test\n", PROTOCOL_ERROR,
		"a space in :path" },
	{ ":method G T\n" REST, PROTOCOL_ERROR, "a space in :method" },
	{ PSEUDO "connection x\n", PROTOCOL_ERROR, "connection" },
	{ PSEUDO "transfer-encoding chunked\n", PROTOCOL_ERROR, "transfer-encoding" },
	{ PSEUDO "upgrade h2c\n", PROTOCOL_ERROR, "upgrade" },
	{ PSEUDO "keep-alive 5\n", PROTOCOL_ERROR, "keep-alive" },
	{ PSEUDO "proxy-connection x\n", PROTOCOL_ERROR, "proxy-connection" },
	{ PSEUDO "te trailers, chunked\n", PROTOCOL_ERROR, "te with more than trailers" },
	{ PSEUDO "X-Upper 1\n", PROTOCOL_ERROR, "upper case in a name" },
	{ PSEUDO "x@y 1\n", "R(", "@ in a name" },
	{ PSEUDO "x a\rb\n", "R(", "CR in a value" },
	{ PSEUDO "content-length 5\ncontent-length 5\n", PROTOCOL_ERROR, "two content-length" },
	{ PSEUDO "content-length 5, 5\n", PROTOCOL_ERROR, "a list of lengths" },
	{ PSEUDO "content-length +5\n", PROTOCOL_ERROR, "a length with a sign" },
	{ PSEUDO "content-length 18446744073709551621\n", PROTOCOL_ERROR,
		"a length that overflows" },
	{ PSEUDO "content-length 5\n", PROTOCOL_ERROR, "a length without body" },
	{ ":method CONNECT\n:authority evil.test:443\n", "H(:status=501 ", "CONNECT" },
	{ ":method CONNECT\n:protocol websocket\n" REST, PROTOCOL_ERROR, "extended CONNECT" },
	{ ":method GET\n:protocol websocket\n" REST, PROTOCOL_ERROR, ":protocol of GET" },
	{ ":method GET\n:scheme http\n:path /\n:authority api.test\n", "H(:status=421 ",
		"another scheme" },
};

/* Stream 1 is bad, 3 is good. */
static void heads(void)
{
	for (size_t i = 0; i < sizeof(bad_heads) / sizeof(bad_heads[0]); i++) {
		const struct bad_head *b = &bad_heads[i];
		char want[40];

		start();
		(void)snprintf(want, sizeof(want), "1:%s", b->says);
		put_head(1, NGHTTP2_FLAG_END_STREAM, b->lines);
		put_head(3, NGHTTP2_FLAG_END_STREAM, GET_LINES);
		send_all();
		tap_ok(has_said(want) && n_fakes == 1 && refusals.len > 0 &&
				strcmp(request(0), "GET / (api.test) none;") == 0,
			"%s: refused, reported, and the next request goes on", b->what);
	}
	start();
	put_head(1, NGHTTP2_FLAG_END_STREAM, PSEUDO "host API.test:443\n");
	put_head(
		3, NGHTTP2_FLAG_END_STREAM, ":method GET\n:scheme https\n:path /\nhost api.test\n");
	put_head(5, NGHTTP2_FLAG_END_STREAM,
		":method OPTIONS\n:scheme https\n:path *\n:authority evil.test\n");
	send_all();
	tap_is(request(0), "GET / (api.test,API.test:443) none;", "every authority is judged");
	tap_is(request(1), "GET / (api.test) none;", "a host alone is one");
	tap_is(request(2), "OPTIONS * (evil.test) none;", "another authority is for the judge");
}

/* Bytes that the line-wise writer cannot write. */
static void raw_values(void)
{
	static const struct {
		const char *value;
		size_t n;
		bool is_good;
	} values[] = { { "a\nb", 3, false }, { "a\0b", 3, false }, { "a\r\nhost: x", 10, false },
		{ " a", 2, false }, { "a ", 2, false }, { "a\tb\xff", 4, true } };
	struct buf block = { 0 };

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		start();
		block.len = 0;
		put_fields(&block, GET_LINES);
		buf_add(&block, "\0\1x", 3);
		put_string(&block, values[i].value, values[i].n);
		put_frame(NGHTTP2_HEADERS, 5, 1, block.data, block.len);
		send_all();
		tap_ok(values[i].is_good ? n_fakes == 1 : n_fakes == 0 && has_said("1:R("),
			"value %zu: %s", i, values[i].is_good ? "goes through" : "reset");
	}
	buf_done(&block);
}

static void lengths(void)
{
	start();
	put_head(1, 0, POST_LINES "content-length 3\n");
	put_frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, "abcd", 4);
	put_head(3, 0, POST_LINES "content-length 3\n");
	put_frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 3, "ab", 2);
	put_head(5, 0, POST_LINES "content-length 3\n");
	put_frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 5, "abc", 3);
	send_all();
	tap_ok(has_said("1:R(1)") && fakes[0].is_cancelled && !fakes[0].is_ended,
		"more than content-length: reset, no end is told");
	tap_ok(has_said("3:R(1)") && fakes[1].is_cancelled && !fakes[1].is_ended,
		"less than content-length: reset, no end is told");
	tap_ok(fakes[2].is_ended && !fakes[2].is_cancelled, "just as much: fine");
}

/* Of a request's trailers nothing goes on, and what a head says may not stand in them. */
static void trailers(void)
{
	struct buf block = { 0 };

	start();
	put_head(1, 0, POST_LINES);
	put_head(1, NGHTTP2_FLAG_END_STREAM, "authorization x\nhost evil.test\n");
	put_head(3, 0, POST_LINES);
	put_head(3, NGHTTP2_FLAG_END_STREAM, ":path /other\n");
	put_head(5, 0, POST_LINES);
	put_head(5, 0, "x 1\n");
	send_all();
	tap_is(request(0), "POST / (api.test) unknown;", "trailers do not go on");
	tap_ok(fakes[0].is_ended && !fakes[0].is_cancelled, "but end the request");
	tap_ok(fakes[1].is_cancelled && has_said("3:R(1)"), "pseudo-header fields in them: reset");
	tap_ok(fakes[2].is_cancelled && has_said("5:R(1)"), "trailers that do not end it: reset");
	put_head(7, 0, POST_LINES);
	for (int i = 0; i < 5000; i++)
		buf_add(&block, "\x90", 1); /* accept-encoding of the static table */
	put_frame(NGHTTP2_HEADERS, 5, 7, block.data, block.len);
	send_all();
	tap_ok(has_said(CALM), "5000 of them end the connection");
	buf_done(&block);
}

static void put_many(struct buf *block, size_t n, const char *name, const char *value)
{
	for (size_t i = 0; i < n; i++)
		put_field(block, name, value);
}

/* One head of GET_LINES and n fields, cut into frames of 16 KiB. */
static const char *send_large(size_t n, const char *name, const char *value)
{
	struct buf block = { 0 };
	size_t at = 0, part;

	start();
	put_fields(&block, GET_LINES);
	put_many(&block, n, name, value);
	for (; at < block.len; at += part) {
		part = block.len - at < 16384 ? block.len - at : 16384;
		put_frame(at == 0 ? NGHTTP2_HEADERS : NGHTTP2_CONTINUATION,
			(at == 0 ? 1u : 0u) | (at + part == block.len ? 4u : 0u), 1,
			block.data + at, part);
	}
	buf_done(&block);
	return send_all();
}

static void large_heads(void)
{
	static char kib[1025];

	memset(kib, 'v', 1024);
	send_large(128, "x", "1");
	tap_ok(n_fakes == 1, "128 fields go through");
	send_large(129, "x", "1");
	tap_ok(n_fakes == 0 && has_said("1:H(:status=431 ") && h2->reason == NULL,
		"129 are 431, and the connection goes on");
	send_large(60, "x", kib);
	tap_ok(n_fakes == 1, "60 KiB of fields go through");
	send_large(64, "x", kib);
	tap_ok(n_fakes == 0 && has_said("1:H(:status=431 "), "64 KiB and their names are 431");
	send_large(120, "x", kib);
	tap_ok(n_fakes == 0 && has_said(CALM), "a block of 120 KiB ends the connection");
	send_large(1500, "cookie", "a=b");
	tap_ok(n_fakes == 1 && strstr(request(0), "cookie=a=b; a=b; a=b") != NULL,
		"1500 crumbs are one field");
	send_large(2000, "cookie", "");
	tap_ok(n_fakes == 0 && has_said("1:H(:status=431 "), "2000 are 431");
	send_large(5000, "cookie", "");
	tap_ok(n_fakes == 0 && has_said(CALM), "5000 end the connection");
	tap_ok(h2->head.cookies.cap < 2 * H2_LIST_MAX && h2->head.bytes.cap < 4 * H2_LIST_MAX,
		"and were not kept");
}

/* 4,000 bytes in the table, then one byte for each copy of them. */
static void hpack_bomb(void)
{
	static char value[4001];
	struct buf block = { 0 };

	memset(value, 'v', 4000);
	start();
	put_fields(&block, GET_LINES);
	buf_add(&block, "\x40\1x", 3);
	put_string(&block, value, 4000);
	for (int i = 0; i < 10000; i++)
		buf_add(&block, "\xbe", 1);
	put_frame(NGHTTP2_HEADERS, 5, 1, block.data, block.len);
	put_head(3, NGHTTP2_FLAG_END_STREAM, GET_LINES);
	send_all();
	tap_ok(n_fakes == 0 && has_said(CALM), "14 KiB that mean 40 MiB end the connection");
	tap_ok(h2->head.bytes.cap <= 2 * H2_LIST_MAX, "and were not unpacked into memory");
	buf_done(&block);
}

static void continuations(void)
{
	struct buf block = { 0 };

	put_fields(&block, GET_LINES);
	start();
	put_frame(NGHTTP2_HEADERS, 1, 1, block.data, block.len);
	for (int i = 0; i < 7; i++)
		put_frame(NGHTTP2_CONTINUATION, 0, 1, "\0\1x\1y", 5);
	put_frame(NGHTTP2_CONTINUATION, 4, 1, "\0\1x\1y", 5);
	send_all();
	tap_ok(n_fakes == 1, "8 CONTINUATION frames are read");
	start();
	put_frame(NGHTTP2_HEADERS, 1, 1, block.data, block.len);
	for (int i = 0; i < 100000; i++)
		put_frame(NGHTTP2_CONTINUATION, 0, 1, "\0\1x\1y", 5);
	send_all();
	tap_ok(n_fakes == 0 && has_said(CALM), "a flood of them ends the connection");
	start();
	put_frame(NGHTTP2_HEADERS, 1, 1, block.data, block.len);
	put_head(3, 5, GET_LINES);
	send_all();
	tap_ok(n_fakes == 0 && has_said("G(1)"), "no other frame may come between");
	buf_done(&block);
}

static void rapid_resets(unsigned n, int64_t pause_ms, bool is_flood)
{
	start();
	for (uint32_t i = 0; i < n && h2->reason == NULL; i++) {
		put_head(2 * i + 1, NGHTTP2_FLAG_END_STREAM, GET_LINES);
		put_frame(NGHTTP2_RST_STREAM, 0, 2 * i + 1, "\0\0\0\x08", 4);
		send_all();
		fake_ms += pause_ms;
	}
	tap_ok((strstr(drain(), CALM) != NULL) == is_flood &&
			(n_fakes <= H2_RESET_BURST + 1 || !is_flood) && h2->n_streams == 0,
		"%u requests that are reset at once: %s", n, is_flood ? "ended" : "fine");
}

/* The client makes us reset its streams. */
static void made_you_reset(void)
{
	start();
	for (uint32_t i = 0; i < 1000 && h2->reason == NULL; i++) {
		put_head(2 * i + 1, 0, POST_LINES);
		put_frame(NGHTTP2_WINDOW_UPDATE, 0, 2 * i + 1, "\x7f\xff\xff\xff", 4);
		send_all();
	}
	tap_ok(has_said(CALM) && n_fakes <= H2_RESET_BURST + 1,
		"streams that we have to reset: ended");
	start();
	for (uint32_t i = 0; i < 1000 && h2->reason == NULL; i++) {
		put_head(2 * i + 1, NGHTTP2_FLAG_END_STREAM, PSEUDO "host evil.test\n");
		send_all();
	}
	tap_ok(has_said(CALM) && n_fakes == 0, "malformed requests without end: ended");
}

static void too_many_streams(void)
{
	start_bare();
	buf_adds(&wire, PREFACE);
	put_frame(NGHTTP2_SETTINGS, 0, 0, "", 0);
	for (uint32_t i = 0; i < 100; i++)
		put_head(2 * i + 1, NGHTTP2_FLAG_END_STREAM, GET_LINES);
	send_all();
	tap_ok(n_fakes == H2_STREAMS_MAX && has_said("129:R(7) ") && h2->reason == NULL,
		"the 65th request at once is refused, and may be sent again");
	for (uint32_t i = 100; i < 1000 && h2->reason == NULL; i++) {
		put_head(2 * i + 1, NGHTTP2_FLAG_END_STREAM, GET_LINES);
		send_all();
	}
	tap_ok(n_fakes == H2_STREAMS_MAX && has_said(CALM), "a flood of them ends the connection");
}

static void control_flood(
	const char *what, unsigned type, unsigned flags, const char *bytes, size_t n)
{
	uint32_t stream = type == NGHTTP2_DATA || type == NGHTTP2_PRIORITY;

	start();
	put_head(1, 0, POST_LINES);
	for (int i = 0; i < 100; i++)
		put_frame(type, flags, stream, bytes, n);
	send_all();
	tap_ok(h2->reason == NULL && n_fakes == 1 && !fakes[0].is_cancelled, "100 %s are fine",
		what);
	for (int i = 0; i < 2000; i++)
		put_frame(type, flags, stream, bytes, n);
	send_all();
	tap_ok(has_said(CALM) && h2_session_is_done(h2), "2000 more end the connection");
}

/* The client never reads: nothing it sends may pile up answers. */
static void unread_answers(void)
{
	size_t fed = 0;

	start();
	for (int i = 0; i < 500; i++)
		put_frame(NGHTTP2_PING, 0, 0, "12345678", 8);
	while (fed < wire.len && h2_session_wants_input(h2)) {
		size_t part = wire.len - fed < 1000 ? wire.len - fed : 1000;

		h2_session_feed(h2, wire.data + fed, part);
		fed += part;
	}
	tap_ok(fed < wire.len && h2->reason == NULL &&
			nghttp2_session_get_outbound_queue_size(h2->ng) <= H2_QUEUE_MAX + 60,
		"a client that does not read its answers is not read");
	wire.len = 0;
}

static void deadlines(void)
{
	start_bare();
	buf_add(&wire, PREFACE, 10);
	send_all();
	tap_ok(h2_session_deadline_ms(h2) == fake_ms + PROXY_HEAD_TIMEOUT_S * 1000,
		"half a preface has a deadline");
	fake_ms += PROXY_HEAD_TIMEOUT_S * 1000;
	h2_session_tick(h2);
	tap_ok(has_said(CALM) && h2_session_is_done(h2), "and ends the connection");
	start();
	put_head(1, NGHTTP2_FLAG_END_STREAM, GET_LINES);
	send_all();
	tap_ok(h2_session_deadline_ms(h2) == INT64_MAX,
		"a request that waits for its answer has none");
	put_head(3, NGHTTP2_FLAG_END_STREAM, GET_LINES);
	wire.len -= 1;
	send_all();
	for (int i = 0; i < 9; i++) {
		fake_ms += 1000;
		h2_session_tick(h2);
	}
	tap_ok(h2->reason == NULL && n_fakes == 1, "half a head may be completed");
	fake_ms += 1000;
	h2_session_tick(h2);
	tap_ok(has_said(CALM) && strstr(refusals.data, "did not finish") != NULL,
		"for ten seconds, and it is reported");
	start();
	fake_ms += H2_IDLE_TIMEOUT_S * 1000;
	h2_session_tick(h2);
	tap_ok(has_said("G(0)") && h2->reason == NULL && h2_session_is_done(h2),
		"an idle connection ends, nobody's fault");
}

static void nonsense(void)
{
	start_bare();
	buf_adds(&wire, "GET / HTTP/1.1\r\nHost: api.test\r\n\r\n");
	send_all();
	tap_ok(n_fakes == 0 && h2->reason != NULL && has_said("G(1)"), "HTTP/1 is not HTTP/2");
	start();
	put_frame(NGHTTP2_PUSH_PROMISE, 4, 1, "\0\0\0\2", 4);
	send_all();
	tap_ok(has_said("G(1)") && h2_session_is_done(h2), "a client may not push");
	start();
	put_head(2, 5, GET_LINES);
	send_all();
	tap_ok(n_fakes == 0 && has_said("G(1)"), "streams of a client have odd numbers");
	start();
	put_frame(NGHTTP2_DATA, 1, 5, "x", 1);
	send_all();
	tap_ok(n_fakes == 0 && has_said("G(1)"), "no DATA without a head");
	start();
	put_frame(NGHTTP2_SETTINGS, 0, 0, "\0\4\xff\xff\xff\xff", 6);
	send_all();
	tap_ok(has_said("G(3)"), "a window that is too large");
}

/* Many sessions, each holding a little: only those that hold much are ended. */
static void shared_bound(void)
{
	enum { SESSIONS = 100 };
	static struct h2_session *sessions[SESSIONS];
	static char block[16384];
	size_t ended = 0, held = 0;
	bool small_lives;

	start();
	fake_room = 0;
	put_head(1, 0, POST_LINES);
	put_frame(NGHTTP2_DATA, 0, 1, block, sizeof(block));
	send_all();
	sessions[0] = h2;
	for (size_t i = 1; i < SESSIONS; i++) {
		size_t fakes_before = n_fakes;

		h2 = NULL;
		n_fakes = 0; /* keeps the others' */
		start();
		n_fakes = fakes_before;
		fake_room = 0;
		for (uint32_t j = 0; j < 16; j++) {
			put_head(2 * j + 1, 0, POST_LINES);
			for (int k = 0; k < 4; k++)
				put_frame(NGHTTP2_DATA, 0, 2 * j + 1, block, 16383);
		}
		send_all();
		sessions[i] = h2;
	}
	for (size_t i = 1; i < SESSIONS; i++) {
		ended += sessions[i]->reason != NULL;
		held += sessions[i]->held;
	}
	small_lives = sessions[0]->reason == NULL;
	tap_ok(ended > 0 && held < H2_HELD_MAX + SESSIONS * (H2_HELD_FAIR + 65536),
		"sessions that hold too much together: %zu of %d ended, %zu KiB held", ended,
		SESSIONS - 1, held >> 10);
	tap_ok(small_lives, "one that holds little is not");
	for (size_t i = 0; i < SESSIONS; i++)
		h2_session_free(sessions[i]);
	h2 = NULL;
}

int main(void)
{
	heads();
	raw_values();
	lengths();
	trailers();
	large_heads();
	hpack_bomb();
	continuations();
	rapid_resets(150, 0, false);
	rapid_resets(1000, 0, true);
	rapid_resets(1000, 110, false);
	made_you_reset();
	too_many_streams();
	control_flood("PING", NGHTTP2_PING, 0, "12345678", 8);
	control_flood("SETTINGS", NGHTTP2_SETTINGS, 0, "", 0);
	control_flood("WINDOW_UPDATE", NGHTTP2_WINDOW_UPDATE, 0, "\0\0\0\1", 4);
	control_flood("frames of unknown type", 0x77, 0, "12345678", 8);
	control_flood("PRIORITY", NGHTTP2_PRIORITY, 0, "\0\0\0\0\x10", 5);
	control_flood("empty DATA", NGHTTP2_DATA, 0, "", 0);
	unread_answers();
	deadlines();
	nonsense();
	shared_bound();
	fixture_done();
	return tap_done();
}
