/*
 * Fakes in hidden files. Runs in the first process of a cell, with capabilities in its own user
 * namespace. Hostile: names inside the project; so nothing is covered there but a mask of our own.
 *
 * They lie beside the masks, on the same file system: whoever asks whether a file is masked is told
 * that it is.
 */
#include "cell/view.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/sys.h"
#include "cell/mnt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define RESOLVE_IN_VIEW (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS)

static void name_of(size_t i, char ret[32])
{
	(void)snprintf(ret, 32, "honey-%zu", i);
}

int view_honey_write(int tree, const struct cell_request *request, struct err *err)
{
	for (size_t i = 0; i < request->n_honey; i++) {
		char name[32];
		AUTO_CLOSE int fd = -1;
		int r;

		name_of(i, name);
		fd = openat(tree, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
		r = fd < 0 ? -errno
			   : write_all(fd, request->honey[i].text, strlen(request->honey[i].text));
		if (r < 0)
			return err_set(err, -r, "fake keys");
	}
	return 0;
}

static int open_below(int root, const char *path)
{
	return sys_openat2(root, path + 1, O_PATH | O_NOFOLLOW | O_CLOEXEC, RESOLVE_IN_VIEW);
}

static bool is_mask(const struct masks *m, int fd, bool is_dir)
{
	struct stat st, mask;

	return fstat(fd, &st) == 0 && fstat(m->file, &mask) == 0 && st.st_dev == mask.st_dev &&
		S_ISDIR(st.st_mode) == is_dir;
}

/* A directory that is hidden as a whole becomes an empty one that things can be put into. */
static int open_up(const struct masks *m, int root, const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *parent = strndup(path, (size_t)(slash - path));
	AUTO_CLOSE int target = parent != NULL && *parent != '\0' ? open_below(root, parent) : -1;
	AUTO_CLOSE int tree = -1;

	if (target < 0 || !is_mask(m, target, true))
		return 0;
	tree = mnt_tmpfs("700", "64k", MNT_NOEXEC_, err);
	return tree < 0 ? tree : mnt_attach(tree, target, err);
}

static int show(const struct masks *m, int root, const struct honey_file *file, const char *name,
	struct err *err)
{
	AUTO_CLOSE int source = openat(m->root, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	AUTO_CLOSE int target = open_below(root, file->path), tree = -1;

	if (source < 0 || (target >= 0 && !is_mask(m, target, false)) ||
		(target < 0 && file->is_in_project))
		return 0;
	tree = mnt_clone(source, MNT_RDONLY_ | MNT_NOEXEC_, err);
	if (tree < 0)
		return tree;
	if (target >= 0)
		return mnt_attach(tree, target, err);
	if (open_up(m, root, file->path, err) < 0)
		return -err->code;
	return view_attach(root, take_fd(&tree), file->path, 0, err);
}

void view_honey(const struct masks *m, int root, const struct cell_request *request)
{
	for (size_t i = 0; i < request->n_honey; i++) {
		struct err err = { 0 };
		char name[32];

		name_of(i, name);
		/* In a directory that is read-only here, say: it stays hidden. */
		if (show(m, root, &request->honey[i], name, &err) < 0)
			continue;
	}
}
