/*
 * One process a value: forked by the warden, fetches, checks, writes into the pipe, ends. Hostile:
 * nothing that it reads; it must not leak what it reads, so nothing of the value is in any message.
 */
#include "keeper/source.h"

#include "base/cleanup.h"
#include "base/standing.h"
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* Rationale: it only has to kill a process group and end. */
#define STOP_MS 1000

/* What the process says when it is done: one write, smaller than PIPE_BUF. */
struct report {
	int32_t code; /* 0: the value is in the pipe */
	uint8_t is_trimmed;
	char text[ERR_TEXT_BYTES];
};

void source_become(pid_t parent)
{
	/* All signals are blocked, as in the warden: source_run.c looks for this one. */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)prctl(PR_SET_NAME, "agentjail-src");
	standing_no_core();
	/* Ignored by whoever started us, it would take the exit status of commands with it. */
	(void)signal(SIGCHLD, SIG_DFL);
	if (getppid() != parent)
		_exit(EXIT_AGENTJAIL);
}

/* Everything but two descriptors and the first three. */
static void close_others(int a, int b)
{
	int low = a < b ? a : b, high = a < b ? b : a;

	if (low > 3)
		(void)sys_close_range(3, (unsigned)low - 1, 0);
	if (high > low + 1)
		(void)sys_close_range((unsigned)low + 1, (unsigned)high - 1, 0);
	(void)sys_close_range((unsigned)high + 1, ~0u, 0);
}

static int run_command(const struct source_request *request, enum sources_kind kind,
	const char *arg, struct source_value *value, struct err *err)
{
	struct source_command command = { 0 };
	int r = source_command_parse(request->plan, kind, arg, &command, err);

	if (r == 0)
		r = source_command_run(&command, request->plan->verbose, value, err);
	source_command_done(&command);
	return r;
}

static const char *text_of(const struct source_request *request)
{
	const struct policy_item *item;

	if (request->rule == NULL)
		return request->text;
	item = sources_item(request->rule, request->slot);
	return item != NULL ? item->value : NULL;
}

static int fetch(const struct source_request *request, struct source_value *value,
	bool *ret_trimmed, struct err *err)
{
	const char *text = text_of(request), *arg;
	enum sources_kind kind;
	int r;

	if (text == NULL || !sources_parse(text, &kind, &arg))
		return err_set(err, 0, "no source");
	r = kind == SOURCES_FILE ? source_file_read(request->plan, arg, value, err)
				 : run_command(request, kind, arg, value, err);
	return r < 0 ? r
		     : source_value_check(value, sources_is_pem(request->slot), ret_trimmed, err);
}

static _Noreturn void be_source(
	const struct source_request *request, pid_t parent, int report, int to)
{
	static struct source_value value;
	struct report said = { 0 };
	struct err err = { 0 };
	bool trimmed = false;

	source_become(parent);
	close_others(report, to);
	(void)mlock(&value, sizeof(value));
	if (fetch(request, &value, &trimmed, &err) == 0 &&
		write(to, value.bytes, value.n) != (ssize_t)value.n)
		(void)err_set(&err, 0,
			"a pipe of this user is too small for the value; see "
			"fs.pipe-user-pages-soft in proc(5)");
	explicit_bzero(&value, sizeof(value));
	said.code = err.code;
	said.is_trimmed = trimmed;
	(void)snprintf(said.text, sizeof(said.text), "%s", err.text);
	(void)!write(report, &said, sizeof(said));
	_exit(0);
}

static int start(const struct source_request *request, struct source *ret, struct err *err)
{
	AUTO_CLOSE int report = -1, report_to = -1, value = -1, value_to = -1;
	pid_t parent = getpid(), pid;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_set(err, errno, "pipe");
	report = fds[0];
	report_to = fds[1];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set(err, errno, "pipe");
	value = fds[0];
	value_to = fds[1];
	/* Nobody reads it yet: what does not fit must not wait. */
	if (fcntl(value_to, F_SETFL, O_NONBLOCK) < 0)
		return err_set(err, errno, "fcntl");
	pid = fork();
	if (pid < 0)
		return err_set(err, errno, "fork");
	if (pid == 0)
		be_source(request, parent, report_to, value_to);
	*ret = (struct source){ .pid = pid, .report = take_fd(&report), .value = take_fd(&value) };
	return 0;
}

int source_begin(const struct source_request *request, struct source *ret, struct err *err)
{
	const char *text = text_of(request), *arg;
	enum sources_kind kind;
	int fd;

	if (text == NULL || !sources_parse(text, &kind, &arg))
		return err_set(err, 0, "no source");
	if (kind != SOURCES_ENV)
		return start(request, ret, err);
	if (source_env_copy(arg, &fd, err) < 0)
		return -err->code;
	*ret = (struct source){ .report = -1, .value = fd };
	return 0;
}

int source_end(struct source *source, struct err *err)
{
	struct report said = { .code = EPROTO };
	ssize_t n;

	if (source->pid == 0)
		return 0;
	n = read(source->report, &said, sizeof(said));
	if (n < 0 && errno == EAGAIN)
		(void)kill(source->pid, SIGKILL);
	(void)waitpid(source->pid, NULL, 0);
	source->pid = 0;
	cleanup_close(&source->report);
	if (n == (ssize_t)sizeof(said) && said.code == 0) {
		source->is_trimmed = said.is_trimmed != 0;
		return 0;
	}
	cleanup_close(&source->value);
	said.text[sizeof(said.text) - 1] = '\0';
	return err_set(err, 0, "%s",
		n == (ssize_t)sizeof(said) ? said.text : "the process that fetches it was ended");
}

void source_stop(struct source *source)
{
	struct pollfd p = { .fd = source->report, .events = POLLIN };

	if (source->pid > 0) {
		(void)kill(source->pid, SIGTERM);
		/* Its end closes the pipe, after that of its command. */
		if (poll(&p, 1, STOP_MS) <= 0)
			(void)kill(source->pid, SIGKILL);
		(void)waitpid(source->pid, NULL, 0);
	}
	source->pid = 0;
	cleanup_close(&source->report);
	cleanup_close(&source->value);
}
