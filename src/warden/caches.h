/* The kept caches of the session's project. Runs in the warden. */
#ifndef WARDEN_CACHES_H
#define WARDEN_CACHES_H

#include "base/err.h"

struct warden;

/*
 * If [files] cache says anything: fills w->caches and w->caches_lock, or says in one line why
 * nothing is kept (another session of the project has them; no place to write). -errno with err only
 * where commands could reach what is kept.
 */
int caches_take(struct warden *w, struct err *err);

#endif
