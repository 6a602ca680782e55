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

#include <stdbool.h>
#include <stdint.h>

struct environ {
	const struct run_plan *plan;
	uint64_t key; /* of the hash: random, so that hashes say nothing about guesses elsewhere */
	uint64_t *withheld; /* hashes of values, sorted */
	size_t n_withheld;
	const struct environ_trust *trust; /* NULL: no rules, nothing is added */
	char **names; /* variables of the user's environment, sorted: not the agent's additions */
	size_t n_names;
	const struct fakes *fakes; /* given to every command; NULL: none; borrowed */
};

/* Variables in the table of environ_trust.c. */
#define ENVIRON_TRUST_COUNT 16u

/*
 * What commands are told of the certificate authorities they believe, since many clients do not
 * look at the system's. Values are what the user set before the session, or NULL.
 */
struct environ_trust {
	const char *given[ENVIRON_TRUST_COUNT];
	bool is_right[ENVIRON_TRUST_COUNT]; /* that file is the bundle in the cell: the value stays */
	const char *bundle; /* the bundle's path in the cell */
	bool is_system; /* and it is one that programs know by themselves */
	const char *cert; /* the session's certificate alone */
};

/* Reads the user's variables; the values are env's own. */
void environ_trust_init(struct environ_trust *t, char *const *env);

/* Index of an assignment's variable in the table; ENVIRON_TRUST_COUNT: not in it. */
size_t environ_trust_find(const char *assignment);

/*
 * Does our value take the place of this one, which is of variable i? Not where it names the bundle
 * already, and not what the agent itself set for a command.
 */
bool environ_trust_replaces(const struct environ_trust *t, size_t i, const char *assignment);

/* Appends "NAME=VALUE" of variable i with its NUL. False: nothing is said of it here. */
bool environ_trust_add(const struct environ_trust *t, size_t i, struct buf *out);

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
