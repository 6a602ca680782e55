/*
 * A project's store and its entries. Runs in the warden, the helper and `agentjail review`, with the
 * user's own rights. Hostile: see heldstore.h. What is in an entry: heldstore_entry.c.
 */
#include "wire/heldstore.h"

#include "base/cleanup.h"
#include "base/sha256.h"
#include "wire/privatedir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define PATH_NAME "path"
/* Rationale: a change takes a few system calls; ten tries cost nothing and wait no one out. */
#define LOCK_STEP_MS 10

bool heldstore_is_path(const char *path)
{
	size_t n = strlen(path);

	if (n == 0 || n >= PATH_MAX)
		return false;
	for (const char *s = path;; s++) {
		size_t len = strcspn(s, "/");

		if (len == 0 || (len == 1 && s[0] == '.') || (len == 2 && s[0] == '.' && s[1] == '.'))
			return false;
		s += len;
		if (*s == '\0')
			return true;
	}
}

void heldstore_id(const char *path, char out[HELDSTORE_ID_BYTES])
{
	cachedir_key(path, out);
}

static int open_lock(int dir, const char *project, bool is_made, int *ret, struct err *err)
{
	AUTO_CLOSE int lock = openat(dir, CACHEDIR_LOCK,
		(is_made ? O_CREAT : 0) | O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	struct stat st;

	if (lock < 0 || fstat(lock, &st) < 0)
		return err_set(err, errno, "open " CACHEDIR_LOCK);
	/* Two at once write the same. */
	if (is_made && st.st_size == 0 && write_all(lock, project, strlen(project)) < 0)
		return err_set(err, errno, "write " CACHEDIR_LOCK);
	*ret = take_fd(&lock);
	return 0;
}

int heldstore_open(const char *state_dir, const char *project, bool is_made, struct heldstore *ret,
	struct err *err)
{
	AUTO_FREE char *folder = NULL;
	AUTO_CLOSE int base = -1, dir = -1, lock = -1;
	char key[CACHEDIR_KEY_BYTES];

	if (asprintf(&folder, "%s/" HELDSTORE_FOLDER, state_dir) < 0) {
		folder = NULL;
		return err_set(err, ENOMEM, "the store of held files");
	}
	cachedir_key(project, key);
	if (privatedir_open(folder, is_made, &base, err) < 0 ||
		privatedir_child(base, key, is_made, &dir, err) < 0 ||
		open_lock(dir, project, is_made, &lock, err) < 0)
		return err_prefix(err, "the store of held files");
	ret->dir = take_fd(&dir);
	ret->lock = take_fd(&lock);
	return 0;
}

void heldstore_done(struct heldstore *s)
{
	cleanup_close(&s->lock);
	cleanup_close(&s->dir);
}

static int lock_within(int fd, int how, int timeout_ms)
{
	const struct timespec step = { .tv_nsec = LOCK_STEP_MS * 1000000L };

	while (flock(fd, how | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK || timeout_ms <= 0)
			return -errno;
		timeout_ms -= LOCK_STEP_MS;
		(void)nanosleep(&step, NULL);
	}
	return 0;
}

int heldstore_lock(struct heldstore *s, int timeout_ms, struct err *err)
{
	int r = lock_within(s->lock, LOCK_EX, timeout_ms);

	return r < 0 ? err_set(err, -r, "lock the store of held files") : 0;
}

bool heldstore_use(struct heldstore *s, int timeout_ms)
{
	return lock_within(s->dir, LOCK_SH, timeout_ms) == 0;
}

void heldstore_unlock(struct heldstore *s)
{
	(void)flock(s->lock, LOCK_UN);
}

/* On a description of our own, which gives the lock back at once. */
bool heldstore_is_used(const struct heldstore *s)
{
	AUTO_CLOSE int dir = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir < 0 || flock(dir, LOCK_EX | LOCK_NB) < 0;
}

int heldstore_project(const struct heldstore *s, struct buf *ret)
{
	AUTO_CLOSE int text =
		openat(s->dir, CACHEDIR_LOCK, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return text < 0 ? -errno : buf_read_fd(ret, text, PATH_MAX);
}

/* The path that an entry says it is for, if it is one that has this entry. */
static int read_path(struct heldstore_entry *e, struct err *err)
{
	AUTO_CLOSE int file =
		openat(e->dir, PATH_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	AUTO_BUF struct buf text = { 0 };
	char id[HELDSTORE_ID_BYTES];
	int r = file < 0 ? -errno : buf_read_fd(&text, file, sizeof(e->path) - 1);

	if (r < 0)
		return err_set(err, -r, "its path cannot be read");
	if (text.data == NULL || memchr(text.data, '\0', text.len) != NULL ||
		!heldstore_is_path(text.data))
		return err_set(err, 0, "its path is none below a project");
	heldstore_id(text.data, id);
	if (strcmp(id, e->id) != 0)
		return err_set(err, 0, "its path is another entry's");
	memcpy(e->path, text.data, text.len + 1);
	return 0;
}

static int open_entry(int store, const char *id, struct heldstore_entry *ret, struct err *err)
{
	struct heldstore_entry e = { .dir = -1 };

	(void)snprintf(e.id, sizeof(e.id), "%s", id);
	if (privatedir_child(store, id, false, &e.dir, err) < 0)
		return -err->code;
	if (read_path(&e, err) < 0) {
		heldstore_close(&e);
		return -err->code;
	}
	*ret = e;
	return 0;
}

static int write_path(int dir, const char *path)
{
	AUTO_CLOSE int file =
		openat(dir, PATH_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	return file < 0 ? -errno : write_all(file, path, strlen(path));
}

int heldstore_make(struct heldstore *s, const char *path, struct heldstore_entry *ret,
	struct err *err)
{
	AUTO_CLOSE int dir = -1;
	char id[HELDSTORE_ID_BYTES];
	int r;

	if (!heldstore_is_path(path))
		return err_set(err, EINVAL, "no path below a project");
	heldstore_id(path, id);
	if (privatedir_child(s->dir, id, true, &dir, err) < 0)
		return -err->code;
	/* Also over one that a crash left half written. */
	r = write_path(dir, path);
	if (r < 0)
		return err_set(err, -r, "write " PATH_NAME);
	return open_entry(s->dir, id, ret, err);
}

int heldstore_find(const struct heldstore *s, const char *path, struct heldstore_entry *ret,
	struct err *err)
{
	char id[HELDSTORE_ID_BYTES];

	if (!heldstore_is_path(path))
		return err_set(err, ENOENT, "no path below a project");
	heldstore_id(path, id);
	return open_entry(s->dir, id, ret, err);
}

void heldstore_close(struct heldstore_entry *e)
{
	cleanup_close(&e->dir);
}

/* Entries have no directories of their own; one in place of a file goes if it is empty. */
static int remove_name(int dir, const char *name)
{
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return -errno;
	return unlinkat(dir, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

/* The path last: until then the entry is known for what it is. */
static int empty_entry(int dir)
{
	AUTO_CLOSE int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = again < 0 ? NULL : fdopendir(again);
	struct dirent *e;
	int r = 0;

	if (d == NULL)
		return -errno;
	(void)take_fd(&again);
	while (r == 0 && (e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
			strcmp(e->d_name, PATH_NAME) != 0)
			r = remove_name(dir, e->d_name);
	(void)closedir(d);
	return r == 0 ? remove_name(dir, PATH_NAME) : r;
}

int heldstore_remove_id(struct heldstore *s, const char *id, struct err *err)
{
	AUTO_CLOSE int dir = -1;
	int r;

	if (!cachedir_is_key(id))
		return err_set(err, EINVAL, "no entry's name");
	if (privatedir_child(s->dir, id, false, &dir, err) < 0)
		return err->code == ENOENT ? 0 : -err->code;
	r = empty_entry(dir);
	if (r == 0 && unlinkat(s->dir, id, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = -errno;
	return r < 0 ? err_set(err, -r, "remove what is held of it") : 0;
}

int heldstore_remove(struct heldstore *s, const char *path, struct err *err)
{
	char id[HELDSTORE_ID_BYTES];

	heldstore_id(path, id);
	return heldstore_remove_id(s, id, err);
}

/* One directory of the store, with the path that orders it ("" where it is no good entry). */
struct place {
	char id[HELDSTORE_ID_BYTES];
	char *path;
};

static int by_path(const void *a, const void *b)
{
	const struct place *one = a, *other = b;
	int r = strcmp(one->path, other->path);

	return r != 0 ? r : strcmp(one->id, other->id);
}

static int add_place(const struct heldstore *s, const char *id, struct place *ret)
{
	AUTO_HELDENTRY struct heldstore_entry e = { .dir = -1 };
	struct err err = { 0 };

	(void)snprintf(ret->id, sizeof(ret->id), "%s", id);
	ret->path = strdup(open_entry(s->dir, id, &e, &err) == 0 ? e.path : "");
	return ret->path == NULL ? -ENOMEM : 0;
}

static void free_places(struct place *places, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(places[i].path);
	free(places);
}

/* -E2BIG: there are more. */
static int list_places(const struct heldstore *s, struct place *places, size_t *n)
{
	AUTO_CLOSE int again = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = again < 0 ? NULL : fdopendir(again);
	struct dirent *e;
	int r = 0;

	if (d == NULL)
		return -errno;
	(void)take_fd(&again);
	while (r == 0 && (e = readdir(d)) != NULL) {
		if (!cachedir_is_key(e->d_name))
			continue;
		r = *n == HELDSTORE_ENTRIES_MAX ? -E2BIG : add_place(s, e->d_name, &places[*n]);
		*n += r == 0;
	}
	(void)closedir(d);
	return r;
}

static int call_each(const struct heldstore *s, const char *id, heldstore_each *each, void *context)
{
	AUTO_HELDENTRY struct heldstore_entry e = { .dir = -1 };
	struct err err = { 0 };
	int r = open_entry(s->dir, id, &e, &err);

	/* Removed by another meanwhile. */
	if (r == -ENOENT && faccessat(s->dir, id, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return r < 0 ? each(NULL, id, err.text, context) : each(&e, id, NULL, context);
}

int heldstore_walk(const struct heldstore *s, heldstore_each *each, void *context, struct err *err)
{
	struct place *places = calloc(HELDSTORE_ENTRIES_MAX, sizeof(*places));
	size_t n = 0;
	int listed = places == NULL ? -ENOMEM : list_places(s, places, &n), r = 0;

	if (listed == 0 || listed == -E2BIG) {
		qsort(places, n, sizeof(*places), by_path);
		for (size_t i = 0; i < n && r == 0; i++)
			r = call_each(s, places[i].id, each, context);
	}
	free_places(places, n);
	if (listed == -E2BIG && r == 0)
		return err_set(err, 0, "there are more than %u held files", HELDSTORE_ENTRIES_MAX);
	return listed < 0 && r == 0 ? err_set(err, -listed, "read the store of held files") : r;
}

static int count_one(const struct heldstore_entry *e, const char *id, const char *text, void *context)
{
	size_t *n = context;

	(void)id;
	(void)text;
	*n += e == NULL || heldstore_differs(e);
	return 0;
}

size_t heldstore_count(const char *state_dir, const char *project)
{
	AUTO_HELDSTORE struct heldstore s = HELDSTORE_NONE;
	struct err err = { 0 };
	size_t n = 0;

	if (heldstore_open(state_dir, project, false, &s, &err) < 0)
		return 0;
	(void)heldstore_walk(&s, count_one, &n, &err);
	return n;
}
