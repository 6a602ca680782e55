/*
 * Runs in the warden, before the cell is made. Nothing is hostile yet: the program and its links are
 * the user's.
 */
#include "warden/inside.h"

#include "warden/keepdirs.h"
#include "warden/warden.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * What has to be there for one file of a program: the outermost node_modules that it lies in, a
 * directory of programs (bin, .bin), else the file alone: a script in a directory of work opens
 * nothing else of it.
 */
static char *place_of(const char *file)
{
	static const char modules[] = "/node_modules/";
	const char *in = strstr(file, modules), *slash = strrchr(file, '/');
	size_t n = (size_t)(slash - file);

	if (in != NULL)
		return strndup(file, (size_t)(in - file) + strlen("/node_modules"));
	if (n >= 4 && (strncmp(file + n - 4, "/bin", 4) == 0 || strncmp(file + n - 4, ".bin", 4) == 0))
		return strndup(file, n);
	return strdup(file);
}

static int show(struct warden *w, const char *file, struct err *err)
{
	size_t i = 0;

	while (w->mounts.program_paths[i] != NULL)
		i++;
	w->mounts.program_paths[i] = place_of(file);
	return w->mounts.program_paths[i] == NULL ? err_set(err, ENOMEM, "%s", file) : 0;
}

/*
 * The directory that PATH found the name in, which may be relative. Not a link alone: what is mounted
 * on its name is a file, which would look for its package in the wrong place; the program itself is
 * executed then.
 */
static int show_name(struct warden *w, struct err *err)
{
	const char *name = w->program.script, *slash = strrchr(name, '/');
	AUTO_FREE char *dir = slash != NULL ? strndup(name, (size_t)(slash - name) + 1) : strdup(".");
	AUTO_FREE char *real = dir != NULL ? realpath(dir, NULL) : NULL;
	AUTO_BUF struct buf path = { 0 };
	AUTO_FREE char *place = NULL;

	if (real == NULL)
		return err_set(err, errno, "%s", name);
	buf_addf(&path, "%s/%s", real, slash != NULL ? slash + 1 : name);
	place = path.failed ? NULL : place_of(path.data);
	if (place == NULL)
		return err_set(err, ENOMEM, "%s", name);
	return strcmp(place, path.data) == 0 ? 0 : show(w, path.data, err);
}

static void say_limits(const struct warden *w)
{
	if (!w->plan->quiet)
		log_warn("mode shared: the agent is in the cell of its commands: its own files, variables and "
			 "hosts ([agent] keep, keep-env, egress) are open to each of them");
}

int inside_prepare(struct warden *w, struct err *err)
{
	_Static_assert(PLACE_PROGRAM_PATHS == 3, "program, interpreter, name");

	if (program_find(w->plan, &w->program, err) < 0)
		return warden_not_started(w, err);
	if (show(w, w->program.agent, err) < 0 || show(w, w->program.interp, err) < 0 ||
		show_name(w, err) < 0 || keepdirs_make(w->plan, err) < 0)
		return -err->code;
	say_limits(w);
	return 0;
}

void inside_done(struct warden *w)
{
	for (size_t i = 0; i < PLACE_PROGRAM_PATHS; i++) {
		free((void *)(size_t)w->mounts.program_paths[i]);
		w->mounts.program_paths[i] = NULL;
	}
}
