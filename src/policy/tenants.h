/* Domains below which anybody can have a name: a secret for all of them is a secret for anybody. */
#ifndef POLICY_TENANTS_H
#define POLICY_TENANTS_H

enum tenants_kind {
	TENANTS_NONE, /* of one owner, as far as is known */
	TENANTS_SHARED, /* of a hosting service: names below belong to its customers */
	TENANTS_REGISTRY, /* names below are sold: co.uk */
};

/* suffix: of a wildcard, in normal form. What the names below it are at worst. */
enum tenants_kind tenants_of(const char *suffix);

#endif
