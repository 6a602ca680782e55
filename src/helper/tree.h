/* What appears in the project: judged, masked, watched. */
#ifndef HELPER_TREE_H
#define HELPER_TREE_H

#include "base/buf.h"
#include "helper/hold.h"
#include "helper/mask.h"
#include "helper/watch.h"
#include "policy/namerules.h"
#include "policy/roles.h"
#include "policy/tracked.h"

#include <stdbool.h>

/* Told of each new mask: the path below the project and enum helpmsg_mask. */
typedef void tree_told(void *arg, const char *path, unsigned how);

struct tree {
	const struct run_plan *plan;
	const struct mount_plan *mounts; /* of the start, sorted by path */
	struct watch *watch;
	struct namerules rules;
	struct mask_view view;
	struct holds *holds; /* NULL: nothing is held */
	enum hold_event event; /* why t->path is looked at */
	struct buf path; /* below the project */
	struct buf full;
	tree_told *told;
	void *arg;
	int error; /* of the first name that could not be masked; 0 */
	struct tracked_cache tracked;
	unsigned n_wrong; /* files that were not what git has */
	unsigned depth;
	bool must_rescan, must_ask_git, is_comparing;
	unsigned n_rescans; /* because events were lost */
};

/* Reads all events that are queued by now and does what they ask for. 0, or -errno: something stays visible. */
int tree_drain(struct tree *t);

/* Looks at all of the project, or at the directories without a watch that have changed. As above. */
int tree_rescan(struct tree *t);
int tree_compare(struct tree *t);

/* Judges the file that t->path leads to once more: what is written in it has changed. */
void tree_look_again(struct tree *t);

/* Adds what the plan hides to the hidden files. Should: be called in the host's mount namespace. */
void tree_note_planned(struct tree *t);

#endif
