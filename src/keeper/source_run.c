/*
 * Running the command of a source. Runs in a source process, as the user, outside of all places.
 * Hostile: nothing; but what the command writes to stderr may be the secret, so nobody sees it
 * unless the user asks with -v.
 */
#include "keeper/source.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

struct run {
	pid_t pid;
	int out, ended, signals; /* stdout, pidfd, SIGTERM of the warden or of its death */
};

static _Noreturn void become(const struct source_command *c, int out, bool keeps_stderr)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	/* A session of its own: no terminal to ask on, a group that can be killed. */
	(void)setsid();
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	for (int sig = 1; sig < SIGRTMIN; sig++)
		(void)signal(sig, SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)umask(077);
	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 ||
		(!keeps_stderr && dup2(null, 2) < 0) || chdir("/") < 0 ||
		sys_close_range(3, ~0u, 0) < 0)
		_exit(EXIT_AGENTJAIL);
	(void)execve(c->path, c->argv, c->envp);
	_exit(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

static int start(
	const struct source_command *c, bool keeps_stderr, struct run *run, struct err *err)
{
	AUTO_CLOSE int to = -1;
	int fds[2];
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	run->signals = signalfd(-1, &term, SFD_CLOEXEC);
	if (run->signals < 0 || pipe2(fds, O_CLOEXEC) < 0)
		return err_set(err, errno, "pipe");
	run->out = fds[0];
	to = fds[1];
	run->pid = fork();
	if (run->pid < 0)
		return err_set(err, errno, "fork");
	if (run->pid == 0)
		become(c, to, keeps_stderr);
	run->ended = sys_pidfd_open(run->pid, 0);
	if (run->ended < 0)
		return err_set(err, errno, "pidfd_open");
	return 0;
}

/* What lies in the pipe now. False: at its end, or too much. */
static bool read_some(struct run *run, struct source_value *value)
{
	size_t room = sizeof(value->bytes) - value->n;
	ssize_t n = read(run->out, value->bytes + value->n, room);

	if (n < 0 && errno == EINTR)
		return true;
	if (n > 0)
		value->n += (size_t)n;
	return n > 0 && value->n < sizeof(value->bytes);
}

/*
 * Until the command itself has ended: what it left in the background (an agent of gpg, for example)
 * may keep its stdout open.
 */
static int wait_for(struct run *run, int timeout_ms, struct source_value *value, struct err *err)
{
	int64_t deadline = clock_ms() + timeout_ms;

	for (;;) {
		struct pollfd p[] = { { .fd = run->out, .events = POLLIN },
			{ .fd = run->ended, .events = POLLIN },
			{ .fd = run->signals, .events = POLLIN } };
		int64_t left = deadline - clock_ms();
		int n = poll(p, ARRAY_LEN(p), left > 0 ? (int)left : 0);

		if (n < 0 && errno != EINTR)
			return err_set(err, errno, "poll");
		if (n == 0)
			return err_set(
				err, 0, "the command did not end in %d s", timeout_ms / 1000);
		if (n > 0 && p[2].revents != 0)
			return err_set(err, 0, "the session has ended");
		if (n > 0 && p[0].revents != 0) {
			if (!read_some(run, value))
				cleanup_close(&run->out);
		} else if (n > 0 && p[1].revents != 0) {
			return 0;
		}
		if (value->n == sizeof(value->bytes))
			return err_set(err, 0, "the command prints more than %u KiB",
				KEEPMSG_SECRET_MAX >> 10);
	}
}

static int judge_status(int status, struct err *err)
{
	if (WIFSIGNALED(status))
		return err_set(err, 0, "the command was ended by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return err_set(err, 0,
			"the command failed with status %d (its words: agentjail -v)",
			WEXITSTATUS(status));
	return 0;
}

int source_command_run(const struct source_command *command, bool keeps_stderr,
	struct source_value *value, struct err *err)
{
	struct run run = { .out = -1, .ended = -1, .signals = -1 };
	int status = 0, r;

	value->n = 0;
	r = start(command, keeps_stderr, &run, err);
	if (r == 0)
		r = wait_for(&run, command->timeout_ms, value, err);
	if (run.pid > 0) {
		/* It may not have come as far as to lead a group. */
		if (r < 0 && kill(-run.pid, SIGKILL) < 0)
			(void)kill(run.pid, SIGKILL);
		if (waitpid(run.pid, &status, 0) < 0 && r == 0)
			r = err_set(err, errno, "wait for the command");
	}
	cleanup_close(&run.out);
	cleanup_close(&run.ended);
	cleanup_close(&run.signals);
	return r < 0 ? r : judge_status(status, err);
}
