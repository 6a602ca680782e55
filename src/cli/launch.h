/* From parsed options to a run plan with its policy. */
#ifndef CLI_LAUNCH_H
#define CLI_LAUNCH_H

#include "base/err.h"
#include "cli/options.h"
#include "cli/paths.h"
#include "policy/runplan.h"

/* Owns everything that its plan points to, but for argv. Starts as {0} but for is_again. */
struct launch {
	struct run_plan plan;
	struct options options;
	struct paths paths;
	struct policy *policy;
	char *program;
	bool is_again; /* agentjail has executed itself: what is said to the user is said already */
};

/*
 * Finds the places, loads the policy for `agent` (a profile's name or NULL) as launch->options
 * say, and fills the plan but for argv and program. Prints what the policy warns of. 0 or -errno
 * with err.
 */
int launch_load(struct launch *launch, const char *agent, struct err *err);

/*
 * The policy of a loaded launch with more lines, each "SECTION.KEY=VALUE", behind all others. *ret is
 * the caller's. 0 or -errno with err.
 */
int launch_policy_with(const struct launch *launch, const char *const *lines, size_t n,
	struct policy **ret, struct err *err);

/*
 * The policy as it would be with content of that SHA-256 trusted. launch->paths are found. *ret is the
 * caller's. 0 or -errno with err.
 */
int launch_policy_trusting(const struct launch *launch, const char *hash, struct policy **ret,
	struct err *err);

/* What policy_load() reads for an agent, from options and paths; it borrows from launch. */
struct policy_request launch_request(const struct launch *launch, const char *agent);

/*
 * The whole plan of a running verb, from launch->options. 0, -errno with err, or an exit status of
 * 125 and above after a line on stderr: the program is missing (127), cannot be executed (126) or
 * is a misspelt verb (125).
 */
int launch_prepare(struct launch *launch, struct err *err);
void launch_done(struct launch *launch);

#endif
