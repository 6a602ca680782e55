/*
 * Files that a tool needs, shown with their secrets replaced (cell/redact.h). Runs in the first
 * process of a cell or of the agent context, with capabilities in its own user namespace, before
 * anything hostile does. It alone reads the real file, into one buffer that is wiped. Hostile: a
 * project's git configuration; whatever is not understood is hidden.
 */
#include "cell/view.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/sys.h"
#include "cell/mnt.h"
#include "cell/redact.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int view_redact_init(struct view_redact *v, int at, struct err *err)
{
	AUTO_CLOSE int tree = mnt_tmpfs("700", "16m", MNT_NOEXEC_, err);

	/* Attached, as the masks are: a copy of a detached tree needs Linux 6.15. */
	if (tree < 0 || mnt_attach(tree, at, err) < 0)
		return err_prefix(err, "redacted files");
	v->dir = take_fd(&tree);
	return 0;
}

void view_redact_done(struct view_redact *v)
{
	cleanup_close(&v->dir);
}

int view_redact_open(const struct mount_entry *e)
{
	uint64_t resolve = e->is_in_project ? RESOLVE_NO_SYMLINKS : 0;

	return sys_openat2(AT_FDCWD, e->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, resolve);
}

/* The whole file, NUL-terminated, in what the caller wipes and frees. Its length or -errno. */
static ssize_t read_whole(int fd, char *bytes)
{
	size_t n = 0;

	while (n <= REDACT_BYTES_MAX) {
		ssize_t got = read(fd, bytes + n, REDACT_BYTES_MAX + 1 - n);

		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	bytes[n] = '\0';
	return n > REDACT_BYTES_MAX ? -EFBIG : (ssize_t)n;
}

/* The copy, a file in v->dir, O_PATH; *ret_is_plain: there was no secret. Or -errno with err. */
static int make_copy(struct view_redact *v, const struct mount_entry *e, int source,
	bool *ret_is_plain, struct err *err)
{
	AUTO_BUF struct buf copy = { 0 };
	AUTO_CLOSE int to = -1;
	unsigned n_fakes = 0;
	struct stat st;
	char name[16];
	char *bytes;
	ssize_t n;
	int r;

	if (source < 0 || fstat(source, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, 0, "it cannot be read");
	bytes = malloc(REDACT_BYTES_MAX + 2);
	if (bytes == NULL)
		return err_set(err, ENOMEM, "redact");
	n = read_whole(source, bytes);
	r = n < 0 ? err_set(err, (int)-n, "read")
		  : redact_file(e->form, bytes, (size_t)n, &copy, &n_fakes, err);
	explicit_bzero(bytes, REDACT_BYTES_MAX + 2);
	free(bytes);
	if (r < 0)
		return r;
	*ret_is_plain = n_fakes == 0;
	(void)snprintf(name, sizeof(name), "%u", v->n++);
	to = openat(v->dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (to < 0 || (r = write_all(to, copy.data != NULL ? copy.data : "", copy.len)) < 0 ||
		fchmod(to, st.st_mode & 0755) < 0)
		return err_set(err, r < 0 ? -r : errno, "write the copy");
	r = openat(v->dir, name, O_PATH | O_CLOEXEC);
	return r < 0 ? err_set(err, errno, "open the copy") : r;
}

/* A command of another session may have put another file there since the plan was made. */
static int check_source(const struct mount_entry *e, int source, struct err *err)
{
	struct stat st;

	if (e->ino == 0 || source < 0)
		return 0;
	if (fstat(source, &st) < 0)
		return err_set(err, errno, "stat");
	return st.st_dev == e->dev && st.st_ino == e->ino ? 0 : view_changed(e, err);
}

/* Where the view has nothing: on what is its own. */
static int add_new(int root, const struct mount_entry *e, int copy, struct err *err)
{
	return view_attach(root, mnt_clone(copy, MNT_RDONLY_ | MNT_NOEXEC_, err), e->path, 0, err);
}

static int put_over(int target, int copy, struct err *err)
{
	AUTO_CLOSE int tree = mnt_clone(copy, MNT_RDONLY_ | MNT_NOEXEC_, err);

	return tree < 0 ? tree : mnt_attach(tree, target, err);
}

int view_redact(struct view_redact *v, const struct view_place *place, const struct mount_entry *e,
	int source, struct err *err)
{
	AUTO_CLOSE int target = view_target(place->root, e, err);
	AUTO_CLOSE int copy = -1;
	struct err why = { 0 };
	bool is_plain = false;

	if (target < 0 && err->code != ENOENT && err->code != EACCES)
		return -err->code;
	if (target < 0 && !place->may_make)
		return 0;
	if (check_source(e, source, err) < 0 ||
		(target >= 0 && !place->is_held && view_check(place->masks, target, e, err) < 0))
		return -err->code;
	copy = make_copy(v, e, source, &is_plain, &why);
	if (copy < 0) {
		(void)err_prefix(&why, "%s is hidden", e->path);
		memcpy(v->note, why.text, ERR_TEXT_BYTES);
		return target >= 0 ? view_hide(place->masks, target, err) : 0;
	}
	if (target < 0)
		return add_new(place->root, e, copy, err);
	return is_plain ? 0 : put_over(target, copy, err);
}
