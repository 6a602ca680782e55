/*
 * Held files while commands run: a rename onto one becomes its new copy, one that the host replaced is
 * held again, and what appears under a held name is held from that moment on (helper/late.c). The copies
 * lie in the project's store (wire/heldstore.h); the host gets what is harmless (helper/pass.c).
 */
#ifndef HELPER_HOLD_H
#define HELPER_HOLD_H

#include "base/buf.h"
#include "helper/call.h"
#include "helper/gitdir.h"
#include "helper/mask.h"
#include "helper/namebits.h"
#include "policy/roles.h"
#include "wire/heldstore.h"

/* Rationale: a mount and an entry each; what is beyond stays the kernel's EBUSY, or is taken away. */
#define HOLD_MAX 1024u

struct hold {
	char *path; /* below the project */
	dev_t dev; /* of what is mounted: the copy, or the very file that a command made */
	ino_t ino;
	int file; /* O_PATH: that very file; -1: the copy is mounted itself */
	int wd; /* inotify's number for it; -1 */
	bool is_active; /* else its name is gone, and came once */
	bool is_new; /* commands made it: the host never had one */
	bool is_config; /* git's: what is harmless goes to the host */
	unsigned n_taken;
	int guard; /* inotify's number for the host's file; -1 */
	struct buf host; /* and what it is known to have */
};

struct holds {
	struct heldstore store; /* dir -1: nothing is held */
	dev_t dev; /* of the store */
	int proc; /* O_PATH: the host's /proc; borrowed */
	int plain; /* the project without mounts, or -1; borrowed */
	int inotify; /* borrowed, or -1 */
	bool holds_git; /* configuration in git directories, wherever they are */
	const struct run_plan *plan;
	const struct mask_view *view;
	struct hold list[HOLD_MAX];
	size_t n;
	bool has_new; /* commands have made one of them: it can be renamed away */
	struct namebits names; /* of the held files */
	unsigned n_taken;
	void (*show)(void *arg, const char *path, int mount); /* NULL: nobody else sees the project */
	void *arg;
	const char *hostile; /* what a command did that nobody does by mistake: the cell has to end */
};

#define HOLDS_NONE { .store = HELDSTORE_NONE, .proc = -1, .plain = -1, .inotify = -1 }

/* What hold_begin() needs; all stays the caller's but the store. */
struct hold_setup {
	int store, proc, plain, inotify;
	const struct mask_view *view;
	const struct helper_request *request;
};

/* Notes what the plan holds. Should: be called once, after mask_enter(). */
void hold_begin(struct holds *h, const struct hold_setup *setup);
void hold_done(struct holds *h);

/* A rename: both paths read, directories not opened. */
struct hold_rename {
	struct call from, to;
	unsigned flags; /* RENAME_* of renameat2(2) */
	/* Does the caller still wait? Asked before anything is changed. */
	bool (*is_valid)(void *arg);
	void *arg;
};

/* Is a name one that a rename or deletion is looked at for? All others go on unseen. */
bool hold_may_concern(const struct holds *h, const char *path);

/*
 * Carries a rename onto a held name out: its content becomes the copy. Its result, 0 or -errno; or 1:
 * it is none, and goes on. Opens the directories of both calls, which the caller closes.
 */
int hold_rename(struct holds *h, struct hold_rename *r);

/*
 * Deletes a held file that commands made, or configuration of a repository in the project. As above;
 * what else is held stays the kernel's EBUSY.
 */
int hold_remove(struct holds *h, struct call *c);

enum hold_event { HOLD_SEEN, HOLD_CREATED, HOLD_MOVED };

/*
 * A name below the project has appeared, changed or gone: what is held there is mounted again, if the
 * host's own rename took it off; what is new and held by its name is taken. 0, or -errno: it stays as it
 * is. h->hostile is set where the cell has to end.
 */
int hold_look(struct holds *h, const char *path, enum hold_event event);

/* Is the path worth hold_look()? By its spelling alone. */
bool hold_wants(const struct holds *h, const char *path);

/* An event of a held file itself (IN_CLOSE_WRITE): its content goes to the store. True: wd is one. */
bool hold_written(struct holds *h, int wd);

/* The session is gone: names that only carry a mount are taken away. The warden does it otherwise. */
void hold_unplace(struct holds *h);

/*
 * dotgit.c. A directory named .git has its configuration, empty and held, before anybody else can make
 * one: mode is the caller's. Removing it takes an empty one along. Before one is renamed to that name, what
 * it has is held. Results as of hold_rename(). c: not opened, to be closed.
 */
int hold_mkdir(struct holds *h, struct call *c, mode_t mode);
int hold_rmdir(struct holds *h, struct call *c);
void hold_before_move(struct holds *h, const struct call *from);

/* ---- shared by the files of it ---- */

struct hold *hold_by_path(struct holds *h, const char *path);
struct hold *hold_by_file(struct holds *h, const struct stat *st);

/* The entry of a path, new or known, active; NULL: there are too many. */
struct hold *hold_add(struct holds *h, const char *path);

/* Opens a path's directory in the cell's view, O_PATH, no link followed. */
int hold_open_parent(const struct holds *h, const char *path, const char **ret_name);

/* Mounts the store's copy at that name; is_on: beneath the mount that is there, which is taken off. */
int hold_mount_copy(struct holds *h, struct hold *hold, int dir, const char *name, bool is_on);

/* The agent sees what commands made as they do: its own file tools write to the same file. */
void hold_show_all(struct holds *h);
void hold_show(const struct holds *h, const struct hold *hold, int dir, const char *name);

/* Takes the mount off a name; 0 or -errno. */
int hold_take_off(int dir, const char *name);

/* Its entry is another path's from now on. */
int hold_follow(struct holds *h, struct hold *hold, const char *path);

/* New content with its mode and times into the store. 0 or -EBUSY. */
int hold_write_copy(struct holds *h, const char *path, const struct buf *content, const struct stat *st);

/* A regular file of at most HELDSTORE_FILE_BYTES. 0, -ENOTDIR for a directory, -EBUSY for what else. */
int hold_read(int dir, const char *name, struct buf *content, struct stat *st);

/*
 * late.c. What a name is that is not held yet; content NULL: it lies there (a command has made it, and
 * may have it open), else it is about to come by rename. 0, -errno, or 1: nothing is held there.
 */
struct late {
	const char *path, *name;
	int dir; /* O_PATH */
	const struct buf *content;
	const struct stat *st;
};
int hold_take(struct holds *h, const struct late *l);
int hold_take_as(struct holds *h, const struct late *l, enum gitdir_kind kind);
enum gitdir_kind hold_kind(const struct holds *h, const struct late *l, bool *ret_is_file);

/*
 * pass.c. What the host has of a held configuration gets the copy's harmless changes. Nothing is said of
 * a failure: what did not pass waits.
 */
void hold_pass(struct holds *h, struct hold *hold);

/*
 * guard.c. Between two mounts a command may have opened the host's file of a held configuration: what is
 * written there from now on is looked at. hold_guard_event(): true: wd is one.
 */
void hold_guard(struct holds *h, struct hold *hold);

/* Has the host's file text, and has nobody it open for writing? Of one that was made a moment ago. */
bool hold_is_being_written(const struct holds *h, int file); /* O_PATH */
bool hold_is_clean(const struct holds *h, const char *path, const struct buf *text);
bool hold_guard_event(struct holds *h, int wd);

/* The host's regular file, through the project's mount without others: a descriptor or -1. */
int hold_open_host(const struct holds *h, const char *path);
bool hold_write_host(int fd, const struct buf *text);

#endif
