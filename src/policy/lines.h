/* One profile's text -> its lines, before any of them is given a meaning. */
#ifndef POLICY_LINES_H
#define POLICY_LINES_H

#include "base/err.h"

#include <stddef.h>

/* Rationale: what inih's buffer holds as distributions build it; longer lines would be cut. */
#define LINES_LINE_MAX 199

/* Rationale: inih cuts names of sections and keys beyond this. */
#define LINES_NAME_MAX 49

struct lines_entry {
	char *section; /* without brackets */
	char *key; /* NULL: the header of the section itself */
	char *value;
	unsigned line; /* from 1 */
};

struct lines {
	struct lines_entry *entries;
	size_t n, cap;
};

/*
 * Parses text (n bytes, text[n] is NUL). file is for messages. 0, or -errno with "FILE:LINE: ...";
 * lines_done() either way.
 */
int lines_parse(struct lines *lines, const char *file, const char *text, size_t n, struct err *err);
void lines_done(struct lines *lines);

#define AUTO_LINES __attribute__((cleanup(lines_done)))

/* Puts "FILE:LINE: " (line 0: "FILE: ") before err's text. Returns -err->code. */
int lines_at(struct err *err, const char *file, unsigned line);

#endif
