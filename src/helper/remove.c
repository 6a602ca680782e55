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
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <linux/types.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>

/* linux/seccomp.h of Linux 6.6 */
#define NOTIF_SET_FLAGS _IOW('!', 4, __u64)
#define NOTIF_SYNC_WAKE_UP 1UL

#define PAGE 4096u

int remove_before(struct remover *r, struct err *err)
{
	r->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return r->proc < 0 ? err_set(err, errno, "open /proc") : 0;
}

void remove_after(struct remover *r, const struct mask_view *view)
{
	struct mount_attr alone = { .propagation = MS_PRIVATE };

	/* Refused where the host has mounts in the project (EINVAL): then nothing masked is deleted. */
	r->plain = sys_open_tree(view->project, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	/* A mother's mounts are shared: a copy that got their masks would be of no use. */
	if (r->plain >= 0 && sys_mount_setattr(r->plain, "", AT_EMPTY_PATH, &alone) < 0)
		cleanup_close(&r->plain);
}

void remove_listen(struct remover *r, int listener)
{
	/* Without one the kernel refuses to delete what is masked: nothing else is lost. */
	if (r->n_listeners == REMOVE_LISTENERS_MAX) {
		(void)close(listener);
		return;
	}
	r->listeners[r->n_listeners++] = listener;
	/* Wakes the waiting side on this CPU (Linux 6.6); elsewhere it is only slower. */
	(void)ioctl(listener, NOTIF_SET_FLAGS, NOTIF_SYNC_WAKE_UP);
}

void remove_drop(struct remover *r, size_t i)
{
	(void)close(r->listeners[i]);
	r->listeners[i] = r->listeners[--r->n_listeners];
}

/* ---- which names ---- */

static unsigned bit_of(const char *name)
{
	unsigned hash = 5381;

	while (*name != '\0')
		hash = hash * 33 + (unsigned char)*name++;
	return (hash ^ hash >> 16) % REMOVE_NAMES;
}

void remove_note(struct remover *r, const char *path)
{
	const char *slash = strrchr(path, '/');
	unsigned bit = bit_of(slash != NULL ? slash + 1 : path);

	r->names[bit / 8] |= (unsigned char)(1u << bit % 8);
}

static bool is_noted(const struct remover *r, const char *name)
{
	unsigned bit = bit_of(name);

	return (r->names[bit / 8] >> bit % 8 & 1) != 0;
}

/* ---- one call ---- */

struct removal {
	pid_t pid;
	int dirfd; /* the caller's number, or AT_FDCWD */
	char path[PATH_MAX];
	const char *name; /* last component, in path */
	int dir; /* ours, O_PATH */
};

/* A string never reads past the page it ends in. */
static bool read_path(pid_t pid, uint64_t address, char out[PATH_MAX])
{
	size_t got = 0;

	while (got < PATH_MAX) {
		size_t n = PAGE - (size_t)((address + got) % PAGE);
		struct iovec to, from = { .iov_base = (void *)(size_t)(address + got) };
		ssize_t k;

		if (n > PATH_MAX - got)
			n = PATH_MAX - got;
		to = (struct iovec){ .iov_base = out + got, .iov_len = n };
		from.iov_len = n;
		k = process_vm_readv(pid, &to, 1, &from, 1, 0);
		if (k <= 0)
			return false;
		if (memchr(out + got, '\0', (size_t)k) != NULL)
			return true;
		got += (size_t)k;
	}
	return false;
}

static bool read_call(struct removal *c, const struct seccomp_notif *n)
{
	bool is_at = n->data.nr == SYS_unlinkat;
	char *slash;

	if (n->data.nr == SYS_unlinkat && (n->data.args[2] & AT_REMOVEDIR) != 0)
		return false;
	c->pid = (pid_t)n->pid;
	c->dirfd = is_at ? (int)n->data.args[0] : AT_FDCWD;
	if (!read_path(c->pid, n->data.args[is_at ? 1 : 0], c->path))
		return false;
	slash = strrchr(c->path, '/');
	c->name = slash != NULL ? slash + 1 : c->path;
	return c->name[0] != '\0' && strcmp(c->name, ".") != 0 && strcmp(c->name, "..") != 0;
}

static int open_start(const struct remover *r, const struct removal *c)
{
	char link[64];

	if (c->dirfd == AT_FDCWD)
		(void)snprintf(link, sizeof(link), "%d/cwd", c->pid);
	else
		(void)snprintf(link, sizeof(link), "%d/fd/%d", c->pid, c->dirfd);
	return openat(r->proc, link, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static bool open_parent(const struct remover *r, const struct mask_view *view, struct removal *c)
{
	AUTO_CLOSE int start = c->path[0] == '/' ? -1 : open_start(r, c);
	char parent[PATH_MAX] = "";
	size_t n = (size_t)(c->name - c->path);

	if (c->path[0] != '/' && start < 0)
		return false;
	memcpy(parent, c->path, n);
	parent[n] = '\0';
	if (c->path[0] == '/')
		c->dir = sys_openat2(view->root, parent[1] != '\0' ? parent + 1 : ".",
			O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_NO_MAGICLINKS | RESOLVE_IN_ROOT);
	else
		c->dir = sys_openat2(start, n > 0 ? parent : ".", O_PATH | O_DIRECTORY | O_CLOEXEC,
			RESOLVE_NO_MAGICLINKS);
	return c->dir >= 0;
}

/* The directory's path below the project, from the host's /proc as seen with the view's root. */
static bool path_below(const struct remover *r, const char *project, const struct removal *c,
	char out[PATH_MAX])
{
	char link[64], full[PATH_MAX];
	ssize_t n;
	size_t skip = strlen(project);
	int k;

	(void)snprintf(link, sizeof(link), "self/fd/%d", c->dir);
	n = readlinkat(r->proc, link, full, sizeof(full) - 1);
	if (n <= 0)
		return false;
	full[n] = '\0';
	if (strncmp(full, project, skip) != 0 || (full[skip] != '/' && full[skip] != '\0'))
		return false;
	skip += full[skip] == '/';
	k = snprintf(out, PATH_MAX, "%s%s%s", full + skip, full[skip] != '\0' ? "/" : "", c->name);
	return k > 0 && k < PATH_MAX;
}

/*
 * The view's own directory for one that the caller sees through its cell's copy of the view: there is
 * one path to it, and it is the same one.
 */
static void rebase(const struct remover *r, const struct tree *t, struct removal *c)
{
	uint64_t resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH;
	AUTO_CLOSE int own = -1;
	char path[PATH_MAX];
	struct stat theirs, ours;
	struct statx x;
	char *slash;

	if (statx(c->dir, "", AT_EMPTY_PATH, STATX_MNT_ID, &x) < 0 ||
		x.stx_mnt_id == t->view.project_mount || !path_below(r, t->plan->project, c, path))
		return;
	slash = strrchr(path, '/');
	if (slash != NULL)
		*slash = '\0';
	own = sys_openat2(t->view.project, slash != NULL ? path : ".",
		O_PATH | O_DIRECTORY | O_CLOEXEC, resolve);
	if (own < 0 || fstat(own, &ours) < 0 || fstat(c->dir, &theirs) < 0 ||
		ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino)
		return;
	cleanup_close(&c->dir);
	c->dir = take_fd(&own);
}

/* A mask of ours in the project, in a directory where the caller may delete what is its own. */
static bool is_ours(const struct mask_view *view, const struct removal *c)
{
	struct statx dir;
	struct stat st;

	return statx(c->dir, "", AT_EMPTY_PATH, STATX_MNT_ID | STATX_MODE, &dir) == 0 &&
		dir.stx_mnt_id == view->project_mount && (dir.stx_mode & S_ISVTX) == 0 &&
		faccessat(c->dir, ".", W_OK | X_OK, AT_EACCESS) == 0 &&
		fstatat(c->dir, c->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		st.st_dev == view->masks_dev && S_ISLNK(st.st_mode);
}

/* False: the file itself cannot be emptied, or must not be. */
static bool empty(const struct remover *r, struct tree *t, const struct removal *c)
{
	uint64_t resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH;
	AUTO_CLOSE int place = -1, fd = -1;
	struct watch_inode inode;
	char path[PATH_MAX], link[64];
	struct stat st;

	if (!path_below(r, t->plan->project, c, path))
		return false;
	place = sys_openat2(r->plain, path, O_PATH | O_NOFOLLOW | O_CLOEXEC, resolve);
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

/* 1: not ours, the call goes on; else its result. */
static int carry_out(struct remover *r, struct tree *t, struct removal *c)
{
	if (r->plain < 0 || !is_noted(r, c->name) || !open_parent(r, &t->view, c))
		return 1;
	rebase(r, t, c);
	if (!is_ours(&t->view, c) || !empty(r, t, c))
		return 1;
	if (fchdir(c->dir) < 0 || umount2(c->name, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		return -errno;
	return unlinkat(c->dir, c->name, 0) < 0 ? -errno : 0;
}

void remove_handle(struct remover *r, size_t i, struct tree *t)
{
	int listener = r->listeners[i];
	struct seccomp_notif n;
	struct seccomp_notif_resp answer;
	struct removal call = { .dir = -1 };
	uint64_t id;
	int result = 1;

	memset(&n, 0, sizeof(n));
	/* ENOENT: the caller was killed before we came (seccomp_unotify(2)). */
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0)
		return;
	id = n.id;
	if (read_call(&call, &n) && ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0)
		result = carry_out(r, t, &call);
	cleanup_close(&call.dir);
	answer = (struct seccomp_notif_resp){ .id = n.id, .error = result <= 0 ? result : 0 };
	/* Going on is safe whatever the path says now: a masked name is EBUSY for the kernel. */
	if (result > 0)
		answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}
