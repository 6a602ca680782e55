/* What the host does with a file that commands changed, by its path, in words. Pure. */
#ifndef POLICY_HELDRISK_H
#define POLICY_HELDRISK_H

#include <stdbool.h>
#include <stddef.h>

/* By the path below the project; never NULL. */
const char *heldrisk_of(const char *path);

/* Is it git's configuration, whose variables policy/gitconfig.h knows? */
bool heldrisk_is_gitconfig(const char *path);

/*
 * Files at a project's top that are no longer what they seem once commands have changed them, and that
 * a day's work changes all the time: not held, but named when a session ends. One with a slash at its
 * end is a directory, and means the files in it.
 */
const char *const *heldrisk_listed(size_t *n);

#endif
