/*
 * The policy: ini text in layers -> one immutable list of effective lines, and the one function
 * that decides. Pure: no system calls but reading files (policy_load) and stat of the files that
 * it is about to read.
 *
 * Runs in every process that asks: warden, proxy, verbs. Hostile input: the project's
 * .agentjail.ini; the others are the user's own and must be owned and writable by nobody else.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every key but those of [inject NAME] and [tool NAME]; the table is policy_keys in keys.c. */
enum policy_key {
	PK_PROFILE_NAME,
	PK_PROFILE_INHERIT, /* list of profiles, or inject/NAME; read before the file itself */
	PK_PROFILE_DESCRIPTION,
	PK_AGENT_KEEP, /* list of paths: the agent's own state, writable for it, not in the cell */
	PK_AGENT_KEEP_ENV, /* list of name globs: variables of the agent alone */
	PK_AGENT_HIDE, /* list of path patterns hidden from the agent alone */
	PK_AGENT_PRIVATE, /* list of paths of the session's /tmp or elsewhere that the cell lacks */
	PK_AGENT_SHARE, /* list of paths below `keep` that the cell has too, writable */
	PK_AGENT_RECEIVE, /* list of files in /tmp that a command in a cell of its own leaves for the agent */
	PK_AGENT_TRUSTED, /* repeated line, not a list: FILE-PATTERN ARG-PATTERN... */
	PK_AGENT_EGRESS, /* list of hosts of the agent itself; "*": the network as the host has it */
	PK_AGENT_TMP, /* shared | private */
	PK_SANDBOX_ISOLATION, /* session | command */
	PK_SANDBOX_HOME, /* closed | open */
	PK_SANDBOX_USERNS, /* no | yes */
	PK_SANDBOX_TTY, /* relay | filter */
	PK_FILES_WRITE,
	PK_FILES_READ,
	PK_FILES_HIDE,
	PK_FILES_PROTECT,
	PK_FILES_HOLD,
	PK_FILES_OVERLAY,
	PK_FILES_CACHE,
	PK_FILES_REDACT, /* files of a known format: their copies, fakes instead of secrets */
	PK_FILES_NO_OVERLAY, /* refuse | read: where the kernel has no overlay for users */
	PK_FILES_HONEY,
	PK_ENV_KEEP, /* list of name globs that the cell gets */
	PK_ENV_HIDE, /* list of name globs that it never gets */
	PK_ENV_SET, /* repeated line: NAME=VALUE */
	PK_EGRESS_ALLOW,
	PK_EGRESS_DENY,
	PK_EGRESS_ASK,
	PK_EGRESS_PRIVATE,
	PK_EGRESS_PUBLISH,
	PK_EGRESS_PARENT_PROXY, /* http://HOST:PORT */
	PK_EGRESS_NO_PROXY, /* list of hosts that are reached without it */
	PK_EGRESS_PROXY_ENV,
	PK_LIMITS_MEMORY,
	PK_LIMITS_PIDS,
	PK_LIMITS_CPU,
	PK_LIMITS_FILES,
	PK_LIMITS_TIME,
	PK_AUDIT_PATH,
	PK_AUDIT_LEVEL,
	PK_LOCKED_KEY, /* list of SECTION.KEY; in the system's file alone */
	PK_COUNT
};

/* Where an effective line stands. file is "(built-in)" or "(command line)" for those two layers. */
struct policy_origin {
	const char *file;
	unsigned line; /* from 1; 0 on the command line */
};

struct policy_item {
	const char *value;
	struct policy_origin origin;
	bool is_in_home; /* its text starts with that of HOME; set where it is kept */
};

struct policy;

/* What policy_load() reads, in the order of agentjail(1), PROFILES. NULL members are left out. */
struct policy_request {
	const char *agent; /* name of the agent's profile; NULL: default alone */
	const char *profile; /* -p NAME or PATH (with a slash), instead of `agent` */
	const char *project; /* absolute, resolved */
	const char *home; /* absolute */
	const char *config_dir; /* ~/.config/agentjail */
	const char *profiles_dir; /* the installed profiles (or the build tree's) */
	const char *system_file; /* /etc/agentjail/agentjail.ini */
	/*
	 * Command line: rules by name. One that the layers have is on already; else the preset
	 * profiles_dir/inject/NAME.ini (and the user's own of that name) is read.
	 */
	const char *const *rules;
	size_t n_rules;
	/* One more content of the project's file that is trusted, as SHA-256: for `agentjail trust`. */
	const char *trusted_hash;
	const char *const *overrides; /* command line: "SECTION.KEY=VALUE", in order */
	size_t n_overrides;
	bool is_shared; /* --mode shared: see shared.h */
};

/*
 * Reads and checks all layers. 0, or -errno with err naming file, line and remedy; nothing
 * half-parsed is ever returned. A file that is not there is no error but for -p; *ret is the
 * caller's, policy_free() it.
 */
int policy_load(const struct policy_request *request, struct policy **ret, struct err *err);
void policy_free(struct policy *policy); /* NULL is fine */

/*
 * Parses one file as a layer of its own, for `agentjail check`. *ret is what it says alone, the
 * caller's. 0 or -errno with err.
 */
int policy_check_file(const char *path, struct policy **ret, struct err *err);

/* True when the agent's own profile was found; false: `default` alone stands in for it. */
bool policy_has_agent_profile(const struct policy *policy);

/* Lines for the user that policy_load() wants printed once (skipped lines of a project). */
size_t policy_warnings(const struct policy *policy, const char *const **ret_lines);

/*
 * The items of a list key in layer order, entries taken away by `!ENTRY` left out. "~" stands
 * expanded, "." too, so that every path pattern is absolute, or a bare name pattern without a slash
 * ("name rule": at any depth of the project).
 */
const struct policy_item *policy_list(const struct policy *policy, enum policy_key key,
	size_t *ret_n);

/* The effective item of a single-valued key, never NULL: every such key has a built-in default. */
const struct policy_item *policy_value(const struct policy *policy, enum policy_key key);

/* "section.key" of a key. */
const char *policy_key_name(enum policy_key key);
bool policy_key_is_list(enum policy_key key);
enum policy_key policy_key_find(const char *section_key); /* PK_COUNT when unknown */

/* ---- deciding ---- */

enum policy_action { POLICY_READ, POLICY_WRITE, POLICY_EXEC, POLICY_CONNECT, POLICY_INJECT,
	POLICY_TOOL };

enum policy_verdict {
	POLICY_DENIED,
	POLICY_ALLOWED,
	POLICY_IN_AGENT, /* exec: stays in the agent context */
	POLICY_IN_CELL, /* exec: goes to the cell */
	POLICY_PASSED, /* inject: no rule matches, one of the host's says `else = pass`; tool: see below */
};

enum policy_file_kind {
	/* in the order of strictness: of two equally long matches the later one wins */
	POLICY_FILE_ABSENT, /* nothing matches: not in the cell at all */
	POLICY_FILE_WRITE,
	POLICY_FILE_CACHE,
	POLICY_FILE_OVERLAY,
	POLICY_FILE_HOLD,
	POLICY_FILE_READ,
	POLICY_FILE_PROTECT,
	POLICY_FILE_REDACT,
	POLICY_FILE_HIDE,
};

struct policy_exec {
	const char *file; /* resolved path of the file asked for */
	const char *const *argv; /* NULL-terminated */
	const char *program; /* the agent's own program, resolved: what {agent} stands for */
	const char *script; /* its path before links were followed, or NULL: {agent} as argument */
	const char *interp; /* what {interp} stands for, NULL: `program` (it is no script) */
	const char *root; /* what {root} stands for: see policy_package_root() */
	/* That no cell may write file, program and script was asked before: it takes longest. */
	bool places_are_checked;
	bool env_differs; /* a loader or runtime variable differs from the agent's own */
};

struct policy_question {
	enum policy_action action;
	const char *path; /* READ, WRITE: absolute, normal form */
	const char *host; /* CONNECT: a name in normal form, or a literal address as text */
	const unsigned char *address; /* CONNECT: the resolved address, or NULL before resolution */
	int family; /* of address: AF_INET or AF_INET6 */
	uint16_t port;
	const struct policy_exec *exec;
	/* INJECT, with host and port */
	const char *method; /* a token */
	const char *url_path; /* normal form, see policy/urlpath.h */
	bool is_plain; /* the request came without TLS */
	/* TOOL */
	const char *word; /* the name that was called */
	const char *const *args; /* NULL-terminated, without argv[0] */
};

struct rules_rule;
struct tools_tool;

struct policy_answer {
	enum policy_verdict verdict;
	enum policy_file_kind file_kind; /* READ, WRITE */
	enum policy_key key; /* the key that decided; PK_COUNT: the default, no line */
	const struct policy_item *item; /* the line that decided, or NULL */
	const char *reason; /* static text, for people */
	/* INJECT: ALLOWED: whose secret; PASSED: which lets it pass. CONNECT: which allows the host */
	const struct rules_rule *rule;
	const struct tools_tool *tool; /* TOOL: which one runs, or refuses */
};

/*
 * READ and WRITE. Of all patterns that match the path or a directory above it, the most specific
 * one decides:
 *   1. the one that matches the path itself, or the closest directory above it;
 *   2. at the same component: a literal pattern beats one with wildcards;
 *   3. then the one with more literal bytes (so a path beats a name rule);
 *   4. then the stricter kind, in the order of enum policy_file_kind.
 * [agent] keep counts as a `hide` that gives way to any other rule for that same path, [agent]
 * share as `write`, [agent] private as `hide`. HOME itself is a rule of the same weak sort: absent,
 * or `read` with home = open. The cell's own /tmp, /dev, /proc and /sys come last and are answered
 * with key PK_COUNT and no item.
 *
 * Three kinds of rules never show what is not shown without them: `protect` (it only takes writing
 * away), `hold` (it only counts where the real file is writable) and name rules of `write` and `read` (they undo a name rule of `hide` on that same
 * component, in the project alone). Name rules of `hide`, `protect` and `hold` hold for all that is shown,
 * but not in the cell's own /tmp.
 *
 * EXEC. IN_AGENT if a line of [agent] trusted matches, no variable differs and no command could
 * have written the files; else IN_CELL, with the line (if one did match) and why it was not enough.
 *
 * CONNECT. See below.
 *
 * INJECT. Of the rules that cover host and port, in order, the first that matches method and path:
 * ALLOWED. None: PASSED when one of them says `else = pass`, else DENIED. [egress] deny wins, and
 * TRACE, TRACK and CONNECT are never served.
 *
 * TOOL. The tools that answer to the word, in order: the first with a line of `match` for the
 * arguments, or whose `args` admit them: ALLOWED. None: PASSED, the program of that name is executed
 * in place; DENIED where a `command` does not take the arguments, or nothing has the name.
 */
void policy_decide(const struct policy *policy, const struct policy_question *question,
	struct policy_answer *ret);

/*
 * The file patterns of all lines of [agent] trusted, placeholders filled in from exec (program,
 * interp, root are read, the rest may be NULL), each once. *ret ends with NULL and is the caller's:
 * policy_free_strings(). A pattern without '*' and '?' is one file. 0 or -ENOMEM.
 */
int policy_expand_trusted(const struct policy *policy, const struct policy_exec *exec,
	char ***ret, struct err *err);
void policy_free_strings(char **strings); /* NULL is fine */

/*
 * {root}: the outermost directory named node_modules above program (absolute, resolved), else the
 * directory it is in. False when there is none or out is too small.
 */
bool policy_package_root(const char *program, char *out, size_t out_bytes);

/*
 * The ports of `localhost:PORT` in [egress] allow that `deny` leaves, each once. 0, or -E2BIG when
 * there are more than max.
 */
int policy_localhost_ports(const struct policy *policy, uint16_t *out, size_t max, size_t *ret_n);

/*
 * CONNECT asks twice: once with address NULL when a name is looked up or dialled (allow, deny,
 * port), once with the resolved address (private and metadata ranges, RFC 6890). Both must allow.
 * host is in normal form (policy_host_normal()) or a literal address, an IPv6 one with or without
 * brackets; anything else is denied. A rule allows its host on its ports (answer.rule, where no
 * line of `allow` does; key is PK_COUNT, item the rule's host). Entries of `deny` and `private` without a port mean every one.
 * The host's own addresses are not known here: the proxy has to refuse them.
 */

/*
 * Does a path pattern match? pattern: absolute with '*', '?' (not over '/'), '**' (any number of
 * components); a pattern that matches a directory matches everything below it. A bare name pattern
 * matches a component of path below `project`.
 */
bool policy_path_matches(const char *pattern, const char *path, const char *project);

/*
 * Normal form of a host name: lower case, no final dot, LDH labels (RFC 952, RFC 1123, and '_') of
 * 1 to 63 bytes, 253 in all. Writes at most 254 bytes. False for anything else, NUL included.
 */
bool policy_host_normal(const char *name, size_t n, char out[254]);

/*
 * Does NAME[:PORT] (exact, *.SUFFIX or **.SUFFIX; without port: 443 and 80) match? `*.example.com`
 * matches every name below example.com, not itself; `**.example.com` matches itself too.
 */
bool policy_host_matches(const char *pattern, const char *host, uint16_t port);

/* Writes the effective lines in a form that policy_undump() reads back: for a role's memfd. */
int policy_dump(const struct policy *policy, int fd, struct err *err);
int policy_undump(int fd, struct policy **ret, struct err *err);

const char *policy_project(const struct policy *policy);
const char *policy_home(const struct policy *policy);

#endif
