/*
 * Which names in a project the policy has something to say about: asked for every name of a tree,
 * so that the policy itself is asked for few of them.
 */
#ifndef POLICY_NAMERULES_H
#define POLICY_NAMERULES_H

#include "policy/policy.h"

#include <stdbool.h>
#include <stddef.h>

/* Rationale: every name of a tree is compared with each. */
#define NAMERULES_MAX 512

struct namerules {
	const struct policy *policy;
	const char *names[NAMERULES_MAX]; /* last components of patterns, the policy's own text */
	size_t n;
};

/*
 * Picks the last components out of [files] hide, protect and hold and [agent] hide: of entries that can
 * match at any depth (bare names, "**"), and with_paths of those for one place in the project too.
 * 0, or -errno with err when there are too many. The policy has to live on.
 */
int namerules_init(struct namerules *r, const struct policy *policy, bool with_paths,
	struct err *err);

/* False: no rule speaks of this name; what is said of a directory above it is not asked. */
bool namerules_may_match(const struct namerules *r, const char *name);

/* The line of [agent] hide for the last component of an absolute path in the project, or NULL. */
const struct policy_item *namerules_agent_hides(const struct namerules *r, const char *path,
	bool with_paths);

/*
 * May a file of git's be shown where answer hides it (policy/tracked.h)? Only where a name alone, or a
 * pattern for any depth, hides it. What is hidden from the agent stays hidden from it.
 */
bool namerules_may_show(const struct policy_answer *answer);

/* The line of [files] protect for an absolute path, or NULL. */
const struct policy_item *namerules_protects(const struct namerules *r, const char *path);

/* Is a component of the path, a relative one, the name of a tree that package managers fill? */
bool namerules_is_package(const char *path);

#endif
