/*
 * HTTP/1 requests: a head that is taken has one framing, also for a lenient reader, and written
 * anew it parses to the same; a verdict does not change with more bytes; both readings of a body
 * agree, however it is cut.
 *
 * Input: 1 byte for the cuts, then the client's bytes.
 */
#include "base/cleanup.h"
#include "input.h"
#include "proxy/http1.h"

#include <strings.h>

static bool is_equal(struct keepmsg_text a, struct keepmsg_text b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.at, b.at, a.n) == 0);
}

/* ---- a reader that takes all that some server takes ---- */

struct lenient {
	unsigned framings, hosts;
};

/* Names as servers read them that allow blanks in front of the colon and know '_' and '-' as one.
 */
static bool lenient_is(const char *line, size_t n, const char *name)
{
	size_t want = strlen(name);

	while (n > 0 && strchr(" \t\v\f\r", line[n - 1]) != NULL)
		n--;
	if (n != want)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = line[i] == '_' ? '-' : line[i];

		if (strncasecmp(&c, name + i, 1) != 0)
			return false;
	}
	return true;
}

static struct lenient lenient_read(const char *bytes, size_t n)
{
	struct lenient ret = { 0 };

	for (size_t at = 0, end; at < n; at = end + 1) {
		const char *lf = memchr(bytes + at, '\n', n - at);
		const char *colon;

		end = lf != NULL ? (size_t)(lf - bytes) : n;
		colon = memchr(bytes + at, ':', end - at);
		if (colon == NULL)
			continue;
		if (lenient_is(bytes + at, (size_t)(colon - bytes) - at, "content-length") ||
			lenient_is(bytes + at, (size_t)(colon - bytes) - at, "transfer-encoding"))
			ret.framings++;
		if (lenient_is(bytes + at, (size_t)(colon - bytes) - at, "host"))
			ret.hosts++;
	}
	return ret;
}

/* ---- heads ---- */

static void check_prefixes(const char *bytes, size_t n, enum http1_result whole, size_t head_bytes)
{
	for (size_t cut = 0; cut < n; cut += 1 + n / 24) {
		struct http1_head part;
		char *copy = malloc(cut);
		enum http1_result r;

		memcpy(copy, bytes, cut);
		r = http1_parse_head(copy, cut, &part);
		assert(r == HTTP1_MORE || r == whole);
		assert(r != HTTP1_OK || part.bytes == head_bytes);
		free(copy);
	}
}

static void check_rewritten(const struct http1_head *head, unsigned flags)
{
	AUTO_BUF struct buf out = { 0 };
	AUTO_BUF struct buf again = { 0 };
	struct http1_head h;
	struct lenient l;

	http1_write_head(head, flags, &out);
	if (out.len > HTTP1_HEAD_MAX) /* blanks behind colons are added */
		return;
	assert(http1_parse_head(out.data, out.len, &h) == HTTP1_OK && h.bytes == out.len);
	assert(is_equal(h.method, head->method) && is_equal(h.host, head->host));
	assert(h.minor == head->minor && h.framing == head->framing && h.length == head->length);
	assert((flags & HTTP1_CLOSE) == 0 || h.says_close);
	assert(flags == 0 || !h.has_upgrade);
	assert(flags != 0 || h.has_upgrade == head->has_upgrade);
	l = lenient_read(out.data, out.len);
	assert(l.framings == (h.framing != HTTP1_NO_BODY) && l.hosts == (h.host.at != NULL));
	http1_write_head(&h, flags, &again);
	assert(again.len == out.len && memcmp(again.data, out.data, out.len) == 0);
}

/* ---- bodies ---- */

struct reading {
	enum http1_result result;
	size_t bytes; /* of the input, that belong to the body */
};

static struct reading read_whole(
	const struct http1_head *head, const char *bytes, size_t n, size_t cut, bool skips_trailers)
{
	struct http1_body body;
	struct reading ret = { HTTP1_MORE, 0 };

	http1_body_init(&body, head);
	body.skips_trailers = skips_trailers;
	do {
		size_t used = 0, piece = n - ret.bytes < cut ? n - ret.bytes : cut;

		ret.result = http1_body_feed(&body, bytes + ret.bytes, piece, &used);
		if (ret.result == HTTP1_BAD)
			break;
		assert(used <= piece && (ret.result == HTTP1_OK || used == piece));
		ret.bytes += used;
	} while (ret.result == HTTP1_MORE && ret.bytes < n);
	return ret;
}

static struct reading read_data(const struct http1_head *head, const char *bytes, size_t n,
	size_t cut, bool skips_trailers, struct buf *out)
{
	struct http1_body body;
	struct reading ret = { HTTP1_MORE, 0 };

	http1_body_init(&body, head);
	body.skips_trailers = skips_trailers;
	for (size_t stuck = 0; stuck < 2; stuck++) {
		size_t used = 0, piece = n - ret.bytes < cut ? n - ret.bytes : cut, data;

		ret.result = http1_body_frame(&body, bytes + ret.bytes, piece, &used);
		if (ret.result != HTTP1_MORE)
			return (struct reading){ ret.result, ret.bytes + used };
		assert(used <= piece);
		data = http1_body_data(&body, piece - used);
		if (data > 0)
			buf_add(out, bytes + ret.bytes + used, data);
		if (data > 0)
			http1_body_used(&body, data);
		ret.bytes += used + data;
		if (used + data > 0)
			stuck = 0;
	}
	return ret;
}

static void check_body(const struct http1_head *head, const char *bytes, size_t n, uint8_t cuts)
{
	size_t cut = 1 + (cuts & 15u);
	bool skips = (cuts & 16u) != 0;
	AUTO_BUF struct buf data = { 0 };
	AUTO_BUF struct buf cut_data = { 0 };
	struct reading whole = read_whole(head, bytes, n, n + 1, skips);
	struct reading pieces = read_whole(head, bytes, n, cut, skips);
	struct reading read = read_data(head, bytes, n, n + 1, skips, &data);
	struct reading cut_read = read_data(head, bytes, n, cut, skips, &cut_data);

	assert(whole.result == pieces.result && whole.result == read.result &&
		whole.result == cut_read.result);
	assert(data.len == cut_data.len &&
		(data.len == 0 || memcmp(data.data, cut_data.data, data.len) == 0));
	if (whole.result == HTTP1_BAD)
		return;
	assert(whole.bytes == pieces.bytes && whole.bytes == read.bytes &&
		whole.bytes == cut_read.bytes);
	assert(whole.result != HTTP1_OK || head->framing != HTTP1_LENGTH ||
		data.len == head->length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data + 1;
	struct http1_head head;
	enum http1_result r;
	unsigned status;
	size_t n, status_bytes;

	if (size < 2)
		return 0;
	n = size - 1;
	(void)http1_sniff(bytes, n);
	if (http1_parse_status(bytes, n, &status, &status_bytes) == HTTP1_OK)
		assert(status <= 999 && status_bytes <= n);
	r = http1_parse_head(bytes, n, &head);
	check_prefixes(bytes, n, r, head.bytes);
	if (r != HTTP1_OK)
		return 0;
	assert(lenient_read(bytes, head.bytes).framings == (head.framing != HTTP1_NO_BODY));
	assert(http1_sniff(bytes, n) == HTTP1_OK);
	for (unsigned flags = 0; flags < 4; flags++)
		check_rewritten(&head, flags);
	check_body(&head, bytes + head.bytes, n - head.bytes, data[0]);
	return 0;
}
