/*
 * Private copies over held files. Runs in a cell's first process, with capabilities in its own user
 * namespace, before anything hostile does. Hostile: the copies' content, never read here.
 */
#include "cell/view.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/sys.h"
#include "cell/mnt.h"
#include "wire/heldstore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int view_held_open(const struct cell_request *request, int *ret, struct err *err)
{
	const struct run_plan *run = request->plan;
	AUTO_BUF struct buf path = { 0 };
	AUTO_CLOSE int fd = -1;
	char key[CACHEDIR_KEY_BYTES];
	struct stat theirs, ours;

	*ret = -1;
	if (request->held < 0)
		return 0;
	cachedir_key(run->project, key);
	buf_addf(&path, "%s/" HELDSTORE_FOLDER "/%s", run->state_dir, key);
	if (path.failed)
		return err_set(err, ENOMEM, "held files");
	fd = open(path.data, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &ours) < 0 || fstat(request->held, &theirs) < 0)
		return err_set(err, errno, "open %s", path.data);
	if (ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino)
		return err_set(err, ESTALE, "%s was changed while a session started", path.data);
	*ret = take_fd(&fd);
	return 0;
}

int view_held_init(struct view_held *v, int source, int at, struct err *err)
{
	AUTO_CLOSE int tree = -1;

	if (source < 0)
		return 0;
	/* Attached, as the masks are: a copy of a detached tree needs Linux 6.15. */
	tree = mnt_clone(source, 0, err);
	if (tree < 0 || mnt_attach(tree, at, err) < 0)
		return err_prefix(err, "held files");
	v->dir = take_fd(&tree);
	return 0;
}

int view_held_mount(const struct view_held *v, int target, const struct mount_entry *entry,
	struct err *err)
{
	char id[HELDSTORE_ID_BYTES], path[HELDSTORE_ID_BYTES + sizeof("/copy")];
	AUTO_CLOSE int copy = -1, tree = -1;
	struct stat st;

	heldstore_id(entry->path + strlen(v->project) + 1, id);
	(void)snprintf(path, sizeof(path), "%s/copy", id);
	if (v->dir >= 0)
		copy = sys_openat2(v->dir, path, O_PATH | O_NOFOLLOW | O_CLOEXEC,
			RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	if (copy < 0 || fstat(copy, &st) < 0 || !S_ISREG(st.st_mode))
		return view_protect(target, MOUNT_PROTECT, 0, err);
	tree = mnt_clone(copy, 0, err);
	return tree < 0 ? -err->code : mnt_attach(tree, target, err);
}
