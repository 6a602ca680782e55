/*
 * Globs of [inject] path, as small automata: what they match, and how two of them relate. '*' is
 * any run of bytes but '/', '**' any run, a component "**" between slashes also none, and a final
 * slash-star everything below. All else is itself; there is no '?'.
 */
#ifndef POLICY_URLGLOB_H
#define POLICY_URLGLOB_H

#include <stdbool.h>

/* Rationale: a line holds 199 bytes, of which percent-encoding makes a few more. */
#define URLGLOB_MAX 248

bool urlglob_matches(const char *pattern, const char *path);

/* Is there a text that both match? */
bool urlglob_overlap(const char *a, const char *b);

/* Does a match whatever b matches? False too where finding out would take too long. */
bool urlglob_contains(const char *a, const char *b);

#endif
