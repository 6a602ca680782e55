/* Which names are worth a look: answered for every call of a command, without one of our own. */
#ifndef HELPER_NAMEBITS_H
#define HELPER_NAMEBITS_H

#include <stdbool.h>

/* Rationale: one bit for a name's hash; a few thousand names leave most alone. */
#define NAMEBITS 65536u

struct namebits {
	unsigned char bits[NAMEBITS / 8];
};

/* The last component of a path; is a name one of them (or has it another's hash)? */
void namebits_add(struct namebits *b, const char *path);
bool namebits_has(const struct namebits *b, const char *name);

#endif
