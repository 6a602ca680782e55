/* See project.h. No git is executed: a repository's configuration can name programs to run. */
#include "cli/project.h"

#include "base/cleanup.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define QUOTE_BYTES 256

/* dir is home or above it. */
static bool is_above(const char *dir, const char *home)
{
	size_t n = strlen(dir);

	if (strcmp(dir, "/") == 0)
		return true;
	return strncmp(home, dir, n) == 0 && (home[n] == '/' || home[n] == '\0');
}

static bool has_git(int dir, uid_t cwd_owner)
{
	struct stat st;

	if (fstatat(dir, ".git", &st, 0) < 0)
		return false;
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return false;
	return st.st_uid == geteuid() || st.st_uid == cwd_owner;
}

/* Cuts the last component off; false at "/". */
static bool go_up(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash == NULL || path[1] == '\0')
		return false;
	slash[slash == path] = '\0';
	return true;
}

/* The git top level above cwd, or a copy of cwd; NULL without memory. */
static char *search(const char *cwd, const char *home)
{
	AUTO_FREE char *at = strdup(cwd);
	struct stat st;

	if (at == NULL || stat(cwd, &st) < 0)
		return take_ptr(&at);
	do {
		AUTO_CLOSE int dir = -1;

		if (is_above(at, home))
			break;
		dir = open(at, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (dir >= 0 && has_git(dir, st.st_uid))
			return take_ptr(&at);
	} while (go_up(at));
	return strdup(cwd);
}

static int refuse(const char *dir, const char *home, struct err *err)
{
	char quoted[QUOTE_BYTES];
	const char *what = "above your home directory";

	(void)log_quote(dir, strlen(dir), quoted, sizeof(quoted));
	if (strcmp(dir, "/") == 0)
		what = "the whole system";
	else if (strcmp(dir, home) == 0)
		what = "your home directory";
	return err_set(err, 0,
		"%s cannot be the project: it is %s; cd into a project or give --project DIR",
		quoted, what);
}

int project_find(const char *wanted, const char *cwd, const char *home, char **ret, struct err *err)
{
	AUTO_FREE char *dir = NULL;
	char quoted[QUOTE_BYTES];
	struct stat st;

	dir = wanted != NULL ? realpath(wanted, NULL) : search(cwd, home);
	if (dir == NULL)
		return err_set(err, errno, "project %s",
			wanted != NULL ? log_quote(wanted, strlen(wanted), quoted, sizeof(quoted))
				       : "");
	if (stat(dir, &st) < 0)
		return err_set(err, errno, "project %s",
			log_quote(dir, strlen(dir), quoted, sizeof(quoted)));
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "project %s",
			log_quote(dir, strlen(dir), quoted, sizeof(quoted)));
	if (is_above(dir, home))
		return refuse(dir, home, err);
	*ret = take_ptr(&dir);
	return 0;
}
