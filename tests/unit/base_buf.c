/* Proves: the JSON writer always gives valid JSON, globs and numbers match what they say. */
#include "base/buf.h"
#include "base/log.h"
#include "base/sha256.h"
#include "tap.h"

static void is_json(const char *bytes, size_t n, const char *want)
{
	AUTO_BUF struct buf b = { 0 };

	buf_add_json(&b, bytes, n);
	tap_is(b.data, want, want);
}

static void is_sha(const char *text, size_t times, const char *want)
{
	unsigned char digest[SHA256_BYTES];
	char hex[SHA256_HEX_BYTES];
	struct sha256 s;

	sha256_init(&s);
	for (size_t i = 0; i < times; i++)
		sha256_add(&s, text, strlen(text));
	sha256_final(&s, digest);
	sha256_hex(digest, hex);
	tap_is(hex, want, "FIPS 180-4 example");
}

int main(void)
{
	char quoted[32];
	unsigned long v = 0;

	is_json("a\"\\\n\x7f", 5, "\"a\\\"\\\\\\u000a\\u007f\"");
	is_json("\xc3\xa4\xff\xc0\x80", 5, "\"\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	is_json("\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	is_json("x\0y", 3, "\"x\\u0000y\"");
	tap_ok(str_glob("a*c?", "abbcd") && str_glob("*", "") && str_glob("LC_*", "LC_ALL"), "globs");
	tap_ok(!str_glob("a*c", "abcd") && !str_glob("?", "") && !str_glob("", "a"), "no globs");
	tap_ok(str_to_ulong("65535", 65535, &v) && v == 65535, "largest port");
	tap_ok(!str_to_ulong("65536", 65535, &v) && !str_to_ulong("", 9, &v) &&
			!str_to_ulong("-1", 9, &v) && !str_to_ulong("1x", 99, &v),
		"no numbers");
	tap_is(log_quote("a\n\\\xff", 4, quoted, sizeof(quoted)), "a\\x0a\\\\\\xff", "quoted");
	tap_is(log_quote("0123456789012345678901234567890123456789", 40, quoted, 16), "012345678...",
		"cut");
	is_sha("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	is_sha("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	is_sha("aaaaaaaaaa", 100000,
		"cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	return tap_done();
}
