/* Effective policy lines for people: what `show` and --explain have in common. */
#ifndef CLI_LISTING_H
#define CLI_LISTING_H

#include "base/buf.h"
#include "policy/policy.h"
#include "policy/rules.h"
#include "policy/tools.h"

#include <stdbool.h>

/* Calls each(key, item, context) for every effective item, in the order of the keys. */
typedef void listing_each(enum policy_key key, const struct policy_item *item, void *context);
void listing_walk(const struct policy *policy, listing_each *each, void *context);

/* Appends the items of one key, one line each: "  NAME = VALUE   FILE:LINE". False: it has none. */
bool listing_add_key(const struct policy *policy, enum policy_key key, struct buf *out);

/*
 * Appends every rule, in order: "[inject NAME]" and its lines as above. Of a text that would be
 * sent as it is, without {secret}, only the name is shown, of a command only the program: whoever
 * wrote it may have written a secret. False: there are none.
 */
bool listing_add_rules(const struct policy *policy, struct buf *out);

/* Appends the rules as a JSON array. */
void listing_add_rules_json(const struct policy *policy, struct buf *out);

/* The same for tools. Rules that serve tools alone are among the rules, with the tools' names. */
bool listing_add_tools(const struct policy *policy, struct buf *out);
void listing_add_tools_json(const struct policy *policy, struct buf *out);

/*
 * Appends what commands see at each path that a rule names and that is on this machine: one line
 * each, with the reason and the line behind it, or as members of a JSON array.
 */
void listing_add_files(const struct policy *policy, bool is_json, struct buf *out);

/* Appends one line as a member of a JSON array, with a comma where it is not the first of it. */
void listing_add_json_line(
	struct buf *out, const char *indent, const char *name, const struct policy_item *item);

/* Appends "  NAME = VALUE   FILE:LINE". */
void listing_add_line(struct buf *out, const char *name, const struct policy_item *item);

/* Appends foreign text fit for a terminal (log_quote()). */
void listing_add_quoted(struct buf *out, const char *text);

/* Writes out to stdout. 0 or -errno with err. */
int listing_print(const struct buf *out, struct err *err);

#endif
