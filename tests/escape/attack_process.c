/*
 * Acts on other processes (see attack.h): their memory, descriptors, environment and lives, and
 * staying alive when the session is over.
 */
#include "attack.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static char big[1 << 20];

static enum verdict act_kill(char **arg)
{
	return attack_result(kill((pid_t)attack_number(arg[0]), 0));
}

static enum verdict act_ptrace(char **arg)
{
	pid_t pid = (pid_t)attack_number(arg[1]);
	bool seize = strcmp(arg[0], "seize") == 0;
	long rc = ptrace(seize ? PTRACE_SEIZE : PTRACE_ATTACH, pid, NULL, NULL);

	if (rc == 0 && !seize)
		waitpid(pid, NULL, 0);
	if (rc == 0)
		ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return attack_result(rc);
}

static enum verdict act_vm_read(char **arg)
{
	char buf[64] = "";
	struct iovec here = {buf, sizeof(buf) - 1};
	struct iovec there = {(void *)(uintptr_t)strtoull(arg[1], NULL, 0), sizeof(buf) - 1};
	ssize_t n = process_vm_readv((pid_t)attack_number(arg[0]), &here, 1, &there, 1, 0);

	/* an address that is not mapped there was at least looked up there: no denial */
	return n < 0 && errno == EFAULT ? attack_got("reached") : attack_result(n);
}

static enum verdict act_proc_mem(char **arg)
{
	char path[64], buf[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/mem", arg[0]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return attack_result(-1);
	if (pread(fd, buf, sizeof(buf), (off_t)strtoull(arg[1], NULL, 0)) < 0 && errno != EIO)
		return attack_result(-1);
	return attack_got("open");
}

/* /proc/PID/NAME as a file: maps, environ, stack, ... */
static enum verdict act_proc_file(char **arg)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/%s/%s", arg[0], arg[1]);
	return attack_result(attack_slurp(path, big, sizeof(big)));
}

static enum verdict act_pidfd_getfd(char **arg)
{
	long pidfd = syscall(SYS_pidfd_open, attack_number(arg[0]), 0);

	if (pidfd < 0)
		return attack_result(-1);
	return attack_result(syscall(SYS_pidfd_getfd, pidfd, attack_number(arg[1]), 0));
}

static bool proc_holds(const char *pid, const char *name, const char *text)
{
	char path[512];

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	return attack_holds(big, attack_slurp(path, big, sizeof(big)), text);
}

/* Is the text in anything that this process's /proc directory lends to others? */
static bool proc_leaks(const char *pid, const char *canary, const char *hidden)
{
	char name[400];

	/* whoever carries this very command on its command line holds the text it looks for */
	if (!proc_holds(pid, "cmdline", "proc-scan") && proc_holds(pid, "cmdline", canary))
		return true;
	if (proc_holds(pid, "environ", canary))
		return true;
	snprintf(name, sizeof(name), "root/%s", hidden);
	if (proc_holds(pid, name, canary))
		return true;
	snprintf(name, sizeof(name), "cwd/%s", hidden);
	if (proc_holds(pid, name, canary))
		return true;
	for (int fd = 0; fd < 64; fd++) {
		struct stat st;

		snprintf(name, sizeof(name), "/proc/%s/fd/%d", pid, fd);
		if (stat(name, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		snprintf(name, sizeof(name), "fd/%d", fd);
		if (proc_holds(pid, name, canary))
			return true;
	}
	return false;
}

/* Looks through every process: environ, cmdline, root/PATH, cwd/PATH and open files. */
static enum verdict act_proc_scan(char **arg)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	if (!proc)
		return attack_result(-1);
	while ((entry = readdir(proc)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    proc_leaks(entry->d_name, arg[0], arg[1]))
			return attack_got(entry->d_name);
	closedir(proc);
	return attack_none();
}

static enum verdict act_env(char **arg)
{
	for (char **e = environ; *e; e++)
		if (strstr(*e, arg[0]))
			return attack_got(*e);
	return attack_none();
}

/* OK when any capability is left, or no_new_privs or the filter is missing. */
static enum verdict act_powers(char **arg)
{
	static const char *const zero[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
	char *at;

	(void)arg;
	if (attack_slurp("/proc/self/status", big, sizeof(big)) < 0)
		return attack_result(-1);
	for (size_t i = 0; i < sizeof(zero) / sizeof(zero[0]); i++) {
		at = strstr(big, zero[i]);
		if (!at || strtoull(at + 7, NULL, 16) != 0)
			return attack_got(zero[i]);
	}
	if (!strstr(big, "NoNewPrivs:\t1"))
		return attack_got("no_new_privs");
	return strstr(big, "Seccomp:\t2") ? attack_none() : attack_got("no filter");
}

static enum verdict act_setns(char **arg)
{
	int fd = open(arg[0], O_RDONLY | O_CLOEXEC);

	return fd < 0 ? attack_result(-1) : attack_result(syscall(SYS_setns, fd, 0));
}

/* Stays, found by its argument, until killed: ignores what can be ignored. */
static enum verdict act_stay(char **arg)
{
	static const int deaf[] = {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGPIPE, SIGUSR1};

	(void)arg;
	for (size_t i = 0; i < sizeof(deaf) / sizeof(deaf[0]); i++)
		signal(deaf[i], SIG_IGN);
	puts("OK");
	/* bounded, so that a failed test leaves nothing for ever */
	sleep(60);
	return GOT;
}

/* setsid and two forks: nothing ties the grandchild to whoever started it. */
static enum verdict act_daemon(char **arg)
{
	char *name[] = {(char *)(uintptr_t) "attack", (char *)(uintptr_t) "stay", arg[0], NULL};
	pid_t pid = fork();

	if (pid < 0)
		return attack_result(-1);
	if (pid > 0) {
		usleep(100000);
		return attack_got("");
	}
	setsid();
	if (fork() > 0)
		_exit(0);
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	if (open("/dev/null", O_RDWR) == 0 && dup(0) == 1 && dup(0) == 2)
		execv("/proc/self/exe", name);
	_exit(1);
}

/* with-key NAME VALUE COMMAND...: the command gets a session keyring with one key in it. */
static enum verdict act_with_key(char **arg)
{
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 ||
	    syscall(SYS_add_key, "user", arg[0], arg[1], strlen(arg[1]),
		    KEY_SPEC_SESSION_KEYRING) < 0)
		return attack_cannot("no key rings here");
	execvp(arg[2], arg + 2);
	return attack_cannot("cannot run the command");
}

static enum verdict act_key(char **arg)
{
	long key = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", arg[0], 0);

	if (key < 0)
		return attack_result(-1);
	return attack_result(syscall(SYS_keyctl, KEYCTL_READ, key, big, sizeof(big)));
}

const struct attack attack_process[] = {
	{"kill", "PID", 1, act_kill},
	{"ptrace", "attach|seize PID", 2, act_ptrace},
	{"vm-read", "PID ADDRESS", 2, act_vm_read},
	{"proc-mem", "PID ADDRESS", 2, act_proc_mem},
	{"proc-file", "PID NAME", 2, act_proc_file},
	{"pidfd-getfd", "PID FD", 2, act_pidfd_getfd},
	{"proc-scan", "TEXT PATH", 2, act_proc_scan},
	{"env", "TEXT", 1, act_env},
	{"powers", "", 0, act_powers},
	{"setns", "PATH", 1, act_setns},
	{"stay", "NAME", 1, act_stay},
	{"daemon", "NAME", 1, act_daemon},
	{"with-key", "NAME VALUE COMMAND...", 3, act_with_key},
	{"key", "NAME", 1, act_key},
	{NULL, NULL, 0, NULL},
};
