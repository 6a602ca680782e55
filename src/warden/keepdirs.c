/* Runs in the warden, before any place is started, with the user's rights. Nothing is hostile yet. */
#include "warden/keepdirs.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static int make_file(const char *path, struct err *err)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return errno == EEXIST ? 0 : err_set(err, errno, "[agent] keep: make %s", path);
	if (write_all(fd, "{}\n", 3) < 0)
		return err_set(err, errno, "[agent] keep: write %s", path);
	return 0;
}

static int make_dirs(const char *path, const char *home, struct err *err)
{
	AUTO_FREE char *part = strdup(path);

	if (part == NULL)
		return err_set(err, ENOMEM, "[agent] keep");
	for (char *s = part + strlen(home) + 1; (s = strchr(s, '/')) != NULL; s++) {
		*s = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return err_set(err, errno, "[agent] keep: make %s", part);
		*s = '/';
	}
	if (mkdir(part, 0700) < 0 && errno != EEXIST)
		return err_set(err, errno, "[agent] keep: make %s", part);
	return 0;
}

int keepdirs_make(const struct run_plan *plan, struct err *err)
{
	static const enum policy_key keys[] = { PK_AGENT_KEEP, PK_AGENT_SHARE };

	for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
		size_t n;
		const struct policy_item *items = policy_list(plan->policy, keys[k], &n);

		for (size_t i = 0; i < n; i++) {
			const char *path = items[i].value;
			struct stat st;
			int r;

			/* Only below HOME: elsewhere directories are not the agent's to make. */
			if (strpbrk(path, "*?") != NULL || !str_starts(path, plan->home) ||
				path[strlen(plan->home)] != '/' || lstat(path, &st) == 0)
				continue;
			r = str_ends(path, ".json") ? make_file(path, err)
						    : make_dirs(path, plan->home, err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}
