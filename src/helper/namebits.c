/* Runs in the cell's helper. Hostile: every name; one that has another's hash costs a look. */
#include "helper/namebits.h"

#include <string.h>

static unsigned bit_of(const char *name)
{
	unsigned hash = 5381;

	while (*name != '\0')
		hash = hash * 33 + (unsigned char)*name++;
	return (hash ^ hash >> 16) % NAMEBITS;
}

void namebits_add(struct namebits *b, const char *path)
{
	const char *slash = strrchr(path, '/');
	unsigned bit = bit_of(slash != NULL ? slash + 1 : path);

	b->bits[bit / 8] |= (unsigned char)(1u << bit % 8);
}

bool namebits_has(const struct namebits *b, const char *name)
{
	unsigned bit = bit_of(name);

	return (b->bits[bit / 8] >> bit % 8 & 1) != 0;
}
