/*
 * Runs in a cell's runner, and from clone to exec in the command's own process, which borrows the
 * runner's memory meanwhile (vfork(2)): it allocates nothing and changes nothing but its own frame.
 * No privilege. Hostile: all strings of the job, which are handed to execve(2) as they are.
 */
#include "cell/runner_spawn.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define FIRST_OTHER_FD 3
#define SIGNALS 64

/* rt_sigaction(2) itself: the C library's keeps two signals for itself. */
struct kernel_sigaction {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

static _Noreturn void fail(int status, const char *what, const char *path)
{
	char quoted[1024], line[1280];
	int saved = errno, n;

	(void)log_quote(path, strlen(path), quoted, sizeof(quoted));
	n = snprintf(line, sizeof(line), "agentjail: %s %s: %s\n", what, quoted, strerror(saved));
	if (n > 0)
		(void)write_all(STDERR_FILENO, line, (size_t)n);
	_exit(status);
}

/* The job's group is the terminal's foreground one from the start, unless others share it. */
static void take_terminal(const struct runner_spawn *s)
{
	pid_t self = getpid();

	(void)setpgid(0, 0);
	if (s->job->head.tty_mask != 0 && !s->tty->is_background)
		(void)ioctl(s->tty->slave, TIOCSPGRP, &self); /* SIGTTOU is blocked */
}

static void set_stdio(const struct runner_spawn *s)
{
	const struct job_head *head = &s->job->head;

	for (int fd = 0; fd < FIRST_OTHER_FD; fd++) {
		int from = (head->tty_mask >> fd & 1u) != 0 ? s->tty->slave : s->job->fds[fd];

		if (from >= 0)
			(void)dup2(from, fd);
		else
			(void)close(fd);
	}
	(void)sys_close_range(FIRST_OTHER_FD, ~0u, 0);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * What the kernel itself refuses of [limits] pids. It counts a user's tasks in a user namespace (since
 * Linux 5.14): pid 1, runners and the helper too, for whom OWN_TASKS are. An eighth more, because a bomb
 * whose processes end and fork all the time is below this limit at most moments, and pid 1 has to see it
 * above its own.
 */
#define OWN_TASKS 64

static uint64_t tasks_max(const struct runner_spawn *s)
{
	uint64_t pids = s->runner->config_limits.amounts[LIMITS_PIDS];

	return pids != 0 ? pids + pids / 8 + OWN_TASKS : UINT64_MAX;
}

/* A cell's own hard limits are never raised; what they leave of the caller's is taken. */
static void set_limits(const struct runner_spawn *s)
{
	for (int i = 0; i < HELLO_RLIMITS; i++) {
		const struct shim_rlimit *own = &s->runner->limits[i];
		const struct shim_rlimit *wanted = &s->job->head.rlimits[i];
		struct shim_rlimit set = { .max = least(wanted->max, own->max) };

		if (i == RLIMIT_NPROC)
			set.max = least(set.max, tasks_max(s));
		set.cur = least(wanted->cur, set.max);
		if (set.cur != own->cur || set.max != own->max)
			(void)syscall(SYS_prlimit64, 0, i, &set, NULL);
	}
}

static void set_signals(uint64_t ignored)
{
	struct kernel_sigaction ignore = { .handler = SIG_IGN };
	uint64_t none = 0;

	for (int sig = 1; sig <= SIGNALS; sig++)
		if ((ignored >> (sig - 1) & 1) != 0)
			(void)syscall(SYS_rt_sigaction, sig, &ignore, NULL, sizeof(ignore.mask));
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
}

static int command_main(void *arg)
{
	const struct runner_spawn *s = arg;
	const struct job *job = s->job;

	take_terminal(s);
	set_stdio(s);
	if (chdir(job->cwd) != 0)
		fail(EXIT_AGENTJAIL, "the cell has no directory", job->cwd);
	(void)umask((mode_t)job->head.umask);
	(void)setpriority(PRIO_PROCESS, 0, job->head.nice); /* never below what the cell has */
	set_limits(s);
	set_signals(job->head.ignored);
	(void)execve(job->path, job->argv, job->envp);
	fail(errno == ENOENT || errno == ENOTDIR ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, "exec",
		job->path);
}

pid_t runner_spawn(const struct runner_spawn *spawn, struct err *err)
{
	struct runner_spawn copy = *spawn;
	pid_t pid = clone(command_main, spawn->runner->stack + RUNNER_STACK_BYTES,
		CLONE_VM | CLONE_VFORK | SIGCHLD, &copy);

	return pid >= 0 ? pid : err_set(err, errno, "start a process in the cell");
}
