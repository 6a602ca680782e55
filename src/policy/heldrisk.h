/* What the host does with a file that commands changed, by its path, in words. Pure. */
#ifndef POLICY_HELDRISK_H
#define POLICY_HELDRISK_H

#include <stdbool.h>

/* By the path below the project; never NULL. */
const char *heldrisk_of(const char *path);

/* Is it git's configuration, whose variables policy/gitconfig.h knows? */
bool heldrisk_is_gitconfig(const char *path);

#endif
