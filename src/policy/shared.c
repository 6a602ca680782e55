/* Runs where profiles are read. Pure; every item was judged when its layer was read. */
#include "policy/shared.h"

#include "base/cleanup.h"
#include "policy/store.h"

#include <errno.h>
#include <string.h>

/* Whose entries count for commands as well, and as what. */
static const struct shared_key {
	enum policy_key from, to;
	enum policy_key against; /* what it wins over there, a lock of which counts too */
} shared_keys[] = {
	{ PK_AGENT_KEEP, PK_FILES_WRITE, PK_FILES_WRITE },
	{ PK_AGENT_KEEP_ENV, PK_ENV_KEEP, PK_ENV_HIDE },
	{ PK_AGENT_EGRESS, PK_EGRESS_ALLOW, PK_EGRESS_ALLOW },
};

/* Without an agent's context of its own there is nothing that these could speak of. */
static const enum policy_key needless[] = { PK_AGENT_HIDE, PK_AGENT_PRIVATE, PK_AGENT_TRUSTED };

static int check_lock(const struct policy *policy, enum policy_key from, enum policy_key key,
	struct err *err)
{
	const struct store_list *locked = &policy->lists[PK_LOCKED_KEY];
	const char *name = policy_key_name(key);

	for (size_t i = 0; i < locked->n; i++)
		if (strcmp(locked->items[i].value, name) == 0)
			return err_set(err, EPERM,
				"--mode shared would loosen %s by %s, and %s locks it; use --mode split",
				name, policy_key_name(from), locked->items[i].origin.file);
	return 0;
}

static int share_item(struct policy *policy, const struct shared_key *k,
	const struct policy_item *item, struct err *err)
{
	/* `*` is the host's own network, which a cell does not have. */
	if (k->from == PK_AGENT_EGRESS && strcmp(item->value, "*") == 0)
		return 0;
	if (check_lock(policy, k->from, k->to, err) < 0 ||
		check_lock(policy, k->from, k->against, err) < 0)
		return -err->code;
	return store_append_at(policy, &policy->lists[k->to], *item, err);
}

static int share(struct policy *policy, const struct shared_key *k, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < policy->lists[k->from].n; i++)
		r = share_item(policy, k, &policy->lists[k->from].items[i], err);
	return r;
}

int shared_settle(struct policy *policy, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(shared_keys); i++)
		r = share(policy, &shared_keys[i], err);
	for (size_t i = 0; i < ARRAY_LEN(needless); i++) {
		struct store_list *list = &policy->lists[needless[i]];

		policy->n_items -= list->n;
		list->n = 0;
	}
	return r;
}
