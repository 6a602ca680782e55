/* Directories that git takes for its own by what is in them, whatever their names are. */
#ifndef POLICY_GITSHAPE_H
#define POLICY_GITSHAPE_H

#include <stdbool.h>

/*
 * Has the directory (O_PATH will do) the shape of a git directory? As is_git_directory() in git's
 * setup.c: HEAD, and objects and refs or a commondir that says where those are. By names alone, no link
 * is followed: one that is made of links counts as well.
 */
bool gitshape_is(int dir);

/* Does a name complete that shape? */
bool gitshape_is_part(const char *name);

/* The names in such a directory by which git is made to run something; NULL at the end. */
const char *gitshape_steering(unsigned i);

/* Is it one of those? */
bool gitshape_steers(const char *name);

#endif
