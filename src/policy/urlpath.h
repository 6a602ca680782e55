/*
 * The one normal form of a request's path: what the rules are matched on and what is sent to the
 * host, byte for byte. A path that two servers could read in two ways is refused instead.
 */
#ifndef POLICY_URLPATH_H
#define POLICY_URLPATH_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Splits a request target in origin-form ("/a/b?q") at its first '?' and writes the path's normal
 * form to ret_path (appended, no NUL; RFC 3986, 6.2.2: percent-encoding with capital letters, no
 * unreserved byte percent-encoded, no dot segments). The query stays as it is: *ret_query points
 * into target behind the '?', NULL without one.
 *
 * NULL: fine. Else why it is refused, static text: dot segments and empty ones but the last (also
 * percent-encoded, also those that ';' or an encoded '/' make), an encoded '\\' or control byte, a
 * backslash, a control byte, a blank, '#', bytes above 0x7e, a malformed, overlong or doubled
 * percent-encoding. An encoded '/' stays as %2F (registries and forges need it for names with a
 * slash); urlpath_matches() is what makes it harmless.
 */
const char *urlpath_normal(const char *target, size_t n, struct buf *ret_path,
	const char **ret_query, size_t *ret_query_n);

/*
 * Does a glob of [inject] path match a path in normal form? '*' within a segment, '**' over
 * segments; a final slash-star matches everything below, slashes included. Case counts. A path
 * with %2F matches only when it does so in both ways in which a server may read it: as a byte of a
 * segment and as a slash.
 */
bool urlpath_matches(const char *pattern, const char *path);

/* Does a match every path that b matches? False too where finding out would take too long. */
bool urlpath_contains(const char *a, const char *b);

/* May one path match both? */
bool urlpath_overlap(const char *a, const char *b);

#endif
