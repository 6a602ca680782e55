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

void procmem_begin(struct procmem *m, pid_t pid)
{
	m->pid = pid;
	m->next = 0;
	for (unsigned i = 0; i < PROCMEM_WINDOWS; i++)
		m->windows[i].len = 0;
}

/* What of m holds addr: as many bytes as *ret_n says. NULL: nothing yet. */
static const char *find_window(const struct procmem *m, uint64_t addr, size_t *ret_n)
{
	for (unsigned i = 0; i < PROCMEM_WINDOWS; i++) {
		const struct procmem_window *w = &m->windows[i];

		if (addr >= w->start && addr - w->start < w->len) {
			*ret_n = w->len - (size_t)(addr - w->start);
			return w->bytes + (addr - w->start);
		}
	}
	return NULL;
}

/* Reads on from the page that addr stands in, in place of the oldest window. Or NULL. */
static const char *read_window(struct procmem *m, uint64_t addr, size_t *ret_n, int *ret_error)
{
	struct procmem_window *w = &m->windows[m->next++ % PROCMEM_WINDOWS];
	uint64_t start = addr - addr % PAGE;
	ssize_t n = read_some(m->pid, start, w->bytes, sizeof(w->bytes));

	w->start = start;
	w->len = n > 0 ? (size_t)n : 0;
	*ret_error = n < 0 ? (int)n : -EFAULT;
	if (addr - start >= w->len)
		return NULL;
	*ret_n = w->len - (size_t)(addr - start);
	return w->bytes + (addr - start);
}

/* The string at addr: NULL with *ret_error; -ENAMETOOLONG with the *ret_len bytes that were read. */
static const char *string_at(struct procmem *m, uint64_t addr, size_t *ret_len, int *ret_error)
{
	size_t n = 0;
	const char *s = find_window(m, addr, &n);
	const char *end = s != NULL ? memchr(s, '\0', n) : NULL;

	*ret_error = 0;
	if (end == NULL) {
		s = read_window(m, addr, &n, ret_error);
		if (s == NULL)
			return NULL;
		end = memchr(s, '\0', n);
		*ret_error = end != NULL ? 0 : n + PAGE > PROCMEM_WINDOW_BYTES ? -ENAMETOOLONG : -EFAULT;
	}
	*ret_len = end != NULL ? (size_t)(end - s) : n;
	return s;
}

ssize_t procmem_string(struct procmem *m, uint64_t addr, char *out, size_t size)
{
	size_t len = 0;
	int error;
	const char *s = string_at(m, addr, &len, &error);

	if (s == NULL || error == -EFAULT)
		return error;
	if (error < 0 || len >= size)
		return -ENAMETOOLONG;
	memcpy(out, s, len + 1);
	return (ssize_t)len;
}

/* ---- vectors ---- */

#define POINTERS_AT_ONCE 64

/* Up to POINTERS_AT_ONCE pointers: how many, at least one, or -errno. */
static ssize_t read_pointers(struct procmem *m, uint64_t addr, unsigned bytes,
	uint64_t out[POINTERS_AT_ONCE])
{
	size_t n = 0;
	int error = -EFAULT;
	const char *p = find_window(m, addr, &n);

	if (p == NULL || n < bytes)
		p = read_window(m, addr, &n, &error);
	if (p == NULL || n < bytes)
		return error;
	n = n / bytes < POINTERS_AT_ONCE ? n / bytes : POINTERS_AT_ONCE;
	for (size_t i = 0; i < n; i++) {
		out[i] = 0;
		memcpy(&out[i], p + i * bytes, bytes); /* little endian, as all that has two sizes */
	}
	return (ssize_t)n;
}

static int add_string(struct procmem *m, uint64_t addr, struct buf *out, bool *ret_cut)
{
	size_t len = 0;
	int error;
	const char *s = string_at(m, addr, &len, &error);

	if (s == NULL || error == -EFAULT)
		return error;
	if (error < 0)
		*ret_cut = true;
	buf_add(out, s, len);
	buf_add(out, "", 1);
	return 0;
}

int procmem_vector(struct procmem *m, uint64_t addr, const struct procmem_limits *limits,
	struct buf *out, size_t *ret_n, bool *ret_cut)
{
	uint64_t pointers[POINTERS_AT_ONCE];
	size_t n = 0, start = out->len;

	*ret_cut = false;
	*ret_n = 0;
	while (addr != 0) {
		ssize_t got = read_pointers(m, addr, limits->pointer_bytes, pointers);

		if (got < 0)
			return (int)got;
		for (ssize_t i = 0; i < got; i++) {
			int r;

			*ret_n = n;
			if (pointers[i] == 0)
				return out->failed ? -ENOMEM : 0;
			if (n == limits->max_strings || out->len - start >= limits->max_bytes) {
				*ret_cut = true;
				return 0;
			}
			r = add_string(m, pointers[i], out, ret_cut);
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
