/*
 * Proves that a value is overwritten in every form that redact.h names, wherever it stands and
 * however the stream is cut, that nothing else is touched and that bytes flow at once. A plain
 * reference (decode the whole text, search) looks at what came out.
 */
#include "base/cleanup.h"
#include "keeper/redact.h"
#include "keeper/render.h"
#include "keeper_plain.h"
#include "tap.h"

#include <stdint.h>
#include <stdlib.h>

static struct redact *redact;
static struct redact_stream *stream;

static void make(const struct redact_value *values, size_t n)
{
	free(redact);
	free(stream);
	redact = redact_make(calloc(1, redact_bytes(values, n)), values, n);
	stream = redact_stream_make(malloc(redact_stream_bytes(redact)), redact);
}

static void make_of(const char *value)
{
	struct redact_value v = { value, strlen(value) };

	make(&v, 1);
}

/* Cuts at the bits of `cuts`: bit i is a cut behind byte i modulo 61; 0: in one piece. */
static void run(const char *text, size_t n, uint64_t cuts, struct buf *out)
{
	size_t from = 0;

	for (size_t i = 0; i < n; i++) {
		if (i + 1 < n && (cuts >> (i % 61) & 1) == 0)
			continue;
		redact_feed(stream, text + from, i + 1 - from, out);
		from = i + 1;
	}
	redact_end(stream, out);
}

static bool is_same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* Every cut in two, every byte on its own, and many random cuts: always what one piece gives. */
static bool is_cut_safe(const struct buf *in, const struct buf *want)
{
	uint64_t cuts = 88172645463325252ull;

	for (size_t at = 0; at <= in->len + 40; at++) {
		AUTO_BUF struct buf got = { 0 };

		if (at <= in->len) {
			redact_feed(stream, in->data, at, &got);
			redact_feed(stream, in->data + at, in->len - at, &got);
			redact_end(stream, &got);
		} else {
			cuts ^= cuts << 13, cuts ^= cuts >> 7, cuts ^= cuts << 17;
			run(in->data, in->len, at == in->len + 1 ? UINT64_MAX : cuts, &got);
		}
		if (!is_same(&got, want))
			return false;
	}
	return true;
}

/* ---- every value in every form at every place ---- */

static const char *const values[] = {
	"ghp_1234567890abcdefABCDEF",
	"12345678",
	"aaaaaaaa",
	"a/b+c=d%e\"f\\g&h<i>j'k l~m",
	"\\\\\\\\u0041%2541&amp;",
	"p\303\244ssw\303\266rt-\342\202\254-\360\237\224\221",
	"%25%25%25%25",
	"abcabcabcabd",
	"++++////====",
	"sk-ant-api03-0123456789abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQR_-0AA",
};

/* The form between neighbours. Those of base64 are its digits: they go with it at the edges. */
static void check_form(const char *value, const struct plain_form *form)
{
	static const char *const around[][2] = { { "", "" }, { "x y ", " z\n" },
		{ "{\"k\":\"", "\"}\n" }, { "a", "a" }, { "%", "%" }, { "\n\n", "\n\n" },
		{ "=", "&" } };
	bool all_fine = true;
	AUTO_BUF struct buf once = { 0 };

	form->write(value, strlen(value), &once);
	for (size_t i = 0; i < ARRAY_LEN(around); i++) {
		AUTO_BUF struct buf in = { 0 };
		AUTO_BUF struct buf out = { 0 };
		size_t before = strlen(around[i][0]), copies = i % 2 + 1;

		buf_adds(&in, around[i][0]);
		for (size_t copy = 0; copy < copies; copy++)
			buf_add(&in, once.data, once.len);
		buf_adds(&in, around[i][1]);
		run(in.data, in.len, 0, &out);
		bool is_masked = out.len == in.len;

		for (size_t at = before; is_masked && at < before + copies * once.len; at++)
			is_masked = strchr("*x\r\n", out.data[at]) != NULL;
		if (!is_masked || !plain_is_clean(out.data, out.len, value, strlen(value)) ||
			!is_cut_safe(&in, &out)) {
			printf("# %s between '%s' and '%s': %.*s\n# -> %.*s\n", form->name,
				around[i][0], around[i][1], (int)in.len, in.data, (int)out.len,
				out.data);
			all_fine = false;
		}
		if (i < 3 && (memcmp(out.data, around[i][0], before) != 0 ||
				     strcmp(out.data + out.len - strlen(around[i][1]),
					     around[i][1]) != 0)) {
			printf("# %s: the neighbours '%s' are gone: %s\n", form->name, around[i][0],
				out.data);
			all_fine = false;
		}
	}
	tap_ok(all_fine, "%.12s... as %s", value, form->name);
}

/* What the reference says of redacted text means nothing if it cannot see the values. */
static void test_reference(void)
{
	for (size_t f = 0; f < plain_n_forms; f++) {
		AUTO_BUF struct buf in = { 0 };
		bool is_clean;

		plain_forms[f].write(values[0], strlen(values[0]), &in);
		is_clean = plain_is_clean(in.data, in.len, values[0], strlen(values[0]));
		tap_ok(is_clean == (plain_forms[f].write == plain_mixed), "the reference %s %s",
			is_clean ? "is blind to" : "sees", plain_forms[f].name);
	}
}

static void test_forms(void)
{
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		make_of(values[i]);
		for (size_t f = 0; f < plain_n_forms; f++)
			check_form(values[i], &plain_forms[f]);
	}
}

/* ---- what must stay ---- */

static bool is_untouched(const char *text, size_t n)
{
	AUTO_BUF struct buf out = { 0 };

	run(text, n, 0, &out);
	return out.len == n && memcmp(out.data, text, n) == 0;
}

static void test_false_positives(void)
{
	static const char *const texts[] = {
		"ghp_1234567890abcdefABCDEE",
		"ghp_1234567890abcdefABCDE",
		"hp_1234567890abcdefABCDEF",
		"GHP_1234567890ABCDEFABCDEG",
		"ghp_1234567890abcdef ABCDEF",
		"Z2hwXzEyMzQ1Njc4OTBh",
		"\\u0067\\u0068\\u0070",
		"%67%68%70_1234567890",
		"6768705f31323334353637383930616263646566",
		"ghp_1234567890\nabcdefABCDEF",
		"ghp\\_1234567890abcdefABCDEg",
	};
	AUTO_FREE char *random = malloc(1u << 20);
	uint64_t x = 0x9e3779b97f4a7c15ull;
	bool all_stay = true;

	make_of(values[0]);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		tap_ok(is_untouched(texts[i], strlen(texts[i])), "stays: %s",
			i == 9 ? "over two lines" : texts[i]);
	for (size_t v = 0; v < ARRAY_LEN(values); v++) {
		make_of(values[v]);
		for (size_t i = 0; i < 1u << 20; i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			random[i] = (char)(x >> 32);
		}
		all_stay = all_stay && is_untouched(random, 1u << 20);
	}
	tap_ok(all_stay, "ten MiB of random bytes stay");
}

static void test_flow(void)
{
	AUTO_BUF struct buf out = { 0 };

	make_of(values[0]);
	redact_feed(stream, "data: {\"x\":1}\n\n", 15, &out);
	tap_ok(out.len == 15 && redact_held(stream) == 0, "an event goes on at once");
	redact_feed(stream, "data: ghp_", 10, &out);
	tap_ok(out.len == 21 && redact_held(stream) == 4,
		"held back is the beginning of the value alone");
	redact_feed(stream, "12345\n\n", 7, &out);
	tap_ok(out.len == 32, "and goes on when it is none");
	redact_feed(stream, "\\u00", 4, &out);
	tap_ok(redact_held(stream) == 4, "half an escape is held back");
	redact_feed(stream, "e9 ", 3, &out);
	tap_ok(redact_held(stream) == 0, "and goes on when it is another letter");
	redact_feed(stream, "ghp_", 4, &out);
	redact_end(stream, &out);
	tap_is(out.data + out.len - 7, "e9 ghp_", "the end gives away what was held back");
}

/* As if nothing came for a while behind each piece: at most four bytes of a value get through. */
static void feed_slowly(const char *text, size_t piece, struct buf *out)
{
	for (size_t n = strlen(text); n > 0;) {
		size_t part = piece < n ? piece : n;

		redact_feed(stream, text, part, out);
		if (redact_may_give(stream, 4))
			redact_give(stream, out);
		text += part;
		n -= part;
	}
	redact_end(stream, out);
}

static void test_slow(void)
{
	static const char *const forms[] = { "ghp_1234567890abcdefABCDEFghijklmnopqrst",
		"Z2hwXzEyMzQ1Njc4OTBhYmNkZWZBQkNERUZnaGlqa2xtbm9wcXJzdA==",
		"\\u0067hp_1234567890abcdefABCDEFghijklmnopqrst" };
	bool all_cut = true, all_whole = true;

	make_of(forms[0]);
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		for (size_t piece = 1; piece < 12; piece++) {
			AUTO_BUF struct buf out = { 0 }, in = { 0 };

			buf_addf(&in, "<%s> 50%% g", forms[i]);
			feed_slowly(in.data, piece, &out);
			all_whole = all_whole && out.len == in.len &&
				    memcmp(out.data + out.len - 7, "> 50% g", 7) == 0;
			all_cut = all_cut && memmem(out.data, out.len, forms[i] + 5, 5) == NULL &&
				  memmem(out.data, out.len, forms[i] + 20, 5) == NULL;
		}
	}
	tap_ok(all_cut, "a value that comes slowly is found, but for its beginning");
	tap_ok(all_whole, "and nothing else of it is lost");
}

/* A megabyte of the beginning of a value, over and over, and of what stretches it. */
static void test_bounds(void)
{
	static const char *const parts[] = { "ghp_1234567890abcdefABCDE", "ghp\n\n", "\\\\\\\\",
		"Z2h\n\n\n", "&amp;amp;amp;", "%25252525", "gh\\u0000\\u0000", "\\u00" };
	size_t most = 0;

	make_of(values[0]);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		AUTO_BUF struct buf out = { 0 };

		for (size_t n = 0; n < 1u << 17; n += strlen(parts[i])) {
			redact_feed(stream, parts[i], strlen(parts[i]), &out);
			if (redact_held(stream) > most)
				most = redact_held(stream);
		}
		redact_end(stream, &out);
	}
	tap_ok(most <= 12u << 10, "held back are %zu bytes at most", most);
}

/* Encoded again and again, digit for digit: a disguise; it may pass, but not pile up. */
static void test_window(void)
{
	AUTO_BUF struct buf out = { 0 };
	char value[257] = "";
	size_t most = 0;

	memset(value, 'g', 256);
	make_of(value);
	for (size_t i = 0; i < 1024; i++) {
		redact_feed(
			stream, "&amp;amp;amp;amp;#x0000036;&amp;amp;amp;amp;#x0000037;", 54, &out);
		if (redact_held(stream) > most)
			most = redact_held(stream);
	}
	redact_end(stream, &out);
	tap_ok(most > 4u << 10 && most <= 12u << 10, "of such they are %zu bytes", most);
}

static void test_wipe(void)
{
	AUTO_BUF struct buf out = { 0 };

	make_of(values[0]);
	redact_feed(stream, "ghp_12345678", 12, &out);
	tap_ok(memmem(stream, redact_stream_bytes(redact), "ghp_1234", 8) != NULL,
		"a stream holds what it holds back");
	redact_end(stream, &out);
	tap_ok(memmem(stream, redact_stream_bytes(redact), "ghp_1234", 8) == NULL,
		"and nothing of it after the end");
}

/* ---- values ---- */

static void test_values(void)
{
	struct redact_value three[] = { { "first-secret", 12 }, { "Bearer first-secret", 19 },
		{ "shorter", 7 } };
	AUTO_BUF struct buf out = { 0 };
	AUTO_FREE char *long_value = malloc(5000);
	AUTO_FREE struct redact_value *many = calloc(REDACT_VALUES_MAX + 1, sizeof(*many));

	make(three, 3);
	run("Bearer first-secret shorter", 27, 0, &out);
	tap_is(out.data, "Bearer ************ shorter",
		"a value within another one, and a short one");
	make(three + 2, 1);
	tap_ok(redact_is_empty(redact), "a short value alone is nothing to find");
	make(NULL, 0);
	tap_ok(redact_is_empty(redact), "no value is nothing to find");
	tap_ok(redact_bytes(many, REDACT_VALUES_MAX + 1) == 0, "too many values are refused");

	for (size_t i = 0; i < 5000; i++)
		long_value[i] = (char)('!' + (i * i * 7 + i / 3) % 90);
	struct redact_value value = { long_value, 5000 };
	bool all_masked = true;

	make(&value, 1);
	for (size_t f = 0; f < plain_n_forms; f++) {
		AUTO_BUF struct buf in = { 0 };
		AUTO_BUF struct buf got = { 0 };

		plain_forms[f].write(long_value, 5000, &in);
		run(in.data, in.len, 0x1111, &got);
		for (size_t i = 0; i < got.len; i++)
			all_masked = all_masked && strchr("*x\r\n", got.data[i]) != NULL;
		all_masked = all_masked && got.len == in.len;
	}
	tap_ok(all_masked, "5000 bytes in every form");
	tap_ok(redact_stream_bytes(redact) < 100u << 10, "and the stream has %zu bytes",
		redact_stream_bytes(redact));
}

static void test_text(void)
{
	char text[] = "Bearer first-secret; a=Zmlyc3Qtc2VjcmV0";

	make_of("first-secret");
	redact_text(stream, text, strlen(text));
	tap_is(text, "Bearer ************; a=xxxxxxxxxxxxxxxx", "a field's value in its place");
}

static void test_render(void)
{
	static const struct {
		const char *text;
		enum render_as as;
		const char *want;
	} cases[] = {
		{ "Bearer {secret}", RENDER_PLAIN, "Bearer a b/%" },
		{ "{secret}{secret}{x}%", RENDER_PLAIN, "a b/%a b/%{x}%" },
		{ "key={secret}&v=%20", RENDER_QUERY, "key=a%20b%2F%25&v=%20" },
		{ "user:{secret}", RENDER_BASE64, "dXNlcjphIGIvJQ==" },
		{ "x:{secret}", RENDER_BASE64, "eDphIGIvJQ==" },
		{ "xx:{secret}", RENDER_BASE64, "eHg6YSBiLyU=" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct render render = { cases[i].text, "a b/%", 5, cases[i].as };
		char got[64] = "";

		if (render_bytes(&render) < sizeof(got))
			render_write(&render, got);
		tap_is(got, cases[i].want, cases[i].text);
	}
	tap_ok(render_unfit("good one", 8) == NULL, "a secret with a blank inside");
	tap_ok(render_unfit("bad\n", 4) != NULL && render_unfit("b\0d", 3) != NULL &&
			render_unfit(" bad", 4) != NULL && render_unfit("", 0) != NULL,
		"line ends, NUL, blanks around and nothing do not fit");
}

int main(void)
{
	test_reference();
	test_forms();
	test_false_positives();
	test_flow();
	test_slow();
	test_bounds();
	test_window();
	test_wipe();
	test_values();
	test_text();
	test_render();
	free(redact);
	free(stream);
	return tap_done();
}
