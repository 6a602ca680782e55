/* The variables of a configuration in the order of their keys: what comparing and merging share. */
#ifndef POLICY_GITCONFIG_INDEX_H
#define POLICY_GITCONFIG_INDEX_H

#include "policy/gitconfig.h"

/* Order by section and subsection (none first), then by name; 0: the same section, the same key. */
int gitconfig_index_section(const struct gitconfig_heading *a, const struct gitconfig_heading *b);
int gitconfig_index_order(const struct gitconfig_variable *a, const struct gitconfig_variable *b);

/*
 * All variables by that order, those of one key in the order of the text. *ret is the caller's
 * (free()), its pointers are the configuration's. 0 or -ENOMEM.
 */
int gitconfig_index(const struct gitconfig *c, const struct gitconfig_variable ***ret);

/* Where the first variable of v's key stands in an index of n, or would stand. */
size_t gitconfig_index_find(const struct gitconfig_variable **index, size_t n,
	const struct gitconfig_variable *v);

#endif
