/*
 * Runs in the verbs and the warden with the user's own rights. The project's file is hostile: it
 * may be a FIFO, a link to somewhere else, or huge.
 */
#include "policy/profilefile.h"

#include "base/cleanup.h"
#include "base/log.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* In a user namespace without root (rootless containers) root's files show the overflow id. */
#define OVERFLOW_UID 65534

static bool is_roots_elsewhere(uid_t uid)
{
	unsigned long inside = 0;
	bool has_root = true;
	FILE *f;

	if (uid != OVERFLOW_UID)
		return false;
	f = fopen("/proc/self/uid_map", "re");
	if (f != NULL && fscanf(f, "%lu", &inside) == 1)
		has_root = inside == 0;
	if (f != NULL)
		fclose(f);
	return !has_root;
}

static int check_stat(const struct stat *st, struct err *err)
{
	/*
	 * A group of the user's own (its number is the user's, as most distributions make it) has no
	 * other members: with umask 002 every clone and every new file is writable for it.
	 */
	mode_t others = st->st_gid == st->st_uid ? S_IWOTH : S_IWGRP | S_IWOTH;

	if (!S_ISREG(st->st_mode))
		return err_set(err, 0, "is no regular file; replace it or delete it");
	if (st->st_uid != 0 && st->st_uid != geteuid() && !is_roots_elsewhere(st->st_uid))
		return err_set(err, 0,
			"belongs to user %u, who could change it; chown it to you", st->st_uid);
	if ((st->st_mode & others) != 0)
		return err_set(err, 0, "can be written by %s; chmod go-w it",
			(st->st_mode & S_IWOTH) != 0 ? "everybody" : "its group");
	if (st->st_size > PROFILEFILE_MAX)
		return err_set(err, 0, "is larger than %d KiB; split it", PROFILEFILE_MAX / 1024);
	return 0;
}

static int read_checked(int fd, struct buf *out, struct err *err)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return err_set(err, errno, "stat");
	r = check_stat(&st, err);
	if (r < 0)
		return r;
	r = buf_read_fd(out, fd, PROFILEFILE_MAX);
	if (r < 0)
		return err_set(err, -r, "read");
	return 1;
}

int profilefile_read(const char *path, bool no_link, struct buf *out, struct err *err)
{
	/* O_NONBLOCK: a FIFO is opened and then refused, not waited for. */
	int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (no_link ? O_NOFOLLOW : 0);
	AUTO_CLOSE int fd = open(path, flags);
	char shown[160];
	int r;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0 && errno == ELOOP && no_link)
		r = err_set(err, 0, "is a symbolic link; replace it by a file");
	else if (fd < 0)
		r = err_set(err, errno, "cannot be read");
	else
		r = read_checked(fd, out, err);
	if (r < 0)
		return err_prefix(err, "%s", log_quote(path, strlen(path), shown, sizeof(shown)));
	return r;
}

/* Rationale: ten times what is installed; it is for a message. */
#define NAMES_MAX 256

char **profilefile_names(const char *dir)
{
	static const char end[] = ".ini";
	char **names = calloc(NAMES_MAX + 1, sizeof(*names));
	const struct dirent *entry;
	size_t n = 0;
	DIR *d = opendir(dir);

	while (names != NULL && d != NULL && n < NAMES_MAX && (entry = readdir(d)) != NULL) {
		if (!str_ends(entry->d_name, end))
			continue;
		names[n] = strndup(entry->d_name, strlen(entry->d_name) - strlen(end));
		if (names[n] == NULL)
			break;
		n++;
	}
	if (d != NULL)
		closedir(d);
	return names;
}
