/* One held file as a review sees it: the three contents, what they mean, and carrying out the answer. */
#ifndef CLI_REVIEWITEM_H
#define CLI_REVIEWITEM_H

#include "base/buf.h"
#include "base/err.h"
#include "wire/heldstore.h"

#include <stdbool.h>
#include <sys/types.h>

enum reviewitem_state {
	REVIEWITEM_NEW,     /* the host has no such file */
	REVIEWITEM_CHANGED,
	REVIEWITEM_REMOVED, /* the cell took it away */
	REVIEWITEM_SAME,    /* the host is as the cell by now */
	REVIEWITEM_BAD,     /* copy or store entry cannot be read: it can only be dropped */
	REVIEWITEM_STATE_COUNT
};

/* Read once: what is shown is what is applied. Starts as {0}; reviewitem_done(). */
struct reviewitem {
	char *path; /* below the project; NULL for an entry that is none */
	char id[HELDSTORE_ID_BYTES];
	enum reviewitem_state state;
	char reason[ERR_TEXT_BYTES];    /* BAD: why */
	struct buf base, copy, host;
	bool has_base, has_copy, has_host, is_gone;
	bool is_stale;                  /* the host's file is not what it was when it was first held */
	bool has_mode;
	mode_t mode, host_mode;         /* in the cell; on the host */
	uid_t host_uid;
	gid_t host_gid;
};

/*
 * Reads an entry, and the host's file below project, an open directory. Without e: what the walk says
 * of a bad one. 0 or -errno with err (the host's file cannot be looked at: the path leads through a
 * link, or it is no regular file of that size).
 */
int reviewitem_load(const struct heldstore_entry *e, int project, struct reviewitem *ret,
	struct err *err);
int reviewitem_bad(const char *id, const char *reason, struct reviewitem *ret, struct err *err);
void reviewitem_done(struct reviewitem *i);
#define AUTO_REVIEWITEM __attribute__((cleanup(reviewitem_done)))

/* Does the file become executable, or is it no longer? 1, -1, 0: neither. */
int reviewitem_mode_change(const struct reviewitem *i);

/*
 * Does what commands did: writes the copy over the host's file in one step, or takes the file away. Then
 * the entry goes, or where a session has its copy mounted it is one that does not wait. The store is
 * locked meanwhile. -ESTALE: the host's file, or the copy, is no longer what the item has; nothing is
 * done then. 0 or -errno with err.
 */
int reviewitem_apply(const struct reviewitem *i, int project, struct heldstore *s, struct err *err);

/*
 * Forgets what commands did: the host's file is what the next session's commands see. -EBUSY: a session
 * has the copy mounted.
 */
int reviewitem_drop(const struct reviewitem *i, struct heldstore *s, struct err *err);

#endif
