/*
 * Held files in the mount plan: those that exist when it is made; what appears later is the helper's.
 * Runs in the warden, with the user's own rights. Hostile: names and links inside the project.
 */
#include "cell/plan.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* Rationale: of one held directory; a mount each, and people have some dozens of such files. */
#define HOLD_FILES_MAX 256u
#define HOLD_DEPTH_MAX 8u

struct held_dir {
	const struct run_plan *run;
	struct mount_plan *plan;
	struct err *err;
	struct mount_entry entry; /* what all its files have in common */
	struct buf path;
	unsigned n;
	bool is_too_much;
};

static enum policy_file_kind kind_of(const struct policy *policy, const char *path)
{
	struct policy_question question = { .action = POLICY_WRITE, .path = path };
	struct policy_answer answer;

	policy_decide(policy, &question, &answer);
	return answer.file_kind;
}

bool plan_is_held(const struct policy *policy, const char *path)
{
	enum policy_file_kind kind = kind_of(policy, path);
	AUTO_BUF struct buf config = { 0 };

	if (kind != POLICY_FILE_WRITE)
		return kind == POLICY_FILE_HOLD;
	buf_addf(&config, "%s/.git/config", policy_project(policy));
	return !config.failed && kind_of(policy, config.data) == POLICY_FILE_HOLD;
}

static int hold_dir(struct held_dir *h, int fd, unsigned depth);

static int hold_name(struct held_dir *h, int dir, const char *name, unsigned depth)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (S_ISDIR(st.st_mode)) {
		struct mount_entry pin = { .path = h->path.data, .kind = MOUNT_PIN, .is_dir = true,
			.is_in_project = true, .dev = st.st_dev, .ino = st.st_ino, .item = h->entry.item };
		int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		h->is_too_much |= depth >= HOLD_DEPTH_MAX || fd < 0;
		if (fd < 0)
			return 0;
		if (plan_add(h->plan, pin, h->err) < 0) {
			(void)close(fd);
			return -h->err->code;
		}
		return hold_dir(h, fd, depth + 1);
	}
	if (kind_of(h->run->policy, h->path.data) != POLICY_FILE_HOLD)
		return 0;
	h->entry.path = h->path.data;
	h->entry.is_dir = false;
	h->entry.dev = st.st_dev;
	h->entry.ino = st.st_ino;
	h->is_too_much |= ++h->n > HOLD_FILES_MAX;
	return plan_add_hold(h->run, h->plan, h->entry, st.st_mode, h->err);
}

/* Takes fd. */
static int hold_dir(struct held_dir *h, int fd, unsigned depth)
{
	DIR *d = fdopendir(fd);
	size_t len = h->path.len;
	struct dirent *e;
	int r = 0;

	if (d == NULL)
		(void)close(fd);
	while (d != NULL && r == 0 && !h->is_too_much && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		buf_addf(&h->path, "/%s", e->d_name);
		r = h->path.failed ? err_set(h->err, ENOMEM, "held files")
				   : hold_name(h, dirfd(d), e->d_name, depth);
		h->path.len = len;
		if (h->path.data != NULL)
			h->path.data[len] = '\0';
	}
	if (d != NULL)
		closedir(d);
	return r;
}

static int protect(const struct run_plan *run, struct mount_plan *plan, struct mount_entry entry,
	mode_t mode, struct err *err)
{
	entry.kind = MOUNT_PROTECT;
	if (S_ISLNK(mode) && plan_add_link_target(run, plan, entry, err) < 0)
		return -err->code;
	return plan_add(plan, entry, err);
}

int plan_add_hold(const struct run_plan *run, struct mount_plan *plan, struct mount_entry entry,
	mode_t mode, struct err *err)
{
	struct held_dir h = { .run = run, .plan = plan, .err = err, .entry = entry };
	size_t before = plan->n;
	int fd, r;

	if (S_ISREG(mode))
		return kind_of(run->policy, entry.path) == POLICY_FILE_HOLD ? plan_add(plan, entry, err) : 0;
	if (!S_ISDIR(mode))
		return protect(run, plan, entry, mode, err);
	fd = open(entry.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return protect(run, plan, entry, mode, err);
	/* a mount point: it cannot be put elsewhere with all that is held in it */
	entry.kind = MOUNT_PIN;
	buf_adds(&h.path, entry.path);
	r = plan_add(plan, entry, err);
	if (r < 0)
		(void)close(fd);
	else
		r = hold_dir(&h, fd, 0);
	buf_done(&h.path);
	if (r < 0 || !h.is_too_much)
		return r;
	plan->n = before;
	return protect(run, plan, entry, mode, err);
}
