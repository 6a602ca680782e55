/*
 * Directories that must keep their names. Runs in the warden.
 *
 * A file that is protected stays where it is, but nothing keeps a directory above it from being renamed
 * (the kernel refuses that to mount points alone), and the host believes what then stands in its place.
 */
#include "cell/plan.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>

#define GIT "/.git/"

/* The directories above path, from the byte numbered from on. */
static int pin_between(struct mount_plan *plan, const struct mount_entry *entry, size_t from,
	struct err *err)
{
	AUTO_FREE char *path = strdup(entry->path);
	struct mount_entry pin = { .path = path,
		.kind = MOUNT_PIN,
		.is_dir = true,
		.is_in_project = entry->is_in_project,
		.cell_only = entry->cell_only };

	if (path == NULL)
		return err_set(err, ENOMEM, "mount plan");
	for (char *slash = path + from; (slash = strchr(slash, '/')) != NULL; *slash++ = '/') {
		*slash = '\0';
		if (plan_add(plan, pin, err) < 0)
			return -err->code;
	}
	return 0;
}

int plan_pin_above(struct mount_plan *plan, const char *path, struct err *err)
{
	const struct mount_entry below = { .path = (char *)(size_t)path, .cell_only = true };
	size_t n = plan->n;

	for (size_t i = 0; i < n; i++) {
		const struct mount_entry *e = &plan->entries[i];

		if (e->kind == MOUNT_WRITE && !e->agent_only && plan_is_below(path, e->path) &&
			strcmp(path, e->path) != 0 &&
			pin_between(plan, &below, strlen(e->path) + 1, err) < 0)
			return -err->code;
	}
	return 0;
}

/* The last ".git" in a path: what lies behind it, or 0. */
static size_t in_repository(const char *path)
{
	size_t from = 0;

	for (const char *at = path; (at = strstr(at, GIT)) != NULL; at++)
		from = (size_t)(at - path) + strlen(GIT);
	return from;
}

int plan_pin_git(struct mount_plan *plan, struct err *err)
{
	size_t n = plan->n;

	for (size_t i = 0; i < n; i++) {
		const struct mount_entry entry = plan->entries[i];

		if ((entry.kind == MOUNT_PROTECT || entry.kind == MOUNT_HOLD ||
			    entry.kind == MOUNT_REDACT) && !entry.agent_only &&
			in_repository(entry.path) > 0 &&
			pin_between(plan, &entry, in_repository(entry.path), err) < 0)
			return -err->code;
	}
	return 0;
}
