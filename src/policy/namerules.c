/* Pure. Names come from hostile trees, patterns from profiles; str_glob() bounds what one costs. */
#include "policy/namerules.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "policy/pathmatch.h"

#include <string.h>

static const enum policy_key keys[] = { PK_FILES_HIDE, PK_FILES_PROTECT, PK_FILES_HOLD,
	PK_AGENT_HIDE };

/* Directories that hold other people's files: they ship examples under names that are secrets. */
static const char *const packages[] = { "node_modules", ".venv", "vendor", "target" };

/* Can an absolute pattern match something below the project? */
static bool concerns(const char *pattern, const char *project)
{
	size_t literal = strcspn(pattern, "*?"), n = strlen(project);

	if (pattern[literal] == '\0')
		return pathmatch_is_within(pattern, project);
	return strncmp(pattern, project, literal < n ? literal : n) == 0;
}

static bool is_wanted(const struct namerules *r, const char *value, bool with_paths)
{
	if (value[0] != '/' || strstr(value, "**") != NULL)
		return true;
	return with_paths && concerns(value, policy_project(r->policy));
}

int namerules_init(struct namerules *r, const struct policy *policy, bool with_paths,
	struct err *err)
{
	*r = (struct namerules){ .policy = policy };
	for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
		size_t n;
		const struct policy_item *items = policy_list(policy, keys[k], &n);

		for (size_t i = 0; i < n; i++) {
			const char *value = items[i].value;

			if (!is_wanted(r, value, with_paths))
				continue;
			if (r->n == NAMERULES_MAX)
				return err_set(err, 0,
					"%s:%u: more than %d name patterns in [files] hide, protect and hold",
					items[i].origin.file, items[i].origin.line, NAMERULES_MAX);
			r->names[r->n++] = value[0] == '/' ? strrchr(value, '/') + 1 : value;
		}
	}
	return 0;
}

bool namerules_may_match(const struct namerules *r, const char *name)
{
	for (size_t i = 0; i < r->n; i++) {
		const char *rule = r->names[i];

		/* The first byte settles most of them. */
		if (rule[0] != name[0] && rule[0] != '*' && rule[0] != '?')
			continue;
		if (str_glob(rule, name))
			return true;
	}
	return false;
}

const struct policy_item *namerules_agent_hides(const struct namerules *r, const char *path,
	bool with_paths)
{
	const char *name = strrchr(path, '/') + 1;
	size_t n;
	const struct policy_item *items = policy_list(r->policy, PK_AGENT_HIDE, &n);

	for (size_t i = 0; i < n; i++) {
		const char *value = items[i].value;

		if (value[0] != '/' ? str_glob(value, name)
				    : (with_paths || strstr(value, "**") != NULL) &&
				policy_path_matches(value, path, policy_project(r->policy)))
			return &items[i];
	}
	return NULL;
}

bool namerules_may_show(const struct policy_answer *answer)
{
	return answer->file_kind == POLICY_FILE_HIDE && answer->key == PK_FILES_HIDE &&
		answer->item != NULL &&
		(answer->item->value[0] != '/' || strstr(answer->item->value, "**") != NULL);
}

const struct policy_item *namerules_protects(const struct namerules *r, const char *path)
{
	size_t n;
	const struct policy_item *items = policy_list(r->policy, PK_FILES_PROTECT, &n);

	for (size_t i = 0; i < n; i++)
		if (policy_path_matches(items[i].value, path, policy_project(r->policy)))
			return &items[i];
	return NULL;
}

bool namerules_is_package(const char *path)
{
	while (*path != '\0') {
		size_t n = strcspn(path, "/");

		for (size_t i = 0; i < ARRAY_LEN(packages); i++)
			if (strlen(packages[i]) == n && strncmp(packages[i], path, n) == 0)
				return true;
		path += n + (path[n] == '/');
	}
	return false;
}
