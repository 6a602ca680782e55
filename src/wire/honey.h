/*
 * Honeytokens: the fake keys that a session's hidden files show, and finding one in what a command
 * sends. They are secrets of nobody; knowing them gives away no more than that there is a trap.
 */
#ifndef WIRE_HONEY_H
#define WIRE_HONEY_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* Rationale: every store of the warden's table, with a few keys each. */
#define HONEY_TOKENS_MAX 64u
/*
 * Looked for is any of a few parts of a token, of this length: 14 random letters are not written by
 * chance, and one that was cut in half is found all the same.
 */
#define HONEY_WINDOW 14u
#define HONEY_TOKEN_MIN 24u
#define HONEY_TEXT_MAX (64u << 10)

struct honey;

/*
 * text: a line "TOKEN PATH" for each. *ret is the caller's: honey_free(). 0, -EINVAL for what is no
 * such line, -ENOMEM.
 */
int honey_new(const char *text, size_t n, struct honey **ret);
void honey_free(struct honey *honey); /* NULL is fine */

/*
 * The path whose token is in n bytes: as it is, with or without its letters' case, or within base64
 * or hexadecimal digits; NULL: none (honey NULL: none is known). About 2 ns a byte.
 */
const char *honey_find(const struct honey *honey, const char *bytes, size_t n);

/* The same for a host name, of which dots and hyphens do not count: a token may be cut at them. */
const char *honey_find_name(const struct honey *honey, const char *name);

/* The same for bytes that come in parts. Starts as {0}. */
struct honey_scan {
	char tail[HONEY_WINDOW - 1];
	size_t n;
};

const char *honey_find_part(const struct honey *honey, struct honey_scan *scan, const char *bytes,
	size_t n);

#endif
