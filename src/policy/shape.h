/*
 * What credentials look like from outside: a public prefix, an alphabet, a length. Fakes are made
 * in the shape of the real thing, so that clients start. Pure. Nothing but an entry of the fixed
 * table and a length is ever taken from a real value.
 */
#ifndef POLICY_SHAPE_H
#define POLICY_SHAPE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* Rationale: the longest tokens in use; a longer fake would only fill the environment. */
#define SHAPE_BYTES_MAX 512u

struct shape {
	unsigned kind; /* index in the table; 0: nothing is known of it */
	size_t bytes;  /* in all; 0: what the kind has usually */
};

/* The shape of a value of n bytes. */
struct shape shape_of_value(const char *value, size_t n);

/* What a variable of that name usually holds. */
struct shape shape_of_name(const char *variable);

/* A random value of the shape, appended to out. 0 or -errno. */
int shape_fake(struct shape shape, struct buf *out);

#endif
