/*
 * Proves: a request path has one normal form that nothing changes again and that has no dot segment
 * in it, by every text of up to six bytes of those that matter; what two servers could read in two
 * ways is refused; globs match what they say, and what is said of two globs agrees with matching.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "policy/urlglob.h"
#include "policy/urlpath.h"
#include "tap.h"

#include <string.h>

static const char *normal(const char *target, struct buf *out)
{
	const char *query = NULL;
	size_t n = 0;

	out->len = 0;
	return urlpath_normal(target, strlen(target), out, &query, &n);
}

static void becomes(const char *target, const char *want)
{
	AUTO_BUF struct buf out = { 0 };
	const char *fault = normal(target, &out);

	tap_ok(fault == NULL && out.data != NULL && strcmp(out.data, want) == 0, "%s is %s", target,
		fault != NULL ? fault : want);
}

static void refused(const char *target, const char *part)
{
	AUTO_BUF struct buf out = { 0 };
	const char *fault = normal(target, &out);

	tap_ok(fault != NULL && strstr(fault, part) != NULL && out.len == 0, "refused: %s (%s)",
		part, fault != NULL ? fault : out.data);
}

static void check_forms(void)
{
	becomes("/", "/");
	becomes("/a/", "/a/");
	becomes("/%61%2D%7e", "/a-~");
	becomes("/a%3ab%c3%a9", "/a%3Ab%C3%A9");
	becomes("/a;v=1/b,c", "/a;v=1/b,c");
	becomes("/a{b}|^[c]\"<>`", "/a%7Bb%7D%7C%5E%5Bc%5D%22%3C%3E%60");
	becomes("/a%25b", "/a%25b");
	becomes("/@scope%2fname", "/@scope%2Fname");
	becomes("/100%25", "/100%25");
	becomes("/...", "/...");
	becomes("/.a/..b", "/.a/..b");
	becomes("/a?b=/../%zz", "/a");
	becomes("/@scope/name+1.0:x", "/@scope/name+1.0:x");
}

static void check_refusals(void)
{
	static const char *const pairs[][2] = { { "", "starts with" }, { "*", "starts with" },
		{ "a/b", "starts with" }, { "https://evil.test/", "starts with" }, { "//", "empty" },
		{ "//v1", "empty" }, { "/a//b", "empty" }, { "/a/..", "dot" }, { "/../a", "dot" },
		{ "/./a", "dot" }, { "/a/.", "dot" }, { "/%2e%2e/a", "dot" }, { "/.%2E/a", "dot" },
		{ "/v1/..;/admin", "dot segment with" }, { "/v1/.;x=1/a", "dot segment with" },
		{ "/v1/..%3b/a", "dot segment with" }, { "/v1/;/a", "empty segment with" },
		{ "/v1;x=/../a", "dot segment" }, { "/v1%2f..", "dot" }, { "/v1/..%2Fa", "dot" },
		{ "/%2e%2e%2fa", "dot" }, { "/%2Fa", "empty" }, { "/a%2F%2Fb", "empty" },
		{ "/a%2f/b", "empty" }, { "/a/..;x%2fb", "dot" }, { "/a%252fb", "once more" },
		{ "/v1%5Cadmin", "encoded backslash" }, { "/v1\\admin", "a backslash" },
		{ "/a%00b", "control" }, { "/a%0d%0ab", "control" }, { "/a%7f", "control" },
		{ "/a\tb", "control" }, { "/a\x01", "control" }, { "/a\x7f", "control" },
		{ "/a b", "blank" }, { "/a#b", "'#'" }, { "/a?b#c", "'#'" }, { "/a?b c", "blank" },
		{ "/a?b\rc", "control" }, { "/a?\x80", "above 0x7e" }, { "/caf\xc3\xa9", "above" },
		{ "/%", "malformed" }, { "/%4", "malformed" }, { "/%4g", "malformed" },
		{ "/%u002e", "malformed" }, { "/%252e%252e/a", "once more" },
		{ "/%25%32e%25%32e/a", "once more" }, { "/a%252%46b", "once more" },
		{ "/%c0%af", "UTF-8" }, { "/%c0%ae", "UTF-8" }, { "/%e0%80%af", "UTF-8" },
		{ "/%f0%80%80%af", "UTF-8" }, { "/%ed%a0%80", "UTF-8" }, { "/%ff", "UTF-8" },
		{ "/%c3", "UTF-8" }, { "/%c3x", "UTF-8" }, { "/%e9t%e9", "UTF-8" },
		{ "/%f4%90%80%80", "UTF-8" } };

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		refused(pairs[i][0], pairs[i][1]);
}

static void check_query(void)
{
	AUTO_BUF struct buf out = { 0 };
	const char *query = "x";
	size_t n = 9;

	tap_ok(urlpath_normal("/a", 2, &out, &query, &n) == NULL && query == NULL && n == 0,
		"no query");
	tap_ok(urlpath_normal("/a?", 3, &out, &query, &n) == NULL && query != NULL && n == 0,
		"an empty query");
	tap_ok(urlpath_normal("/a?b?c=%2F..", 12, &out, &query, &n) == NULL && n == 9 &&
			memcmp(query, "b?c=%2F..", 9) == 0,
		"a query stays as it is");
	tap_ok(strcmp(out.data, "/a/a/a") == 0, "the path is appended");
	tap_ok(urlpath_normal("/a\0b", 4, &out, &query, &n) != NULL, "a NUL is refused");
}

/* As a server sees it that decodes percent-encodings, once, and knows nothing of parameters. */
static bool has_dots_decoded(const char *path)
{
	char decoded[64];
	size_t n = 0;

	for (const char *s = path; *s != '\0' && n < sizeof(decoded) - 1; s++) {
		unsigned c = 0;

		if (*s == '%' && sscanf(s + 1, "%2x", &c) == 1) {
			decoded[n++] = (char)c;
			s += 2;
		} else {
			decoded[n++] = *s;
		}
	}
	decoded[n] = '\0';
	for (const char *s = decoded; (s = strchr(s, '/')) != NULL;) {
		size_t m = strcspn(++s, "/\\;");

		if ((m == 1 && s[0] == '.') || (m == 2 && s[0] == '.' && s[1] == '.') ||
			(m == 0 && *s != '\0'))
			return true;
	}
	return strchr(decoded, '\\') != NULL;
}

struct tally {
	size_t texts, accepted, wrong;
	size_t dots; /* refused, and rightly: what the check would find if they came through */
};

static void check_one(const char *text, struct tally *tally)
{
	static struct buf once, twice;

	tally->texts++;
	if (normal(text, &once) != NULL) {
		tally->dots += text[0] == '/' && has_dots_decoded(text);
		return;
	}
	tally->accepted++;
	if (once.len == 0 || once.data[0] != '/' || strpbrk(once.data, "\\?#") != NULL ||
		strstr(once.data, "//") != NULL || has_dots_decoded(once.data) ||
		normal(once.data, &twice) != NULL || once.len != twice.len ||
		memcmp(once.data, twice.data, once.len) != 0) {
		if (tally->wrong++ < 5)
			printf("# %s -> %s\n", text, once.data);
	}
}

static void check_all(const char *bytes, size_t deep)
{
	size_t digits[8] = { 0 };
	struct tally tally = { 0 };
	char text[8];

	for (size_t n = 1; n <= deep; n++) {
		memset(digits, 0, sizeof(digits));
		for (bool is_over = false; !is_over;) {
			size_t i = n;

			for (size_t k = 0; k < n; k++)
				text[k] = bytes[digits[k]];
			text[n] = '\0';
			check_one(text, &tally);
			while (i > 0 && ++digits[i - 1] == strlen(bytes))
				digits[--i] = 0;
			is_over = i == 0;
		}
	}
	printf("# %zu texts, %zu accepted, %zu with dots\n", tally.texts, tally.accepted, tally.dots);
	tap_ok(tally.wrong == 0 && tally.accepted > 1000 && tally.dots > 1000,
		"every text of up to %zu bytes of %s has one normal form or none", deep, bytes);
}

static void matches(const char *pattern, const char *path, bool want)
{
	tap_ok(urlpath_matches(pattern, path) == want, "%s %s %s", pattern,
		want ? "matches" : "does not match", path);
}

static void check_globs(void)
{
	matches("/", "/", true);
	matches("/", "/a", false);
	matches("*", "/a/b/", true);
	matches("/a", "/a", true);
	matches("/a", "/A", false);
	matches("/a", "/a/", false);
	matches("/a/*", "/a/b", true);
	matches("/a/*", "/a/b/c", true);
	matches("/a/*", "/a/", true);
	matches("/a/*", "/a", false);
	matches("/a/*", "/ab/c", false);
	matches("/a*", "/ab", true);
	matches("/a*", "/a/b", false);
	matches("/a/*/c", "/a/b/c", true);
	matches("/a/*/c", "/a/b/b/c", false);
	matches("/a/**/c", "/a/b/b/c", true);
	matches("/a/**/c", "/a/c", true);
	matches("/a/**/c", "/ac", false);
	matches("/a/**/c", "/a/xc", false);
	matches("/a/**", "/a/b/c", true);
	matches("/**/info/refs", "/info/refs", true);
	matches("/**/info/refs", "/o/r.git/info/refs", true);
	matches("/**/info/refs", "/o/r.git/xinfo/refs", false);
	matches("/o/r*/info/refs", "/o/r.git/info/refs", true);
	matches("/o/r.git/*", "/o/r.gitx/", false);
	matches("/a?b", "/axb", false);
	/* both ways of reading an encoded slash */
	matches("/v1/*", "/v1%2Fadmin", false);
	matches("/v1/*", "/v1/x%2Fadmin", true);
	matches("/v1/*/b", "/v1/a%2Fx/b", false);
	matches("/v1/**/b", "/v1/a%2Fx/b", true);
	matches("/v1*", "/v1%2Fadmin", false);
	matches("/p/g%2Fn/*", "/p/g%2Fn/x", true);
	matches("/p/g%2Fn/*", "/p/g/n/x", false);
	matches("/p/g/n/*", "/p/g%2Fn/x", false);
	matches("/*", "/@scope%2Fname", true);
	matches("/*/*/*/*/*/*/*/*/x", "/a/a/a/a/a/a/a/a/a", false);
}

static void relate(const char *a, const char *b, bool overlap, bool contains)
{
	tap_ok(urlglob_overlap(a, b) == overlap && urlglob_overlap(b, a) == overlap &&
			urlglob_contains(a, b) == contains,
		"%s and %s: %s, %s", a, b, overlap ? "overlap" : "apart",
		contains ? "contains" : "does not contain");
}

static void check_relations(void)
{
	relate("/a", "/a", true, true);
	relate("/a", "/b", false, false);
	relate("*", "/a/b", true, true);
	relate("/a/b", "*", true, false);
	relate("/a/*", "/a/b/c", true, true);
	relate("/a/*", "/a/*/c", true, true);
	relate("/a/*/c", "/a/*", true, false);
	relate("/a/*/c", "/a/b*/*", true, false);
	relate("/a*", "/a/*", false, false);
	relate("/*/x", "/a/*", true, false);
	relate("/a/*", "/*/x", true, false);
	relate("/**/x", "/a/*/x", true, true);
	relate("/**/x", "/x", true, true);
	relate("/repos/acme/*", "/repos/other/*", false, false);
	relate("/**", "/a/**/b", true, true);
}

/* All globs of a few pieces against all paths of a few bytes: what is said of pairs is so. */
static void check_against_paths(void)
{
	static const char *const globs[] = { "*", "/", "/*", "/a", "/a*", "/*a", "/a/*", "/*/a",
		"/**/a", "/a/**", "/**", "/a/**/a", "/*/*", "/a/*/a", "/*a/*", "/**/a/*", "/ab",
		"/*b", "/**b", "/a/b*" };
	static const char bytes[] = "/ab";
	size_t wrong = 0, n = sizeof(globs) / sizeof(globs[0]);

	for (size_t i = 0; i < n * n; i++) {
		const char *a = globs[i / n], *b = globs[i % n];
		bool meets = false, contains = true;

		for (unsigned k = 0; k < 3 * 3 * 3 * 3 * 3 * 6; k++) {
			char path[8] = "/";
			bool by_a, by_b;

			for (unsigned m = 0, rest = k / 6; m < k % 6; m++, rest /= 3)
				path[m + 1] = bytes[rest % 3];
			by_a = urlglob_matches(a, path);
			by_b = urlglob_matches(b, path);
			meets = meets || (by_a && by_b);
			contains = contains && (by_a || !by_b);
		}
		if (urlglob_overlap(a, b) != meets || urlglob_contains(a, b) != contains) {
			wrong++;
			printf("# %s %s: meets %d contains %d\n", a, b, meets, contains);
		}
	}
	tap_ok(wrong == 0, "what is said of %zu pairs of globs is what their matches say", n * n);
}

int main(void)
{
	check_forms();
	check_refusals();
	check_query();
	check_all("/.%2fe;a\\?", 6);
	check_all("/.%25FcC3B", 6);
	check_globs();
	check_relations();
	check_against_paths();
	return tap_done();
}
