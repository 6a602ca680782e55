/*
 * Tools: [tool NAME] sections, in the order of their first lines over all layers. A tool is a grant
 * to one command, reached by name from a cell. Immutable after policy_load(), and lives as long as
 * the policy. Layers add to one as they do to a rule; an untrusted project's file adds none.
 *
 * Two kinds. `match`: a program that is there anyway, when its arguments match, in a cell with the
 * session's files and what the tool adds; no boundary, for the project's files speak in there.
 * `command`: a command that the user has fixed; the caller chooses nothing, so it is a boundary.
 */
#ifndef POLICY_TOOLS_H
#define POLICY_TOOLS_H

#include "base/buf.h"
#include "policy/policy.h"
#include "policy/rules.h"

/* Keys of a tool, in the order of the table in keys.c. */
enum tools_key {
	TOOLS_MATCH, /* lines "WORD ARGUMENT-PATTERN..." */
	TOOLS_COMMAND, /* program and arguments; the word that runs it is the tool's name */
	TOOLS_ARGS, /* none, or ARGUMENT-PATTERN...: what the caller may add */
	TOOLS_EGRESS, /* list of hosts */
	TOOLS_INJECT, /* list of rules, which serve tools alone from then on */
	TOOLS_KEEP_ENV, /* list of globs: variables of the user's environment */
	TOOLS_SECRET_ENV, /* lines NAME=SOURCE; command alone */
	TOOLS_FILES, /* list of paths, read-only; command alone */
	TOOLS_LIMITS, /* list: "6/minute" runs, "30s" for one run */
	TOOLS_ASK, /* not supported yet */
	TOOLS_KEY_COUNT
};

struct tools_tool;

/* Rationale: each word is a file in every cell; a hundred is a large profile. */
#define TOOLS_MAX 64

const struct tools_tool *const *tools_all(const struct policy *policy, size_t *ret_n);

/* "match" of TOOLS_MATCH. */
const char *tools_key_name(enum tools_key key);
bool tools_key_is_list(enum tools_key key); /* lists and lines */

const char *tools_name(const struct tools_tool *tool);
struct policy_origin tools_origin(const struct tools_tool *tool); /* of its first line */

/* Items of a list or line key in layer order. */
const struct policy_item *tools_list(const struct tools_tool *tool, enum tools_key key,
	size_t *ret_n);

/* The effective item of a single-valued key; NULL where it is not set and has no default. */
const struct policy_item *tools_value(const struct tools_tool *tool, enum tools_key key);

bool tools_is_command(const struct tools_tool *tool);

/* The rules that tools have taken: not among rules_all(), and no decision sees them. */
const struct rules_rule *const *tools_rules(const struct policy *policy, size_t *ret_n);

/* Does the tool name the rule in `inject`? */
bool tools_owns(const struct tools_tool *tool, const struct rules_rule *rule);

/* One name that commands call tools by: of the tool, or of one of its patterns. */
bool tools_word(const struct tools_tool *tool, size_t i, struct buf *out); /* false: no more */

/* Does the tool answer to that name? */
bool tools_has_word(const struct tools_tool *tool, const char *word);

/*
 * Do arguments (NULL-terminated, without argv[0]) match a line of patterns? Each pattern is one
 * argument, a last `*` is any number. is_strict: what begins with '-' needs a pattern that does.
 */
bool tools_args_match(const char *line, const char *const *args, bool is_strict);

struct tools_limits {
	unsigned runs_a_minute; /* 0: no limit */
	unsigned seconds; /* of one run; 0: no limit */
};

/* Parses one entry of `limits` into *ret. False when it is none. */
bool tools_limit(const char *entry, struct tools_limits *ret);
struct tools_limits tools_limits(const struct tools_tool *tool);

/* NAME of a line NAME=SOURCE: its length; *ret_source: what follows. */
size_t tools_secret(const char *line, const char **ret_source);

/* ---- for policy_load() ---- */

/* What has to hold for all tools, after rulecheck_all(). is_alone: as there. 0 or -errno. */
int tools_check(const struct policy *policy, bool is_alone, struct err *err);

/* May both serve one request? Rules for different tools, or for a tool and for none, never do. */
bool tools_may_meet(const struct policy *policy, const struct rules_rule *a,
	const struct rules_rule *b);

/* Takes the rules that tools name out of the session's. */
int tools_settle(struct policy *policy, struct err *err);

/* ---- for a run ---- */

/*
 * The policy of one run of a tool. `match`: the session's with what the tool adds, its rules before
 * the session's. `command`: the system's files, read-only, those the tool names and the words of its
 * command that are paths; no file that commands of the session can write; the tool's hosts and rules
 * alone. empty: an empty directory that no cell can write, the project of such a run. *ret is the
 * caller's. 0 or -ENOMEM with err.
 */
int tools_derive(const struct policy *session, const struct tools_tool *tool, const char *empty,
	struct policy **ret, struct err *err);

#endif
