/*
 * Measuring and removing directory trees that commands filled: as deep, as wide and as closed as
 * they liked. No link is followed.
 */
#ifndef CLI_TREE_H
#define CLI_TREE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct tree_size {
	uint64_t bytes;	   /* on disk */
	bool is_incomplete; /* there is more, too deep or closed to look at */
};

/* Adds what lies below dir, which is borrowed. */
void tree_measure(int dir, struct tree_size *size);

/*
 * Removes all that lies below dir (borrowed), but for the name `keep` directly in it (NULL: for
 * nothing). Closed directories are opened first. Should: be called when nobody else works in there.
 * 0 or -errno with err.
 */
int tree_empty(int dir, const char *keep, struct err *err);

#endif
