/*
 * What a place gives up last, each enforced by the kernel alone: capabilities, Landlock, system
 * calls. Nothing here can be taken back. All steps fail closed.
 */
#ifndef CELL_BELTS_H
#define CELL_BELTS_H

#include "policy/roles.h"

/*
 * A user namespace where the caller's own ids stand for themselves and no others exist
 * (user_namespaces(7)). Should: be the first act after the clone.
 */
int belts_map_ids(uid_t uid, gid_t gid, struct err *err) __attribute__((warn_unused_result));

/* The bounding set empty: nothing that is executed gets a capability. */
int belts_bound_caps(struct err *err) __attribute__((warn_unused_result));

/* All five capability sets empty, for this process and what it executes (capabilities(7)). */
int belts_drop_caps(struct err *err) __attribute__((warn_unused_result));

/* No privilege by execve(2), ever: PR_SET_NO_NEW_PRIVS. */
int belts_no_new_privs(struct err *err) __attribute__((warn_unused_result));

/*
 * Landlock of a cell (landlock(7), Linux 5.13): reads and executes below /, writes where the plan
 * says so, and below writable_dir (-1: none), which no path of the cell leads to. A file opened
 * elsewhere and passed in cannot be opened anew. On a kernel without Landlock: 0, nothing done; the
 * mounts stand alone.
 */
int belts_landlock_cell(const struct mount_plan *plan, int writable_dir, struct err *err)
	__attribute__((warn_unused_result));

/* Landlock of the agent context: only these files can be executed. As above without Landlock. */
int belts_landlock_agent(const char *const *files, size_t n, struct err *err)
	__attribute__((warn_unused_result));

/*
 * fallocate(2) is not supported, as on file systems without it: with [limits] files, which counts what
 * is written, space could be taken that is not. Giving space back works.
 */
int belts_seccomp_no_fallocate(struct err *err) __attribute__((warn_unused_result));

/*
 * The cell's filter, made by seccomp_gen.c; userns: that of `[sandbox] userns = yes`. Deletions by
 * unlink(2) and unlinkat(2), and with holds rename(2) and its family, mkdir(2) and rmdir(2) too, are
 * the helper's to answer: *ret_listener, the caller's, or -1 where there can be none: then the kernel
 * refuses to delete what is masked and to replace what is held. 0 or -errno with err.
 */
int belts_seccomp_cell(bool userns, bool holds, int *ret_listener, struct err *err)
	__attribute__((warn_unused_result));

/*
 * The agent's filter: execve and execveat are the warden's to answer, and with has_kept the calls of
 * warden/kept.h. The listener or -errno.
 */
int belts_seccomp_agent(bool has_kept, struct err *err) __attribute__((warn_unused_result));

#endif
