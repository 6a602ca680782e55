/*
 * Held files while commands run: a rename onto one becomes its new copy, one that the host replaced is
 * held again. The copies lie in the project's store (wire/heldstore.h); the host's files stay.
 */
#ifndef HELPER_HOLD_H
#define HELPER_HOLD_H

#include "helper/call.h"
#include "helper/mask.h"
#include "policy/roles.h"
#include "wire/heldstore.h"

/* Rationale: a mount and an entry each; what is beyond stays the kernel's EBUSY, or is not made. */
#define HOLD_MAX 1024u

struct hold {
	char *path; /* below the project */
	uint64_t ino; /* of the copy that is mounted */
};

struct holds {
	struct heldstore store; /* dir -1: nothing is held */
	dev_t dev; /* of the store */
	int proc; /* O_PATH: the host's /proc; borrowed */
	const struct run_plan *plan;
	const struct mask_view *view;
	struct hold list[HOLD_MAX];
	size_t n;
	struct namebits names; /* of the held files */
};

#define HOLDS_NONE { .store = HELDSTORE_NONE, .proc = -1 }

/* A rename: both paths read, directories not opened. */
struct hold_rename {
	struct call from, to;
	unsigned flags; /* RENAME_* of renameat2(2) */
	/* Does the caller still wait? Asked before anything is changed. */
	bool (*is_valid)(void *arg);
	void *arg;
};

/*
 * Notes what the plan holds. Should: be called once, after mask_enter(). store is taken; proc and view
 * stay the caller's.
 */
void hold_begin(struct holds *h, int store, int proc, const struct mask_view *view,
	const struct helper_request *request);
void hold_done(struct holds *h);

/* Is a name one of the held files' (or looks like it)? All others go on unseen. */
bool hold_may_concern(const struct holds *h, const char *name);

/*
 * Carries a rename onto a held file out: its content becomes the copy. Its result, 0 or -errno; or 1:
 * it is none, and goes on. Opens the directories of both calls, which the caller closes.
 */
int hold_rename(struct holds *h, struct hold_rename *r);

/*
 * A path below the project that is there now: what is held there is mounted again, if the host's own
 * rename took it off. 0, or -errno: it stays writable.
 */
int hold_look(struct holds *h, const char *path);

#endif
