/*
 * Which files that a name rule would hide are git's: anyone who sees the repository has their
 * content, and git in a cell would take a mask for a change of them.
 */
#ifndef POLICY_TRACKED_H
#define POLICY_TRACKED_H

#include "base/buf.h"

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

enum tracked {
	TRACKED_NO, /* to be hidden */
	TRACKED_CHANGED, /* to be hidden: its content is not in the repository */
	TRACKED_SAME, /* may be shown as long as it is what it is */
};

/* The index that was read last. Starts as {0}. */
struct tracked_cache {
	struct buf index;
	dev_t dev;
	ino_t ino;
	struct timespec changed;
};

struct tracked_question {
	int root; /* the directory that absolute paths begin in: of the view that would show the file */
	int file; /* open for reading: a regular file */
	const char *project; /* absolute */
	const char *path; /* of the file, below the project */
};

/*
 * TRACKED_SAME: the index names the path (or a git command that is at work may be about to), and the
 * repository of the nearest .git holds the content, as a loose object or in a pack. Of the index,
 * which a command can write, nothing is believed that would show a file: an object's name is the hash
 * of the content, and who could write one there knows it already. Alternate object stores count
 * for nothing, nor does what a filter would turn into the content (git-crypt, line ends).
 */
enum tracked tracked_judge(struct tracked_cache *cache, const struct tracked_question *q);

/*
 * Does the index name the path or, of a directory, something in it? Then git would take a mask that can
 * be read for a change. q->file is not looked at.
 */
bool tracked_is_named(struct tracked_cache *cache, const struct tracked_question *q, bool is_dir);

void tracked_done(struct tracked_cache *cache);

#endif
