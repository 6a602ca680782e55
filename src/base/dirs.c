/* Runs as the user, in agentjail and its warden; the paths are the user's own. */
#include "base/dirs.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

int dirs_make(const char *dir)
{
	AUTO_FREE char *path = strdup(dir);

	if (path == NULL)
		return -ENOMEM;
	/* It is there, but for the first time. */
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return 0;
	for (char *s = path + 1; (s = strchr(s, '/')) != NULL; s++) {
		*s = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return -errno;
		*s = '/';
	}
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}
