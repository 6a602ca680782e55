/*
 * Runs in the cell's helper. Hostile: the caller's path, changed while it is read; what its descriptors
 * are; directories that are moved about meanwhile.
 */
#include "helper/call.h"

#include "base/cleanup.h"
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define PAGE 4096u

/* A string never reads past the page it ends in. */
static bool read_path(pid_t pid, uint64_t address, char out[PATH_MAX])
{
	size_t got = 0;

	while (got < PATH_MAX) {
		size_t n = PAGE - (size_t)((address + got) % PAGE);
		struct iovec to, from = { .iov_base = (void *)(size_t)(address + got) };
		ssize_t k;

		if (n > PATH_MAX - got)
			n = PATH_MAX - got;
		to = (struct iovec){ .iov_base = out + got, .iov_len = n };
		from.iov_len = n;
		k = process_vm_readv(pid, &to, 1, &from, 1, 0);
		if (k <= 0)
			return false;
		if (memchr(out + got, '\0', (size_t)k) != NULL)
			return true;
		got += (size_t)k;
	}
	return false;
}

static bool find_name(struct call *c)
{
	const char *slash;

	slash = strrchr(c->path, '/');
	c->name = slash != NULL ? slash + 1 : c->path;
	return c->name[0] != '\0' && strcmp(c->name, ".") != 0 && strcmp(c->name, "..") != 0;
}

bool call_read(struct call *c, pid_t pid, int dirfd, uint64_t address)
{
	c->pid = pid;
	c->dirfd = dirfd;
	c->dir = -1;
	return read_path(pid, address, c->path) && find_name(c);
}

bool call_read_dir(struct call *c, pid_t pid, int dirfd, uint64_t address)
{
	size_t n;

	c->pid = pid;
	c->dirfd = dirfd;
	c->dir = -1;
	if (!read_path(pid, address, c->path))
		return false;
	for (n = strlen(c->path); n > 1 && c->path[n - 1] == '/'; n--)
		c->path[n - 1] = '\0';
	return find_name(c);
}

static int open_start(int proc, const struct call *c)
{
	char link[64];

	if (c->dirfd == AT_FDCWD)
		(void)snprintf(link, sizeof(link), "%d/cwd", c->pid);
	else
		(void)snprintf(link, sizeof(link), "%d/fd/%d", c->pid, c->dirfd);
	return openat(proc, link, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* From the host's /proc, which says it as seen with the view's root. */
bool call_path_below(int proc, const char *project, const struct call *c, char out[PATH_MAX])
{
	char link[64], full[PATH_MAX];
	ssize_t n;
	size_t skip = strlen(project);
	int k;

	(void)snprintf(link, sizeof(link), "self/fd/%d", c->dir);
	n = readlinkat(proc, link, full, sizeof(full) - 1);
	if (n <= 0)
		return false;
	full[n] = '\0';
	if (strncmp(full, project, skip) != 0 || (full[skip] != '/' && full[skip] != '\0'))
		return false;
	skip += full[skip] == '/';
	k = snprintf(out, PATH_MAX, "%s%s%s", full + skip, full[skip] != '\0' ? "/" : "", c->name);
	return k > 0 && k < PATH_MAX;
}

/*
 * The view's own directory for one that the caller sees through its cell's copy of the view: there is
 * one path to it, and it is the same one.
 */
static void rebase(int proc, const struct mask_view *view, struct call *c)
{
	uint64_t resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH;
	AUTO_CLOSE int own = -1;
	char path[PATH_MAX];
	struct stat theirs, ours;
	struct statx x;
	char *slash;

	if (statx(c->dir, "", AT_EMPTY_PATH, STATX_MNT_ID, &x) < 0 ||
		x.stx_mnt_id == view->project_mount ||
		!call_path_below(proc, view->project_path, c, path))
		return;
	slash = strrchr(path, '/');
	if (slash != NULL)
		*slash = '\0';
	own = sys_openat2(view->project, slash != NULL ? path : ".", O_PATH | O_DIRECTORY | O_CLOEXEC,
		resolve);
	if (own < 0 || fstat(own, &ours) < 0 || fstat(c->dir, &theirs) < 0 ||
		ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino)
		return;
	cleanup_close(&c->dir);
	c->dir = take_fd(&own);
}

bool call_open_parent(int proc, const struct mask_view *view, struct call *c)
{
	AUTO_CLOSE int start = c->path[0] == '/' ? -1 : open_start(proc, c);
	char parent[PATH_MAX] = "";
	size_t n = (size_t)(c->name - c->path);

	if (c->path[0] != '/' && start < 0)
		return false;
	memcpy(parent, c->path, n);
	parent[n] = '\0';
	if (c->path[0] == '/')
		c->dir = sys_openat2(view->root, parent[1] != '\0' ? parent + 1 : ".",
			O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_NO_MAGICLINKS | RESOLVE_IN_ROOT);
	else
		c->dir = sys_openat2(start, n > 0 ? parent : ".", O_PATH | O_DIRECTORY | O_CLOEXEC,
			RESOLVE_NO_MAGICLINKS);
	if (c->dir >= 0)
		rebase(proc, view, c);
	return c->dir >= 0;
}
