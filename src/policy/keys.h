/*
 * The table of all sections and keys: what kind of value each has, who checks it, and whether what
 * it asks for exists yet. Every message about a wrong name is made from it.
 */
#ifndef POLICY_KEYS_H
#define POLICY_KEYS_H

#include "base/buf.h"
#include "base/err.h"
#include "policy/policy.h"
#include "policy/rules.h"
#include "policy/tools.h"

enum keys_kind {
	KEYS_SINGLE, /* one value; a later layer wins */
	KEYS_LIST, /* entries separated by blanks; layers append */
	KEYS_LINE, /* the whole value is one item; layers append */
};

enum keys_flag {
	KEYS_UNSUPPORTED = 1 << 0, /* parsed and checked, then refused: nothing enforces it yet */
	KEYS_TIGHTENS = 1 << 1, /* one more entry can only take away */
	KEYS_PROJECT = 1 << 2, /* an untrusted project's file may add entries */
	KEYS_NAME_RULES = 1 << 3, /* paths: a bare name is a rule for any depth of the project */
	KEYS_WRITABLE = 1 << 4, /* paths: HOME and what is above it are refused as too much */
	KEYS_SHOWS = 1 << 5, /* paths: the same, but `home = open` is the way to say it */
	KEYS_NEEDS_PORT = 1 << 6, /* hosts: `localhost` alone is refused */
	KEYS_NO_STAR = 1 << 7, /* hosts: `*` alone is refused */
	KEYS_SYSTEM_ONLY = 1 << 8, /* only in the system's file */
	KEYS_NO_OVERRIDE = 1 << 9, /* not on the command line */
};

/* What "~" and "." stand for. Both absolute and in normal form. */
struct keys_places {
	const char *home, *project;
	bool is_installed; /* the profile came with the program: HOME may lie anywhere */
};

struct keys_info;

/*
 * Checks one entry (or value) and appends its normal form to out. On failure err says what is wrong
 * and what is valid, without file and line. 0 or -errno.
 */
typedef int keys_check(const struct keys_info *info, const struct keys_places *places,
	const char *text, struct buf *out, struct err *err);

struct keys_word {
	const char *word;
	bool unsupported;
};

struct keys_info {
	const char *section, *name;
	enum keys_kind kind;
	keys_check *check;
	unsigned flags; /* enum keys_flag */
	const struct keys_word *words; /* KEYS_SINGLE: the valid ones, ended by NULL; or NULL */
	const char *built_in; /* KEYS_SINGLE: the default, never NULL in the main table */
};

/* The entry of the main table. */
const struct keys_info *keys_get(enum policy_key key);

/* The folder of rules that are ready for use, below the one of profiles. */
#define KEYS_PRESETS "inject"

/* As an entry of [locked] key: no layer below may add a rule or change one. */
#define KEYS_EVERY_RULE "inject.*"
#define KEYS_EVERY_TOOL "tool.*" /* nor a tool */

/* The entry of the table of [inject NAME]. */
const struct keys_info *keys_of_rule(enum rules_key key);

/* Is it one of those? */
bool keys_is_of_rule(const struct keys_info *info, enum rules_key *ret);

/* The same for the table of [tool NAME]. */
const struct keys_info *keys_of_tool(enum tools_key key);
bool keys_is_of_tool(const struct keys_info *info, enum tools_key *ret);

/*
 * Checks a section header's text without brackets ("files", "inject github"). 0 or -errno with the
 * nearest valid name.
 */
int keys_check_section(const char *text, struct err *err);

/*
 * Finds a key. section as in the header. *ret_key is PK_COUNT for keys of [inject NAME] and
 * [tool NAME]. 0, or -errno with the nearest valid name.
 */
int keys_find(const char *section, const char *name, const struct keys_info **ret,
	enum policy_key *ret_key, struct err *err);

/* True when the value asks for something that nothing enforces yet. */
bool keys_is_unsupported(const struct keys_info *info, const char *value);

#endif
