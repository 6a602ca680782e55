/*
 * What may go on to a host without rules: it does not depend on how the client's bytes are cut, and
 * as long as they are HTTP/1, each request of what went on names the destination; nothing that
 * could be read as HTTP/1 goes on unread.
 *
 * Input: 1 byte: bits 0 and 1 the destination, bit 2 one request alone, bit 3 upgrades are granted;
 * 1 byte for the cuts; then the client's bytes.
 */
#include "input.h"
#include "base/cleanup.h"
#include "proxy/gate.h"

struct run {
	struct gate gate;
	struct buf passed;
};

static struct target target_of(uint8_t kind)
{
	static const char *const hosts[] = { "api.test", "api.test", "192.0.2.1", "[2001:db8::1]" };
	static const uint16_t ports[] = { 80, 443, 443, 80 };
	struct target t;

	assert(target_from_host(hosts[kind & 3], strlen(hosts[kind & 3]), ports[kind & 3], &t));
	return t;
}

static void answer_upgrade(struct run *r, uint8_t kind)
{
	static const char yes[] = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
	static const char no[] = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
	const char *text = (kind & 8) != 0 ? yes : no;

	for (const char *s = text; *s != '\0' && r->gate.state == GATE_UPGRADE; s++)
		gate_response(&r->gate, s, 1);
}

static void take(struct run *r, uint8_t kind)
{
	for (unsigned i = 0; i < 2; i++) {
		if (r->gate.out.len > 0)
			buf_add(&r->passed, r->gate.out.data, r->gate.out.len);
		r->gate.out.len = 0;
		if (r->gate.state == GATE_UPGRADE)
			answer_upgrade(r, kind);
	}
}

static void feed(struct run *r, uint8_t kind, const uint8_t *bytes, size_t n, size_t piece)
{
	struct target t = target_of(kind);

	gate_init(&r->gate, &t);
	r->gate.is_single = (kind & 4) != 0;
	for (size_t at = 0; at < n && gate_wants_input(&r->gate); at += piece) {
		gate_feed(&r->gate, (const char *)bytes + at, n - at < piece ? n - at : piece);
		assert(r->gate.held.len <= GATE_HELD_MAX);
		take(r, kind);
	}
}

/* Every request that went on, read again. */
static void check_requests(const struct run *r)
{
	const struct target *want = &r->gate.target;
	size_t at = 0;

	while (at < r->passed.len) {
		struct http1_head head;
		struct http1_body body;
		struct target t;
		size_t n = 0;

		if (http1_parse_head(r->passed.data + at, r->passed.len - at, &head) != HTTP1_OK)
			break;
		assert(target_parse(head.host.at, head.host.n, want->port, &t));
		assert(strcmp(t.host, want->host) == 0 && t.port == want->port);
		at += head.bytes;
		http1_body_init(&body, &head);
		if (http1_body_feed(&body, r->passed.data + at, r->passed.len - at, &n) != HTTP1_OK)
			return;
		at += n;
	}
	assert(at == r->passed.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run whole = { 0 }, pieces = { 0 };
	struct http1_head head;
	size_t n;

	if (size < 3 || size > GATE_READ_MAX)
		return 0;
	n = size - 2;
	feed(&whole, data[0], data + 2, n, n);
	feed(&pieces, data[0], data + 2, n, 1u + data[1] % 64u);
	assert(whole.gate.state == pieces.gate.state);
	/* At a refusal what was judged in the same turn is dropped. */
	assert(whole.gate.state == GATE_REFUSED ? whole.passed.len <= pieces.passed.len
						: whole.passed.len == pieces.passed.len);
	assert(whole.passed.len == 0 ||
		memcmp(whole.passed.data, pieces.passed.data, whole.passed.len) == 0);
	if (pieces.gate.state == GATE_HEAD || pieces.gate.state == GATE_BODY ||
		pieces.gate.state == GATE_ENDED)
		check_requests(&pieces);
	if (whole.gate.state == GATE_OPAQUE && whole.gate.n_requests == 0)
		assert(http1_parse_head(whole.passed.data, whole.passed.len, &head) != HTTP1_OK);
	gate_done(&whole.gate);
	gate_done(&pieces.gate);
	buf_done(&whole.passed);
	buf_done(&pieces.passed);
	return 0;
}
