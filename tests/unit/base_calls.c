/*
 * Proves: a table of system calls allows what it says and no more: whole calls, calls by their
 * arguments, an error of a row's own, and the verdict for the rest; and that all of it works without
 * the table (the control).
 */
#include "base/calls.h"
#include "base/cleanup.h"
#include "tap.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct calls_rule rules[] = {
	{ .number = SYS_exit_group },
	{ .number = SYS_getpid },
	{ SYS_mmap, 0, { { CALLS_NOT_BITS, 2, PROT_EXEC }, { CALLS_HAS_BITS, 3, MAP_ANONYMOUS } } },
	{ SYS_socket, 0, { { CALLS_IS, 0, AF_INET } } },
	{ .number = SYS_socket, .error = EAFNOSUPPORT },
};

/* 0 or the errno; as an exit status. */
static int result(long r)
{
	return r < 0 ? errno : 0;
}

static int try_getpid(void)
{
	return result(syscall(SYS_getpid));
}

static int try_getppid(void)
{
	return result(syscall(SYS_getppid));
}

static int map(int prot, int flags)
{
	return result(syscall(SYS_mmap, NULL, 4096, prot, flags, -1, 0));
}

static int try_map(void)
{
	return map(PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS);
}

static int try_map_code(void)
{
	return map(PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS);
}

/* Without the table it is the missing descriptor that is complained of. */
static int try_map_file(void)
{
	return map(PROT_READ, MAP_PRIVATE);
}

static int try_inet(void)
{
	return result(syscall(SYS_socket, AF_INET, SOCK_STREAM, 0));
}

static int try_unix(void)
{
	return result(syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
}

static const struct {
	const char *what;
	int (*act)(void);
	int bare, caged;
} acts[] = {
	{ "a call of the table", try_getpid, 0, 0 },
	{ "a call that is not in it", try_getppid, 0, EPERM },
	{ "arguments without the bits, with the others", try_map, 0, 0 },
	{ "an argument with a bit that must not be", try_map_code, 0, EPERM },
	{ "an argument without a bit that must be", try_map_file, EBADF, EPERM },
	{ "an argument's value", try_inet, 0, 0 },
	{ "another one: the row's own error", try_unix, 0, EAFNOSUPPORT },
};

/* The wait status of a child that acts, with the table or without. */
static int play(int (*act)(void), bool caged, uint32_t otherwise)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		struct err err = { 0 };

		if (caged && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
				     calls_allow_only(rules, ARRAY_LEN(rules), otherwise, 0, &err) < 0))
			_exit(255);
		_exit(act());
	}
	(void)waitpid(pid, &status, 0);
	return status;
}

int main(void)
{
	int status;

	for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
		status = play(acts[i].act, false, 0);
		tap_ok(WIFEXITED(status) && WEXITSTATUS(status) == acts[i].bare, "%s: bare: %d",
			acts[i].what, acts[i].bare);
		status = play(acts[i].act, true, SECCOMP_RET_ERRNO | EPERM);
		tap_ok(WIFEXITED(status) && WEXITSTATUS(status) == acts[i].caged, "%s: caged: %d",
			acts[i].what, acts[i].caged);
	}
	status = play(try_getppid, true, SECCOMP_RET_KILL_PROCESS);
	tap_ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "another verdict for the rest");
	return tap_done();
}
