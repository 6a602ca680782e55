/*
 * Calls of commands that wait for the helper's answer (seccomp_unotify(2)): deletions and renames.
 * What is read of a call can be another when the kernel goes on with it; see calls_answer().
 */
#ifndef HELPER_CALL_H
#define HELPER_CALL_H

#include "helper/mask.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* One path of a call. */
struct call {
	pid_t pid;
	int dirfd; /* the caller's number, or AT_FDCWD */
	char path[PATH_MAX];
	const char *name; /* last component, in path; not "", "." or ".." */
	int dir; /* ours, O_PATH: the directory of the name; -1: not opened */
};

/* Reads the path at that address of the caller's memory. False: there is none with a name. */
bool call_read(struct call *c, pid_t pid, int dirfd, uint64_t address);

/* The same of a directory's path, which may end in slashes. */
bool call_read_dir(struct call *c, pid_t pid, int dirfd, uint64_t address);

/* Opens c->dir as the caller would, but through no magic link. proc: O_PATH of the host's /proc. */
bool call_open_parent(int proc, const struct mask_view *view, struct call *c);

/* The name's path below the project; false: it is not in there. */
bool call_path_below(int proc, const char *project, const struct call *c, char out[PATH_MAX]);

#endif
