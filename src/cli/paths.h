/*
 * Where things are: home, project, XDG directories, installed profiles.
 *
 * Runs in the `agentjail` process with the user's rights. Input: the user's environment and the
 * file system; a foreign user may own directories above the working directory.
 */
#ifndef CLI_PATHS_H
#define CLI_PATHS_H

#include "base/err.h"

/* All absolute. Owned; paths_done(). runtime_dir is NULL without XDG_RUNTIME_DIR. */
struct paths {
	char *home, *cwd, *project; /* resolved: no symbolic links */
	char *config_dir, *state_dir, *cache_dir, *runtime_dir;
	char *profiles_dir, *system_file;
};

/*
 * Fills all of ret. project is --project's argument or NULL: then the git top level of the working
 * directory, else that itself. "/", HOME and what is above HOME are refused. 0 or -errno with err,
 * which says the remedy; paths_done() in both cases.
 */
int paths_find_home(struct paths *ret, struct err *err); /* all but the project */
int paths_find(const char *project, struct paths *ret, struct err *err);
void paths_done(struct paths *p);

/*
 * Resolved path of this program's own file; NULL with errno. The caller's.
 */
char *paths_self(void);

#endif
