/*
 * What differs between two texts, as a unified diff. Our own, and no program: git and diff read
 * configuration, attributes and variables that name programs, in the very project whose files are
 * hostile; and what they print goes to the terminal as it is.
 */
#ifndef CLI_LINEDIFF_H
#define CLI_LINEDIFF_H

#include "base/buf.h"

struct linediff_text {
	const char *data; /* may be NULL where bytes is 0 */
	size_t bytes;
};

/*
 * Appends the hunks, none where the texts are the same. Every line is fit for a terminal: tabs stay,
 * other control characters and what is not ASCII become \xNN. Time and memory are bounded: parts that
 * are very large and differ all over are shown as taken away and added as a whole.
 */
void linediff_add(const struct linediff_text *old, const struct linediff_text *new, struct buf *out);

#endif
