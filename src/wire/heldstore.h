/*
 * Held files: what commands changed and the host has not got yet. Written by who mounts private copies
 * over held files, read by later sessions and by `agentjail review`. Below the state directory:
 *
 *	held/PROJECT-KEY/lock      its text is the project's path; locked for one change of an entry
 *	held/PROJECT-KEY/ID/path   the file's path below the project, bytes without a line end
 *	held/PROJECT-KEY/ID/base   the host's content when it was first held; absent: there was no such file
 *	held/PROJECT-KEY/ID/copy   the content as the cell has it
 *	held/PROJECT-KEY/ID/gone   an empty file: the cell removed it
 *	held/PROJECT-KEY/ID/mode   the permission bits in the cell, octal text; absent: as the host's
 *
 * Hostile: the bytes of copy, what kind of file it is, its size, and the path's bytes. Everything else
 * lies below the user's own private directories, where no cell's mount leads.
 */
#ifndef WIRE_HELDSTORE_H
#define WIRE_HELDSTORE_H

#include "base/buf.h"
#include "base/err.h"
#include "wire/cachedir.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Rationale: configuration, hooks and tasks are written by people; the largest seen has 40 KB. */
#define HELDSTORE_FILE_BYTES ((size_t)1 << 20)
/* Rationale: a walk and a review end; a cell that makes more names than this is filling the disk. */
#define HELDSTORE_ENTRIES_MAX 4096u

#define HELDSTORE_FOLDER "held" /* below the state directory */
#define HELDSTORE_ID_BYTES CACHEDIR_KEY_BYTES

/* The content of an entry. */
enum heldstore_part { HELDSTORE_BASE, HELDSTORE_COPY, HELDSTORE_PART_COUNT };

/* One project's store. Starts as {-1, -1}; heldstore_done() in any state. */
struct heldstore {
	int dir;
	int lock; /* open all the time, locked by heldstore_lock() alone */
};

#define HELDSTORE_NONE { .dir = -1, .lock = -1 }

/* One entry, open. Starts as {.dir = -1}; heldstore_close() in any state. */
struct heldstore_entry {
	int dir;
	char id[HELDSTORE_ID_BYTES];
	char path[PATH_MAX]; /* below the project; checked by heldstore_is_path() */
};

/*
 * A path below a project as entries have it: no empty, "." or ".." component, no slash in front or at
 * the end, shorter than PATH_MAX.
 */
bool heldstore_is_path(const char *path);

/* The name of a path's entry. */
void heldstore_id(const char *path, char out[HELDSTORE_ID_BYTES]);

/*
 * Opens a project's store, with is_made makes it. 0, -ENOENT: there is none (without is_made), or
 * -errno; with err.
 */
int heldstore_open(const char *state_dir, const char *project, bool is_made, struct heldstore *ret,
	struct err *err);
void heldstore_done(struct heldstore *s);
#define AUTO_HELDSTORE __attribute__((cleanup(heldstore_done)))

/*
 * Locks the store against other changes of it: Should be held while entries are made, changed or
 * removed, Mustn't be held while anybody is asked anything. Waits timeout_ms at most. 0,
 * -EWOULDBLOCK, or -errno; with err.
 */
int heldstore_lock(struct heldstore *s, int timeout_ms, struct err *err);
void heldstore_unlock(struct heldstore *s);

/*
 * Says that a session has copies of the store mounted, for as long as s->dir is open: a shared flock(2)
 * on the directory. Waits timeout_ms at most for who looks or clears up just then. False: it is not said.
 */
bool heldstore_use(struct heldstore *s, int timeout_ms);

/*
 * Does a session? An entry that is removed meanwhile leaves it without a copy to mount again, so none
 * Should be.
 */
bool heldstore_is_used(const struct heldstore *s);

/* The project's path that the store was made for, appended. 0 or -errno. */
int heldstore_project(const struct heldstore *s, struct buf *ret);

/* Makes (or opens) and finds the entry of a path. 0, find: -ENOENT, or -errno; with err. */
int heldstore_make(struct heldstore *s, const char *path, struct heldstore_entry *ret,
	struct err *err);
int heldstore_find(const struct heldstore *s, const char *path, struct heldstore_entry *ret,
	struct err *err);
void heldstore_close(struct heldstore_entry *e);
#define AUTO_HELDENTRY __attribute__((cleanup(heldstore_close)))

/*
 * Removes the entry of a path, or of that id (a walk's: also one that is no good entry); that there is
 * none is no error. 0 or -errno with err.
 */
int heldstore_remove(struct heldstore *s, const char *path, struct err *err);
int heldstore_remove_id(struct heldstore *s, const char *id, struct err *err);

/*
 * Calls each() with every entry, in the order of their paths; it may remove that entry. e is NULL
 * for a directory that is no good entry: then text says why, and id is its name. Ends at the first
 * that returns not 0, and returns that; or -errno with err, also when HELDSTORE_ENTRIES_MAX were called
 * and there are more.
 */
typedef int heldstore_each(const struct heldstore_entry *e, const char *id, const char *text,
	void *context);
int heldstore_walk(const struct heldstore *s, heldstore_each *each, void *context, struct err *err);

/* How many entries differ from their base: what waits for the user. 0 where there is no store. */
size_t heldstore_count(const char *state_dir, const char *project);

/*
 * Appends a part's content. 1, 0: there is none, or -errno with err: -EFBIG, -ELOOP and -EINVAL for what
 * is no regular file of that size.
 */
int heldstore_read(const struct heldstore_entry *e, enum heldstore_part part, struct buf *ret,
	struct err *err);

/* Replaces a part in one step. bytes NULL: takes it away. 0 or -errno with err. */
int heldstore_write(const struct heldstore_entry *e, enum heldstore_part part, const void *bytes,
	size_t n, struct err *err);

/*
 * Opens copy itself, to be mounted over the file: open(2) flags, O_NOFOLLOW and O_CLOEXEC are added.
 * It must be a regular file. 0 or -errno with err.
 */
int heldstore_open_copy(const struct heldstore_entry *e, int flags, int *ret, struct err *err);

/* Did the cell remove the file; says so, or no longer. */
bool heldstore_is_gone(const struct heldstore_entry *e);
int heldstore_set_gone(const struct heldstore_entry *e, bool is_gone, struct err *err);

/* Permission bits (0777 at most are kept). False: none are noted. */
bool heldstore_mode(const struct heldstore_entry *e, mode_t *ret);
int heldstore_set_mode(const struct heldstore_entry *e, mode_t mode, struct err *err);

/*
 * Is there something to review: is the copy another content than base, or gone where there was a base? A
 * copy that cannot be read differs. An entry with neither copy nor gone is one being made: no.
 */
bool heldstore_differs(const struct heldstore_entry *e);

#endif
