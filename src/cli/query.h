/*
 * What `try` and `why` ask the policy, in the words of a user: ACTION TARGET. Answered by
 * policy_decide(), as in a session.
 */
#ifndef CLI_QUERY_H
#define CLI_QUERY_H

#include "base/buf.h"
#include "base/err.h"
#include "cli/launch.h"

/* Starts as {0}; query_done() after any of the functions that fill it. */
struct query {
	struct policy_question question; /* points to what follows */
	struct policy_exec exec;
	char *path, *program;
	const char **words; /* owned, what it points to is not */
	struct buf url_path;
	char host[254];
	unsigned char address[16];
};

/*
 * read PATH, write PATH, exec COMMAND..., connect HOST[:PORT], inject METHOD URL, tool COMMAND...;
 * words[0] is the action, and all of them outlive the query. The launch is loaded. 0, or -errno with
 * err naming the nearest valid word.
 */
int query_parse(struct query *ret, const struct launch *launch, char **words, size_t n,
	struct err *err);

/* A file: absolute, or from the working directory. What is there is resolved as a cell does. */
int query_path(struct query *ret, enum policy_action action, const char *path,
	const struct launch *launch, struct err *err);

/* HOST[:PORT], without a port 443; a URL's host, too. */
int query_host(struct query *ret, const char *text, struct err *err);

/* An absolute http or https URL. */
int query_request(struct query *ret, const char *method, const char *url, struct err *err);

/*
 * Asks. A request to a host without a rule is a connection that is passed on unread, and an
 * execution needs a file that the cell shows: those are asked instead.
 */
void query_ask(const struct query *q, const struct policy *policy, struct policy_answer *ret);

/* Is the answer what a user would call allowed? */
bool query_is_allowed(const struct policy_answer *answer);

const char *query_action(const struct query *q); /* "connect" */

/* Appends the target, fit for a terminal. */
void query_add_target(const struct query *q, struct buf *out);

void query_done(struct query *q);

#define AUTO_QUERY __attribute__((cleanup(query_done)))

#endif
