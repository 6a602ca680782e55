/*
 * Runs in the warden, with the user's rights. Hostile: paths that the agent was talked into; they
 * count only when they are, word for word, a kept file's directory and a name that starts with its
 * name. Links are not followed: a kept name that is a link belongs to somebody else.
 */
#include "warden/kept.h"

#include "warden/procmem.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

/* What is private stays so, whatever the agent's umask. */
#define KEPT_MODE 0700u

struct kept_call {
	const struct seccomp_notif *n;
	const struct kept_file *file;
	char name[NAME_MAX + 1];
	char other[NAME_MAX + 1]; /* the second name of a rename */
	int listener;
	int fd; /* of an open, for the agent; -1 */
};

typedef int kept_op(struct kept_call *c, const uint64_t *rest);

static int op_mkdir(struct kept_call *c, const uint64_t *rest)
{
	return mkdirat(c->file->dir, c->name, (mode_t)rest[0] & KEPT_MODE);
}

static int op_rmdir(struct kept_call *c, const uint64_t *rest)
{
	(void)rest;
	return unlinkat(c->file->dir, c->name, AT_REMOVEDIR);
}

static int op_unlink(struct kept_call *c, const uint64_t *rest)
{
	(void)rest;
	return unlinkat(c->file->dir, c->name, 0);
}

static int op_unlinkat(struct kept_call *c, const uint64_t *rest)
{
	return unlinkat(c->file->dir, c->name, (int)rest[0] & AT_REMOVEDIR);
}

static int op_rename(struct kept_call *c, const uint64_t *rest)
{
	(void)rest;
	return renameat(c->file->dir, c->name, c->file->dir, c->other);
}

static int op_chmod(struct kept_call *c, const uint64_t *rest)
{
	return fchmodat(c->file->dir, c->name, (mode_t)rest[0] & KEPT_MODE, 0);
}

static int op_open(struct kept_call *c, const uint64_t *rest)
{
	int flags = (int)rest[0];

	c->fd = openat(c->file->dir, c->name, flags | O_NOFOLLOW | O_CLOEXEC,
		(mode_t)rest[1] & KEPT_MODE);
	return c->fd < 0 ? -1 : 0;
}

static int op_creat(struct kept_call *c, const uint64_t *rest)
{
	const uint64_t open_rest[] = { O_WRONLY | O_CREAT | O_TRUNC, rest[0] };

	return op_open(c, open_rest);
}

static int op_utimens(struct kept_call *c, const uint64_t *rest)
{
	struct timespec times[2];

	if (rest[0] != 0 &&
		procmem_read((pid_t)c->n->pid, rest[0], times, sizeof(times)) < 0) {
		errno = EFAULT;
		return -1;
	}
	return utimensat(c->file->dir, c->name, rest[0] != 0 ? times : NULL, AT_SYMLINK_NOFOLLOW);
}

static int op_utimes(struct kept_call *c, const uint64_t *rest)
{
	struct timeval tv[2];
	struct timespec times[2];

	if (rest[0] == 0)
		return utimensat(c->file->dir, c->name, NULL, AT_SYMLINK_NOFOLLOW);
	if (procmem_read((pid_t)c->n->pid, rest[0], tv, sizeof(tv)) < 0) {
		errno = EFAULT;
		return -1;
	}
	for (unsigned i = 0; i < 2; i++) {
		times[i].tv_sec = tv[i].tv_sec;
		times[i].tv_nsec = tv[i].tv_usec * 1000;
	}
	return utimensat(c->file->dir, c->name, times, AT_SYMLINK_NOFOLLOW);
}

/* Where the arguments stand; -1: the call has none (then the working directory is meant). */
static const struct kept_syscall {
	long nr;
	kept_op *op;
	int dirfd, path, rest;
	int dirfd2, path2;
} syscalls[] = {
	{ SYS_mkdirat, op_mkdir, 0, 1, 2, -1, -1 },
	{ SYS_unlinkat, op_unlinkat, 0, 1, 2, -1, -1 },
	{ SYS_renameat, op_rename, 0, 1, 0, 2, 3 },
	{ SYS_renameat2, op_rename, 0, 1, 0, 2, 3 },
	{ SYS_openat, op_open, 0, 1, 2, -1, -1 },
	{ SYS_utimensat, op_utimens, 0, 1, 2, -1, -1 },
	{ SYS_fchmodat, op_chmod, 0, 1, 2, -1, -1 },
#ifdef SYS_mkdir
	{ SYS_mkdir, op_mkdir, -1, 0, 1, -1, -1 },
	{ SYS_rmdir, op_rmdir, -1, 0, 0, -1, -1 },
	{ SYS_unlink, op_unlink, -1, 0, 0, -1, -1 },
	{ SYS_rename, op_rename, -1, 0, 0, -1, 1 },
	{ SYS_open, op_open, -1, 0, 1, -1, -1 },
	{ SYS_creat, op_creat, -1, 0, 1, -1, -1 },
	{ SYS_utimes, op_utimes, -1, 0, 1, -1, -1 },
	{ SYS_chmod, op_chmod, -1, 0, 1, -1, -1 },
#endif
};

static bool is_kept_file(const char *path)
{
	struct stat st;

	return strpbrk(path, "*?") == NULL && lstat(path, &st) == 0 && S_ISREG(st.st_mode);
}

int kept_init(struct kept *k, const struct run_plan *plan, struct err *err)
{
	size_t n;
	const struct policy_item *items = policy_list(plan->policy, PK_AGENT_KEEP, &n);

	*k = (struct kept){ 0 };
	for (size_t i = 0; i < n; i++) {
		const char *path = items[i].value, *slash = strrchr(path, '/');
		struct kept_file *f = &k->files[k->n];

		if (slash == NULL || slash == path || !is_kept_file(path))
			continue;
		if (k->n == KEPT_MAX)
			return err_set(err, 0, "%s:%u: more than %d single files in [agent] keep",
				items[i].origin.file, items[i].origin.line, KEPT_MAX);
		f->dir_path = strndup(path, (size_t)(slash - path));
		f->name = strdup(slash + 1);
		f->dir = f->dir_path == NULL ? -1
					     : open(f->dir_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		k->n++;
		if (f->dir < 0 || f->name == NULL)
			return err_set(err, errno, "[agent] keep: %s", path);
	}
	return 0;
}

void kept_done(struct kept *k)
{
	for (size_t i = 0; i < k->n; i++) {
		free(k->files[i].dir_path);
		free(k->files[i].name);
		cleanup_close(&k->files[i].dir);
	}
	k->n = 0;
}

/* The caller's path, absolute; nothing is resolved: a detour is not a kept name. */
static bool read_path(const struct seccomp_notif *n, int dirfd_arg, int path_arg,
	char out[2 * PATH_MAX])
{
	static struct procmem memory;
	char path[PATH_MAX], link[32];
	int dirfd = dirfd_arg < 0 ? AT_FDCWD : (int)n->data.args[dirfd_arg];
	ssize_t len;

	procmem_begin(&memory, (pid_t)n->pid);
	if (procmem_string(&memory, n->data.args[path_arg], path, sizeof(path)) < 0)
		return false;
	if (path[0] == '/') {
		memcpy(out, path, strlen(path) + 1);
		return true;
	}
	if (dirfd == AT_FDCWD)
		(void)snprintf(link, sizeof(link), "cwd");
	else
		(void)snprintf(link, sizeof(link), "fd/%d", dirfd);
	len = procmem_link((pid_t)n->pid, link, out, PATH_MAX);
	if (len < 0)
		return false;
	(void)snprintf(out + len, (size_t)(2 * PATH_MAX - len), "/%s", path);
	return true;
}

/* The kept file whose name, or whose name with an ending, this is. */
static const struct kept_file *find(const struct kept *k, const char *path, char name[NAME_MAX + 1])
{
	for (size_t i = 0; i < k->n; i++) {
		const struct kept_file *f = &k->files[i];
		size_t dir = strlen(f->dir_path), len = strlen(f->name);
		const char *base = path + dir + 1;

		if (strncmp(path, f->dir_path, dir) != 0 || path[dir] != '/' ||
			strncmp(base, f->name, len) != 0 || strchr(base, '/') != NULL ||
			strlen(base) > NAME_MAX)
			continue;
		if (base[len] == '\0' || strchr(".-_~", base[len]) != NULL) {
			memcpy(name, base, strlen(base) + 1);
			return f;
		}
	}
	return NULL;
}

static void answer(int listener, const struct seccomp_notif *n, int error, unsigned flags)
{
	struct seccomp_notif_resp resp = { .id = n->id, .error = error, .flags = flags };

	/* ENOENT: nobody waits any more. */
	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);
}

static void carry_out(struct kept_call *c, const struct kept_syscall *s)
{
	const uint64_t rest[2] = { c->n->data.args[s->rest], c->n->data.args[s->rest + 1] };
	struct seccomp_notif_addfd add = { .id = c->n->id, .flags = SECCOMP_ADDFD_FLAG_SEND };
	uint64_t id = c->n->id;

	if (ioctl(c->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) < 0)
		return;
	if (s->op(c, rest) < 0) {
		answer(c->listener, c->n, -errno, 0);
		return;
	}
	if (c->fd < 0) {
		answer(c->listener, c->n, 0, 0);
		return;
	}
	add.srcfd = (unsigned)c->fd;
	add.newfd_flags = s->op == op_open ? (unsigned)rest[0] & O_CLOEXEC : 0;
	if (ioctl(c->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0)
		answer(c->listener, c->n, -EMFILE, 0);
	cleanup_close(&c->fd);
}

void kept_handle(const struct kept *k, int listener, const struct seccomp_notif *n)
{
	struct kept_call c = { .n = n, .listener = listener, .fd = -1 };
	char path[2 * PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(syscalls); i++) {
		const struct kept_syscall *s = &syscalls[i];

		if (s->nr != n->data.nr)
			continue;
		if (!read_path(n, s->dirfd, s->path, path))
			break;
		c.file = find(k, path, c.name);
		if (c.file == NULL)
			break;
		/* Both names of a rename, or neither: nothing is moved in or out. */
		if (s->path2 >= 0 && (!read_path(n, s->dirfd2, s->path2, path) ||
					     find(k, path, c.other) != c.file))
			break;
		carry_out(&c, s);
		return;
	}
	/* Whatever the caller makes of its arguments now, the mounts decide. */
	answer(listener, n, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}
