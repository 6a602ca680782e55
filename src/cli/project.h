/* Which directory is the project. */
#ifndef CLI_PROJECT_H
#define CLI_PROJECT_H

#include "base/err.h"

/*
 * wanted (--project) if it is not NULL, else the nearest directory from cwd upwards that has a
 * .git (file or directory), else cwd. "/", home and what is above home are refused; the search
 * ends below them. A .git counts that belongs to the user or to the owner of cwd: a foreign user
 * who makes /tmp/.git must not make all of /tmp somebody's project. cwd and home are resolved.
 * *ret is the caller's, resolved. 0 or -errno with err, which says the remedy.
 */
int project_find(
	const char *wanted, const char *cwd, const char *home, char **ret, struct err *err);

#endif
