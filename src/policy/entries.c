/* Runs where profiles are read; the text may be a hostile project's. */
#include "policy/entries.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>

#define BLANKS " \t"

static int quoted_entry(struct entries *e, struct err *err)
{
	const char *start = e->rest + 1;
	size_t n = strcspn(start, "\"");

	if (start[n] == '\0')
		return err_set(err, 0, "a double quote is not closed; close it");
	if (n == 0)
		return err_set(err, 0, "\"\" is an empty entry; take it out");
	if (start[n + 1] != '\0' && strchr(BLANKS, start[n + 1]) == NULL)
		return err_set(err, 0, "text follows a closing double quote; quote whole entries");
	buf_add(&e->text, start, n);
	e->rest = start + n + 1;
	return 1;
}

static int bad_entry(const char *text, size_t n, const char *what, struct err *err)
{
	char shown[64];

	return err_set(err, 0, "'%s' %s", log_quote(text, n, shown, sizeof(shown)), what);
}

static int plain_entry(struct entries *e, struct err *err)
{
	size_t n = strcspn(e->rest, BLANKS);

	if (*e->rest == '#' || *e->rest == ';')
		return bad_entry(e->rest, n,
			"would start a comment; a comment is a line of its own, an entry with # in "
			"front is quoted",
			err);
	if (memchr(e->rest, '"', n) != NULL)
		return bad_entry(e->rest, n, "has a double quote inside; quote whole entries", err);
	if (n == 0)
		return err_set(err, 0, "! takes away nothing; write !ENTRY");
	buf_add(&e->text, e->rest, n);
	e->rest += n;
	return 1;
}

int entries_next(struct entries *e, struct err *err)
{
	int r;

	e->rest += strspn(e->rest, BLANKS);
	if (*e->rest == '\0')
		return 0;
	e->text.len = 0;
	e->is_removal = *e->rest == '!';
	if (e->is_removal)
		e->rest++;
	r = *e->rest == '"' ? quoted_entry(e, err) : plain_entry(e, err);
	if (e->text.failed)
		return err_set(err, ENOMEM, "read a list");
	return r;
}

void entries_done(struct entries *e)
{
	buf_done(&e->text);
}
