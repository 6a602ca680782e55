/*
 * Acts on files (see attack.h): reading what is hidden by every name it could have, changing what
 * is protected, and walking out through descriptors that somebody else opened.
 */
#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static enum verdict act_read(char **arg)
{
	char buf[4096];

	if (attack_slurp(arg[0], buf, sizeof(buf)) < 0)
		return attack_result(-1);
	buf[strcspn(buf, "\n")] = '\0';
	return attack_got(buf);
}

/* Neither open nor stat nor access may tell that the file is there. */
static enum verdict act_seen(char **arg)
{
	struct stat st;

	if (stat(arg[0], &st) == 0 || access(arg[0], F_OK) == 0)
		return attack_got("stat");
	return attack_result(-1);
}

/* Reads a file as fast as it can while its name is deleted: DIR/N/.env for N below the count. */
static enum verdict act_delete_reading(char **arg)
{
	volatile long *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long count = attack_number(arg[1]), deleted = 0;
	char path[PATH_MAX], buf[64];
	pid_t pid;

	if (shared == MAP_FAILED)
		return attack_result(-1);
	pid = fork();
	for (long i = 0; pid == 0 && i < count;) {
		i = shared[0];
		snprintf(path, sizeof(path), "%s/%ld/.env", arg[0], i);
		if (attack_slurp(path, buf, sizeof(buf)) > 0)
			shared[1]++;
	}
	if (pid == 0)
		_exit(0);
	for (long i = 0; i < count; i++) {
		shared[0] = i;
		usleep(2000);
		snprintf(path, sizeof(path), "%s/%ld/.env", arg[0], i);
		deleted += unlink(path) == 0;
	}
	shared[0] = count;
	waitpid(pid, NULL, 0);
	if (deleted != count)
		return attack_cannot("not deleted");
	return shared[1] > 0 ? attack_got("read") : attack_none();
}

static enum verdict act_open_write(char **arg)
{
	int fd = open(arg[0], O_WRONLY | O_CLOEXEC | O_NOCTTY);

	return attack_result(fd);
}

/* Made and taken away again: the control must not leave it on the host. */
static enum verdict act_create(char **arg)
{
	int fd = open(arg[0], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);

	if (fd < 0)
		return attack_result(-1);
	unlink(arg[0]);
	return attack_got(arg[0]);
}

static enum verdict act_append(char **arg)
{
	int fd = open(arg[0], O_WRONLY | O_APPEND | O_CLOEXEC);

	if (fd < 0)
		return attack_result(-1);
	return attack_result(write(fd, "# planted\n", 10));
}

/* There and back, so that the next act finds everything in its place. */
static enum verdict act_rename(char **arg)
{
	int rc = rename(arg[0], arg[1]);

	if (rc == 0 && rename(arg[1], arg[0]) < 0)
		return attack_got("and cannot be undone");
	return attack_result(rc);
}

static enum verdict act_exchange(char **arg)
{
	int rc = renameat2(AT_FDCWD, arg[0], AT_FDCWD, arg[1], RENAME_EXCHANGE);

	if (rc == 0 && renameat2(AT_FDCWD, arg[0], AT_FDCWD, arg[1], RENAME_EXCHANGE) < 0)
		return attack_got("and cannot be undone");
	return attack_result(rc);
}

static enum verdict act_swap(char **arg)
{
	return attack_result(renameat2(AT_FDCWD, arg[0], AT_FDCWD, arg[1], RENAME_EXCHANGE));
}

static enum verdict act_link(char **arg)
{
	return attack_result(link(arg[0], arg[1]));
}

static enum verdict act_remove(char **arg)
{
	return attack_result(remove(arg[0]));
}

static enum verdict act_mknod(char **arg)
{
	return attack_result(mknod(arg[0], S_IFCHR | 0666, 0x0105));
}

static enum verdict act_chown(char **arg)
{
	return attack_result(chown(arg[0], 12345, 12345));
}

/* Exit 0 and OK when the program at path runs as root: a setuid bit that was honoured. */
static enum verdict act_setuid_exec(char **arg)
{
	execl(arg[0], arg[0], "euid", (char *)NULL);
	return attack_result(-1);
}

static enum verdict act_euid(char **arg)
{
	(void)arg;
	return geteuid() == 0 && getuid() != 0 ? attack_got("root") : attack_none();
}

static enum verdict act_setuid(char **arg)
{
	(void)arg;
	return attack_result(setuid(12345));
}

/* A path beneath a descriptor that the caller left open. */
static enum verdict act_fd_read(char **arg)
{
	char buf[256];
	int fd = openat((int)attack_number(arg[0]), arg[1], O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return attack_result(-1);
	n = read(fd, buf, sizeof(buf) - 1);
	return attack_result(n);
}

static enum verdict act_fd_chdir(char **arg)
{
	char buf[256];

	if (fchdir((int)attack_number(arg[0])) < 0)
		return attack_result(-1);
	return attack_result(attack_slurp(arg[1], buf, sizeof(buf)));
}

/* A file that was handed over read-only must stay so: the test compares it afterwards. */
static enum verdict act_fd_reopen(char **arg)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%ld", attack_number(arg[0]));
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	return attack_result(fd < 0 ? -1 : write(fd, "# planted\n", 10));
}

static enum verdict act_fds(char **arg)
{
	char found[64] = "";

	(void)arg;
	for (int fd = 3; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			snprintf(found, sizeof(found), "%d", fd);
	return found[0] ? attack_got(found) : attack_none();
}

/* with-fd N PATH COMMAND...: runs the command with PATH open as descriptor N. */
static enum verdict act_with_fd(char **arg)
{
	int want = (int)attack_number(arg[0]), fd = open(arg[1], O_RDONLY);

	if (fd < 0 || (fd != want && dup2(fd, want) < 0))
		return attack_cannot("cannot open the descriptor to pass");
	if (fd != want)
		close(fd);
	execvp(arg[2], arg + 2);
	return attack_cannot("cannot run the command");
}

struct handle {
	struct file_handle head;
	unsigned char bytes[MAX_HANDLE_SZ];
};

/* Outside: prints the handle of a file, to be opened inside without any path. */
static enum verdict act_handle_of(char **arg)
{
	struct handle h = {.head.handle_bytes = MAX_HANDLE_SZ};
	char text[2 * MAX_HANDLE_SZ + 16];
	int mount_id, at;

	if (name_to_handle_at(AT_FDCWD, arg[0], &h.head, &mount_id, 0) < 0)
		return attack_cannot("no file handles here");
	at = snprintf(text, sizeof(text), "%d:", h.head.handle_type);
	for (unsigned i = 0; i < h.head.handle_bytes; i++)
		at += snprintf(text + at, sizeof(text) - (size_t)at, "%02x", h.bytes[i]);
	return attack_got(text);
}

static enum verdict act_by_handle(char **arg)
{
	struct handle h = {.head.handle_bytes = 0};
	char *hex, byte[3] = "";
	int at, fd;

	h.head.handle_type = (int)strtol(arg[1], &hex, 10);
	for (hex++; hex[0] && hex[1] && h.head.handle_bytes < MAX_HANDLE_SZ; hex += 2) {
		memcpy(byte, hex, 2);
		h.bytes[h.head.handle_bytes++] = (unsigned char)strtoul(byte, NULL, 16);
	}
	at = open(arg[0], O_RDONLY | O_CLOEXEC);
	if (at < 0)
		return attack_cannot("cannot open a place on that mount");
	fd = open_by_handle_at(at, &h.head, O_RDONLY);
	return attack_result(fd);
}

/* Runs ARG... from a memfd: allowed in a cell, and it must still be the cell it runs in. */
static enum verdict act_memfd(char **arg)
{
	char self[4096];
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = memfd_create("attack", MFD_CLOEXEC);
	ssize_t n;

	if (from < 0 || to < 0)
		return attack_cannot("no memfd");
	while ((n = read(from, self, sizeof(self))) > 0)
		if (write(to, self, (size_t)n) != n)
			return attack_cannot("short write");
	fexecve(to, arg - 1, environ);
	return attack_result(-1);
}

const struct attack attack_files[] = {
	{"read", "PATH", 1, act_read},
	{"seen", "PATH", 1, act_seen},
	{"delete-reading", "DIR COUNT", 2, act_delete_reading},
	{"open-write", "PATH", 1, act_open_write},
	{"create", "PATH", 1, act_create},
	{"append", "PATH", 1, act_append},
	{"rename", "FROM TO", 2, act_rename},
	{"exchange", "ONE OTHER", 2, act_exchange},
	{"swap", "ONE OTHER", 2, act_swap},
	{"link", "FROM TO", 2, act_link},
	{"remove", "PATH", 1, act_remove},
	{"mknod", "PATH", 1, act_mknod},
	{"chown", "PATH", 1, act_chown},
	{"setuid", "", 0, act_setuid},
	{"setuid-exec", "PATH", 1, act_setuid_exec},
	{"euid", "", 0, act_euid},
	{"fd-read", "N PATH", 2, act_fd_read},
	{"fd-chdir", "N PATH", 2, act_fd_chdir},
	{"fd-reopen", "N", 1, act_fd_reopen},
	{"fds", "", 0, act_fds},
	{"with-fd", "N PATH COMMAND...", 3, act_with_fd},
	{"handle-of", "PATH", 1, act_handle_of},
	{"by-handle", "MOUNT HANDLE", 2, act_by_handle},
	{"memfd", "ACT ARG...", 1, act_memfd},
	{NULL, NULL, 0, NULL},
};
