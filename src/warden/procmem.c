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

/* One pointer of a vector. */
static int read_pointer(pid_t pid, uint64_t addr, unsigned bytes, uint64_t *ret)
{
	uint32_t narrow;
	int r;

	if (bytes == 8)
		return procmem_read(pid, addr, ret, 8);
	r = procmem_read(pid, addr, &narrow, 4);
	*ret = narrow;
	return r;
}

int procmem_vector(pid_t pid, uint64_t addr, const struct procmem_limits *limits, struct buf *out,
	size_t *ret_n, bool *ret_cut)
{
	char text[PAGE];
	size_t n = 0, start = out->len;

	*ret_cut = false;
	for (; addr != 0; addr += limits->pointer_bytes, n++) {
		uint64_t string;
		ssize_t len;
		int r = read_pointer(pid, addr, limits->pointer_bytes, &string);

		if (r < 0)
			return r;
		if (string == 0)
			break;
		if (n == limits->max_strings || out->len - start >= limits->max_bytes) {
			*ret_cut = true;
			break;
		}
		len = procmem_string(pid, string, text, sizeof(text));
		if (len == -ENAMETOOLONG) {
			*ret_cut = true;
			len = (ssize_t)sizeof(text) - 1;
			text[len] = '\0';
		}
		if (len < 0)
			return (int)len;
		buf_add(out, text, (size_t)len + 1);
	}
	*ret_n = n;
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
