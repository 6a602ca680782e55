/*
 * Directories named .git: their configuration is held before there is one. Runs in the cell's helper.
 * Hostile: the caller's path and mode; everybody else in the directory, at any moment.
 */
#include "helper/hold.h"

#include "base/cleanup.h"
#include "base/sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* What it is called until it is complete. */
#define SPARE ".agentjail-git"
#define NO_REPLACE 1u /* RENAME_NOREPLACE */
/* Rationale: proc_pid_status(5) says it in the first lines. */
#define STATUS_BYTES 4096u

/* 0777: nobody gets what the caller cannot be asked for. */
static mode_t umask_of(const struct holds *h, pid_t pid)
{
	char name[32], text[STATUS_BYTES];
	AUTO_CLOSE int fd = -1;
	const char *line;
	unsigned mask;
	ssize_t n;

	(void)snprintf(name, sizeof(name), "%d/status", pid);
	fd = openat(h->proc, name, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return 0077;
	text[n] = '\0';
	line = strstr(text, "\nUmask:");
	return line != NULL && sscanf(line, "\nUmask: %o", &mask) == 1 ? (mode_t)mask & 0777 : 0077;
}

/* Its configuration, in the directory under its spare name. */
static int hold_empty(struct holds *h, int dir, const char *path)
{
	struct buf nothing = { 0 };
	struct stat st = { .st_mode = S_IFREG | 0644 };
	struct late late = { .path = path, .name = "config", .dir = dir, .content = &nothing, .st = &st };

	(void)clock_gettime(CLOCK_REALTIME, &st.st_mtim);
	st.st_atim = st.st_mtim;
	return hold_take_as(h, &late, GITDIR_CONFIG);
}

static int make(struct holds *h, const struct call *c, const char *path, mode_t mode)
{
	char spare[PATH_MAX], named[PATH_MAX];
	AUTO_CLOSE int dir = -1;
	struct hold *hold;
	int n = (int)(strlen(path) - strlen(".git"));

	if (snprintf(spare, sizeof(spare), "%.*s" SPARE "/config", n, path) >= PATH_MAX ||
		snprintf(named, sizeof(named), "%s/config", path) >= PATH_MAX)
		return -ENAMETOOLONG;
	if (mkdirat(c->dir, SPARE, mode | 0700) < 0)
		return 1; /* somebody is in the way: what comes has an event */
	dir = sys_openat2(c->dir, SPARE, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW, RESOLVE_NO_SYMLINKS);
	if (dir >= 0 && hold_empty(h, dir, spare) == 0 &&
		syscall(SYS_renameat2, c->dir, SPARE, c->dir, c->name, NO_REPLACE) == 0) {
		hold = hold_by_path(h, spare);
		return hold == NULL || hold_follow(h, hold, named) < 0 ? -EIO : 0;
	}
	if (dir >= 0 && (hold = hold_by_path(h, spare)) != NULL) {
		(void)hold_take_off(dir, "config");
		(void)unlinkat(dir, "config", 0);
		hold->is_active = false;
	}
	(void)unlinkat(c->dir, SPARE, AT_REMOVEDIR);
	return 1;
}

int hold_mkdir(struct holds *h, struct call *c, mode_t mode)
{
	char path[PATH_MAX];

	if (!call_open_parent(h->proc, h->view, c) ||
		!call_path_below(h->proc, h->plan->project, c, path) ||
		faccessat(c->dir, ".", W_OK | X_OK, AT_EACCESS) < 0 ||
		faccessat(c->dir, c->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return make(h, c, path, mode & 0777 & ~umask_of(h, c->pid));
}

/* Nothing in it but the configuration. */
static bool is_bare(int dir)
{
	AUTO_CLOSE int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	bool is = d != NULL;

	if (d == NULL)
		return false;
	(void)take_fd(&fd);
	while (is && (e = readdir(d)) != NULL)
		is = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
			strcmp(e->d_name, "config") == 0;
	(void)closedir(d);
	return is;
}

int hold_rmdir(struct holds *h, struct call *c)
{
	AUTO_CLOSE int dir = -1;
	struct err err = { 0 };
	struct hold *hold;
	struct stat st;

	if (!call_open_parent(h->proc, h->view, c))
		return 1;
	dir = sys_openat2(c->dir, c->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
	if (dir < 0 || fstatat(dir, "config", &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_size != 0)
		return 1;
	hold = hold_by_file(h, &st);
	if (hold == NULL || !hold->is_config || !is_bare(dir) ||
		faccessat(c->dir, ".", W_OK | X_OK, AT_EACCESS) < 0)
		return 1;
	if (hold_take_off(dir, "config") < 0 || unlinkat(dir, "config", 0) < 0)
		return -errno;
	hold->is_active = false;
	(void)heldstore_remove(&h->store, hold->path, &err);
	return 1;
}

void hold_before_move(struct holds *h, const struct call *from)
{
	char path[PATH_MAX], config[PATH_MAX];
	struct late late = { .path = config, .name = "config" };
	AUTO_CLOSE int dir = -1;
	struct stat st;

	if (!call_path_below(h->proc, h->plan->project, from, path) ||
		snprintf(config, sizeof(config), "%s/config", path) >= PATH_MAX)
		return;
	dir = sys_openat2(from->dir, from->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		RESOLVE_NO_SYMLINKS);
	if (dir < 0 || fstatat(dir, "config", &st, AT_SYMLINK_NOFOLLOW) < 0 || hold_by_file(h, &st) != NULL)
		return;
	late.dir = dir;
	/* One that cannot be held is not moved with it either. */
	if (hold_take_as(h, &late, GITDIR_CONFIG) < 0)
		(void)unlinkat(dir, "config", 0);
}
