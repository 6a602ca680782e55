/*
 * Mounts by descriptor (mount_setattr(2), open_tree(2), move_mount(2); Linux 5.12): flags are set on
 * the detached tree before it is attached, so there is no moment with the wrong ones and no path
 * that somebody else could change in between.
 */
#ifndef CELL_MNT_H
#define CELL_MNT_H

#include "base/err.h"

#include <limits.h>
#include <stdint.h>

#define MNT_NOEXEC_ 1u
#define MNT_RDONLY_ 2u
#define MNT_NOSYMFOLLOW_ 4u
#define MNT_DEVICES_ 8u /* leave device files usable */
#define MNT_FLAT_ 16u /* without what is mounted below */

/*
 * A detached copy of the tree at fd (O_PATH), nosuid and, but for MNT_DEVICES_, nodev. Its
 * descriptor or -errno.
 */
int mnt_clone(int fd, unsigned flags, struct err *err) __attribute__((warn_unused_result));

/* A detached tmpfs: mode such as "755", size such as "1g". Its descriptor or -errno. */
int mnt_tmpfs(const char *mode, const char *size, unsigned flags, struct err *err)
	__attribute__((warn_unused_result));

/* A detached file system of a type with no or these options (NULL-terminated pairs, value or NULL). */
int mnt_new(const char *type, const char *const *options, uint64_t attrs, struct err *err)
	__attribute__((warn_unused_result));

/* Attaches tree over what target (O_PATH) stands for, be it a symbolic link. */
int mnt_attach(int tree, int target, struct err *err) __attribute__((warn_unused_result));

/*
 * Opens path below the directory root as a mount point, O_PATH and without following a final
 * symbolic link; where it is missing, it and its parents are made (a file when !is_dir).
 */
int mnt_point(int root, const char *path, int is_dir, struct err *err)
	__attribute__((warn_unused_result));

/*
 * The directory that the last mount point was in: the next one's is the same, most of the time.
 * Whoever mounts something at or above it by another way has to forget it.
 */
struct mnt_parent {
	int root, fd; /* O_PATH; fd: -1 at first */
	char path[PATH_MAX]; /* below root, no '/' in front */
};

void mnt_parent_forget(struct mnt_parent *p);

/*
 * Attaches a detached tree, which is taken and closed, at path below p->root, a mount point as of
 * mnt_point(); path is not the root itself. A negative tree is a failure with err already. 0 or -errno.
 */
int mnt_place(struct mnt_parent *p, int tree, const char *path, int is_dir, struct err *err)
	__attribute__((warn_unused_result));

#endif
