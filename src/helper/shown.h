/* Names that a rule hides and that are shown while git has their content (policy/tracked.h). */
#ifndef HELPER_SHOWN_H
#define HELPER_SHOWN_H

#include "helper/tree.h"
#include "policy/tracked.h"

/* Judges the file that t->path leads to, and watches it from now on if that can change. */
enum tracked shown_judge(struct tree *t);

/* Of a directory, or a file that is hidden whatever is in it: TRACKED_CHANGED or TRACKED_NO. */
enum tracked shown_is_named(struct tree *t);

/* Something was written to the file with that watch; it is gone; the index of a repository is another. */
void shown_written(struct tree *t, int wd);
void shown_gone(struct tree *t, int wd);
void shown_index(struct tree *t);

/* Should: be called after the plan, once. */
void shown_note_planned(struct tree *t);

#endif
