/*
 * The agent's view: the host's tree as it is, read-only, with what the cell may not see masked too.
 * Runs in the first process of the agent context, with capabilities in its own user namespace.
 * Hostile: names inside the project.
 */
#include "cell/view.h"

#include "base/cleanup.h"
#include "base/sys.h"
#include "cell/mnt.h"
#include "cell/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Where a fresh tmpfs stands for a directory of the host that both sides could write. */
#define AGENT_TMP "/tmp"

struct agent_view {
	const struct agent_request *request;
	int root;
	int *trees; /* one for each writable entry of the plan, made before all turns read-only */
	struct masks masks;
	struct view_redact redact;
	char note[ERR_TEXT_BYTES]; /* the cell has said it */
	const char *root_path; /* of the agent's package */
	int home, program; /* trees of those that the new /tmp would cover, or -1 */
};

/* A single file that the agent keeps is replaced by rename: not by a mount, but by the warden. */
static bool is_kept_file(const struct mount_entry *e)
{
	return e->kind == MOUNT_WRITE && e->agent_only && !e->is_dir;
}

static bool is_writable_here(const struct mount_entry *e)
{
	return e->kind == MOUNT_WRITE && !e->cell_only && !is_kept_file(e);
}

/* "The cell's hides less `keep`": what the agent keeps, it sees. */
static bool is_kept(const struct mount_plan *plan, const struct mount_entry *hidden)
{
	for (size_t i = 0; i < plan->n; i++) {
		const struct mount_entry *e = &plan->entries[i];

		if (e->agent_only && e->kind == MOUNT_WRITE && plan_is_below(hidden->path, e->path))
			return true;
	}
	return false;
}

/* A link inside the project leads where a command wants it to: followed for nothing in there. */
static int open_tree_of(const char *path, bool in_project, unsigned flags, struct err *err)
{
	AUTO_CLOSE int fd = sys_openat2(AT_FDCWD, path, O_PATH | O_CLOEXEC,
		in_project ? RESOLVE_NO_SYMLINKS : 0);

	if (fd < 0)
		return err_set(err, errno, "open %s", path);
	return mnt_clone(fd, flags, err);
}

/* A cell can write what is not the agent's alone: then nothing in it is executable here. */
static int open_trees(struct agent_view *v, struct err *err)
{
	const struct mount_plan *plan = v->request->mounts;

	v->trees = malloc((plan->n + 1) * sizeof(v->trees[0]));
	if (v->trees == NULL)
		return err_set(err, ENOMEM, "mount plan");
	for (size_t i = 0; i < plan->n; i++)
		v->trees[i] = -1;
	for (size_t i = 0; i < plan->n; i++) {
		const struct mount_entry *e = &plan->entries[i];
		unsigned flags = 0;

		if (e->kind == MOUNT_REDACT)
			v->trees[i] = view_redact_open(e);
		if (!is_writable_here(e))
			continue;
		/* Nor are links followed in what the agent shares with its commands. */
		if (!e->agent_only)
			flags = MNT_NOEXEC_ | (is_kept(plan, e) ? MNT_NOSYMFOLLOW_ : 0);
		v->trees[i] = open_tree_of(e->path, e->is_in_project, flags, err);
		if (v->trees[i] < 0 && err->code != ENOENT && err->code != ELOOP)
			return err_prefix(err, "%s", e->path);
	}
	return 0;
}

/* HOME, project and program in the host's /tmp must stay visible under the session's own. */
static int open_covered(struct agent_view *v, struct err *err)
{
	const struct run_plan *plan = v->request->plan;
	const char *root = v->request->agent_root;

	/* A program in /tmp itself comes alone: the rest of /tmp is not its package. */
	if (strcmp(root, AGENT_TMP) == 0)
		root = v->request->agent_file;
	v->root_path = root;
	if (plan_is_below(plan->home, AGENT_TMP) &&
		(v->home = open_tree_of(plan->home, false, MNT_RDONLY_, err)) < 0)
		return err_prefix(err, "%s", plan->home);
	if (plan_is_below(root, AGENT_TMP) && !plan_is_below(root, plan->home) &&
		(v->program = open_tree_of(root, false, MNT_RDONLY_, err)) < 0)
		return err_prefix(err, "%s", root);
	return 0;
}

static int attach_tmp(struct agent_view *v, struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			MOUNT_ATTR_NOEXEC | 0x00200000 /* MOUNT_ATTR_NOSYMFOLLOW, Linux 5.14 */ };
	AUTO_CLOSE int tree = v->request->tmp_tree;
	int r;

	if (sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attr) < 0)
		return err_set(err, errno, "/tmp: mount_setattr");
	r = view_attach(v->root, take_fd(&tree), AGENT_TMP, 1, err);
	/* The package first: HOME may lie below it. */
	if (r == 0 && v->program >= 0)
		r = view_attach(v->root, take_fd(&v->program), v->root_path,
			v->root_path != v->request->agent_file, err);
	if (r == 0 && v->home >= 0)
		r = view_attach(v->root, take_fd(&v->home), v->request->plan->home, 1, err);
	return r;
}

/* Other places of the host that everybody can write: the agent gets empty ones of its own. */
static int attach_own_dirs(struct agent_view *v, struct err *err)
{
	const char *tmp = policy_value(v->request->plan->policy, PK_AGENT_TMP)->value;
	bool is_private = strcmp(tmp, "private") == 0;
	static const char *const dirs[] = { "/dev/shm", "/var/tmp" };

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		struct stat st;
		bool is_tmp = strcmp(dirs[i], "/var/tmp") == 0;

		/* The project may stand below it; then the directory stays the host's, read-only. */
		if (lstat(dirs[i], &st) < 0 || !S_ISDIR(st.st_mode) ||
			plan_is_below(v->request->plan->project, dirs[i]) ||
			plan_is_below(v->request->plan->home, dirs[i]))
			continue;
		if (view_attach(v->root,
			    mnt_tmpfs("1777", "50%", is_tmp && is_private ? 0 : MNT_NOEXEC_, err),
			    dirs[i], 1, err) < 0)
			return -err->code;
	}
	return 0;
}

/*
 * An agent without a profile: nobody knows what it keeps where, so it may change its HOME as it
 * likes, on a layer that is dropped at the end.
 */
static int attach_home_layer(struct agent_view *v, struct err *err)
{
	const char *home = v->request->plan->home;
	const char *options[] = { "lowerdir", home, "upperdir", "/proc/upper", "workdir",
		"/proc/work", "userxattr", NULL, NULL };

	if (policy_has_agent_profile(v->request->plan->policy))
		return 0;
	if (strpbrk(home, ":\\") != NULL)
		return err_set(err, EINVAL, "overlay on %s: a colon in its name", home);
	/* On what becomes /proc, as the masks are: covered then, and nobody's to name. */
	if (view_attach(v->root, mnt_tmpfs("755", "50%", 0, err), "/proc", 1, err) < 0)
		return -err->code;
	if (mkdir("/proc/upper", 0755) < 0 || mkdir("/proc/work", 0755) < 0)
		return err_set(err, errno, "overlay on %s", home);
	return view_attach(v->root, mnt_new("overlay", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, err),
		home, 1, err);
}

static int mount_entry(struct agent_view *v, size_t i, struct err *err)
{
	const struct mount_entry *e = &v->request->mounts->entries[i];
	AUTO_CLOSE int target = -1;

	if (e->cell_only)
		return 0;
	if (e->kind == MOUNT_WRITE && v->trees[i] < 0)
		return 0;
	/* Below the project's own mount no link is followed to the mount point either. */
	if (e->kind == MOUNT_WRITE && e->is_in_project &&
		strcmp(e->path, v->request->plan->project) != 0) {
		target = view_target(v->root, e, err);
		if (target < 0)
			return err->code == ENOENT ? 0 : -err->code;
		return mnt_attach(v->trees[i], target, err);
	}
	if (e->kind == MOUNT_WRITE)
		return view_attach(v->root, take_fd(&v->trees[i]), e->path, e->is_dir, err);
	/* What is held is protected here until the cell's helper sends what its commands see. */
	if (e->kind != MOUNT_HIDE && e->kind != MOUNT_PROTECT && e->kind != MOUNT_PIN &&
		e->kind != MOUNT_REDACT && e->kind != MOUNT_HOLD)
		return 0;
	if ((e->kind == MOUNT_HIDE || e->kind == MOUNT_REDACT) && !e->agent_only && is_kept(v->request->mounts, e))
		return 0;
	if (e->kind == MOUNT_REDACT)
		return view_redact(&v->redact,
			&(struct view_place){ .root = v->root, .masks = &v->masks }, e, v->trees[i], err);
	target = view_target(v->root, e, err);
	if (target < 0)
		return err->code == ENOENT || err->code == EACCES ? 0 : -err->code;
	if (view_check(&v->masks, target, e, err) < 0)
		return -err->code;
	if ((e->kind == MOUNT_HIDE ? view_hide(&v->masks, target, e->is_tracked, err)
				  : view_protect(target, e->kind, MNT_NOEXEC_, err)) < 0)
		return view_went(e, err);
	return 0;
}

/* [agent] private: directories in /tmp (or elsewhere) that only the agent has. */
static int attach_private(struct agent_view *v, struct err *err)
{
	size_t n;
	const struct policy_item *items =
		policy_list(v->request->plan->policy, PK_AGENT_PRIVATE, &n);

	for (size_t i = 0; i < n; i++)
		if (strpbrk(items[i].value, "*?") == NULL && items[i].value[0] == '/' &&
			view_attach(v->root, mnt_tmpfs("700", "50%", MNT_NOEXEC_, err), items[i].value, 1,
				err) < 0)
			return -err->code;
	return 0;
}

static int build(struct agent_view *v, struct err *err)
{
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID };
	uint64_t proc_attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	AUTO_CLOSE int at = -1;

	v->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	at = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (v->root < 0 || at < 0)
		return err_set(err, errno, "open /");
	if (open_trees(v, err) < 0 || open_covered(v, err) < 0)
		return -err->code;
	if (sys_mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &read_only) < 0)
		return err_set(err, errno, "read-only view");
	v->redact.note = v->note;
	if (view_masks_init(&v->masks, at, err) < 0 ||
		view_redact_init(&v->redact, at, err) < 0 || attach_tmp(v, err) < 0 ||
		attach_own_dirs(v, err) < 0 || attach_home_layer(v, err) < 0)
		return -err->code;
	for (size_t i = 0; i < v->request->mounts->n; i++)
		if (mount_entry(v, i, err) < 0)
			return err_prefix(err, "%s", v->request->mounts->entries[i].path);
	if (attach_private(v, err) < 0)
		return -err->code;
	return view_attach(v->root, mnt_new("proc", NULL, proc_attrs, err), "/proc", 1, err);
}

/* For the helper; the namespaces by the /proc that was just mounted. */
static int hand_out(struct agent_view *v, int fds[HELPER_FD_COUNT], struct err *err)
{
	fds[HELPER_FD_ROOT] = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	fds[HELPER_FD_PROJECT] =
		open(v->request->plan->project, O_PATH | O_DIRECTORY | O_CLOEXEC);
	fds[HELPER_FD_MASKS] = take_fd(&v->masks.root);
	fds[HELPER_FD_USERNS] = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	fds[HELPER_FD_MNTNS] = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	for (unsigned i = 0; i < HELPER_FD_COUNT; i++)
		if (fds[i] < 0)
			return err_set(err, errno, "open /proc/self/ns");
	return 0;
}

int view_enter_agent(const struct agent_request *request, int fds[HELPER_FD_COUNT], struct err *err)
{
	struct agent_view v = { .request = request,
		.root = -1,
		.masks = { -1, -1, -1, -1, -1 },
		.redact = { -1, -1, 0, NULL },
		.home = -1,
		.program = -1 };
	int r = build(&v, err);

	if (r == 0)
		r = hand_out(&v, fds, err);
	for (size_t i = 0; v.trees != NULL && i < request->mounts->n; i++)
		cleanup_close(&v.trees[i]);
	free(v.trees);
	cleanup_close(&v.root);
	cleanup_close(&v.home);
	cleanup_close(&v.program);
	view_masks_done(&v.masks);
	view_redact_done(&v.redact);
	/* The directory we stood in is the host's: stand in the view's of the same name. */
	if (r == 0 && chdir(request->plan->cwd) < 0)
		return err_set(err, errno, "chdir %s", request->plan->cwd);
	return r;
}
