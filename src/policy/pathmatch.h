/*
 * Path patterns: '*' and '?' stay within a component, a component "**" is any number of them. A
 * pattern that matches a directory matches all below it. A name rule is a pattern without a slash
 * that is compared with single components. Paths are absolute and in normal form.
 */
#ifndef POLICY_PATHMATCH_H
#define POLICY_PATHMATCH_H

#include <stdbool.h>
#include <stddef.h>

/* How close a match is; see policy_decide() in policy.h for the order. */
struct pathmatch {
	size_t depth; /* components of the path up to the one that matched */
	bool is_literal; /* the pattern has no wildcard */
	size_t literal_bytes; /* bytes of the pattern that are no wildcards */
};

/*
 * True: they differ before any wildcard, so that pathmatch_find() would find nothing. Also of two
 * texts that follow the same beginning without a wildcard.
 */
bool pathmatch_differs(const char *pattern, const char *path);

/* The closest match of an absolute pattern to path or a directory above it. */
bool pathmatch_find(const char *pattern, const char *path, struct pathmatch *ret);

/* The path itself matches, no directory above it. */
bool pathmatch_exact(const char *pattern, const char *path);

/* A component of n bytes against a pattern without slashes. */
bool pathmatch_component(const char *pattern, const char *component, size_t n);

/* Fills everything but the depth. */
void pathmatch_measure(const char *pattern, struct pathmatch *ret);

/* Positive when a is the more specific one, negative when b is, 0 when they are equal. */
int pathmatch_compare(const struct pathmatch *a, const struct pathmatch *b);

/* path is dir or below it. */
bool pathmatch_is_within(const char *path, const char *dir);

/* Number of components; 0 for "/". */
size_t pathmatch_depth(const char *path);

#endif
