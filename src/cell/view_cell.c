/*
 * A cell's own root, mount by mount. Runs in a cell's first process, with capabilities in its own
 * user namespace. Hostile: names inside the project.
 */
#include "cell/view.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/sys.h"
#include "cell/mnt.h"
#include "cell/plan.h"
#include "policy/limits.h"
#include "wire/cachedir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

struct view {
	const struct cell_request *request;
	struct cell *cell;
	int root; /* of the new tree */
	struct mnt_parent parent; /* of the last entry's mount point */
	int held_source; /* the store of held files, the host's mount */
	int *sources; /* one for each entry of the plan, -1: none */
	int below; /* of a mother: what is VIEW_BELOW in it; -1 */
	struct masks masks;
	struct view_trust trust;
	struct view_redact redact;
	struct view_held held;
	struct view_layers layers;
};

/* Device files a program expects; all else in /dev is the host's business. */
static const char *const device_names[] = { "null", "zero", "full", "random", "urandom", "tty" };

static const struct {
	const char *target, *name;
} root_links[] = {
	{ "../tmp", "var/tmp" },
	{ "../run", "var/run" },
	{ "../run/lock", "var/lock" },
	{ "/proc/self/fd", "dev/fd" },
	{ "/proc/self/fd/0", "dev/stdin" },
	{ "/proc/self/fd/1", "dev/stdout" },
	{ "/proc/self/fd/2", "dev/stderr" },
	{ "pts/ptmx", "dev/ptmx" },
};

/* Parts of /sys that runtimes read to size themselves. */
static const char *const sys_parts[] = { "/sys/devices/system/cpu", "/sys/devices/system/node",
	"/sys/kernel/mm/transparent_hugepage" };

static bool needs_source(const struct mount_entry *e)
{
	return !e->agent_only && !e->is_new &&
		(e->kind == MOUNT_READ || e->kind == MOUNT_WRITE || e->kind == MOUNT_OVERLAY ||
			e->kind == MOUNT_CACHE || e->kind == MOUNT_REDACT);
}

int view_share_tmpfs(const struct policy *policy, const char *mode, enum view_share share,
	struct err *err)
{
	struct limits limits = limits_of(policy);
	uint64_t bytes = limits.amounts[LIMITS_MEMORY] / 2 / 100 * (uint64_t)share;
	char size[32];
	struct sysinfo machine;

	if (sysinfo(&machine) < 0)
		return err_set(err, errno, "sysinfo");
	if (bytes == 0 || bytes > (uint64_t)machine.totalram * machine.mem_unit / 100 * (uint64_t)share)
		(void)snprintf(size, sizeof(size), "%d%%", (int)share);
	else
		(void)snprintf(size, sizeof(size), "%llu", (unsigned long long)bytes);
	return mnt_tmpfs(mode, size, 0, err);
}

static int share_tmpfs(const struct view *v, const char *mode, enum view_share share, struct err *err)
{
	return view_share_tmpfs(v->request->plan->policy, mode, share, err);
}

/* All sources are opened before the new root covers /tmp, where some may be. */
static int open_sources(struct view *v, struct err *err)
{
	const struct mount_plan *plan = v->request->mounts;

	v->sources = malloc((plan->n + 1) * sizeof(v->sources[0]));
	if (v->sources == NULL)
		return err_set(err, ENOMEM, "mount plan");
	for (size_t i = 0; i < plan->n; i++) {
		const struct mount_entry *e = &plan->entries[i];
		uint64_t resolve = e->is_in_project ? RESOLVE_NO_SYMLINKS : 0;

		v->sources[i] = -1;
		if (!needs_source(e))
			continue;
		if (e->kind == MOUNT_REDACT) {
			v->sources[i] = view_redact_open(e);
			continue;
		}
		v->sources[i] = sys_openat2(AT_FDCWD, e->path, O_PATH | O_CLOEXEC, resolve);
		if (v->sources[i] < 0 && errno != ENOENT && errno != EACCES && errno != ELOOP)
			return err_set(err, errno, "open %s", e->path);
	}
	return 0;
}

/*
 * The warden's descriptor is of the mounts that it sees: the same directory again, among this
 * process's own.
 */
static int open_caches(struct view *v, struct err *err)
{
	const struct run_plan *run = v->request->plan;
	AUTO_BUF struct buf path = { 0 };
	char key[CACHEDIR_KEY_BYTES];
	struct stat theirs, ours;

	v->layers = (struct view_layers){ .root = -1, .kept = -1, .lowers = -1, .parent = &v->parent,
		.note = v->cell->note };
	v->layers.may_be_read =
		strcmp(policy_value(run->policy, PK_FILES_NO_OVERLAY)->value, "read") == 0;
	if (v->request->caches < 0)
		return 0;
	cachedir_key(run->project, key);
	buf_addf(&path, "%s/%s", run->cache_dir, key);
	if (path.failed)
		return err_set(err, ENOMEM, "caches");
	v->layers.kept = open(path.data, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (v->layers.kept < 0 || fstat(v->layers.kept, &ours) < 0 ||
		fstat(v->request->caches, &theirs) < 0)
		return err_set(err, errno, "open %s", path.data);
	if (ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino)
		return err_set(err, ESTALE, "%s was changed while a session started", path.data);
	return 0;
}

/*
 * A mount of its own for them, with the flags that every cache's is to have: those are copies of it.
 * It lies below what becomes /proc, as the masks do, and nobody can name it there.
 */
static int mount_caches(struct view *v, int at, struct err *err)
{
	AUTO_CLOSE int tree = -1;

	if (v->layers.kept < 0)
		return 0;
	tree = mnt_clone(v->layers.kept, MNT_FLAT_, err);
	if (tree < 0 || mnt_attach(tree, at, err) < 0)
		return err_prefix(err, "caches");
	cleanup_close(&v->layers.kept);
	v->layers.kept = take_fd(&tree);
	return 0;
}

/* The entry that shows or hides e's place so far: its nearest ancestor in the cell's view. */
static const struct mount_entry *covering(const struct mount_plan *plan, size_t i)
{
	for (size_t k = i; k-- > 0;) {
		const struct mount_entry *e = &plan->entries[k];

		if (!e->agent_only && plan_is_below(plan->entries[i].path, e->path))
			return e;
	}
	return NULL;
}

/* A top-level link such as /bin -> usr/bin stays a link. True when it was one. */
static int copy_root_link(struct view *v, const char *path, struct err *err)
{
	char target[PATH_MAX];
	ssize_t n;

	if (strchr(path + 1, '/') != NULL)
		return 0;
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return 0;
	target[n] = '\0';
	if (symlinkat(target, v->root, path + 1) < 0 && errno != EEXIST)
		return err_set(err, errno, "symlink %s", path);
	return 1;
}

/*
 * A name that is missing is made where that touches nothing of the host's: on the cell's own HOME,
 * on an upper layer, in a hidden directory, which is empty here.
 */
static bool may_make_below(const struct mount_entry *above)
{
	return above != NULL &&
		(above->kind == MOUNT_EMPTY || above->kind == MOUNT_OVERLAY ||
			above->kind == MOUNT_HIDE);
}

static int redact_entry(struct view *v, size_t i, const struct mount_entry *above, struct err *err)
{
	const struct mount_entry *e = &v->request->mounts->entries[i];
	struct view_place place = { .root = v->root,
		.masks = &v->masks,
		.may_make = may_make_below(above),
		.is_held = above != NULL && above->kind == MOUNT_HOLD &&
			strcmp(above->path, e->path) == 0 };

	if (view_redact(&v->redact, &place, e, v->sources[i], err) < 0)
		return err_prefix(err, "%s", e->path);
	return 0;
}

/* A hidden directory with shown ones below it: an empty tmpfs instead of the common mask. */
static bool has_shown_child(const struct mount_plan *plan, size_t i)
{
	for (size_t k = i + 1; k < plan->n; k++) {
		if (!plan_is_below(plan->entries[k].path, plan->entries[i].path))
			return false;
		if (needs_source(&plan->entries[k]) || plan->entries[k].is_new)
			return true;
	}
	return false;
}

/* What lies in a hidden directory is not there to be mounted over. */
static bool is_hidden_above(const struct mount_plan *plan, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (!plan->entries[k].agent_only && plan->entries[k].kind == MOUNT_HIDE &&
			plan_is_below(plan->entries[i].path, plan->entries[k].path))
			return true;
	return false;
}

static int cover(struct view *v, const struct mount_entry *e, int target, struct err *err)
{
	if (e->kind == MOUNT_HIDE)
		return view_hide(&v->masks, target, e->is_tracked, err);
	if (e->kind == MOUNT_ROOTS || e->kind == MOUNT_KEYSTORE || e->kind == MOUNT_HASHED ||
		e->kind == MOUNT_POLICIES)
		return view_trust_mount(&v->trust, target, e->kind, err);
	if (e->kind == MOUNT_HOLD)
		return view_held_mount(&v->held, target, e, err);
	return view_protect(target, e->kind, 0, err);
}

static int mount_over(struct view *v, size_t i, struct err *err)
{
	const struct mount_entry *e = &v->request->mounts->entries[i];
	int r;
	AUTO_CLOSE int target = view_target(v->root, e, err);

	if (target < 0)
		return err->code == ENOENT &&
				(e->ino == 0 || view_is_any(e) || is_hidden_above(v->request->mounts, i))
			? 0
			: view_changed(e, err);
	if (view_check(&v->masks, target, e, err) < 0)
		return -err->code;
	if (e->kind == MOUNT_HIDE && e->is_dir && has_shown_child(v->request->mounts, i))
		return view_attach(v->root, mnt_tmpfs("755", "1m", 0, err), e->path, 1, err);
	r = cover(v, e, target, err);
	return r < 0 ? view_went(e, err) : 0;
}

/* Attaches a detached tree, or says why there is none. */
static int place(struct view *v, int tree, const struct mount_entry *e, struct err *err)
{
	bool is_dir = e->is_dir || e->kind == MOUNT_EMPTY;

	return mnt_place(&v->parent, tree, e->path, is_dir, err) < 0 ? err_prefix(err, "%s", e->path) : 0;
}

static int mount_entry(struct view *v, size_t i, struct err *err)
{
	const struct mount_entry *e = &v->request->mounts->entries[i];
	const struct mount_entry *above = covering(v->request->mounts, i);
	int r;

	switch (e->kind) {
	case MOUNT_HIDE:
	case MOUNT_PROTECT:
	case MOUNT_HOLD:
	case MOUNT_PIN:
	case MOUNT_ROOTS:
	case MOUNT_KEYSTORE:
	case MOUNT_HASHED:
	case MOUNT_POLICIES:
		mnt_parent_forget(&v->parent);
		r = mount_over(v, i, err);
		return r < 0 ? err_prefix(err, "%s", e->path) : 0;
	case MOUNT_REDACT:
		mnt_parent_forget(&v->parent);
		return redact_entry(v, i, above, err);
	case MOUNT_EMPTY:
		return place(v, share_tmpfs(v, "700", VIEW_SHARE_HOME, err), e, err);
	case MOUNT_READ:
	case MOUNT_WRITE:
	case MOUNT_OVERLAY:
	case MOUNT_CACHE:
		break;
	case MOUNT_KIND_COUNT:
		return err_set(err, EINVAL, "mount kind");
	}
	if (v->sources[i] < 0 ? e->kind != MOUNT_CACHE || !may_make_below(above)
			      : above != NULL && above->kind == e->kind && e->kind != MOUNT_OVERLAY)
		return 0;
	r = copy_root_link(v, e->path, err);
	if (r != 0)
		return r < 0 ? r : 0;
	if ((e->kind == MOUNT_OVERLAY || e->kind == MOUNT_CACHE) && e->is_dir)
		return view_layers_add(&v->layers, v->request->mounts, i, v->sources[i], err);
	return place(v, mnt_clone(v->sources[i], e->kind == MOUNT_WRITE ? 0 : MNT_RDONLY_, err), e, err);
}

int view_dev_own(int root, const struct policy *policy, struct err *err)
{
	const char *pts[] = { "newinstance", NULL, "ptmxmode", "0666", "mode", "620", NULL };

	if (view_attach(root, mnt_new("devpts", pts, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, err),
		    "dev/pts", 1, err) < 0)
		return -err->code;
	if (view_attach(root, mnt_new("mqueue", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
				       MOUNT_ATTR_NOEXEC, err), "dev/mqueue", 1, err) < 0)
		return -err->code;
	return view_attach(root, view_share_tmpfs(policy, "1777", VIEW_SHARE_SHM, err), "dev/shm", 1, err);
}

static int mount_dev(struct view *v, struct err *err)
{
	struct mnt_parent *dev = &v->parent;

	if (view_attach(v->root, mnt_tmpfs("755", "64k", MNT_NOEXEC_ | MNT_DEVICES_, err), "dev", 1, err) < 0)
		return -err->code;
	for (size_t i = 0; i < ARRAY_LEN(device_names); i++) {
		char host[32];
		AUTO_CLOSE int source = -1;

		(void)snprintf(host, sizeof(host), "/dev/%s", device_names[i]);
		source = open(host, O_PATH | O_CLOEXEC);
		if (source < 0)
			return err_set(err, errno, "open %s", host);
		if (mnt_place(dev, mnt_clone(source, MNT_NOEXEC_ | MNT_DEVICES_, err), host, 0, err) < 0)
			return err_prefix(err, "%s", host);
	}
	mnt_parent_forget(dev);
	return view_dev_own(v->root, v->request->plan->policy, err);
}

static int mount_sys(struct view *v, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(sys_parts); i++) {
		AUTO_CLOSE int source = open(sys_parts[i], O_PATH | O_CLOEXEC);

		if (source < 0)
			continue; /* an architecture or a container without it */
		if (view_attach(v->root, mnt_clone(source, MNT_RDONLY_ | MNT_NOEXEC_, err), sys_parts[i], 1,
			    err) < 0)
			return -err->code;
	}
	return 0;
}

/* The session's /tmp: a new tmpfs, or the one an earlier cell of the session left. */
static int mount_tmp(struct view *v, struct err *err)
{
	int *fds = v->cell->fds;
	AUTO_CLOSE int at = -1;

	if (v->request->tmp_tree >= 0) {
		at = mnt_point(v->root, "tmp", 1, err);
		if (at < 0 || mnt_attach(v->request->tmp_tree, at, err) < 0)
			return err_prefix(err, "/tmp");
	} else if (view_attach(v->root, share_tmpfs(v, "1777", VIEW_SHARE_TMP, err), "tmp", 1, err) < 0) {
		return -err->code;
	}
	/* `run` has neither an agent nor a second cell. */
	if (v->request->plan->is_run_verb)
		return 0;
	for (int i = CELL_FD_TMP_AGENT; i <= CELL_FD_TMP_SPARE; i++) {
		fds[i] = sys_open_tree(v->root, "tmp", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (fds[i] < 0)
			return err_set(err, errno, "open_tree /tmp");
	}
	return 0;
}

static int open_below(const struct view *v, const char *name, struct err *err)
{
	int fd;

	if (mkdirat(v->below, name, 0755) < 0)
		return err_set(err, errno, "mkdir %s", name);
	fd = openat(v->below, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_set(err, errno, "open %s", name) : fd;
}

/*
 * In a mother the places below /proc stay to be named: its cells find them there, each in its own copy,
 * and then cover them. Beneath them lies a /proc without anything on it: the kernel gives a cell one
 * of its own for that reason alone (mount_too_revealing() in fs/namespace.c).
 */
static int mount_below(struct view *v, struct err *err)
{
	AUTO_CLOSE int masks = -1, redact = -1, kept = -1, held = -1;

	if (view_proc(v->root, err) < 0 || view_attach(v->root, mnt_tmpfs("755", "64k", 0, err), "proc", 1, err) < 0)
		return -err->code;
	v->below = openat(v->root, "proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (v->below < 0)
		return err_set(err, errno, "open proc");
	masks = open_below(v, VIEW_BELOW_MASKS, err);
	redact = masks < 0 ? -1 : open_below(v, VIEW_BELOW_REDACT, err);
	kept = redact < 0 ? -1 : open_below(v, VIEW_BELOW_KEPT, err);
	held = kept < 0 ? -1 : open_below(v, VIEW_BELOW_HELD, err);
	v->layers.lowers = held < 0 ? -1 : open_below(v, VIEW_BELOW_LOWERS, err);
	if (v->layers.lowers < 0)
		return -err->code;
	if (mkdirat(v->below, VIEW_BELOW_UPPERS, 0700) < 0)
		return err_set(err, errno, "mkdir " VIEW_BELOW_UPPERS);
	if (view_masks_init(&v->masks, masks, v->request, err) < 0 || mount_caches(v, kept, err) < 0)
		return -err->code;
	v->redact.note = v->cell->note;
	if (view_redact_init(&v->redact, redact, err) < 0)
		return -err->code;
	return view_held_init(&v->held, v->held_source, held, err);
}

static int mount_base(struct view *v, struct err *err)
{
	static const char *const dirs[] = { "var", "run", "proc", "etc" };
	AUTO_CLOSE int at = -1;

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (mkdirat(v->root, dirs[i], 0755) < 0)
			return err_set(err, errno, "mkdir %s", dirs[i]);
	if (view_attach(v->root, share_tmpfs(v, "755", VIEW_SHARE_RUN, err), "run", 1, err) < 0)
		return -err->code;
	if (mkdirat(v->root, "run/lock", 01777) < 0)
		return err_set(err, errno, "mkdir run/lock");
	/* The masks lie below what becomes /proc: nobody can name them there. */
	if (v->request->is_mother)
		return mount_below(v, err);
	at = openat(v->root, "proc", O_PATH | O_CLOEXEC);
	if (at < 0)
		return err_set(err, errno, "open proc");
	if (view_masks_init(&v->masks, at, v->request, err) < 0 || mount_caches(v, at, err) < 0)
		return -err->code;
	v->redact.note = v->cell->note;
	if (view_redact_init(&v->redact, at, err) < 0)
		return -err->code;
	return view_held_init(&v->held, v->held_source, at, err);
}

/* $HOME may be another path to the home directory than the resolved one: both lead there. */
static int link_home(struct view *v, struct err *err)
{
	const char *name = v->request->home_link;
	AUTO_CLOSE int fd = -1;

	if (name == NULL || faccessat(v->root, name + 1, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	/* A directory is made with its parents, and gives way to the link. */
	fd = mnt_point(v->root, name, 1, err);
	if (fd < 0)
		return -err->code;
	if (unlinkat(v->root, name + 1, AT_REMOVEDIR) < 0 ||
		symlinkat(v->request->plan->home, v->root, name + 1) < 0)
		return err_set(err, errno, "link %s", name);
	return 0;
}

static int make_links(struct view *v, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(root_links); i++)
		if (symlinkat(root_links[i].target, v->root, root_links[i].name) < 0 &&
			errno != EEXIST && errno != EROFS)
			return err_set(err, errno, "symlink %s", root_links[i].name);
	return 0;
}

static int open_root(struct view *v, struct err *err)
{
	AUTO_CLOSE int tree = share_tmpfs(v, "755", VIEW_SHARE_ROOT, err), at = -1;

	if (tree < 0)
		return -err->code;
	at = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return err_set(err, errno, "open /tmp");
	if (mnt_attach(tree, at, err) < 0)
		return err_prefix(err, "root");
	v->root = take_fd(&tree);
	v->layers.root = v->parent.root = v->root;
	return 0;
}

/* Leaves the host's tree: nothing of it stays reachable (pivot_root(2), NOTES: "." twice). */
static int pivot(struct view *v, struct err *err)
{
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
	int *fds = v->cell->fds;

	fds[CELL_FD_USERNS] = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	fds[CELL_FD_MNTNS] = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (fds[CELL_FD_USERNS] < 0 || fds[CELL_FD_MNTNS] < 0)
		return err_set(err, errno, "open namespaces");
	/* Cells are copies: what a command could write in /dev would be every other's. */
	if (v->request->is_mother && sys_mount_setattr(v->root, "dev", 0, &read_only) < 0)
		return err_set(err, errno, "read-only /dev");
	if (fchdir(v->root) < 0 || sys_pivot_root(".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
		chdir("/") < 0)
		return err_set(err, errno, "pivot_root");
	if (sys_mount_setattr(AT_FDCWD, "/", 0, &read_only) < 0)
		return err_set(err, errno, "read-only root");
	fds[CELL_FD_ROOT] = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	fds[CELL_FD_MASKS] = take_fd(&v->masks.root);
	fds[CELL_FD_HELD] = take_fd(&v->held.dir);
	if (fds[CELL_FD_ROOT] < 0)
		return err_set(err, errno, "open /");
	return 0;
}

static int build(struct view *v, struct err *err)
{
	const struct mount_plan *plan = v->request->mounts;

	if (open_sources(v, err) < 0 || open_caches(v, err) < 0 ||
		view_held_open(v->request, &v->held_source, err) < 0 || open_root(v, err) < 0 || mount_base(v, err) < 0 ||
		mount_tmp(v, err) < 0)
		return -err->code;
	if (v->request->trust != NULL &&
		view_trust_init(&v->trust, v->root, v->request->trust, err) < 0)
		return -err->code;
	if (view_door(v->root, v->request->plan->policy, &v->cell->fds[CELL_FD_DOOR], err) < 0)
		return -err->code;
	for (size_t i = 0; i < plan->n; i++)
		if (!plan->entries[i].agent_only && mount_entry(v, i, err) < 0)
			return -err->code;
	mnt_parent_forget(&v->parent);
	view_honey(&v->masks, v->root, v->request);
	if (view_etc(v->root, err) < 0 || mount_dev(v, err) < 0 || mount_sys(v, err) < 0 ||
		make_links(v, err) < 0 || link_home(v, err) < 0)
		return -err->code;
	if (!v->request->is_mother && (view_proc(v->root, err) < 0 ||
		view_proc_guard(v->root, &v->masks, err) < 0))
		return -err->code;
	return pivot(v, err);
}

int view_enter_cell(const struct cell_request *request, struct cell *cell, struct err *err)
{
	struct view v = { .request = request,
		.cell = cell,
		.root = -1,
		.below = -1,
		.parent.fd = -1,
		.masks = { -1, -1, -1, -1, -1 },
		.trust = { -1, -1, -1, -1 },
		.redact = { -1, -1, 0, NULL },
		.held = { .dir = -1, .project = request->plan->project },
		.held_source = -1 };
	int r = build(&v, err);

	for (size_t i = 0; v.sources != NULL && i < request->mounts->n; i++)
		cleanup_close(&v.sources[i]);
	free(v.sources);
	cleanup_close(&v.root);
	mnt_parent_forget(&v.parent);
	cleanup_close(&v.below);
	cleanup_close(&v.layers.kept);
	cleanup_close(&v.layers.lowers);
	view_masks_done(&v.masks);
	view_trust_done(&v.trust);
	view_redact_done(&v.redact);
	cleanup_close(&v.held.dir);
	cleanup_close(&v.held_source);
	return r;
}
