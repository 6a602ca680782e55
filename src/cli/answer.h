/* A policy's answer for people: what `try` and `why` print. */
#ifndef CLI_ANSWER_H
#define CLI_ANSWER_H

#include "cli/query.h"
#include "cli/remedy.h"

const char *answer_verdict(const struct policy_answer *answer); /* "denied" */

/* Appends the lines "line" and "reason". said: a reason that stands there already, or NULL. */
void answer_add(const struct policy_answer *answer, const char *said, struct buf *out);

/* Appends the members "verdict", "allowed", "key", "file", "line", "entry" and "reason". */
void answer_add_json(const struct policy_answer *answer, struct buf *out);

#endif
