/*
 * Reading another process's memory (process_vm_readv(2)) and its /proc files. Everything read is
 * the caller's word, not ours: bounded, and never trusted to stay as it was.
 */
#ifndef WARDEN_PROCMEM_H
#define WARDEN_PROCMEM_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads exactly n bytes. 0 or -errno (-EFAULT when less is mapped). */
int procmem_read(pid_t pid, uint64_t addr, void *out, size_t n);

/* Rationale: a string of 16 KB that begins anywhere in the first page is whole in the five. */
#define PROCMEM_WINDOW_BYTES (5u * 4096)
#define PROCMEM_WINDOWS 4

/*
 * What was read of one process for one question: path, arguments and variables of an exec mostly
 * lie side by side, and a system call for each costs more than all the rest of the decision.
 */
struct procmem {
	pid_t pid;
	unsigned next; /* window to give up */
	struct procmem_window {
		uint64_t start;
		size_t len;
		char bytes[PROCMEM_WINDOW_BYTES];
	} windows[PROCMEM_WINDOWS];
};

/* Forgets what was read. Should: be called for each question anew, whatever the pid. */
void procmem_begin(struct procmem *m, pid_t pid);

/*
 * Reads a NUL-terminated string of less than size bytes. Its length, or -errno: -EFAULT,
 * -ENAMETOOLONG when it does not end in time. size: 16 KB at most.
 */
ssize_t procmem_string(struct procmem *m, uint64_t addr, char *out, size_t size);

/*
 * Reads an argument vector: its strings one after the other with their NULs, appended to out. At
 * most max_strings and max_bytes, and 16 KB of one string: *ret_cut says when there was more.
 * addr 0 is an empty vector. pointer_bytes is 8 or 4. 0 or -errno.
 */
struct procmem_limits {
	size_t max_strings, max_bytes;
	unsigned pointer_bytes;
};
int procmem_vector(struct procmem *m, uint64_t addr, const struct procmem_limits *limits,
	struct buf *out, size_t *ret_n, bool *ret_cut);

/* readlink of /proc/PID/NAME. Its length, or -errno. */
ssize_t procmem_link(pid_t pid, const char *name, char *out, size_t size);

#endif
