/* See paths.h. */
#include "cli/paths.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "cli/project.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define QUOTE_BYTES 256

static char *join(const char *a, const char *b)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s", strcmp(a, "/") == 0 ? "" : a, b) < 0 ? NULL : path;
}

/* realpath of a directory, else NULL. */
static char *resolve_dir(const char *path)
{
	AUTO_FREE char *dir = NULL;
	struct stat st;

	if (path == NULL || path[0] != '/')
		return NULL;
	dir = realpath(path, NULL);
	if (dir == NULL || stat(dir, &st) < 0 || !S_ISDIR(st.st_mode))
		return NULL;
	return take_ptr(&dir);
}

/*
 * The home that /etc/passwd has for this user, or NULL. Not getpwuid(3): other databases come as
 * shared libraries, which a static program must not load.
 */
static char *passwd_home(void)
{
	FILE *file = fopen("/etc/passwd", "re");
	const struct passwd *pw = NULL;
	char *home;

	while (file != NULL && (pw = fgetpwent(file)) != NULL && pw->pw_uid != geteuid())
		continue;
	home = resolve_dir(pw != NULL ? pw->pw_dir : NULL);
	if (file != NULL)
		(void)fclose(file);
	return home;
}

/* $HOME when it is good, else what /etc/passwd says: masks are made from it, so it must be right. */
static int find_home(char **ret, struct err *err)
{
	const char *variable = getenv("HOME");
	char quoted[QUOTE_BYTES];

	*ret = resolve_dir(variable);
	if (*ret != NULL)
		return 0;
	*ret = passwd_home();
	if (*ret != NULL)
		return 0;
	if (variable == NULL)
		variable = "";
	return err_set(err, 0,
		"HOME=%s is no directory and /etc/passwd has no other; set HOME",
		log_quote(variable, strlen(variable), quoted, sizeof(quoted)));
}

/* $VARIABLE/agentjail, or HOME/FALLBACK/agentjail (XDG Base Directory: relative ones are ignored).
 */
static char *xdg_dir(const char *variable, const char *home, const char *fallback)
{
	AUTO_FREE char *base = NULL;
	const char *value = getenv(variable);

	if (value != NULL && value[0] == '/')
		return join(value, "agentjail");
	if (fallback == NULL)
		return NULL;
	base = join(home, fallback);
	return base != NULL ? join(base, "agentjail") : NULL;
}

char *paths_self(void)
{
	return realpath("/proc/self/exe", NULL);
}

/* Run from a build tree (DIR/build/agentjail): that tree's profiles; else the installed ones. */
static char *find_profiles(void)
{
	AUTO_FREE char *self = paths_self();
	AUTO_FREE char *file = NULL;
	char *slash = self != NULL ? strrchr(self, '/') : NULL;
	char *dir = NULL;

	if (slash != NULL) {
		*slash = '\0';
		slash = strrchr(self, '/');
	}
	if (slash != NULL && strcmp(slash, "/build") == 0) {
		*slash = '\0';
		if (asprintf(&file, "%s/profiles/default.ini", self) < 0)
			return NULL;
		if (access(file, F_OK) == 0)
			return asprintf(&dir, "%s/profiles", self) < 0 ? NULL : dir;
	}
	return strdup(AGENTJAIL_DATADIR "/agentjail/profiles");
}

int paths_find_home(struct paths *ret, struct err *err)
{
	int r;

	*ret = (struct paths){ 0 };
	ret->cwd = getcwd(NULL, 0);
	if (ret->cwd == NULL)
		return err_set(err, errno, "the working directory");
	r = find_home(&ret->home, err);
	if (r < 0)
		return r;
	ret->config_dir = xdg_dir("XDG_CONFIG_HOME", ret->home, ".config");
	ret->state_dir = xdg_dir("XDG_STATE_HOME", ret->home, ".local/state");
	ret->cache_dir = xdg_dir("XDG_CACHE_HOME", ret->home, ".cache");
	ret->runtime_dir = xdg_dir("XDG_RUNTIME_DIR", ret->home, NULL);
	ret->profiles_dir = find_profiles();
	ret->system_file = strdup(AGENTJAIL_SYSCONFDIR "/agentjail/agentjail.ini");
	if (ret->config_dir == NULL || ret->state_dir == NULL || ret->cache_dir == NULL ||
		ret->profiles_dir == NULL || ret->system_file == NULL)
		return err_set(err, ENOMEM, "paths");
	return 0;
}

int paths_find(const char *project, struct paths *ret, struct err *err)
{
	int r = paths_find_home(ret, err);

	if (r < 0)
		return r;
	return project_find(project, ret->cwd, ret->home, &ret->project, err);
}

void paths_done(struct paths *p)
{
	free(p->home);
	free(p->cwd);
	free(p->project);
	free(p->config_dir);
	free(p->state_dir);
	free(p->cache_dir);
	free(p->runtime_dir);
	free(p->profiles_dir);
	free(p->system_file);
	*p = (struct paths){ 0 };
}
