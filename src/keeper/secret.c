/*
 * The memory that holds values. Runs in a keeper, at its start. The values are the user's own: not
 * hostile, but often badly pasted.
 */
#include "keeper/secret.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

/* Rationale: a token and its tables; less than the 64 KiB of an old RLIMIT_MEMLOCK. */
#define REGION_BYTES (48u << 10)

static void *map_secretmem(size_t bytes)
{
	AUTO_CLOSE int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
	void *at;

	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
		return NULL;
	at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return at != MAP_FAILED ? at : NULL;
}

static void *map_locked(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return NULL;
	if (mlock(at, bytes) < 0 || madvise(at, bytes, MADV_DONTDUMP) < 0 ||
		madvise(at, bytes, MADV_WIPEONFORK) < 0) {
		(void)munmap(at, bytes);
		return NULL;
	}
	return at;
}

/* A region with at least n bytes, which becomes the current one. */
static struct secret_region *add_region(struct secret_store *store, size_t n)
{
	const size_t page = 4096;
	struct secret_region region = { .bytes = n > REGION_BYTES ? (n + page - 1) / page * page
								  : REGION_BYTES };

	if (store->n_regions == SECRET_REGIONS_MAX || n > SIZE_MAX - page)
		return NULL;
	region.at = store->is_secretmem ? map_secretmem(region.bytes) : map_locked(region.bytes);
	if (region.at == NULL)
		return NULL;
	store->regions[store->n_regions] = region;
	return &store->regions[store->n_regions++];
}

int secret_open(struct secret_store *store, struct err *err)
{
	*store = (struct secret_store){ .is_secretmem = true };
	if (add_region(store, 0) != NULL)
		return 0;
	store->is_secretmem = false;
	if (add_region(store, 0) != NULL)
		return 0;
	return err_set(err, 0, "no memory that can be locked; raise `ulimit -l` to 64 at least");
}

void secret_done(struct secret_store *store)
{
	for (size_t i = 0; i < store->n_regions; i++) {
		explicit_bzero(store->regions[i].at, store->regions[i].bytes);
		(void)munmap(store->regions[i].at, store->regions[i].bytes);
	}
	*store = (struct secret_store){ .n_regions = 0 };
}

/* The current region, or a new one, with room for n bytes. */
static struct secret_region *find_room(struct secret_store *store, size_t n)
{
	struct secret_region *last = &store->regions[store->n_regions - 1];

	return n <= last->bytes - last->used ? last : add_region(store, n);
}

char *secret_take(struct secret_store *store, size_t n)
{
	const size_t align = _Alignof(max_align_t);
	size_t rounded = (n + align - 1) / align * align;
	struct secret_region *region = rounded >= n ? find_room(store, rounded) : NULL;
	char *at;

	if (region == NULL)
		return NULL;
	at = region->at + region->used;
	region->used += rounded;
	return at;
}

static bool is_pem(enum keepmsg_slot slot)
{
	return slot == KEEPMSG_SLOT_CERT || slot == KEEPMSG_SLOT_KEY;
}

static const char *why_refused(enum keepmsg_slot slot, const char *at, size_t n)
{
	if (n == 0)
		return "is empty";
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)at[i];
		bool is_layout = c == '\n' || c == '\r' || c == '\t';

		if (c == 0x7f || (c < 0x20 && !(is_pem(slot) && is_layout)))
			return c == '\n' || c == '\r' ? "has more than one line"
						      : "has a control byte in it";
	}
	return NULL;
}

static const char *const slot_names[] = { "secret", "client-cert", "client-key", "key-id",
	"session-token" };
_Static_assert(ARRAY_LEN(slot_names) == KEEPMSG_SLOT_COUNT, "a name for each slot");

/* Up to max bytes; the number, or -errno. */
static ssize_t read_pipe(int fd, char *at, size_t max)
{
	size_t n = 0;

	while (n < max) {
		ssize_t got = read(fd, at + n, max - n);

		if (got == 0)
			break;
		if (got < 0 && errno != EINTR)
			return -errno;
		n += got > 0 ? (size_t)got : 0;
	}
	return (ssize_t)n;
}

int secret_read(struct secret_store *store, enum keepmsg_slot slot, int fd, struct err *err)
{
	const size_t max = KEEPMSG_SECRET_MAX + 2; /* with the newline that goes, and one too many */
	struct secret_region *region = find_room(store, max + 1);
	const char *why;
	ssize_t n;
	char *at;

	if (region == NULL)
		return err_set(err, ENOMEM, "locked memory for %s", slot_names[slot]);
	at = region->at + region->used;
	n = read_pipe(fd, at, max);
	if (n < 0)
		return err_set(err, (int)-n, "read %s", slot_names[slot]);
	why = (size_t)n == max ? "is too long" : NULL;
	if (n > 0 && at[n - 1] == '\n' && !is_pem(slot))
		n--;
	if (why == NULL)
		why = n > KEEPMSG_SECRET_MAX ? "is too long" : why_refused(slot, at, (size_t)n);
	if (why != NULL) {
		explicit_bzero(at, max);
		return err_set(err, 0, "%s %s", slot_names[slot], why);
	}
	at[n] = '\0';
	store->values[slot] = (struct keepmsg_text){ at, (size_t)n };
	(void)secret_take(store, (size_t)n + 1);
	return 0;
}
