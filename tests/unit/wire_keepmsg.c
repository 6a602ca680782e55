/*
 * Proves that a head survives its way between proxy and keeper byte for byte, and that everything
 * that could say two things to a server, or that a peer has no business saying, is refused by the
 * decoder: a keeper does not trust the proxy, nor the proxy a keeper.
 */
#include "wire/keepmsg.h"

#include "base/cleanup.h"
#include "tap.h"

#include <errno.h>

#define T(s)                                                                                       \
	{                                                                                          \
		s, sizeof(s) - 1                                                                   \
	}

static struct keepmsg_head request(void)
{
	return (struct keepmsg_head){ .flags = KEEPMSG_CONTINUE,
		.framing = KEEPMSG_LENGTH,
		.length = 1ull << 40,
		.method = T("POST"),
		.path = T("/a/b%20c"),
		.query = T("x=1&y=?"),
		.fields = { { T("accept"), T("*/*") }, { T("x-empty"), T("") },
			{ T("te"), T("trailers") }, { T("x-obs"), T("a \xff b") } },
		.n_fields = 4 };
}

static struct keepmsg_head response(void)
{
	return (struct keepmsg_head){ .status = 200,
		.framing = KEEPMSG_UNKNOWN,
		.fields = { { T("content-type"), T("text/plain") } },
		.n_fields = 1 };
}

/* The decoder's answer to what the encoder makes of head; *ret points into a static copy. */
static int there(enum keepmsg_type type, const struct keepmsg_head *head, struct keepmsg_head *ret)
{
	static struct buf b;
	uint32_t word;

	b.len = 0;
	if (keepmsg_put_head(&b, type, head) < 0)
		return -E2BIG;
	memcpy(&word, b.data, sizeof(word));
	if (word != (uint32_t)type)
		return -EINVAL;
	return keepmsg_get_head(type, b.data + 4, b.len - 4, ret);
}

static bool same(struct keepmsg_text a, struct keepmsg_text b)
{
	return (a.at == NULL) == (b.at == NULL) && a.n == b.n &&
	       (a.n == 0 || memcmp(a.at, b.at, a.n) == 0);
}

static bool same_head(const struct keepmsg_head *a, const struct keepmsg_head *b)
{
	bool ok = a->flags == b->flags && a->status == b->status && a->framing == b->framing &&
		  a->length == b->length && a->n_fields == b->n_fields &&
		  same(a->method, b->method) && same(a->path, b->path) && same(a->query, b->query);

	for (size_t i = 0; ok && i < a->n_fields; i++)
		ok = same(a->fields[i].name, b->fields[i].name) &&
		     same(a->fields[i].value, b->fields[i].value);
	return ok;
}

static void test_round_trip(void)
{
	static struct keepmsg_head in, out;

	in = request();
	tap_ok(there(KEEPMSG_REQUEST, &in, &out) == 0 && same_head(&in, &out), "a request");
	in.query = (struct keepmsg_text){ NULL, 0 };
	tap_ok(there(KEEPMSG_REQUEST, &in, &out) == 0 && out.query.at == NULL, "no query");
	in.query = (struct keepmsg_text)T("");
	tap_ok(there(KEEPMSG_REQUEST, &in, &out) == 0 && out.query.at != NULL && out.query.n == 0,
		"an empty query is not none");
	in.path = (struct keepmsg_text)T("*");
	tap_ok(there(KEEPMSG_REQUEST, &in, &out) == 0, "path *");
	in = response();
	tap_ok(there(KEEPMSG_RESPONSE, &in, &out) == 0 && same_head(&in, &out), "a response");
	in.status = 101;
	in.flags = KEEPMSG_UPGRADE;
	in.framing = KEEPMSG_NO_BODY;
	tap_ok(there(KEEPMSG_RESPONSE, &in, &out) == 0, "101");
	in.status = 0;
	in.flags = 0;
	tap_ok(there(KEEPMSG_TRAILERS, &in, &out) == 0, "trailers");
}

/* One change each that the decoder must refuse. */
static void set_status(struct keepmsg_head *h)
{
	h->status = 200;
}
static void set_flags(struct keepmsg_head *h)
{
	h->flags = 1u << 30;
}
static void set_length(struct keepmsg_head *h)
{
	h->framing = KEEPMSG_NO_BODY;
}
static void set_upgrade(struct keepmsg_head *h)
{
	h->flags = KEEPMSG_UPGRADE;
}
static void set_method(struct keepmsg_head *h)
{
	h->method = (struct keepmsg_text)T("A B");
}
static void no_method(struct keepmsg_head *h)
{
	h->method = (struct keepmsg_text){ NULL, 0 };
}
static void set_path(struct keepmsg_head *h)
{
	h->path = (struct keepmsg_text)T("a");
}
static void path_blank(struct keepmsg_head *h)
{
	h->path = (struct keepmsg_text)T("/a b");
}
static void path_query(struct keepmsg_head *h)
{
	h->path = (struct keepmsg_text)T("/a?b");
}
static void path_high(struct keepmsg_head *h)
{
	h->path = (struct keepmsg_text)T("/\xc3\xa4");
}
static void path_line(struct keepmsg_head *h)
{
	h->path = (struct keepmsg_text)T("/\r\nx");
}
static void query_line(struct keepmsg_head *h)
{
	h->query = (struct keepmsg_text)T("a\nb");
}
static void query_hash(struct keepmsg_head *h)
{
	h->query = (struct keepmsg_text)T("a#b");
}

static void name(struct keepmsg_head *h, const char *at)
{
	h->fields[0].name = (struct keepmsg_text){ at, strlen(at) };
}

static void name_upper(struct keepmsg_head *h)
{
	name(h, "Accept");
}
static void name_empty(struct keepmsg_head *h)
{
	name(h, "");
}
static void name_colon(struct keepmsg_head *h)
{
	name(h, "a:");
}
static void name_line(struct keepmsg_head *h)
{
	name(h, "a\r\nb");
}
static void name_host(struct keepmsg_head *h)
{
	name(h, "host");
}
static void name_length(struct keepmsg_head *h)
{
	name(h, "content-length");
}
static void name_folded(struct keepmsg_head *h)
{
	name(h, "transfer_encoding");
}
static void name_connection(struct keepmsg_head *h)
{
	name(h, "connection");
}
static void name_te(struct keepmsg_head *h)
{
	name(h, "te");
}

static void value_line(struct keepmsg_head *h)
{
	h->fields[0].value = (struct keepmsg_text)T("a\r\nAuthorization: x");
}
static void value_cr(struct keepmsg_head *h)
{
	h->fields[0].value = (struct keepmsg_text)T("a\rb");
}
static void value_nul(struct keepmsg_head *h)
{
	h->fields[0].value = (struct keepmsg_text)T("a\0b");
}
static void value_blank(struct keepmsg_head *h)
{
	h->fields[0].value = (struct keepmsg_text)T(" a");
}

static void test_refused_requests(void)
{
	static const struct {
		const char *what;
		void (*change)(struct keepmsg_head *h);
	} table[] = { { "a status in a request", set_status }, { "an unknown flag", set_flags },
		{ "a length without framing", set_length },
		{ "an upgrade with a body", set_upgrade }, { "a method of two words", set_method },
		{ "no method", no_method }, { "a relative path", set_path },
		{ "a blank in the path", path_blank }, { "a query in the path", path_query },
		{ "a byte above 0x7e in the path", path_high },
		{ "a line end in the path", path_line }, { "a line end in the query", query_line },
		{ "a fragment", query_hash }, { "a name with capitals", name_upper },
		{ "an empty name", name_empty }, { "a name with a colon", name_colon },
		{ "a name with a line end", name_line }, { "Host", name_host },
		{ "Content-Length", name_length }, { "Transfer_Encoding", name_folded },
		{ "Connection", name_connection }, { "TE that says more", name_te },
		{ "a line end in a value", value_line }, { "CR in a value", value_cr },
		{ "NUL in a value", value_nul }, { "a blank before a value", value_blank } };
	static struct keepmsg_head in, out;

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		in = request();
		table[i].change(&in);
		tap_ok(there(KEEPMSG_REQUEST, &in, &out) == -EPROTO, "refused: %s", table[i].what);
	}
}

static void test_refused_responses(void)
{
	static struct keepmsg_head in, out;
	static const unsigned status[] = { 0, 99, 600, 101 };

	for (size_t i = 0; i < ARRAY_LEN(status); i++) {
		in = response();
		in.status = status[i];
		tap_ok(there(KEEPMSG_RESPONSE, &in, &out) == -EPROTO, "refused: status %u%s",
			status[i], status[i] == 101 ? " with a body" : "");
	}
	in = response();
	in.flags = KEEPMSG_UPGRADE;
	tap_ok(there(KEEPMSG_RESPONSE, &in, &out) == -EPROTO, "refused: an upgrade that is none");
	in = response();
	in.method = (struct keepmsg_text)T("GET");
	tap_ok(there(KEEPMSG_RESPONSE, &in, &out) == -EPROTO, "refused: a method in a response");
	in = response();
	in.fields[0] = (struct keepmsg_field){ T("te"), T("trailers") };
	tap_ok(there(KEEPMSG_RESPONSE, &in, &out) == -EPROTO, "refused: TE in a response");
	in = response();
	tap_ok(there(KEEPMSG_TRAILERS, &in, &out) == -EPROTO, "refused: trailers with a status");
}

static void test_sizes(void)
{
	static struct keepmsg_head in, out;
	static char large[KEEPMSG_HEAD_MAX];
	static struct buf b;
	bool all = true;

	memset(large, 'a', sizeof(large));
	in = response();
	in.fields[0].value = (struct keepmsg_text){ large, sizeof(large) };
	tap_ok(keepmsg_put_head(&b, KEEPMSG_RESPONSE, &in) == -E2BIG, "a head that is too large");
	in = response();
	in.n_fields = KEEPMSG_FIELDS_MAX + 1;
	tap_ok(keepmsg_put_head(&b, KEEPMSG_RESPONSE, &in) == -E2BIG, "too many fields");
	in = request();
	b.len = 0;
	(void)keepmsg_put_head(&b, KEEPMSG_REQUEST, &in);
	for (size_t n = 4; n < b.len && all; n++)
		all = keepmsg_get_head(KEEPMSG_REQUEST, b.data + 4, n - 4, &out) == -EPROTO;
	tap_ok(all, "every truncation is refused");
	buf_adds(&b, "x");
	tap_ok(keepmsg_get_head(KEEPMSG_REQUEST, b.data + 4, b.len - 4, &out) == -EPROTO,
		"a byte too many is refused");
	b.len--;
	/* Every byte of the sizes set high, one at a time: nothing is read beyond the message. */
	for (size_t i = 4; i < 4 + 40 + 32; i++) {
		char saved = b.data[i];

		b.data[i] = (char)0xff;
		(void)keepmsg_get_head(KEEPMSG_REQUEST, b.data + 4, b.len - 4, &out);
		b.data[i] = saved;
	}
	tap_ok(keepmsg_get_head(KEEPMSG_REQUEST, b.data + 4, b.len - 4, &out) == 0,
		"the message itself is still fine");
	tap_ok(keepmsg_get_head(KEEPMSG_BODY, b.data + 4, b.len - 4, &out) == -EPROTO,
		"a body is no head");
	buf_done(&b);
}

int main(void)
{
	test_round_trip();
	test_refused_requests();
	test_refused_responses();
	test_sizes();
	tap_ok(keepmsg_is_framing_name("Transfer-Encoding", 17) &&
			keepmsg_is_framing_name("PROXY_CONNECTION", 16) &&
			!keepmsg_is_framing_name("te", 2) && !keepmsg_is_framing_name("hos", 3),
		"framing names in any case");
	return tap_done();
}
