/* Runs in the warden and the cell's helper. Hostile: every name in the directory. */
#include "policy/gitshape.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const char *const steering[] = { "config", "config.worktree", "commondir", "hooks" };

static bool has(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool gitshape_is(int dir)
{
	return has(dir, "HEAD") && ((has(dir, "objects") && has(dir, "refs")) || has(dir, "commondir"));
}

bool gitshape_is_part(const char *name)
{
	return strcmp(name, "HEAD") == 0 || strcmp(name, "objects") == 0 || strcmp(name, "refs") == 0;
}

const char *gitshape_steering(unsigned i)
{
	return i < ARRAY_LEN(steering) ? steering[i] : NULL;
}

bool gitshape_steers(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(steering); i++)
		if (strcmp(name, steering[i]) == 0)
			return true;
	return false;
}
