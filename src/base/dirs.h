/* Directories of our own. */
#ifndef BASE_DIRS_H
#define BASE_DIRS_H

/*
 * Makes dir and what is missing above it, as mkdir -p does, each with mode 0700: what we keep tells
 * what a user works with. 0 or -errno; what exists already is no error, whoever owns it.
 */
int dirs_make(const char *dir) __attribute__((warn_unused_result));

#endif
