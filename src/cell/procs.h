/* All processes of a cell, as its own /proc has them at one moment. */
#ifndef CELL_PROCS_H
#define CELL_PROCS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Rationale: far above what a cell has in earnest; what is above comes with the next reading. */
#define PROCS_MAX 16384

struct procs_entry {
	pid_t pid, parent, group, session;
	uint32_t threads;
	uint64_t ticks; /* processor time of it and of its children that were waited for; sysconf(3) */
	uint64_t resident_pages;
	pid_t root; /* of procs_mark() */
	bool is_marked;
};

/* Of proc_pid_stat(5); sorted by pid. *ret has room for PROCS_MAX. How many there are. */
size_t procs_read(struct procs_entry *ret);

/*
 * The same for at most max of them (none: 0), evenly chosen: how many there are in all (counted to 64k) costs a
 * thousandth of reading them, and is still known in time when a cell is full of processes that fork.
 */
size_t procs_sample(struct procs_entry *ret, size_t max, size_t *ret_all);

/*
 * Gives each entry the nearest root: itself or the closest process above it that is one, else 0. In a
 * snapshot with reused pids a wrong one may come out.
 */
void procs_mark(struct procs_entry *all, size_t n, bool (*is_root)(pid_t pid, void *arg), void *arg);

/*
 * Bytes that a process and its children that were waited for have written to disks, deleted again or
 * not (proc_pid_io(5), write_bytes). False where the kernel does not tell: it is not dumpable.
 */
bool procs_written(pid_t pid, uint64_t *ret);

/*
 * Bytes of memory that are a process's own; 0 for one that is gone. is_exact: shared parts by their
 * share (proc_pid_smaps_rollup), which waits for the process's memory map: where hundreds of them fork
 * at once, for half a second. Else, and where that cannot be read, all of them (proc_pid_status(5)).
 */
uint64_t procs_memory(pid_t pid, bool is_exact);

#endif
