/* Pure. Hostile: every byte of the index. */
#include "policy/trackedindex.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>

/* Times, numbers, modes and size of a file: gitformat-index(5), "Index entry". */
#define STAT_BYTES 40u
#define FLAG_EXTENDED 0x4000u
#define FLAG_NAME 0x0fffu

struct reader {
	const unsigned char *at, *end;
	size_t hash_bytes;
	uint32_t version;
	const char *want; /* the path that is looked for */
	size_t want_n;
	bool is_named;
	char path[PATH_MAX]; /* version 4: the last one */
	size_t path_n;
};

static uint32_t number(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* How many bytes of the last path are dropped, in git's offset encoding. */
static bool read_strip(struct reader *r, size_t *ret)
{
	size_t value = 0;

	for (unsigned i = 0; i < 3 && r->at < r->end; i++) {
		unsigned char c = *r->at++;

		value = i == 0 ? c & 127u : ((value + 1) << 7) + (c & 127u);
		if ((c & 128) == 0) {
			*ret = value;
			return true;
		}
	}
	return false;
}

/* How long is the rest of this path? The flags tell, up to a length that few have. */
static bool measure(const struct reader *r, size_t before, unsigned flags, size_t *ret)
{
	size_t left = (size_t)(r->end - r->at), n = flags & FLAG_NAME;
	const unsigned char *nul;

	if (n < FLAG_NAME) {
		*ret = n - before;
		/* With another kind of hash it would be another length. */
		return n >= before && n - before < left && r->at[n - before] == '\0';
	}
	nul = memchr(r->at, '\0', left);
	*ret = nul != NULL ? (size_t)(nul - r->at) : 0;
	return nul != NULL && before + *ret >= FLAG_NAME;
}

static bool is_wanted(const struct reader *r, const void *path, size_t n)
{
	bool is_below = n > r->want_n && r->want_n > 0 && r->want[r->want_n - 1] == '/';

	return (n == r->want_n || is_below) && memcmp(path, r->want, r->want_n) == 0;
}

/* Version 4 leaves out what a path has in common with the one before. */
static bool read_compressed(struct reader *r, unsigned flags)
{
	size_t strip, n;

	if (!read_strip(r, &strip) || strip > r->path_n)
		return false;
	r->path_n -= strip;
	if (!measure(r, r->path_n, flags, &n) || n >= sizeof(r->path) - r->path_n)
		return false;
	memcpy(r->path + r->path_n, r->at, n);
	r->path_n += n;
	r->at += n + 1;
	r->is_named |= is_wanted(r, r->path, r->path_n);
	return true;
}

static bool read_path(struct reader *r, unsigned flags)
{
	size_t n;

	if (r->version == 4)
		return read_compressed(r, flags);
	if (!measure(r, 0, flags, &n))
		return false;
	r->is_named |= is_wanted(r, r->at, n);
	r->at += n + 1;
	return true;
}

static bool read_entry(struct reader *r)
{
	const unsigned char *start = r->at;
	size_t head = STAT_BYTES + r->hash_bytes + 2, pad;
	unsigned flags;

	if ((size_t)(r->end - r->at) < head + 2)
		return false;
	flags = (unsigned)start[head - 2] << 8 | start[head - 1];
	if ((flags & FLAG_EXTENDED) != 0)
		head += 2;
	r->at += head;
	if (!read_path(r, flags))
		return false;
	if (r->version == 4)
		return true;
	/* One to eight bytes of zero end an entry on a multiple of eight; one has been read. */
	pad = (8 - (size_t)(r->at - start) % 8) % 8;
	if ((size_t)(r->end - r->at) < pad)
		return false;
	r->at += pad;
	return true;
}

/*
 * Behind the entries, to the very end. *ret_is_split: there is the extension that names another file
 * with the rest of them.
 */
static bool read_extensions(struct reader *r, bool *ret_is_split)
{
	*ret_is_split = false;
	while ((size_t)(r->end - r->at) >= 8) {
		uint32_t n = number(r->at + 4);

		*ret_is_split = *ret_is_split || memcmp(r->at, "link", 4) == 0;
		if (n > (size_t)(r->end - r->at) - 8)
			return false;
		r->at += 8 + n;
	}
	return r->at == r->end;
}

struct trackedindex_answer trackedindex_find(const void *index, size_t n, const char *path)
{
	static const size_t kinds[] = { 20, 32 };
	const unsigned char *bytes = index;

	for (size_t k = 0; k < 2 && n >= 12 + kinds[k] && memcmp(bytes, "DIRC", 4) == 0; k++) {
		struct reader r = { .at = bytes + 12,
			.end = bytes + n - kinds[k],
			.hash_bytes = kinds[k],
			.want = path,
			.want_n = strlen(path),
			.version = number(bytes + 4) };
		uint32_t left = number(bytes + 8);
		bool is_split;

		if (r.version < 2 || r.version > 4)
			break;
		while (left > 0 && read_entry(&r))
			left--;
		if (left == 0 && read_extensions(&r, &is_split))
			return (struct trackedindex_answer){ r.is_named || is_split, kinds[k] };
	}
	return (struct trackedindex_answer){ false, 0 };
}
