/* See which.h. PATH is the user's own; nothing that is found is opened or run here. */
#include "cli/which.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* 0 when the file can be executed, -EACCES when it is there and cannot, -EPERM when who knows. */
static int try_file(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == EACCES ? -EPERM : -ENOENT;
	if (!S_ISREG(st.st_mode) || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
		return -EACCES;
	return 0;
}

/* DIR "/" NAME, made absolute; an empty DIR is the working directory (POSIX, PATH). */
static char *join(const char *dir, size_t n, const char *name)
{
	AUTO_FREE char *cwd = NULL;
	char *path = NULL;

	if (n > 0 && dir[0] == '/')
		return asprintf(&path, "%.*s/%s", (int)n, dir, name) < 0 ? NULL : path;
	cwd = getcwd(NULL, 0);
	if (cwd == NULL)
		return NULL;
	if (asprintf(&path, "%s%s%.*s/%s", cwd, n > 0 ? "/" : "", (int)n, dir, name) < 0)
		return NULL;
	return path;
}

static int try_dir(const char *dir, size_t n, const char *name, char **ret)
{
	AUTO_FREE char *path = join(dir, n, name);
	int r;

	if (path == NULL)
		return -ENOENT;
	r = try_file(path);
	if (r == 0)
		*ret = take_ptr(&path);
	return r;
}

static int try_absolute(const char *path, char **ret)
{
	int r = try_file(path);

	if (r < 0)
		return r == -EPERM ? -EACCES : r;
	*ret = strdup(path);
	return *ret != NULL ? 0 : -ENOMEM;
}

int which_find(const char *name, char **ret)
{
	const char *dir = getenv("PATH");
	int worst = -ENOENT, r;

	if (name[0] == '/')
		return try_absolute(name, ret);
	if (strchr(name, '/') != NULL) {
		r = try_dir("", 0, name, ret);
		return r == -EPERM ? -EACCES : r;
	}
	if (name[0] == '\0')
		return -ENOENT;
	if (dir == NULL)
		dir = "/bin:/usr/bin"; /* as execvp(3) has it */
	for (;;) {
		size_t n = strcspn(dir, ":");

		r = try_dir(dir, n, name, ret);
		if (r == 0)
			return 0;
		if (r == -EACCES) /* a directory of PATH that we may not enter has nothing */
			worst = r;
		if (dir[n] == '\0')
			return worst;
		dir += n + 1;
	}
}
