/*
 * One function a verb, one file each. All return an exit status from 0, or -errno with err, which
 * cli.c prints; running verbs also CLI_LAUNCH. launch->options are parsed.
 */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "base/err.h"
#include "cli/launch.h"

typedef int verb_function(struct launch *launch, struct err *err);

verb_function cache_verb;   /* cache.c: list | clean [DIR] */
verb_function check_verb;   /* check.c: FILE... */
verb_function demo_verb;    /* demo.c */
verb_function doctor_verb;  /* doctor.c */
verb_function explain_verb; /* explain.c: the plan of a prepared launch, on stdout */
verb_function help_verb;    /* help.c */
verb_function log_verb;     /* log.c: [SESSION] */
verb_function review_verb;  /* review.c: [PATH...] */
verb_function selftest_verb; /* selftest.c */
verb_function show_verb;    /* show.c: [AGENT] */
verb_function status_verb;  /* status.c */
verb_function trust_verb;   /* trust.c: [DIR] */
verb_function try_verb;     /* try.c: ACTION TARGET */
verb_function why_verb;     /* why.c: ID|HOST|FILE|PID */

#endif
