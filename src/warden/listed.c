/*
 * See listed.h. Runs in the warden, outside of all places, with the user's rights. Hostile: the names in
 * the project's directories; links are not followed.
 */
#include "warden/listed.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "policy/heldrisk.h"
#include "warden/warden.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Rationale: the list has under fifty names, a project some dozens of files in such directories. */
#define FILES_MAX 256
/* Rationale: what one line on a terminal has room for; the audit has all. */
#define NAMED_MAX 6
#define QUOTE_BYTES 128

struct file {
	char *path; /* below the project */
	struct stat st;
};

struct listed {
	struct file files[FILES_MAX];
	size_t n;
};

static void free_listed(struct listed *l)
{
	for (size_t i = 0; l != NULL && i < l->n; i++)
		free(l->files[i].path);
	free(l);
}

static void add(struct listed *l, int dir, const char *folder, const char *name)
{
	struct file *f = &l->files[l->n];

	if (l->n == FILES_MAX || fstatat(dir, name, &f->st, AT_SYMLINK_NOFOLLOW) < 0 ||
		S_ISDIR(f->st.st_mode) || asprintf(&f->path, "%s%s", folder, name) < 0)
		return;
	l->n++;
}

static void add_folder(struct listed *l, int project, const char *folder)
{
	AUTO_CLOSE int dir = sys_openat2(project, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, RESOLVE_PLAIN);
	AUTO_CLOSE int again = dir < 0 ? -1 : fcntl(dir, F_DUPFD_CLOEXEC, 0);
	DIR *d = again < 0 ? NULL : fdopendir(again);
	struct dirent *e;

	if (d == NULL)
		return;
	(void)take_fd(&again);
	while (l->n < FILES_MAX && (e = readdir(d)) != NULL)
		if (e->d_type == DT_REG || e->d_type == DT_LNK || e->d_type == DT_UNKNOWN)
			add(l, dir, folder, e->d_name);
	(void)closedir(d);
}

/* NULL: nothing can be said. */
static struct listed *look(const char *project_path)
{
	AUTO_CLOSE int project = open(project_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct listed *l = project < 0 ? NULL : calloc(1, sizeof(*l));
	size_t n;
	const char *const *names = heldrisk_listed(&n);

	for (size_t i = 0; l != NULL && i < n; i++) {
		if (str_ends(names[i], "/"))
			add_folder(l, project, names[i]);
		else
			add(l, project, "", names[i]);
	}
	return l;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mode == b->st_mode && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static const struct file *find(const struct listed *l, const char *path)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->files[i].path, path) == 0)
			return &l->files[i];
	return NULL;
}

/* With a full list nothing new can be told from what had no room. */
static size_t compare(const struct listed *before, const struct listed *after, struct buf *paths)
{
	size_t n = 0;

	for (size_t i = 0; i < after->n; i++) {
		const struct file *f = &after->files[i], *was = find(before, f->path);

		if (was != NULL ? is_same(&was->st, &f->st) : before->n == FILES_MAX)
			continue;
		buf_add(paths, f->path, strlen(f->path) + 1);
		n++;
	}
	for (size_t i = 0; i < before->n && after->n < FILES_MAX; i++)
		if (find(after, before->files[i].path) == NULL) {
			buf_add(paths, before->files[i].path, strlen(before->files[i].path) + 1);
			n++;
		}
	return paths->failed ? 0 : n;
}

static void tell(const struct buf *paths, size_t n)
{
	AUTO_BUF struct buf line = { 0 };
	const char *path = paths->data;

	for (size_t i = 0; i < n && i < NAMED_MAX; i++, path += strlen(path) + 1) {
		char quoted[QUOTE_BYTES];

		buf_addf(&line, "%s%s", i > 0 ? ", " : "",
			log_quote(path, strlen(path), quoted, sizeof(quoted)));
	}
	if (n > NAMED_MAX)
		buf_addf(&line, " and %zu more", n - NAMED_MAX);
	if (!line.failed)
		log_warn("changed meanwhile, and run or believed later: %s; see: agentjail review",
			line.data);
}

void listed_begin(struct warden *w)
{
	if (w->plan->tool == NULL && w->listed == NULL)
		w->listed = look(w->plan->project);
}

void listed_end(struct warden *w)
{
	struct listed *after = w->listed == NULL ? NULL : look(w->plan->project);
	AUTO_BUF struct buf paths = { 0 };
	struct audit_record r;
	size_t n = after == NULL ? 0 : compare(w->listed, after, &paths);

	if (n > 0 && w->audit.fd >= 0) {
		audit_begin(&w->audit, &r, "changed");
		audit_strings(&r, "paths", paths.data, n);
		(void)audit_end(&r);
	}
	if (n > 0 && !w->plan->quiet && !w->plan->is_run_verb)
		tell(&paths, n);
	free_listed(w->listed);
	free_listed(after);
	w->listed = NULL;
}
