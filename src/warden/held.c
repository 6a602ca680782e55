/*
 * See held.h. Runs in the warden, outside of all places, with the user's rights: before a cell runs,
 * and after it has ended. Hostile: the copies, which commands wrote, and every name in the project.
 */
#include "warden/held.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "warden/warden.h"
#include "wire/heldstore.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* Rationale: the other side makes a few system calls; a session's start or end does not wait longer. */
#define LOCK_MAX_MS 200

int held_open(struct warden *w, struct err *err)
{
	AUTO_BUF struct buf dir = { 0 };
	struct policy_question question = { .action = POLICY_WRITE };
	struct policy_answer answer;
	struct err why = { 0 };
	size_t n;

	(void)policy_list(w->plan->policy, PK_FILES_HOLD, &n);
	if (n == 0)
		return 0;
	buf_addf(&dir, "%s/" HELDSTORE_FOLDER, w->plan->state_dir);
	question.path = dir.data;
	if (dir.failed)
		return err_set(err, ENOMEM, "held files");
	policy_decide(w->plan->policy, &question, &answer);
	if (answer.verdict == POLICY_ALLOWED)
		return err_set(err, 0,
			"[files] hold: commands can write %s; set XDG_STATE_HOME to another directory",
			dir.data);
	if (heldstore_open(w->plan->state_dir, w->plan->project, true, &w->held, &why) < 0) {
		log_warn("held files are only protected: %s", why.text);
		return 0;
	}
	/* While one session has a copy mounted no other's end takes it away. */
	(void)heldstore_use(&w->held, LOCK_MAX_MS);
	return 0;
}

/* ---- names on the host that only carry a mount ---- */

static bool is_held(const struct warden *w, const char *path)
{
	AUTO_BUF struct buf full = { 0 };
	struct policy_question question = { .action = POLICY_WRITE };
	struct policy_answer answer;

	buf_addf(&full, "%s/%s", w->plan->project, path);
	if (full.failed)
		return false;
	question.path = full.data;
	policy_decide(w->plan->policy, &question, &answer);
	return answer.file_kind == POLICY_FILE_HOLD;
}

/* The directory of a path in the project, O_PATH, no link followed; *ret_name: the last component. */
static int open_parent(const struct warden *w, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	AUTO_CLOSE int project = open(w->plan->project, O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FREE char *dir = slash != NULL ? strndup(path, (size_t)(slash - path)) : strdup(".");

	*ret_name = slash != NULL ? slash + 1 : path;
	if (project < 0 || dir == NULL)
		return -1;
	return sys_openat2(project, dir, O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_PLAIN);
}

static bool has_part(const struct heldstore_entry *e, const char *part)
{
	return faccessat(e->dir, part, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int place_one(const struct heldstore_entry *e, const char *id, const char *text, void *context)
{
	const struct warden *w = context;
	AUTO_CLOSE int dir = -1, made = -1;
	const char *name;

	(void)id;
	(void)text;
	if (e == NULL || has_part(e, "base") || !has_part(e, "copy") || !is_held(w, e->path))
		return 0;
	dir = open_parent(w, e->path, &name);
	if (dir >= 0)
		made = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
	return 0;
}

void held_place(struct warden *w)
{
	struct err err = { 0 };

	if (w->held.dir >= 0)
		(void)heldstore_walk(&w->held, place_one, w, &err);
}

/* Only a name that carries a mount is empty, and of a file that the host never had. */
static void unplace(const struct warden *w, const struct heldstore_entry *e)
{
	AUTO_CLOSE int dir = -1;
	struct stat st;
	const char *name;

	if (has_part(e, "base"))
		return;
	dir = open_parent(w, e->path, &name);
	if (dir >= 0 && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
		st.st_size == 0 && st.st_nlink == 1)
		(void)unlinkat(dir, name, 0);
}

/* ---- copies ---- */

/* The host's file as the plan saw it. 1, or 0: it cannot be held. */
static int read_host(const struct warden *w, const struct mount_entry *m, struct buf *ret, mode_t *mode)
{
	AUTO_CLOSE int dir = -1, fd = -1;
	struct stat st;
	const char *name;

	dir = open_parent(w, m->path + strlen(w->plan->project) + 1, &name);
	if (dir >= 0)
		fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_dev != m->dev ||
		st.st_ino != m->ino)
		return 0;
	*mode = st.st_mode & 0777;
	return buf_read_fd(ret, fd, HELDSTORE_FILE_BYTES) == 0;
}

static int write_both(const struct heldstore_entry *e, const struct buf *host, mode_t mode,
	struct err *err)
{
	const char *bytes = host->data != NULL ? host->data : "";
	AUTO_CLOSE int copy = -1;

	if (heldstore_write(e, HELDSTORE_BASE, bytes, host->len, err) < 0 ||
		heldstore_set_mode(e, mode, err) < 0 ||
		heldstore_write(e, HELDSTORE_COPY, bytes, host->len, err) < 0 ||
		heldstore_open_copy(e, O_RDONLY, &copy, err) < 0)
		return -err->code;
	return fchmod(copy, mode) < 0 ? err_set(err, errno, "mode of a copy") : 0;
}

static bool is_base(const struct heldstore_entry *e, const struct buf *host)
{
	AUTO_BUF struct buf base = { 0 };
	struct err err = { 0 };
	int r = heldstore_read(e, HELDSTORE_BASE, &base, &err);

	if (r == 0)
		return host->len == 0;
	return r > 0 && base.len == host->len &&
		(base.len == 0 || memcmp(base.data, host->data, base.len) == 0);
}

/* What waits stays, whatever the host has by now; else the copy is the host's content. */
static int prepare_one(struct warden *w, const struct mount_entry *m, struct err *err)
{
	const char *path = m->path + strlen(w->plan->project) + 1;
	AUTO_HELDENTRY struct heldstore_entry e = { .dir = -1 };
	AUTO_BUF struct buf host = { 0 };
	char shown[256];
	mode_t mode = 0;

	if (!read_host(w, m, &host, &mode))
		return err_set(err, EFBIG, "it cannot be read");
	if (heldstore_find(&w->held, path, &e, err) < 0) {
		if (heldstore_make(&w->held, path, &e, err) < 0)
			return -err->code;
		return write_both(&e, &host, mode, err);
	}
	if (!has_part(&e, "copy"))
		return write_both(&e, &host, mode, err);
	if (is_base(&e, &host))
		return 0;
	if (!heldstore_differs(&e))
		return write_both(&e, &host, mode, err);
	log_warn("%s has changed on the host since commands changed it: commands see theirs, which waits "
		 "(agentjail review)", log_quote(path, strlen(path), shown, sizeof(shown)));
	return 0;
}

void held_prepare(struct warden *w)
{
	struct err err = { 0 };
	bool is_locked = w->held.dir >= 0 && heldstore_lock(&w->held, LOCK_MAX_MS, &err) == 0;

	for (size_t i = 0; i < w->mounts.n; i++) {
		struct mount_entry *m = &w->mounts.entries[i];
		char shown[256];

		if (m->kind == MOUNT_HOLD && (!is_locked || prepare_one(w, m, &err) < 0)) {
			if (is_locked && !w->plan->quiet)
				log_warn("%s is only protected: %s",
					log_quote(m->path, strlen(m->path), shown, sizeof(shown)), err.text);
			m->kind = MOUNT_PROTECT;
		}
	}
	if (is_locked)
		heldstore_unlock(&w->held);
}

/* ---- the end ---- */

static int settle_one(const struct heldstore_entry *e, const char *id, const char *text, void *context)
{
	struct warden *w = context;
	struct err err = { 0 };

	(void)id;
	(void)text;
	if (e == NULL)
		return 0;
	unplace(w, e);
	if (!heldstore_differs(e))
		(void)heldstore_remove(&w->held, e->path, &err);
	return 0;
}

void held_close(struct warden *w)
{
	struct err err = { 0 };
	size_t n;

	if (w->held.dir < 0)
		return;
	if (flock(w->held.dir, LOCK_EX | LOCK_NB) == 0 && heldstore_lock(&w->held, LOCK_MAX_MS, &err) == 0)
		(void)heldstore_walk(&w->held, settle_one, w, &err);
	heldstore_done(&w->held);
	n = heldstore_count(w->plan->state_dir, w->plan->project);
	if (n > 0 && !w->plan->quiet && w->plan->tool == NULL)
		log_warn("%zu %s for review: agentjail review", n, n == 1 ? "file waits" : "files wait");
}
