/*
 * [files] honey: fake keys in hidden files of known form, new in each session, and what happens when
 * one is seen on its way out. The fakes stand under names that no tool uses by itself, so that a
 * command which sends one has read it to send it.
 */
#ifndef WARDEN_LURE_H
#define WARDEN_LURE_H

#include "base/buf.h"
#include "policy/roles.h"
#include "wire/honey.h"

/* Rationale: the table of stores in lure.c, and the project's .env. */
#define LURE_FILES_MAX 24

struct lure {
	struct honey_file files[LURE_FILES_MAX];
	size_t n;
	struct buf list; /* of wire/honey.h */
	struct honey *known; /* NULL: there is none */
};

struct warden;
struct audit_record;

/*
 * Makes a fake for each store of the table that the host has and the policy hides. Nothing without
 * honey = yes. ret starts as {0}. 0 or -errno with err.
 */
int lure_make(const struct run_plan *plan, struct lure *ret, struct err *err);
void lure_done(struct lure *lure);

/* The list in a memfd, for the proxy. The caller's; -1 without one. -errno with err. */
int lure_fd(const struct lure *lure, int *ret, struct err *err);

/*
 * The command, or all of them where it is not known which (NULL), sent a key of the session, as reason
 * says: it is told and ended, its process (0: not known) and those that started it go into the record.
 */
struct command;
void lure_caught(struct warden *w, struct command *command, pid_t pid, const char *reason,
	struct audit_record *record);

/*
 * The same of an exec that is to be refused: n argument strings. True: one has a key, the record is
 * written, and stderr (or -1) has a line.
 */
bool lure_in_argv(struct warden *w, pid_t pid, const struct buf *strings, size_t argv_bytes,
	int stderr_fd);

#endif
