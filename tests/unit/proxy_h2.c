/*
 * Proves that requests over HTTP/2 reach the keeper's side as they were meant and that responses
 * come back whole: bodies, interim heads, trailers, resets in both directions, back-pressure.
 */
#include "proxy_h2_fixture.h"

static void get(void)
{
	static const char *const fields[] = { "content-type", "text/plain", "connection", "close",
		"transfer-encoding", "chunked", "alt-svc", "h3", "x-Upper", "no", ":status", "500",
		NULL };
	struct keepmsg_head head = reply_head(200, KEEPMSG_LENGTH, 5, fields);

	start();
	put_head(1, NGHTTP2_FLAG_END_STREAM,
		GET_LINES "accept */*\nte trailers\ncookie a=1\ncookie b=2\n"
			  "content-type x\ncookie c=3\n");
	send_all();
	tap_is(request(0),
		"GET / (api.test) none; accept=*/* te=trailers content-type=x cookie=a=1; b=2; c=3",
		"a request, with its crumbs joined and te kept");
	tap_ok(fakes[0].is_ended, "the request's end is told");
	fakes[0].ops->head(fakes[0].arg, &head);
	fakes[0].ops->data(fakes[0].arg, "hello", 5);
	fakes[0].ops->end(fakes[0].arg, NULL);
	tap_ok(n_wakes > 0, "a response wakes the connection");
	tap_is(drain(), "1:H(:status=200 content-type=text/plain content-length=5) 1:D(hello)E ",
		"its response, without what HTTP/2 forbids and other ways to the host");
	tap_ok(!fakes[0].is_cancelled && h2->n_streams == 0, "and nothing is left of it");
	for (size_t piece = 1; piece < 40; piece += 13) {
		start_bare();
		buf_adds(&wire, PREFACE);
		put_frame(NGHTTP2_SETTINGS, 0, 0, "", 0);
		put_head(1, NGHTTP2_FLAG_END_STREAM, GET_LINES);
		send_pieces(piece);
		tap_is(request(0), "GET / (api.test) none;", "the same in small pieces");
	}
}

static void post(void)
{
	start();
	put_head(1, 0, POST_LINES "content-length 7\nexpect 100-continue\n");
	send_all();
	tap_is(request(0), "POST / (api.test) 7; expect=100-continue", "a request with a length");
	reply(&fakes[0], 100, KEEPMSG_NO_BODY, 0);
	tap_is(drain(), "1:H(:status=100) ", "100 comes first");
	put_frame(NGHTTP2_DATA, 0, 1, "abc", 3);
	send_all();
	tap_ok(!fakes[0].is_ended, "the body has not ended yet");
	put_frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, "defg", 4);
	send_all();
	tap_is(fakes[0].body.data, "abcdefg", "its body");
	tap_ok(fakes[0].is_ended, "and its end");
	reply(&fakes[0], 204, KEEPMSG_NO_BODY, 0);
	tap_is(drain(), "1:H(:status=100) ", "a head without body waits for its end");
	fakes[0].ops->end(fakes[0].arg, NULL);
	tap_is(drain(), "1:H(:status=100) 1:H(:status=204)E ", "and goes in one frame with it");

	start();
	put_head(1, NGHTTP2_FLAG_END_STREAM, POST_LINES "content-length 0\n");
	put_head(3, 0, POST_LINES);
	put_frame(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 3, "\x03xy\0\0\0", 6);
	put_head(3, NGHTTP2_FLAG_END_STREAM, "x-checksum 1\n");
	send_all();
	tap_is(request(0), "POST / (api.test) 0;", "a length of 0 is said");
	tap_is(request(1), "POST / (api.test) unknown;", "a request without a length");
	tap_is(fakes[1].body.data, "xy", "without padding");
	tap_ok(fakes[1].is_ended, "trailers end it");
}

static void bodiless(void)
{
	start();
	put_head(1, NGHTTP2_FLAG_END_STREAM,
		":method HEAD\n:scheme https\n:path /\n:authority api.test\n");
	put_head(3, NGHTTP2_FLAG_END_STREAM, GET_LINES);
	put_head(5, NGHTTP2_FLAG_END_STREAM, GET_LINES);
	send_all();
	reply(&fakes[0], 200, KEEPMSG_LENGTH, 1234);
	fakes[0].ops->end(fakes[0].arg, NULL);
	reply(&fakes[1], 304, KEEPMSG_LENGTH, 99);
	fakes[1].ops->end(fakes[1].arg, NULL);
	reply(&fakes[2], 200, KEEPMSG_UNKNOWN, 0);
	fakes[2].ops->end(fakes[2].arg, NULL);
	tap_is(drain(),
		"1:H(:status=200 content-length=1234)E 3:H(:status=304 content-length=99)E "
		"5:H(:status=200) 5:D()E ",
		"HEAD, 304 and an empty body");
}

static void grpc(void)
{
	static const char *const trailer[] = { "grpc-status", "0", "grpc-message", "ok",
		"content-length", "3", NULL };
	static const char *const only[] = { "content-type", "application/grpc", "grpc-status", "12",
		NULL };
	struct keepmsg_head trailers = reply_head(0, KEEPMSG_NO_BODY, 0, trailer);
	struct keepmsg_head head = reply_head(200, KEEPMSG_NO_BODY, 0, only);

	start();
	put_head(1, 0, POST_LINES "te trailers\ncontent-type application/grpc\n");
	put_head(3, NGHTTP2_FLAG_END_STREAM, POST_LINES);
	send_all();
	reply(&fakes[0], 200, KEEPMSG_UNKNOWN, 0);
	for (int i = 0; i < 2; i++) {
		put_frame(NGHTTP2_DATA, 0, 1, "ping", 4);
		send_all();
		fakes[0].ops->data(fakes[0].arg, "pong", 4);
		drain();
	}
	tap_is(drain(), "1:H(:status=200) 1:D(pong) 1:D(pong) ", "both directions at once");
	put_frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, "", 0);
	send_all();
	fakes[0].ops->end(fakes[0].arg, &trailers);
	tap_ok(has_said("1:D(pong) 1:H(grpc-status=0 grpc-message=ok)E "),
		"trailers come back, without framing fields");
	fakes[1].ops->head(fakes[1].arg, &head);
	fakes[1].ops->end(fakes[1].arg, NULL);
	tap_ok(has_said("3:H(:status=200 content-type=application/grpc grpc-status=12)E "),
		"a response of trailers only is one frame");
}

static void failures(void)
{
	start();
	put_head(1, 0, POST_LINES);
	put_head(3, NGHTTP2_FLAG_END_STREAM, GET_LINES);
	put_head(5, NGHTTP2_FLAG_END_STREAM, GET_LINES);
	put_head(7, NGHTTP2_FLAG_END_STREAM, GET_LINES);
	put_head(9, NGHTTP2_FLAG_END_STREAM,
		":method HEAD\n:scheme https\n:path /\n:authority a.test\n");
	send_all();
	fakes[0].ops->failed(fakes[0].arg, 403, "no rule for it");
	tap_is(drain(),
		"1:H(:status=403 content-type=text/plain; charset=utf-8 content-length=26) "
		"1:D(agentjail: no rule for it\n)E ",
		"a refusal says why, and waits for a client that is still sending");
	said.len = 0;
	fake_ms += H2_LINGER_MS;
	h2_session_tick(h2);
	tap_is(drain(), "1:R(0) ", "for a moment: the rest of the request is not wanted");
	said.len = 0;
	reply(&fakes[1], 200, KEEPMSG_LENGTH, 10);
	fakes[1].ops->data(fakes[1].arg, "part", 4);
	fakes[1].ops->failed(fakes[1].arg, 502, "broken off");
	tap_is(drain(), "3:H(:status=200 content-length=10) 3:D(part) 3:R(2) ",
		"a response that breaks off is reset behind what came");
	said.len = 0;
	reply(&fakes[2], 200, KEEPMSG_LENGTH, 10);
	fakes[2].ops->data(fakes[2].arg, "part", 4);
	fakes[2].ops->end(fakes[2].arg, NULL);
	tap_ok(has_said("5:D(part) 5:R(2) "), "so is one that is shorter than it said");
	reply(&fakes[3], 200, KEEPMSG_LENGTH, 3);
	fakes[3].ops->data(fakes[3].arg, "four", 4);
	tap_ok(has_said("7:R(2) ") && fakes[3].is_cancelled, "and one that is longer");
	fakes[4].ops->failed(fakes[4].arg, 421, "other host");
	tap_ok(has_said("9:H(:status=421 content-type=text/plain; charset=utf-8 "
			"content-length=22)E "),
		"a refusal of HEAD has no body");
	fake_is_full = true;
	put_head(11, NGHTTP2_FLAG_END_STREAM, GET_LINES);
	send_all();
	tap_ok(has_said("11:H(:status=503 "), "without an exchange it is 503");
	tap_ok(h2->n_streams == 0 && !h2_session_is_done(h2), "the connection goes on");
}

static void client_resets(void)
{
	start();
	put_head(1, 0, POST_LINES);
	put_head(3, NGHTTP2_FLAG_END_STREAM, GET_LINES);
	put_frame(NGHTTP2_RST_STREAM, 0, 1, "\0\0\0\x08", 4);
	send_all();
	tap_ok(fakes[0].is_cancelled, "a reset cancels the exchange");
	tap_ok(!fakes[1].is_cancelled, "of its stream alone");
	put_frame(NGHTTP2_GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
	send_all();
	tap_ok(!h2_session_is_done(h2), "after the client's GOAWAY requests are finished");
	reply(&fakes[1], 200, KEEPMSG_NO_BODY, 0);
	fakes[1].ops->end(fakes[1].arg, NULL);
	tap_ok(has_said("3:H(:status=200)E "), "and answered");
	h2_session_free(h2);
	h2 = NULL;
	start();
	put_head(1, 0, POST_LINES);
	send_all();
	h2_session_free(h2);
	h2 = NULL;
	tap_ok(fakes[0].is_cancelled, "the connection's end cancels what runs");
}

/* What waits in the session for a keeper that takes nothing is the window and no more. */
static void uploads_wait(void)
{
	static char block[16384];

	start();
	fake_room = 1000;
	put_head(1, 0, POST_LINES);
	for (size_t i = 0; i < H2_STREAM_WINDOW; i += sizeof(block))
		put_frame(NGHTTP2_DATA, 0, 1, block, sizeof(block));
	send_all();
	tap_ok(fakes[0].body.len == 1000, "the keeper took a part");
	tap_ok(TAILQ_FIRST(&h2->streams)->up.len == H2_STREAM_WINDOW - 1000, "the rest waits");
	fakes[0].room = 200000;
	fakes[0].ops->writable(fakes[0].arg);
	tap_ok(fakes[0].body.len == 201000, "more when it takes more");
	put_frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, block, sizeof(block));
	send_all();
	tap_ok(!fakes[0].is_ended, "the end waits behind the body");
	fakes[0].room = SIZE_MAX;
	fakes[0].ops->writable(fakes[0].arg);
	tap_ok(fakes[0].body.len == H2_STREAM_WINDOW + 16384 && fakes[0].is_ended,
		"all of it and the end");

	start();
	fake_room = 0;
	put_head(1, 0, POST_LINES);
	for (size_t i = 0; i <= H2_STREAM_WINDOW; i += sizeof(block))
		put_frame(NGHTTP2_DATA, 0, 1, block, sizeof(block));
	send_all();
	tap_ok(has_said("(3)") && fakes[0].is_cancelled,
		"whoever sends beyond the window is reset");

	/* Unread bytes of streams that are reset are given back to the connection's window. */
	start();
	fake_room = 0;
	for (uint32_t i = 0; i < 150; i++) {
		put_head(2 * i + 1, 0, POST_LINES);
		for (int j = 0; j < 3; j++)
			put_frame(NGHTTP2_DATA, 0, 2 * i + 1, block, sizeof(block));
		put_frame(NGHTTP2_RST_STREAM, 0, 2 * i + 1, "\0\0\0\x08", 4);
	}
	send_all();
	tap_ok(n_fakes == 150 && h2->reason == NULL, "150 uploads were reset");
	tap_ok(nghttp2_session_get_effective_recv_data_length(h2->ng) < (int32_t)H2_WINDOW / 2,
		"and what they had sent no longer counts");
}

static void downloads_wait(void)
{
	static char block[KEEPMSG_DATA_MAX];
	struct exchange *x = &fakes[0];
	size_t sent = 0, most = 0;

	start();
	put_head(1, NGHTTP2_FLAG_END_STREAM, GET_LINES);
	send_all();
	reply(x, 200, KEEPMSG_UNKNOWN, 0);
	/* 65,535 bytes fit into the client's window; then it is the session that holds. */
	for (int i = 0; i < 1000 && !x->is_paused; i++) {
		x->ops->data(x->arg, block, sizeof(block));
		sent += sizeof(block);
		drain();
		if (sent - n_data_bytes > most)
			most = sent - n_data_bytes;
	}
	tap_ok(x->is_paused && n_data_bytes == 65535,
		"a client that reads no more pauses the keeper");
	tap_ok(most < H2_DOWN_MAX + KEEPMSG_DATA_MAX, "what waits is bounded: %zu bytes", most);
	put_head(3, NGHTTP2_FLAG_END_STREAM, GET_LINES);
	send_all();
	reply(&fakes[1], 200, KEEPMSG_NO_BODY, 0);
	fakes[1].ops->end(fakes[1].arg, NULL);
	tap_ok(has_said("3:H(:status=200)E "), "other streams go on");
	put_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\x10\0\0", 4);
	put_frame(NGHTTP2_WINDOW_UPDATE, 0, 1, "\0\x10\0\0", 4);
	send_all();
	tap_ok(!x->is_paused && n_data_bytes == sent, "with a window it goes on");
	for (int i = 0; i < 200 && !x->is_paused; i++)
		x->ops->data(x->arg, block, sizeof(block));
	tap_ok(x->is_paused, "nothing written: paused again");
	fake_ms += H2_STALL_TIMEOUT_S * 1000 - 1;
	h2_session_tick(h2);
	tap_ok(!x->is_cancelled, "a reader may stand still for minutes");
	fake_ms += 1;
	tap_ok(h2_session_deadline_ms(h2) == fake_ms, "but not for ever");
	h2_session_tick(h2);
	tap_ok(x->is_cancelled && has_said("1:R(11)"), "then the stream is reset");
}

static void interims(void)
{
	size_t n = 0;

	start();
	put_head(1, NGHTTP2_FLAG_END_STREAM, GET_LINES);
	put_head(3, NGHTTP2_FLAG_END_STREAM, GET_LINES);
	send_all();
	for (int i = 0; i < 1000; i++)
		reply(&fakes[0], 103, KEEPMSG_NO_BODY, 0);
	for (const char *at = drain(); (at = strstr(at, "103")) != NULL; at++)
		n++;
	tap_ok(n == H2_INTERIM_MAX, "of a flood of interim heads some come: %zu", n);
	reply(&fakes[0], 200, KEEPMSG_NO_BODY, 0);
	fakes[0].ops->end(fakes[0].arg, NULL);
	tap_ok(has_said("1:H(:status=200)E "), "and then the response");
	reply(&fakes[1], 101, KEEPMSG_NO_BODY, 0);
	tap_ok(has_said("3:R(2)") && fakes[1].is_cancelled, "101 is none");
}

int main(void)
{
	get();
	post();
	bodiless();
	grpc();
	failures();
	client_resets();
	uploads_wait();
	downloads_wait();
	interims();
	fixture_done();
	return tap_done();
}
