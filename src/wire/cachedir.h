/*
 * What one session leaves on disk for the next: the kept caches of a project, one directory below
 * ~/.cache/agentjail for each, and how it is known who uses it. Shared by the warden (takes it),
 * the cell (mounts it) and `agentjail cache` (lists and removes it).
 *
 *	PROJECT-KEY/lock             locked by the session; its text is the project's path
 *	PROJECT-KEY/CACHE-NAME/upper what commands wrote
 *	PROJECT-KEY/CACHE-NAME/work  overlayfs's own
 */
#ifndef WIRE_CACHEDIR_H
#define WIRE_CACHEDIR_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define CACHEDIR_KEY_BYTES 33 /* 32 hexadecimal digits of the project's path, and the NUL */
#define CACHEDIR_NAME_BYTES 64
#define CACHEDIR_LOCK "lock"
#define CACHEDIR_UPPER "upper"
#define CACHEDIR_WORK "work"

/* The name of a project's directory, and is name one? */
void cachedir_key(const char *project, char out[CACHEDIR_KEY_BYTES]);
bool cachedir_is_key(const char *name);

/* The name of one cache in it, from the path that it stands for: readable, and unique by a hash. */
void cachedir_name(const char *path, char out[CACHEDIR_NAME_BYTES]);

/*
 * Opens (and makes) the directory of a project's caches and locks it for as long as *ret_lock is
 * open in any process. Both descriptors are the caller's. 0, -EWOULDBLOCK: another session has it,
 * or -errno; both with err.
 */
int cachedir_take(const char *cache_dir, const char *project, int *ret_dir, int *ret_lock,
	struct err *err);

/*
 * Locks a directory that is there, for `agentjail cache clean`: dir is its descriptor. Its lock file
 * is *ret_lock; -ENOENT: it has none. As above otherwise.
 */
int cachedir_lock(int dir, int *ret_lock, struct err *err);

#endif
