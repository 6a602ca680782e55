/*
 * One run of the demo's agent under one --mode. Runs in the demo's process with the user's rights;
 * the agent and the attack are its own scripts, and what they print is only looked through.
 */
#include "cli/demo.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Rationale: a run takes well under a second; a machine that is busy gets its time. */
#define RUN_MAX_MS 30000

static volatile sig_atomic_t signal_came;

static int make_words(struct demo_words *words, struct err *err)
{
	for (size_t i = 0; i < DEMO_WORD_COUNT; i++) {
		unsigned char random[12];
		size_t n = 0;

		if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
			return err_set(err, errno, "getrandom");
		n = (size_t)snprintf(words->text[i], DEMO_WORD_BYTES, "demo-");
		for (size_t k = 0; k < sizeof(random); k++)
			n += (size_t)snprintf(words->text[i] + n, DEMO_WORD_BYTES - n, "%02x", random[k]);
	}
	return 0;
}

/* Nothing of the user's own environment: it may name the real home, or have real secrets. */
static int set_environment(const struct demo_run *run)
{
	char proxy[48];
	const struct {
		const char *name, *value;
	} variables[] = {
		{ "HOME", run->stage.home },
		{ "XDG_RUNTIME_DIR", run->stage.dir },
		{ "TMPDIR", run->stage.dir },
		{ "PATH", "/usr/local/bin:/usr/bin:/bin:/run/current-system/sw/bin" },
		{ "LANG", "C" },
		{ "DEMO_AGENT_KEY", run->words.text[DEMO_KEY] },
		{ "DEMO_TOKEN", run->words.text[DEMO_TOKEN] },
		{ "http_proxy", proxy },
	};

	(void)snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", run->net.port);
	if (clearenv() != 0)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_LEN(variables); i++)
		if (setenv(variables[i].name, variables[i].value, 1) < 0)
			return -errno;
	return 0;
}

/* In the child; never returns. */
static _Noreturn void exec_agent(const struct demo_run *run, const char *self, const int out[2])
{
	const struct demo_way *way = run->way;
	const char *argv[24] = { self, "-q", "-p", way->profile, "--mode", way->mode, "--project",
		run->stage.project, "--read", self };
	size_t n = 10;
	AUTO_BUF struct buf script = { 0 };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (way->gives_token) {
		argv[n++] = "--env";
		argv[n++] = "DEMO_TOKEN";
		argv[n++] = "--allow";
		argv[n++] = DEMO_SERVICE;
	}
	buf_addf(&script, "%s/.demo-agent/agent.sh", run->stage.home);
	argv[n++] = "--";
	argv[n++] = "/bin/sh";
	argv[n++] = script.data;
	if (script.failed || set_environment(run) < 0 || chdir(run->stage.project) < 0 ||
		dup2(null, 0) < 0 || dup2(out[0], 1) < 0 || dup2(out[1], 2) < 0)
		_exit(EXIT_AGENTJAIL);
	(void)execv(self, (char *const *)(uintptr_t)argv);
	_exit(EXIT_NOT_FOUND);
}

/* False: it is at its end. */
static bool read_some(int fd, struct buf *into)
{
	char bytes[4096];
	ssize_t n = read(fd, bytes, sizeof(bytes));

	if (n > 0 && into->len < DEMO_TEXT_MAX)
		buf_add(into, bytes, (size_t)n);
	return n > 0 || (n < 0 && errno == EINTR);
}

/* Serves and listens until all that the agent started is gone. False: the time was over. */
static bool attend(struct demo_run *run, int said, int errors)
{
	struct pollfd fds[] = { { .fd = said, .events = POLLIN }, { .fd = errors, .events = POLLIN },
		{ .fd = run->net.listener, .events = POLLIN } };
	int64_t end = clock_ms() + RUN_MAX_MS;

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		int64_t left = end - clock_ms();

		if (left <= 0 || signal_came != 0)
			return false;
		if (poll(fds, ARRAY_LEN(fds), (int)left) < 0) {
			if (errno != EINTR)
				return false;
			continue;
		}
		if (fds[0].fd >= 0 && fds[0].revents != 0 && !read_some(said, &run->said))
			fds[0].fd = -1;
		if (fds[1].fd >= 0 && fds[1].revents != 0 && !read_some(errors, &run->errors))
			fds[1].fd = -1;
		if (fds[2].revents != 0)
			demo_net_serve(&run->net);
	}
	return true;
}

static int play(struct demo_run *run, const char *self, struct err *err)
{
	AUTO_CLOSE int said = -1, errors = -1;
	int out[2], more[2], status = 0;
	bool in_time;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0)
		return err_set(err, errno, "pipe");
	said = out[0];
	if (pipe2(more, O_CLOEXEC) < 0) {
		(void)close(out[1]);
		return err_set(err, errno, "pipe");
	}
	errors = more[0];
	pid = fork();
	if (pid == 0)
		exec_agent(run, self, (const int[2]){ out[1], more[1] });
	(void)close(out[1]);
	(void)close(more[1]);
	if (pid < 0)
		return err_set(err, errno, "fork");
	in_time = attend(run, said, errors);
	if (!in_time)
		(void)kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) < 0)
		return err_set(err, errno, "wait");
	if (!in_time)
		return err_set(err, signal_came != 0 ? EINTR : ETIMEDOUT, "demo: --mode %s",
			run->way->mode);
	return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_AGENTJAIL ? 1 : 0;
}

/* The last line of what agentjail said, which is why it did not start. */
static int say_why(const struct demo_run *run, struct err *err)
{
	char quoted[ERR_TEXT_BYTES / 2];
	size_t n = run->errors.len, from;

	while (n > 0 && run->errors.data[n - 1] == '\n')
		n--;
	for (from = n; from > 0 && run->errors.data[from - 1] != '\n'; from--)
		;
	return err_set(err, 0, "demo: --mode %s did not start; see agentjail doctor: %s",
		run->way->mode,
		n > 0 ? log_quote(run->errors.data + from, n - from, quoted, sizeof(quoted)) : "");
}

/* What was not tried was not refused. */
static int check_end(const struct demo_run *run, struct err *err)
{
	return run->said.data != NULL && strstr(run->said.data, DEMO_END) != NULL
		? 0
		: err_set(err, 0, "demo: --mode %s: the attack did not come to its end; try -v",
			run->way->mode);
}

int demo_run(const struct demo_way *way, const char *self, struct demo_run *ret, struct err *err)
{
	struct demo_words_and_places facts = { .words = &ret->words, .self = self };
	int r;

	*ret = (struct demo_run){ .way = way, .net.listener = -1 };
	r = make_words(&ret->words, err);
	if (r == 0)
		r = demo_net_open(&ret->net, ret->words.text[DEMO_TOKEN], err);
	facts.port = ret->net.port;
	if (r == 0)
		r = demo_stage_make(&facts, &ret->stage, err);
	if (r == 0)
		r = play(ret, self, err);
	if (r > 0)
		return say_why(ret, err);
	return r == 0 ? check_end(ret, err) : r;
}

void demo_run_done(struct demo_run *run)
{
	demo_stage_done(&run->stage);
	demo_net_done(&run->net);
	buf_done(&run->said);
	buf_done(&run->errors);
}

static void note_signal(int sig)
{
	signal_came = sig;
}

void demo_run_hold_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = note_signal };

	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		(void)sigaction(signals[i], &action, NULL);
}

void demo_run_raise(void)
{
	if (signal_came == 0)
		return;
	(void)signal(signal_came, SIG_DFL);
	(void)raise(signal_came);
}

