/*
 * Runs in the warden, with the user's own rights. Hostile: names and links inside the project.
 */
#include "cell/plan.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Rationale: a profile whose pattern expands to more is a mistake, and every mount costs 12 us. */
#define PLAN_ENTRIES_MAX 16384

void plan_done(struct mount_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		free(plan->entries[i].path);
	free(plan->entries);
	*plan = (struct mount_plan){ 0 };
}

int plan_add(struct mount_plan *plan, struct mount_entry entry, struct err *err)
{
	if (plan->n >= PLAN_ENTRIES_MAX)
		return err_set(err, 0, "more than %d paths to mount; narrow the [files] patterns",
			PLAN_ENTRIES_MAX);
	if (plan->n == plan->cap) {
		size_t cap = plan->cap ? 2 * plan->cap : 128;
		struct mount_entry *more = realloc(plan->entries, cap * sizeof(*more));

		if (more == NULL)
			return err_set(err, ENOMEM, "mount plan");
		plan->entries = more;
		plan->cap = cap;
	}
	entry.path = strdup(entry.path);
	if (entry.path == NULL)
		return err_set(err, ENOMEM, "mount plan");
	plan->entries[plan->n++] = entry;
	return 0;
}

bool plan_is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	while (n > 0 && dir[n - 1] == '/')
		n--;
	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* A hidden path with symbolic links in it: what it leads to is hidden under its own name too. */
static int add_target(struct mount_plan *plan, struct mount_entry entry, struct err *err)
{
	AUTO_FREE char *real = realpath(entry.path, NULL);
	int r = 0;

	if (real != NULL && strcmp(real, entry.path) != 0) {
		entry.path = real;
		r = plan_add(plan, entry, err);
	}
	return r;
}

/* Adds path as it is, if it is there. */
static int add_existing(const struct run_plan *run, struct mount_plan *plan,
	struct mount_entry entry, struct err *err)
{
	struct stat st;

	if (lstat(entry.path, &st) < 0)
		return 0;
	entry.is_in_project = plan_is_below(entry.path, run->project);
	if (S_ISLNK(st.st_mode) && !entry.is_in_project) {
		struct stat target;

		/* The user's own link: what it names is what is meant. A dangling one is nothing. */
		if (stat(entry.path, &target) < 0)
			return 0;
		st = target;
	}
	entry.is_dir = S_ISDIR(st.st_mode);
	if (entry.kind == MOUNT_HIDE && !entry.is_in_project && add_target(plan, entry, err) < 0)
		return -err->code;
	return plan_add(plan, entry, err);
}

static int add_pattern(const struct run_plan *run, struct mount_plan *plan,
	struct mount_entry entry, struct err *err)
{
	const char *pattern = entry.item->value;
	glob_t found = { 0 };
	int r = 0;

	if (pattern[0] != '/' || strstr(pattern, "**") != NULL)
		return 0; /* a name rule: plan_walk_project() */
	if (strpbrk(pattern, "*?") == NULL) {
		entry.path = (char *)(size_t)pattern;
		return add_existing(run, plan, entry, err);
	}
	if (glob(pattern, GLOB_NOSORT, NULL, &found) == GLOB_NOSPACE)
		r = err_set(err, ENOMEM, "glob %s", pattern);
	for (size_t i = 0; r == 0 && i < found.gl_pathc; i++) {
		entry.path = found.gl_pathv[i];
		r = add_existing(run, plan, entry, err);
	}
	globfree(&found);
	return r;
}

/* Which key becomes which mount, and in whose view. */
static const struct plan_rule {
	enum policy_key key;
	enum mount_kind kind;
	bool agent_only, cell_only;
} plan_rules[] = {
	{ PK_FILES_READ, MOUNT_READ, false, true },
	{ PK_FILES_WRITE, MOUNT_WRITE, false, false },
	{ PK_FILES_OVERLAY, MOUNT_OVERLAY, false, true },
	{ PK_FILES_PROTECT, MOUNT_PROTECT, false, false },
	{ PK_FILES_HIDE, MOUNT_HIDE, false, false },
	{ PK_AGENT_KEEP, MOUNT_WRITE, true, false },
	{ PK_AGENT_KEEP, MOUNT_HIDE, false, true },
	{ PK_AGENT_SHARE, MOUNT_WRITE, false, false },
	{ PK_AGENT_HIDE, MOUNT_HIDE, true, false },
};

static int add_rules(const struct run_plan *run, struct mount_plan *plan, struct err *err)
{
	for (size_t r = 0; r < ARRAY_LEN(plan_rules); r++) {
		const struct plan_rule *rule = &plan_rules[r];
		size_t n;
		const struct policy_item *items = policy_list(run->policy, rule->key, &n);

		for (size_t i = 0; i < n; i++) {
			struct mount_entry entry = { .kind = rule->kind,
				.item = &items[i],
				.agent_only = rule->agent_only,
				.cell_only = rule->cell_only };

			if (add_pattern(run, plan, entry, err) < 0)
				return -err->code;
		}
	}
	return 0;
}

static int add_home(const struct run_plan *run, struct mount_plan *plan, struct err *err)
{
	const struct policy_item *home = policy_value(run->policy, PK_SANDBOX_HOME);
	struct mount_entry entry = { .path = (char *)(size_t)run->home,
		.is_dir = true,
		.item = home,
		.cell_only = true };

	entry.kind = strcmp(home->value, "open") == 0 ? MOUNT_READ : MOUNT_EMPTY;
	return plan_add(plan, entry, err);
}

/* Byte order, but '/' before everything: a directory stands before what is in it. */
static int compare_paths(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	if (*a == *b)
		return 0;
	if (*a == '\0' || *b == '\0')
		return *a == '\0' ? -1 : 1;
	if (*a == '/' || *b == '/')
		return *a == '/' ? -1 : 1;
	return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
}

/* At one path the strictest comes last, on top of what it hides. */
static int compare_entries(const void *pa, const void *pb)
{
	static const int order[MOUNT_KIND_COUNT] = { [MOUNT_EMPTY] = 0,
		[MOUNT_WRITE] = 1,
		[MOUNT_PIN] = 2,
		[MOUNT_OVERLAY] = 3,
		[MOUNT_READ] = 4,
		[MOUNT_PROTECT] = 5,
		[MOUNT_HIDE] = 6 };
	const struct mount_entry *a = pa, *b = pb;
	int c = compare_paths(a->path, b->path);

	return c != 0 ? c : order[a->kind] - order[b->kind];
}

/*
 * A path with two kinds in one view keeps the stricter, but for HIDE against an entry of the same
 * view that shows it on purpose: [agent] share below or at a kept path.
 */
static void drop_doubles(struct mount_plan *plan)
{
	size_t out = 0;

	for (size_t i = 0; i < plan->n; i++) {
		struct mount_entry *e = &plan->entries[i];
		struct mount_entry *next = i + 1 < plan->n ? e + 1 : NULL;
		bool same_view = next != NULL && e->agent_only == next->agent_only &&
			e->cell_only == next->cell_only;

		if (same_view && strcmp(e->path, next->path) == 0)
			free(e->path);
		else
			plan->entries[out++] = *e;
	}
	plan->n = out;
}

int plan_mounts(const struct run_plan *run, struct mount_plan *ret, struct err *err)
{
	struct mount_plan plan = { 0 };

	if (add_home(run, &plan, err) < 0 || add_rules(run, &plan, err) < 0 ||
		plan_add_gitdir(run, &plan, err) < 0 || plan_walk_project(run, &plan, err) < 0) {
		plan_done(&plan);
		return -err->code;
	}
	qsort(plan.entries, plan.n, sizeof(plan.entries[0]), compare_entries);
	drop_doubles(&plan);
	*ret = plan;
	return 0;
}
