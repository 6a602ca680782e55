/*
 * Runs in a runner, without privilege. Hostile: all of /tmp, which the command wrote and may still be
 * changing. Nothing is followed, and what the agent gets is bytes in a file of a name that it asked for.
 */
#include "cell/runner_receive.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

/* Rationale: a directory's name, a list of pids; the agent reads all of it. */
#define BYTES_MAX (64u << 10)
/* Rationale: agents ask for one or two of each command. */
#define FILES_MAX 16u

static bool is_wanted(const char *name, const struct policy_item *names, size_t n)
{
	char path[sizeof("/tmp/") + NAME_MAX];

	(void)snprintf(path, sizeof(path), "/tmp/%s", name);
	for (size_t i = 0; i < n; i++)
		if (policy_path_matches(names[i].value, path, "/tmp"))
			return true;
	return false;
}

/* What is there as it is now, or false. */
static bool read_file(int dir, const char *name, struct buf *out)
{
	AUTO_CLOSE int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= BYTES_MAX &&
		buf_read_fd(out, fd, BYTES_MAX) >= 0 && !out->failed;
}

static void copy(int from, int to, const char *name)
{
	AUTO_BUF struct buf new = { 0 }, old = { 0 };
	AUTO_CLOSE int fd = -1;

	if (!read_file(from, name, &new))
		return;
	/* Shown through from below: the agent may just be changing it. */
	if (read_file(to, name, &old) && old.len == new.len &&
		(new.len == 0 || memcmp(old.data, new.data, new.len) == 0))
		return;
	fd = openat(to, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd >= 0)
		(void)write_all(fd, new.data, new.len);
}

void runner_receive(int to, const struct policy_item *names, size_t n)
{
	DIR *tmp = opendir("/tmp");
	unsigned left = FILES_MAX;
	struct dirent *e;

	while (tmp != NULL && left > 0 && (e = readdir(tmp)) != NULL) {
		if (!is_wanted(e->d_name, names, n))
			continue;
		copy(dirfd(tmp), to, e->d_name);
		left--;
	}
	if (tmp != NULL)
		closedir(tmp);
}
