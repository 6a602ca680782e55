/* A path of the command line -> an entry of a profile's list. The path may be any bytes. */
#ifndef CLI_ENTRY_H
#define CLI_ENTRY_H

#include "base/err.h"

/*
 * Makes a path or pattern absolute against the working directory, without "." and "..", and puts
 * it in quotes, so that blanks stay part of it. "~/..." and a "!" in front keep their meaning.
 * *ret is the caller's. 0 or -errno with err.
 */
int entry_from_path(const char *path, char **ret, struct err *err);

/* The same for a path that names a file: no quotes, and neither "~" nor "!" means anything. */
int entry_absolute(const char *path, char **ret, struct err *err);

#endif
