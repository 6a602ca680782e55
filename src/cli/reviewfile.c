/*
 * See reviewfile.h. Runs in `agentjail review` with the user's rights, which are more than the cell's: a
 * path must lead nowhere but where it says. Hostile: the path and what lies at it; commands of a
 * session may change directories meanwhile.
 */
#include "cli/reviewfile.h"

#include "base/cleanup.h"
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define TEMPORARY_BYTES 32

int reviewfile_read(int project, const char *path, size_t max, struct buf *ret, struct stat *st,
	struct err *err)
{
	AUTO_CLOSE int file = sys_openat2(project, path,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, RESOLVE_PLAIN);
	int r;

	if (file < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (file < 0 || fstat(file, st) < 0)
		return err_set(err, errno, "the host's file");
	if (!S_ISREG(st->st_mode))
		return err_set(err, EINVAL, "the host has no regular file there");
	r = buf_read_fd(ret, file, max);
	return r < 0 ? err_set(err, -r, "the host's file") : 1;
}

/*
 * The directory that a path's last component is in, and that component. Each directory is opened from
 * the one above: with is_made the missing ones are made on the way.
 */
static int open_parent(int project, const char *path, bool is_made, const char **ret_name)
{
	AUTO_CLOSE int dir = sys_openat2(project, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, RESOLVE_PLAIN);
	const char *at = path;

	while (dir >= 0) {
		size_t n = strcspn(at, "/");
		char name[NAME_MAX + 1];
		int next;

		if (at[n] == '\0') {
			*ret_name = at;
			return take_fd(&dir);
		}
		if (n > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, at, n);
		name[n] = '\0';
		if (is_made && mkdirat(dir, name, 0777) < 0 && errno != EEXIST)
			return -errno;
		next = sys_openat2(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
			RESOLVE_PLAIN);
		if (next < 0)
			return -errno;
		cleanup_close(&dir);
		dir = next;
		at += n + 1;
	}
	return -errno;
}

/* A name that nobody has made ready. */
static int name_temporary(char out[TEMPORARY_BYTES])
{
	uint64_t number;

	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		return -EIO;
	(void)snprintf(out, TEMPORARY_BYTES, ".agentjail-%016llx", (unsigned long long)number);
	return 0;
}

/* The owner first: changing it would take bits of the mode away. */
static int fill(int file, const struct reviewfile_content *content)
{
	const struct stat *st = content->st;
	int r = write_all(file, content->bytes, content->n);

	if (r < 0)
		return r;
	if (st != NULL && (st->st_uid != geteuid() || st->st_gid != getegid()) &&
		fchown(file, st->st_uid, st->st_gid) < 0)
		return -errno;
	return fchmod(file, content->mode & 0777) < 0 || fsync(file) < 0 ? -errno : 0;
}

int reviewfile_write(int project, const char *path, const struct reviewfile_content *content,
	struct err *err)
{
	char temporary[TEMPORARY_BYTES];
	const char *name = NULL;
	AUTO_CLOSE int dir = open_parent(project, path, true, &name), file = -1;
	struct stat st;
	int r = dir < 0 ? dir : name_temporary(temporary);

	if (r < 0)
		return err_set(err, -r, "the directory that it belongs into");
	/* A directory in its place stays; anything else that a rename replaces was looked at before. */
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "the host has no regular file there");
	file = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (file < 0)
		return err_set(err, errno, "make a file beside it");
	r = fill(file, content);
	if (r == 0 && renameat(dir, temporary, dir, name) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dir, temporary, 0);
	return r < 0 ? err_set(err, -r, "write it") : 0;
}

int reviewfile_remove(int project, const char *path, struct err *err)
{
	const char *name = NULL;
	AUTO_CLOSE int dir = open_parent(project, path, false, &name);

	if (dir == -ENOENT)
		return 0;
	if (dir < 0 || name == NULL)
		return err_set(err, -dir, "the directory that it is in");
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return err_set(err, errno, "take it away");
	return 0;
}
