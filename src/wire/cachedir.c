/*
 * Runs in the warden, the cell's first process and `agentjail cache`, with the user's own rights.
 * Hostile: what commands wrote below CACHE-NAME/upper; no name above that is theirs to change.
 */
#include "wire/cachedir.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/sha256.h"
#include "wire/privatedir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Rationale: of a cache's own name; the rest of CACHEDIR_NAME_BYTES is '-' and the hash. */
#define READABLE_BYTES 32

static void hash_of(const char *text, char out[SHA256_HEX_BYTES])
{
	unsigned char digest[SHA256_BYTES];
	struct sha256 s;

	sha256_init(&s);
	sha256_add(&s, text, strlen(text));
	sha256_final(&s, digest);
	sha256_hex(digest, out);
}

void cachedir_key(const char *project, char out[CACHEDIR_KEY_BYTES])
{
	char hex[SHA256_HEX_BYTES];

	hash_of(project, hex);
	memcpy(out, hex, CACHEDIR_KEY_BYTES - 1);
	out[CACHEDIR_KEY_BYTES - 1] = '\0';
}

bool cachedir_is_key(const char *name)
{
	return strlen(name) == CACHEDIR_KEY_BYTES - 1 &&
		strspn(name, "0123456789abcdef") == CACHEDIR_KEY_BYTES - 1;
}

void cachedir_name(const char *path, char out[CACHEDIR_NAME_BYTES])
{
	const char *slash = strrchr(path, '/');
	char hex[SHA256_HEX_BYTES];

	hash_of(path, hex);
	(void)snprintf(out, CACHEDIR_NAME_BYTES, "%.*s-%.16s", READABLE_BYTES,
		slash != NULL ? slash + 1 : path, hex);
}

static int take_lock(int dir, int flags, int *ret_lock, struct err *err)
{
	AUTO_CLOSE int lock =
		openat(dir, CACHEDIR_LOCK, flags | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat st;

	if (lock < 0)
		return err_set(err, errno, "open " CACHEDIR_LOCK);
	if (flock(lock, LOCK_EX | LOCK_NB) < 0 || fstat(lock, &st) < 0)
		return err_set(err, errno, "lock");
	/* Removed between the two: as if it were still being removed. */
	if (st.st_nlink == 0)
		return err_set(err, EWOULDBLOCK, "lock");
	*ret_lock = take_fd(&lock);
	return 0;
}

int cachedir_lock(int dir, int *ret_lock, struct err *err)
{
	return take_lock(dir, 0, ret_lock, err);
}

/*
 * The file's text says which project it is, its time when it was last used. It is written once:
 * a file that was cut off and written again goes to the disk when it is closed (ext4(5), auto_da_alloc).
 */
static int mark(int lock, const char *project, struct err *err)
{
	AUTO_BUF struct buf text = { 0 };
	size_t n = strlen(project);

	if (buf_read_fd(&text, lock, n + 1) < 0 || text.len != n || memcmp(text.data, project, n) != 0) {
		if (ftruncate(lock, 0) < 0 || pwrite(lock, project, n, 0) != (ssize_t)n)
			return err_set(err, errno, "write " CACHEDIR_LOCK);
	}
	if (futimens(lock, NULL) < 0)
		return err_set(err, errno, "write " CACHEDIR_LOCK);
	return 0;
}

int cachedir_take(const char *cache_dir, const char *project, int *ret_dir, int *ret_lock,
	struct err *err)
{
	AUTO_CLOSE int base = -1, dir = -1, lock = -1;
	char key[CACHEDIR_KEY_BYTES];

	cachedir_key(project, key);
	if (privatedir_open(cache_dir, true, &base, err) < 0 ||
		privatedir_child(base, key, true, &dir, err) < 0 ||
		take_lock(dir, O_CREAT, &lock, err) < 0 || mark(lock, project, err) < 0)
		return -err->code;
	*ret_dir = take_fd(&dir);
	*ret_lock = take_fd(&lock);
	return 0;
}
