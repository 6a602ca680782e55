/* --mode shared: the agent itself runs in the cell, as `run` runs a command. */
#ifndef WARDEN_INSIDE_H
#define WARDEN_INSIDE_H

#include "base/err.h"

struct warden;

/*
 * Finds the agent's program and notes in w->mounts what of it the cell has to show, makes what the
 * agent keeps, and says in one line what this mode gives up. 0, or -errno with err: ENOENT and EACCES
 * as program_find() has them.
 * Should: be called after init_mounts() and before the plan is made.
 */
int inside_prepare(struct warden *w, struct err *err);
void inside_done(struct warden *w);

#endif
