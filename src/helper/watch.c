/*
 * Runs in the warden while the plan is made, then in the helper, which was forked with the table.
 * Hostile: names and depth of the project's tree; the number of entries is bounded.
 */
#include "helper/watch.h"

#include "base/cleanup.h"
#include "helper/files.h"
#include "policy/namerules.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

/* Rationale: some 100 bytes each; a tree beyond it is refused at the start. */
#define NODES_MAX (4 << 20)
/* Rationale: more names than a mount namespace takes mounts (fs.mount-max); 32 bytes each. */
#define HIDDEN_MAX (128u << 10)
#define WANTED_EVENTS (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_ONLYDIR | IN_EXCL_UNLINK)
/* Rationale: file times move with the kernel's tick, at least every 10 ms; git waits longer, too. */
#define RACY_NS 20000000
#define PATH_DEPTH_MAX 256
#define NO_WATCH (-1)

struct node {
	char *name; /* NULL: free */
	int parent; /* -1: the project, or lost */
	uint32_t stamp, parent_stamp; /* of use: a number that was given to another is no parent */
	int wd;
	int next; /* in its bucket; in the list of free ones */
	struct timespec changed; /* ctime: nobody sets it back */
	bool is_racy, is_closed, is_root, in_package;
};

/* Memory of warden and helper both. */
struct shared {
	atomic_uint busy;
	atomic_size_t n_unwatched;
};

struct watch {
	int fd;
	size_t budget, n_watched;
	struct node *nodes;
	size_t n, cap;
	int free; /* first free one, -1 */
	uint32_t stamp;
	int *buckets; /* of watch descriptors */
	size_t n_buckets; /* a power of two */
	struct watch_inode *hidden; /* open addressing; ino 0 is free */
	size_t n_hidden, hidden_cap;
	struct files files;
	struct shared *shared;
};

/* Half of what the user may have: the other half is for editors. */
static size_t budget(void)
{
	AUTO_CLOSE int fd = open("/proc/sys/fs/inotify/max_user_watches", O_RDONLY | O_CLOEXEC);
	char text[32] = { 0 };

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return 0;
	return strtoul(text, NULL, 10) / 2;
}

struct watch *watch_new(struct err *err)
{
	struct watch *w = calloc(1, sizeof(*w));
	void *shared = mmap(NULL, sizeof(*w->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		-1, 0);

	if (w == NULL || shared == MAP_FAILED) {
		free(w);
		(void)err_set(err, ENOMEM, "watch");
		return NULL;
	}
	w->shared = shared;
	w->free = -1;
	/* Without an instance (fs.inotify.max_user_instances) all is compared by times. */
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	w->budget = w->fd < 0 ? 0 : budget();
	return w;
}

void watch_free(struct watch *w)
{
	if (w == NULL)
		return;
	for (size_t i = 0; i < w->n; i++)
		free(w->nodes[i].name);
	free(w->nodes);
	free(w->buckets);
	free(w->hidden);
	files_done(&w->files);
	cleanup_close(&w->fd);
	(void)munmap(w->shared, sizeof(*w->shared));
	free(w);
}

/* ---- nodes ---- */

static size_t bucket_of(const struct watch *w, uint32_t key)
{
	return (size_t)(key * 2654435761u >> 7) & (w->n_buckets - 1);
}

/* Without a watch: of its place. */
static uint32_t place_key(uint32_t parent_stamp, const char *name)
{
	uint32_t key = parent_stamp;

	while (*name != '\0')
		key = key * 31 + (unsigned char)*name++;
	return key;
}

static uint32_t key_of(const struct node *n)
{
	return n->wd != NO_WATCH ? (uint32_t)n->wd : place_key(n->parent_stamp, n->name);
}

static void put_in_bucket(struct watch *w, int i)
{
	size_t b = bucket_of(w, key_of(&w->nodes[i]));

	w->nodes[i].next = w->buckets[b];
	w->buckets[b] = i;
}

static int grow(struct watch *w)
{
	size_t cap = w->cap == 0 ? 64 : 2 * w->cap;
	struct node *nodes = cap <= NODES_MAX ? realloc(w->nodes, cap * sizeof(*nodes)) : NULL;
	int *buckets;

	if (nodes == NULL)
		return -ENOMEM;
	w->nodes = nodes;
	buckets = realloc(w->buckets, cap * sizeof(*buckets));
	if (buckets == NULL)
		return -ENOMEM;
	w->buckets = buckets;
	w->n_buckets = w->cap = cap;
	for (size_t i = 0; i < cap; i++)
		buckets[i] = -1;
	for (size_t i = 0; i < w->n; i++)
		if (nodes[i].name != NULL)
			put_in_bucket(w, (int)i);
	return 0;
}

int watch_find(const struct watch *w, int wd)
{
	int i = w->n_buckets == 0 ? -1 : w->buckets[bucket_of(w, (uint32_t)wd)];

	while (i >= 0 && w->nodes[i].wd != wd)
		i = w->nodes[i].next;
	return i;
}

static int find_unwatched(const struct watch *w, uint32_t parent_stamp, const char *name)
{
	int i = w->shared->n_unwatched == 0 ? -1 : w->buckets[bucket_of(w, place_key(parent_stamp, name))];

	while (i >= 0 && (w->nodes[i].wd != NO_WATCH || w->nodes[i].parent_stamp != parent_stamp ||
				 strcmp(w->nodes[i].name, name) != 0))
		i = w->nodes[i].next;
	return i;
}

static void forget(struct watch *w, int i)
{
	struct node *n = &w->nodes[i];
	int *at = &w->buckets[bucket_of(w, key_of(n))];

	while (*at != i)
		at = &w->nodes[*at].next;
	*at = n->next;
	if (n->wd != NO_WATCH)
		w->n_watched--;
	else
		w->shared->n_unwatched--;
	free(n->name);
	*n = (struct node){ .next = w->free };
	w->free = i;
}

static int new_node(struct watch *w, const struct node *node)
{
	int i = w->free;

	if (i < 0) {
		if (w->n == w->cap && grow(w) < 0)
			return -ENOMEM;
		i = (int)w->n++;
	} else {
		w->free = w->nodes[i].next;
	}
	w->nodes[i] = *node;
	w->nodes[i].stamp = ++w->stamp;
	if (node->wd == NO_WATCH)
		w->shared->n_unwatched++;
	else
		w->n_watched++;
	put_in_bucket(w, i);
	return i;
}

static int find_child(const struct watch *w, int parent, const char *name)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct node *n = &w->nodes[i];

		if (n->name != NULL && n->parent == parent && !n->is_root &&
			n->parent_stamp == w->nodes[parent].stamp && strcmp(n->name, name) == 0)
			return (int)i;
	}
	return -1;
}

static void note_time(struct node *n, const struct stat *st)
{
	struct timespec now;
	int64_t age;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	age = (int64_t)(now.tv_sec - st->st_ctim.tv_sec) * 1000000000 + now.tv_nsec -
		st->st_ctim.tv_nsec;
	n->changed = st->st_ctim;
	n->is_racy = age < RACY_NS;
}

/* The watch of the directory fd, or NO_WATCH where there is none to have. */
static int add_watch(struct watch *w, int fd, bool in_package)
{
	size_t limit = in_package ? w->budget - w->budget / 4 : w->budget;
	int wd;

	if (w->n_watched >= limit || fchdir(fd) < 0)
		return NO_WATCH;
	wd = inotify_add_watch(w->fd, ".", WANTED_EVENTS);
	return wd < 0 ? NO_WATCH : wd;
}

/* Takes node->name. */
static int place_node(struct watch *w, struct node *node)
{
	int i = find_unwatched(w, node->parent_stamp, node->name);

	/* It has a watch now. */
	if (i >= 0 && node->wd != NO_WATCH)
		forget(w, i);
	if (node->wd != NO_WATCH)
		i = watch_find(w, node->wd);
	if (i < 0)
		return new_node(w, node);
	node->next = w->nodes[i].next;
	node->stamp = w->nodes[i].stamp;
	free(w->nodes[i].name);
	w->nodes[i] = *node;
	return i;
}

int watch_dir(struct watch *w, int fd, int parent, const char *name)
{
	struct node node = { .parent = parent, .name = strdup(name), .is_root = parent < 0 };
	struct stat st;
	int i;

	if (node.name == NULL)
		return -ENOMEM;
	if (parent >= 0) {
		node.parent_stamp = w->nodes[parent].stamp;
		node.in_package = w->nodes[parent].in_package || namerules_is_package(name);
	}
	node.wd = add_watch(w, fd, node.in_package);
	if (node.wd == NO_WATCH && fstat(fd, &st) == 0)
		note_time(&node, &st);
	i = place_node(w, &node);
	if (i < 0)
		free(node.name);
	return i;
}

int watch_closed(struct watch *w, int parent, const char *name)
{
	struct node node = { .parent = parent,
		.parent_stamp = w->nodes[parent].stamp,
		.wd = NO_WATCH,
		.name = strdup(name),
		.is_racy = true,
		.is_closed = true };
	int i = node.name != NULL ? place_node(w, &node) : -ENOMEM;

	if (i < 0)
		free(node.name);
	return i;
}

bool watch_is_closed(const struct watch *w, int node)
{
	return w->nodes[node].is_closed;
}

int watch_parent(const struct watch *w, int node)
{
	return w->nodes[node].parent;
}

bool watch_path(const struct watch *w, int node, struct buf *out)
{
	int chain[PATH_DEPTH_MAX];
	size_t depth = 0;

	for (int i = node; !w->nodes[i].is_root; i = w->nodes[i].parent) {
		const struct node *n = &w->nodes[i];

		if (n->name == NULL || n->parent < 0 || depth == PATH_DEPTH_MAX ||
			w->nodes[n->parent].stamp != n->parent_stamp)
			return false;
		chain[depth++] = i;
	}
	while (depth > 0) {
		buf_adds(out, w->nodes[chain[--depth]].name);
		if (depth > 0)
			buf_adds(out, "/");
	}
	return !out->failed;
}

void watch_lose(struct watch *w, int parent, const char *name)
{
	int i = find_child(w, parent, name);

	if (i >= 0)
		w->nodes[i].parent = -1;
}

void watch_gone(struct watch *w, int wd)
{
	int i = watch_find(w, wd);

	if (i >= 0)
		forget(w, i);
}

void watch_drop(struct watch *w, int node)
{
	if (w->nodes[node].wd != NO_WATCH)
		(void)inotify_rm_watch(w->fd, w->nodes[node].wd);
	forget(w, node);
}

struct files *watch_files(struct watch *w)
{
	return &w->files;
}

int watch_inotify(const struct watch *w)
{
	return w->fd;
}

size_t watch_count(const struct watch *w)
{
	return w->n_watched;
}

size_t watch_unwatched(const struct watch *w)
{
	return w->shared->n_unwatched;
}

int watch_next_unwatched(const struct watch *w, size_t *at)
{
	while (w->shared->n_unwatched > 0 && *at < w->n) {
		size_t i = (*at)++;

		if (w->nodes[i].name != NULL && w->nodes[i].wd == NO_WATCH)
			return (int)i;
	}
	return -1;
}

bool watch_is_stale(const struct watch *w, int node, const struct stat *now)
{
	const struct node *n = &w->nodes[node];

	return n->is_racy || n->changed.tv_sec != now->st_ctim.tv_sec ||
		n->changed.tv_nsec != now->st_ctim.tv_nsec;
}

int watch_seen(struct watch *w, int node, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	note_time(&w->nodes[node], &st);
	return 0;
}

bool watch_is_known(const struct watch *w, int parent, const char *name)
{
	return find_unwatched(w, w->nodes[parent].stamp, name) >= 0;
}

/* ---- hidden files ---- */

bool watch_stat(int dir, const char *name, struct watch_inode *ret, bool *ret_is_dir)
{
	struct statx x;

	if (statx(dir, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH, STATX_TYPE | STATX_INO | STATX_BTIME,
		    &x) < 0)
		return false;
	if (ret_is_dir != NULL)
		*ret_is_dir = S_ISDIR(x.stx_mode);
	*ret = (struct watch_inode){ .dev = makedev(x.stx_dev_major, x.stx_dev_minor), .ino = x.stx_ino };
	if ((x.stx_mask & STATX_BTIME) != 0) {
		ret->born_s = x.stx_btime.tv_sec;
		ret->born_ns = x.stx_btime.tv_nsec;
	}
	return S_ISREG(x.stx_mode) || S_ISDIR(x.stx_mode);
}

static bool is_same(const struct watch_inode *a, const struct watch_inode *b)
{
	return a->ino == b->ino && a->dev == b->dev && a->born_s == b->born_s &&
		a->born_ns == b->born_ns;
}

static size_t home_of(uint64_t ino, size_t cap)
{
	return (size_t)(ino * 0x9e3779b97f4a7c15ull >> 20) & (cap - 1);
}

static struct watch_inode *slot_of(struct watch_inode *table, size_t cap, const struct watch_inode *key)
{
	size_t at = home_of(key->ino, cap);

	while (table[at].ino != 0 && !is_same(&table[at], key))
		at = (at + 1) & (cap - 1);
	return &table[at];
}

static bool grow_hidden(struct watch *w)
{
	size_t cap = w->hidden_cap == 0 ? 64 : 2 * w->hidden_cap;
	struct watch_inode *table = cap <= 2 * HIDDEN_MAX ? calloc(cap, sizeof(*table)) : NULL;

	if (table == NULL)
		return false;
	for (size_t i = 0; i < w->hidden_cap; i++)
		if (w->hidden[i].ino != 0)
			*slot_of(table, cap, &w->hidden[i]) = w->hidden[i];
	free(w->hidden);
	w->hidden = table;
	w->hidden_cap = cap;
	return true;
}

bool watch_hide(struct watch *w, int dir, const char *name)
{
	struct watch_inode inode, *slot;

	if (!watch_stat(dir, name, &inode, NULL))
		return true;
	if (2 * w->n_hidden >= w->hidden_cap && !grow_hidden(w))
		return false;
	slot = slot_of(w->hidden, w->hidden_cap, &inode);
	w->n_hidden += slot->ino == 0;
	*slot = inode;
	return true;
}

/* The place stays taken, by a time that nothing is born at: others were put behind it. */
void watch_unhide(struct watch *w, int dir, const char *name)
{
	struct watch_inode inode, *slot;

	if (w->n_hidden == 0 || !watch_stat(dir, name, &inode, NULL))
		return;
	slot = slot_of(w->hidden, w->hidden_cap, &inode);
	if (slot->ino != 0)
		slot->born_ns = UINT32_MAX;
}

bool watch_may_be_hidden(const struct watch *w, uint64_t ino)
{
	size_t at = w->n_hidden > 0 ? home_of(ino, w->hidden_cap) : 0;

	while (w->n_hidden > 0 && w->hidden[at].ino != 0) {
		if (w->hidden[at].ino == ino)
			return true;
		at = (at + 1) & (w->hidden_cap - 1);
	}
	return false;
}

bool watch_is_hidden(const struct watch *w, const struct watch_inode *inode)
{
	return w->n_hidden > 0 && slot_of(w->hidden, w->hidden_cap, inode)->ino != 0;
}

/* ---- what warden and helper share ---- */

bool watch_is_idle(const struct watch *w)
{
	struct pollfd queue = { .fd = w->fd, .events = POLLIN };

	/* In this order: the mark is set before the queue is read. */
	return w->shared->n_unwatched == 0 && poll(&queue, 1, 0) == 0 && atomic_load(&w->shared->busy) == 0;
}

void watch_begin_work(struct watch *w)
{
	atomic_store(&w->shared->busy, 1);
}

void watch_end_work(struct watch *w)
{
	atomic_store(&w->shared->busy, 0);
}
