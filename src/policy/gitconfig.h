/*
 * Configuration text of git (git-config(1), CONFIGURATION FILE, as git's own config.c reads it), and
 * which changes of a repository's configuration the host may get without anybody looking: git runs
 * what configuration says. Pure. Hostile: every byte of a copy that commands could write.
 */
#ifndef POLICY_GITCONFIG_H
#define POLICY_GITCONFIG_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Rationale: two thousand branches with three variables each have 300 KB. */
#define GITCONFIG_BYTES_MAX ((size_t)1 << 20)
#define GITCONFIG_VARIABLES_MAX 16384u /* and as many headings */

struct gitconfig_variable {
	const char *section;    /* in small letters */
	const char *subsection; /* as it is meant, NULL: none */
	const char *name;       /* in small letters */
	const char *value;      /* as it is meant; NULL: none, which means true */
	size_t start, end;      /* its bytes in the text, comment and all, without a line end */
	size_t heading;         /* the index of the one above it */
};

/* "[SECTION "SUBSECTION"]" */
struct gitconfig_heading {
	const char *section, *subsection;
	size_t start, end; /* its bytes, from bracket to behind bracket */
};

/* In the order of the text. gitconfig_done(). */
struct gitconfig {
	struct gitconfig_variable *variables;
	struct gitconfig_heading *headings;
	size_t n, cap, n_headings, headings_cap;
	char *strings;
	size_t strings_used, strings_cap;
};

/*
 * Parses a whole text. What git refuses is refused, and more: NUL bytes, a carriage return that ends
 * no line, variables without a section, more than the maxima above. 0 or -errno with err ("line N: ..."), then *ret is
 * empty.
 */
int gitconfig_parse(const char *text, size_t n, struct gitconfig *ret, struct err *err);
void gitconfig_done(struct gitconfig *c);
#define AUTO_GITCONFIG __attribute__((cleanup(gitconfig_done)))

/* Whose repository a configuration belongs to. */
enum gitconfig_origin {
	GITCONFIG_HOST, /* it was the host's before: little passes */
	GITCONFIG_CELL, /* commands made it (clone, init): what a fresh repository needs passes as well */
};

/* A key (section, subsection, name) whose values are not the host's. */
struct gitconfig_change {
	const struct gitconfig_variable *variable; /* its last one in the copy, or in the host's if removed */
	bool is_removed;
	const char *risk; /* in words, what the host would do with it; NULL: harmless, it may pass */
};

/*
 * Calls each() for every key that differs between the host's configuration and the copy, in the order of
 * keys. 0 or -errno (memory alone) with err.
 */
typedef void gitconfig_each(const struct gitconfig_change *change, void *context);
struct gitconfig_pair {
	const struct gitconfig *host, *copy;
	enum gitconfig_origin origin;
};
int gitconfig_compare(const struct gitconfig_pair *pair, gitconfig_each *each, void *context,
	struct err *err);

/*
 * What a variable of that name and value would do to the host, in words; never NULL: what is not known
 * waits too.
 */
const char *gitconfig_risk(const struct gitconfig_variable *v);

/*
 * What the value of a variable names, where git reads or runs it without being asked for it. Paths are
 * relative to the file that includes (INCLUDE), else to the top of the working tree.
 */
enum gitconfig_named {
	GITCONFIG_NAMES_NOTHING,
	GITCONFIG_NAMES_INCLUDE, /* one more file of configuration */
	GITCONFIG_NAMES_PATH,    /* a file of attributes, a directory of hooks */
	GITCONFIG_NAMES_COMMAND, /* words for a shell, some of which may be paths */
};
enum gitconfig_named gitconfig_names(const struct gitconfig_variable *v);

/*
 * Appends the host's text with the copy's harmless changes: all other bytes are the host's, and no key
 * but harmless ones differs when the result is read again (checked). origin GITCONFIG_CELL with an
 * empty host text: what passes of a new repository's configuration. n_passed is 0: the text is the
 * host's. 0 or -errno with err: one of the two cannot be read (-EINVAL), then nothing passes.
 */
struct gitconfig_merge {
	const char *host, *copy;
	size_t host_bytes, copy_bytes;
	enum gitconfig_origin origin;
	size_t n_passed, n_waiting; /* out: keys */
};
int gitconfig_merge(struct gitconfig_merge *m, struct buf *ret, struct err *err);

#endif
