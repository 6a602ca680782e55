/* The sessions of the audit's directory, and which one a user means. */
#ifndef CLI_SESSIONS_H
#define CLI_SESSIONS_H

#include "base/err.h"
#include "cli/launch.h"
#include "cli/trail.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rationale: a hundred sessions a day for three years; older ones are for `log PATH`. */
#define SESSIONS_MAX 100000

struct sessions {
	char *dir;
	char **ids; /* newest first */
	size_t n;
};

/*
 * Finds the directory as the user's profiles say and lists it. One that is not there has no
 * sessions. 0 or -errno with err; sessions_done() in both cases.
 */
int sessions_list(struct launch *launch, struct sessions *ret, struct err *err);
void sessions_done(struct sessions *s);

#define AUTO_SESSIONS __attribute__((cleanup(sessions_done)))

/* Opens the i-th. 0 or -errno with err. */
int sessions_open(const struct sessions *s, size_t i, struct trail *ret, struct err *err);

/*
 * Opens the one that a word means: an id, the beginning of a single one, "last", or a path (with a
 * slash). 0 or -errno with err.
 */
int sessions_find(const struct sessions *s, const char *word, struct trail *ret, struct err *err);

enum session_state { SESSION_RUNNING, SESSION_ENDED, SESSION_SIGNALLED, SESSION_CUT };

/* What a list of sessions shows. */
struct session_summary {
	char id[TRAIL_ID_BYTES];
	struct record first; /* the session's own record: what, where */
	enum session_state state;
	int status; /* or signal */
	pid_t pid; /* of the warden, RUNNING */
	int64_t start_ms, end_ms; /* end: of the last record; RUNNING: now */
	unsigned commands, denials;
};

/* Reads the whole trail. 0 or -errno with err; sessions_summary_done() in both cases. */
int sessions_summarise(struct trail *t, struct session_summary *ret, struct err *err);
void sessions_summary_done(struct session_summary *s);

/* The agent's name, for its profile: NULL for a session of `run` or of a tool. */
const char *sessions_agent(const struct record *first);

/* Is it a session of that project, or a run of a tool that such a session called? */
bool sessions_is_of(const struct sessions *s, const char *id, const char *project);

#endif
