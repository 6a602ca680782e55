/*
 * Fakes of secrets for the cell, so that clients which insist on a variable start: random for each
 * session, in the shape of the real thing, and no secret. Nothing ever looks for one in a request.
 */
#ifndef WARDEN_FAKES_H
#define WARDEN_FAKES_H

#include "base/buf.h"
#include "policy/roles.h"

struct fakes {
	struct buf list; /* n strings NAME=VALUE one after the other, each with its NUL */
	size_t n;
};

/*
 * Makes one for each variable that [inject] env names, and those that sign = aws needs. shapes: one
 * entry for each rule; NULL: there is none. ret starts as {0}. 0 or -errno with err.
 */
int fakes_make(const struct policy *policy, const struct source_shapes *shapes, struct fakes *ret,
	struct err *err);

/* Is there one for the variable whose name has n bytes? */
bool fakes_has(const struct fakes *fakes, const char *name, size_t n);

#endif
