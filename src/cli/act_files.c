/*
 * Acts on files (act.h): reading what is hidden by every name it could have, changing what is
 * protected, walking out through descriptors that somebody else opened.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/act.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Rationale: thousands of turns of a race; the whole test has a minute. */
#define RACE_MS 300
/* Rationale: a busy machine runs the two in turns, each for some milliseconds; then it takes
 * longer. */
#define RACE_TURNS 2000
#define RACE_MAX_MS 3000

static const char *act_read(char **arg)
{
	return act_read_path(arg[0]);
}

/* Neither open nor stat nor access may tell that the file is there. */
static const char *act_seen(char **arg)
{
	struct stat st;

	return stat(arg[0], &st) == 0 || access(arg[0], F_OK) == 0 ? "OK" : act_result(-1);
}

/* Readable at all: nothing of what is in it is looked at. */
static const char *act_open_read(char **arg)
{
	AUTO_CLOSE int fd = open(arg[0], O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char byte;

	return fd < 0 ? act_result(-1) : act_result(read(fd, &byte, 1));
}

static const char *act_open_write(char **arg)
{
	AUTO_CLOSE int fd = open(arg[0], O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	return act_result(fd);
}

/* There and back, so that the next act finds everything in its place. Then reads READ between. */
static const char *move_and_read(const char *from, const char *to, const char *path, unsigned flags)
{
	const char *answer;

	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, flags) < 0)
		return act_result(-1);
	answer = act_read_path(path);
	(void)renameat2(AT_FDCWD, to, AT_FDCWD, from, flags);
	return answer;
}

static const char *act_rename_read(char **arg)
{
	return move_and_read(arg[0], arg[1], arg[2], RENAME_NOREPLACE);
}

static const char *act_exchange_read(char **arg)
{
	return move_and_read(arg[0], arg[1], arg[2], RENAME_EXCHANGE);
}

/* The bare fact that it can be moved. */
static const char *act_rename(char **arg)
{
	int rc = rename(arg[0], arg[1]);
	const char *answer = act_result(rc);

	if (rc == 0)
		(void)rename(arg[1], arg[0]);
	return answer;
}

static const char *act_exchange(char **arg)
{
	int rc = renameat2(AT_FDCWD, arg[0], AT_FDCWD, arg[1], RENAME_EXCHANGE);
	const char *answer = act_result(rc);

	if (rc == 0)
		(void)renameat2(AT_FDCWD, arg[0], AT_FDCWD, arg[1], RENAME_EXCHANGE);
	return answer;
}

static const char *act_link_read(char **arg)
{
	const char *answer;

	if (link(arg[0], arg[1]) < 0)
		return act_result(-1);
	answer = act_read_path(arg[1]);
	(void)unlink(arg[1]);
	return answer;
}

static void make_parents(const char *path)
{
	char copy[PATH_MAX];

	(void)snprintf(copy, sizeof(copy), "%s", path);
	for (char *s = strchr(copy + 1, '/'); s != NULL; s = strchr(s + 1, '/')) {
		*s = '\0';
		(void)mkdir(copy, 0755);
		*s = '/';
	}
}

/* New, executable, with the mark in it. The host looks whether it is there. */
static const char *act_create(char **arg)
{
	AUTO_CLOSE int fd = -1;

	make_parents(arg[0]);
	fd = open(arg[0], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0755);
	if (fd < 0)
		return act_result(-1);
	return act_result(write(fd, act_mark(), strlen(act_mark())));
}

/* As editors and git do: a new file with the old one's content and more, renamed over it. */
static const char *act_replace(char **arg)
{
	static char old[65536];
	long n = act_slurp(arg[0], old, sizeof(old));
	AUTO_FREE char *path = NULL;
	AUTO_CLOSE int fd = -1;
	const char *answer;

	if (asprintf(&path, "%s.new", arg[0]) < 0)
		return act_skip("memory");
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	if (fd < 0)
		return act_result(-1);
	if (n > 0 && write_all(fd, old, (size_t)n) < 0)
		return act_skip("write");
	if (write_all(fd, act_mark(), strlen(act_mark())) < 0)
		return act_skip("write");
	answer = act_result(rename(path, arg[0]));
	(void)unlink(path);
	return answer;
}

static const char *act_mknod(char **arg)
{
	int rc = mknod(arg[0], S_IFCHR | 0600, 0x0105);
	const char *answer = act_result(rc);

	(void)unlink(arg[0]);
	return answer;
}

static _Noreturn void swap_link(char **arg, int64_t until)
{
	char temporary[PATH_MAX];

	(void)snprintf(temporary, sizeof(temporary), "%s.swap", arg[0]);
	for (unsigned i = 0; clock_ms() < until; i++)
		if (symlink(arg[1 + i % 2], temporary) == 0)
			(void)rename(temporary, arg[0]);
	_exit(0);
}

/* LINK INSIDE OUTSIDE: one process turns a link to and fro, the other writes through it. */
static const char *act_swap_write(char **arg)
{
	int64_t start = clock_ms();
	pid_t pid = fork();
	unsigned written = 0;
	char path[PATH_MAX];

	if (pid < 0)
		return act_result(-1);
	if (pid == 0)
		swap_link(arg, start + RACE_MAX_MS);
	for (unsigned turn = 0; clock_ms() < start + (turn < RACE_TURNS ? RACE_MAX_MS : RACE_MS);
		turn++) {
		AUTO_CLOSE int fd = open(arg[0], O_WRONLY | O_APPEND | O_CLOEXEC);
		struct stat st, wanted;

		if (fd < 0 || fstat(fd, &st) < 0 || stat(arg[2], &wanted) < 0 ||
			st.st_ino != wanted.st_ino || st.st_dev != wanted.st_dev)
			continue;
		written += write(fd, act_mark(), strlen(act_mark())) > 0;
		if (written > 0)
			break;
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	(void)unlink(arg[0]);
	(void)snprintf(path, sizeof(path), "%s.swap", arg[0]);
	(void)unlink(path);
	return written > 0 ? "OK" : "NONE";
}

/* N PATH: a path beneath a directory that somebody left open. */
static const char *act_fd_read(char **arg)
{
	AUTO_CLOSE int fd = openat((int)act_number(arg[0]), arg[1], O_RDONLY | O_CLOEXEC);
	char bytes[256];

	if (fd < 0)
		return act_result(-1);
	return act_has_canary(bytes, read(fd, bytes, sizeof(bytes))) ? "OK" : "EMPTY";
}

static const char *act_fd_chdir(char **arg)
{
	if (fchdir((int)act_number(arg[0])) < 0)
		return act_result(-1);
	return act_read_path(arg[1]);
}

struct handle {
	struct file_handle head;
	unsigned char bytes[MAX_HANDLE_SZ];
};

static bool parse_handle(const char *text, struct handle *h)
{
	char *hex, byte[3] = "";

	h->head.handle_bytes = 0;
	h->head.handle_type = (int)strtol(text, &hex, 10);
	if (*hex != ':')
		return false;
	for (hex++; hex[0] != '\0' && hex[1] != '\0' && h->head.handle_bytes < MAX_HANDLE_SZ;
		hex += 2) {
		memcpy(byte, hex, 2);
		h->bytes[h->head.handle_bytes++] = (unsigned char)strtoul(byte, NULL, 16);
	}
	return h->head.handle_bytes > 0;
}

/* MOUNT HANDLE: the inode itself, without any path. */
static const char *act_by_handle(char **arg)
{
	AUTO_CLOSE int at = open(arg[0], O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int fd = -1;
	struct handle h;
	char bytes[256];

	if (!parse_handle(arg[1], &h))
		return act_skip("no file handles on this file system");
	if (at < 0)
		return act_result(-1);
	fd = open_by_handle_at(at, &h.head, O_RDONLY);
	if (fd < 0)
		return act_result(-1);
	return act_has_canary(bytes, read(fd, bytes, sizeof(bytes))) ? "OK" : "EMPTY";
}

/* Reads PATH by this very program, executed from memory. */
static _Noreturn void exec_memfd(char **arg)
{
	const char *argv[] = { "memory", "@act", "run", "read", arg[0], NULL };
	AUTO_CLOSE int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int to = memfd_create("act", MFD_CLOEXEC);
	static char bytes[65536];
	ssize_t n;

	while ((n = read(from, bytes, sizeof(bytes))) > 0)
		if (write_all(to, bytes, (size_t)n) < 0)
			_exit(1);
	(void)fexecve(to, (char *const *)(uintptr_t)argv, environ);
	_exit(1);
}

static _Noreturn void exec_words(const char *how, char **word)
{
	if (strcmp(how, "memfd") == 0)
		exec_memfd(word);
	if (strcmp(how, "execveat") == 0) {
		int fd = open(word[0], O_PATH | O_CLOEXEC);

		(void)syscall(SYS_execveat, fd, "", word, environ, AT_EMPTY_PATH);
		_exit(1);
	}
	if (strcmp(how, "spawn") == 0) {
		pid_t pid;

		if (posix_spawnp(&pid, word[0], NULL, NULL, word, environ) != 0)
			_exit(1);
		(void)waitpid(pid, NULL, 0);
		_exit(0);
	}
	(void)execvp(word[0], word);
	_exit(1);
}

/* HOW WORD...: runs a program, by one of several calls, and looks for the canary in what it prints.
 */
static const char *act_exec(char **arg)
{
	AUTO_BUF struct buf out = { 0 };
	int ends[2], status = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return act_skip("no pipe");
	pid = fork();
	if (pid == 0) {
		(void)dup2(ends[1], 1);
		exec_words(arg[0], arg + 1);
	}
	(void)close(ends[1]);
	(void)buf_read_fd(&out, ends[0], 65536);
	(void)close(ends[0]);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return act_result(-1);
	/* `@act run` prints an answer instead of the file. */
	if (out.data != NULL &&
		(act_has_canary(out.data, (long)out.len) || str_starts(out.data, "OK")))
		return "OK";
	return out.data != NULL && str_starts(out.data, "E") ? "ENOENT" : "NONE";
}

const struct act act_files[] = {
	{ "read", 1, act_read },
	{ "seen", 1, act_seen },
	{ "open-read", 1, act_open_read },
	{ "open-write", 1, act_open_write },
	{ "rename-read", 3, act_rename_read },
	{ "exchange-read", 3, act_exchange_read },
	{ "rename", 2, act_rename },
	{ "exchange", 2, act_exchange },
	{ "link-read", 2, act_link_read },
	{ "create", 1, act_create },
	{ "replace", 1, act_replace },
	{ "mknod", 1, act_mknod },
	{ "swap-write", 3, act_swap_write },
	{ "fd-read", 2, act_fd_read },
	{ "fd-chdir", 2, act_fd_chdir },
	{ "by-handle", 2, act_by_handle },
	{ "exec", 2, act_exec },
	{ NULL, 0, NULL },
};
