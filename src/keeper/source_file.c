/* file: sources. Runs in a source process, as the user. Hostile: what another user may have put in
 * the place of the file. */
#include "keeper/source.h"

#include "base/cleanup.h"
#include "policy/profilefile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int check_stat(const struct stat *st, struct err *err)
{
	/* A group of the user's own has no other members: see policy/profilefile.c. */
	mode_t others = st->st_gid == st->st_uid ? S_IRWXO : S_IRWXG | S_IRWXO;

	if (!S_ISREG(st->st_mode))
		return err_set(err, 0, "it is no regular file");
	if (!profilefile_is_owner(st->st_uid))
		return err_set(err, 0,
			"the file belongs to user %u, who could change it; chown it "
			"to you",
			st->st_uid);
	if ((st->st_mode & others) != 0)
		return err_set(err, 0,
			"others than you can open the file (mode %03o); chmod 600 it",
			st->st_mode & 0777u);
	if (st->st_size > (off_t)KEEPMSG_SECRET_MAX)
		return err_set(err, 0, "the file is larger than %u KiB", KEEPMSG_SECRET_MAX >> 10);
	return 0;
}

static int read_all(int fd, struct source_value *value, struct err *err)
{
	for (value->n = 0; value->n < sizeof(value->bytes);) {
		ssize_t n = read(fd, value->bytes + value->n, sizeof(value->bytes) - value->n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, errno, "read");
		if (n == 0)
			break;
		value->n += (size_t)n;
	}
	return 0;
}

int source_file_read(
	const struct run_plan *plan, const char *path, struct source_value *value, struct err *err)
{
	AUTO_BUF struct buf full = { 0 };
	AUTO_CLOSE int fd = -1;
	struct stat st;

	if (!source_place_expand(plan, path, &full))
		return err_set(err, ENOMEM, "file");
	if (full.data[0] != '/')
		return err_set(err, 0, "write an absolute path or ~/...");
	/* O_NONBLOCK: a FIFO is opened and then refused, not waited for. */
	fd = open(full.data, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return err_set(err, errno, "open");
	if (fstat(fd, &st) < 0)
		return err_set(err, errno, "stat");
	if (check_stat(&st, err) < 0 || source_place_check(plan, full.data, err) < 0)
		return -err->code;
	return read_all(fd, value, err);
}
