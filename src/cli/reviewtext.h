/* A held file for people and as JSON. Nothing foreign is printed as it is. */
#ifndef CLI_REVIEWTEXT_H
#define CLI_REVIEWTEXT_H

#include "cli/reviewitem.h"

/*
 * Appends what waits: path, what happened to it, what the host does with such a file, of git's
 * configuration each variable with what it does, and the difference from the host's present file.
 */
void reviewtext_add(const struct reviewitem *i, struct buf *out);

/* The same without the difference. */
void reviewtext_add_head(const struct reviewitem *i, struct buf *out);

/* All of it as one JSON object. */
void reviewtext_add_json(const struct reviewitem *i, struct buf *out);

#endif
