/*
 * Runs in the warden, with the user's own rights. Hostile: names and links inside the project.
 */
#include "cell/plan.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Rationale: a profile whose pattern expands to more is a mistake, and every mount costs 12 us. */
#define PLAN_ENTRIES_MAX 16384

/* The names in one directory, sorted. */
struct plan_listing {
	char *dir; /* NULL: none is meant */
	size_t dir_bytes;
	char **names;
	size_t n;
	bool is_read, is_complete;
};

/* Directories that the profiles name hundreds of things in; each is read when one is asked for. */
static const char *const listed_in_home[] = { "", "/.config", "/.cache", "/.local/share",
	"/.local/state" };

#define LISTINGS (ARRAY_LEN(listed_in_home) + 2 /* /etc, the project */)

/* Rationale: reading as many names takes as long as asking for all that the profiles name. */
#define LISTING_NAMES_MAX 512

/* Rationale: the entries, and a path of middle length for each; unused pages cost nothing. */
#define PLAN_ARENA_BYTES (PLAN_ENTRIES_MAX * (sizeof(struct mount_entry) + 256))

int plan_init(struct mount_plan *plan, struct err *err)
{
	void *arena = mmap(NULL, PLAN_ARENA_BYTES, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (arena == MAP_FAILED)
		return err_set(err, errno, "mount plan");
	*plan = (struct mount_plan){ .arena = arena, .entries = arena };
	plan->used_bytes = PLAN_ENTRIES_MAX * sizeof(struct mount_entry);
	return 0;
}

void plan_done(struct mount_plan *plan)
{
	if (plan->arena != NULL)
		(void)munmap(plan->arena, PLAN_ARENA_BYTES);
	*plan = (struct mount_plan){ 0 };
}

int plan_add(struct mount_plan *plan, struct mount_entry entry, struct err *err)
{
	size_t n = strlen(entry.path) + 1;
	char *path = plan->arena + plan->used_bytes;

	if (plan->n >= PLAN_ENTRIES_MAX || n > PLAN_ARENA_BYTES - plan->used_bytes)
		return err_set(err, 0, "more than %d paths to mount; narrow the [files] patterns",
			PLAN_ENTRIES_MAX);
	memcpy(path, entry.path, n);
	plan->used_bytes += n;
	entry.path = path;
	plan->entries[plan->n++] = entry;
	return 0;
}

bool plan_is_below(const char *path, const char *dir)
{
	const char *start = path;

	while (*dir != '\0' && *dir == *path) {
		dir++;
		path++;
	}
	while (*dir == '/')
		dir++;
	return *dir == '\0' && (*path == '/' || *path == '\0' || (path > start && path[-1] == '/'));
}

static bool is_source(enum mount_kind kind)
{
	return kind == MOUNT_READ || kind == MOUNT_WRITE || kind == MOUNT_OVERLAY ||
		kind == MOUNT_CACHE || kind == MOUNT_EMPTY;
}

/* ---- which names exist: most of a profile's paths are of tools that this user does not have ---- */

static int compare_names(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

static void listings_done(struct plan_listing listings[LISTINGS])
{
	for (size_t i = 0; i < LISTINGS; i++) {
		struct plan_listing *l = &listings[i];

		for (size_t k = 0; k < l->n; k++)
			free(l->names[k]);
		free(l->names);
		free(l->dir);
	}
}

static void listing_init(struct plan_listing *l, const char *dir, const char *below)
{
	AUTO_BUF struct buf path = { 0 };

	buf_addf(&path, "%s%s", dir, below);
	*l = (struct plan_listing){ .dir_bytes = path.len };
	l->dir = path.failed ? NULL : take_ptr(&path.data);
}

/* Without memory for a name, every path below it is looked at. */
static void listings_init(struct plan_listing listings[LISTINGS], const struct run_plan *run)
{
	size_t n = ARRAY_LEN(listed_in_home);

	for (size_t i = 0; i < n; i++)
		listing_init(&listings[i], run->home, listed_in_home[i]);
	listing_init(&listings[n], "/etc", "");
	listing_init(&listings[n + 1], run->project, "");
}

/* Without them (not readable, no memory) every path is looked at; no directory has no names. */
static void read_names(struct plan_listing *l)
{
	DIR *d = opendir(l->dir);
	struct dirent *e;
	size_t cap = 0;

	l->is_read = true;
	l->is_complete = d == NULL && errno == ENOENT;
	if (d == NULL)
		return;
	while ((errno = 0, e = readdir(d)) != NULL && l->n < LISTING_NAMES_MAX) {
		if (l->n == cap) {
			char **more = realloc(l->names, (cap = 2 * cap + 64) * sizeof(*more));

			if (more == NULL)
				break;
			l->names = more;
		}
		l->names[l->n] = strdup(e->d_name);
		if (l->names[l->n] == NULL)
			break;
		l->n++;
	}
	l->is_complete = e == NULL && errno == 0;
	closedir(d);
	if (l->n > 0)
		qsort(l->names, l->n, sizeof(l->names[0]), compare_names);
}

/* False: path is surely not there. One look at a listing instead of a system call. */
static bool may_exist_in(struct plan_listing *l, const char *path)
{
	size_t n = l->dir != NULL ? l->dir_bytes : 0;
	char name[NAME_MAX + 1], *key = name;
	size_t len;

	if (n == 0 || strncmp(path, l->dir, n) != 0 || path[n] != '/')
		return true;
	len = strcspn(path + n + 1, "/");
	if (len >= sizeof(name) || memchr(path + n + 1, '*', len) || memchr(path + n + 1, '?', len))
		return true;
	if (!l->is_read)
		read_names(l);
	if (!l->is_complete)
		return true;
	memcpy(name, path + n + 1, len);
	name[len] = '\0';
	return l->n > 0 && bsearch(&key, l->names, l->n, sizeof(l->names[0]), compare_names) != NULL;
}

/* The outer directory first: what it does not have needs no reading. */
static bool may_exist(struct plan_listing listings[LISTINGS], const char *path)
{
	bool may = true;

	for (size_t i = 0; may && i < LISTINGS; i++)
		may = may_exist_in(&listings[i], path);
	return may;
}

/* ---- entries ---- */

/*
 * What an ordinary user cannot open outside, the user's processes without capabilities cannot open
 * inside: /etc/shadow and the like need no mount, and a start has a dozen of them less.
 */
static bool is_closed_to_user(const struct run_plan *run, const struct mount_entry *entry)
{
	return geteuid() != 0 && !entry->is_in_project && !plan_is_below(entry->path, run->home) &&
		access(entry->path, R_OK) < 0 && errno == EACCES &&
		(!entry->is_dir || access(entry->path, X_OK) < 0);
}

/* Most paths have no link in them: one look instead of one a component. */
static char *resolve(const char *path)
{
	AUTO_CLOSE int fd = sys_openat2(AT_FDCWD, path, O_PATH | O_CLOEXEC, RESOLVE_NO_SYMLINKS);

	return fd >= 0 ? strdup(path) : realpath(path, NULL);
}

/* A hidden path with symbolic links in it: what it leads to is hidden under its own name too. */
static int add_target(struct mount_plan *plan, struct mount_entry entry, struct err *err)
{
	AUTO_FREE char *real = resolve(entry.path);
	int r = 0;

	if (real != NULL && strcmp(real, entry.path) != 0) {
		entry.path = real;
		r = plan_add(plan, entry, err);
	}
	return r;
}

/* What a link inside the project leads to inside the project is meant as well. */
int plan_add_link_target(const struct run_plan *run, struct mount_plan *plan,
	struct mount_entry entry, struct err *err)
{
	AUTO_FREE char *real = resolve(entry.path);
	struct stat st;

	if (real == NULL || !plan_is_below(real, run->project) || strcmp(real, run->project) == 0 ||
		lstat(real, &st) < 0)
		return 0;
	entry.path = real;
	entry.is_dir = S_ISDIR(st.st_mode);
	entry.dev = st.st_dev;
	entry.ino = st.st_ino;
	return plan_add(plan, entry, err);
}

/*
 * The same name with the links in its directory resolved: a mount point is looked for without
 * following any. False: it leads out of the project, where nothing of it is shown.
 */
static bool resolve_parent(const struct run_plan *run, const char *path, char out[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *dir = strndup(path, (size_t)(slash - path));
	AUTO_FREE char *real = dir != NULL ? resolve(dir) : NULL;
	int n;

	if (real == NULL || !plan_is_below(real, run->project))
		return false;
	n = snprintf(out, PATH_MAX, "%s%s", real, slash);
	return n > 0 && n < PATH_MAX;
}

/* Adds path as it is, if it is there. */
static int add_existing(const struct run_plan *run, struct mount_plan *plan,
	struct mount_entry entry, struct err *err)
{
	char resolved[PATH_MAX];
	struct stat st;

	if (lstat(entry.path, &st) < 0)
		return 0;
	entry.is_in_project = plan_is_below(entry.path, run->project);
	if (entry.is_in_project && !is_source(entry.kind) && strcmp(entry.path, run->project) != 0) {
		if (!resolve_parent(run, entry.path, resolved))
			return 0;
		entry.path = resolved;
	}
	if (S_ISLNK(st.st_mode) && !entry.is_in_project) {
		struct stat target;

		/* The user's own link: what it names is what is meant. A dangling one is nothing. */
		if (stat(entry.path, &target) < 0)
			return 0;
		st = target;
	}
	entry.is_dir = S_ISDIR(st.st_mode);
	if (entry.kind == MOUNT_HIDE && is_closed_to_user(run, &entry))
		return 0;
	if (entry.kind == MOUNT_HIDE && !entry.is_in_project && add_target(plan, entry, err) < 0)
		return -err->code;
	if (entry.is_in_project && !is_source(entry.kind)) {
		entry.dev = st.st_dev;
		entry.ino = st.st_ino;
		if (entry.kind == MOUNT_HOLD)
			return plan_add_hold(run, plan, entry, st.st_mode, err);
		if (S_ISLNK(st.st_mode) && plan_add_link_target(run, plan, entry, err) < 0)
			return -err->code;
	}
	/* What lies elsewhere has no place in the store. */
	if (entry.kind == MOUNT_HOLD)
		entry.kind = MOUNT_PROTECT;
	return plan_add(plan, entry, err);
}

/* In a profile only '*' and '?' are special; glob(3) knows brackets and backslashes too. */
void plan_escape(const char *path, bool all, struct buf *out)
{
	for (; *path != '\0'; path++) {
		if (strchr(all ? "[\\*?" : "[\\", *path) != NULL)
			buf_adds(out, "\\");
		buf_add(out, path, 1);
	}
}

/* A cache may begin in the cell: what the host does not have is kept all the same. */
static int add_new_cache(const struct run_plan *run, struct mount_plan *plan,
	struct mount_entry entry, struct err *err)
{
	const char *path = entry.item->value;

	if (!plan_is_below(path, run->home) || plan_is_below(path, run->project) ||
		strpbrk(path, "*?") != NULL)
		return 0;
	entry.path = (char *)(size_t)path;
	entry.is_dir = entry.is_new = true;
	return plan_add(plan, entry, err);
}

static int add_pattern(const struct run_plan *run, struct mount_plan *plan,
	struct mount_entry entry, struct err *err)
{
	const char *pattern = entry.item->value;
	AUTO_BUF struct buf escaped = { 0 };
	glob_t found = { 0 };
	int r = 0;

	if (pattern[0] != '/' || strstr(pattern, "**") != NULL)
		return 0; /* a name rule: plan_walk_project() */
	if (strpbrk(pattern, "*?") == NULL) {
		entry.path = (char *)(size_t)pattern;
		if (entry.kind == MOUNT_CACHE && access(pattern, F_OK) < 0)
			return add_new_cache(run, plan, entry, err);
		if (entry.kind == MOUNT_EMPTY) {
			entry.is_dir = true; /* [agent] private: made where it is missing */
			return plan_add(plan, entry, err);
		}
		return add_existing(run, plan, entry, err);
	}
	plan_escape(pattern, false, &escaped);
	if (escaped.failed ||
		glob(escaped.data, GLOB_NOSORT | GLOB_PERIOD, NULL, &found) == GLOB_NOSPACE)
		r = err_set(err, ENOMEM, "glob %s", pattern);
	for (size_t i = 0; r == 0 && i < found.gl_pathc; i++) {
		if (str_ends(found.gl_pathv[i], "/.") || str_ends(found.gl_pathv[i], "/.."))
			continue;
		entry.path = found.gl_pathv[i];
		r = add_existing(run, plan, entry, err);
	}
	globfree(&found);
	return r;
}

/* Which key becomes which mount, and in whose view. */
static const struct plan_rule {
	enum policy_key key;
	enum mount_kind kind;
	bool agent_only, cell_only;
} plan_rules[] = {
	{ PK_FILES_READ, MOUNT_READ, false, true },
	{ PK_FILES_WRITE, MOUNT_WRITE, false, false },
	{ PK_FILES_CACHE, MOUNT_CACHE, false, true },
	{ PK_FILES_OVERLAY, MOUNT_OVERLAY, false, true },
	{ PK_FILES_HOLD, MOUNT_HOLD, false, false },
	{ PK_FILES_PROTECT, MOUNT_PROTECT, false, false },
	{ PK_FILES_REDACT, MOUNT_REDACT, false, false },
	{ PK_FILES_HIDE, MOUNT_HIDE, false, false },
	{ PK_AGENT_KEEP, MOUNT_WRITE, true, false },
	{ PK_AGENT_KEEP, MOUNT_HIDE, false, true },
	{ PK_AGENT_SHARE, MOUNT_WRITE, false, false },
	{ PK_AGENT_HIDE, MOUNT_HIDE, true, false },
	/* A mount of the cell's own at the same name: else a command could move what the agent's is on. */
	{ PK_AGENT_HIDE, MOUNT_PIN, false, true },
	{ PK_AGENT_PRIVATE, MOUNT_EMPTY, false, true },
};

static int add_rule(const struct run_plan *run, struct mount_plan *plan,
	const struct plan_rule *rule, struct plan_listing listings[LISTINGS], struct err *err)
{
	size_t n;
	const struct policy_item *items = policy_list(run->policy, rule->key, &n);

	for (size_t i = 0; i < n; i++) {
		struct mount_entry entry = { .kind = rule->kind,
			.item = &items[i],
			.form = rule->kind == MOUNT_REDACT ? redactform_of(items[i].value)
							   : REDACTFORM_NONE,
			.agent_only = rule->agent_only,
			.cell_only = rule->cell_only };

		int r = 0;

		if (may_exist(listings, items[i].value))
			r = add_pattern(run, plan, entry, err);
		else if (rule->kind == MOUNT_CACHE)
			r = add_new_cache(run, plan, entry, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* An agent in the cell has no view of its own, and what it keeps is not hidden from the cell. */
static bool has_view(const struct run_plan *run, const struct plan_rule *rule)
{
	if (rule->key == PK_AGENT_KEEP && run->mode == RUN_SHARED)
		return false;
	return !rule->agent_only || !run->is_run_verb;
}

static int add_rules(const struct run_plan *run, struct mount_plan *plan, struct err *err)
{
	struct plan_listing listings[LISTINGS];
	int r = 0;

	listings_init(listings, run);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(plan_rules); i++)
		if (has_view(run, &plan_rules[i]))
			r = add_rule(run, plan, &plan_rules[i], listings, err);
	listings_done(listings);
	return r;
}

/*
 * --mode shared: an agent is often installed in HOME, which is closed. Its package, its interpreter
 * and the directory with its name are shown, as far as they are not there anyway.
 */
static int add_program(const struct run_plan *run, struct mount_plan *plan, struct err *err)
{
	for (size_t i = 0; i < PLACE_PROGRAM_PATHS && plan->program_paths[i] != NULL; i++) {
		struct mount_entry entry = { .path = (char *)(size_t)plan->program_paths[i],
			.kind = MOUNT_READ,
			.cell_only = true };

		if (plan_is_below(entry.path, run->project))
			continue;
		if (add_existing(run, plan, entry, err) < 0)
			return -err->code;
	}
	return 0;
}

static int add_home(const struct run_plan *run, struct mount_plan *plan, struct err *err)
{
	const struct policy_item *home = policy_value(run->policy, PK_SANDBOX_HOME);
	struct mount_entry entry = { .path = (char *)(size_t)run->home,
		.is_dir = true,
		.item = home,
		.cell_only = true };

	entry.kind = strcmp(home->value, "open") == 0 ? MOUNT_READ : MOUNT_EMPTY;
	return plan_add(plan, entry, err);
}

/*
 * Our own directories, wherever the user keeps them, but where the project lies in one (cli/demo.c):
 * what was denied or would be, what other sessions left. No command reads or writes them by name. A
 * tool's run has its working directory in one.
 */
static int hide_own(const struct run_plan *run, struct mount_plan *plan, struct err *err)
{
	const bool is_tool = run->tool != NULL;
	const char *const own[] = { run->cache_dir, is_tool ? NULL : run->config_dir,
		is_tool ? NULL : run->state_dir, is_tool ? NULL : run->runtime_dir };

	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		struct mount_entry entry = { .path = (char *)(size_t)own[i], .kind = MOUNT_HIDE };

		if (own[i] != NULL && !plan_is_below(run->project, own[i]) &&
			(add_existing(run, plan, entry, err) < 0 || plan_pin_above(plan, own[i], err) < 0))
			return -err->code;
	}
	return 0;
}

/*
 * What the agent context has from the host's /tmp lies below the session's /tmp there, which the
 * cell can write: with a mount of its own at that name, the cell cannot move it (EBUSY) and put
 * something else in its place.
 */
static int pin_below_tmp(struct mount_plan *plan, const char *path, struct err *err)
{
	char first[PATH_MAX];
	struct mount_entry entry = { .path = first,
		.kind = MOUNT_EMPTY,
		.is_dir = true,
		.cell_only = true };
	size_t n;

	if (path == NULL || !str_starts(path, "/tmp/"))
		return 0;
	n = 5 + strcspn(path + 5, "/");
	if (path[n] == '\0' || n >= sizeof(first))
		return 0; /* mounted at that very name */
	memcpy(first, path, n);
	first[n] = '\0';
	return plan_add(plan, entry, err);
}

/* Byte order, but '/' before everything: a directory stands before what is in it. */
static int compare_paths(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	if (*a == *b)
		return 0;
	if (*a == '\0' || *b == '\0')
		return *a == '\0' ? -1 : 1;
	if (*a == '/' || *b == '/')
		return *a == '/' ? -1 : 1;
	return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
}

/* At one path the strictest comes last, on top of what it hides. */
static int compare_entries(const void *pa, const void *pb)
{
	static const int order[MOUNT_KIND_COUNT] = { [MOUNT_EMPTY] = 0,
		[MOUNT_WRITE] = 1,
		[MOUNT_PIN] = 2,
		[MOUNT_CACHE] = 3,
		[MOUNT_OVERLAY] = 4,
		[MOUNT_READ] = 5,
		[MOUNT_HOLD] = 6,
		[MOUNT_PROTECT] = 7,
		[MOUNT_HASHED] = 8,
		[MOUNT_POLICIES] = 9,
		[MOUNT_KEYSTORE] = 10,
		[MOUNT_ROOTS] = 11,
		[MOUNT_REDACT] = 12,
		[MOUNT_HIDE] = 13 };
	const struct mount_entry *a = pa, *b = pb;
	int c = compare_paths(a->path, b->path);

	return c != 0 ? c : order[a->kind] - order[b->kind];
}

/*
 * A path with two kinds in one view keeps the stricter, but for HIDE against an entry of the same
 * view that shows it on purpose: [agent] share below or at a kept path.
 */
/* Of two entries at one path the later is stricter; what it is mounted on may have to be there. */
static bool makes_needless(enum mount_kind later, enum mount_kind earlier)
{
	if (later == MOUNT_REDACT)
		return earlier == MOUNT_REDACT; /* without a secret in it the earlier one stands */
	return later == MOUNT_HIDE || later == earlier || is_source(later) || !is_source(earlier);
}

static void drop_doubles(struct mount_plan *plan)
{
	size_t out = 0;

	for (size_t i = 0; i < plan->n; i++) {
		struct mount_entry *e = &plan->entries[i];
		struct mount_entry *next = i + 1 < plan->n ? e + 1 : NULL;
		bool same_view = next != NULL && e->agent_only == next->agent_only &&
			e->cell_only == next->cell_only;

		if (!same_view || strcmp(e->path, next->path) != 0 ||
			!makes_needless(next->kind, e->kind))
			plan->entries[out++] = *e;
	}
	plan->n = out;
}

int plan_mounts(const struct run_plan *run, struct mount_plan *plan, struct err *err)
{
	plan->n = 0;
	plan->used_bytes = PLAN_ENTRIES_MAX * sizeof(struct mount_entry);
	if (add_home(run, plan, err) < 0 || add_rules(run, plan, err) < 0 ||
		hide_own(run, plan, err) < 0 || pin_below_tmp(plan, run->home, err) < 0 ||
		pin_below_tmp(plan, run->project, err) < 0 ||
		pin_below_tmp(plan, plan->agent_root, err) < 0 || add_program(run, plan, err) < 0 ||
		plan_add_sockets(run, plan, err) < 0 || plan_add_trust(run, plan, err) < 0 ||
		(geteuid() == 0 && plan_add_root_files(plan, err) < 0) ||
		plan_add_gitdir(run, plan, err) < 0 || plan_add_own_gitnames(run, plan, err) < 0 ||
		plan_walk_project(run, plan, err) < 0 || plan_pin_git(plan, err) < 0)
		return -err->code;
	qsort(plan->entries, plan->n, sizeof(plan->entries[0]), compare_entries);
	drop_doubles(plan);
	return 0;
}
