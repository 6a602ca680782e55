/*
 * struct policy itself: what is written while layers are read, and never afterwards. It owns every
 * string in it.
 */
#ifndef POLICY_STORE_H
#define POLICY_STORE_H

#include "base/err.h"
#include "policy/policy.h"
#include "policy/rules.h"
#include "policy/tools.h"

/* Rationale: twenty times the installed profiles; a broken generator must not fill memory. */
#define STORE_ITEMS_MAX 20000

/* Rationale: every pair of rules is compared at load; a hundred is a large profile. */
#define STORE_RULES_MAX 256

struct store_list {
	struct policy_item *items;
	size_t n, cap;
};

/* One [inject NAME]. Of each key either the list or the value is used, as keys.c has it. */
struct rules_rule {
	const char *name;
	size_t index;
	struct policy_origin origin; /* of its first line */
	size_t rank; /* of the file of that line, in the order of reading; see load.c */
	size_t group; /* rules of one group have an order of their own; see rulecheck.h */
	struct store_list lists[RULES_KEY_COUNT];
	struct policy_item values[RULES_KEY_COUNT]; /* built-in defaults at first; may be NULL */
};

/* One [tool NAME]. Of each key either the list or the value is used, as keys.c has it. */
struct tools_tool {
	const char *name;
	struct policy_origin origin; /* of its first line */
	struct store_list lists[TOOLS_KEY_COUNT];
	struct policy_item values[TOOLS_KEY_COUNT]; /* built-in defaults at first; may be NULL */
};

struct policy {
	struct store_list lists[PK_COUNT]; /* lists and lines */
	struct policy_item values[PK_COUNT]; /* single values; built-in defaults at first */
	struct rules_rule **rules;
	size_t n_rules;
	struct rules_rule **tool_rules; /* of those that tools name: see tools_settle() */
	size_t n_tool_rules;
	struct tools_tool **tools;
	size_t n_tools;
	bool has_agent_profile;
	const char *project, *home;
	size_t home_bytes; /* of a HOME that tells patterns apart: not "/", and none with wildcards */
	const char **warnings;
	size_t n_warnings;
	struct store_block *blocks; /* every string in it; the newest first */
	size_t n_items;
};

/* NULL when memory is out. */
struct policy *store_new(const char *project, const char *home);

/* A copy that lives as long as the policy; NULL when memory is out. */
const char *store_keep(struct policy *policy, const char *text);

/* The copies' owner is the policy; origin.file must be kept already. 0 or -errno with err. */
int store_set(struct policy *policy, enum policy_key key, const char *value,
	struct policy_origin origin, struct err *err);
int store_append(struct policy *policy, enum policy_key key, const char *value,
	struct policy_origin origin, struct err *err);

/* The same for a value or list of a rule (or any other place in the policy). */
int store_set_at(struct policy *policy, struct policy_item *at, struct policy_item item,
	struct err *err);
int store_append_at(struct policy *policy, struct store_list *list, struct policy_item item,
	struct err *err);

/* Takes away every equal item. Number of them. */
size_t store_remove(struct policy *policy, enum policy_key key, const char *value);
size_t store_remove_at(struct policy *policy, struct store_list *list, const char *value);

/* The rule of that name, or NULL. */
struct rules_rule *store_rule_find(const struct policy *policy, const char *name);

/* Where a rule is named: line, and rank and group of its file. */
struct store_place {
	struct policy_origin origin;
	size_t rank, group;
};

/*
 * The rule of that name, made if there is none. Its place is the first of all where it is named, in
 * the order of ranks. NULL with err.
 */
struct rules_rule *store_rule(struct policy *policy, const char *name,
	const struct store_place *place, struct err *err);

/* Gives rules their final order, by rank and line of their first lines, and their indexes. */
void store_sort_rules(struct policy *policy);

void store_free_rules(struct policy *policy);

/* The tool of that name, made if there is none. NULL with err. */
struct tools_tool *store_tool(struct policy *policy, const char *name,
	struct policy_origin origin, struct err *err);

void store_free_tools(struct policy *policy);

int store_warn(struct policy *policy, const char *text, struct err *err);

#endif
