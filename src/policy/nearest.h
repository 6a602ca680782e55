/* "Did you mean": the candidate with the smallest edit distance to a word. */
#ifndef POLICY_NEAREST_H
#define POLICY_NEAREST_H

#include <stddef.h>

/* Starts as { .word = WORD }. Candidates must outlive it. */
struct nearest {
	const char *word;
	const char *best;
	size_t best_distance;
};

void nearest_try(struct nearest *n, const char *candidate);

/* The best candidate, or NULL when none is close enough to be a misspelling of the word. */
const char *nearest_best(const struct nearest *n);

#endif
