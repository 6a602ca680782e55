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
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

struct renewal {
	const struct mount_plan *plan;
	const struct policy *policy;
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

/* A mount that lies below a directory that is about to be covered. */
struct carried {
	int fd; /* O_PATH */
	bool is_dir;
	uint64_t id; /* statx(2), stx_mnt_id */
	const char *path;
};

static void close_carried(struct carried *c, size_t n)
{
	for (size_t i = 0; c != NULL && i < n; i++)
		cleanup_close(&c[i].fd);
	free(c);
}

/* Is a mount at that path, found as the plan's mounts were put there (view_target())? 1, 0 or -errno. */
static int find_mount(const struct renewal *v, const struct mount_entry *e, struct carried *ret,
	struct err *err)
{
	AUTO_CLOSE int fd = view_target(v->root, e, err);
	struct statx x;

	if (fd < 0)
		return err->code == ENOENT ? 0 : -err->code;
	if (statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_TYPE | STATX_MNT_ID, &x) < 0)
		return err_set(err, errno, "stat %s", e->path);
	if ((x.stx_attributes_mask & x.stx_attributes & STATX_ATTR_MOUNT_ROOT) == 0)
		return 0;
	*ret = (struct carried){ take_fd(&fd), S_ISDIR(x.stx_mode), x.stx_mnt_id, e->path };
	return 1;
}

/*
 * Links of the user's can lead from one planned path to another place, so each is looked for; but not
 * in the project: no link was followed there, and it goes as a whole, with thousands of masks perhaps.
 */
static int find_mounts(const struct renewal *v, const char *path, struct carried **ret, struct err *err)
{
	size_t n = strlen(path), found = 0;
	struct carried *c = calloc(v->plan->n + ARRAY_LEN(run_mounts), sizeof(*c));
	int r = c == NULL ? err_set(err, ENOMEM, "mounts") : 0;

	for (size_t k = 0; k < v->plan->n + ARRAY_LEN(run_mounts) && r >= 0; k++) {
		struct mount_entry run = { .path = (char *)(size_t)(k < v->plan->n
							   ? NULL
							   : run_mounts[k - v->plan->n]) };
		const struct mount_entry *e = k < v->plan->n ? &v->plan->entries[k] : &run;

		if (e->agent_only || !plan_is_below(e->path, path) || e->path[n] != '/' ||
			(e->is_in_project && found > 0 && plan_is_below(e->path, c[found - 1].path)))
			continue;
		r = find_mount(v, e, &c[found], err);
		found += r > 0;
	}
	if (r < 0) {
		close_carried(c, found);
		return r;
	}
	*ret = c;
	return (int)found;
}

/* mnt_point() in short for what is missing in a new file system; name has no slash. */
static int make_place(int dir, const char *name, bool is_dir)
{
	AUTO_CLOSE int made = -1;

	if (is_dir ? mkdirat(dir, name, 0755) < 0
		   : (made = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644)) < 0)
		return -1;
	return openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

/* To the same path as it is now, unless that still leads to it. */
static int carry(const struct renewal *v, const struct carried *c, int new, const char *below,
	struct err *err)
{
	AUTO_CLOSE int to = strchr(below, '/') == NULL ? make_place(new, below, c->is_dir) : -1;
	struct statx x;

	if (to < 0)
		to = mnt_point(v->root, c->path, c->is_dir, err);
	if (to < 0)
		return to;
	if (statx(to, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &x) < 0)
		return err_set(err, errno, "stat %s", c->path);
	if (x.stx_mnt_id == c->id)
		return 0;
	return mnt_attach(c->fd, to, err) < 0 ? err_prefix(err, "%s", c->path) : 0;
}

/* Mounts tree, which is taken, over path, and carries over what the plan has mounted below. */
static int cover(const struct renewal *v, const char *path, int tree, struct err *err)
{
	AUTO_CLOSE int new = tree, old = -1;
	struct carried *mounts = NULL;
	int n, r = 0;

	if (new < 0)
		return err_prefix(err, "%s", path);
	old = openat(v->root, path + 1, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (old < 0)
		return err_set(err, errno, "open %s", path);
	n = find_mounts(v, path, &mounts, err);
	if (n < 0)
		return n;
	if (mnt_attach(new, old, err) < 0)
		r = err_prefix(err, "%s", path);
	for (int i = 0; i < n && r == 0; i++)
		r = carry(v, &mounts[i], new, mounts[i].path + strlen(path) + 1, err);
	close_carried(mounts, (size_t)n);
	return r;
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
		return cover(v, e->path, view_share_tmpfs(v->policy, "700", VIEW_SHARE_HOME, err), err);
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
	int tree = view_share_tmpfs(v->policy, "755", VIEW_SHARE_RUN, err);

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
		tree = view_share_tmpfs(v->policy, "1777", VIEW_SHARE_TMP, err);
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
	m->refused = openat(m->root, "refused", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return m->file < 0 || m->dir < 0 || m->closed < 0 || m->refused < 0 ? err_set(err, errno, "open masks") : 0;
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
		view_attach(v->root, view_share_tmpfs(v->policy, "700", VIEW_SHARE_TMP, err),
			VIEW_BELOW "/" VIEW_BELOW_UPPERS, 1, err) < 0)
		return -err->code;
	v->layers.root = open_below(VIEW_BELOW_UPPERS, err);
	if (v->layers.root < 0 || view_proc(v->root, err) < 0)
		return -err->code;
	/* As long as /proc/sys can be written, if the user is root. */
	return cell_raise_pids(err) < 0 ? -err->code : view_proc_guard(v->root, &v->masks, err);
}

static int renew(struct renewal *v, struct err *err)
{
	if (begin(v, err) < 0 || view_dev_own(v->root, v->policy, err) < 0 || renew_run(v, err) < 0)
		return -err->code;
	/* Before the entries: some may lie in it. */
	if (renew_tmp(v, err) < 0)
		return -err->code;
	v->layers.may_be_read = strcmp(policy_value(v->policy, PK_FILES_NO_OVERLAY)->value, "read") == 0;
	for (size_t i = 0; i < v->plan->n; i++)
		if (renew_entry(v, i, err) < 0)
			return -err->code;
	return 0;
}

int view_renew(const struct cell_request *request, struct cell *cell, int *ret_tmp, struct err *err)
{
	size_t n;
	struct renewal v = { .plan = request->mounts,
		.policy = request->plan->policy,
		.root = -1,
		.tmp = -1,
		.masks = { -1, -1, -1, -1, -1 },
		.layers = { .root = -1, .kept = -1, .lowers = -1, .note = cell->note } };
	int r;

	r = renew(&v, err);
	/* Those of the project came along; of the rest some were in what is new. */
	if (r == 0)
		view_honey(&v.masks, v.root, request);
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
