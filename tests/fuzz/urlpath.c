/*
 * Request paths: the normal form is one (normal again it is the same), has no dot segment in either
 * reading of %2F, also for who decodes twice, and patterns keep their word: what contains another
 * matches what that matches, and two that match one path overlap. Input: two patterns and a target,
 * a line each.
 */
#include "input.h"
#include "base/cleanup.h"
#include "policy/keys.h"
#include "policy/urlglob.h"
#include "policy/urlpath.h"
#include "policy/values.h"

/* Every segment between slashes, an encoded one counts as one when is_decoded. */
static void check_segments(const char *path, bool is_decoded)
{
	AUTO_FREE char *copy = strdup(path);
	char *rest = copy, *segment;

	for (char *s = copy; is_decoded && (s = strstr(s, "%2F")) != NULL;) {
		*s = '/';
		memmove(s + 1, s + 3, strlen(s + 3) + 1);
	}
	assert(*rest++ == '/');
	while ((segment = strsep(&rest, "/")) != NULL) {
		segment[strcspn(segment, ";")] = '\0';
		assert(strcmp(segment, ".") != 0 && strcmp(segment, "..") != 0);
		assert(segment[0] != '\0' || rest == NULL);
	}
}

static int hex_value(char c)
{
	static const char digits[] = "0123456789ABCDEFabcdef";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at == NULL ? -1 : at - digits < 16 ? (int)(at - digits) : (int)(at - digits) - 6;
}

/* As a server reads it that decodes again what it has decoded. */
static void check_decoded_often(const char *path)
{
	AUTO_FREE char *copy = strdup(path);

	for (unsigned i = 0; i < 3; i++) {
		char *out = copy;

		for (const char *s = copy; *s != '\0'; s++) {
			if (*s == '%' && hex_value(s[1]) >= 0 && hex_value(s[2]) >= 0) {
				*out++ = (char)(hex_value(s[1]) * 16 + hex_value(s[2]));
				s += 2;
			} else {
				*out++ = *s;
			}
		}
		*out = '\0';
		check_segments(copy, false);
	}
}

static void check_bytes(const char *path)
{
	static const char digits[] = "0123456789ABCDEF";

	for (const char *s = path; *s != '\0'; s++) {
		assert(*s > 0x20 && *s < 0x7f && strchr("?#\\\"<>^`{|}", *s) == NULL);
		if (*s == '%')
			assert(strchr(digits, s[1]) != NULL && s[1] != '\0' &&
				strchr(digits, s[2]) != NULL && s[2] != '\0');
	}
}

static bool normal(const char *target, struct buf *out)
{
	const char *query;
	size_t query_n;

	if (urlpath_normal(target, strlen(target), out, &query, &query_n) != NULL)
		return false;
	assert(query == NULL || strchr(target, '?') + 1 == query);
	return true;
}

static bool is_pattern(const char *text, struct buf *out)
{
	struct keys_places places = { .home = "/home", .project = "/project" };
	struct err ignored;

	return values_url_path(NULL, &places, text, out, &ignored) == 0 && out->data != NULL &&
	       strlen(out->data) <= URLGLOB_MAX;
}

static void check_patterns(const char *a, const char *b, const char *path)
{
	bool matches_a = urlpath_matches(a, path), matches_b = urlpath_matches(b, path);

	assert(!matches_b || matches_a || !urlpath_contains(a, b));
	assert(!matches_a || matches_b || !urlpath_contains(b, a));
	assert(!matches_a || !matches_b || urlpath_overlap(a, b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *a_text = input_text(&data, &size, '\n');
	AUTO_FREE char *b_text = input_text(&data, &size, '\n');
	AUTO_FREE char *target = input_text(&data, &size, '\n');
	AUTO_BUF struct buf path = { 0 };
	AUTO_BUF struct buf again = { 0 };
	AUTO_BUF struct buf a = { 0 };
	AUTO_BUF struct buf b = { 0 };

	if (!normal(target, &path))
		return 0;
	check_bytes(path.data);
	check_segments(path.data, false);
	check_segments(path.data, true);
	check_decoded_often(path.data);
	assert(normal(path.data, &again) && strcmp(again.data, path.data) == 0);
	if (is_pattern(a_text, &a) && is_pattern(b_text, &b))
		check_patterns(a.data, b.data, path.data);
	return 0;
}
