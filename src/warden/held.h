/* The session's held files: the warden's half. Their store is wire/heldstore.h's. */
#ifndef WARDEN_HELD_H
#define WARDEN_HELD_H

#include "base/err.h"

struct warden;

/*
 * If [files] hold says anything: opens the project's store (w->held), or says in one line why what is
 * held is protected instead. -errno with err only where commands could reach the store.
 */
int held_open(struct warden *w, struct err *err);

/*
 * Before each plan: files that an earlier session's commands made, and that wait, get an empty name on
 * the host to be mounted over. No failure of it is one of the session's.
 */
void held_place(struct warden *w);

/* With the plan made: each held file has its copy. What cannot have one is protected. */
void held_prepare(struct warden *w);

/*
 * The session is over, its cell gone: empty names are taken away again, entries where nothing waits too;
 * says what waits. NULL-safe before held_open().
 */
void held_close(struct warden *w);

#endif
