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
	v->at = fcntl(at, F_DUPFD_CLOEXEC, 0);
	return v->at < 0 ? err_set(err, errno, "redacted files") : 0;
}

/* Most sessions have nothing to redact, and make no file system for it. */
static int need_dir(struct view_redact *v, struct err *err)
{
	AUTO_CLOSE int tree = -1;

	if (v->dir >= 0)
		return 0;
	/* Attached, as the masks are: a copy of a detached tree needs Linux 6.15. */
	tree = mnt_tmpfs("700", "16m", MNT_NOEXEC_, err);
	if (tree < 0 || mnt_attach(tree, v->at, err) < 0)
		return -err->code;
	v->dir = take_fd(&tree);
	return 0;
}

void view_redact_done(struct view_redact *v)
{
	cleanup_close(&v->dir);
	cleanup_close(&v->at);
}

int view_redact_open(const struct mount_entry *e)
{
	uint64_t resolve = e->is_in_project ? RESOLVE_NO_SYMLINKS : 0;

	return sys_openat2(AT_FDCWD, e->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, resolve);
}

/* The whole file, NUL-terminated, in what the caller wipes and frees. *ret_n: bytes written there. */
static int read_whole(int fd, char *bytes, size_t *ret_n)
{
	size_t n = 0;
	ssize_t got = 1;

	while (got > 0 && n <= REDACT_BYTES_MAX) {
		got = read(fd, bytes + n, REDACT_BYTES_MAX + 1 - n);
		n += got > 0 ? (size_t)got : 0;
	}
	bytes[n] = '\0';
	*ret_n = n;
	if (got < 0)
		return -errno;
	return n > REDACT_BYTES_MAX ? -EFBIG : 0;
}

struct copy {
	struct buf text;
	mode_t mode;
	unsigned n_fakes; /* 0: it is the file itself */
};

static int make_copy(const struct mount_entry *e, int source, struct copy *ret, struct err *err)
{
	struct stat st;
	char *bytes;
	size_t n;
	int r;

	if (source < 0 || fstat(source, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, 0, "it cannot be read");
	ret->mode = st.st_mode & 0755;
	bytes = malloc(REDACT_BYTES_MAX + 2);
	if (bytes == NULL)
		return err_set(err, ENOMEM, "redact");
	r = read_whole(source, bytes, &n);
	r = r < 0 ? err_set(err, -r, "read")
		  : redact_file(e->form, bytes, n, &ret->text, &ret->n_fakes, err);
	/* Not more than was read into: each page of fresh memory would be a page fault. */
	explicit_bzero(bytes, n + 1);
	free(bytes);
	return r;
}

/* The copy as a file in v->dir, O_PATH, or -errno with err. */
static int write_copy(struct view_redact *v, const struct copy *copy, struct err *err)
{
	AUTO_CLOSE int to = -1;
	char name[16];
	int r;

	if (need_dir(v, err) < 0)
		return -err->code;
	(void)snprintf(name, sizeof(name), "%u", v->n++);
	to = openat(v->dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (to < 0)
		return err_set(err, errno, "write the copy");
	r = write_all(to, copy->text.data != NULL ? copy->text.data : "", copy->text.len);
	if (r < 0 || fchmod(to, copy->mode) < 0)
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

static void note_hidden(struct view_redact *v, const struct mount_entry *e, struct err *why)
{
	(void)err_prefix(why, "%s is hidden", e->path);
	memcpy(v->note, why->text, ERR_TEXT_BYTES);
}

int view_redact(struct view_redact *v, const struct view_place *place, const struct mount_entry *e,
	int source, struct err *err)
{
	AUTO_CLOSE int target = view_target(place->root, e, err);
	AUTO_CLOSE int file = -1;
	struct copy copy = { 0 };
	struct err why = { 0 };
	int r;

	if (target < 0 && err->code != ENOENT && err->code != EACCES)
		return -err->code;
	if (target < 0 && !place->may_make)
		return 0;
	if (check_source(e, source, err) < 0 ||
		(target >= 0 && !place->is_held && view_check(place->masks, target, e, err) < 0))
		return -err->code;
	r = make_copy(e, source, &copy, &why);
	/* Without a secret in it the file stays what the view has there. */
	if (r == 0 && (copy.n_fakes > 0 || target < 0))
		r = file = write_copy(v, &copy, &why);
	buf_done(&copy.text);
	if (r < 0) {
		note_hidden(v, e, &why);
		return target >= 0 ? view_hide(place->masks, target, false, err) : 0;
	}
	if (file < 0)
		return 0;
	return target < 0 ? add_new(place->root, e, file, err) : put_over(target, file, err);
}
