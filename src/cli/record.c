/*
 * See record.h. Runs in the `agentjail` process with the user's rights. The file was written by a
 * warden, but what it quotes is hostile, and it may have been changed since: nothing is assumed.
 */
#include "cli/record.h"

#include "base/ascii.h"
#include "base/cleanup.h"

#include <errno.h>
#include <string.h>

/* Rationale: the audit nests two deep; a file that was made up must not keep the reader busy. */
#define DEPTH_MAX 16

struct reader {
	const char *at, *end;
	char *out; /* never more than what was read: see parse_string() */
};

static void skip_blanks(struct reader *in)
{
	while (in->at < in->end && (*in->at == ' ' || *in->at == '\t'))
		in->at++;
}

static bool take(struct reader *in, char c)
{
	skip_blanks(in);
	if (in->at == in->end || *in->at != c)
		return false;
	in->at++;
	return true;
}

static bool parse_hex(struct reader *in, unsigned *ret)
{
	unsigned value = 0;

	if (in->end - in->at < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		int digit = ascii_hex(*in->at++);

		if (digit < 0)
			return false;
		value = value << 4 | (unsigned)digit;
	}
	*ret = value;
	return true;
}

static void put_utf8(struct reader *in, unsigned c)
{
	if (c < 0x80) {
		*in->out++ = (char)c;
		return;
	}
	if (c >= 0x10000)
		*in->out++ = (char)(0xf0 | c >> 18);
	if (c >= 0x800)
		*in->out++ = (char)(c >= 0x10000 ? 0x80 | (c >> 12 & 0x3f) : 0xe0 | c >> 12);
	*in->out++ = (char)(c >= 0x800 ? 0x80 | (c >> 6 & 0x3f) : 0xc0 | c >> 6);
	*in->out++ = (char)(0x80 | (c & 0x3f));
}

/* What follows "\u". Half a surrogate pair and NUL become U+FFFD. */
static bool parse_unicode(struct reader *in)
{
	unsigned c, low;

	if (!parse_hex(in, &c))
		return false;
	if (c >= 0xd800 && c < 0xdc00 && in->end - in->at >= 6 && in->at[0] == '\\' &&
		in->at[1] == 'u') {
		in->at += 2;
		if (!parse_hex(in, &low))
			return false;
		c = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00)
						  : 0xfffd;
	}
	put_utf8(in, c == 0 || (c >= 0xd800 && c < 0xe000) ? 0xfffd : c);
	return true;
}

static bool parse_escape(struct reader *in)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *found;

	if (in->at == in->end || *in->at == '\0')
		return false;
	if (*in->at == 'u') {
		in->at++;
		return parse_unicode(in);
	}
	found = strchr(from, *in->at++);
	if (found != NULL)
		*in->out++ = to[found - from];
	return found != NULL;
}

/* Its bytes and a NUL are at most what stood there with its two quotes. */
static bool parse_string(struct reader *in, const char **ret)
{
	if (!take(in, '"'))
		return false;
	*ret = in->out;
	while (in->at < in->end && *in->at != '"') {
		char c = *in->at++;

		if (c == '\\') {
			if (!parse_escape(in))
				return false;
		} else if (c == '\0') {
			return false;
		} else {
			*in->out++ = c;
		}
	}
	*in->out++ = '\0';
	return in->at < in->end && *in->at++ == '"';
}

static bool parse_number(struct reader *in, int64_t *ret)
{
	bool is_negative = take(in, '-');
	int64_t value = 0;
	const char *start = in->at;

	for (; in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++) {
		if (value > (INT64_MAX - 9) / 10)
			return false;
		value = value * 10 + (*in->at - '0');
	}
	*ret = is_negative ? -value : value;
	return in->at > start;
}

static bool parse_word(struct reader *in, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(in->end - in->at) < n || memcmp(in->at, word, n) != 0)
		return false;
	in->at += n;
	return true;
}

/* Behind an opening bracket: up to and with the one that closes it. */
static bool skip_nested(struct reader *in)
{
	const char *ignored;

	for (unsigned depth = 1; depth > 0;) {
		skip_blanks(in);
		if (in->at == in->end || depth > DEPTH_MAX)
			return false;
		if (*in->at == '"') {
			if (!parse_string(in, &ignored))
				return false;
			continue;
		}
		if (*in->at == '{' || *in->at == '[')
			depth++;
		else if (*in->at == '}' || *in->at == ']')
			depth--;
		in->at++;
	}
	return true;
}

static bool parse_element(struct reader *in, struct record_member *m)
{
	const char *text;
	int64_t ignored;

	skip_blanks(in);
	if (in->at < in->end && *in->at == '"') {
		if (!parse_string(in, &text))
			return false;
		if (m->n == 0)
			m->text = text;
		return true;
	}
	m->kind = RECORD_OTHER;
	if (take(in, '{') || take(in, '['))
		return skip_nested(in);
	return parse_word(in, "null") || parse_word(in, "true") || parse_word(in, "false") ||
		parse_number(in, &ignored);
}

static bool parse_array(struct reader *in, struct record_member *m)
{
	m->kind = RECORD_STRINGS;
	m->text = "";
	if (take(in, ']'))
		return true;
	do {
		if (!parse_element(in, m))
			return false;
		m->n++;
	} while (take(in, ','));
	return take(in, ']');
}

static bool parse_value(struct reader *in, struct record_member *m)
{
	skip_blanks(in);
	m->kind = RECORD_STRING;
	if (in->at < in->end && *in->at == '"')
		return parse_string(in, &m->text);
	if (take(in, '['))
		return parse_array(in, m);
	m->kind = RECORD_OTHER;
	if (take(in, '{'))
		return skip_nested(in);
	if (parse_word(in, "null"))
		return true;
	m->kind = RECORD_TRUE;
	if (parse_word(in, "true"))
		return true;
	m->kind = RECORD_FALSE;
	if (parse_word(in, "false"))
		return true;
	m->kind = RECORD_NUMBER;
	return parse_number(in, &m->number);
}

static bool parse_object(struct reader *in, struct record *ret)
{
	if (!take(in, '{'))
		return false;
	if (take(in, '}'))
		return true;
	do {
		struct record_member *m = &ret->members[ret->n];

		if (ret->n == RECORD_MEMBERS_MAX)
			return false;
		*m = (struct record_member){ 0 };
		if (!parse_string(in, &m->key) || !take(in, ':') || !parse_value(in, m))
			return false;
		ret->n++;
	} while (take(in, ','));
	return take(in, '}');
}

int record_parse(struct record *ret, const char *line, size_t n)
{
	struct reader in = { .at = line, .end = line + n };

	ret->n = 0;
	free(ret->bytes);
	ret->bytes = in.out = malloc(n + 1);
	if (in.out == NULL)
		return -ENOMEM;
	if (!parse_object(&in, ret))
		return -EINVAL;
	skip_blanks(&in);
	return in.at == in.end ? 0 : -EINVAL;
}

void record_done(struct record *r)
{
	free(r->bytes);
	*r = (struct record){ 0 };
}

static const struct record_member *find(const struct record *r, const char *key)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->members[i].key, key) == 0)
			return &r->members[i];
	return NULL;
}

const char *record_text(const struct record *r, const char *key)
{
	const struct record_member *m = find(r, key);

	return m != NULL && m->kind == RECORD_STRING ? m->text : NULL;
}

bool record_number(const struct record *r, const char *key, int64_t *ret)
{
	const struct record_member *m = find(r, key);

	if (m == NULL || m->kind != RECORD_NUMBER)
		return false;
	*ret = m->number;
	return true;
}

bool record_is_true(const struct record *r, const char *key)
{
	const struct record_member *m = find(r, key);

	return m != NULL && m->kind == RECORD_TRUE;
}

const char *record_strings(const struct record *r, const char *key, size_t *ret_n)
{
	const struct record_member *m = find(r, key);
	bool is_there = m != NULL && m->kind == RECORD_STRINGS;

	*ret_n = is_there ? m->n : 0;
	return is_there ? m->text : "";
}

size_t record_count(const struct record *r, const char *key)
{
	const struct record_member *m = find(r, key);

	return m != NULL ? m->n : 0;
}

bool record_says(const struct record *r, const char *key, const char *text)
{
	const char *value = record_text(r, key);

	return value != NULL && strcmp(value, text) == 0;
}
