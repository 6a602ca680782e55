/*
 * Runs where profiles are read; the text may be a hostile project's. inih splits the lines, but it
 * cuts long ones, joins indented ones to the line before, takes " ;" for a comment and goes on
 * after errors. So every line is judged here first, and what inih then reports has to add up.
 */
#include "policy/lines.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"

#include <ini.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t"

struct parse {
	struct lines *lines;
	const char *rest, *end; /* what the reader has not given to inih yet */
	unsigned line;
	size_t n_keys; /* lines with a key, by our own count */
	size_t n_read; /* and by inih's */
	bool is_out_of_memory;
};

int lines_at(struct err *err, const char *file, unsigned line)
{
	char shown[160];

	(void)log_quote(file, strlen(file), shown, sizeof(shown));
	if (line == 0)
		return err_prefix(err, "%s", shown);
	return err_prefix(err, "%s:%u", shown, line);
}

void lines_done(struct lines *lines)
{
	for (size_t i = 0; i < lines->n; i++) {
		free(lines->entries[i].section);
		free(lines->entries[i].key);
		free(lines->entries[i].value);
	}
	free(lines->entries);
	*lines = (struct lines){ 0 };
}

/* section, key and value are copied; key and value may be NULL. False: no memory. */
static bool add(struct lines *lines, unsigned line, const char *section, const char *key,
	const char *value)
{
	struct lines_entry *e;

	if (lines->n == lines->cap) {
		size_t cap = lines->cap > 0 ? lines->cap * 2 : 64;

		e = reallocarray(lines->entries, cap, sizeof(*e));
		if (e == NULL)
			return false;
		lines->entries = e;
		lines->cap = cap;
	}
	e = &lines->entries[lines->n++];
	*e = (struct lines_entry){ .line = line, .section = strdup(section) };
	if (key != NULL)
		e->key = strdup(key);
	if (value != NULL)
		e->value = strdup(value);
	return e->section != NULL && (e->key != NULL) == (key != NULL) &&
		(e->value != NULL) == (value != NULL);
}

static int check_bytes(const char *s, size_t n, struct err *err)
{
	if (n >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0)
		return err_set(err, 0,
			"starts with a byte order mark; save the file as UTF-8 without one");
	if (n > 0 && s[n - 1] == '\r')
		return err_set(err, 0,
			"the line ends with a carriage return; save the file with Unix line ends");
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return err_set(err, 0, "byte 0x%02x in the line; delete it", c);
	}
	if (n > LINES_LINE_MAX)
		return err_set(err, 0,
			"the line has %zu bytes, %d is the most; repeat the key on another line",
			n, LINES_LINE_MAX);
	return 0;
}

static int check_header(struct parse *p, const char *s, size_t n, struct err *err)
{
	const char *close = memchr(s, ']', n);
	char text[LINES_NAME_MAX + 1];
	size_t m;

	if (close == NULL)
		return err_set(err, 0, "no ']' after the section's name; write [SECTION]");
	for (const char *t = close + 1; t < s + n; t++)
		if (strchr(BLANKS, *t) == NULL)
			return err_set(err, 0,
				"text follows [SECTION]; a comment is a line of its own");
	m = (size_t)(close - s) - 1;
	if (m >= sizeof(text))
		return err_set(err, 0, "the section's name has %zu bytes; %d is the most", m,
			LINES_NAME_MAX);
	memcpy(text, s + 1, m);
	text[m] = '\0';
	if (m == 0 || strchr(BLANKS, text[0]) != NULL || strchr(BLANKS, text[m - 1]) != NULL)
		return err_set(err, 0, "blanks or nothing inside of [ and ]; write [SECTION]");
	if (!add(p->lines, p->line, text, NULL, NULL))
		return err_set(err, ENOMEM, "read a section");
	return 0;
}

static int bad_key(const char *s, size_t n, const char *what, struct err *err)
{
	char shown[64];

	return err_set(err, 0, "'%s' %s", log_quote(s, n, shown, sizeof(shown)), what);
}

static int check_key(struct parse *p, const char *s, size_t n, struct err *err)
{
	const char *equals = memchr(s, '=', n);
	size_t m = equals != NULL ? (size_t)(equals - s) : 0;

	if (m == 0 || memchr(s, ':', m) != NULL)
		return bad_key(s, n, "is no KEY = VALUE; write one, or # before a comment", err);
	if (m > LINES_NAME_MAX)
		return bad_key(s, m, "is longer than any key's name; see agentjail(1)", err);
	for (size_t i = 1; i < n; i++)
		if (s[i] == ';' && strchr(BLANKS, s[i - 1]) != NULL)
			return err_set(err, 0,
				"' ;' would cut the value there; a comment is a line of its own");
	if (p->lines->n == 0)
		return bad_key(s, n, "stands before the first section; write [SECTION] first", err);
	p->n_keys++;
	return 0;
}

static int check_line(struct parse *p, const char *s, size_t n, struct err *err)
{
	int r = check_bytes(s, n, err);

	if (r < 0)
		return r;
	while (n > 0 && strchr(BLANKS, s[n - 1]) != NULL)
		n--;
	if (n == 0 || *s == '#' || *s == ';')
		return 0;
	if (strchr(BLANKS, *s) != NULL)
		return err_set(err, 0, "the line is indented; start it in the first column");
	return *s == '[' ? check_header(p, s, n, err) : check_key(p, s, n, err);
}

static int check_text(struct parse *p, const char *text, size_t n, struct err *err)
{
	const char *s = text;

	while (s < text + n) {
		const char *newline = memchr(s, '\n', (size_t)(text + n - s));
		size_t bytes = (size_t)((newline != NULL ? newline : text + n) - s);
		int r;

		p->line++;
		r = check_line(p, s, bytes, err);
		if (r < 0)
			return r;
		s += bytes + 1;
	}
	return 0;
}

/* Like fgets(3), but without the newline, so that inih's buffer holds LINES_LINE_MAX bytes. */
static char *read_line(char *out, int out_bytes, void *stream)
{
	struct parse *p = stream;
	const char *newline;
	size_t n;

	if (p->rest >= p->end)
		return NULL;
	newline = memchr(p->rest, '\n', (size_t)(p->end - p->rest));
	n = (size_t)((newline != NULL ? newline : p->end) - p->rest);
	p->line++;
	if (n >= (size_t)out_bytes) {
		p->rest = p->end; /* an inih with a smaller buffer: the counts will differ */
		return NULL;
	}
	memcpy(out, p->rest, n);
	out[n] = '\0';
	p->rest += n + 1;
	return out;
}

static int handle_key(void *user, const char *section, const char *key, const char *value)
{
	struct parse *p = user;

	if (!add(p->lines, p->line, section, key, value != NULL ? value : ""))
		p->is_out_of_memory = true;
	p->n_read++;
	return !p->is_out_of_memory;
}

int lines_parse(struct lines *lines, const char *file, const char *text, size_t n, struct err *err)
{
	struct parse p = { .lines = lines, .rest = text, .end = text + n };
	int r = check_text(&p, text, n, err);

	if (r < 0) {
		(void)lines_at(err, file, p.line);
		return r;
	}
	p.line = 0;
	r = ini_parse_stream(read_line, &p, handle_key, &p);
	if (p.is_out_of_memory || r < 0) {
		(void)err_set(err, ENOMEM, "read the file");
		return lines_at(err, file, 0);
	}
	if (r > 0 || p.n_read != p.n_keys) {
		(void)err_set(err, 0, "not understood; write [SECTION] and KEY = VALUE lines");
		return lines_at(err, file, r > 0 ? (unsigned)r : p.line);
	}
	return 0;
}
