/*
 * Proves: a line of the audit is read as what the warden wrote, strings of any content come back, and
 * a line that is cut, changed or made up is refused or read, and never read beyond its end.
 */
#include "cli/record.h"

#include "tap.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <errno.h>
#include <stdint.h>

static const char good[] =
	"{\"id\":7,\"time\":\"2026-01-31T10:00:00.000Z\",\"event\":\"exec\",\"argv\":[\"a\",\"\",\"b c\"],"
	"\"cut\":true,\"paths\":[{\"path\":\"x]}\",\"n\":[1]},{}],\"none\":null,\"minus\":-5,\"empty\":[]}";

static int parse(struct record *r, const char *line)
{
	return record_parse(r, line, strlen(line));
}

static void test_values(void)
{
	AUTO_RECORD struct record r = { 0 };
	int64_t number = 0;
	size_t n = 0;
	const char *text;

	tap_ok(parse(&r, good) == 0, "a record is read");
	tap_ok(record_number(&r, "id", &number) && number == 7, "a number");
	tap_ok(record_number(&r, "minus", &number) && number == -5, "a negative one");
	tap_ok(!record_number(&r, "event", &number), "a string is no number");
	tap_is(record_text(&r, "event"), "exec", "a string");
	tap_ok(record_text(&r, "id") == NULL && record_text(&r, "nothing") == NULL, "no string");
	tap_ok(record_says(&r, "event", "exec") && !record_says(&r, "event", "exe"), "says");
	tap_ok(record_is_true(&r, "cut") && !record_is_true(&r, "event"), "true");
	text = record_strings(&r, "argv", &n);
	tap_ok(n == 3 && memcmp(text, "a\0\0b c", 7) == 0, "an array of strings");
	(void)record_strings(&r, "paths", &n);
	tap_ok(n == 0 && record_count(&r, "paths") == 2, "an array of other things is counted");
	(void)record_strings(&r, "empty", &n);
	tap_ok(n == 0, "an empty array");
	tap_ok(parse(&r, "{}") == 0 && r.n == 0, "an empty object, in the same record");
}

static void test_strings(void)
{
	static const struct {
		const char *json, *want;
	} strings[] = {
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
		{ "\"\\u001b\\u00e9\\u20ac\"", "\x1b\xc3\xa9\xe2\x82\xac" },
		{ "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80" },
		{ "\"\\ud83d\"", "\xef\xbf\xbd" },
		{ "\"\\ude00x\"", "\xef\xbf\xbdx" },
		{ "\"\\ud83d\\u0041\"", "\xef\xbf\xbd" },
		{ "\"a\\u0000b\"", "a\xef\xbf\xbd" "b" },
		{ "\"\xff\"", "\xff" },
	};

	for (size_t i = 0; i < ARRAY_LEN(strings); i++) {
		AUTO_RECORD struct record r = { 0 };
		AUTO_BUF struct buf line = { 0 };

		buf_addf(&line, "{\"s\":%s}", strings[i].json);
		tap_ok(parse(&r, line.data) == 0, "%s is read", strings[i].json);
		tap_is(record_text(&r, "s"), strings[i].want, "and means that");
	}
}

static void test_refused(void)
{
	static const char *const bad[] = { "", " ", "x", "[]", "{", "{}x", "{\"a\"}", "{\"a\":}",
		"{\"a\":1,}", "{\"a\":1.5}", "{\"a\":1e5}", "{\"a\":-}", "{\"a\":\"\\x\"}",
		"{\"a\":\"\\u12g4\"}", "{\"a\":\"\\u12", "{\"a\":\"\\", "{\"a\":[1 2]}", "{\"a\":tru}",
		"{\"a\":99999999999999999999}", "{\"a\":[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]}" };
	AUTO_BUF struct buf many = { 0 };
	AUTO_RECORD struct record r = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		tap_ok(parse(&r, bad[i]) == -EINVAL, "refused: %s", bad[i]);
	buf_adds(&many, "{\"a\":0");
	for (unsigned i = 0; i < RECORD_MEMBERS_MAX; i++)
		buf_addf(&many, ",\"a%u\":0", i);
	buf_adds(&many, "}");
	tap_ok(parse(&r, many.data) == -EINVAL, "refused: more members than there is room for");
	tap_ok(record_parse(&r, "{\"a\":\"x\0y\"}", 11) == -EINVAL, "refused: a NUL as it is");
}

/* Each from memory of exactly its length, so that a read beyond its end is one of the sanitizer's. */
static void test_damaged(void)
{
	AUTO_RECORD struct record r = { 0 };
	size_t n = sizeof(good) - 1, refused = 0;
	uint32_t random = 1;

	for (size_t cut = 0; cut < n; cut++) {
		AUTO_FREE char *copy = malloc(cut + (cut == 0));

		memcpy(copy, good, cut);
		refused += record_parse(&r, copy, cut) == -EINVAL;
	}
	tap_ok(refused == n, "a record that is cut is refused, wherever");
	for (unsigned i = 0; i < 20000; i++) {
		AUTO_FREE char *copy = malloc(n);

		memcpy(copy, good, n);
		for (unsigned k = 0; k < 3; k++) {
			random = random * 1664525 + 1013904223;
			copy[(random >> 8) % n] = (char)(random >> 24);
		}
		(void)record_parse(&r, copy, n);
	}
	tap_ok(true, "changed bytes end nothing");
}

int main(void)
{
	test_values();
	test_strings();
	test_refused();
	test_damaged();
	return tap_done();
}
