/*
 * Files of the project, reached by paths that a cell may have chosen: below the project, through no
 * link, whatever happens meanwhile (openat2(2), RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS).
 */
#ifndef CLI_REVIEWFILE_H
#define CLI_REVIEWFILE_H

#include "base/buf.h"
#include "base/err.h"

#include <sys/stat.h>

/*
 * Appends a regular file's content, at most max bytes. 1, 0: there is none, or -errno with err: -ELOOP
 * for a link on the way or in its place, -EINVAL for what is no regular file, -EFBIG.
 */
int reviewfile_read(int project, const char *path, size_t max, struct buf *ret, struct stat *st,
	struct err *err);

/* What a file gets. Owner and group are kept where st says so and they are not ours. */
struct reviewfile_content {
	const char *bytes;
	size_t n;
	mode_t mode;           /* of 0777 alone */
	const struct stat *st; /* of the file that it replaces, or NULL */
};

/* Writes it beside the place and renames it there; directories that are missing are made. */
int reviewfile_write(int project, const char *path, const struct reviewfile_content *content,
	struct err *err);

/* Takes a file away; that there is none is no error. 0 or -errno with err. */
int reviewfile_remove(int project, const char *path, struct err *err);

#endif
