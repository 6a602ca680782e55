/*
 * From policy to mounts: which paths are bound, masked and protected in a cell and in the agent
 * context. Runs in the warden, once a session.
 */
#ifndef CELL_PLAN_H
#define CELL_PLAN_H

#include "base/buf.h"
#include "policy/roles.h"

/*
 * Reserves the memory that a plan lies in, shared with processes forked later. 0 or -errno with
 * err; plan_done() it. Should: be called before begin_cell().
 */
int plan_init(struct mount_plan *plan, struct err *err);
void plan_done(struct mount_plan *plan);

/*
 * Expands every [files] and [agent] entry that stands for something that exists, walks the project
 * for name rules, and sorts: parents before children. 0 or -errno with err.
 */
int plan_mounts(const struct run_plan *run, struct mount_plan *plan, struct err *err);

/* Adds one entry; path is copied. 0 or -errno with err. */
int plan_add(struct mount_plan *plan, struct mount_entry entry, struct err *err);

/*
 * Adds the same for what a symbolic link in the project leads to, if that is in the project too.
 * 0 or -errno with err.
 */
int plan_add_link_target(const struct run_plan *run, struct mount_plan *plan,
	struct mount_entry entry, struct err *err);

bool plan_is_below(const char *path, const char *dir); /* dir itself counts */

/*
 * Adds what the project's tree asks for: name rules of the policy, other names (hard links) of
 * hidden files, sockets, and the repositories in it. Symbolic links are never followed.
 */
int plan_walk_project(const struct run_plan *run, struct mount_plan *plan, struct err *err);

/*
 * A project whose .git is a file (worktree, submodule) works in a directory elsewhere: adds it
 * when it is provably this project's, so that a planted .git file cannot open anything else.
 */
int plan_add_gitdir(const struct run_plan *run, struct mount_plan *plan, struct err *err);

/*
 * What the host's own configuration of git names in the project (hooks elsewhere, more configuration,
 * filters) the host's git reads or runs unasked: protected, and the directories above it pinned. What
 * cannot be read names nothing. Of a git directory elsewhere (a worktree's), and of the project's own
 * .git and the user. 0 or -errno with err.
 */
int plan_add_gitnames(const struct run_plan *run, struct mount_plan *plan, const char *gitdir,
	struct err *err);
int plan_add_own_gitnames(const struct run_plan *run, struct mount_plan *plan, struct err *err);

/* Puts a backslash before what glob(3) would not take as it is; with all, '*' and '?' too. */
void plan_escape(const char *path, bool all, struct buf *out);

/* What the policy says of a path, or of ./.git/config for configuration anywhere in the project. */
bool plan_is_held(const struct policy *policy, const char *path);

/* Adds the sockets of the host that stand in shown places (/proc/net/unix). */
int plan_add_sockets(const struct run_plan *run, struct mount_plan *plan, struct err *err);

/*
 * For root alone: files below /etc that others may not read. Ownership would open them, where an
 * ordinary user is kept out by the kernel.
 */
int plan_add_root_files(struct mount_plan *plan, struct err *err);

/*
 * If there are rules: adds the files and directories that say which certificate authorities are
 * believed, where a cell has them and cannot change them (a mount point in the project would keep
 * its tools from replacing the file: there the variables have to do, warden/environ_trust.c).
 */
int plan_add_trust(const struct run_plan *run, struct mount_plan *plan, struct err *err);

/*
 * Pins the directories between what [files] write shows and path, which is in there: nobody can put another
 * one in its place. Should: be called when the rules are in the plan.
 */
int plan_pin_above(struct mount_plan *plan, const char *path, struct err *err);

/* Pins the directories between git directories and what is protected in them. Should: be called last. */
int plan_pin_git(struct mount_plan *plan, struct err *err);

/* Adds what protects one git directory: pinned, configuration held, hooks read-only. */
int plan_add_repository(const struct run_plan *run, struct mount_plan *plan, const char *gitdir,
	bool in_project, struct err *err);

/*
 * Adds what [files] hold says of a name in the project, of that kind (entry.kind is MOUNT_HOLD): a
 * regular file is held, of a directory each file that the policy holds; a link is protected, and
 * what it leads to; so is what there are too many of. 0 or -errno with err.
 */
int plan_add_hold(const struct run_plan *run, struct mount_plan *plan, struct mount_entry entry,
	mode_t mode, struct err *err);

#endif
