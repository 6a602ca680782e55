/* Directories of the user's own, for what sessions leave behind: made private, checked when opened. */
#ifndef WIRE_PRIVATEDIR_H
#define WIRE_PRIVATEDIR_H

#include "base/err.h"

#include <stdbool.h>

/*
 * Opens a directory that must be the user's and nobody else's to write; with is_made it and what is
 * missing above it is made (0700). *ret is the caller's. 0 or -errno with err: -EPERM where the
 * owner or the mode is wrong, -ENOENT where it is not there.
 */
int privatedir_open(const char *path, bool is_made, int *ret, struct err *err);

/* The same for a name in the directory dir; a symbolic link is refused (-ENOTDIR). */
int privatedir_child(int dir, const char *name, bool is_made, int *ret, struct err *err);

#endif
