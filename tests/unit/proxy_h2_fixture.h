/*
 * A session of HTTP/2 with a backend of its own: what the keeper's side received is the judge. The
 * client is bytes: frames are written by hand, so that forbidden ones can be; what the session says
 * becomes a line of text.
 */
#ifndef TESTS_PROXY_H2_FIXTURE_H
#define TESTS_PROXY_H2_FIXTURE_H

#include "proxy/h2_session.h"
#include "tap.h"

#define FAKES_MAX 4096

/* An exchange as the keeper's side sees it. */
struct exchange {
	const struct exchange_ops *ops;
	void *arg;
	struct buf text; /* METHOD TARGET (AUTHORITIES) FRAMING; NAME=VALUE... */
	struct buf body;
	size_t room; /* how many bytes it still takes */
	bool is_ended, is_cancelled, is_paused;
};

static struct exchange fakes[FAKES_MAX];
static size_t n_fakes;
static size_t fake_room = SIZE_MAX; /* of new ones */
static bool fake_is_full;           /* start() fails */
static int64_t fake_ms;
static unsigned n_wakes;

static struct buf refusals; /* what was reported, a line each */

static struct h2_session *h2;
static struct buf wire;        /* what the client will send */
static struct buf said;        /* what the session said, as text */
static struct buf frame_bytes; /* of the session, not decoded yet */
static nghttp2_hd_inflater *inflater;
static size_t n_data_bytes; /* of DATA frames of the session */

/* ---- the keeper's side ---- */

static void add_text(struct buf *out, struct keepmsg_text text)
{
	buf_add(out, text.at, text.n);
}

__attribute__((unused)) static struct exchange *fake_start(struct exchange_peer *peer,
	const struct judge_request *r, const struct exchange_ops *ops, void *arg)
{
	struct exchange *x = &fakes[n_fakes];

	(void)peer;
	if (fake_is_full || n_fakes == FAKES_MAX)
		return NULL;
	n_fakes++;
	x->ops = ops;
	x->arg = arg;
	x->room = fake_room;
	add_text(&x->text, r->method);
	buf_adds(&x->text, " ");
	add_text(&x->text, r->target);
	for (size_t i = 0; i < r->n_authorities; i++) {
		buf_adds(&x->text, i == 0 ? " (" : ",");
		add_text(&x->text, r->authorities[i]);
	}
	buf_adds(&x->text, ") ");
	if (r->framing == KEEPMSG_LENGTH)
		buf_addf(&x->text, "%llu;", (unsigned long long)r->length);
	else
		buf_adds(&x->text, r->framing == KEEPMSG_NO_BODY ? "none;" : "unknown;");
	for (size_t i = 0; i < r->n_fields; i++) {
		buf_adds(&x->text, " ");
		add_text(&x->text, r->fields[i].name);
		buf_adds(&x->text, "=");
		add_text(&x->text, r->fields[i].value);
	}
	return x;
}

static size_t fake_send(struct exchange *x, const char *bytes, size_t n)
{
	size_t took = n < x->room ? n : x->room;

	buf_add(&x->body, bytes, took);
	x->room -= took;
	return took;
}

static void fake_send_end(struct exchange *x)
{
	x->is_ended = true;
}

static void fake_read(struct exchange *x, bool on)
{
	x->is_paused = !on;
}

static void fake_cancel(struct exchange *x)
{
	x->is_cancelled = true;
}

static void fake_refused(struct exchange_peer *peer, unsigned status, const char *reason)
{
	(void)peer;
	buf_addf(&refusals, "%u %s\n", status, reason);
}

static const struct h2_backend fake_backend = { fake_start, fake_send, fake_send_end, fake_read,
	fake_cancel, fake_refused };

static int64_t fake_now(void)
{
	return fake_ms;
}

static void fake_wake(void *arg)
{
	(void)arg;
	n_wakes++;
}

/* The text of the n-th request, or NULL. */
__attribute__((unused)) static const char *request(size_t n)
{
	return n < n_fakes ? fakes[n].text.data : NULL;
}

/* NAME, VALUE..., NULL */
__attribute__((unused)) static struct keepmsg_head reply_head(
	unsigned status, enum keepmsg_framing framing, uint64_t length, const char *const *pairs)
{
	struct keepmsg_head head = { .status = status, .framing = framing, .length = length };

	for (; pairs != NULL && pairs[0] != NULL; pairs += 2) {
		struct keepmsg_field *f = &head.fields[head.n_fields++];

		f->name = (struct keepmsg_text){ pairs[0], strlen(pairs[0]) };
		f->value = (struct keepmsg_text){ pairs[1], strlen(pairs[1]) };
	}
	return head;
}

__attribute__((unused)) static void reply(
	struct exchange *x, unsigned status, enum keepmsg_framing framing, uint64_t length)
{
	struct keepmsg_head head = reply_head(status, framing, length, NULL);

	x->ops->head(x->arg, &head);
}

/* ---- the client's side ---- */

__attribute__((unused)) static void put_frame(
	unsigned type, unsigned flags, uint32_t stream, const void *payload, size_t n)
{
	unsigned char h[9] = { (unsigned char)(n >> 16), (unsigned char)(n >> 8), (unsigned char)n,
		(unsigned char)type, (unsigned char)flags, (unsigned char)(stream >> 24),
		(unsigned char)(stream >> 16), (unsigned char)(stream >> 8),
		(unsigned char)stream };

	buf_add(&wire, h, sizeof(h));
	buf_add(&wire, payload, n);
}

/* RFC 7541, 5.1 with a prefix of 7 bits, then the bytes. */
__attribute__((unused)) static void put_string(struct buf *out, const char *s, size_t n)
{
	size_t left = n;
	char c;

	if (n < 127) {
		c = (char)n;
		buf_add(out, &c, 1);
	} else {
		buf_add(out, "\x7f", 1);
		for (left -= 127; left >= 128; left /= 128) {
			c = (char)(0x80 | (left & 0x7f));
			buf_add(out, &c, 1);
		}
		c = (char)left;
		buf_add(out, &c, 1);
	}
	buf_add(out, s, n);
}

/* A literal that is not indexed (RFC 7541, 6.2.2). */
__attribute__((unused)) static void put_field(struct buf *out, const char *name, const char *value)
{
	buf_add(out, "", 1);
	put_string(out, name, strlen(name));
	put_string(out, value, strlen(value));
}

/* Lines of "NAME VALUE\n", into one block. */
__attribute__((unused)) static void put_fields(struct buf *block, const char *lines)
{
	char name[64], value[512];
	const char *space, *end;

	for (; (end = strchr(lines, '\n')) != NULL; lines = end + 1) {
		space = strchr(lines, ' ');
		(void)snprintf(name, sizeof(name), "%.*s", (int)(space - lines), lines);
		(void)snprintf(value, sizeof(value), "%.*s", (int)(end - space - 1), space + 1);
		put_field(block, name, value);
	}
}

#define GET_LINES ":method GET\n:scheme https\n:path /\n:authority api.test\n"
#define POST_LINES ":method POST\n:scheme https\n:path /\n:authority api.test\n"

__attribute__((unused)) static void put_head(uint32_t stream, unsigned flags, const char *lines)
{
	struct buf block = { 0 };

	put_fields(&block, lines);
	put_frame(NGHTTP2_HEADERS, flags | NGHTTP2_FLAG_END_HEADERS, stream, block.data, block.len);
	buf_done(&block);
}

/* ---- what the session says ---- */

static void say_head(const unsigned char *payload, size_t n, bool is_final)
{
	nghttp2_nv nv;
	int flags = 0;
	const char *between = "";

	while ((flags & NGHTTP2_HD_INFLATE_FINAL) == 0) {
		ssize_t used = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, payload, n, is_final);

		if (used < 0) {
			buf_adds(&said, "BROKEN");
			return;
		}
		payload += used;
		n -= (size_t)used;
		if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
			buf_addf(&said, "%s%.*s=%.*s", between, (int)nv.namelen, nv.name,
				(int)nv.valuelen, nv.value);
			between = " ";
		} else if (n == 0 && (flags & NGHTTP2_HD_INFLATE_FINAL) == 0) {
			return;
		}
	}
	(void)nghttp2_hd_inflate_end_headers(inflater);
}

static uint32_t number(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* One frame, as "STREAM:H(...)", "STREAM:D(...)", "STREAM:R(code)" or "G(code)", E at an end. */
static void say_frame(const unsigned char *h, size_t n)
{
	const unsigned char *payload = h + 9;
	uint32_t stream = number(h + 5);
	bool is_end = false;

	switch (h[3]) {
	case NGHTTP2_HEADERS:
	case NGHTTP2_CONTINUATION:
		buf_addf(&said, "%u:H(", stream);
		say_head(payload, n, (h[4] & NGHTTP2_FLAG_END_HEADERS) != 0);
		is_end = h[3] == NGHTTP2_HEADERS && (h[4] & NGHTTP2_FLAG_END_STREAM) != 0;
		break;
	case NGHTTP2_DATA:
		n_data_bytes += n;
		buf_addf(&said, "%u:D(%.*s", stream, n < 200 ? (int)n : 3, (const char *)payload);
		is_end = (h[4] & NGHTTP2_FLAG_END_STREAM) != 0;
		break;
	case NGHTTP2_RST_STREAM:
		buf_addf(&said, "%u:R(%u", stream, number(payload));
		break;
	case NGHTTP2_GOAWAY:
		buf_addf(&said, "G(%u", number(payload + 4));
		break;
	default:
		return;
	}
	buf_adds(&said, is_end ? ")E " : ") ");
}

/* Takes at most so many frames out of the session and decodes them. */
__attribute__((unused)) static void drain_some(size_t max)
{
	const char *bytes;
	size_t n, at = 0, length;

	while (max-- > 0 && (n = h2_session_take(h2, &bytes)) > 0)
		buf_add(&frame_bytes, bytes, n);
	while (frame_bytes.len - at >= 9) {
		const unsigned char *h = (const unsigned char *)frame_bytes.data + at;

		length = number(h) >> 8;
		if (frame_bytes.len - at < 9 + length)
			break;
		say_frame(h, length);
		at += 9 + length;
	}
	if (at > 0)
		memmove(frame_bytes.data, frame_bytes.data + at, frame_bytes.len - at);
	frame_bytes.len -= at;
}

__attribute__((unused)) static const char *drain(void)
{
	drain_some(SIZE_MAX);
	return said.data != NULL ? said.data : "";
}

/* Sends what was put, in pieces of so many bytes; what the session says is read meanwhile. */
__attribute__((unused)) static const char *send_pieces(size_t piece)
{
	for (size_t at = 0; at < wire.len && h2_session_wants_input(h2); at += piece) {
		h2_session_feed(h2, wire.data + at, wire.len - at < piece ? wire.len - at : piece);
		drain();
	}
	wire.len = 0;
	return drain();
}

__attribute__((unused)) static const char *send_all(void)
{
	return send_pieces(H2_FEED_MAX);
}

__attribute__((unused)) static bool has_said(const char *what)
{
	bool has = strstr(drain(), what) != NULL;

	if (!has)
		printf("# said: %s\n", drain());
	return has;
}

/* A new session, whose client has sent nothing yet. */
__attribute__((unused)) static void start_bare(void)
{
	struct h2_setup setup = { .backend = &fake_backend, .now_ms = fake_now, .wake = fake_wake };

	h2_session_free(h2);
	if (inflater != NULL)
		nghttp2_hd_inflate_del(inflater);
	for (size_t i = 0; i < n_fakes; i++) {
		buf_done(&fakes[i].text);
		buf_done(&fakes[i].body);
	}
	memset(fakes, 0, n_fakes * sizeof(fakes[0]));
	n_fakes = 0;
	fake_room = SIZE_MAX;
	fake_is_full = false;
	n_data_bytes = 0;
	wire.len = said.len = frame_bytes.len = refusals.len = 0;
	buf_adds(&refusals, "");
	buf_adds(&said, "");
	h2 = h2_session_new(&setup);
	(void)nghttp2_hd_inflate_new(&inflater);
}

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

/* And one whose client has begun as it should. */
__attribute__((unused)) static void start(void)
{
	start_bare();
	buf_adds(&wire, PREFACE);
	put_frame(NGHTTP2_SETTINGS, 0, 0, "", 0);
	put_frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "", 0);
	send_all();
}

__attribute__((unused)) static void fixture_done(void)
{
	start_bare();
	h2_session_free(h2);
	if (inflater != NULL)
		nghttp2_hd_inflate_del(inflater);
	buf_done(&wire);
	buf_done(&said);
	buf_done(&frame_bytes);
	buf_done(&refusals);
}

#endif
