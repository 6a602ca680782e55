/* Reading another process's memory as only root can. */
#ifndef TESTS_KEEPER_MEMORY_SCAN_H
#define TESTS_KEEPER_MEMORY_SCAN_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct scan {
	bool is_loud; /* says where */
	size_t found; /* places */
	size_t bytes; /* that could be read */
	unsigned refused; /* mappings of secret memory that could not */
	unsigned secret; /* mappings of secret memory */
};

static void scan_range(int mem, unsigned long from, unsigned long to, const void *what, size_t n,
	struct scan *ret, const char *line)
{
	size_t size = to - from;
	char *copy = malloc(size);
	ssize_t got = copy != NULL ? pread(mem, copy, size, (off_t)from) : -1;

	if (strstr(line, "secretmem") != NULL) {
		ret->secret++;
		ret->refused += got < 0 && errno == EIO;
	}
	if (got > 0) {
		ret->bytes += (size_t)got;
		for (char *at = copy; (at = memmem(at, (size_t)(copy + got - at), what, n)) != NULL;
			at++) {
			ret->found++;
			if (ret->is_loud)
				printf("# found at %#lx in %s", from + (unsigned long)(at - copy), line);
		}
	}
	free(copy);
}

/* Root, and without the terabytes of a sanitizer's shadow. */
static bool scan_is_possible(void)
{
#ifdef __SANITIZE_ADDRESS__
	return false;
#else
	return getuid() == 0;
#endif
}

/* Where these bytes are in a process's memory. False: it cannot be read. */
static bool scan_process(pid_t pid, const void *what, size_t n, struct scan *ret)
{
	char path[64], line[512];
	FILE *maps;
	int mem;

	*ret = (struct scan){ .is_loud = ret->is_loud };
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDONLY | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (mem >= 0 && maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
		unsigned long from, to;

		if (sscanf(line, "%lx-%lx", &from, &to) == 2 && strstr(line, "[v") == NULL)
			scan_range(mem, from, to, what, n, ret, line);
	}
	if (maps != NULL)
		(void)fclose(maps);
	if (mem >= 0)
		(void)close(mem);
	return mem >= 0 && maps != NULL;
}

/* The only child of a process, or 0. */
static pid_t child_of(pid_t pid)
{
	char path[96];
	int child = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	file = fopen(path, "re");
	if (file == NULL || fscanf(file, "%d", &child) != 1)
		child = 0;
	if (file != NULL)
		(void)fclose(file);
	return child;
}

#endif
