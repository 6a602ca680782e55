/*
 * Entry of the hostile program (see attack.h): finds the act by name and runs it.
 * Runs in the cell with a tool command's privilege; its arguments come from the test alone.
 */
#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct attack *const tables[] = {attack_files, attack_process, attack_net,
					      attack_sys,   attack_mount,   attack_victim};

enum verdict attack_result(long rc)
{
	if (rc >= 0)
		return attack_got("");
	printf("%s\n", strerrorname_np(errno) ? strerrorname_np(errno) : "EUNKNOWN");
	return DENIED;
}

enum verdict attack_got(const char *what)
{
	printf("OK %s\n", what);
	return GOT;
}

enum verdict attack_none(void)
{
	puts("NONE");
	return DENIED;
}

enum verdict attack_cannot(const char *why)
{
	printf("SKIP %s\n", why);
	return CANNOT;
}

long attack_slurp(const char *path, char *ret_buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t len = 0;
	ssize_t n = 0;
	int saved;

	if (fd < 0)
		return -1;
	while (len < size - 1 && (n = read(fd, ret_buf + len, size - 1 - len)) > 0)
		len += (size_t)n;
	saved = errno;
	close(fd);
	errno = saved;
	if (n < 0 && len == 0)
		return -1;
	ret_buf[len] = '\0';
	return (long)len;
}

bool attack_holds(const char *buf, long len, const char *needle)
{
	return len > 0 && memmem(buf, (size_t)len, needle, strlen(needle)) != NULL;
}

long attack_number(const char *text)
{
	char *end;
	long value = strtol(text, &end, 0);

	if (end == text || *end != '\0') {
		fprintf(stderr, "attack: not a number: %s\n", text);
		exit(64);
	}
	return value;
}

static int usage(void)
{
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct attack *a = tables[t]; a->name; a++)
			fprintf(stderr, "attack %s %s\n", a->name, a->usage);
	return 64;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return usage();
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct attack *a = tables[t]; a->name; a++)
			if (strcmp(a->name, argv[1]) == 0 && argc - 2 >= a->args)
				return (int)a->run(argv + 2);
	return usage();
}
