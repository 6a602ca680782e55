/* Masks in one mount namespace, put on while its processes run. */
#ifndef HELPER_MASK_H
#define HELPER_MASK_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct mask_view {
	int root; /* O_PATH: of the view */
	int project; /* the project in it */
	int plain; /* the project without the masks: a detached copy of its mount; -1: there is none */
	int masks; /* O_PATH: the directory with file, dir, closed and refused */
	dev_t masks_dev;
	const char *project_path; /* in every view; borrowed */
	uint64_t project_mount; /* statx(2), stx_mnt_id */
};

#define MASK_VIEW_NONE { .root = -1, .project = -1, .plain = -1, .masks = -1 }

enum mask_result { MASK_PUT = 1, MASK_NOT_NEEDED = 0 };

/*
 * Enters the namespaces that fds (enum helper_fd, all are taken) stand for. Should: be called by a
 * process of its own with one thread, in the parent user namespace. Mustn't: be called twice.
 * Afterwards the process has CAP_SYS_ADMIN and CAP_SYS_PTRACE there, no other capability. 0 or -errno.
 */
int mask_enter(struct mask_view *v, const int *fds, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Hides what the path below the project names; no link is followed on the way. MASK_NOT_NEEDED: it
 * is not there, or masked already. -errno: it is there and stays visible. is_tracked: a file gets the
 * mask for what is git's, see cell/view.h.
 */
int mask_put(const struct mask_view *v, const char *path, bool is_tracked);

/* Takes the mask of a file off. MASK_PUT: there was one. MASK_NOT_NEEDED, or -errno: there is one. */
int mask_take_off(const struct mask_view *v, const char *path);

/*
 * Hides what a symbolic link of that path leads to, if that lies in the project. As above;
 * *ret_fd (O_PATH): what it leads to, to be closed, or -1.
 */
int mask_put_target(const struct mask_view *v, const char *path, int *ret_fd);

/*
 * Covers what the path names with a mount (taken), nothing in it executable; one that covers it already
 * goes. 0, also where it is gone, or -errno.
 */
int mask_cover(const struct mask_view *v, const char *path, int mount);

/* Opens a directory below the project for reading; no link is followed. The descriptor or -errno. */
int mask_open_dir(const struct mask_view *v, const char *path);

#endif
