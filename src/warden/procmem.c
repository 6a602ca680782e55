/*
 * Runs in the warden, with the user's rights and those over the agent's user namespace.
 * Hostile: all of the memory read; other threads change it meanwhile.
 */
#include "warden/procmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096u

static ssize_t read_some(pid_t pid, uint64_t addr, void *out, size_t n)
{
	struct iovec local = { .iov_base = out, .iov_len = n };
	struct iovec remote = { .iov_base = (void *)(uintptr_t)addr, .iov_len = n };
	ssize_t r = process_vm_readv(pid, &local, 1, &remote, 1, 0);

	return r < 0 ? -errno : r;
}

int procmem_read(pid_t pid, uint64_t addr, void *out, size_t n)
{
	ssize_t r = read_some(pid, addr, out, n);

	if (r < 0)
		return (int)r;
	return (size_t)r == n ? 0 : -EFAULT;
}

ssize_t procmem_string(pid_t pid, uint64_t addr, char *out, size_t size)
{
	size_t have = 0;

	/* Up to the end of a page at a time: a string may end right before an unmapped one. */
	while (have < size) {
		size_t n = PAGE - (size_t)((addr + have) % PAGE);
		ssize_t r;
		char *end;

		if (n > size - have)
			n = size - have;
		r = read_some(pid, addr + have, out + have, n);
		if (r <= 0)
			return r < 0 ? r : -EFAULT;
		end = memchr(out + have, '\0', (size_t)r);
		if (end != NULL)
			return end - out;
		have += (size_t)r;
	}
	return -ENAMETOOLONG;
}

/* ---- vectors: most of their strings lie side by side, so they are read in large pieces ---- */

#define POINTERS_AT_ONCE 64
#define WINDOW_BYTES (4 * PAGE)

struct window {
	pid_t pid;
	uint64_t start;
	size_t len;
	char bytes[WINDOW_BYTES];
};

/* Up to n pointers, not beyond the page: how many, 0: none, -errno. */
static ssize_t read_pointers(pid_t pid, uint64_t addr, unsigned bytes, uint64_t out[POINTERS_AT_ONCE])
{
	uint64_t raw[POINTERS_AT_ONCE];
	const uint32_t *narrow = (const uint32_t *)raw;
	size_t n = PAGE - (size_t)(addr % PAGE);
	ssize_t got;

	if (n > (size_t)bytes * POINTERS_AT_ONCE)
		n = (size_t)bytes * POINTERS_AT_ONCE;
	if (n < bytes)
		n = bytes; /* one pointer across two pages */
	got = read_some(pid, addr, raw, n);
	if (got < 0)
		return got;
	got /= bytes;
	for (ssize_t i = 0; i < got; i++)
		out[i] = bytes == 8 ? raw[i] : narrow[i];
	return got;
}

/* The string at addr inside the window, filled anew where it is not: NULL with *ret_error. */
static const char *string_at(struct window *w, uint64_t addr, size_t *ret_len, int *ret_error)
{
	for (unsigned attempt = 0; attempt < 2; attempt++) {
		if (addr >= w->start && addr - w->start < w->len) {
			const char *s = w->bytes + (addr - w->start);
			const char *end = memchr(s, '\0', w->len - (size_t)(addr - w->start));

			if (end != NULL) {
				*ret_len = (size_t)(end - s);
				return s;
			}
		}
		if (attempt == 0) {
			ssize_t n = read_some(w->pid, addr, w->bytes, sizeof(w->bytes));

			w->start = addr;
			w->len = n > 0 ? (size_t)n : 0;
			*ret_error = n < 0 ? (int)n : -EFAULT;
		}
	}
	if (w->len == sizeof(w->bytes))
		*ret_error = -ENAMETOOLONG;
	return NULL;
}

static int add_string(struct window *w, uint64_t addr, struct buf *out, bool *ret_cut)
{
	size_t len = 0;
	int error = 0;
	const char *s = string_at(w, addr, &len, &error);

	if (s == NULL && error == -ENAMETOOLONG) {
		*ret_cut = true;
		buf_add(out, w->bytes, sizeof(w->bytes) - 1);
		buf_add(out, "", 1);
		return 0;
	}
	if (s == NULL)
		return error;
	buf_add(out, s, len + 1);
	return 0;
}

int procmem_vector(pid_t pid, uint64_t addr, const struct procmem_limits *limits, struct buf *out,
	size_t *ret_n, bool *ret_cut)
{
	struct window window; /* large: not all of it is to be cleared */
	uint64_t pointers[POINTERS_AT_ONCE];
	size_t n = 0, start = out->len;

	window.pid = pid;
	window.start = window.len = 0;
	*ret_cut = false;
	*ret_n = 0;
	while (addr != 0) {
		ssize_t got = read_pointers(pid, addr, limits->pointer_bytes, pointers);

		if (got <= 0)
			return got < 0 ? (int)got : -EFAULT;
		for (ssize_t i = 0; i < got; i++) {
			int r;

			*ret_n = n;
			if (pointers[i] == 0)
				return out->failed ? -ENOMEM : 0;
			if (n == limits->max_strings || out->len - start >= limits->max_bytes) {
				*ret_cut = true;
				return 0;
			}
			r = add_string(&window, pointers[i], out, ret_cut);
			if (r < 0)
				return r;
			*ret_n = ++n;
		}
		addr += (uint64_t)got * limits->pointer_bytes;
	}
	return out->failed ? -ENOMEM : 0;
}

ssize_t procmem_link(pid_t pid, const char *name, char *out, size_t size)
{
	char path[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	n = readlink(path, out, size - 1);
	if (n < 0)
		return -errno;
	out[n] = '\0';
	return n;
}
