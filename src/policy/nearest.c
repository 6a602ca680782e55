/*
 * Edit distance with swaps of neighbours (optimal string alignment), for messages about misspelt
 * names. Runs where profiles are read; the words may be hostile, so they are cut to a fixed size.
 */
#include "policy/nearest.h"

#include <stdint.h>
#include <string.h>

/* Rationale: longer than every key, word and host that a person would misspell recognisably. */
#define NEAREST_MAX 64

static size_t min_of(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t distance(const char *a, const char *b)
{
	size_t n = strnlen(a, NEAREST_MAX), m = strnlen(b, NEAREST_MAX);
	size_t rows[3][NEAREST_MAX + 1];

	for (size_t j = 0; j <= m; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *row = rows[i % 3];
		const size_t *up = rows[(i - 1) % 3], *up2 = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			row[j] = min_of(up[j - 1] + (a[i - 1] != b[j - 1]),
				min_of(up[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = min_of(row[j], up2[j - 2] + 1);
		}
	}
	return rows[n % 3][m];
}

void nearest_try(struct nearest *n, const char *candidate)
{
	size_t d = distance(n->word, candidate);

	if (n->best != NULL && d >= n->best_distance)
		return;
	n->best = candidate;
	n->best_distance = d;
}

const char *nearest_best(const struct nearest *n)
{
	size_t limit = strlen(n->word) / 3;

	if (limit < 2)
		limit = strlen(n->word) > 2 ? 2 : 1;
	return n->best != NULL && n->best_distance <= limit ? n->best : NULL;
}
