/* Runs in the warden and the helper. Hostile: names in the project, swapped while we look. */
#include "helper/files.h"

#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define FILE_EVENTS (IN_MODIFY | IN_CLOSE_WRITE | IN_DONT_FOLLOW | IN_MASK_ADD)

void files_done(struct files *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->list[i].path);
	f->n = 0;
}

struct files_one *files_find(struct watch *w, int wd)
{
	struct files *f = watch_files(w);

	for (size_t i = 0; i < f->n && wd >= 0; i++)
		if (f->list[i].wd == wd)
			return &f->list[i];
	return NULL;
}

struct files_one *files_at(struct watch *w, const char *path)
{
	struct files *f = watch_files(w);

	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->list[i].path, path) == 0)
			return &f->list[i];
	return NULL;
}

void files_unwatch(struct watch *w, struct files_one *one)
{
	int wd = one->wd;

	one->wd = -1;
	/* A second name of the same file has the same watch; what became a directory has another use. */
	if (wd >= 0 && files_find(w, wd) == NULL && watch_find(w, wd) < 0)
		(void)inotify_rm_watch(watch_inotify(w), wd);
}

void files_forget(struct watch *w, struct files_one *one)
{
	struct files *f = watch_files(w);

	files_unwatch(w, one);
	free(one->path);
	*one = f->list[--f->n];
}

/* A new one, or one in place of one that is hidden anyhow. */
static struct files_one *add(struct watch *w, const char *path)
{
	struct files *f = watch_files(w);
	struct files_one *hidden = NULL;
	char *copy;

	for (size_t i = 0; i < f->n; i++)
		if (!f->list[i].is_shown)
			hidden = &f->list[i];
	if (f->n == FILES_MAX && hidden != NULL)
		files_forget(w, hidden);
	copy = f->n < FILES_MAX ? strdup(path) : NULL;
	if (copy == NULL)
		return NULL;
	f->list[f->n] = (struct files_one){ .path = copy, .wd = -1 };
	return &f->list[f->n++];
}

struct files_one *files_watch(struct watch *w, int dir, const char *name, const char *path)
{
	struct files_one *one = files_at(w, path);
	int wd;

	if (watch_inotify(w) < 0 || fchdir(dir) < 0)
		return NULL;
	wd = inotify_add_watch(watch_inotify(w), name, FILE_EVENTS);
	if (one == NULL)
		one = wd >= 0 ? add(w, path) : NULL;
	if (one == NULL || wd < 0) {
		if (wd >= 0 && files_find(w, wd) == NULL && watch_find(w, wd) < 0)
			(void)inotify_rm_watch(watch_inotify(w), wd);
		return NULL;
	}
	if (one->wd != wd)
		files_unwatch(w, one);
	one->wd = wd;
	return one;
}
