/*
 * The parser. Runs in whoever holds files, and in `agentjail review`. Hostile: the text, every byte.
 * It follows git's own reader (config.c, git_parse_source() and what that calls) step by step: what
 * another reading made of a text would be a way past whoever trusts this one.
 */
#include "policy/gitconfig.h"

#include "base/ascii.h"
#include "base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

struct reader {
	const char *text;
	size_t n, at;
	size_t before; /* where the last byte of next() stood */
	size_t line;
	bool is_end;
	struct gitconfig *out;
};

static bool is_letter(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_key_byte(int c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || c == '-';
}

static bool is_blank(int c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* '\n' for every line end and, once, for the end of the text. */
static int next(struct reader *r)
{
	int c;

	r->before = r->at;
	if (r->at >= r->n) {
		r->is_end = true;
		return '\n';
	}
	c = (unsigned char)r->text[r->at++];
	if (c == '\r' && r->at < r->n && r->text[r->at] == '\n') {
		r->at++;
		c = '\n';
	}
	r->line += c == '\n';
	return c;
}

/* The strings of a text never take more than twice its bytes: each ends with a NUL for a delimiter. */
static void put(struct gitconfig *c, int byte)
{
	assert(c->strings_used < c->strings_cap);
	c->strings[c->strings_used++] = (char)byte;
}

static const char *top(const struct gitconfig *c)
{
	return c->strings + c->strings_used;
}

static int grow(void **items, size_t *cap, size_t n, size_t item_bytes)
{
	size_t more = *cap == 0 ? 64 : *cap * 2;
	void *bigger;

	if (n < *cap)
		return 0;
	if (n >= GITCONFIG_VARIABLES_MAX)
		return -E2BIG;
	bigger = realloc(*items, more * item_bytes);
	if (bigger == NULL)
		return -ENOMEM;
	*items = bigger;
	*cap = more;
	return 0;
}

static int bad(const struct reader *r, struct err *err, const char *what)
{
	return err_set(err, 0, "line %zu: %s", r->line, what);
}

/* Behind the blank of "[section ": the quoted name, with backslash for any byte. */
static int take_subsection(struct reader *r, struct err *err)
{
	int c;

	do {
		c = next(r);
		if (c == '\n')
			return bad(r, err, "a heading that does not end");
	} while (is_blank(c));
	if (c != '"')
		return bad(r, err, "a heading's second name without quotation marks");
	while ((c = next(r)) != '"') {
		if (c == '\\')
			c = next(r);
		if (c == '\n')
			return bad(r, err, "a heading that does not end");
		put(r->out, c);
	}
	return next(r) == ']' ? 0 : bad(r, err, "something behind a heading's second name");
}

/* Behind '['. "[a.b]" is the old way to write [a "b"], in small letters. */
static int take_heading(struct reader *r, struct err *err)
{
	struct gitconfig *out = r->out;
	struct gitconfig_heading h = { .section = top(out), .start = r->before };
	int c, e = grow((void **)&out->headings, &out->headings_cap, out->n_headings, sizeof(h));

	if (e < 0)
		return err_set(err, -e, "line %zu", r->line);
	while ((c = next(r)) != ']') {
		if (is_blank(c) && !r->is_end && c != '\n')
			break;
		if (!is_key_byte(c) && c != '.')
			return bad(r, err, "a heading that git does not take");
		if (c == '.' && h.subsection == NULL) {
			put(out, '\0');
			h.subsection = top(out);
		} else {
			put(out, ascii_lower((char)c));
		}
	}
	if (c != ']') {
		/* [a.b "c"] is [a "b.c"]. */
		put(out, h.subsection == NULL ? '\0' : '.');
		if (h.subsection == NULL)
			h.subsection = top(out);
		if (take_subsection(r, err) < 0)
			return -err->code;
	}
	put(out, '\0');
	if (h.section[0] == '\0')
		return bad(r, err, "a heading without a name");
	h.end = r->at;
	out->headings[out->n_headings++] = h;
	return 0;
}

/* Behind a backslash: the byte that is meant, 0 for a line that goes on, or -1. */
static int escaped(int c)
{
	switch (c) {
	case '\n':
		return 0;
	case 't':
		return '\t';
	case 'b':
		return '\b';
	case 'n':
		return '\n';
	case '\\':
	case '"':
		return c;
	default:
		return -1;
	}
}

/* Behind '='. Blanks inside are kept, at both ends dropped. */
static int take_value(struct reader *r, struct err *err)
{
	const char *start = top(r->out);
	bool is_quoted = false, is_comment = false;
	size_t blanks = 0;
	int c;

	for (;;) {
		c = next(r);
		if (c == '\n') {
			put(r->out, '\0');
			return is_quoted ? bad(r, err, "a quotation that does not end") : 0;
		}
		if (is_comment)
			continue;
		if (is_blank(c) && !is_quoted) {
			blanks += top(r->out) > start;
			continue;
		}
		if (!is_quoted && (c == '#' || c == ';')) {
			is_comment = true;
			continue;
		}
		for (; blanks > 0; blanks--)
			put(r->out, ' ');
		if (c == '"') {
			is_quoted = !is_quoted;
			continue;
		}
		if (c == '\\') {
			c = escaped(next(r));
			if (c < 0)
				return bad(r, err, "a backslash that git does not take");
			if (c == 0)
				continue;
		}
		put(r->out, c);
	}
}

/* At the first byte of a name. */
static int take_variable(struct reader *r, int first, struct err *err)
{
	struct gitconfig *out = r->out;
	struct gitconfig_variable v = { .name = top(out), .start = r->before };
	int c = first, e;

	if (out->n_headings == 0)
		return bad(r, err, "a variable without a heading");
	e = grow((void **)&out->variables, &out->cap, out->n, sizeof(v));
	if (e < 0)
		return err_set(err, -e, "line %zu", r->line);
	do {
		put(out, ascii_lower((char)c));
		c = next(r);
	} while (is_key_byte(c));
	put(out, '\0');
	while (c == ' ' || c == '\t')
		c = next(r);
	if (c != '\n') {
		if (c != '=')
			return bad(r, err, "a name that git does not take");
		v.value = top(out);
		if (take_value(r, err) < 0)
			return -err->code;
	}
	v.end = r->before;
	v.heading = out->n_headings - 1;
	v.section = out->headings[v.heading].section;
	v.subsection = out->headings[v.heading].subsection;
	out->variables[out->n++] = v;
	return 0;
}

static int parse(struct reader *r, struct err *err)
{
	bool is_comment = false;
	int c, e = 0;

	while (e == 0) {
		c = next(r);
		if (c == '\n') {
			if (r->is_end)
				return 0;
			is_comment = false;
		} else if (is_comment || is_blank(c)) {
			continue;
		} else if (c == '#' || c == ';') {
			is_comment = true;
		} else if (c == '[') {
			e = take_heading(r, err);
		} else if (is_letter(c)) {
			e = take_variable(r, c, err);
		} else {
			return bad(r, err, "what is neither heading nor variable");
		}
	}
	return e;
}

/* Bytes that readers other than this one may take for something else. */
static int check_bytes(const char *text, size_t n, struct err *err)
{
	if (n > GITCONFIG_BYTES_MAX)
		return err_set(err, EFBIG, "git configuration");
	if (n > 0 && memchr(text, '\0', n) != NULL)
		return err_set(err, 0, "a NUL byte in git configuration");
	for (size_t i = 0; i < n; i++)
		if (text[i] == '\r' && (i + 1 == n || text[i + 1] != '\n'))
			return err_set(err, 0, "a carriage return in git configuration");
	return 0;
}

int gitconfig_parse(const char *text, size_t n, struct gitconfig *ret, struct err *err)
{
	static const char mark[] = "\xef\xbb\xbf";
	struct reader r = { .text = text, .n = n, .line = 1, .out = ret };

	*ret = (struct gitconfig){ 0 };
	if (check_bytes(text, n, err) < 0)
		return -err->code;
	if (n >= strlen(mark) && memcmp(text, mark, strlen(mark)) == 0)
		r.at = strlen(mark);
	ret->strings_cap = 2 * n + 2;
	ret->strings = malloc(ret->strings_cap);
	if (ret->strings == NULL)
		return err_set(err, ENOMEM, "git configuration");
	if (parse(&r, err) < 0) {
		gitconfig_done(ret);
		return -err->code;
	}
	return 0;
}

void gitconfig_done(struct gitconfig *c)
{
	free(c->variables);
	free(c->headings);
	free(c->strings);
	*c = (struct gitconfig){ 0 };
}
