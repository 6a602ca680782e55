/*
 * Lines of [agent] trusted: FILE-PATTERN [argv0=GLOB] ARG-PATTERN...
 *
 * FILE-PATTERN is {agent}, {interp}, {root}/PATTERN or an absolute path pattern, and has to match
 * the resolved file as a whole. Each ARG-PATTERN matches one argument from argv[1] on; a last one
 * that is `*` alone matches any number of them, also none. argv0=GLOB pins argv[0].
 */
#ifndef POLICY_TRUSTED_H
#define POLICY_TRUSTED_H

#include "base/buf.h"
#include "base/err.h"
#include "policy/policy.h"

/* Is the line well formed? 0, or -errno with what is wrong, without file and line. */
int trusted_check(const char *line, struct err *err);

bool trusted_matches(const char *line, const struct policy_exec *exec);

/* Appends the expanded FILE-PATTERN. False when exec lacks what its placeholder stands for. */
bool trusted_file(const char *line, const struct policy_exec *exec, struct buf *out);

#endif
