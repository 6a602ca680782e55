/*
 * Files under hidden names that git may have: what is written to them is noticed. Filled by the walk
 * in the warden, then the helper's.
 */
#ifndef HELPER_FILES_H
#define HELPER_FILES_H

#include "helper/watch.h"

#include <stdbool.h>
#include <stddef.h>

/* Rationale: a project has a handful; one that is not remembered stays hidden. */
#define FILES_MAX 256

struct files_one {
	char *path; /* below the project */
	int wd; /* -1: not watched */
	bool is_shown;
};

struct files {
	struct files_one list[FILES_MAX];
	size_t n;
};

void files_done(struct files *f);

/*
 * Watches the file of that name in dir, which is at path. No link is followed; what is no file is no
 * harm. Should: be called before it is read. NULL: it cannot be watched. Changes the working directory.
 */
struct files_one *files_watch(struct watch *w, int dir, const char *name, const char *path);

/* The first one with that watch, the one at path, or NULL. */
struct files_one *files_find(struct watch *w, int wd);
struct files_one *files_at(struct watch *w, const char *path);

/* It is not watched any more, or not remembered either. */
void files_unwatch(struct watch *w, struct files_one *one);
void files_forget(struct watch *w, struct files_one *one);

#endif
