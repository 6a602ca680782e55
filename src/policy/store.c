/* Memory of a policy. No input is read here. */
#include "policy/store.h"

#include "base/cleanup.h"
#include "policy/keys.h"

#include <string.h>

/* Rationale: the installed profile's strings fill two. */
#define BLOCK_BYTES (16u << 10)

/* Doubles an array when it is full. 0 or -ENOMEM. */
static int grow(void **array, size_t n, size_t *cap, size_t item_bytes)
{
	size_t wanted = *cap > 0 ? *cap * 2 : 16;
	void *p;

	if (n < *cap)
		return 0;
	p = reallocarray(*array, wanted, item_bytes);
	if (p == NULL)
		return -ENOMEM;
	*array = p;
	*cap = wanted;
	return 0;
}

/* Strings end to end: an allocation for each of a thousand would be a tenth of a load. */
struct store_block {
	struct store_block *next;
	size_t used, cap;
	char bytes[];
};

const char *store_keep(struct policy *policy, const char *text)
{
	struct store_block *block = policy->blocks;
	size_t n = strlen(text) + 1;
	char *copy;

	if (block == NULL || n > block->cap - block->used) {
		size_t cap = n > BLOCK_BYTES ? n : BLOCK_BYTES;

		block = malloc(sizeof(*block) + cap);
		if (block == NULL)
			return NULL;
		*block = (struct store_block){ .next = policy->blocks, .cap = cap };
		policy->blocks = block;
	}
	copy = block->bytes + block->used;
	block->used += n;
	memcpy(copy, text, n);
	return copy;
}

static void free_blocks(struct store_block *block)
{
	while (block != NULL) {
		struct store_block *next = block->next;

		free(block);
		block = next;
	}
}

struct policy *store_new(const char *project, const char *home)
{
	struct policy *policy = calloc(1, sizeof(*policy));

	if (policy == NULL)
		return NULL;
	policy->project = store_keep(policy, project);
	policy->home = store_keep(policy, home);
	if (policy->project == NULL || policy->home == NULL) {
		policy_free(policy);
		return NULL;
	}
	if (home[1] != '\0' && strpbrk(home, "*?") == NULL)
		policy->home_bytes = strlen(home);
	for (size_t i = 0; i < PK_COUNT; i++) {
		policy->values[i].value = keys_get((enum policy_key)i)->built_in;
		policy->values[i].origin.file = "(built-in)";
	}
	return policy;
}

void policy_free(struct policy *policy)
{
	if (policy == NULL)
		return;
	for (size_t i = 0; i < PK_COUNT; i++)
		free(policy->lists[i].items);
	store_free_rules(policy);
	store_free_tools(policy);
	free_blocks(policy->blocks);
	free(policy->warnings);
	free(policy);
}

int store_set_at(struct policy *policy, struct policy_item *at, struct policy_item item,
	struct err *err)
{
	item.value = store_keep(policy, item.value);
	if (item.value == NULL)
		return err_set(err, ENOMEM, "keep a line of a profile");
	*at = item;
	return 0;
}

int store_append_at(struct policy *policy, struct store_list *list, struct policy_item item,
	struct err *err)
{
	void *array = list->items;

	if (policy->n_items >= STORE_ITEMS_MAX)
		return err_set(err, 0, "more than %d entries in all layers; use wildcards",
			STORE_ITEMS_MAX);
	item.value = store_keep(policy, item.value);
	if (item.value == NULL || grow(&array, list->n, &list->cap, sizeof(*list->items)) < 0)
		return err_set(err, ENOMEM, "keep a line of a profile");
	item.is_in_home = policy->home_bytes > 0 &&
		strncmp(item.value, policy->home, policy->home_bytes) == 0;
	list->items = array;
	list->items[list->n++] = item;
	policy->n_items++;
	return 0;
}

size_t store_remove_at(struct policy *policy, struct store_list *list, const char *value)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->items[i].value, value) != 0)
			list->items[n++] = list->items[i];
	value = NULL; /* may have been one of the items */
	policy->n_items -= list->n - n;
	n = list->n - n;
	list->n -= n;
	return n;
}

int store_set(struct policy *policy, enum policy_key key, const char *value,
	struct policy_origin origin, struct err *err)
{
	return store_set_at(policy, &policy->values[key],
		(struct policy_item){ .value = value, .origin = origin }, err);
}

int store_append(struct policy *policy, enum policy_key key, const char *value,
	struct policy_origin origin, struct err *err)
{
	return store_append_at(policy, &policy->lists[key],
		(struct policy_item){ .value = value, .origin = origin }, err);
}

size_t store_remove(struct policy *policy, enum policy_key key, const char *value)
{
	return store_remove_at(policy, &policy->lists[key], value);
}

int store_warn(struct policy *policy, const char *text, struct err *err)
{
	const char *kept = store_keep(policy, text);
	const char **array;

	array = reallocarray(policy->warnings, policy->n_warnings + 1, sizeof(*array));
	if (array != NULL)
		policy->warnings = array;
	if (kept == NULL || array == NULL)
		return err_set(err, ENOMEM, "keep a warning");
	policy->warnings[policy->n_warnings++] = kept;
	return 0;
}

bool policy_has_agent_profile(const struct policy *policy)
{
	return policy->has_agent_profile;
}

size_t policy_warnings(const struct policy *policy, const char *const **ret_lines)
{
	*ret_lines = policy->warnings;
	return policy->n_warnings;
}

const struct policy_item *policy_list(const struct policy *policy, enum policy_key key,
	size_t *ret_n)
{
	*ret_n = policy->lists[key].n;
	return policy->lists[key].items;
}

const struct policy_item *policy_value(const struct policy *policy, enum policy_key key)
{
	return &policy->values[key];
}

const char *policy_project(const struct policy *policy)
{
	return policy->project;
}

const char *policy_home(const struct policy *policy)
{
	return policy->home;
}
