/*
 * One process of `agentjail selftest` at a time: started in a session of its own, without a
 * terminal, with a time-out. See selftest.h. Its output may be hostile: it is bounded, and parsed
 * elsewhere.
 */
#include "cli/selftest.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* Rationale: a line of 200 bytes an attack, some lines of a sandbox's own. */
#define OUTPUT_MAX_BYTES (256 * 1024)
/* Rationale: the words of a sandbox's line, and those of an act. */
#define WORDS_MAX 256

static volatile sig_atomic_t stop_signal;

static void on_signal(int sig)
{
	stop_signal = sig;
}

static const int stop_signals[] = { SIGINT, SIGTERM, SIGHUP };

void selftest_run_catch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	for (size_t i = 0; i < ARRAY_LEN(stop_signals); i++)
		(void)sigaction(stop_signals[i], &sa, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

bool selftest_run_is_stopped(void)
{
	return stop_signal != 0;
}

void selftest_run_raise(void)
{
	if (stop_signal == 0)
		return;
	(void)signal(stop_signal, SIG_DFL);
	(void)raise(stop_signal);
}

/* What a careless parent leaves to its children: an open directory, a key in the session's ring. */
static void leave_traps(const struct selftest_side *side, const char *canary)
{
	char path[512];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/.ssh", side->home);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		(void)dup2(fd, 9);
	(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	(void)syscall(SYS_add_key, "user", "agentjail-selftest", canary, strlen(canary),
		KEY_SPEC_SESSION_KEYRING);
}

/* In the child; never returns. */
static _Noreturn void exec_command(const struct selftest_command *c, int out, int err)
{
	const char *words[WORDS_MAX + 1];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	size_t n = 0;

	for (size_t i = 0; c->prefix != NULL && c->prefix[i] != NULL && n < WORDS_MAX; i++)
		words[n++] = c->prefix[i];
	for (size_t i = 0; c->words[i] != NULL && n < WORDS_MAX; i++)
		words[n++] = c->words[i];
	words[n] = NULL;
	if (words[0] == NULL)
		_exit(EXIT_NOT_FOUND);
	(void)setsid();
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < ARRAY_LEN(stop_signals); i++)
		(void)signal(stop_signals[i], SIG_DFL);
	(void)signal(SIGPIPE, SIG_DFL);
	if (null < 0 || dup2(null, 0) < 0 || dup2(out >= 0 ? out : null, 1) < 0 ||
		dup2(err >= 0 ? err : null, 2) < 0 ||
		chdir(c->cwd != NULL ? c->cwd : c->side->project) < 0)
		_exit(EXIT_AGENTJAIL);
	leave_traps(c->side, c->side->canary);
	(void)execvpe(words[0], (char *const *)(uintptr_t)words, c->side->env);
	dprintf(2, "%s: %s\n", words[0], act_errno_name(errno));
	_exit(EXIT_NOT_FOUND);
}

pid_t selftest_run_start(const struct selftest_command *command, int out, int err)
{
	pid_t pid = fork();

	if (pid == 0)
		exec_command(command, out, err);
	return pid < 0 ? -errno : pid;
}

/* One reading of a pipe that has something or is closed. False: it is closed. */
static bool take_output(int fd, struct buf *to)
{
	char bytes[4096];
	ssize_t n = read(fd, bytes, sizeof(bytes));

	if (n <= 0)
		return n < 0 && (errno == EINTR || errno == EAGAIN);
	if (to != NULL && to->len < OUTPUT_MAX_BYTES)
		buf_add(to, bytes, (size_t)n);
	return true;
}

/* Until it ends: what it leaves running may keep the pipes open. False: time is up. */
static bool attend(const struct selftest_command *c, int pidfd, const int *fd)
{
	int64_t end = clock_ms() + c->timeout_ms;
	struct pollfd p[] = { { .fd = fd[0], .events = POLLIN }, { .fd = fd[1], .events = POLLIN },
		{ .fd = pidfd, .events = POLLIN } };
	struct buf *const to[] = { c->out, c->err };

	for (;;) {
		int64_t left = end - clock_ms();
		int n = left > 0 ? poll(p, ARRAY_LEN(p), (int)left) : 0;

		if (n == 0 || stop_signal != 0)
			return false;
		for (size_t i = 0; n > 0 && i < ARRAY_LEN(to); i++)
			if (p[i].revents != 0 && !take_output(p[i].fd, to[i]))
				p[i].fd = -1;
		/* Ended, and no more in the pipes. */
		if (n > 0 && p[2].revents != 0 && p[0].revents == 0 && p[1].revents == 0)
			return true;
	}
}

static int reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SIGNAL_BASE + WTERMSIG(status);
}

int selftest_run(const struct selftest_command *command)
{
	int out[2], err[2], r;
	AUTO_CLOSE int pidfd = -1;
	bool is_ended = false;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	if (pipe2(err, O_CLOEXEC | O_NONBLOCK) < 0) {
		r = -errno;
		(void)close(out[0]);
		(void)close(out[1]);
		return r;
	}
	(void)fcntl(out[1], F_SETFL, 0);
	(void)fcntl(err[1], F_SETFL, 0);
	pid = selftest_run_start(command, out[1], err[1]);
	(void)close(out[1]);
	(void)close(err[1]);
	if (pid > 0) {
		pidfd = sys_pidfd_open(pid, 0);
		if (command->meanwhile != NULL)
			command->meanwhile(command->side);
		is_ended = attend(command, pidfd, (const int[]){ out[0], err[0] });
	}
	(void)close(out[0]);
	(void)close(err[0]);
	if (pid < 0)
		return (int)pid;
	if (is_ended)
		return reap(pid);
	(void)kill(-pid, SIGKILL);
	(void)reap(pid);
	return -ETIMEDOUT;
}
