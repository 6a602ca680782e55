/*
 * The command line: one table of options, one parser. --help, the man page, the completions and
 * README.md are compared with this table by tests/cli/agreement.bats.
 *
 * Runs in the `agentjail` process before anything else, with the user's own rights. The command
 * line is the user's: wrong, but not hostile. What it quotes may come from anywhere.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "base/err.h"
#include "policy/runplan.h"

#include <stdbool.h>
#include <stddef.h>

enum verb {
	VERB_AGENT, /* no verb: AGENT [ARG...] */
	VERB_RUN,
	VERB_DOCTOR,
	VERB_SHOW,
	VERB_CHECK,
	VERB_DEMO,
	VERB_CACHE,
	VERB_HELP,
	VERB_TRY,
	VERB_LOG,
	VERB_WHY,
	VERB_STATUS,
	VERB_TRUST,
	VERB_REVIEW,
	VERB_SELFTEST,
	VERB_LATER, /* a word of the contract that this version does not do */
	VERB_COUNT
};

#define FOR(verb) (1u << (verb))
#define FOR_RUNNING (FOR(VERB_AGENT) | FOR(VERB_RUN))
#define FOR_ALL (FOR(VERB_COUNT) - 1u)

struct options {
	enum verb verb;
	const char *verb_name;         /* as it was written; NULL for VERB_AGENT */
	const char *profile, *project; /* as they were written, or NULL */
	enum run_mode mode;
	const char *session; /* why: as it was written, or NULL */
	bool explain, quiet, verbose, json, want_help, want_version;
	bool follow, verify, denied; /* log */
	bool yes, list, forget; /* trust */
	bool apply, drop; /* review */
	const char *against;    /* selftest: as it was written, or NULL */
	char **overrides; /* SECTION.KEY=VALUE, in order, owned */
	size_t n_overrides;
	const char **rules; /* --inject NAME, borrowed from argv */
	size_t n_rules;
	const char **env; /* NAME or NAME=VALUE, NULL-terminated, borrowed from argv */
	size_t n_env;
	char **operands; /* NULL-terminated, borrowed from argv */
	size_t n_operands;
};

struct option;
typedef int option_handler(
	struct options *o, const struct option *option, const char *value, struct err *err);

struct option {
	const char *name; /* without its dashes */
	char letter;      /* 0: none */
	bool later;       /* known, refused: not supported yet */
	const char *arg;  /* name of its argument, NULL: it takes none */
	unsigned verbs;   /* FOR() of each verb that takes it */
	const char *key;  /* the policy key that it sets, for the handlers that set one */
	const char *help;
	option_handler *handle; /* NULL: later */
};

struct verb_name {
	const char *name;
	enum verb verb;
	const char *synopsis; /* what follows the name */
	const char *help;
};

extern const struct option options_table[];
extern const size_t options_count;
extern const struct verb_name options_verbs[];
extern const size_t options_verb_count;

/*
 * Parses argv[1] and on. Options stop at `--` and, for the running verbs, at the first word that
 * is none; the other verbs take options anywhere. 0 or -errno with err naming the nearest valid
 * name. options_done() in both cases; *ret borrows from argv.
 */
int options_parse(int argc, char **argv, struct options *ret, struct err *err);
/* Adds one more override (copied) behind those of the command line. 0 or -ENOMEM with err. */
int options_override(struct options *o, const char *text, struct err *err);

void options_done(struct options *o);

/* The verb of that name, or NULL. */
const struct verb_name *options_find_verb(const char *name);

/* The verb nearest to a misspelt one, or NULL when none is near. */
const char *options_near_verb(const char *name);

#endif
