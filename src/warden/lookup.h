/*
 * What an exec would fail with in the cell: the answer must come before the redirect, or a search
 * along PATH would stop at its first directory and "not found" would become a program that fails.
 */
#ifndef WARDEN_LOOKUP_H
#define WARDEN_LOOKUP_H

#include <stdbool.h>

struct policy;

/*
 * path is absolute, in normal form or not; root is the cell's root directory (O_PATH); nofollow: a
 * final symbolic link is -ELOOP. 0: the cell
 * can execute it as far as can be told, or -ENOENT, -EACCES, -ENOTDIR, -ELOOP, -ENAMETOOLONG,
 * -ENOEXEC as execve(2) would say.
 */
int lookup_exec(int root, const char *path, bool nofollow);

/*
 * The first program of that name along a search path, absolute directories alone, which no cell can
 * write. The caller frees; NULL with errno.
 */
char *lookup_program(int root, const struct policy *policy, const char *name, const char *path);

#endif
