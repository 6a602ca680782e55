/*
 * Directories of repositories that must keep their names. Runs in the warden.
 *
 * A file that is protected stays where it is, but nothing keeps a directory above it from being renamed
 * (the kernel refuses that to mount points alone), and git believes what then stands in its place.
 */
#include "cell/plan.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>

#define GIT "/.git/"

/* The directories between a git directory and what is mounted in it. */
static int pin_above(struct mount_plan *plan, const struct mount_entry *entry, struct err *err)
{
	const char *from = NULL;
	AUTO_FREE char *path = NULL;
	struct mount_entry pin = { .kind = MOUNT_PIN,
		.is_dir = true,
		.is_in_project = entry->is_in_project };

	for (const char *at = entry->path; (at = strstr(at, GIT)) != NULL; at++)
		from = at + strlen(GIT);
	if (from == NULL)
		return 0;
	path = strdup(entry->path);
	if (path == NULL)
		return err_set(err, ENOMEM, "mount plan");
	pin.path = path;
	for (char *slash = path + (from - entry->path); (slash = strchr(slash, '/')) != NULL; *slash++ = '/') {
		*slash = '\0';
		if (plan_add(plan, pin, err) < 0)
			return -err->code;
	}
	return 0;
}

int plan_pin_git(struct mount_plan *plan, struct err *err)
{
	size_t n = plan->n;

	for (size_t i = 0; i < n; i++) {
		const struct mount_entry entry = plan->entries[i];

		if ((entry.kind == MOUNT_PROTECT || entry.kind == MOUNT_REDACT) && !entry.agent_only &&
			pin_above(plan, &entry, err) < 0)
			return -err->code;
	}
	return 0;
}
