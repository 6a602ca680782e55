/*
 * Runs in the cell's helper. Hostile: the repository and everything in the project. Files are opened
 * through the copy of the project's mount that has no masks.
 */
#include "helper/shown.h"

#include "base/cleanup.h"
#include "base/sys.h"
#include "helper/files.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/*
 * Rationale: more than a session's checkouts, and too few to find a secret with: a command can write
 * an object with what it supposes to be in a hidden file, and see whether the file appears.
 */
#define WRONG_MAX 1000u

static int open_parent(const struct tree *t, const char **ret_name)
{
	int project = t->view.plain >= 0 ? t->view.plain : t->view.project;
	const char *slash = strrchr(t->path.data, '/');
	AUTO_FREE char *parent = slash != NULL
		? strndup(t->path.data, (size_t)(slash - t->path.data))
		: strdup(".");

	*ret_name = slash != NULL ? slash + 1 : t->path.data;
	return parent == NULL
		? -1
		: sys_openat2(project, parent, O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_PLAIN);
}

static enum tracked ask(struct tree *t, int file)
{
	enum tracked answer = tracked_judge(&t->tracked,
		&(struct tracked_question){ .root = t->view.root,
			.file = file,
			.project = t->plan->project,
			.path = t->path.data });

	t->n_wrong += answer == TRACKED_CHANGED;
	return answer;
}

enum tracked shown_judge(struct tree *t)
{
	enum tracked answer = TRACKED_NO;
	struct files_one *one;
	const char *name;
	AUTO_CLOSE int dir = open_parent(t, &name), file = -1;
	struct stat st;

	if (dir < 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode)) {
		one = files_at(t->watch, t->path.data);
		if (one != NULL)
			files_forget(t->watch, one);
		return shown_is_named(t);
	}
	/* In this order: what is written meanwhile is judged again. */
	one = files_watch(t->watch, dir, name, t->path.data);
	if (one == NULL)
		return TRACKED_NO;
	file = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (file >= 0 && t->n_wrong < WRONG_MAX)
		answer = ask(t, file);
	one->is_shown = answer == TRACKED_SAME;
	if (answer == TRACKED_NO)
		files_unwatch(t->watch, one);
	else if (answer == TRACKED_SAME)
		watch_unhide(t->watch, dir, name);
	return answer;
}

enum tracked shown_is_named(struct tree *t)
{
	const char *name;
	AUTO_CLOSE int dir = open_parent(t, &name);
	struct stat st;

	if (dir < 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return TRACKED_NO;
	return tracked_is_named(&t->tracked,
		       &(struct tracked_question){ .root = t->view.root,
			       .project = t->plan->project,
			       .path = t->path.data },
		       S_ISDIR(st.st_mode))
		? TRACKED_CHANGED
		: TRACKED_NO;
}

static void go_to(struct tree *t, const char *path)
{
	t->path.len = 0;
	buf_adds(&t->path, path);
}

void shown_written(struct tree *t, int wd)
{
	struct files *f = watch_files(t->watch);

	/* From the end: one that is gone is replaced by the last. */
	for (size_t i = f->n; i-- > 0;) {
		if (i >= f->n || f->list[i].wd != wd)
			continue;
		go_to(t, f->list[i].path);
		if (!t->path.failed)
			tree_look_again(t);
	}
}

void shown_gone(struct tree *t, int wd)
{
	struct files_one *one;

	while ((one = files_find(t->watch, wd)) != NULL) {
		one->wd = -1;
		files_forget(t->watch, one);
	}
}

void shown_index(struct tree *t)
{
	struct files *f = watch_files(t->watch);

	for (size_t i = f->n; i-- > 0 && !t->path.failed;) {
		bool was_shown;

		if (i >= f->n)
			continue;
		was_shown = f->list[i].is_shown;
		go_to(t, f->list[i].path);
		if (!t->path.failed && (shown_judge(t) == TRACKED_SAME) != was_shown)
			tree_look_again(t);
	}
}

void shown_note_planned(struct tree *t)
{
	struct files *f = watch_files(t->watch);
	size_t skip = strlen(t->plan->project) + 1;

	for (size_t i = 0; i < f->n; i++)
		f->list[i].is_shown = true;
	for (size_t k = 0; k < t->mounts->n; k++) {
		const struct mount_entry *e = &t->mounts->entries[k];

		for (size_t i = 0; i < f->n && e->kind == MOUNT_HIDE && e->is_in_project; i++)
			if (strlen(e->path) > skip && strcmp(e->path + skip, f->list[i].path) == 0)
				f->list[i].is_shown = false;
	}
}
