/*
 * The stop watch of the bench: starts programs and says how long each took, from posix_spawn to the
 * end of wait, in nanoseconds. It is also the agent whose commands are measured.
 *
 * usage: bench spawn N PROGRAM [ARG...]     N times the same, a line each
 *        bench rounds N FILE                FILE has a command a line; each once a round, in turn:
 *                                           lines "ROW NANOSECONDS", ROW counted from 0
 *        bench window PATH                 reads PATH as fast as it can until PATH-end is there: lines
 *                                           "FROM TO", each a time in which it could be read
 *        bench unlink N                    N files of a new directory deleted: nanoseconds for one
 *        bench rename N                    a file of it renamed so often: nanoseconds for one
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ROWS = 32, MAX_WORDS = 1024, MAX_LINE = 1 << 16 };

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Nanoseconds of one run, or -1 when it did not end with status 0. */
static int64_t one(char *const *argv)
{
	posix_spawn_file_actions_t actions;
	int64_t start, end;
	int status = -1, rc;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	start = now_ns();
	rc = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	if (rc == 0)
		waitpid(pid, &status, 0);
	end = now_ns();
	posix_spawn_file_actions_destroy(&actions);
	return rc != 0 || status != 0 ? -1 : end - start;
}

/* pause_ms: between two; what is made ahead for the next one is made then. */
static int spawn(int count, int pause_ms, char *const *argv)
{
	int64_t *took = calloc((size_t)count, sizeof(*took));

	if (took == NULL)
		return 1;
	for (int i = 0; i < count; i++) {
		if (pause_ms > 0)
			usleep((useconds_t)pause_ms * 1000);
		took[i] = one(argv);
	}
	for (int i = 0; i < count; i++)
		printf("%lld\n", (long long)took[i]);
	free(took);
	return 0;
}

static int rounds(int count, const char *path)
{
	static char line[MAX_LINE];
	static char *words[MAX_ROWS][MAX_WORDS];
	FILE *file = fopen(path, "re");
	int rows = 0;

	if (file == NULL)
		return 1;
	for (; rows < MAX_ROWS && fgets(line, sizeof(line), file); rows++) {
		char *rest = strdup(line), *word;

		for (int n = 0; n < MAX_WORDS - 1 && (word = strsep(&rest, " \n")) != NULL;)
			if (*word != '\0')
				words[rows][n++] = word;
	}
	fclose(file);
	for (int i = 0; i < count; i++)
		for (int row = 0; row < rows; row++)
			printf("%d %lld\n", row, (long long)one(words[row]));
	return 0;
}

static int window(const char *path)
{
	char end[4096];
	int64_t from = 0;

	snprintf(end, sizeof(end), "%s-end", path);
	for (unsigned long i = 0; i % 1024 != 0 || access(end, F_OK) < 0; i++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		char byte;
		int is_read = fd >= 0 && read(fd, &byte, 1) == 1;

		if (fd >= 0)
			close(fd);
		if (is_read && from == 0)
			from = now_ns();
		if (!is_read && from != 0) {
			printf("%lld %lld\n", (long long)from, (long long)now_ns());
			from = 0;
		}
	}
	return 0;
}

static int unlinks(int count)
{
	char name[64];
	int64_t start;

	if (mkdir("bench-unlink", 0755) < 0)
		return 1;
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "bench-unlink/%d", i);
		close(open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	}
	start = now_ns();
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "bench-unlink/%d", i);
		unlink(name);
	}
	printf("%lld\n", (long long)((now_ns() - start) / count));
	return rmdir("bench-unlink") != 0;
}

static int renames(int count)
{
	static const char *const names[] = { "bench-rename/a", "bench-rename/b" };
	int64_t start;

	if (mkdir("bench-rename", 0755) < 0)
		return 1;
	close(open(names[0], O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	start = now_ns();
	for (int i = 0; i < count; i++)
		if (rename(names[i % 2], names[(i + 1) % 2]) < 0)
			return 1;
	printf("%lld\n", (long long)((now_ns() - start) / count));
	unlink(names[count % 2]);
	return rmdir("bench-rename") != 0;
}

int main(int argc, char **argv)
{
	if (argc >= 4 && strcmp(argv[1], "spawn") == 0)
		return spawn((int)strtol(argv[2], NULL, 10), 0, argv + 3);
	if (argc >= 5 && strcmp(argv[1], "paced") == 0)
		return spawn((int)strtol(argv[2], NULL, 10), (int)strtol(argv[3], NULL, 10), argv + 4);
	if (argc == 4 && strcmp(argv[1], "rounds") == 0)
		return rounds((int)strtol(argv[2], NULL, 10), argv[3]);
	if (argc == 3 && strcmp(argv[1], "window") == 0)
		return window(argv[2]);
	if (argc == 3 && strcmp(argv[1], "unlink") == 0)
		return unlinks((int)strtol(argv[2], NULL, 10));
	if (argc == 3 && strcmp(argv[1], "rename") == 0)
		return renames((int)strtol(argv[2], NULL, 10));
	fprintf(stderr, "usage: bench spawn N PROGRAM... | paced N MS PROGRAM... | rounds N FILE | window PATH | unlink N | rename N\n");
	return 64;
}
