/*
 * The directories of a project and who watches them: inotify(7) as far as a budget goes, the times of
 * directories beyond it. Filled by the walk in the warden, then the helper's.
 */
#ifndef HELPER_WATCH_H
#define HELPER_WATCH_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* A hidden file, whatever its name: reuse of the number shows in the time of birth. */
struct watch_inode {
	uint64_t dev, ino;
	int64_t born_s; /* 0 with born_ns 0: the file system does not tell */
	uint32_t born_ns;
};

struct watch;

/* An empty one with its inotify instance and a budget of half of the user's watches, or NULL. */
struct watch *watch_new(struct err *err);
void watch_free(struct watch *w); /* NULL is fine */

/*
 * The directory fd, of that name in the directory numbered parent (-1: the project itself), known or
 * new: its number, or -ENOMEM. Should: be called before the directory is read, and again for what
 * was moved. Changes the working directory. In packages (policy/namerules.h) some watches are left over
 * for what is no package.
 */
int watch_dir(struct watch *w, int fd, int parent, const char *name);

/* One that cannot be opened now: its owner can change that. As above; it counts as changed. */
int watch_closed(struct watch *w, int parent, const char *name);
bool watch_is_closed(const struct watch *w, int node);

/* The directory of an event: its number, or -1. */
int watch_find(const struct watch *w, int wd);

/* Appends a directory's path below the project ("" is the project itself). False: not in it any more. */
int watch_parent(const struct watch *w, int node);
bool watch_path(const struct watch *w, int node, struct buf *out);

/* The directory of that name in parent is somewhere else now: its events are no longer asked for. */
void watch_lose(struct watch *w, int parent, const char *name);
void watch_gone(struct watch *w, int wd); /* IN_IGNORED */
void watch_drop(struct watch *w, int node); /* stops watching it */

int watch_inotify(const struct watch *w); /* non-blocking; -1: there is none */
size_t watch_count(const struct watch *w);

/*
 * Directories without a watch, by turns from *at = 0 on: the number of the next one, -1 at the end.
 * watch_is_stale(): has it changed since watch_dir() (or could have, within a tick of the clock)?
 */
int watch_next_unwatched(const struct watch *w, size_t *at);
bool watch_is_stale(const struct watch *w, int node, const struct stat *now);
int watch_seen(struct watch *w, int node, int fd); /* is about to be read again. 0 or -errno */
bool watch_is_known(const struct watch *w, int parent, const char *name); /* of those */
size_t watch_unwatched(const struct watch *w);

/*
 * Hidden files and directories. watch_hide(): false without memory, or beyond a limit; what is not
 * there is no failure. watch_may_be_hidden(): by the number alone, as readdir(3) has it.
 */
bool watch_hide(struct watch *w, int dir, const char *name);
bool watch_is_hidden(const struct watch *w, const struct watch_inode *inode);
bool watch_may_be_hidden(const struct watch *w, uint64_t ino);
void watch_unhide(struct watch *w, int dir, const char *name);

struct files;

struct files *watch_files(struct watch *w); /* helper/files.h */

/* statx(2), no link followed: false when it is no file or directory. *ret_is_dir may be NULL. */
bool watch_stat(int dir, const char *name, struct watch_inode *ret, bool *ret_is_dir);

/*
 * Shared by warden and helper: is there nothing that the helper has still to do? An event is in the
 * queue, or the mark is set, until what it asks for is done (watch_begin_work(), watch_end_work()).
 */
bool watch_is_idle(const struct watch *w);
void watch_begin_work(struct watch *w);
void watch_end_work(struct watch *w);

#endif
