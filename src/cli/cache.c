/*
 * `agentjail cache list` and `agentjail cache clean [DIR]`: what sessions keep of [files] cache.
 * Runs in the `agentjail` process with the user's rights. Hostile: what commands wrote in a cache;
 * a project's path is quoted.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "cli/listing.h"
#include "cli/tree.h"
#include "cli/verbs.h"
#include "wire/cachedir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define QUOTE_BYTES 256
#define MEGABYTE (1024.0 * 1024.0)

/* One project's caches. */
struct cache {
	const char *key;
	int dir;  /* its directory */
	int lock; /* -1: a session uses it */
	struct buf project;
	time_t used; /* when a session last began with it */
	struct tree_size size;
};

struct command {
	const struct options *options;
	const char *wanted; /* clean: the project, or NULL: all */
	const char *cache_dir;
	int base;
	struct buf out;
	unsigned n;
};

typedef int cache_each(struct command *command, struct cache *cache, struct err *err);

/* Takes no more than a path from a lock file. False: it is none of ours. */
static bool open_cache(int base, const char *key, struct cache *c)
{
	AUTO_CLOSE int text = -1;
	struct err err = { 0 };
	struct stat st;
	int r;

	*c = (struct cache){ .key = key, .lock = -1 };
	c->dir = openat(base, key, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (c->dir < 0)
		return false;
	r = cachedir_lock(c->dir, &c->lock, &err);
	text = openat(c->dir, CACHEDIR_LOCK, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if ((r < 0 && err.code != EWOULDBLOCK) || text < 0 || fstat(text, &st) < 0 ||
		buf_read_fd(&c->project, text, PATH_MAX) < 0 || c->project.len == 0)
		return false;
	c->used = st.st_mtim.tv_sec;
	return true;
}

static void close_cache(struct cache *c)
{
	cleanup_close(&c->lock);
	cleanup_close(&c->dir);
	buf_done(&c->project);
}

static int each_cache(struct command *command, cache_each *each, struct err *err)
{
	AUTO_CLOSE int base = -1;
	struct dirent *e;
	int r = 0;
	DIR *d;

	base = open(command->cache_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (base < 0)
		return errno == ENOENT ? 0 : err_set(err, errno, "open %s", command->cache_dir);
	command->base = base;
	d = fdopendir(dup(base));
	if (d == NULL)
		return err_set(err, errno, "read %s", command->cache_dir);
	while (r == 0 && (e = readdir(d)) != NULL) {
		struct cache c;

		if (!cachedir_is_key(e->d_name))
			continue;
		if (open_cache(base, e->d_name, &c))
			r = each(command, &c, err);
		close_cache(&c);
	}
	closedir(d);
	return r;
}

/* "3 days": one number and one word. */
static void add_age(struct buf *out, time_t used)
{
	static const struct {
		long seconds;
		const char *word;
	} units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" } };
	long age = (long)(time(NULL) - used);
	size_t i = 0;

	if (age < 0)
		age = 0;
	while (i + 1 < ARRAY_LEN(units) && age < units[i].seconds)
		i++;
	age /= units[i].seconds;
	buf_addf(out, "%ld %s%s", age, units[i].word, age == 1 ? "" : "s");
}

static int list_one(struct command *command, struct cache *c, struct err *err)
{
	struct buf *out = &command->out;
	AUTO_BUF struct buf age = { 0 };

	(void)err;
	tree_measure(c->dir, &c->size);
	command->n++;
	if (command->options->json) {
		buf_addf(out, "%s\n  {\"project\": ", command->n > 1 ? "," : "");
		buf_add_json(out, c->project.data, c->project.len);
		buf_addf(out, ", \"bytes\": %llu, \"is_complete\": %s, \"used\": %lld, \"in_use\": %s}",
			(unsigned long long)c->size.bytes, c->size.is_incomplete ? "false" : "true",
			(long long)c->used, c->lock < 0 ? "true" : "false");
		return 0;
	}
	add_age(&age, c->used);
	buf_addf(out, "%s%9.1f MB  %-12s %-7s ", c->size.is_incomplete ? ">" : " ",
		(double)c->size.bytes / MEGABYTE, age.data != NULL ? age.data : "",
		c->lock < 0 ? "in use" : "");
	listing_add_quoted(out, c->project.data);
	buf_adds(out, "\n");
	return 0;
}

static int list(struct command *command, struct err *err)
{
	if (command->options->n_operands > 1)
		return err_set(err, 0, "cache list takes no DIR");
	if (command->options->json)
		buf_adds(&command->out, "[");
	if (each_cache(command, list_one, err) < 0)
		return -err->code;
	if (command->options->json)
		buf_adds(&command->out, command->n > 0 ? "\n]\n" : "]\n");
	return listing_print(&command->out, err);
}

static int clean_one(struct command *command, struct cache *c, struct err *err)
{
	const char *wanted = command->wanted;
	char quoted[QUOTE_BYTES];

	(void)log_quote(c->project.data, c->project.len, quoted, sizeof(quoted));
	if (wanted != NULL) {
		char key[CACHEDIR_KEY_BYTES];

		cachedir_key(wanted, key);
		if (strcmp(key, c->key) != 0)
			return 0;
	}
	if (c->lock < 0 && wanted != NULL)
		return err_set(err, 0, "a session of %s uses its caches; end it first", quoted);
	command->n++;
	if (c->lock < 0) {
		log_warn("a session of %s uses its caches: left", quoted);
		return 0;
	}
	tree_measure(c->dir, &c->size);
	/* The lock last: until it is gone no session begins with what is half removed. */
	if (tree_empty(c->dir, CACHEDIR_LOCK, err) < 0 ||
		(unlinkat(c->dir, CACHEDIR_LOCK, 0) < 0 && err_set(err, errno, "remove the lock") < 0) ||
		(unlinkat(command->base, c->key, AT_REMOVEDIR) < 0 &&
			err_set(err, errno, "remove the directory") < 0))
		return err_prefix(err, "the caches of %s", quoted);
	if (!command->options->quiet)
		printf("%.1f MB of %s removed\n", (double)c->size.bytes / MEGABYTE, quoted);
	return 0;
}

static int clean(struct command *command, struct err *err)
{
	const struct options *o = command->options;
	AUTO_FREE char *dir = NULL;
	char quoted[QUOTE_BYTES];

	if (o->n_operands > 2)
		return err_set(err, 0, "cache clean: one DIR at most");
	if (o->n_operands == 2) {
		/* The project may be gone, and its caches still be there. */
		dir = realpath(o->operands[1], NULL);
		command->wanted = dir != NULL ? dir : o->operands[1];
	}
	if (each_cache(command, clean_one, err) < 0)
		return -err->code;
	if (o->n_operands == 2 && command->n == 0)
		(void)err_set(err, 0, "no caches are kept for %s; see agentjail cache list",
			log_quote(command->wanted, strlen(command->wanted), quoted, sizeof(quoted)));
	command->wanted = NULL;
	return -err->code;
}

int cache_verb(struct launch *launch, struct err *err)
{
	static const struct {
		const char *word;
		int (*run)(struct command *command, struct err *err);
	} words[] = { { "list", list }, { "clean", clean } };
	const struct options *o = &launch->options;
	struct command command = { .options = o, .base = -1 };
	char quoted[QUOTE_BYTES];
	int r;

	if (o->n_operands == 0)
		return err_set(err, 0, "cache: list or clean is needed; see agentjail --help");
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(words[i].word, o->operands[0]) != 0)
			continue;
		r = paths_find_home(&launch->paths, err);
		if (r < 0)
			return r;
		command.cache_dir = launch->paths.cache_dir;
		r = words[i].run(&command, err);
		buf_done(&command.out);
		return r;
	}
	return err_set(err, 0, "cache %s: there are list and clean",
		log_quote(o->operands[0], strlen(o->operands[0]), quoted, sizeof(quoted)));
}
