/*
 * See reviewitem.h. Runs in `agentjail review` with the user's rights. Hostile: the store's copies and
 * paths, the project's directories; both may change while the user looks.
 */
#include "cli/reviewitem.h"

#include "base/cleanup.h"
#include "cli/reviewfile.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Rationale: others hold the lock for a few system calls. */
#define LOCK_MS 2000

static bool is_equal(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static enum reviewitem_state find_state(const struct reviewitem *i)
{
	if (i->is_gone)
		return i->has_host ? REVIEWITEM_REMOVED : REVIEWITEM_SAME;
	if (!i->has_copy)
		return REVIEWITEM_SAME;
	if (!i->has_host)
		return REVIEWITEM_NEW;
	return is_equal(&i->copy, &i->host) && reviewitem_mode_change(i) == 0 ? REVIEWITEM_SAME
									      : REVIEWITEM_CHANGED;
}

static int load_host(struct reviewitem *i, int project, struct err *err)
{
	struct stat st;
	int r = reviewfile_read(project, i->path, HELDSTORE_FILE_BYTES, &i->host, &st, err);

	if (r < 0)
		return r;
	/* While a session runs, an empty file may only carry the mount of one that the host never had. */
	i->has_host = r > 0 && (i->has_base || i->host.len > 0);
	if (i->has_host) {
		i->host_mode = st.st_mode & 0777;
		i->host_uid = st.st_uid;
		i->host_gid = st.st_gid;
	}
	return 0;
}

static int set_bad(struct reviewitem *i, const char *reason)
{
	i->state = REVIEWITEM_BAD;
	(void)snprintf(i->reason, sizeof(i->reason), "%s", reason);
	return 0;
}

int reviewitem_load(const struct heldstore_entry *e, int project, struct reviewitem *ret,
	struct err *err)
{
	struct err bad = { 0 };
	int base, copy;

	*ret = (struct reviewitem){ .path = strdup(e->path) };
	if (ret->path == NULL)
		return err_set(err, ENOMEM, "a held file");
	memcpy(ret->id, e->id, sizeof(ret->id));
	base = heldstore_read(e, HELDSTORE_BASE, &ret->base, &bad);
	copy = base < 0 ? 0 : heldstore_read(e, HELDSTORE_COPY, &ret->copy, &bad);
	if (base < 0 || copy < 0)
		return set_bad(ret, bad.text);
	ret->has_base = base > 0;
	ret->has_copy = copy > 0;
	ret->is_gone = heldstore_is_gone(e);
	ret->has_mode = heldstore_mode(e, &ret->mode);
	if (load_host(ret, project, err) < 0)
		return -err->code;
	ret->is_stale = ret->has_host != ret->has_base || !is_equal(&ret->host, &ret->base);
	ret->state = find_state(ret);
	return 0;
}

int reviewitem_bad(const char *id, const char *reason, struct reviewitem *ret, struct err *err)
{
	(void)err;
	*ret = (struct reviewitem){ 0 };
	(void)snprintf(ret->id, sizeof(ret->id), "%s", id);
	return set_bad(ret, reason);
}

void reviewitem_done(struct reviewitem *i)
{
	free(i->path);
	buf_done(&i->base);
	buf_done(&i->copy);
	buf_done(&i->host);
	*i = (struct reviewitem){ 0 };
}

int reviewitem_mode_change(const struct reviewitem *i)
{
	bool is_x = (i->mode & 0100) != 0, was_x = i->has_host && (i->host_mode & 0100) != 0;

	return !i->has_mode || i->is_gone || is_x == was_x ? 0 : is_x ? 1 : -1;
}

/* The host's mode, or a new file's, with the right to execute as in the cell. */
static mode_t new_mode(const struct reviewitem *i)
{
	mode_t mask = umask(0), mode;

	(void)umask(mask);
	mode = i->has_host ? i->host_mode : 0666 & ~mask;
	if (!i->has_mode)
		return mode;
	return (i->mode & 0100) != 0 ? mode | (mode & 0444) >> 2 : mode & ~(mode_t)0111;
}

static bool is_as_shown(const struct reviewitem *shown, const struct reviewitem *now)
{
	return shown->state == now->state && shown->is_gone == now->is_gone &&
	       shown->has_host == now->has_host && is_equal(&shown->host, &now->host) &&
	       is_equal(&shown->copy, &now->copy) && new_mode(shown) == new_mode(now);
}

static int carry_out(const struct reviewitem *i, int project, struct err *err)
{
	struct stat st = { .st_uid = i->host_uid, .st_gid = i->host_gid };
	struct reviewfile_content content = { .bytes = i->copy.data, .n = i->copy.len,
		.mode = new_mode(i), .st = i->has_host ? &st : NULL };

	if (i->state == REVIEWITEM_SAME)
		return 0;
	if (i->state == REVIEWITEM_REMOVED)
		return reviewfile_remove(project, i->path, err);
	return reviewfile_write(project, i->path, &content, err);
}

/* What is applied no longer waits. */
static int settle(const struct reviewitem *i, const struct heldstore_entry *e, struct heldstore *s,
	struct err *err)
{
	const char *bytes = i->copy.data != NULL ? i->copy.data : "";

	if (!heldstore_is_used(s))
		return heldstore_remove(s, i->path, err);
	return heldstore_write(e, HELDSTORE_BASE, i->is_gone ? NULL : bytes, i->copy.len, err);
}

static int apply_locked(const struct reviewitem *i, int project, struct heldstore *s,
	struct err *err)
{
	AUTO_HELDENTRY struct heldstore_entry e = { .dir = -1 };
	AUTO_REVIEWITEM struct reviewitem now = { 0 };
	int r = heldstore_find(s, i->path, &e, err);

	if (r == 0)
		r = reviewitem_load(&e, project, &now, err);
	if (r < 0)
		return r;
	if (!is_as_shown(i, &now))
		return err_set(err, ESTALE, "it has changed meanwhile");
	r = carry_out(i, project, err);
	return r < 0 ? r : settle(i, &e, s, err);
}

int reviewitem_apply(const struct reviewitem *i, int project, struct heldstore *s, struct err *err)
{
	int r;

	if (i->state == REVIEWITEM_BAD)
		return err_set(err, 0, "%s: it can only be dropped", i->reason);
	r = heldstore_lock(s, LOCK_MS, err);
	if (r < 0)
		return r;
	r = apply_locked(i, project, s, err);
	heldstore_unlock(s);
	return r;
}

int reviewitem_drop(const struct reviewitem *i, struct heldstore *s, struct err *err)
{
	int r = heldstore_lock(s, LOCK_MS, err);

	if (r < 0)
		return r;
	if (heldstore_is_used(s))
		r = err_set(err, EBUSY, "a session of the project runs with it: drop it when that has ended");
	else
		r = heldstore_remove_id(s, i->id, err);
	heldstore_unlock(s);
	return r;
}
