/* Writing the file of trusted projects, and what else of a project agents do not see. */
#ifndef CLI_TRUSTLIST_H
#define CLI_TRUSTLIST_H

#include "base/buf.h"
#include "base/err.h"
#include "cli/launch.h"

/*
 * Puts "HASH PATH" in place of what the file says of path, or takes that away (hash NULL). The file
 * is written anew and renamed, with mode 0600, in a directory with mode 0700 if it has to be made. 0 or
 * -errno with err.
 */
int trustlist_set(const char *config_dir, const char *path, const char *hash, struct err *err);

/* Appends a line for each trusted project: its state and its path. 0 or -errno with err. */
int trustlist_add(const char *config_dir, struct buf *out, struct err *err);

/*
 * Appends the files of the project that [agent] hide of some profile masks for its agent, a line
 * each. launch->paths are found.
 */
void trustlist_add_hidden(const struct launch *launch, struct buf *out);

#endif
