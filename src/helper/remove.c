/*
 * Runs in the cell's helper. Hostile: the caller's path, changed while it is read; directories that
 * are moved about meanwhile. What is emptied is a hidden file by its number, whatever names say.
 *
 * The kernel takes a mount off before the name is gone: in between a spinning reader would see the
 * file. So it is emptied first, through a copy of the project's mount that has no masks.
 */
#include "helper/remove.h"

#include "base/cleanup.h"
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

void remove_note(struct remover *r, const char *path)
{
	namebits_add(&r->names, path);
}

/* A mask of ours in the project, in a directory where the caller may delete what is its own. */
static bool is_ours(const struct mask_view *view, const struct call *c)
{
	struct statx dir;
	struct stat st;

	return statx(c->dir, "", AT_EMPTY_PATH, STATX_MNT_ID | STATX_MODE, &dir) == 0 &&
		dir.stx_mnt_id == view->project_mount && (dir.stx_mode & S_ISVTX) == 0 &&
		faccessat(c->dir, ".", W_OK | X_OK, AT_EACCESS) == 0 &&
		fstatat(c->dir, c->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		st.st_dev == view->masks_dev && !S_ISDIR(st.st_mode);
}

/* What is protected besides stays: another could be made in its place. */
static bool is_protected(struct tree *t, const char *path)
{
	t->full.len = 0;
	buf_addf(&t->full, "%s/%s", t->plan->project, path);
	return t->full.failed || namerules_protects(&t->rules, t->full.data) != NULL;
}

/* False: the file itself cannot be emptied, or must not be. */
static bool empty(const struct remover *r, struct tree *t, const struct call *c)
{
	uint64_t resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH;
	AUTO_CLOSE int place = -1, fd = -1;
	struct watch_inode inode;
	char path[PATH_MAX], link[64];
	struct stat st;

	if (!call_path_below(r->proc, t->plan->project, c, path) || is_protected(t, path))
		return false;
	place = sys_openat2(t->view.plain, path, O_PATH | O_NOFOLLOW | O_CLOEXEC, resolve);
	if (place < 0 || fstat(place, &st) < 0)
		return false;
	/* A masked link has nothing to read but where it leads, which is masked itself. */
	if (S_ISLNK(st.st_mode))
		return true;
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1 || !watch_stat(place, "", &inode, NULL) ||
		!watch_is_hidden(t->watch, &inode))
		return false;
	(void)snprintf(link, sizeof(link), "self/fd/%d", place);
	if ((st.st_mode & S_IWUSR) == 0 && fchmodat(r->proc, link, (st.st_mode & 07777) | S_IWUSR, 0) < 0)
		return false;
	fd = openat(r->proc, link, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	return fd >= 0 && ftruncate(fd, 0) == 0;
}

int remove_carry_out(struct remover *r, struct tree *t, struct call *c)
{
	if (t->view.plain < 0 || !call_open_parent(r->proc, &t->view, c) || !is_ours(&t->view, c) ||
		!empty(r, t, c))
		return 1;
	if (fchdir(c->dir) < 0 || umount2(c->name, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		return -errno;
	return unlinkat(c->dir, c->name, 0) < 0 ? -errno : 0;
}
