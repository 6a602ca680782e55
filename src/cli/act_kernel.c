/*
 * System calls that a cell has no use for, by every calling convention of the machine (act.h).
 * Arguments are chosen so that a call that gets through does no harm: it fails for its arguments,
 * and the errno tells how far it came.
 */
#include "base/cleanup.h"
#include "cli/act.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>

/* What arguments point to; LOW: into a page below 4 GiB, which 32-bit calls can name as well. */
enum { ZEROS = -1000, NOWHERE, WORD, USER, BAD_TIME, PACKET };

struct call {
	const char *name;
	long nr;
	long arg[5];
};

static const struct call calls[] = {
	{ "io_uring_setup", SYS_io_uring_setup, { 1, ZEROS } },
	{ "keyctl", SYS_keyctl, { KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1 } },
	{ "add_key", SYS_add_key, { USER, WORD, WORD, 1, KEY_SPEC_PROCESS_KEYRING } },
	{ "request_key", SYS_request_key, { USER, NOWHERE, 0, 0 } },
	{ "bpf", SYS_bpf, { 9999, ZEROS, 64 } },
	{ "userfaultfd", SYS_userfaultfd, { 1 /* user mode only */ } },
	{ "perf_event_open", SYS_perf_event_open, { ZEROS, 0, -1, -1, -1 } },
	{ "quotactl", SYS_quotactl, { 0x7fffffff, NOWHERE, 0, 0 } },
	{ "clock_settime", SYS_clock_settime, { 0, BAD_TIME } },
	{ "kexec_load", SYS_kexec_load, { 0, 99999, 0, 0 } },
	{ "init_module", SYS_init_module, { ZEROS, 1, ZEROS } },
	{ "swapon", SYS_swapon, { NOWHERE, 0 } },
	{ "sethostname", SYS_sethostname, { WORD, -1 } },
	{ "acct", SYS_acct, { NOWHERE } },
	{ "unshare-user", SYS_unshare, { CLONE_NEWUSER } },
#ifdef __x86_64__
	{ "iopl", SYS_iopl, { 9 } },
	{ "ioperm", SYS_ioperm, { 70000, 1, 1 } },
	{ "x32-getpid", SYS_getpid | 0x40000000, { 0 } },
#endif
};

/* A page with what the arguments mean. */
static char *low_page(void)
{
	static const int64_t bad_time[2] = { 0, -1 };
	/* socketcall(SYS_SOCKET, {AF_PACKET, SOCK_RAW, 0}) */
	static const unsigned packet[3] = { 17, 3, 0 };
#ifdef __x86_64__
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT;
#else
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
#endif
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, flags, -1, 0);

	if (page == MAP_FAILED)
		return NULL;
	memcpy(page + 4096, "/nonexistent", 13);
	memcpy(page + 4200, "agentjail", 10);
	memcpy(page + 4300, "user", 5);
	memcpy(page + 4400, bad_time, sizeof(bad_time));
	memcpy(page + 4500, packet, sizeof(packet));
	return page;
}

static long argument(const char *page, long value)
{
	static const int at[] = { 0, 4096, 4200, 4300, 4400, 4500 };

	return value >= ZEROS && value <= PACKET ? (long)(uintptr_t)(page + at[value - ZEROS])
						 : value;
}

static const struct call *find_call(const struct call *table, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

static const char *act_sys(char **arg)
{
	const struct call *c = find_call(calls, ARRAY_LEN(calls), arg[0]);
	const char *page = low_page();
	long a[5];

	if (c == NULL || page == NULL)
		return act_skip("not on this architecture");
	for (size_t i = 0; i < ARRAY_LEN(a); i++)
		a[i] = argument(page, c->arg[i]);
	return act_result(syscall(c->nr, a[0], a[1], a[2], a[3], a[4]));
}

#ifdef __x86_64__
/* The i386 table, reached from a 64-bit program by the old gate. */
static long gate32(long nr, long a, long b, long c)
{
	long rc;

	__asm__ volatile("int $0x80"
			 : "=a"(rc)
			 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(0L), "D"(0L)
			 : "memory", "r8", "r9", "r10", "r11", "cc");
	return rc;
}

static const struct call calls32[] = {
	{ "unshare-user", 310, { CLONE_NEWUSER } },
	{ "keyctl", 288, { KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1 } },
	{ "bpf", 357, { 9999, ZEROS, 64 } },
	{ "io_uring_setup", 425, { 1, ZEROS } },
	/* Arguments that a filter cannot see. */
	{ "socketcall-packet", 102, { 1, PACKET } },
};

/* A kernel without the gate ends the process by SIGSEGV. */
static const char *act_sys32(char **arg)
{
	const struct call *c = find_call(calls32, ARRAY_LEN(calls32), arg[0]);
	const char *page = low_page();
	long rc;

	if (c == NULL || page == NULL)
		return act_skip("not on this architecture");
	rc = gate32(c->nr, argument(page, c->arg[0]), argument(page, c->arg[1]),
		argument(page, c->arg[2]));
	return rc < 0 ? act_errno_name((int)-rc) : "OK";
}

/* In the child: execve by the old gate, its pointers of 32 bits each. */
static _Noreturn void exec_gate(char **arg, int out)
{
	char *page = low_page();
	uint32_t argv[3] = { 0 };
	size_t at = 0;

	if (page == NULL || dup2(out, 1) < 0)
		_exit(1);
	for (size_t i = 0; i < 2 && arg[i] != NULL; i++) {
		argv[i] = (uint32_t)(uintptr_t)(page + at);
		at += (size_t)snprintf(page + at, 1024, "%s", arg[i]) + 1;
	}
	memcpy(page + 2048, argv, sizeof(argv));
	(void)gate32(11, (long)(uintptr_t)page, (long)(uintptr_t)(page + 2048), 0);
	_exit(1);
}

/* PROGRAM WORD: a program, started by the 32-bit call, and the canary in what it prints. */
static const char *act_exec32(char **arg)
{
	char bytes[512];
	int ends[2];
	ssize_t n;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return act_skip("no pipe");
	pid = fork();
	if (pid == 0)
		exec_gate(arg, ends[1]);
	(void)close(ends[1]);
	n = read(ends[0], bytes, sizeof(bytes));
	(void)close(ends[0]);
	if (pid < 0 || waitpid(pid, NULL, 0) < 0)
		return act_result(-1);
	return act_has_canary(bytes, n) ? "OK" : "NONE";
}
#else
static const char *act_exec32(char **arg)
{
	(void)arg;
	return act_skip("no 32-bit gate on this architecture");
}

static const char *act_sys32(char **arg)
{
	(void)arg;
	return act_skip("no 32-bit gate on this architecture");
}
#endif

/* A terminal of the act's own, so that the request does not fail for want of one. */
static int open_terminal(void)
{
	AUTO_CLOSE int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	char name[64];
	int slave;

	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 ||
		ptsname_r(master, name, sizeof(name)) != 0)
		return -1;
	(void)setsid();
	slave = open(name, O_RDWR | O_CLOEXEC);
	if (slave >= 0)
		(void)ioctl(slave, TIOCSCTTY, 0);
	(void)take_fd(&master); /* open until the process ends, or the terminal hangs up */
	return slave;
}

static const char *try_terminal(char **arg)
{
	unsigned long request = strcmp(arg[0], "sti") == 0 ? TIOCSTI : TIOCLINUX;
	int fd = open_terminal();
	char *page = low_page();

	if (fd < 0 || page == NULL)
		return act_skip("no terminal");
	page[0] = request == TIOCSTI ? 'x' : 3;
	if (strcmp(arg[1], "high") == 0)
		return act_result(syscall(SYS_ioctl, fd, request | 0xabcd000000000000UL, page));
#ifdef __x86_64__
	if (strcmp(arg[1], "gate") == 0) {
		long rc = gate32(54, fd, (long)request, (long)(uintptr_t)page);

		return rc < 0 ? act_errno_name((int)-rc) : "OK";
	}
#endif
	return act_result(syscall(SYS_ioctl, fd, request, page));
}

/* sti|linux plain|high|gate. The leader of a group cannot make a session: a child is it. */
static const char *act_tty(char **arg)
{
	static char answer[ACT_ANSWER_BYTES];
	int ends[2], status = 0;
	ssize_t n;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return act_skip("no pipe");
	pid = fork();
	if (pid == 0) {
		const char *text = try_terminal(arg);

		_exit(write(ends[1], text, strlen(text)) < 0);
	}
	(void)close(ends[1]);
	n = read(ends[0], answer, sizeof(answer) - 1);
	(void)close(ends[0]);
	answer[n > 0 ? n : 0] = '\0';
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return act_result(-1);
	return answer[0] != '\0' ? answer : "SIGSYS";
}

/* 2|3: a new user namespace by flags in a register, and by flags behind a pointer. */
static const char *act_clone(char **arg)
{
	uint64_t args[11] = { CLONE_NEWUSER, 0, 0, 0, SIGCHLD };
	long pid = strcmp(arg[0], "3") == 0
			   ? syscall(SYS_clone3, args, sizeof(args))
			   : syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
	const char *answer;

	if (pid == 0)
		_exit(0);
	answer = act_result(pid);
	if (pid > 0)
		(void)waitpid((pid_t)pid, NULL, 0);
	return answer;
}

const struct act act_kernel[] = {
	{ "sys", 1, act_sys },
	{ "sys32", 1, act_sys32 },
	{ "exec32", 2, act_exec32 },
	{ "tty", 2, act_tty },
	{ "clone", 1, act_clone },
	{ NULL, 0, NULL },
};
