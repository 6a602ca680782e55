/*
 * The two views of the file system: a cell's own root, and the agent context's copy of the host's.
 * Both are made in a fresh user and mount namespace by its first process.
 */
#ifndef CELL_VIEW_H
#define CELL_VIEW_H

#include "policy/roles.h"

/*
 * What is mounted over a hidden name: a dangling symbolic link for a file, an empty directory; for
 * a directory that was closed to the user one that stays closed. For what git has, a directory or a file
 * that cannot be opened: git leaves the one alone, and calls the other changed and refuses to add it;
 * else it would take away what is in the one, and add the link.
 */
struct masks {
	int file, dir, closed, refused; /* O_PATH */
	int root; /* the directory they are in */
};

/*
 * Makes the masks on a tmpfs attached over `at` (O_PATH), to be covered by a later mount, and beside
 * them the fakes of a cell's request (NULL: none).
 */
int view_masks_init(struct masks *m, int at, const struct cell_request *request, struct err *err)
	__attribute__((warn_unused_result));
void view_masks_done(struct masks *m);

/* Writes them into the masks' tmpfs: 0 or -errno with err. */
int view_honey_write(int tree, const struct cell_request *request, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Shows the fakes in place of the masks, or where nothing is, in a directory that is a mask as well.
 * One that cannot be shown stays hidden.
 */
void view_honey(const struct masks *m, int root, const struct cell_request *request);

/*
 * Attaches a detached tree, which is taken and closed, at path below root, made where it is missing.
 * A negative tree is a failure of the call that was to make it: err is that one's. 0 or -errno.
 */
int view_attach(int root, int tree, const char *path, int is_dir, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Hides what target (O_PATH | O_NOFOLLOW) names; a target that is a mask already is left alone.
 * is_tracked: see struct mount_entry. 0 or -errno.
 */
int view_hide(const struct masks *m, int target, bool is_tracked, struct err *err)
	__attribute__((warn_unused_result));

/* Read-only (MOUNT_PROTECT, MOUNT_READ) or merely pinned (MOUNT_PIN), mounted onto itself. */
int view_protect(int target, enum mount_kind kind, unsigned flags, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Opens a planned path below root as a mount point, O_PATH | O_NOFOLLOW; no symbolic link is
 * followed for a path inside the project. -1 with err->code ENOENT when it is not there.
 */
int view_target(int root, const struct mount_entry *entry, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Is target what the plan saw at that path, or masked already? A command of another session may
 * have swapped it since: 0, or -ESTALE with err, for a new plan.
 */
int view_check(const struct masks *m, int target, const struct mount_entry *entry, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Is it all the same what has that path now? What a rule hides by its name is hidden whatever it is, and
 * the helper hears what became of what was there: a user may save such a file while a session starts.
 */
bool view_is_any(const struct mount_entry *entry);

/* -ESTALE with err: a planned path is gone or another one. */
int view_changed(const struct mount_entry *entry, struct err *err);

/*
 * Mounting over a path failed with err: was it replaced between opening it and that? As above; 0 where
 * view_is_any(); else what failed.
 */
int view_went(const struct mount_entry *entry, struct err *err);

/*
 * The cell's root, in the order of the plan. On success the process stands in it, the host's tree
 * is gone, and the descriptors CELL_FD_ROOT to CELL_FD_MNTNS are filled.
 * Should: run with CAP_SYS_ADMIN in new user, mount and pid namespaces, mounts made private.
 * Mustn't: leave any descriptor of the host's tree open but those.
 */
int view_enter_cell(const struct cell_request *request, struct cell *cell, struct err *err)
	__attribute__((warn_unused_result));

/*
 * The agent's view: all read-only but project, /tmp and [agent] keep; what a cell can write is
 * noexec; hidden paths masked. fds become the caller's. Should: as above. Mustn't: change anything on the host.
 */
int view_enter_agent(const struct agent_request *request, int fds[HELPER_FD_COUNT], struct err *err)
	__attribute__((warn_unused_result));

/* What is mounted over files of certificate authorities; all of it in one read-only tmpfs. */
struct view_trust {
	int bundle, keystore, hashed, policies; /* O_PATH; -1: the profile has no rules */
};

/* Copies what the session's authority delivered to TRUST_DIR below root. */
int view_trust_init(struct view_trust *t, int root, const struct trust_files *files, struct err *err)
	__attribute__((warn_unused_result));
void view_trust_done(struct view_trust *t);

/* Mounts MOUNT_ROOTS, MOUNT_KEYSTORE, MOUNT_HASHED or MOUNT_POLICIES over target (O_PATH). */
int view_trust_mount(const struct view_trust *t, int target, enum mount_kind kind, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Makes the tool door below root when the policy has tools; *ret: its listening socket, left alone
 * without them.
 */
int view_door(int root, const struct policy *policy, int *ret, struct err *err)
	__attribute__((warn_unused_result));

/* Copies of files with fakes instead of secrets. */
struct view_redact {
	int at, dir; /* where the tmpfs with them goes (O_PATH), to be covered later; it, or -1 */
	unsigned n;
	char *note; /* ERR_TEXT_BYTES: which file is hidden instead, and why */
};

/* Private copies of held files. */
struct view_held {
	int dir; /* the project's store, on a mount that a later one covers; -1: nothing is held */
	const char *project;
};

/*
 * Opens the store among this process's own mounts: *ret, -1 where the warden has none. Then, with the
 * new root there, attaches it over `at` (O_PATH), to be covered by a later mount. 0 or -errno.
 */
int view_held_open(const struct cell_request *request, int *ret, struct err *err)
	__attribute__((warn_unused_result));
int view_held_init(struct view_held *v, int source, int at, struct err *err)
	__attribute__((warn_unused_result));

/* Mounts the copy of entry over target; without one it is protected. 0 or -errno. */
int view_held_mount(const struct view_held *v, int target, const struct mount_entry *entry,
	struct err *err) __attribute__((warn_unused_result));

struct view_place {
	int root;
	const struct masks *masks;
	bool may_make; /* what is missing there is the view's own to make */
	bool is_held; /* a copy is mounted there, which was checked then */
};

/* What is needed goes over `at` (O_PATH, borrowed), to be covered by a later mount. */
int view_redact_init(struct view_redact *v, int at, struct err *err)
	__attribute__((warn_unused_result));
void view_redact_done(struct view_redact *v);

/* Opens the real file of an entry while the host's tree is there. A descriptor, or -1. */
int view_redact_open(const struct mount_entry *e);

/*
 * Shows the copy of source (borrowed; -1: it cannot be read) at a planned path. A file without a
 * secret stays what the view has there; one that is not understood is hidden, and the note says so.
 * 0 or -errno; -ESTALE: see view_changed().
 */
int view_redact(struct view_redact *v, const struct view_place *place, const struct mount_entry *e,
	int source, struct err *err) __attribute__((warn_unused_result));

struct mnt_parent;

/* Copy-on-write directories of a cell. */
struct view_layers {
	int root;	/* of the new tree: upper layers that are dropped lie in it */
	struct mnt_parent *parent; /* of the plan's last mount point */
	int kept;	/* the project's kept caches, see wire/cachedir.h; -1: none are kept */
	int lowers;	/* of a mother's view: VIEW_BELOW_LOWERS in it; -1 */
	unsigned n;	/* dropped ones so far */
	bool may_be_read; /* [files] no-overlay = read: better read-only than not at all */
	char *note;	/* ERR_TEXT_BYTES: why a cache is not kept, for the user */
};

/*
 * Mounts entry i of the plan (MOUNT_OVERLAY or MOUNT_CACHE, a directory) on source (O_PATH, the
 * host's; -1: it has none, a kept directory of its own then). A cache that cannot be kept is
 * dropped at the end, and the note says why; without overlayfs it is read-only where the profile says
 * so. 0 or -errno.
 */
int view_layers_add(struct view_layers *l, const struct mount_plan *plan, size_t i, int source,
	struct err *err) __attribute__((warn_unused_result));

/* The overlay alone, detached, with an upper layer that is dropped. Its descriptor or -errno. */
int view_layers_dropped(struct view_layers *l, int source, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Shares of the machine's memory, in percent, that a cell's own file systems may fill: 100 together, so
 * that no command that fills them all takes the machine's last page. With [limits] memory they are
 * shares of half of that: what lies in them outlives the command that wrote it, and the next one has
 * to find room.
 */
enum view_share {
	VIEW_SHARE_TMP = 40,
	VIEW_SHARE_SHM = 20,
	VIEW_SHARE_HOME = 15,
	VIEW_SHARE_ROOT = 20,
	VIEW_SHARE_RUN = 5
};

/* A detached tmpfs of that share. Its descriptor or -errno with err. */
int view_share_tmpfs(const struct policy *policy, const char *mode, enum view_share share,
	struct err *err) __attribute__((warn_unused_result));

/* Writes the cell's own resolv.conf, nsswitch.conf and hosts, and mounts them below root. */
int view_etc(int root, struct err *err) __attribute__((warn_unused_result));

/*
 * A /proc of the caller's pid namespace below root, then what is hidden and read-only in it; /dev/pts,
 * mqueue and shm of its own.
 */
int view_proc(int root, struct err *err) __attribute__((warn_unused_result));
int view_proc_guard(int root, const struct masks *masks, struct err *err)
	__attribute__((warn_unused_result));
int view_dev_own(int root, const struct policy *policy, struct err *err) __attribute__((warn_unused_result));

/*
 * In a mother's view (cell/mother.h) what its cells need before they have a /proc of their own on it:
 * the masks, the lower layers of [files] overlay by their number in the plan, a place for upper ones.
 */
#define VIEW_BELOW "/proc"
#define VIEW_BELOW_MASKS "masks"
#define VIEW_BELOW_REDACT "redact"
#define VIEW_BELOW_KEPT "kept"
#define VIEW_BELOW_HELD "held"
#define VIEW_BELOW_LOWERS "lowers"
#define VIEW_BELOW_UPPERS "uppers"

/*
 * Makes of a copy of a mother's view a cell's own: all that a command can write is new but the project,
 * kept caches, and what the profile lets be written for real. /tmp shows what the agent has there, and
 * keeps changes to itself; *ret_tmp is the agent's, if [agent] receive says anything, else -1. Fills
 * CELL_FD_ROOT. Should: be called in new mount, pid and ipc namespaces
 * by who has CAP_SYS_ADMIN there. Mustn't: leave a shared mount. 0 or -errno with err.
 */
int view_renew(const struct cell_request *request, struct cell *cell, int *ret_tmp, struct err *err)
	__attribute__((warn_unused_result));

#endif
