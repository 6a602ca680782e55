/*
 * Which variables go where. The agent's environment is the user's less [env] hide, but with [agent]
 * keep-env; all of it where no profile knows the agent. A
 * command's is what [env] keep names, what the agent itself added later, and [env] set, all less
 * [env] hide. A value that was withheld from the cell does not get in under another name either:
 * only hashes of those values are kept.
 */
#ifndef WARDEN_ENVIRON_H
#define WARDEN_ENVIRON_H

#include "base/buf.h"
#include "policy/runplan.h"
#include "warden/fakes.h"

#include <stdint.h>

struct environ {
	const struct run_plan *plan;
	uint64_t key; /* of the hash: random, so that hashes say nothing about guesses elsewhere */
	uint64_t *withheld; /* hashes of values, sorted */
	size_t n_withheld;
	char **names; /* variables of the user's environment, sorted: not the agent's additions */
	size_t n_names;
	const struct fakes *fakes; /* given to every command; NULL: none; borrowed */
};

/* Reads the user's environment once. 0 or -ENOMEM with err. */
int environ_init(struct environ *e, const struct run_plan *plan, char *const *env,
	struct err *err);
void environ_done(struct environ *e);

/* The agent's environment: NULL-terminated, the caller frees the array, strings are env's own. */
char **environ_for_agent(const struct environ *e, char *const *env);

/*
 * Appends to out what a command gets of the n strings at env (one after the other, each with its
 * NUL), then fakes of secrets, [env] set and --env. Returns how many strings were added.
 */
size_t environ_for_cell(const struct environ *e, const char *env, size_t n, struct buf *out);

/* Is a variable one that changes what a program loads or runs (LD_*, NODE_OPTIONS, ...)? */
bool environ_is_loader(const char *assignment);

#endif
