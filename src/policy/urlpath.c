/*
 * The normal form of request paths. Pure, in the proxy, keepers and verbs; targets come from
 * hostile requests.
 */
#include "policy/urlpath.h"

#include "base/ascii.h"
#include "base/cleanup.h"
#include "policy/urlglob.h"

#include <assert.h>
#include <string.h>

/* Bytes that stand for themselves in a path (RFC 3986, 3.3, sub-delims, ':' and '@'). */
static bool is_plain(unsigned char c)
{
	return ascii_is_unreserved((char)c) || (c != '\0' && strchr("!$&'()*+,;=:@", c) != NULL);
}

/* The byte that "%XX" at s stands for, or -1. */
static int escaped(const char *s, size_t n)
{
	return n < 3 ? -1 : ascii_hex_byte(s + 1);
}

static void add_escaped(struct buf *out, unsigned char c)
{
	static const char digits[] = "0123456789ABCDEF";
	char text[3] = { '%', digits[c >> 4], digits[c & 15] };

	buf_add(out, text, sizeof(text));
}

/* Bytes of a target that no reader of it agrees upon, in path and query. */
static const char *check_byte(unsigned char c)
{
	if (c < 0x20 || c == 0x7f)
		return "a control byte";
	if (c > 0x7e)
		return "a byte above 0x7e that is not percent-encoded";
	if (c == ' ')
		return "a blank";
	return c == '#' ? "'#' in the target" : NULL;
}

/* What is decoded of an encoding is what every server decodes; what stays has one spelling. */
static const char *add_encoding(struct buf *out, const char *s, size_t n, int *ret_byte)
{
	int c = escaped(s, n);

	*ret_byte = c;
	if (c < 0)
		return "a malformed percent-encoding";
	if (c == '\\')
		return "an encoded backslash";
	if (c < 0x20 || c == 0x7f)
		return "an encoded control byte";
	if (ascii_is_unreserved((char)c))
		buf_add(out, &(char){ (char)c }, 1);
	else
		add_escaped(out, (unsigned char)c);
	return NULL;
}

/* The bytes of UTF-8 (RFC 3629) as they come, to find overlong and cut forms. */
struct utf8 {
	unsigned left; /* bytes that are still to come */
	unsigned char min, max; /* of the next one */
};

static bool utf8_lead(struct utf8 *u, unsigned char c)
{
	*u = (struct utf8){ .min = 0x80, .max = 0xbf };
	if (c < 0x80)
		return true;
	if (c < 0xc2 || c > 0xf4)
		return false;
	u->left = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
	if (c == 0xe0)
		u->min = 0xa0;
	if (c == 0xed)
		u->max = 0x9f;
	if (c == 0xf0)
		u->min = 0x90;
	if (c == 0xf4)
		u->max = 0x8f;
	return true;
}

static bool utf8_take(struct utf8 *u, unsigned char c)
{
	if (u->left == 0)
		return utf8_lead(u, c);
	if (c < u->min || c > u->max)
		return false;
	*u = (struct utf8){ .left = u->left - 1, .min = 0x80, .max = 0xbf };
	return true;
}

/* One segment without its slashes, in normal form. */
static const char *check_segment(const char *s, size_t n, bool is_last)
{
	size_t m = 0;

	/* Some servers cut parameters off and then look for dots (";x", and decoded too). */
	while (m < n && s[m] != ';' && !(n - m >= 3 && memcmp(s + m, "%3B", 3) == 0))
		m++;
	if (n == 0)
		return is_last ? NULL : "an empty segment";
	if (m == 0)
		return "an empty segment with ';'";
	if ((m == 1 && s[0] == '.') || (m == 2 && s[0] == '.' && s[1] == '.'))
		return m == n ? "a dot segment" : "a dot segment with ';'";
	return NULL;
}

/* The text as a server reads it that takes an encoded slash for a slash. */
static void add_with_slashes(struct buf *out, const char *s, size_t n)
{
	static const char slash[] = "%2F";

	for (size_t i = 0; i < n; i++)
		if (n - i >= 3 && memcmp(s + i, slash, 3) == 0) {
			buf_adds(out, "/");
			i += 2;
		} else {
			buf_add(out, s + i, 1);
		}
}

static const char *check_segments(const struct buf *path)
{
	const char *end, *start, *fault = NULL;

	assert(path->data != NULL); /* it has a first slash */
	end = path->data + path->len;
	start = path->data + 1;
	while (fault == NULL && start <= end) {
		const char *slash = memchr(start, '/', (size_t)(end - start));
		const char *stop = slash != NULL ? slash : end;

		fault = check_segment(start, (size_t)(stop - start), slash == NULL);
		start = stop + 1;
	}
	return fault;
}

/*
 * "%25XX" is refused: a server that decodes twice reads another path. Looked for in the normal form:
 * the digits may have been encoded themselves.
 */
static const char *check_doubled(const struct buf *path)
{
	static const char percent[] = "%25";

	for (const char *s = path->data; s != NULL && (s = strstr(s, percent)) != NULL; s += 3)
		if (ascii_hex_byte(s + 3) >= 0)
			return "a percent-encoding that is encoded once more";
	return NULL;
}

static const char *add_path(struct buf *out, const char *s, size_t n)
{
	struct utf8 utf8 = { 0 };
	const char *fault = NULL;

	for (size_t i = 0; i < n && fault == NULL; i++) {
		unsigned char c = (unsigned char)s[i];
		int byte = c;

		fault = check_byte(c);
		if (fault != NULL)
			return fault;
		if (c == '\\')
			return "a backslash";
		if (c == '%') {
			fault = add_encoding(out, s + i, n - i, &byte);
			i += 2;
		} else if (c == '/' || is_plain(c)) {
			buf_add(out, &s[i], 1);
		} else {
			add_escaped(out, c);
		}
		if (fault == NULL && !utf8_take(&utf8, (unsigned char)byte))
			return "a percent-encoding that is not UTF-8";
	}
	if (fault == NULL && utf8.left > 0)
		return "a percent-encoding that is not UTF-8";
	return fault;
}

const char *urlpath_normal(const char *target, size_t n, struct buf *ret_path,
	const char **ret_query, size_t *ret_query_n)
{
	const char *mark = n > 0 ? memchr(target, '?', n) : NULL;
	size_t path_bytes = mark != NULL ? (size_t)(mark - target) : n, start = ret_path->len;
	AUTO_BUF struct buf path = { 0 };
	AUTO_BUF struct buf decoded = { 0 };
	const char *fault = NULL;

	if (n == 0 || target[0] != '/')
		return "not a path that starts with '/'";
	for (size_t i = path_bytes; i < n && fault == NULL; i++)
		fault = check_byte((unsigned char)target[i]);
	if (fault == NULL)
		fault = add_path(&path, target, path_bytes);
	if (fault == NULL && !path.failed)
		fault = check_doubled(&path);
	if (fault == NULL && !path.failed)
		add_with_slashes(&decoded, path.data, path.len);
	if (fault == NULL && !path.failed && !decoded.failed)
		fault = check_segments(&path);
	if (fault == NULL && !path.failed && !decoded.failed)
		fault = check_segments(&decoded);
	if (fault != NULL)
		return fault;
	if (!path.failed && !decoded.failed)
		buf_add(ret_path, path.data, path.len);
	if (path.failed || decoded.failed || ret_path->failed || ret_path->len != start + path.len)
		return "no memory";
	*ret_query = mark != NULL ? mark + 1 : NULL;
	*ret_query_n = mark != NULL ? n - path_bytes - 1 : 0;
	return NULL;
}

bool urlpath_contains(const char *a, const char *b)
{
	AUTO_BUF struct buf other_a = { 0 };
	AUTO_BUF struct buf other_b = { 0 };

	if (!urlglob_contains(a, b))
		return false;
	add_with_slashes(&other_a, a, strlen(a));
	add_with_slashes(&other_b, b, strlen(b));
	return !other_a.failed && !other_b.failed && urlglob_contains(other_a.data, other_b.data);
}

bool urlpath_overlap(const char *a, const char *b)
{
	return urlglob_overlap(a, b);
}

bool urlpath_matches(const char *pattern, const char *path)
{
	AUTO_BUF struct buf other_pattern = { 0 };
	AUTO_BUF struct buf other_path = { 0 };

	if (!urlglob_matches(pattern, path))
		return false;
	if (strstr(path, "%2F") == NULL)
		return true;
	add_with_slashes(&other_pattern, pattern, strlen(pattern));
	add_with_slashes(&other_path, path, strlen(path));
	return !other_pattern.failed && !other_path.failed &&
		urlglob_matches(other_pattern.data, other_path.data);
}
