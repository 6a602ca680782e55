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
 * NULL: fine. Else why it is refused, static text: dot segments (also percent-encoded), empty
 * segments but the last, encoded '/', '\\' or NUL, ';' with a dot segment behind, a backslash, a
 * control byte, a blank, '#', bytes above 0x7e, a malformed or overlong percent-encoding.
 */
const char *urlpath_normal(const char *target, size_t n, struct buf *ret_path,
	const char **ret_query, size_t *ret_query_n);

/*
 * Does a glob of [inject] path match a path in normal form? '*' within a segment, '**' over
 * segments; a final slash-star matches everything below, slashes included. Case counts.
 */
bool urlpath_matches(const char *pattern, const char *path);

#endif
