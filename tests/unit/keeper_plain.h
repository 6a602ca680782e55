/*
 * The plain side of redaction: encoders as programs have them, and a reference that decodes a whole
 * text and searches in it. Written for plainness, of the search's code it shares nothing.
 */
#ifndef TESTS_KEEPER_PLAIN_H
#define TESTS_KEEPER_PLAIN_H

#include "base/buf.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct plain_form {
	const char *name;
	void (*write)(const char *value, size_t n, struct buf *out);
};

/* ---- encoders ---- */

static void plain_raw(const char *v, size_t n, struct buf *out)
{
	buf_add(out, v, n);
}

static void plain_capital(const char *v, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(out, "%c", toupper((unsigned char)v[i]));
}

static void plain_small(const char *v, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(out, "%c", tolower((unsigned char)v[i]));
}

static bool plain_is_unreserved(char c)
{
	return isalnum((unsigned char)c) || strchr("-._~", c) != NULL;
}

static void plain_percent_some(const char *v, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(out, plain_is_unreserved(v[i]) ? "%c" : "%%%02X",
			plain_is_unreserved(v[i]) ? v[i] : (unsigned char)v[i]);
}

static void plain_form_some(const char *v, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(out,
			v[i] == ' '                 ? "+"
			: plain_is_unreserved(v[i]) ? "%c"
						    : "%%%02x",
			(unsigned char)v[i]);
}

static void plain_percent_all(const char *v, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(out, i % 2 == 0 ? "%%%02x" : "%%%02X", (unsigned char)v[i]);
}

static void plain_percent_twice(const char *v, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(out, "%%25%02X", (unsigned char)v[i]);
}

static void plain_json_least(const char *v, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(out, strchr("\"\\", v[i]) != NULL ? "\\%c" : "%c", v[i]);
}

static void plain_json_slash(const char *v, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(out, strchr("\"\\/", v[i]) != NULL ? "\\%c" : "%c", v[i]);
}

/* As Go writes it: & < > as well. */
static void plain_json_html(const char *v, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		if (strchr("&<>", v[i]) != NULL)
			buf_addf(out, "\\u%04x", (unsigned)v[i]);
		else
			plain_json_least(v + i, 1, out);
}

/* One code point of UTF-8; bytes that are none stand for themselves. */
static unsigned plain_code_point(const char *v, size_t n, size_t *ret_bytes)
{
	unsigned char c = (unsigned char)v[0];
	size_t bytes = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	unsigned value = bytes == 1 ? c : c & (0x3fu >> (bytes - 1));

	if (bytes > n)
		bytes = 1, value = c;
	for (size_t i = 1; i < bytes; i++)
		value = value << 6 | ((unsigned char)v[i] & 0x3f);
	*ret_bytes = bytes;
	return value;
}

static void plain_json_all(const char *v, size_t n, struct buf *out)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i += bytes) {
		unsigned c = plain_code_point(v + i, n - i, &bytes);

		if (c > 0xffff)
			buf_addf(out, "\\u%04x\\u%04X", 0xd800 + ((c - 0x10000) >> 10),
				0xdc00 + (c & 0x3ff));
		else
			buf_addf(out, i % 2 == 0 ? "\\u%04x" : "\\u%04X", c);
	}
}

static void plain_json_twice(const char *v, size_t n, struct buf *out)
{
	struct buf once = { 0 };

	plain_json_slash(v, n, &once);
	plain_json_least(once.data, once.len, out);
	buf_done(&once);
}

static void plain_json_all_twice(const char *v, size_t n, struct buf *out)
{
	struct buf once = { 0 };

	plain_json_all(v, n, &once);
	plain_json_least(once.data, once.len, out);
	buf_done(&once);
}

static void plain_html(const char *v, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		const char *name = v[i] == '&'    ? "&amp;"
				   : v[i] == '<'  ? "&lt;"
				   : v[i] == '>'  ? "&gt;"
				   : v[i] == '"'  ? "&#34;"
				   : v[i] == '\'' ? "&#x27;"
						  : NULL;

		if (name != NULL)
			buf_adds(out, name);
		else
			buf_add(out, v + i, 1);
	}
}

static void plain_html_all(const char *v, size_t n, struct buf *out)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i += bytes)
		buf_addf(out, i % 2 == 0 ? "&#%u;" : "&#x%X;",
			plain_code_point(v + i, n - i, &bytes));
}

static void plain_c_string(const char *v, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(out, i % 2 == 0 ? "\\x%02x" : "\\%03o", (unsigned char)v[i]);
}

static void plain_mixed(const char *v, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(out,
			i % 4 == 0   ? "%%%02X"
			: i % 4 == 1 ? "\\x%02x"
			: i % 4 == 2 ? "&#%02d;"
				     : "%c",
			i % 4 == 3 ? v[i] : (unsigned char)v[i]);
}

static void plain_utf16le(const char *v, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_add(out, (char[]){ v[i], 0 }, i + 1 < n ? 2 : 1);
}

static void plain_utf16be(const char *v, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_add(out, (char[]){ 0, v[i] } + (i == 0), i == 0 ? 1 : 2);
}

static void plain_hex(const char *v, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(out, "%02x", (unsigned char)v[i]);
}

static void plain_hex_big(const char *v, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(out, i > 0 && i % 30 == 0 ? "\n%02X" : "%02X", (unsigned char)v[i]);
}

struct plain_base64 {
	const char *before, *after; /* of the value, before it is encoded */
	const char *line_end;
	size_t line;
	bool is_url, is_padded;
};

static void plain_digits(const char *v, size_t n, const struct plain_base64 *how, struct buf *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	struct buf all = { 0 };
	size_t column = 0;

	buf_adds(&all, how->before);
	buf_add(&all, v, n);
	buf_adds(&all, how->after);
	/* Only the digits that hold a bit of the value: those before are the neighbours' alone. */
	for (size_t bit = 0; bit < all.len * 8; bit += 6) {
		unsigned value = 0;

		if (bit + 6 <= strlen(how->before) * 8 || bit >= (strlen(how->before) + n) * 8)
			continue;
		for (size_t i = bit; i < bit + 6; i++)
			value = value << 1 |
				(i < all.len * 8 &&
					((unsigned char)all.data[i / 8] >> (7 - i % 8) & 1));
		if (how->line != 0 && column++ == how->line) {
			buf_adds(out, how->line_end);
			column = 1;
		}
		buf_add(out,
			value < 62    ? &digits[value]
			: value == 62 ? &"+-"[how->is_url]
				      : &"/_"[how->is_url],
			1);
	}
	buf_done(&all);
}

#define PLAIN_BASE64(name, ...)                                                                    \
	static void plain_##name(const char *v, size_t n, struct buf *out)                         \
	{                                                                                          \
		plain_digits(v, n, &(struct plain_base64){ __VA_ARGS__ }, out);                    \
	}
PLAIN_BASE64(base64, "", "", "", 0, false, true)
PLAIN_BASE64(base64_user, "u:", "", "", 0, false, true)
PLAIN_BASE64(base64_one, "u", "z", "", 0, false, true)
PLAIN_BASE64(base64_within, "\xff\xff\xff\xff", "\xff", "", 0, false, false)
PLAIN_BASE64(base64_url, "", "", "", 0, true, false)
PLAIN_BASE64(base64_url_user, "ab", "cd", "", 0, true, false)
PLAIN_BASE64(base64_lines, "", "", "\n", 7, false, true)
PLAIN_BASE64(base64_mime, "a", "", "\r\n", 1, false, true)
PLAIN_BASE64(base64_json_lines, "ab", "", "\\n", 10, false, true)

/* base64 whose own signs are escaped. */
static void plain_base64_percent(const char *v, size_t n, struct buf *out)
{
	struct buf once = { 0 };

	plain_digits(v, n, &(struct plain_base64){ "", "", "", 0, false, false }, &once);
	plain_percent_some(once.data, once.len, out);
	buf_done(&once);
}

static void plain_base64_json(const char *v, size_t n, struct buf *out)
{
	struct buf once = { 0 };

	plain_digits(v, n, &(struct plain_base64){ "", "", "", 0, false, false }, &once);
	plain_json_slash(once.data, once.len, out);
	buf_done(&once);
}

static const struct plain_form plain_forms[] = {
	{ "itself", plain_raw },
	{ "percent, reserved bytes", plain_percent_some },
	{ "a form's field", plain_form_some },
	{ "percent, all bytes", plain_percent_all },
	{ "percent, twice", plain_percent_twice },
	{ "JSON", plain_json_least },
	{ "JSON with slashes escaped", plain_json_slash },
	{ "JSON for HTML", plain_json_html },
	{ "JSON, all escaped", plain_json_all },
	{ "JSON in JSON", plain_json_twice },
	{ "JSON in JSON, all escaped", plain_json_all_twice },
	{ "HTML", plain_html },
	{ "HTML, all characters", plain_html_all },
	{ "a C string", plain_c_string },
	{ "several escapes mixed", plain_mixed },
	{ "UTF-16LE", plain_utf16le },
	{ "UTF-16BE", plain_utf16be },
	{ "hexadecimal", plain_hex },
	{ "hexadecimal, capital, in lines", plain_hex_big },
	{ "base64", plain_base64 },
	{ "base64 behind two bytes", plain_base64_user },
	{ "base64 between bytes", plain_base64_one },
	{ "base64 between high bytes", plain_base64_within },
	{ "base64url", plain_base64_url },
	{ "base64url between bytes", plain_base64_url_user },
	{ "base64 in lines", plain_base64_lines },
	{ "base64 in lines of one digit", plain_base64_mime },
	{ "base64 in lines in JSON", plain_base64_json_lines },
	{ "base64, percent", plain_base64_percent },
	{ "base64, JSON", plain_base64_json },
	{ "itself in capitals", plain_capital },
	{ "itself in small letters", plain_small },
};
static const size_t plain_n_forms = sizeof(plain_forms) / sizeof(plain_forms[0]);

/* ---- decoders of a whole text: what is no escape stays ---- */

static void plain_undo_percent(const char *t, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		if (t[i] == '%' && i + 2 < n && isxdigit((unsigned char)t[i + 1]) &&
			isxdigit((unsigned char)t[i + 2])) {
			char digits[3] = { t[i + 1], t[i + 2], 0 };

			buf_add(out, (char[]){ (char)strtoul(digits, NULL, 16) }, 1);
			i += 2;
		} else {
			buf_add(out, t[i] == '+' ? " " : t + i, 1);
		}
	}
}

/* What the backslash at t[0] stands for, and of how many bytes it is; 0: of no escape. */
static size_t plain_backslash(const char *t, size_t n, char *ret)
{
	static const char signs[] = "\"\\/nr", values[] = "\"\\/\n\r";
	const char *sign = n > 1 && t[1] != 0 ? strchr(signs, t[1]) : NULL;
	size_t first = n > 1 && strchr("ux", t[1]) != NULL ? 2 : 1;
	size_t digits = n > 1 && t[1] == 'u' ? 4 : n > 1 && t[1] == 'x' ? 2 : 3;
	char number[5] = "";
	char *end = number;
	unsigned long value = 0;

	if (sign != NULL) {
		*ret = values[sign - signs];
		return 2;
	}
	if (n < first + digits)
		return 0;
	memcpy(number, t + first, digits);
	if (isxdigit((unsigned char)number[0]))
		value = strtoul(number, &end, first == 1 ? 8 : 16);
	if (end != number + digits || value >= 0x80)
		return 0;
	*ret = (char)value;
	return first + digits;
}

static void plain_undo_backslash(const char *t, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		char value = t[i];
		size_t bytes = t[i] == '\\' ? plain_backslash(t + i, n - i, &value) : 0;

		buf_add(out, &value, 1);
		i += bytes > 0 ? bytes - 1 : 0;
	}
}

static void plain_undo_html(const char *t, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		bool is_hex = i + 2 < n && t[i + 1] == '#' && t[i + 2] == 'x';
		size_t at = i + 2 + is_hex, first = at;
		unsigned value = 0;

		for (; t[i] == '&' && at < n && at < first + 4 &&
			(is_hex ? isxdigit((unsigned char)t[at]) : isdigit((unsigned char)t[at]));
			at++)
			value = value * (is_hex ? 16 : 10) +
				(unsigned)(isdigit((unsigned char)t[at]) ? t[at] - '0'
									 : (t[at] | 32) - 'a' + 10);
		if (t[i] == '&' && i + 1 < n && t[i + 1] == '#' && at > first && at < n &&
			t[at] == ';' && value < 0x80) {
			buf_add(out, (char[]){ (char)value }, 1);
			i = at;
		} else {
			buf_add(out, t + i, 1);
		}
	}
}

/* UTF-16 and UTF-32: three NULs at most are passed over at a time. */
static void plain_undo_nul(const char *t, size_t n, struct buf *out)
{
	size_t nuls = 0;

	for (size_t i = 0; i < n; i++) {
		nuls = t[i] == 0 ? nuls + 1 : 0;
		buf_add(out, t + i, nuls == 0 || nuls > 3);
	}
}

/* An escaped introducer becomes the introducer: what is left is an escape of its own. */
static void plain_replace(const char *t, size_t n, const char *from, struct buf *out)
{
	size_t from_n = strlen(from);

	for (size_t i = 0; i < n; i++) {
		bool is_there = n - i >= from_n && memcmp(t + i, from, from_n) == 0;

		buf_add(out, t + i, 1);
		i += is_there ? from_n - 1 : 0;
	}
}

static void plain_undo_percent_twice(const char *t, size_t n, struct buf *out)
{
	struct buf once = { 0 };

	plain_replace(t, n, "%25", &once);
	plain_undo_percent(once.data, once.len, out);
	buf_done(&once);
}

static void plain_undo_backslash_twice(const char *t, size_t n, struct buf *out)
{
	struct buf once = { 0 };

	plain_replace(t, n, "\\\\", &once);
	plain_undo_backslash(once.data, once.len, out);
	buf_done(&once);
}

static void plain_undo_html_twice(const char *t, size_t n, struct buf *out)
{
	struct buf once = { 0 };

	plain_replace(t, n, "&amp;", &once);
	plain_undo_html(once.data, once.len, out);
	buf_done(&once);
}

static void plain_undo_hex(const char *t, size_t n, struct buf *out, size_t skip)
{
	for (size_t i = skip; i + 1 < n; i += 2) {
		char digits[3] = { t[i], t[i + 1], 0 };
		bool is_hex = isxdigit((unsigned char)t[i]) && isxdigit((unsigned char)t[i + 1]);

		buf_add(out, is_hex ? (char[]){ (char)strtoul(digits, NULL, 16) } : "\n", 1);
	}
}

static int plain_base64_digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = strchr(digits, c == '-' ? '+' : c == '_' ? '/' : c);

	return c != 0 && at != NULL ? (int)(at - digits) : -1;
}

/* Each run of digits as if `before` others stood before it; a line end within does not end it. */
static void plain_undo_base64(const char *t, size_t n, struct buf *out, unsigned before)
{
	unsigned bits = 0, n_bits = before * 6 % 8;

	for (size_t i = 0; i < n; i++) {
		int digit = plain_base64_digit(t[i]);

		if (digit < 0 && t[i] == '\r' && i + 1 < n && t[i + 1] == '\n')
			i++;
		if (digit < 0 && t[i] == '\n' && i + 1 < n && plain_base64_digit(t[i + 1]) >= 0)
			continue;
		if (digit < 0) {
			buf_adds(out, "\n");
			bits = 0;
			n_bits = before * 6 % 8;
			continue;
		}
		bits = (bits << 6 | (unsigned)digit) & 0xffff;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			buf_add(out, (char[]){ (char)(bits >> n_bits) }, 1);
		}
	}
}

static bool plain_has(const struct buf *text, const char *v, size_t n)
{
	return text->len >= n && memmem(text->data, text->len, v, n) != NULL;
}

/* The same, of letters of any size. */
static bool plain_has_folded(const struct buf *text, const char *v, size_t n)
{
	struct buf small = { 0 }, wanted = { 0 };
	bool has;

	plain_small(text->data, text->len, &small);
	plain_small(v, n, &wanted);
	has = plain_has(&small, wanted.data, wanted.len);
	buf_done(&small);
	buf_done(&wanted);
	return has;
}

/* Is the value in none of the readings of the text? */
__attribute__((unused)) static bool plain_is_clean(
	const char *t, size_t n, const char *v, size_t v_n)
{
	static void (*const undo[])(const char *, size_t, struct buf *) = { plain_raw,
		plain_undo_percent, plain_undo_backslash, plain_undo_html, plain_undo_nul,
		plain_undo_percent_twice, plain_undo_backslash_twice, plain_undo_html_twice };
	size_t n_undo = sizeof(undo) / sizeof(undo[0]);
	bool is_clean = true;

	for (size_t i = 0; i < n_undo; i++) {
		struct buf once = { 0 };

		undo[i](t, n, &once);
		is_clean = is_clean && !plain_has_folded(&once, v, v_n);
		for (unsigned skip = 0; skip < 4; skip++) {
			struct buf more = { 0 };

			plain_undo_base64(once.data, once.len, &more, skip);
			is_clean = is_clean && !plain_has(&more, v, v_n);
			more.len = 0;
			plain_undo_hex(once.data, once.len, &more, skip);
			is_clean = is_clean && !plain_has(&more, v, v_n);
			buf_done(&more);
		}
		buf_done(&once);
	}
	return is_clean;
}

#endif
