/*
 * The smallest lines of profile that would turn a denial into its opposite, what risk they have, and
 * how to have them for one session. Each is tried on the policy before it is offered.
 */
#ifndef CLI_REMEDY_H
#define CLI_REMEDY_H

#include "cli/query.h"

/* Rationale: a name that `deny` has and that is private needs three lines: nobody is told that. */
#define REMEDY_LINES_MAX 2

struct remedy_line {
	char section[64]; /* "egress", "inject NAME" */
	char key[32];
	char *value;
};

/* Starts as {0}; remedy_done(). */
struct remedy {
	struct remedy_line lines[REMEDY_LINES_MAX];
	size_t n; /* 0: no line does; note says what to do */
	const char *risk; /* static text; NULL when n is 0 */
	const char *note; /* static text or NULL */
	char detail[512]; /* for the note: whose lock, which line */
};

/*
 * What would allow what answer (of query, of the launch's policy) denies. The launch is loaded. 0 or
 * -errno with err.
 */
int remedy_find(const struct launch *launch, const struct query *query,
	const struct policy_answer *answer, struct remedy *ret, struct err *err);
void remedy_done(struct remedy *r);

/* Appends what `try` and `why` print below an answer: the lines, how to add them, the risk. */
void remedy_add(const struct remedy *r, const struct launch *launch, struct buf *out);

/* The same as a JSON object. */
void remedy_add_json(const struct remedy *r, struct buf *out);

#endif
