/*
 * The parts of an entry. Runs in the warden, the helper and `agentjail review`, with the user's own
 * rights. Hostile: the bytes of copy, its kind and size.
 */
#include "base/cleanup.h"
#include "wire/heldstore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define GONE_NAME "gone"
#define MODE_NAME "mode"
#define NEW_NAME "new" /* what is being written, renamed over the part then */
/* Rationale: "777" and a line end that somebody's editor added. */
#define MODE_BYTES 8

static const char *const names[] = {
	[HELDSTORE_BASE] = "base",
	[HELDSTORE_COPY] = "copy",
};
_Static_assert(ARRAY_LEN(names) == HELDSTORE_PART_COUNT, "a name a part");

/* O_NONBLOCK: a FIFO in its place is opened at once, and refused. */
static int open_regular(int dir, const char *name, int flags, int *ret, struct err *err)
{
	AUTO_CLOSE int file = openat(dir, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (file < 0 || fstat(file, &st) < 0)
		return err_set(err, errno, "%s", name);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "%s is no regular file", name);
	*ret = take_fd(&file);
	return 0;
}

int heldstore_open_copy(const struct heldstore_entry *e, int flags, int *ret, struct err *err)
{
	return open_regular(e->dir, names[HELDSTORE_COPY], flags, ret, err);
}

int heldstore_read(const struct heldstore_entry *e, enum heldstore_part part, struct buf *ret,
	struct err *err)
{
	AUTO_CLOSE int file = -1;
	int r = open_regular(e->dir, names[part], O_RDONLY, &file, err);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = buf_read_fd(ret, file, HELDSTORE_FILE_BYTES);
	if (r < 0)
		return err_set(err, -r, "%s", names[part]);
	return 1;
}

static int replace(int dir, const char *name, const void *bytes, size_t n)
{
	AUTO_CLOSE int file =
		openat(dir, NEW_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = file < 0 ? -errno : write_all(file, bytes, n);

	if (r == 0 && renameat(dir, NEW_NAME, dir, name) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dir, NEW_NAME, 0);
	return r;
}

int heldstore_write(const struct heldstore_entry *e, enum heldstore_part part, const void *bytes,
	size_t n, struct err *err)
{
	int r;

	if (n > HELDSTORE_FILE_BYTES)
		return err_set(err, EFBIG, "%s", names[part]);
	if (bytes == NULL)
		r = unlinkat(e->dir, names[part], 0) < 0 && errno != ENOENT ? -errno : 0;
	else
		r = replace(e->dir, names[part], bytes, n);
	return r < 0 ? err_set(err, -r, "write %s", names[part]) : 0;
}

bool heldstore_is_gone(const struct heldstore_entry *e)
{
	return faccessat(e->dir, GONE_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int heldstore_set_gone(const struct heldstore_entry *e, bool is_gone, struct err *err)
{
	int r = 0;

	if (is_gone)
		r = replace(e->dir, GONE_NAME, "", 0);
	else if (unlinkat(e->dir, GONE_NAME, 0) < 0 && errno != ENOENT)
		r = -errno;
	return r < 0 ? err_set(err, -r, "write " GONE_NAME) : 0;
}

bool heldstore_mode(const struct heldstore_entry *e, mode_t *ret)
{
	AUTO_CLOSE int file = -1;
	AUTO_BUF struct buf text = { 0 };
	struct err err = { 0 };
	mode_t mode = 0;
	size_t n;

	if (open_regular(e->dir, MODE_NAME, O_RDONLY, &file, &err) < 0 ||
		buf_read_fd(&text, file, MODE_BYTES) < 0 || text.data == NULL)
		return false;
	n = strcspn(text.data, "\n");
	if (n == 0 || n > 4 || strspn(text.data, "01234567") != n || text.len > n + 1)
		return false;
	for (size_t i = 0; i < n; i++)
		mode = mode << 3 | (mode_t)(text.data[i] - '0');
	*ret = mode & 0777;
	return true;
}

int heldstore_set_mode(const struct heldstore_entry *e, mode_t mode, struct err *err)
{
	char text[MODE_BYTES];
	int r;

	(void)snprintf(text, sizeof(text), "%o", (unsigned)mode & 0777u);
	r = replace(e->dir, MODE_NAME, text, strlen(text));
	return r < 0 ? err_set(err, -r, "write " MODE_NAME) : 0;
}

bool heldstore_differs(const struct heldstore_entry *e)
{
	AUTO_BUF struct buf base = { 0 }, copy = { 0 };
	struct err err = { 0 };
	int has_base = heldstore_read(e, HELDSTORE_BASE, &base, &err);
	int has_copy = heldstore_read(e, HELDSTORE_COPY, &copy, &err);

	if (has_base < 0 || has_copy < 0)
		return true;
	if (heldstore_is_gone(e))
		return has_base > 0;
	if (has_copy == 0)
		return false;
	return has_base == 0 || base.len != copy.len ||
	       (base.len > 0 && memcmp(base.data, copy.data, base.len) != 0);
}
