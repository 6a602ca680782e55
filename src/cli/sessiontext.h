/* Sessions as rows of a table, or as JSON. */
#ifndef CLI_SESSIONTEXT_H
#define CLI_SESSIONTEXT_H

#include "base/buf.h"
#include "cli/sessions.h"

void sessiontext_add_head(struct buf *out);
void sessiontext_add_row(const struct session_summary *s, struct buf *out);

/* One object on one line, without a line end. */
void sessiontext_add_json(const struct session_summary *s, struct buf *out);

#endif
