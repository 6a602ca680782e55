/*
 * Runs in the cell's helper. Hostile: all names and links.
 */
#include "helper/gitdir.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "policy/gitshape.h"

#include <fcntl.h>
#include <string.h>

static bool is_in_hooks(const char *path, const char *name)
{
	size_t n = (size_t)(name - path);

	return n >= sizeof("hooks/") - 1 && memcmp(name - 6, "hooks/", 6) == 0 &&
		(n == 6 || name[-7] == '/');
}

bool gitdir_may_concern(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;

	return gitshape_is_part(name) || gitshape_steers(name) || is_in_hooks(path, name);
}

static bool has(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Of `git worktree add`: .git/worktrees/NAME/commondir. */
static bool is_worktree(const char *path)
{
	const char *last = strrchr(path, '/'), *id = last;

	while (id != NULL && id > path && id[-1] != '/')
		id--;
	return id != NULL && (size_t)(id - path) >= sizeof("worktrees/") - 1 &&
		strncmp(id - 10, "worktrees/", 10) == 0;
}

/* The names that git itself gives its directories: there configuration is written before the rest. */
static bool is_named(const char *path, const char *name)
{
	const char *modules = strstr(path, ".git/modules/");
	size_t n = (size_t)(name - path);

	if (modules != NULL && modules < name && (modules == path || modules[-1] == '/'))
		return true;
	return n >= 5 && memcmp(name - 5, ".git/", 5) == 0 && (n == 5 || name[-6] == '/');
}

enum gitdir_kind gitdir_judge(int dir, const char *path, bool *ret_completes)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;

	*ret_completes = false;
	if (gitshape_is_part(name)) {
		*ret_completes = gitshape_is(dir);
		return GITDIR_NONE;
	}
	if (strcmp(name, "commondir") == 0) {
		if (!has(dir, "HEAD"))
			return GITDIR_NONE;
		*ret_completes = true;
		return is_worktree(path) ? GITDIR_COMMONDIR : GITDIR_FORBIDDEN;
	}
	if (strcmp(name, "config") == 0 || strcmp(name, "config.worktree") == 0)
		return is_named(path, name) || gitshape_is(dir) ? GITDIR_CONFIG : GITDIR_NONE;
	if (is_in_hooks(path, name) && !str_ends(name, ".sample")) {
		AUTO_CLOSE int above = openat(dir, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);

		return above >= 0 && gitshape_is(above) ? GITDIR_HOOK : GITDIR_NONE;
	}
	return GITDIR_NONE;
}
