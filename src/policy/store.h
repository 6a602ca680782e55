/*
 * struct policy itself: what is written while layers are read, and never afterwards. It owns every
 * string in it.
 */
#ifndef POLICY_STORE_H
#define POLICY_STORE_H

#include "base/err.h"
#include "policy/policy.h"

/* Rationale: twenty times the installed profiles; a broken generator must not fill memory. */
#define STORE_ITEMS_MAX 20000

struct store_list {
	struct policy_item *items;
	size_t n, cap;
};

struct policy {
	struct store_list lists[PK_COUNT]; /* lists and lines */
	struct policy_item values[PK_COUNT]; /* single values; built-in defaults at first */
	bool has_agent_profile;
	const char *project, *home;
	const char **warnings;
	size_t n_warnings;
	char **strings;
	size_t n_strings, cap_strings, n_items;
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

/* Takes away every equal item. Number of them. */
size_t store_remove(struct policy *policy, enum policy_key key, const char *value);

int store_warn(struct policy *policy, const char *text, struct err *err);

#endif
