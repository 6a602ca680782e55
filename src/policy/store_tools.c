/* Memory of the tools of a policy. No input is read here. */
#include "policy/store.h"

#include "base/cleanup.h"
#include "policy/keys.h"

#include <string.h>

struct tools_tool *store_tool(struct policy *policy, const char *name,
	struct policy_origin origin, struct err *err)
{
	struct tools_tool **array, *tool;

	for (size_t i = 0; i < policy->n_tools; i++)
		if (strcmp(policy->tools[i]->name, name) == 0)
			return policy->tools[i];
	if (policy->n_tools == TOOLS_MAX) {
		(void)err_set(err, 0, "more than %d tools in all layers; join some", TOOLS_MAX);
		return NULL;
	}
	array = reallocarray(policy->tools, policy->n_tools + 1, sizeof(*array));
	if (array != NULL)
		policy->tools = array;
	tool = array != NULL ? calloc(1, sizeof(*tool)) : NULL;
	if (tool != NULL)
		tool->name = store_keep(policy, name);
	if (tool == NULL || tool->name == NULL) {
		free(tool);
		(void)err_set(err, ENOMEM, "keep a tool");
		return NULL;
	}
	tool->origin = origin;
	for (size_t k = 0; k < TOOLS_KEY_COUNT; k++)
		tool->values[k] = (struct policy_item){
			.value = keys_of_tool((enum tools_key)k)->built_in,
			.origin.file = "(built-in)" };
	policy->tools[policy->n_tools++] = tool;
	return tool;
}

void store_free_tools(struct policy *policy)
{
	for (size_t i = 0; i < policy->n_tools; i++) {
		for (size_t k = 0; k < TOOLS_KEY_COUNT; k++)
			free(policy->tools[i]->lists[k].items);
		free(policy->tools[i]);
	}
	free(policy->tools);
}
