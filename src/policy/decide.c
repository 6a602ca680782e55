/*
 * policy_decide() and what it says of executions. Pure, in the warden, the proxy and verbs; paths,
 * argv and hosts are hostile.
 */
#include "policy/decide.h"

#include "base/cleanup.h"
#include "policy/pathmatch.h"
#include "policy/store.h"
#include "policy/trusted.h"

#include <stdio.h>
#include <string.h>

/* A file that commands can change must not run with the agent's rights. */
static bool cell_may_write(const struct policy *policy, const char *path)
{
	struct policy_question question = { .action = POLICY_WRITE, .path = path };
	struct policy_answer answer;

	if (path == NULL)
		return false;
	decide_file(policy, &question, &answer);
	return answer.file_kind == POLICY_FILE_WRITE;
}

static const struct policy_item *trusted_line(const struct policy *policy,
	const struct policy_exec *exec)
{
	const struct store_list *list = &policy->lists[PK_AGENT_TRUSTED];

	for (size_t i = 0; i < list->n; i++)
		if (trusted_matches(list->items[i].value, exec))
			return &list->items[i];
	return NULL;
}

void decide_exec(const struct policy *policy, const struct policy_question *question,
	struct policy_answer *ret)
{
	const struct policy_exec *exec = question->exec;
	const struct policy_item *item;

	*ret = (struct policy_answer){ .verdict = POLICY_DENIED,
		.key = PK_COUNT,
		.reason = "nothing to execute" };
	if (exec == NULL || exec->file == NULL || exec->argv == NULL)
		return;
	item = trusted_line(policy, exec);
	ret->verdict = POLICY_IN_CELL;
	ret->reason = "no line of [agent] trusted matches";
	if (item == NULL)
		return;
	ret->key = PK_AGENT_TRUSTED;
	ret->item = item;
	ret->reason = "trusted, but a loader or runtime variable differs from the agent's own";
	if (exec->env_differs)
		return;
	ret->reason = "trusted, but commands in the cell can write the file";
	if (!exec->places_are_checked &&
		(cell_may_write(policy, exec->file) || cell_may_write(policy, exec->program) ||
			cell_may_write(policy, exec->script)))
		return;
	ret->verdict = POLICY_IN_AGENT;
	ret->reason = "trusted: runs as part of the agent";
}

void policy_decide(const struct policy *policy, const struct policy_question *question,
	struct policy_answer *ret)
{
	switch (question->action) {
	case POLICY_READ:
	case POLICY_WRITE:
		decide_file(policy, question, ret);
		return;
	case POLICY_EXEC:
		decide_exec(policy, question, ret);
		return;
	case POLICY_CONNECT:
		decide_connect(policy, question, ret);
		return;
	case POLICY_INJECT:
		decide_inject(policy, question, ret);
		return;
	case POLICY_TOOL:
		decide_tool(policy, question, ret);
		return;
	}
}

static bool add_file(char **files, size_t *n, const char *line, const struct policy_exec *exec)
{
	AUTO_BUF struct buf path = { 0 };

	if (!trusted_file(line, exec, &path))
		return !path.failed;
	for (size_t i = 0; i < *n; i++)
		if (strcmp(files[i], path.data) == 0)
			return true;
	files[(*n)++] = path.data;
	path = (struct buf){ 0 };
	return true;
}

int policy_expand_trusted(const struct policy *policy, const struct policy_exec *exec,
	char ***ret, struct err *err)
{
	const struct store_list *list = &policy->lists[PK_AGENT_TRUSTED];
	char **files = calloc(list->n + 1, sizeof(*files));
	bool ok = files != NULL;
	size_t n = 0;

	for (size_t i = 0; i < list->n && ok; i++)
		ok = add_file(files, &n, list->items[i].value, exec);
	if (!ok) {
		policy_free_strings(files);
		return err_set(err, ENOMEM, "list the trusted files");
	}
	*ret = files;
	return 0;
}

void policy_free_strings(char **strings)
{
	for (size_t i = 0; strings != NULL && strings[i] != NULL; i++)
		free(strings[i]);
	free(strings);
}

bool policy_package_root(const char *program, char *out, size_t out_bytes)
{
	static const char name[] = "/node_modules/";
	const char *at = strstr(program, name), *slash = strrchr(program, '/');
	size_t n;

	if (program[0] != '/')
		return false;
	n = at != NULL ? (size_t)(at - program) + strlen(name) - 1 : (size_t)(slash - program);
	if (n == 0 || n >= out_bytes)
		return false;
	memcpy(out, program, n);
	out[n] = '\0';
	return true;
}
