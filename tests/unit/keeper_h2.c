/*
 * HTTP/2 towards a host: the value is in the fields that a real HTTP/2 server decodes, exactly once,
 * and nowhere in the keeper's memory afterwards, compressed or not; what a server must not send is
 * refused.
 */
#include "keeper_fixture.h"
#include "keeper_memory_scan.h"

#include <nghttp2/nghttp2.h>

#define RULES                                                                                      \
	"[inject api]\nhost = api.test\nport = 443 8443\n"                                         \
	"header = Authorization: Bearer {secret}\nquery = key={secret}\nsecret = env:X\n"

static const char *secret;
static struct cert leaf;
static SSL_CTX *ctx;

/* The server's end. */
struct server {
	nghttp2_session *session;
	struct conn conn;
	struct buf head, body; /* "name: value\n" of the last request */
	int32_t stream;
	bool is_over;
	const char *reply; /* body of the response */
	size_t reply_n, reply_at;
};

static int on_begin(nghttp2_session *s, const nghttp2_frame *frame, void *arg)
{
	struct server *server = arg;

	(void)s;
	server->head.len = server->body.len = 0;
	server->stream = frame->hd.stream_id;
	server->is_over = false;
	return 0;
}

static int on_header(nghttp2_session *s, const nghttp2_frame *frame, const uint8_t *name,
	size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
	struct server *server = arg;

	(void)s;
	(void)frame;
	buf_addf(&server->head, "%.*s: %.*s%s\n", (int)name_n, (const char *)name, (int)value_n,
		(const char *)value, (flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0 ? " [never]" : "");
	return 0;
}

static int on_frame(nghttp2_session *s, const nghttp2_frame *frame, void *arg)
{
	struct server *server = arg;

	(void)s;
	if (frame->hd.stream_id != 0 && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
		server->is_over = true;
	return 0;
}

static int on_data(nghttp2_session *s, uint8_t flags, int32_t stream, const uint8_t *bytes,
	size_t n, void *arg)
{
	struct server *server = arg;

	(void)s;
	(void)flags;
	(void)stream;
	buf_add(&server->body, bytes, n);
	return 0;
}

static ssize_t give(nghttp2_session *s, int32_t stream, uint8_t *out, size_t max, uint32_t *flags,
	nghttp2_data_source *source, void *arg)
{
	struct server *server = arg;
	size_t n = server->reply_n - server->reply_at;

	(void)s;
	(void)stream;
	(void)source;
	n = n < max ? n : max;
	memcpy(out, server->reply + server->reply_at, n);
	server->reply_at += n;
	if (server->reply_at == server->reply_n)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

static void send_all(struct server *server)
{
	const uint8_t *bytes;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(server->session, &bytes)) > 0)
		if (SSL_write(server->conn.ssl, bytes, (int)n) != n)
			return;
}

/* Until a whole request is there. False: the client has gone. */
static bool receive(struct server *server)
{
	char bytes[16384];

	server->is_over = false;
	while (!server->is_over) {
		int n = SSL_read(server->conn.ssl, bytes, sizeof(bytes));

		if (n <= 0 || nghttp2_session_mem_recv(server->session, (uint8_t *)bytes,
				      (size_t)n) < 0)
			return false;
		send_all(server);
	}
	return true;
}

static struct server begin(int door, uint16_t port)
{
	struct server server = { .conn = conn_open_to(door, "api.test", port, false) };

	buf_adds(&server.head, "");
	buf_adds(&server.body, "");
	return server;
}

/* After the first request. stream_window 0: the protocol's own windows, opened again by themselves. */
static bool accept_with(struct server *server, uint32_t stream_window)
{
	const nghttp2_settings_entry window = { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, stream_window };
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;

	if (!conn_accept(&server->conn, ctx))
		return false;
	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_option_new(&option);
	nghttp2_option_set_max_send_header_block_length(option, 1 << 20);
	nghttp2_option_set_no_auto_window_update(option, stream_window != 0);
	nghttp2_session_server_new2(&server->session, callbacks, server, option);
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_submit_settings(server->session, 0, &window, stream_window != 0);
	return receive(server);
}

static bool accept_h2(struct server *server)
{
	return accept_with(server, 0);
}

static void end(struct server *server)
{
	nghttp2_session_del(server->session);
	buf_done(&server->head);
	buf_done(&server->body);
	conn_close(&server->conn);
}

static nghttp2_nv nv(const char *name, const char *value)
{
	return (nghttp2_nv){ (uint8_t *)(size_t)name, (uint8_t *)(size_t)value, strlen(name),
		strlen(value), 0 };
}

static void respond(struct server *server, const nghttp2_nv *fields, size_t n, const char *body)
{
	const nghttp2_data_provider provider = { .read_callback = give };

	server->reply = body;
	server->reply_n = body != NULL ? strlen(body) : 0;
	server->reply_at = 0;
	nghttp2_submit_response(
		server->session, server->stream, fields, n, body != NULL ? &provider : NULL);
	send_all(server);
}

static void get(struct server *server, const char *path, const char *fields)
{
	char line[256];

	(void)snprintf(line, sizeof(line), "GET %s", path);
	send_request(&server->conn, line, fields, (struct keepmsg_head){ .flags = KEEPMSG_H2 });
	send_end(&server->conn);
}

/* ---- what is looked at ---- */

static void injection(int door)
{
	struct server s = begin(door, 8443);
	nghttp2_nv fields[] = { nv(":status", "200"), nv("x-a", "b"), nv("alt-svc", "h3"),
		nv("x-echo", secret) };
	char want[256];

	get(&s, "/a?x=1", "authorization: Bearer ATTACKER\nte: trailers\nx-y: z\n");
	tap_ok(accept_h2(&s), "a request of HTTP/2");
	(void)snprintf(want, sizeof(want), "\nauthorization: Bearer %s [never]\n", secret);
	tap_ok(strstr(s.head.data, want) != NULL && count(s.head.data, "authorization") == 1,
		"the value is there, once, and in no table");
	tap_ok(strstr(s.head.data, "ATTACKER") == NULL, "no other identity is");
	(void)snprintf(want, sizeof(want), ":path: /a?x=1&key=%s [never]\n", secret);
	tap_ok(strstr(s.head.data, want) != NULL, "so is a path with a value");
	tap_ok(strstr(s.head.data, ":method: GET\n:scheme: https\n:authority: api.test:8443\n") !=
				NULL &&
			strstr(s.head.data, "\nx-y: z\n") != NULL &&
			strstr(s.head.data, "\nte: trailers\n") != NULL,
		"and the rest of it");
	respond(&s, fields, 4, "hello");
	tap_is(whole_answer(&s.conn),
		"200 unknown|x-a: b|x-echo: ****************************************\nhello\nEND 1",
		"its answer, redacted");
	for (int i = 0; i < 3; i++) {
		get(&s, "/b", "");
		(void)receive(&s);
		tap_ok(strstr(s.head.data, secret) != NULL, "another one on the connection");
		respond(&s, fields, 1, NULL);
		tap_is(whole_answer(&s.conn), "200 none\n\nEND 1", "its answer");
	}
	end(&s);
}

/* What the value looks like in HPACK's Huffman code; the bytes in its middle. */
static size_t coded_value(const char *value, unsigned char *out, size_t max)
{
	nghttp2_hd_deflater *deflater;
	nghttp2_nv field = nv("a", value);
	unsigned char block[512];
	ssize_t n;

	field.flags = NGHTTP2_NV_FLAG_NO_INDEX;
	nghttp2_hd_deflate_new(&deflater, 0);
	n = nghttp2_hd_deflate_hd(deflater, block, sizeof(block), &field, 1);
	nghttp2_hd_deflate_del(deflater);
	if (n < 20 || (size_t)n - 6 > max)
		return 0;
	memcpy(out, block + 5, (size_t)n - 6);
	return (size_t)n - 6;
}

static void memory(int door)
{
	struct server s = begin(door, 443);
	nghttp2_nv fields[] = { nv(":status", "200"), nv("x-echo", secret) };
	char value[64];
	unsigned char coded[512];
	size_t coded_n, found = 0;
	struct scan scan = { .is_loud = true };
	pid_t keeper = child_of(fix.mother);

	if (!scan_is_possible()) {
		tap_ok(true, "memory is looked at # SKIP it takes root");
		end(&s);
		return;
	}
	get(&s, "/a", "");
	(void)accept_h2(&s);
	respond(&s, fields, 2, secret);
	(void)whole_answer(&s.conn);
	(void)usleep(50000); /* it answers first, then it wipes */
	for (size_t at = 0; at + 16 <= strlen(secret); at += 8) {
		(void)scan_process(keeper, secret + at, 16, &scan);
		found += scan.found;
	}
	tap_ok(found == 0 && scan.bytes > 1000000, "no part of the value is in memory");
	(void)snprintf(value, sizeof(value), "Bearer %s", secret);
	coded_n = coded_value(value, coded, sizeof(coded));
	found = 0;
	for (size_t at = 0; at + 12 <= coded_n; at += 6) {
		(void)scan_process(keeper, coded + at, 12, &scan);
		found += scan.found;
	}
	tap_ok(found == 0 && coded_n > 20, "nor what the compressor made of it");
	end(&s);
}

static void bodies(int door)
{
	static char block[KEEPMSG_DATA_MAX];
	struct server s = begin(door, 443);
	nghttp2_nv fields[] = { nv(":status", "200"), nv("content-length", "0") };
	size_t total = 40 * sizeof(block);
	pid_t pid;

	memset(block, 'x', sizeof(block));
	send_request(&s.conn, "POST /a", "",
		(struct keepmsg_head){ .flags = KEEPMSG_H2, .framing = KEEPMSG_LENGTH,
			.length = total });
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 40; i++)
			send_message(&s.conn, KEEPMSG_BODY, block, sizeof(block));
		send_end(&s.conn);
		_exit(0);
	}
	tap_ok(accept_h2(&s) && s.body.len == total, "a body over several windows");
	(void)waitpid(pid, NULL, 0);
	tap_ok(strstr(s.head.data, "\ncontent-length: 655360\n") != NULL, "with its length");
	respond(&s, fields, 2, NULL);
	tap_is(whole_answer(&s.conn), "200 length:0\n\nEND 1", "its answer");
	send_request(&s.conn, "POST /a", "", (struct keepmsg_head){ .framing = KEEPMSG_UNKNOWN });
	send_message(&s.conn, KEEPMSG_BODY, "abc", 3);
	send_end(&s.conn);
	tap_ok(receive(&s) && strcmp(s.body.data, "abc") == 0, "one of unknown length");
	respond(&s, fields, 1, "");
	tap_is(whole_answer(&s.conn), "200 unknown\n\nEND 1", "its answer");
	end(&s);
}

/*
 * The window of the connection, not the stream's, ends right behind a piece of the body, and the next
 * piece comes before it is opened again: nobody has been asked for more then, and nothing was put off.
 */
static void used_up_window(int door)
{
	static char block[KEEPMSG_DATA_MAX];
	const size_t window = NGHTTP2_INITIAL_CONNECTION_WINDOW_SIZE;
	const struct timespec while_it_comes = { .tv_nsec = 100 * 1000000 };
	struct server s = begin(door, 443);
	nghttp2_nv fields[] = { nv(":status", "200"), nv("content-length", "0") };
	char bytes[16384];
	int n = 1;

	memset(block, 'x', sizeof(block));
	get(&s, "/a", "");
	tap_ok(accept_with(&s, 1 << 20), "a first request, after which both know the windows");
	respond(&s, fields, 2, NULL);
	tap_is(whole_answer(&s.conn), "200 length:0\n\nEND 1", "its answer");
	send_request(&s.conn, "POST /a", "",
		(struct keepmsg_head){ .flags = KEEPMSG_H2, .framing = KEEPMSG_LENGTH,
			.length = window + 4 });
	for (size_t left = window, piece; left > 0; left -= piece) {
		piece = left < sizeof(block) ? left : sizeof(block);
		send_message(&s.conn, KEEPMSG_BODY, block, piece);
	}
	while (s.body.len < window && n > 0) {
		n = SSL_read(s.conn.ssl, bytes, sizeof(bytes));
		if (n > 0 && nghttp2_session_mem_recv(s.session, (uint8_t *)bytes, (size_t)n) < 0)
			break;
	}
	tap_ok(s.body.len == window, "as much as the window of the connection");
	send_message(&s.conn, KEEPMSG_BODY, "tail", 4);
	send_end(&s.conn);
	(void)nanosleep(&while_it_comes, NULL);
	nghttp2_submit_window_update(s.session, NGHTTP2_FLAG_NONE, 0, 1 << 20);
	send_all(&s);
	tap_ok(receive(&s) && s.body.len == window + 4 && strcmp(s.body.data + window, "tail") == 0,
		"what came while it was used up is not lost");
	respond(&s, fields, 2, NULL);
	tap_is(whole_answer(&s.conn), "200 length:0\n\nEND 1", "its answer");
	end(&s);
}

static ssize_t give_and_trail(nghttp2_session *s, int32_t stream, uint8_t *out, size_t max,
	uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	const nghttp2_nv trailer = nv("grpc-status", "0");

	(void)max;
	(void)source;
	(void)arg;
	memcpy(out, "x", 1);
	*flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
	nghttp2_submit_trailer(s, stream, &trailer, 1);
	return 1;
}

static void trailers(int door)
{
	const nghttp2_data_provider provider = { .read_callback = give_and_trail };
	struct server s = begin(door, 443);
	nghttp2_nv early[] = { nv(":status", "103"), nv("link", "a") };
	nghttp2_nv fields[] = { nv(":status", "200") };

	get(&s, "/a", "");
	(void)accept_h2(&s);
	nghttp2_submit_headers(s.session, 0, s.stream, NULL, early, 2, NULL);
	nghttp2_submit_response(s.session, s.stream, fields, 1, &provider);
	send_all(&s);
	tap_is(whole_answer(&s.conn),
		"103 none|link: a\n200 unknown\nx\ntrailers|grpc-status: 0\nEND 1",
		"informational answers and trailers");
	end(&s);
}

static void ends(int door)
{
	struct server s = begin(door, 443);
	nghttp2_nv fields[] = { nv(":status", "200") };

	get(&s, "/a", "");
	(void)accept_h2(&s);
	nghttp2_submit_goaway(s.session, 0, s.stream, 0, NULL, 0);
	respond(&s, fields, 1, NULL);
	tap_is(whole_answer(&s.conn), "200 none\n\nEND 0", "a connection that goes away is not kept");
	end(&s);
	s = begin(door, 443);
	get(&s, "/a", "");
	(void)accept_h2(&s);
	nghttp2_submit_rst_stream(s.session, 0, s.stream, NGHTTP2_REFUSED_STREAM);
	send_all(&s);
	tap_is(whole_answer(&s.conn), "\nFAILED 502", "a stream that is refused");
	end(&s);
	s = begin(door, 443);
	get(&s, "/a", "");
	(void)accept_h2(&s);
	SSL_shutdown(s.conn.ssl);
	tap_is(whole_answer(&s.conn), "\nFAILED 502", "a connection that ends");
	end(&s);
	s = begin(door, 443);
	send_request(&s.conn, "POST /a", "",
		(struct keepmsg_head){ .flags = KEEPMSG_H2, .framing = KEEPMSG_UNKNOWN });
	send_message(&s.conn, KEEPMSG_BODY, "abc", 3);
	(void)conn_accept(&s.conn, ctx);
	SSL_free(s.conn.ssl);
	s.conn.ssl = NULL;
	(void)shutdown(s.conn.server, SHUT_RDWR);
	tap_is(whole_answer(&s.conn), "\nFAILED 502", "one that breaks while a body is sent");
	end(&s);
}

/* Raw frames behind the server's settings: length, type, flags, stream, payload. */
static void frame(struct server *s, unsigned char type, unsigned char flags, unsigned char stream,
	const char *payload, size_t n)
{
	unsigned char bytes[600] = { 0, (unsigned char)(n >> 8), (unsigned char)n, type, flags, 0, 0,
		0, stream };

	memcpy(bytes + 9, payload, n);
	(void)SSL_write(s->conn.ssl, bytes, (int)(9 + n));
}

static const struct {
	unsigned char type, flags, stream;
	const char *payload;
	size_t n;
	unsigned times;
	const char *what;
} bad[] = {
	{ 1, 5, 1, "\x08\x03" "099", 5, 1, "a status below 100" },
	{ 1, 5, 1, "\x88\x00\x01" "A\x01" "b", 6, 1, "a name with a capital" },
	{ 1, 5, 1, "\x88\x00\x01" "a\x03" "b\rc", 8, 1, "a value with CR" },
	{ 1, 5, 1, "\x88\x00\x0a" "connection\x05" "close", 18, 1, "a hop-by-hop field" },
	{ 1, 5, 1, "\x88\x88", 2, 1, "two statuses" },
	{ 1, 5, 1, "\x00\x01" "a\x01" "b", 5, 1, "no status" },
	{ 1, 4, 1, "\x88\x0f\x0d\x01" "x", 5, 1, "a length that is none" },
	{ 1, 5, 1, "\x88\x0f\x0d\x01" "5", 5, 1, "a length that is not kept" },
	{ 1, 5, 1, "\x08\x03" "101", 5, 1, "another protocol" },
	{ 1, 5, 1, "\x08\x03" "103", 5, 1, "only an informational answer" },
	{ 1, 4, 1, "\x08\x03" "102", 5, 17, "a flood of those" },
	{ 0, 0, 1, "abc", 3, 1, "a body before its head" },
	{ 5, 4, 1, "\x00\x00\x00\x02\x88", 5, 1, "a push" },
	{ 6, 0, 0, "12345678", 8, 1100, "a flood of pings" },
	{ 4, 0, 0, "\x00\x03\x00\x00\x00\x64", 6, 1100, "a flood of settings" },
	{ 9, 0, 1, "\x88", 1, 1, "a continuation of nothing" },
	{ 1, 0, 1, "\x88", 1, 1, "a head without end, and another frame" },
	{ 1, 5, 1, "\xff\xff\xff\xff\xff\xff", 6, 1, "compression that is none" },
};

static void bad_frames(int door)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct server s = begin(door, 443);
		const char *got;

		get(&s, "/a", "");
		if (!accept_h2(&s)) {
			tap_ok(false, "a connection");
			continue;
		}
		for (unsigned k = 0; k < bad[i].times; k++)
			frame(&s, bad[i].type, bad[i].flags, bad[i].stream, bad[i].payload,
				bad[i].n);
		/* Ends whatever waits for more. */
		frame(&s, 6, 0, 0, "12345678", 8);
		got = whole_answer(&s.conn);
		tap_ok(strstr(got, "FAILED 502") != NULL, "%s is refused", bad[i].what);
		end(&s);
	}
}

static void large_heads(int door)
{
	static char big[20000];
	struct server s = begin(door, 443);
	nghttp2_nv fields[6] = { nv(":status", "200") };

	memset(big, 'x', sizeof(big) - 1);
	for (int i = 1; i < 6; i++)
		fields[i] = nv("x-a", big);
	get(&s, "/a", "");
	(void)accept_h2(&s);
	respond(&s, fields, 6, NULL);
	tap_is(whole_answer(&s.conn), "\nFAILED 502", "a head that is too large is refused");
	end(&s);
}

static void versions(int door)
{
	struct conn c = conn_open_to(door, "api.test", 443, false);

	send_get(&c, "/a", "");
	(void)conn_accept(&c, ctx);
	tap_ok(strncmp(server_receive(&c, "\r\n\r\n"), "GET /a", 6) == 0,
		"a client of HTTP/1 makes it HTTP/1");
	conn_close(&c);
	{
		struct server s = begin(door, 443);
		nghttp2_nv fields[] = { nv(":status", "204") };

		get(&s, "/a", "");
		(void)accept_h2(&s);
		respond(&s, fields, 1, NULL);
		tap_is(whole_answer(&s.conn), "204 none\n\nEND 1", "an answer without body");
		send_request(&s.conn, "GET /ws", "",
			(struct keepmsg_head){ .flags = KEEPMSG_UPGRADE });
		tap_is(whole_answer(&s.conn), "\nFAILED 501", "no WebSocket over HTTP/2");
		end(&s);
	}
}

int main(int argc, char **argv)
{
	int door;

	fixture_role(argc, argv);
	if (!fixture_make() || !fixture_start(RULES))
		return tap_done();
	secret = random_secret();
	leaf = cert_leaf(&fix.authority, "DNS:api.test");
	ctx = server_context(&leaf, NULL, true);
	door = keeper_start_with(0, secret);
	injection(door);
	memory(door);
	bodies(door);
	used_up_window(door);
	trailers(door);
	ends(door);
	bad_frames(door);
	large_heads(door);
	versions(door);
	tap_ok(fixture_stop() == 0, "the mother ends with the warden");
	fixture_remove();
	return tap_done();
}
