/*
 * Runs in the cell's helper. Hostile: all names and links; a shape is judged by names without following
 * any link, so that one made of links counts as well (setup.c of git: is_git_directory()).
 */
#include "helper/gitdir.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <fcntl.h>
#include <string.h>

static const char *const beside[] = { "config", "config.worktree", "commondir", "hooks" };

const char *gitdir_beside(unsigned i)
{
	return i < ARRAY_LEN(beside) ? beside[i] : NULL;
}

/* What completes the shape of one. */
static bool is_part(const char *name)
{
	return strcmp(name, "HEAD") == 0 || strcmp(name, "objects") == 0 || strcmp(name, "refs") == 0;
}

static bool is_beside(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(beside); i++)
		if (strcmp(name, beside[i]) == 0)
			return true;
	return false;
}

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

	return is_part(name) || is_beside(name) || is_in_hooks(path, name);
}

static bool has(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_shaped(int dir)
{
	return has(dir, "HEAD") && ((has(dir, "objects") && has(dir, "refs")) || has(dir, "commondir"));
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
	if (is_part(name)) {
		*ret_completes = is_shaped(dir);
		return GITDIR_NONE;
	}
	if (strcmp(name, "commondir") == 0) {
		if (!has(dir, "HEAD"))
			return GITDIR_NONE;
		*ret_completes = true;
		return is_worktree(path) ? GITDIR_COMMONDIR : GITDIR_FORBIDDEN;
	}
	if (strcmp(name, "config") == 0 || strcmp(name, "config.worktree") == 0)
		return is_named(path, name) || is_shaped(dir) ? GITDIR_CONFIG : GITDIR_NONE;
	if (is_in_hooks(path, name) && !str_ends(name, ".sample")) {
		AUTO_CLOSE int above = openat(dir, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);

		return above >= 0 && is_shaped(above) ? GITDIR_HOOK : GITDIR_NONE;
	}
	return GITDIR_NONE;
}
