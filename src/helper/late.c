/*
 * What appears under a held name: taken off the host at once, given to the cell as it is. Runs in the
 * cell's helper. Hostile: the name, what it is, who has it open, what it becomes the next moment. The
 * very file that a command made is what the cell goes on to see, mounted over a new and harmless one:
 * what is still being written arrives, and none of it on the host.
 */
#include "helper/hold.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/sys.h"
#include "policy/gitconfig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Rationale: tools make a name once, some twice; who makes it more often is waiting for a moment. */
#define TAKEN_MAX 8u
#define TAKEN_GIT_MAX 2u /* git itself renames: then there is nothing to wait for */
#define TAKEN_ALL_MAX 512u
/* Rationale: another helper does the same few calls; a review writes one file. */
#define LOCK_MAX_MS 200
/* Where the command's file is between its name and its mount. */
#define SPARE ".agentjail-held"
#define EXCHANGE 2u /* RENAME_EXCHANGE */

static const char detour[] =
	"a command made a commondir in a git directory, or another detour of git's, which no program does";

/* ---- which ---- */

/* What a key says of the path or a directory above it. */
static bool is_listed(const struct holds *h, const char *path)
{
	AUTO_BUF struct buf full = { 0 };
	struct policy_question question = { .action = POLICY_WRITE };
	struct policy_answer answer;
	size_t n;
	const struct policy_item *items = policy_list(h->plan->policy, PK_FILES_HOLD, &n);
	bool is_one = false;

	buf_addf(&full, "%s/%s", h->plan->project, path);
	for (size_t i = 0; !full.failed && !is_one && i < n; i++)
		is_one = policy_path_matches(items[i].value, full.data, h->plan->project);
	if (!is_one)
		return false;
	question.path = full.data;
	policy_decide(h->plan->policy, &question, &answer);
	/* What is protected when it is there at the start cannot be when it comes later. */
	return answer.file_kind == POLICY_FILE_HOLD || answer.file_kind == POLICY_FILE_PROTECT;
}

/* The part of a pattern for one place that is no wildcard, against a path below the project. */
static bool may_be_below(const char *pattern, const char *project, const char *path)
{
	size_t skip = strlen(project), n = strcspn(pattern, "*?"), len = strlen(path);

	if (n <= skip + 1 || strncmp(pattern, project, skip) != 0)
		return n <= skip + 1; /* begins with a wildcard */
	n -= skip + 1;
	return strncmp(pattern + skip + 1, path, n < len ? n : len) == 0;
}

bool hold_wants(const struct holds *h, const char *path)
{
	size_t n;
	const struct policy_item *items = policy_list(h->plan->policy, PK_FILES_HOLD, &n);

	if (h->store.dir < 0)
		return false;
	if (hold_may_concern(h, path))
		return true;
	for (size_t i = 0; i < n; i++)
		if (may_be_below(items[i].value, h->plan->project, path))
			return true;
	return false;
}

enum gitdir_kind hold_kind(const struct holds *h, const struct late *l, bool *ret_is_file)
{
	enum gitdir_kind kind = GITDIR_NONE;
	bool completes;

	*ret_is_file = false;
	if (h->holds_git && gitdir_may_concern(l->path))
		kind = gitdir_judge(l->dir, l->path, &completes);
	if (kind == GITDIR_NONE)
		*ret_is_file = is_listed(h, l->path);
	return kind;
}

/* ---- the host's side of it ---- */

/* What the host gets of new content. */
static void harmless(enum gitdir_kind kind, const struct buf *content, struct buf *ret)
{
	struct gitconfig_merge merge = { .host = "", .origin = GITCONFIG_CELL };
	struct err err = { 0 };

	merge.copy = content->data != NULL ? content->data : "";
	merge.copy_bytes = content->len;
	if (kind == GITDIR_CONFIG && gitconfig_merge(&merge, ret, &err) < 0)
		ret->len = 0;
}

/* A new file of ours, under that name or the spare one; *ret_ino: its number. */
static int make(const struct late *l, const char *name, const struct buf *text, ino_t *ret_ino)
{
	struct stat st;

	AUTO_CLOSE int fd =
		openat(l->dir, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;

	if (r < 0)
		return r;
	*ret_ino = st.st_ino;
	if (text->len > 0)
		r = write_all(fd, text->data, text->len);
	return r == 0 && fchmod(fd, 0644) < 0 ? -errno : r;
}

/*
 * Ours is there instead of the command's, which has the spare name: what has none cannot be mounted.
 * In one step, so that no reader finds nothing; a file system without that step has a gap.
 */
static int exchange(const struct late *l, const struct buf *text, ino_t *ret_ino)
{
	int r;

	(void)unlinkat(l->dir, SPARE, 0);
	r = make(l, SPARE, text, ret_ino);
	if (r < 0)
		return r;
	if (syscall(SYS_renameat2, l->dir, SPARE, l->dir, l->name, EXCHANGE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	(void)unlinkat(l->dir, SPARE, 0);
	if (renameat(l->dir, l->name, l->dir, SPARE) < 0)
		return -errno;
	return make(l, l->name, text, ret_ino);
}

/* ---- the cell's side ---- */

static void watch_file(struct holds *h, struct hold *hold)
{
	char link[64];

	if (h->inotify < 0 || fchdir(h->proc) < 0)
		return;
	(void)snprintf(link, sizeof(link), "self/fd/%d", hold->file);
	hold->wd = inotify_add_watch(h->inotify, link, IN_CLOSE_WRITE | IN_ATTRIB);
}

/* The file itself, from before its name goes until it is mounted. */
struct taken {
	int tree, file;
	struct stat st;
};

static int grasp(const struct late *l, struct taken *t)
{
	t->file = openat(l->dir, l->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (t->file < 0 || fstat(t->file, &t->st) < 0)
		return -errno;
	t->tree = sys_open_tree(t->file, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	return t->tree < 0 ? -errno : 0;
}

/* Its content as it is now. */
static int read_file(const struct holds *h, int file, struct buf *content)
{
	char link[64];
	AUTO_CLOSE int fd = -1;

	(void)snprintf(link, sizeof(link), "self/fd/%d", file);
	fd = openat(h->proc, link, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? -errno : buf_read_fd(content, fd, HELDSTORE_FILE_BYTES);
}

static int mount_file(struct hold *hold, const struct late *l, struct taken *t)
{
	int r = sys_move_mount(t->tree, "", l->dir, l->name, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;

	(void)unlinkat(l->dir, SPARE, 0);
	if (r < 0)
		return r;
	cleanup_close(&hold->file);
	hold->file = take_fd(&t->file);
	hold->dev = t->st.st_dev;
	hold->ino = t->st.st_ino;
	return 0;
}

static int write_base(struct holds *h, const char *path, enum gitdir_kind kind, const struct buf *text)
{
	AUTO_HELDENTRY struct heldstore_entry e = { .dir = -1 };
	struct err err = { 0 };

	if (heldstore_make(&h->store, path, &e, &err) < 0)
		return -err.code;
	return heldstore_write(&e, HELDSTORE_BASE,
		kind != GITDIR_CONFIG ? NULL : text->data != NULL ? text->data : "", text->len, &err);
}

/*
 * Nothing of it stays on the host; of the cell's view it goes with it. Where the user may not delete no
 * command has made it.
 */
static int drop(const struct late *l)
{
	if (unlinkat(l->dir, l->name, 0) == 0 || errno == ENOENT || errno == EACCES || errno == EPERM ||
		errno == EROFS)
		return 0;
	return -errno;
}

static bool is_that(const struct late *l, ino_t ino)
{
	struct stat st;

	return fstatat(l->dir, l->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == ino;
}

/* Another session of the project has taken it already: what it left is no file of a command's. */
static int adopt(struct holds *h, const struct late *l, const struct taken *t)
{
	AUTO_HELDENTRY struct heldstore_entry e = { .dir = -1 };
	AUTO_BUF struct buf base = { 0 }, now = { 0 }, copy = { 0 };
	struct hold *hold;
	struct err err = { 0 };

	if (heldstore_find(&h->store, l->path, &e, &err) < 0 ||
		heldstore_read(&e, HELDSTORE_BASE, &base, &err) < 0 ||
		heldstore_read(&e, HELDSTORE_COPY, &copy, &err) <= 0 ||
		hold_is_being_written(h, t->file) || read_file(h, t->file, &now) < 0 ||
		now.len != base.len ||
		(now.len > 0 && memcmp(now.data, base.data, now.len) != 0))
		return 1;
	hold = hold_add(h, l->path);
	if (hold == NULL)
		return drop(l);
	hold->is_new = h->has_new = true;
	hold->is_config = str_ends(l->path, "/config") || str_ends(l->path, "/config.worktree");
	return hold_mount_copy(h, hold, l->dir, l->name, false);
}

static void count(struct holds *h, struct hold *hold, enum gitdir_kind kind)
{
	if (++hold->n_taken > (kind == GITDIR_NONE ? TAKEN_MAX : TAKEN_GIT_MAX) || ++h->n_taken > TAKEN_ALL_MAX)
		h->hostile = "a command made the same file, which the host would load, again and again";
}

/* ---- when it is written ---- */

/* Nobody writes to the command's own file any more: from now on the copy in the store is what is seen. */
static void change_over(struct holds *h, struct hold *hold)
{
	AUTO_CLOSE int dir = -1;
	const char *name;
	struct stat st;

	if (hold_is_being_written(h, hold->file))
		return;
	dir = hold_open_parent(h, hold->path, &name);
	if (dir >= 0 && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && hold_by_file(h, &st) == hold)
		(void)hold_mount_copy(h, hold, dir, name, true);
}

bool hold_written(struct holds *h, int wd)
{
	struct hold *hold = NULL;
	AUTO_BUF struct buf content = { 0 };
	struct stat st;

	for (size_t i = 0; i < h->n && hold == NULL; i++)
		if (h->list[i].wd == wd)
			hold = &h->list[i];
	if (hold == NULL)
		return false;
	if (!hold->is_active || hold->file < 0 || fstat(hold->file, &st) < 0 ||
		read_file(h, hold->file, &content) < 0)
		return true;
	if (hold_write_copy(h, hold->path, &content, &st) == 0) {
		change_over(h, hold);
		hold_pass(h, hold);
	}
	return true;
}

/* ---- taking it ---- */

static int take(struct holds *h, const struct late *l, enum gitdir_kind kind, struct taken *t)
{
	AUTO_BUF struct buf own = { 0 }, text = { 0 };
	const struct buf *content = l->content != NULL ? l->content : &own;
	struct hold *hold = hold_add(h, l->path);
	ino_t ino = 0;
	int r = 0;

	if (hold == NULL || (l->content == NULL && read_file(h, t->file, &own) < 0))
		return drop(l);
	harmless(kind, content, &text);
	r = l->content != NULL ? make(l, l->name, &text, &ino) : exchange(l, &text, &ino);
	if (r == 0 && !is_that(l, ino))
		r = -EBUSY;
	if (r == 0 && l->content == NULL)
		r = mount_file(hold, l, t);
	if (hold_write_copy(h, l->path, content, l->content != NULL ? l->st : &t->st) < 0 ||
		write_base(h, l->path, kind, &text) < 0)
		r = r < 0 ? r : -EIO;
	if (r == 0 && l->content != NULL)
		r = hold_mount_copy(h, hold, l->dir, l->name, false);
	hold->is_new = h->has_new = true;
	hold->is_config = kind == GITDIR_CONFIG;
	if (kind != GITDIR_NONE)
		hold_guard(h, hold);
	if (r < 0) {
		hold->is_active = false;
		return drop(l);
	}
	if (!hold_is_clean(h, l->path, &text))
		h->hostile = "a command wrote to a file that the host would load, past its copy";
	if (l->content == NULL) {
		watch_file(h, hold);
		/* Closed by now: then there will be no event. */
		if (!hold_is_being_written(h, hold->file))
			(void)hold_written(h, hold->wd);
		count(h, hold, kind);
	}
	return 0;
}

/*
 * A linked worktree's: git writes "../..", and reads it at once. Left where it is while it says that or
 * the beginning of it; whatever else is written there has an event.
 */
static int take_commondir(struct holds *h, const struct late *l)
{
	static const char right[] = "../..\n";
	AUTO_BUF struct buf text = { 0 };
	struct hold *hold = hold_add(h, l->path);
	struct stat st;

	if (l->content != NULL)
		return 1;
	if (hold == NULL || hold_read(l->dir, l->name, &text, &st) < 0 || text.len >= sizeof(right) ||
		(text.len > 0 && memcmp(text.data, right, text.len) != 0) || st.st_nlink != 1) {
		h->hostile = detour;
		return drop(l);
	}
	hold_guard(h, hold);
	hold->is_active = false;
	return 0;
}

int hold_take(struct holds *h, const struct late *l)
{
	bool is_file;
	enum gitdir_kind kind = hold_kind(h, l, &is_file);

	return kind == GITDIR_NONE && !is_file ? 1 : hold_take_as(h, l, kind);
}

int hold_take_as(struct holds *h, const struct late *l, enum gitdir_kind kind)
{
	struct taken t = { .tree = -1, .file = -1 };
	struct err err = { 0 };
	int r;

	if (kind == GITDIR_COMMONDIR)
		return take_commondir(h, l);
	/* Two helpers at once would take each other's. */
	if (heldstore_lock(&h->store, LOCK_MAX_MS, &err) < 0)
		return drop(l);
	if (l->content != NULL) {
		r = take(h, l, kind, NULL);
		heldstore_unlock(&h->store);
		return r;
	}
	r = grasp(l, &t);
	if (r == 0 && S_ISDIR(t.st.st_mode)) {
		r = 1;
	} else if (r == 0 && (kind == GITDIR_FORBIDDEN || !S_ISREG(t.st.st_mode))) {
		r = drop(l);
		if (kind == GITDIR_FORBIDDEN || ++h->n_taken > TAKEN_ALL_MAX)
			h->hostile = detour;
	} else if (r == 0) {
		r = adopt(h, l, &t);
		if (r > 0)
			r = take(h, l, kind, &t);
	}
	heldstore_unlock(&h->store);
	cleanup_close(&t.tree);
	cleanup_close(&t.file);
	return r == -ENOENT ? 1 : r;
}
