/*
 * Git directories in the mount plan. Runs in the warden, with the user's own rights.
 * Hostile: the project's .git, be it a directory or a file that names one (gitrepository-layout(5)).
 */
#include "cell/plan.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Rationale: one path and a keyword; git itself refuses larger ones. */
#define GITFILE_MAX 8192u

/*
 * Names in a git directory that make git run commands or look elsewhere. Configuration is held: git
 * writes it all the time. Nobody writes hooks and the names of directories but their maker.
 */
static const char *const git_protected[] = { "config", "config.worktree", "hooks", "commondir",
	"modules/*/config", "modules/*/hooks", "worktrees/*/config.worktree", "worktrees/*/commondir",
	"worktrees/*/gitdir", "info/attributes" };

int plan_add_repository(const struct run_plan *run, struct mount_plan *plan, const char *gitdir,
	bool in_project, struct err *err)
{
	struct mount_entry pin = { .path = (char *)(size_t)gitdir,
		.kind = MOUNT_PIN,
		.is_dir = true,
		.is_in_project = in_project };

	if (plan_add(plan, pin, err) < 0)
		return -err->code;
	for (size_t i = 0; i < ARRAY_LEN(git_protected); i++) {
		AUTO_BUF struct buf pattern = { 0 };
		glob_t found = { 0 };
		int r = 0;

		plan_escape(gitdir, true, &pattern);
		buf_addf(&pattern, "/%s", git_protected[i]);
		if (pattern.failed)
			return err_set(err, ENOMEM, "%s", gitdir);
		if (glob(pattern.data, GLOB_NOSORT, NULL, &found) == GLOB_NOSPACE)
			r = err_set(err, ENOMEM, "glob %s", pattern.data);
		for (size_t k = 0; r == 0 && k < found.gl_pathc; k++) {
			struct stat st;
			struct mount_entry entry = { .path = found.gl_pathv[k],
				.kind = MOUNT_PROTECT,
				.is_in_project = in_project };

			if (lstat(entry.path, &st) < 0)
				continue;
			if (in_project && S_ISREG(st.st_mode) &&
				strstr(git_protected[i], "config") != NULL &&
				plan_is_held(run->policy, entry.path))
				entry.kind = MOUNT_HOLD;
			entry.is_dir = S_ISDIR(st.st_mode);
			entry.dev = in_project ? st.st_dev : 0;
			entry.ino = in_project ? st.st_ino : 0;
			r = plan_add(plan, entry, err);
			/* Remotes with a password in their URL, headers with a token. */
			if (r == 0 && S_ISREG(st.st_mode) && strstr(git_protected[i], "config") != NULL) {
				entry.kind = MOUNT_REDACT;
				entry.form = REDACTFORM_GIT;
				r = plan_add(plan, entry, err);
			}
			if (r == 0 && in_project && S_ISLNK(st.st_mode))
				r = plan_add_link_target(run, plan, entry, err);
		}
		globfree(&found);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The first line of dir/name without its end and, if given, without its keyword. False: none. */
static bool read_line(const char *dir, const char *name, const char *keyword, char out[PATH_MAX])
{
	AUTO_BUF struct buf path = { 0 };
	AUTO_BUF struct buf text = { 0 };
	AUTO_CLOSE int fd = -1;
	size_t skip = strlen(keyword), n;

	buf_addf(&path, "%s/%s", dir, name);
	if (path.failed)
		return false;
	fd = open(path.data, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || buf_read_fd(&text, fd, GITFILE_MAX) < 0 || !str_starts(text.data, keyword))
		return false;
	n = strcspn(text.data + skip, "\r\n");
	if (n == 0 || n >= PATH_MAX)
		return false;
	memcpy(out, text.data + skip, n);
	out[n] = '\0';
	return true;
}

/* realpath(3) of a name that git reads relative to dir. */
static bool resolve_below(const char *dir, const char *name, char out[PATH_MAX])
{
	AUTO_BUF struct buf path = { 0 };

	if (name[0] == '/')
		buf_adds(&path, name);
	else
		buf_addf(&path, "%s/%s", dir, name);
	return !path.failed && realpath(path.data, out) != NULL;
}

static bool has_entry(const char *dir, const char *name)
{
	AUTO_BUF struct buf path = { 0 };
	struct stat st;

	buf_addf(&path, "%s/%s", dir, name);
	return !path.failed && stat(path.data, &st) == 0;
}

/* A linked worktree's directory names the worktree's .git file in return; nothing planted does. */
static bool is_own_worktree(const char *gitdir, const char *project)
{
	char line[PATH_MAX], back[PATH_MAX];
	AUTO_BUF struct buf want = { 0 };

	buf_addf(&want, "%s/.git", project);
	return !want.failed && read_line(gitdir, "gitdir", "", line) &&
		resolve_below(gitdir, line, back) && strcmp(back, want.data) == 0;
}

/* A submodule's directory stands below .git/modules of a repository that contains the project. */
static bool is_own_submodule(const char *gitdir, const char *project)
{
	const char *modules = strstr(gitdir, "/.git/modules/");
	size_t n;

	if (modules == NULL)
		return false;
	n = (size_t)(modules - gitdir);
	return strncmp(gitdir, project, n) == 0 && project[n] == '/';
}

int plan_add_gitdir(const struct run_plan *run, struct mount_plan *plan, struct err *err)
{
	char line[PATH_MAX], gitdir[PATH_MAX], common[PATH_MAX];
	struct mount_entry entry = { .kind = MOUNT_WRITE, .is_dir = true };
	const char *top = gitdir;

	if (!read_line(run->project, ".git", "gitdir: ", line))
		return 0;
	if (!resolve_below(run->project, line, gitdir) || !has_entry(gitdir, "HEAD") ||
		plan_is_below(gitdir, run->project))
		return 0;
	if (!is_own_worktree(gitdir, run->project) && !is_own_submodule(gitdir, run->project))
		return 0;
	if (read_line(gitdir, "commondir", "", line)) {
		if (!resolve_below(gitdir, line, common) || !has_entry(common, "objects") ||
			!has_entry(common, "HEAD") || !plan_is_below(gitdir, common))
			return 0;
		top = common;
	}
	entry.path = (char *)(size_t)top;
	if (plan_add(plan, entry, err) < 0 || plan_add_gitnames(run, plan, gitdir, err) < 0 ||
		plan_add_gitnames(run, plan, top, err) < 0)
		return -err->code;
	return plan_add_repository(run, plan, top, false, err);
}
