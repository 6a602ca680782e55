/*
 * Runs in the warden, the helper and verbs, with the user's own rights. Hostile: nothing above the
 * directories opened here is a cell's to write; other users may own what lies around them.
 */
#include "wire/privatedir.h"

#include "base/cleanup.h"
#include "base/dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* A directory of somebody else's, or one that others can write, is no place for what we trust. */
static int check_owner(int dir, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(dir, &st) < 0)
		return err_set(err, errno, "%s", path);
	if (st.st_uid != geteuid() || (st.st_mode & 0022) != 0)
		return err_set(err, EPERM, "%s is not yours alone to write", path);
	return 0;
}

int privatedir_open(const char *path, bool is_made, int *ret, struct err *err)
{
	AUTO_CLOSE int dir = -1;
	int r = is_made ? dirs_make(path) : 0;

	if (r < 0)
		return err_set(err, -r, "make %s", path);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(err, errno, "open %s", path);
	if (check_owner(dir, path, err) < 0)
		return -err->code;
	*ret = take_fd(&dir);
	return 0;
}

int privatedir_child(int dir, const char *name, bool is_made, int *ret, struct err *err)
{
	AUTO_CLOSE int child = -1;

	if (is_made && mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return err_set(err, errno, "make %s", name);
	child = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (child < 0)
		return err_set(err, errno, "open %s", name);
	if (check_owner(child, name, err) < 0)
		return -err->code;
	*ret = take_fd(&child);
	return 0;
}
