/*
 * Acts on other processes (act.h): their memory, descriptors, environment and arguments, what the
 * act itself inherited, and powers that it should not have. The target is the test's own process.
 */
#include "base/cleanup.h"
#include "base/sys.h"
#include "cli/act.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

/* Rationale: environments are a few pages; of a larger file the start has to do. */
static char big[1 << 20];

static const char *act_kill(char **arg)
{
	return act_result(kill((pid_t)act_number(arg[0]), 0));
}

static const char *act_ptrace(char **arg)
{
	pid_t pid = (pid_t)act_number(arg[0]);
	long rc = ptrace(PTRACE_SEIZE, pid, NULL, NULL);
	const char *answer = act_result(rc);

	if (rc == 0 && ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == 0) {
		(void)waitpid(pid, NULL, 0);
		(void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
	}
	return answer;
}

static const char *act_vm_read(char **arg)
{
	char bytes[64] = "";
	struct iovec here = { bytes, sizeof(bytes) - 1 };
	struct iovec there = { (void *)(uintptr_t)strtoull(arg[1], NULL, 0), sizeof(bytes) - 1 };
	ssize_t n = process_vm_readv((pid_t)act_number(arg[0]), &here, 1, &there, 1, 0);

	/* An address that is not mapped there was at least looked up there. */
	return n < 0 && errno == EFAULT ? "OK" : act_result(n);
}

static const char *act_proc_mem(char **arg)
{
	AUTO_CLOSE int fd = -1;
	char path[64], bytes[64];

	(void)snprintf(path, sizeof(path), "/proc/%.20s/mem", arg[0]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return act_result(-1);
	return act_has_canary(
		       bytes, pread(fd, bytes, sizeof(bytes), (off_t)strtoull(arg[1], NULL, 0)))
		       ? "OK"
		       : "NONE";
}

/* PID NAME: the canary in /proc/PID/NAME. */
static const char *act_proc_file(char **arg)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "/proc/%.20s/%.400s", arg[0], arg[1]);
	return act_read_path(path);
}

static const char *act_pidfd_getfd(char **arg)
{
	AUTO_CLOSE int pidfd = sys_pidfd_open((pid_t)act_number(arg[0]), 0);
	AUTO_CLOSE int fd = -1;

	if (pidfd < 0)
		return act_result(-1);
	fd = sys_pidfd_getfd(pidfd, (int)act_number(arg[1]), 0);
	return act_result(fd);
}

static bool proc_has_canary(const char *pid, const char *name)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "/proc/%.20s/%.400s", pid, name);
	return act_has_canary(big, act_slurp(path, big, sizeof(big)));
}

/* Only files: reading somebody's pipe would take what is in it. */
static bool open_files_leak(const char *pid)
{
	for (int fd = 0; fd < 32; fd++) {
		char path[64], name[16];
		struct stat st;

		(void)snprintf(path, sizeof(path), "/proc/%.20s/fd/%d", pid, fd);
		(void)snprintf(name, sizeof(name), "fd/%d", fd);
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && proc_has_canary(pid, name))
			return true;
	}
	return false;
}

/* KIND: environ, cmdline, fd, or a path to be looked for below root or cwd. */
static bool process_leaks(const char *pid, const char *kind)
{
	return strcmp(kind, "fd") == 0 ? open_files_leak(pid) : proc_has_canary(pid, kind);
}

/* KIND: the same of every process but this one and its parent. */
static const char *act_proc_scan(char **arg)
{
	DIR *proc = opendir("/proc");
	const char *answer = "NONE";
	struct dirent *entry;
	char own[24], parent[24];

	if (proc == NULL)
		return act_result(-1);
	(void)snprintf(own, sizeof(own), "%d", (int)getpid());
	(void)snprintf(parent, sizeof(parent), "%d", (int)getppid());
	while ((entry = readdir(proc)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]) && strcmp(entry->d_name, own) != 0 &&
			strcmp(entry->d_name, parent) != 0 &&
			process_leaks(entry->d_name, arg[0])) {
			answer = "OK";
			break;
		}
	(void)closedir(proc);
	return answer;
}

/* NAME: a variable with the canary in it. */
static const char *act_env(char **arg)
{
	const char *value = getenv(arg[0]);

	return value != NULL && act_has_canary(value, (long)strlen(value)) ? "OK" : "NONE";
}

/* FIELD of /proc/self/status that is not all zero: a set of capabilities. */
static const char *act_powers(char **arg)
{
	char *at;

	if (act_slurp("/proc/self/status", big, sizeof(big)) < 0)
		return act_result(-1);
	at = strstr(big, arg[0]);
	return at != NULL && strtoull(at + strlen(arg[0]) + 1, NULL, 16) != 0 ? "OK" : "NONE";
}

/* Would a setuid program gain anything? */
static const char *act_new_privileges(char **arg)
{
	(void)arg;
	if (act_slurp("/proc/self/status", big, sizeof(big)) < 0)
		return act_result(-1);
	return strstr(big, "NoNewPrivs:\t1") != NULL ? "NONE" : "OK";
}

/* PID NAME: into a namespace of another process, and back by ending. */
static const char *act_setns(char **arg)
{
	AUTO_CLOSE int fd = -1;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%.20s/ns/%.20s", arg[0], arg[1]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return act_result(fd < 0 ? -1 : syscall(SYS_setns, fd, 0));
}

/* NAME: a key in the session keyring that the test put there. */
static const char *act_key(char **arg)
{
	long key = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", arg[0], 0);
	long n;

	if (key < 0)
		return act_result(-1);
	n = syscall(SYS_keyctl, KEYCTL_READ, key, big, sizeof(big));
	return n < 0 ? act_result(-1) : act_has_canary(big, n) ? "OK" : "NONE";
}

const struct act act_process[] = {
	{ "kill", 1, act_kill },
	{ "ptrace", 1, act_ptrace },
	{ "vm-read", 2, act_vm_read },
	{ "proc-mem", 2, act_proc_mem },
	{ "proc-file", 2, act_proc_file },
	{ "pidfd-getfd", 2, act_pidfd_getfd },
	{ "proc-scan", 1, act_proc_scan },
	{ "env", 1, act_env },
	{ "powers", 1, act_powers },
	{ "new-privileges", 0, act_new_privileges },
	{ "setns", 2, act_setns },
	{ "key", 1, act_key },
	{ NULL, 0, NULL },
};
