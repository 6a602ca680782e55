/*
 * See tree.h. Runs in the `agentjail` process with the user's rights. Hostile: every name, mode and
 * depth in the tree; the commands that made them have ended.
 */
#include "cli/tree.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Rationale: each level holds a descriptor; caches are not deeper, and what is goes up in pieces. */
#define TREE_DEPTH_MAX 64
/* Rationale: a directory that fills again as it is emptied is somebody's at work. */
#define TREE_ROUNDS_MAX 16

static bool is_dots(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* Takes fd. */
static DIR *open_stream(int fd)
{
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (d == NULL && fd >= 0)
		(void)close(fd);
	return d;
}

static int open_child(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static void measure(DIR *d, struct tree_size *size, unsigned depth)
{
	struct dirent *e;

	while ((e = readdir(d)) != NULL) {
		struct stat st;
		DIR *child;

		if (is_dots(e->d_name) || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		size->bytes += (uint64_t)st.st_blocks * 512;
		if (!S_ISDIR(st.st_mode))
			continue;
		child = depth < TREE_DEPTH_MAX ? open_stream(open_child(dirfd(d), e->d_name)) : NULL;
		if (child == NULL) {
			/* overlayfs keeps its own, empty, directory closed */
			size->is_incomplete |= (st.st_mode & 0777) != 0 || depth != 2;
			continue;
		}
		measure(child, size, depth + 1);
		closedir(child);
	}
}

void tree_measure(int dir, struct tree_size *size)
{
	DIR *d = open_stream(open_child(dir, "."));

	if (d == NULL) {
		size->is_incomplete = true;
		return;
	}
	measure(d, size, 0);
	closedir(d);
}

struct removal {
	int top;
	const char *keep; /* in top */
	unsigned long n_moved;
	struct err *err;
};

static int empty(struct removal *r, int fd, unsigned depth);

/* Too deep: up to the top, where a later round meets it again. */
static int move_up(struct removal *r, int dir, const char *name)
{
	char up[32];

	if (fchmodat(dir, name, 0700, 0) < 0)
		return err_set(r->err, errno, "chmod %s", name);
	for (;;) {
		(void)snprintf(up, sizeof(up), "deep-%lu", r->n_moved++);
		if (renameat(dir, name, r->top, up) == 0)
			return 0;
		if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR)
			return err_set(r->err, errno, "move %s", name);
	}
}

static int remove_dir(struct removal *r, int dir, const char *name, unsigned depth)
{
	int child;

	if (depth >= TREE_DEPTH_MAX)
		return move_up(r, dir, name);
	child = open_child(dir, name);
	if (child < 0 && errno == EACCES && fchmodat(dir, name, 0700, 0) == 0)
		child = open_child(dir, name);
	if (child < 0)
		return err_set(r->err, errno, "open %s", name);
	if (empty(r, child, depth + 1) < 0)
		return -r->err->code;
	/* What it still has is met in the next round. */
	if (unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY && errno != EEXIST)
		return err_set(r->err, errno, "remove %s", name);
	return 0;
}

/* Takes fd. One round: names that the directory hides from a reader while it shrinks stay. */
static int empty(struct removal *r, int fd, unsigned depth)
{
	DIR *d;
	struct dirent *e;
	int result = 0;

	if (fchmod(fd, 0700) < 0) {
		(void)close(fd);
		return err_set(r->err, errno, "chmod");
	}
	d = open_stream(fd);
	if (d == NULL)
		return err_set(r->err, errno, "read a directory");
	while (result == 0 && (e = readdir(d)) != NULL) {
		if (is_dots(e->d_name) ||
			(depth == 0 && r->keep != NULL && strcmp(e->d_name, r->keep) == 0))
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) == 0 || errno == ENOENT)
			continue;
		if (errno != EISDIR && errno != EPERM)
			result = err_set(r->err, errno, "remove %s", e->d_name);
		else
			result = remove_dir(r, dirfd(d), e->d_name, depth);
	}
	closedir(d);
	return result;
}

static bool has_more(const struct removal *r)
{
	DIR *d = open_stream(open_child(r->top, "."));
	const struct dirent *e;

	if (d == NULL)
		return true;
	do
		e = readdir(d);
	while (e != NULL &&
		(is_dots(e->d_name) || (r->keep != NULL && strcmp(e->d_name, r->keep) == 0)));
	closedir(d);
	return e != NULL;
}

int tree_empty(int dir, const char *keep, struct err *err)
{
	struct removal r = { .top = dir, .keep = keep, .err = err };
	unsigned long moved = 0;

	/* A round that moved something up has done its part: only the others are counted. */
	for (unsigned rounds = 0; has_more(&r);) {
		int fd = open_child(dir, ".");

		if (fd < 0)
			return err_set(err, errno, "open a cache");
		if (empty(&r, fd, 0) < 0)
			return -err->code;
		rounds += r.n_moved == moved;
		moved = r.n_moved;
		if (rounds > TREE_ROUNDS_MAX)
			return err_set(err, EBUSY, "somebody writes in there");
	}
	return 0;
}
