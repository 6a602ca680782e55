/* A record of the audit as text for a terminal. Nothing foreign is printed as it is. */
#ifndef CLI_RECORDTEXT_H
#define CLI_RECORDTEXT_H

#include "base/buf.h"
#include "cli/record.h"

#include <stdint.h>

/* Appends one line: time of day, number, event, decision, and what it was about. */
void recordtext_add(const struct record *r, struct buf *out);

/* Appends the arguments as a shell would read them, cut behind max bytes. */
void recordtext_add_argv(const struct record *r, size_t max, struct buf *out);

/* Appends "HOST:PORT", or "METHOD URL" of a request. */
void recordtext_add_place(const struct record *r, struct buf *out);

/*
 * Appends a line of JSON, n bytes, and its line end. is_terminal: the same JSON with nothing in it that
 * a terminal obeys; in strings \u says all.
 */
void recordtext_add_json(const char *line, size_t n, bool is_terminal, struct buf *out);

/* Appends local time: "2026-01-31 23:59:59", or what stands for no time. */
void recordtext_add_time(int64_t ms, struct buf *out);

#endif
