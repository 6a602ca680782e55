/*
 * The user's profiles for `agentjail selftest`: copied into the throwaway home without rules and
 * tools, so that no secret is read and no command of theirs is run for a test. See selftest.h. Runs
 * with the user's rights; the files are the user's own.
 */
#include "cli/selftest.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Rationale: the installed default has 40 kilobytes. */
#define PROFILE_BYTES (1 << 20)

static bool is_kept(const char *header)
{
	return !str_starts(header, "[inject ") && !str_starts(header, "[tool ");
}

/* from's lines into a new file; -ENOENT where there is none. */
static int copy_profile(const char *from, const char *to)
{
	AUTO_CLOSE int in = open(from, O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int out = -1;
	AUTO_BUF struct buf text = { 0 };
	bool keeps = true;
	char *rest, *line;
	int r;

	if (in < 0)
		return -errno;
	r = buf_read_fd(&text, in, PROFILE_BYTES);
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (r < 0 || out < 0)
		return r < 0 ? r : -errno;
	rest = text.data;
	while (rest != NULL && (line = strsep(&rest, "\n")) != NULL) {
		if (line[0] == '[')
			keeps = is_kept(line);
		/* A skipped line stays as an empty one: messages name the lines of the user's file.
		 */
		if (dprintf(out, "%s%s", keeps ? line : "", rest != NULL ? "\n" : "") < 0)
			return -errno;
	}
	return 0;
}

static int copy_in(const char *from, const char *to, const char *name)
{
	AUTO_FREE char *source = NULL;
	AUTO_FREE char *target = NULL;

	if (asprintf(&source, "%s/%s", from, name) < 0 || asprintf(&target, "%s/%s", to, name) < 0)
		return -ENOMEM;
	return copy_profile(source, target);
}

static int copy_profiles(const char *from, const char *to)
{
	DIR *dir = opendir(from);
	struct dirent *entry;
	int r = 0;

	while (dir != NULL && r == 0 && (entry = readdir(dir)) != NULL)
		if (str_ends(entry->d_name, ".ini"))
			r = copy_in(from, to, entry->d_name);
	if (dir != NULL)
		(void)closedir(dir);
	return r;
}

int selftest_config_copy(
	const struct launch *launch, const struct selftest_side *side, struct err *err)
{
	const char *from = launch->paths.config_dir;
	AUTO_FREE char *to = NULL;
	AUTO_FREE char *profiles = NULL;
	AUTO_FREE char *source = NULL;
	int r;

	if (asprintf(&to, "%s/.config/agentjail", side->home) < 0 ||
		asprintf(&profiles, "%s/profiles", to) < 0 ||
		asprintf(&source, "%s/profiles", from) < 0)
		return err_set(err, ENOMEM, "selftest");
	if (mkdir(to, 0700) < 0 || mkdir(profiles, 0700) < 0)
		return err_set(err, errno, "%s", to);
	r = copy_in(from, to, "agentjail.ini");
	if (r == 0 || r == -ENOENT)
		r = copy_profiles(source, profiles);
	return r < 0 ? err_set(err, -r, "copy %s", from) : 0;
}

int selftest_config_profile(
	const struct selftest *t, const char *profile, char **ret, struct err *err)
{
	const char *slash = strrchr(profile, '/');
	int r = 0;

	/* A name is looked up among the copies and the installed ones. */
	if (slash == NULL)
		*ret = strdup(profile);
	else if (asprintf(ret, "%s/profile%s", t->dir, slash) < 0)
		*ret = NULL;
	if (*ret == NULL)
		return err_set(err, ENOMEM, "selftest");
	if (slash != NULL) {
		AUTO_FREE char *dir = strndup(*ret, strlen(*ret) - strlen(slash));

		r = dir == NULL            ? -ENOMEM
		    : mkdir(dir, 0700) < 0 ? -errno
					   : copy_profile(profile, *ret);
	}
	return r < 0 ? err_set(err, -r, "%s", profile) : 0;
}
