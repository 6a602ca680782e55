/*
 * A cell's view from a copy of its mother's. Runs in the cell's first process, with capabilities in the
 * mother's user namespace. Hostile: names in the project, which is carried along and not looked into.
 */
#include "cell/view.h"

#include "base/cleanup.h"
#include "base/sys.h"
#include "cell/cell_private.h"
#include "cell/mnt.h"
#include "cell/plan.h"
#include "wire/door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

struct renewal {
	const struct mount_plan *plan;
	int root;
	struct masks masks;
	struct view_layers layers;
	int tmp; /* the agent's */
};

/* Mounts of /run that are the same for all cells and read-only. */
static const char *const run_mounts[] = { DOOR_DIR, TRUST_DIR };

static int open_below(const char *name, struct err *err)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), VIEW_BELOW "/%s", name);
	fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_set(err, errno, "open %s", path) : fd;
}

/* ---- carrying over ---- */

/* mnt_point() in short for what it does not need to look for. */
static int make_place(int dir, const char *name, bool is_dir, struct err *err)
{
	AUTO_CLOSE int made = -1;
	int fd;

	if (strchr(name, '/') != NULL)
		return mnt_point(dir, name, is_dir, err);
	if (is_dir ? mkdirat(dir, name, 0755) < 0
		   : (made = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644)) < 0)
		return mnt_point(dir, name, is_dir, err);
	fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_set(err, errno, "open %s", name) : fd;
}

/* What is mounted at `name` in the old directory goes to the same place in the new one. */
static int carry(int old, int new, const char *name, struct err *err)
{
	AUTO_CLOSE int from = sys_openat2(old, name, O_PATH | O_NOFOLLOW | O_CLOEXEC,
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
	AUTO_CLOSE int to = -1;
	struct statx x;

	if (from < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
			? 0
			: err_set(err, errno, "open %s", name);
	if (statx(from, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_TYPE, &x) < 0)
		return err_set(err, errno, "stat %s", name);
	if ((x.stx_attributes_mask & x.stx_attributes & STATX_ATTR_MOUNT_ROOT) == 0)
		return 0;
	to = make_place(new, name, S_ISDIR(x.stx_mode), err);
	return to < 0 ? to : mnt_attach(from, to, err);
}

/* Mounts tree, which is taken, over path, and carries over what the plan has mounted below. */
static int cover(const struct renewal *v, const char *path, int tree, struct err *err)
{
	AUTO_CLOSE int new = tree, old = -1;
	size_t n = strlen(path);

	if (new < 0)
		return err_prefix(err, "%s", path);
	old = openat(v->root, path + 1, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (old < 0)
		return err_set(err, errno, "open %s", path);
	if (mnt_attach(new, old, err) < 0)
		return err_prefix(err, "%s", path);
	for (size_t k = 0; k < v->plan->n; k++) {
		const struct mount_entry *e = &v->plan->entries[k];

		if (!e->agent_only && plan_is_below(e->path, path) && e->path[n] == '/' &&
			carry(old, new, e->path + n + 1, err) < 0)
			return err_prefix(err, "%s", e->path);
	}
	for (size_t k = 0; k < ARRAY_LEN(run_mounts); k++)
		if (plan_is_below(run_mounts[k], path) &&
			carry(old, new, run_mounts[k] + n + 1, err) < 0)
			return err_prefix(err, "%s", run_mounts[k]);
	return 0;
}

/* ---- what is new ---- */

/* A later entry of the same path is stricter and lies on top: it stays there. */
static bool is_covered(const struct mount_plan *plan, size_t i)
{
	for (size_t k = i + 1; k < plan->n && strcmp(plan->entries[k].path, plan->entries[i].path) == 0; k++)
		if (!plan->entries[k].agent_only)
			return true;
	return false;
}

static int renew_entry(struct renewal *v, size_t i, struct err *err)
{
	const struct mount_entry *e = &v->plan->entries[i];
	AUTO_CLOSE int lower = -1;
	char name[64];

	if (e->agent_only || is_covered(v->plan, i))
		return 0;
	if (e->kind == MOUNT_EMPTY)
		return cover(v, e->path, mnt_tmpfs("700", "50%", 0, err), err);
	if (e->kind != MOUNT_OVERLAY || !e->is_dir)
		return 0;
	/* By way of layers.lowers: VIEW_BELOW is covered by now. */
	(void)snprintf(name, sizeof(name), "%zu", i);
	lower = openat(v->layers.lowers, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (lower < 0)
		return errno == ENOENT ? 0 : err_set(err, errno, "open %s", e->path);
	return cover(v, e->path, view_layers_dropped(&v->layers, lower, err), err);
}

static int renew_run(const struct renewal *v, struct err *err)
{
	int tree = mnt_tmpfs("755", "10%", 0, err);

	if (tree >= 0 && mkdirat(tree, "lock", 01777) < 0) {
		(void)close(tree);
		return err_set(err, errno, "mkdir /run/lock");
	}
	return cover(v, "/run", tree, err);
}

/* What the agent has in it is there to be read; without overlayfs an empty one has to do. */
static int renew_tmp(struct renewal *v, struct err *err)
{
	AUTO_CLOSE int lower = openat(v->root, "tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int tree;

	if (lower < 0)
		return err_set(err, errno, "open /tmp");
	tree = view_layers_dropped(&v->layers, lower, err);
	if (tree < 0)
		tree = mnt_tmpfs("1777", "50%", 0, err);
	v->tmp = take_fd(&lower);
	if (cover(v, "/tmp", tree, err) < 0)
		return -err->code;
	return chmod("/tmp", 01777) < 0 ? err_set(err, errno, "chmod /tmp") : 0;
}

static int open_masks(struct masks *m, struct err *err)
{
	m->root = open_below(VIEW_BELOW_MASKS, err);
	if (m->root < 0)
		return -err->code;
	m->file = openat(m->root, "file", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	m->dir = openat(m->root, "dir", O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
	m->closed = openat(m->root, "closed", O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
	return m->file < 0 || m->dir < 0 || m->closed < 0 ? err_set(err, errno, "open masks") : 0;
}

/* All that lies below /proc is opened while it can be named. */
static int begin(struct renewal *v, struct err *err)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_set(err, errno, "make mounts slaves");
	v->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (v->root < 0)
		return err_set(err, errno, "open /");
	if (open_masks(&v->masks, err) < 0)
		return -err->code;
	v->layers.lowers = open_below(VIEW_BELOW_LOWERS, err);
	if (v->layers.lowers < 0 ||
		view_attach(v->root, mnt_tmpfs("700", "50%", 0, err),
			VIEW_BELOW "/" VIEW_BELOW_UPPERS, 1, err) < 0)
		return -err->code;
	v->layers.root = open_below(VIEW_BELOW_UPPERS, err);
	if (v->layers.root < 0 || view_proc(v->root, err) < 0)
		return -err->code;
	/* As long as /proc/sys can be written, if the user is root. */
	return cell_raise_pids(err) < 0 ? -err->code : view_proc_guard(v->root, &v->masks, err);
}

static int renew(struct renewal *v, const struct policy *policy, struct err *err)
{
	if (begin(v, err) < 0 || view_dev_own(v->root, err) < 0 || renew_run(v, err) < 0)
		return -err->code;
	/* Before the entries: some may lie in it. */
	if (renew_tmp(v, err) < 0)
		return -err->code;
	v->layers.may_be_read = strcmp(policy_value(policy, PK_FILES_NO_OVERLAY)->value, "read") == 0;
	for (size_t i = 0; i < v->plan->n; i++)
		if (renew_entry(v, i, err) < 0)
			return -err->code;
	return 0;
}

int view_renew(const struct cell_request *request, struct cell *cell, int *ret_tmp, struct err *err)
{
	size_t n;
	struct renewal v = { .plan = request->mounts,
		.root = -1,
		.tmp = -1,
		.masks = { -1, -1, -1, -1 },
		.layers = { .root = -1, .kept = -1, .lowers = -1, .note = cell->note } };
	int r;

	r = renew(&v, request->plan->policy, err);
	view_masks_done(&v.masks);
	cleanup_close(&v.layers.lowers);
	cleanup_close(&v.layers.root);
	(void)policy_list(request->plan->policy, PK_AGENT_RECEIVE, &n);
	if (r == 0) {
		cell->fds[CELL_FD_ROOT] = take_fd(&v.root);
		*ret_tmp = n > 0 ? take_fd(&v.tmp) : -1;
	}
	cleanup_close(&v.tmp);
	cleanup_close(&v.root);
	return r;
}
