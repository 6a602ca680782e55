/*
 * ~/.netrc (ftp(1), curl's and git's reading of it): words in pairs. See redact.h; runs where
 * redact.c does.
 */
#include "base/cleanup.h"
#include "cell/redact.h"

#include <errno.h>
#include <string.h>

enum word_kind { WORD_ALONE, WORD_SHOWN, WORD_SECRET };

static const struct word {
	const char *name;
	enum word_kind next; /* what follows it */
} words[] = {
	{ "machine", WORD_SHOWN },
	{ "login", WORD_SHOWN },
	{ "port", WORD_SHOWN },
	{ "default", WORD_ALONE },
	{ "password", WORD_SECRET },
	{ "account", WORD_SECRET },
};

static const struct word *find_word(const char *text, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strlen(words[i].name) == n && memcmp(words[i].name, text, n) == 0)
			return &words[i];
	return NULL; /* macdef, too: what follows it is a program */
}

static size_t blanks(const char *text, size_t n)
{
	size_t i = 0;

	while (i < n && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r'))
		i++;
	return i;
}

static size_t word_bytes(const char *text, size_t n)
{
	size_t i = 0;

	while (i < n && blanks(text + i, 1) == 0)
		i++;
	return i;
}

/* A quote or a backslash begins what programs read differently. */
static bool is_plain(const char *text, size_t n)
{
	return n > 0 && memchr(text, '"', n) == NULL && memchr(text, '\\', n) == NULL;
}

static int refuse(size_t at, struct err *err)
{
	return err_set(err, 0, "what stands at byte %zu is not understood", at);
}

int redact_netrc(struct redact *r, const char *text, size_t n, struct err *err)
{
	size_t at = 0;

	for (;;) {
		size_t gap = blanks(text + at, n - at), len;
		const struct word *w;

		buf_add(r->out, text + at, gap);
		at += gap;
		if (at == n)
			return 0;
		if (text[at] == '#') {
			const char *end = memchr(text + at, '\n', n - at);

			at = end != NULL ? (size_t)(end - text) : n;
			continue;
		}
		len = word_bytes(text + at, n - at);
		w = find_word(text + at, len);
		if (w == NULL)
			return refuse(at, err);
		buf_add(r->out, text + at, len);
		at += len;
		if (w->next == WORD_ALONE)
			continue;
		gap = blanks(text + at, n - at);
		buf_add(r->out, text + at, gap);
		at += gap;
		len = word_bytes(text + at, n - at);
		if (!is_plain(text + at, len))
			return refuse(at, err);
		if (w->next == WORD_SECRET)
			redact_fake(r, text + at, len, false);
		else
			redact_shown(r, text + at, len);
		at += len;
	}
}
