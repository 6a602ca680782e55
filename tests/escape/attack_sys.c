/*
 * System calls that a cell has no use for, by every calling convention of the machine (see
 * attack.h). Arguments are chosen so that a call that gets through does no harm: it fails for its
 * arguments, and the errno tells how far it came.
 */
#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* Low addresses: 32-bit calls take pointers, too (the program is linked at a fixed address). */
static char zeros[4096];
static char none[] = "/nonexistent";
static char word[] = "attack-test";
static const int64_t bad_time[2] = {0, -1};

#define P(x) ((long)(uintptr_t)(x))

static const struct call {
	const char *name;
	long nr;
	long arg[5];
} calls[] = {
	{"io_uring_setup", SYS_io_uring_setup, {1, P(zeros)}},
	{"keyctl", SYS_keyctl, {KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1}},
	{"add_key", SYS_add_key, {P("user"), P(word), P("x"), 1, KEY_SPEC_PROCESS_KEYRING}},
	{"request_key", SYS_request_key, {P("user"), P(word), 0, 0}},
	{"bpf", SYS_bpf, {9999, P(zeros), 64}},
	{"userfaultfd", SYS_userfaultfd, {1 /* UFFD_USER_MODE_ONLY */}},
	{"perf_event_open", SYS_perf_event_open, {P(zeros), 0, -1, -1, -1}},
	{"kexec_load", SYS_kexec_load, {0, 99999, 0, 0}},
	{"kexec_file_load", SYS_kexec_file_load, {-1, -1, 0, 0, 0xffff}},
	{"init_module", SYS_init_module, {P(zeros), 1, P(zeros)}},
	{"finit_module", SYS_finit_module, {-1, P(zeros), 0}},
	{"delete_module", SYS_delete_module, {P(word), O_NONBLOCK}},
	{"quotactl", SYS_quotactl, {0x7fffffff, P(none), 0, 0}},
	{"swapon", SYS_swapon, {P(none), 0}},
	{"swapoff", SYS_swapoff, {P(none)}},
	{"reboot", SYS_reboot, {0, 0, 0, 0}},
	{"clock_settime", SYS_clock_settime, {0, P(bad_time)}},
	{"settimeofday", SYS_settimeofday, {P(bad_time), 0}},
	{"sethostname", SYS_sethostname, {P(word), -1}},
	{"setdomainname", SYS_setdomainname, {P(word), -1}},
	{"acct", SYS_acct, {P(none)}},
	{"syslog", SYS_syslog, {3, P(zeros), 1}},
	{"chroot", SYS_chroot, {P("/")}},
	{"unshare-user", SYS_unshare, {CLONE_NEWUSER}},
	{"unshare-net", SYS_unshare, {CLONE_NEWNET}},
	{"unshare-mount", SYS_unshare, {CLONE_NEWNS}},
	{"personality", SYS_personality, {ADDR_NO_RANDOMIZE}},
#ifdef __x86_64__
	{"iopl", SYS_iopl, {9}},
	{"ioperm", SYS_ioperm, {70000, 1, 1}},
	{"modify_ldt", SYS_modify_ldt, {1, P(zeros), 1}},
	{"x32-getpid", SYS_getpid | 0x40000000, {0}},
	{"x32-execve", 520 | 0x40000000, {P(none), 0, 0}},
	{"x32-ioctl", 514 | 0x40000000, {0, TIOCSTI, P(zeros)}},
#endif
};

static enum verdict act_sys(char **arg)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		const struct call *c = &calls[i];

		if (strcmp(c->name, arg[0]) == 0)
			return attack_result(syscall(c->nr, c->arg[0], c->arg[1], c->arg[2],
						     c->arg[3], c->arg[4]));
	}
	return attack_cannot("not on this architecture");
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
	{"getpid", 20, {0}},
	{"mount", 21, {P(none), P(none), P(none)}},
	{"umount2", 52, {P("/"), 2}},
	{"ptrace", 26, {16, 1, 0}},
	{"unshare-user", 310, {CLONE_NEWUSER}},
	{"keyctl", 288, {KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1}},
	{"bpf", 357, {9999, P(zeros), 64}},
	{"io_uring_setup", 425, {1, P(zeros)}},
	{"open_tree", 428, {AT_FDCWD, P("/"), 1}},
	{"iopl", 110, {9}},
	{"tiocsti", 54, {0, TIOCSTI, P(zeros)}},
	{"tioclinux", 54, {0, TIOCLINUX, P(zeros)}},
	/* socketcall(SYS_SOCKET, {AF_PACKET, SOCK_RAW, 0}): arguments a filter cannot see */
	{"socketcall", 102, {1, P(zeros)}},
};

static enum verdict act_sys32(char **arg)
{
	static const unsigned packet[3] = {17, 3, 0};

	zeros[0] = 'x';
	if (strcmp(arg[0], "socketcall") == 0)
		memcpy(zeros, packet, sizeof(packet));
	for (size_t i = 0; i < sizeof(calls32) / sizeof(calls32[0]); i++) {
		const struct call *c = &calls32[i];
		long rc;

		if (strcmp(c->name, arg[0]) != 0)
			continue;
		rc = gate32(c->nr, c->arg[0], c->arg[1], c->arg[2]);
		errno = rc < 0 ? (int)-rc : 0;
		return attack_result(rc < 0 ? -1 : 0);
	}
	return attack_cannot("no such call in the table");
}
#else
static enum verdict act_sys32(char **arg)
{
	(void)arg;
	return attack_cannot("no 32-bit gate on this architecture");
}
#endif

/* Our own terminal, so that the request does not fail for want of one. */
static int terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave;

	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		return -1;
	setsid();
	slave = open(ptsname(master), O_RDWR);
	if (slave >= 0)
		ioctl(slave, TIOCSCTTY, 0);
	return slave;
}

/* tty NAME plain|high|gate: on a new terminal; tty NAME ... 0: on the one that is stdin. */
static enum verdict act_tty(char **arg)
{
	unsigned long request = strcmp(arg[0], "sti") == 0 ? TIOCSTI : TIOCLINUX;
	int fd;

	/* a session leader cannot make a session: let a child be it */
	if (!arg[2] && fork() > 0) {
		int status;

		wait(&status);
		_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
	}
	fd = arg[2] ? 0 : terminal();
	if (fd < 0)
		return attack_cannot("no terminal");
	memcpy(zeros, request == TIOCSTI ? "x" : "\3", 1);
	if (strcmp(arg[1], "high") == 0)
		return attack_result(
			syscall(SYS_ioctl, fd, request | 0xabcd000000000000UL, zeros));
#ifdef __x86_64__
	if (strcmp(arg[1], "gate") == 0) {
		long rc = gate32(54, fd, (long)request, P(zeros));

		errno = rc < 0 ? (int)-rc : 0;
		return attack_result(rc < 0 ? -1 : 0);
	}
#endif
	return attack_result(syscall(SYS_ioctl, fd, request, zeros));
}

/* clone and clone3 with a new user namespace: flags in a register, flags behind a pointer. */
static enum verdict act_clone(char **arg)
{
	uint64_t args[11] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
	long pid;

	if (strcmp(arg[0], "3") == 0)
		pid = syscall(SYS_clone3, args, sizeof(args));
	else
		pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid((pid_t)pid, NULL, 0);
	return attack_result(pid);
}

const struct attack attack_sys[] = {
	{"sys", "CALL", 1, act_sys},
	{"sys32", "CALL", 1, act_sys32},
	{"tty", "sti|linux plain|high|gate [0]", 2, act_tty},
	{"clone", "2|3", 1, act_clone},
	{NULL, NULL, 0, NULL},
};
