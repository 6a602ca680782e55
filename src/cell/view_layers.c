/*
 * Copy-on-write directories of a cell. Runs in a cell's first process, with capabilities in its own
 * user namespace. Hostile: what an earlier session's commands left in a kept upper layer. They wrote
 * it through overlayfs: they could not set the attributes that it believes (overlayfs.rst, "User
 * xattr"), make a device, or name anything outside their layer; a mount with userxattr follows no
 * redirect. Symbolic links and odd kinds of files where mounts are planned are looked for here.
 */
#include "cell/view.h"

#include "base/cleanup.h"
#include "base/sys.h"
#include "cell/mnt.h"
#include "cell/plan.h"
#include "wire/cachedir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define LAYER_ATTRS (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

/* The layer's directories in `at`; the upper one is what the mount's own mode comes from. */
static int make_dirs(int at, int source, struct err *err)
{
	struct stat st = { .st_mode = 0755 };

	if (source >= 0 && fstat(source, &st) < 0)
		return err_set(err, errno, "overlay");
	if ((mkdirat(at, CACHEDIR_UPPER, (st.st_mode & 0777) | 0700) < 0 && errno != EEXIST) ||
		(mkdirat(at, CACHEDIR_WORK, 0700) < 0 && errno != EEXIST))
		return err_set(err, errno, "overlay");
	return 0;
}

/*
 * What a volatile mount leaves (overlayfs.rst, "Volatile mount"): with it the next is refused, since
 * the machine may have crashed. What is lost then is a cache's.
 */
static void remove_mark(int at)
{
	(void)unlinkat(at, CACHEDIR_WORK "/work/incompat/volatile/dirty", 0);
	(void)unlinkat(at, CACHEDIR_WORK "/work/incompat/volatile", AT_REMOVEDIR);
	(void)unlinkat(at, CACHEDIR_WORK "/work/incompat", AT_REMOVEDIR);
}

/* overlayfs closes its directories to everybody: `rm -r ~/.cache` is to work all the same. */
static void open_work(int at)
{
	static const char *const dirs[] = { CACHEDIR_WORK "/work", CACHEDIR_WORK "/work/incompat",
		CACHEDIR_WORK "/work/incompat/volatile" };

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (fchmodat(at, dirs[i], 0700, 0) < 0)
			return;
}

/* A detached overlay of source and the upper layer in `at`; its descriptor. */
static int new_overlay(int at, int source, struct err *err)
{
	char lower[64], upper[64], work[64];
	/* Volatile: else its end waits until all that anybody wrote to that disk is on it. */
	const char *options[] = { "lowerdir", lower, "upperdir", upper, "workdir", work, "userxattr",
		NULL, "volatile", NULL, NULL };

	remove_mark(at);
	if (make_dirs(at, source, err) < 0)
		return -err->code;
	(void)snprintf(lower, sizeof(lower), "/proc/self/fd/%d", source);
	(void)snprintf(upper, sizeof(upper), "/proc/self/fd/%d/" CACHEDIR_UPPER, at);
	(void)snprintf(work, sizeof(work), "/proc/self/fd/%d/" CACHEDIR_WORK, at);
	return mnt_new("overlay", options, LAYER_ATTRS, err);
}

static int open_dir(int at, const char *name, struct err *err)
{
	int fd;

	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return err_set(err, errno, "make %s", name);
	fd = sys_openat2(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		RESOLVE_PLAIN);
	return fd < 0 ? err_set(err, errno, "open %s", name) : fd;
}

/* With an upper layer in the cell's own memory. */
static int new_dropped(struct view_layers *l, int source, struct err *err)
{
	AUTO_CLOSE int dir = -1;
	char name[32];

	(void)snprintf(name, sizeof(name), ".agentjail/%u", l->n++);
	if (mkdirat(l->root, ".agentjail", 0700) < 0 && errno != EEXIST)
		return err_set(err, errno, "make .agentjail");
	dir = open_dir(l->root, name, err);
	return dir < 0 ? dir : new_overlay(dir, source, err);
}

/*
 * A kept directory itself: without a lower layer no overlay is needed. The name above it is none that
 * a command could have changed, and the mount that it is in has the flags already.
 */
static int new_plain(int kept, const char *name, struct err *err)
{
	const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW;
	char path[CACHEDIR_NAME_BYTES + sizeof("/" CACHEDIR_UPPER)];
	AUTO_CLOSE int dir = -1;
	int tree;

	(void)snprintf(path, sizeof(path), "%s/" CACHEDIR_UPPER, name);
	tree = sys_open_tree(kept, path, flags);
	if (tree < 0 && errno == ENOENT) {
		dir = open_dir(kept, name, err);
		if (dir < 0 || make_dirs(dir, -1, err) < 0)
			return -err->code;
		tree = sys_open_tree(kept, path, flags);
	}
	return tree < 0 ? err_set(err, errno, "open_tree") : tree;
}

static int new_kept(int kept, const char *path, int source, struct err *err)
{
	AUTO_CLOSE int dir = -1;
	char name[CACHEDIR_NAME_BYTES];
	int tree;

	cachedir_name(path, name);
	if (source < 0)
		return new_plain(kept, name, err);
	dir = open_dir(kept, name, err);
	if (dir < 0)
		return dir;
	tree = new_overlay(dir, source, err);
	if (tree >= 0)
		open_work(dir);
	return tree;
}

/* Can `path` be mounted over below dir: is it nothing yet, or of its kind, without a link on the way? */
static bool fits(int dir, const char *path, const struct mount_entry *e)
{
	AUTO_CLOSE int fd = sys_openat2(dir, path, O_PATH | O_NOFOLLOW | O_CLOEXEC,
		RESOLVE_PLAIN);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT;
	/* A mask takes the kind of what it hides. */
	return e->kind == MOUNT_HIDE ||
		(fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) == e->is_dir);
}

/*
 * An earlier session's command may have put a link where the plan mounts something below a cache, or
 * a file where there is a directory: to break this session's start, or to lead a mount elsewhere.
 */
static bool is_spoilt(int tree, int source, const struct mount_plan *plan, size_t i)
{
	size_t n = strlen(plan->entries[i].path);

	for (size_t k = i + 1; k < plan->n; k++) {
		const struct mount_entry *e = &plan->entries[k];
		const char *path = e->path + n + 1;

		if (!plan_is_below(e->path, plan->entries[i].path))
			return false;
		if (e->agent_only || e->path[n] == '\0' || fits(tree, path, e))
			continue;
		if (source < 0 || fits(source, path, e)) /* else it is the user's own link */
			return true;
	}
	return false;
}

/* The kept layer, or -1 with the note. */
static int try_kept(struct view_layers *l, const struct mount_plan *plan, size_t i, int source)
{
	const char *path = plan->entries[i].path;
	struct err err = { 0 };
	AUTO_CLOSE int tree = new_kept(l->kept, path, source, &err);

	if (tree >= 0 && !is_spoilt(tree, source, plan, i))
		return take_fd(&tree);
	if (tree >= 0)
		(void)err_set(&err, 0,
			"what earlier sessions left in it does not fit; see agentjail cache clean");
	(void)err_prefix(&err, "the cache of %s is not kept", path);
	memcpy(l->note, err.text, ERR_TEXT_BYTES);
	return -1;
}

/* The real directory, read-only, if the user has said that this is enough. */
static int without_overlay(struct view_layers *l, int source, struct err *err)
{
	if (!l->may_be_read)
		return err_prefix(err, "no overlay (see [files] no-overlay)");
	(void)err_prefix(err, "[files] no-overlay = read: directories of overlay and cache are read-only");
	memcpy(l->note, err->text, ERR_TEXT_BYTES);
	return mnt_clone(source, MNT_RDONLY_, err);
}

/* For the cells of a mother, each of which makes an overlay of its own on it. */
static int keep_lower(const struct view_layers *l, size_t i, int source, struct err *err)
{
	AUTO_CLOSE int tree = -1, at = -1;
	char name[32];

	(void)snprintf(name, sizeof(name), "%zu", i);
	if (mkdirat(l->lowers, name, 0755) < 0)
		return err_set(err, errno, "mkdir %s", name);
	at = openat(l->lowers, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return err_set(err, errno, "open %s", name);
	tree = mnt_clone(source, MNT_RDONLY_, err);
	return tree < 0 ? tree : mnt_attach(tree, at, err);
}

int view_layers_dropped(struct view_layers *l, int source, struct err *err)
{
	int tree = new_dropped(l, source, err);

	return tree < 0 ? without_overlay(l, source, err) : tree;
}

int view_layers_add(struct view_layers *l, const struct mount_plan *plan, size_t i, int source,
	struct err *err)
{
	const struct mount_entry *e = &plan->entries[i];
	int tree = -1;

	if (e->kind == MOUNT_CACHE && l->kept >= 0)
		tree = try_kept(l, plan, i, source);
	if (tree < 0 && source < 0)
		return 0; /* the cell's own HOME stands in */
	if (e->kind == MOUNT_OVERLAY && l->lowers >= 0 && keep_lower(l, i, source, err) < 0)
		return err_prefix(err, "%s", e->path);
	if (tree < 0)
		tree = view_layers_dropped(l, source, err);
	return mnt_place(l->parent, tree, e->path, 1, err) < 0 ? err_prefix(err, "%s", e->path) : 0;
}
