/*
 * Reads files alone. Runs in the warden while a plan is made, and in the cell's helper. Hostile: the
 * repository, all of it; so nothing is followed out of the view, and all that is read has a bound.
 */
#include "policy/tracked.h"

#include "base/cleanup.h"
#include "base/sha1.h"
#include "base/sha256.h"
#include "base/sys.h"
#include "policy/trackedindex.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Rationale: files of variables and keys have some kilobytes; what is larger stays hidden. */
#define CONTENT_MAX (1u << 20)
/* Rationale: half a million files; git itself is slow beyond that, and such a project has none shown. */
#define INDEX_MAX (64u << 20)
/* Rationale: a path and a keyword; git itself refuses larger ones. */
#define GITFILE_MAX 8192u
/* Rationale: git packs anew at 50; a repository with more has its files hidden. */
#define PACKS_MAX 256u
/* Rationale: of the names that begin with one byte; a pack of 100 million objects. */
#define BUCKET_MAX (400u << 10)
#define CHUNK_BYTES (64u << 10)
#define HASH_MAX SHA256_BYTES

#define RESOLVE_VIEW (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)

struct repository {
	int gitdir, objects; /* O_PATH */
	size_t below; /* where in the path the part below the work tree begins */
};

static int open_view(int root, const char *path, uint64_t flags)
{
	while (*path == '/')
		path++;
	return sys_openat2(root, *path != '\0' ? path : ".", flags | O_CLOEXEC, RESOLVE_VIEW);
}

/* A regular file's bytes, or false. */
static bool read_file(int dir, const char *name, size_t max, struct buf *out)
{
	AUTO_CLOSE int fd = sys_openat2(dir, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC,
		RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS);
	struct stat st;

	out->len = 0;
	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size <= max &&
		buf_read_fd(out, fd, max) == 0;
}

/* ---- which repository ---- */

/* The path that a file names, behind a keyword, from dir on. */
static bool read_pointer(int at, const char *name, const char *keyword, struct buf *dir)
{
	AUTO_BUF struct buf text = { 0 };
	size_t skip = strlen(keyword);
	const char *line;

	if (!read_file(at, name, GITFILE_MAX, &text) || text.len == 0 || !str_starts(text.data, keyword))
		return false;
	line = text.data + skip;
	text.data[skip + strcspn(line, "\r\n")] = '\0';
	if (line[0] == '\0')
		return false;
	if (line[0] == '/')
		dir->len = 0;
	else
		buf_adds(dir, "/");
	buf_adds(dir, line);
	return !dir->failed;
}

/* gitdir: the path of a git directory; the objects may be another's (a linked worktree's). */
static bool open_repository(int root, struct buf *gitdir, struct repository *ret)
{
	ret->gitdir = open_view(root, gitdir->data, O_PATH | O_DIRECTORY);
	if (ret->gitdir < 0)
		return false;
	(void)read_pointer(ret->gitdir, "commondir", "", gitdir);
	buf_adds(gitdir, "/objects");
	ret->objects = gitdir->failed ? -1 : open_view(root, gitdir->data, O_PATH | O_DIRECTORY);
	return ret->objects >= 0;
}

/* The nearest directory with a .git, from the file's own up to the project. */
static bool find_repository(const struct tracked_question *q, struct repository *ret)
{
	AUTO_BUF struct buf path = { 0 };
	const char *slash = strrchr(q->path, '/');
	size_t n = slash != NULL ? (size_t)(slash - q->path) : 0;

	for (;;) {
		AUTO_CLOSE int git = -1, dir = -1;
		size_t len;
		struct stat st;

		path.len = 0;
		buf_addf(&path, "%s/%.*s", q->project, (int)n, q->path);
		len = path.len;
		buf_adds(&path, "/.git");
		if (path.failed)
			return false;
		git = open_view(q->root, path.data, O_PATH | O_NOFOLLOW);
		ret->below = n > 0 ? n + 1 : 0;
		if (git >= 0 && fstat(git, &st) == 0 && S_ISDIR(st.st_mode))
			return open_repository(q->root, &path, ret);
		if (git >= 0) {
			path.data[path.len = len] = '\0';
			dir = open_view(q->root, path.data, O_PATH | O_DIRECTORY);
			return dir >= 0 && read_pointer(dir, ".git", "gitdir: ", &path) &&
				open_repository(q->root, &path, ret);
		}
		if (n == 0)
			return false;
		while (n > 0 && q->path[n - 1] != '/')
			n--;
		n -= n > 0;
	}
}

/* ---- the index ---- */

static struct trackedindex_answer ask_index(struct tracked_cache *cache, int gitdir, const char *path)
{
	struct stat st;

	if (fstatat(gitdir, "index", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return (struct trackedindex_answer){ false, 0 };
	if (cache->index.len == 0 || st.st_dev != cache->dev || st.st_ino != cache->ino ||
		st.st_ctim.tv_sec != cache->changed.tv_sec || st.st_ctim.tv_nsec != cache->changed.tv_nsec) {
		if (!read_file(gitdir, "index", INDEX_MAX, &cache->index))
			cache->index.len = 0;
		cache->dev = st.st_dev;
		cache->ino = st.st_ino;
		cache->changed = st.st_ctim;
	}
	return trackedindex_find(cache->index.data, cache->index.len, path);
}

/* git writes files first and the index last; meanwhile this says that it is at work. */
static bool is_git_at_work(int gitdir)
{
	struct stat st;

	return fstatat(gitdir, "index.lock", &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- the objects ---- */

/* What git hashes, for the hash that the repository has. */
struct hash {
	size_t bytes;
	struct sha1 one;
	struct sha256 two;
};

static void add_hash(struct hash *h, const void *bytes, size_t n)
{
	if (h->bytes == SHA1_BYTES)
		sha1_add(&h->one, bytes, n);
	else
		sha256_add(&h->two, bytes, n);
}

/*
 * The name of a file's content as an object, piece by piece: no more of it is in memory. False: it is
 * too large, or was written meanwhile.
 */
static bool name_object(int file, size_t size, struct hash *h, unsigned char name[HASH_MAX])
{
	unsigned char piece[4096];
	size_t at = 0;
	ssize_t n;

	sha1_init(&h->one);
	sha256_init(&h->two);
	add_hash(h, piece, (size_t)snprintf((char *)piece, 32, "blob %zu", size) + 1);
	while ((n = pread(file, piece, sizeof(piece), (off_t)at)) > 0 && at <= size) {
		add_hash(h, piece, (size_t)n);
		at += (size_t)n;
	}
	explicit_bzero(piece, sizeof(piece));
	if (h->bytes == SHA1_BYTES)
		sha1_final(&h->one, name);
	else
		sha256_final(&h->two, name);
	explicit_bzero(&h->one, sizeof(h->one));
	explicit_bzero(&h->two, sizeof(h->two));
	return at == size;
}

static bool is_loose(int objects, const unsigned char *name, size_t hash_bytes)
{
	char path[2 * HASH_MAX + 2], *out = path;
	AUTO_CLOSE int fd = -1;
	struct stat st;

	for (size_t i = 0; i < hash_bytes; i++)
		out += snprintf(out, 4, i == 1 ? "/%02x" : "%02x", name[i]);
	/* As a path alone: opening it would tell who watches the directory that it was looked for. */
	fd = sys_openat2(objects, path, O_PATH | O_NOFOLLOW | O_CLOEXEC,
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0;
}

static uint32_t number(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/*
 * gitformat-pack(5), version 2: a table of how many names begin with at most each byte, then the
 * names. All with the same first byte are read, so that no more of the name shows from outside.
 */
static bool is_in_pack(int fd, const unsigned char *name, size_t hash_bytes)
{
	unsigned char head[8 + 256 * 4], chunk[CHUNK_BYTES];
	uint32_t from, to;
	bool found = false;

	if (pread(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
		memcmp(head, "\377tOc\0\0\0\2", 8) != 0)
		return false;
	from = name[0] == 0 ? 0 : number(head + 8 + 4 * (name[0] - 1u));
	to = number(head + 8 + 4u * name[0]);
	if (to < from || to - from > BUCKET_MAX)
		return false;
	while (from < to) {
		size_t want = sizeof(chunk) / hash_bytes;

		if (want > to - from)
			want = to - from;
		if (pread(fd, chunk, want * hash_bytes, (off_t)(sizeof(head) + from * hash_bytes)) !=
			(ssize_t)(want * hash_bytes))
			return false;
		for (size_t i = 0; i < want; i++)
			found |= memcmp(chunk + i * hash_bytes, name, hash_bytes) == 0;
		from += (uint32_t)want;
	}
	return found;
}

static bool is_packed(int objects, const unsigned char *name, size_t hash_bytes)
{
	_Alignas(struct dirent) char names[4096];
	AUTO_CLOSE int dir = sys_openat2(objects, "pack", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	unsigned packs = 0;
	bool found = false;
	ssize_t n;

	while (dir >= 0 && !found && (n = getdents64(dir, names, sizeof(names))) > 0)
		for (ssize_t at = 0; at < n && !found;) {
			const struct dirent *e = (const void *)(names + at);
			AUTO_CLOSE int fd = -1;
			struct stat st;

			at += e->d_reclen;
			if (!str_ends(e->d_name, ".idx") || packs++ >= PACKS_MAX)
				continue;
			fd = sys_openat2(dir, e->d_name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC,
				RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
			found = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
				is_in_pack(fd, name, hash_bytes);
		}
	return found;
}

/* An empty file tells nothing: what is written into it has an event of its own. */
static bool has_content(int objects, int file, size_t hash_bytes)
{
	struct hash hash = { .bytes = hash_bytes };
	unsigned char name[HASH_MAX];
	struct stat st;

	if (fstat(file, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size > CONTENT_MAX)
		return false;
	if (st.st_size == 0)
		return true;
	return name_object(file, (size_t)st.st_size, &hash, name) &&
		(is_loose(objects, name, hash_bytes) || is_packed(objects, name, hash_bytes));
}

enum tracked tracked_judge(struct tracked_cache *cache, const struct tracked_question *q)
{
	struct repository repository = { .gitdir = -1, .objects = -1 };
	struct trackedindex_answer index = { false, 0 };
	enum tracked answer = TRACKED_NO;

	if (find_repository(q, &repository)) {
		index = ask_index(cache, repository.gitdir, q->path + repository.below);
		if (index.is_named)
			answer = TRACKED_CHANGED;
		if ((index.is_named || is_git_at_work(repository.gitdir)) &&
			has_content(repository.objects, q->file,
				index.hash_bytes != 0 ? index.hash_bytes : SHA1_BYTES))
			answer = TRACKED_SAME;
	}
	cleanup_close(&repository.gitdir);
	cleanup_close(&repository.objects);
	return answer;
}

bool tracked_is_named(struct tracked_cache *cache, const struct tracked_question *q, bool is_dir)
{
	struct repository repository = { .gitdir = -1, .objects = -1 };
	AUTO_BUF struct buf name = { 0 };
	bool is_named = false;

	if (find_repository(q, &repository)) {
		buf_addf(&name, "%s%s", q->path + repository.below, is_dir ? "/" : "");
		is_named = !name.failed && ask_index(cache, repository.gitdir, name.data).is_named;
	}
	cleanup_close(&repository.gitdir);
	cleanup_close(&repository.objects);
	return is_named;
}

void tracked_done(struct tracked_cache *cache)
{
	buf_done(&cache->index);
}
