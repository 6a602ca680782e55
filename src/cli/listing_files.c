/*
 * What commands see at which path of this machine, and which line says so: the rules that meet
 * something that is here, one line a path. Runs in the `agentjail` process with the user's rights.
 * Paths and file names may come from a hostile project: always quoted.
 */
#include "base/cleanup.h"
#include "cli/listing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Rationale: where reasons start; most paths in HOME are shorter. */
#define REASON_COLUMN 50

static const enum policy_key keys[] = { PK_FILES_WRITE, PK_FILES_CACHE, PK_FILES_OVERLAY,
	PK_FILES_READ, PK_FILES_HOLD, PK_FILES_PROTECT, PK_FILES_REDACT, PK_FILES_HIDE, PK_AGENT_KEEP,
	PK_AGENT_SHARE, PK_AGENT_PRIVATE };

static const char *const words[] = {
	[POLICY_FILE_ABSENT] = "absent",
	[POLICY_FILE_WRITE] = "write",
	[POLICY_FILE_CACHE] = "cache",
	[POLICY_FILE_OVERLAY] = "overlay",
	[POLICY_FILE_READ] = "read",
	[POLICY_FILE_HOLD] = "hold",
	[POLICY_FILE_PROTECT] = "protect",
	[POLICY_FILE_REDACT] = "redact",
	[POLICY_FILE_HIDE] = "hide",
};

struct paths_here {
	const char **paths;
	size_t n;
};

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A pattern stands for what it meets: in the project that is looked for at every start. */
static bool is_here(const char *path)
{
	struct stat st;

	return path[0] == '/' && strpbrk(path, "*?") == NULL && lstat(path, &st) == 0;
}

/* The paths that a rule names and that are here, each once, and HOME. False: no memory. */
static bool collect(const struct policy *policy, struct paths_here *here)
{
	size_t n = 1, out = 0;

	for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
		size_t items;

		(void)policy_list(policy, keys[k], &items);
		n += items;
	}
	here->paths = calloc(n, sizeof(here->paths[0]));
	if (here->paths == NULL)
		return false;
	here->paths[here->n++] = policy_home(policy);
	for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
		size_t items;
		const struct policy_item *list = policy_list(policy, keys[k], &items);

		for (size_t i = 0; i < items; i++)
			if (is_here(list[i].value))
				here->paths[here->n++] = list[i].value;
	}
	qsort(here->paths, here->n, sizeof(here->paths[0]), compare);
	for (size_t i = 0; i < here->n; i++)
		if (i == 0 || strcmp(here->paths[i], here->paths[i - 1]) != 0)
			here->paths[out++] = here->paths[i];
	here->n = out;
	return true;
}

static void add_line(struct buf *out, const char *path, const struct policy_answer *answer)
{
	size_t start = out->len;

	buf_addf(out, "  %-7s ", words[answer->file_kind]);
	listing_add_quoted(out, path);
	do
		buf_adds(out, " ");
	while (!out->failed && out->len - start < REASON_COLUMN);
	buf_adds(out, answer->reason);
	if (answer->item != NULL) {
		buf_adds(out, "  ");
		listing_add_quoted(out, answer->item->origin.file);
		if (answer->item->origin.line > 0)
			buf_addf(out, ":%u", answer->item->origin.line);
	}
	buf_adds(out, "\n");
}

static void add_json(struct buf *out, const char *path, const struct policy_answer *answer)
{
	buf_addf(out, "    {\"path\": ");
	buf_add_json_text(out, path);
	buf_addf(out, ", \"kind\": \"%s\", \"reason\": ", words[answer->file_kind]);
	buf_add_json_text(out, answer->reason);
	if (answer->item != NULL) {
		buf_addf(out, ", \"key\": \"%s\", \"file\": ", policy_key_name(answer->key));
		buf_add_json_text(out, answer->item->origin.file);
		buf_addf(out, ", \"line\": %u", answer->item->origin.line);
	}
	buf_adds(out, "}");
}

void listing_add_files(const struct policy *policy, bool is_json, struct buf *out)
{
	struct paths_here here = { 0 };

	if (!collect(policy, &here))
		out->failed = true;
	for (size_t i = 0; i < here.n; i++) {
		struct policy_question question = { .action = POLICY_READ, .path = here.paths[i] };
		struct policy_answer answer;

		policy_decide(policy, &question, &answer);
		if (!is_json) {
			add_line(out, here.paths[i], &answer);
			continue;
		}
		add_json(out, here.paths[i], &answer);
		buf_adds(out, i + 1 < here.n ? ",\n" : "\n");
	}
	free(here.paths);
}
