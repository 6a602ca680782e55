/*
 * Single files that an agent keeps in a directory that is otherwise read-only for it (~/.claude.json
 * in HOME). Programs replace such a file: lock beside it, write a new one beside it, rename. A
 * mount cannot allow that for one name, so the few calls involved come to the warden, which carries
 * them out for the kept name and names that start with it ("NAME.lock", "NAME.tmp.1"), by what it
 * read itself. Every other call goes on to the kernel, whose read-only mount is the guard.
 */
#ifndef WARDEN_KEPT_H
#define WARDEN_KEPT_H

#include "policy/runplan.h"

#include <stdbool.h>

/* Rationale: one for each such file of an agent; the known ones have at most two. */
#define KEPT_MAX 16

struct kept_file {
	int dir; /* O_PATH, the host's directory */
	char *dir_path;
	char *name;
};

struct kept {
	struct kept_file files[KEPT_MAX];
	size_t n;
};

/* Finds them among [agent] keep. Should: be called after keepdirs_make(). 0 or -errno with err. */
int kept_init(struct kept *k, const struct run_plan *plan, struct err *err);
void kept_done(struct kept *k);

/* Answers one notification that is no exec. */
struct seccomp_notif;
void kept_handle(const struct kept *k, int listener, const struct seccomp_notif *n);

#endif
