/* What in a directory makes git on the host run something: by the shape of a git directory alone. */
#ifndef HELPER_GITDIR_H
#define HELPER_GITDIR_H

#include <stdbool.h>
#include <sys/stat.h>

enum gitdir_kind {
	GITDIR_NONE,
	GITDIR_CONFIG, /* git-config(1) */
	GITDIR_HOOK, /* githooks(5), not a sample */
	GITDIR_COMMONDIR, /* a linked worktree's, which says "../.." */
	GITDIR_FORBIDDEN, /* nothing but a way round the two */
};

/* Could the last component of a path below the project be of interest? By its spelling alone. */
bool gitdir_may_concern(const char *path);

/*
 * What a path's last component, in its directory dir (O_PATH), is to git, whatever its file is by now;
 * *ret_completes: it can be what makes dir a git directory, so that names beside it
 * (gitshape_steering()) count from now on.
 */
enum gitdir_kind gitdir_judge(int dir, const char *path, bool *ret_completes);

#endif
