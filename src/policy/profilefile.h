/* Reads one profile from the file system, when its owner and mode let it be believed. */
#ifndef POLICY_PROFILEFILE_H
#define POLICY_PROFILEFILE_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>

/* Rationale: fifty times the largest installed profile. */
#define PROFILEFILE_MAX (256 * 1024)

/*
 * Appends the file's text. The file must be regular, belong to root or the user and be writable by
 * nobody else; no_link refuses a symbolic link as its last component. 1: read; 0: there is no such
 * file; -errno with "FILE: WHAT; REMEDY".
 */
int profilefile_read(const char *path, bool no_link, struct buf *out, struct err *err);

/*
 * Names of the profiles in a directory ("NAME.ini" without the end), for messages. Ends with NULL;
 * policy_free_strings(). NULL when there are none, or no memory.
 */
char **profilefile_names(const char *dir);

#endif
