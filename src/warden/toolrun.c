/*
 * Runs in the process of a tool's run, a warden of its own: it holds no secret and no network byte.
 * Hostile: the link's side of the socket (any command of the calling cell), and of a `match` tool
 * arguments and environment, which go to the command as they are.
 */
#include "warden/toolrun.h"

#include "warden/attend.h"
#include "warden/lookup.h"
#include "warden/relay.h"
#include "warden/warden.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "policy/tools.h"
#include "shim/attach.h"
#include "wire/fdpass.h"
#include "wire/job.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

/* Rationale: the sources have a time limit of their own, half a minute; this is for a lost one. */
#define SOURCE_WAIT_MS 40000

/* SLOT_FRONT and the relays have to fit into what the loop has for attend. */
enum { SLOT_FRONT, SLOT_OUT, SLOT_ERR, SLOTS_USED };
_Static_assert(SLOTS_USED <= ATTEND_POLLFDS, "the loop's slots");

struct toolrun {
	struct run_tool *tool;
	bool is_command;
	bool has_ended; /* the command; its output may be on its way */
	bool is_closed; /* the cell was put away */
	int status;
	int front; /* command: the runner's socket, whose end would end the command */
	struct relay out, err;
};

static void tell_link(const struct run_tool *tool, uint32_t type, uint32_t value)
{
	struct job_msg msg = { .type = type, .value = value };

	if (tool->sock >= 0)
		(void)send(tool->sock, &msg, sizeof(msg), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void toolrun_refuse(const struct run_tool *tool)
{
	char line[160];
	int n = snprintf(line, sizeof(line),
		"agentjail: the tool %s did not start; its user's terminal says why\n",
		tools_name(tool->tool));

	if (n > 0)
		relay_say(tool->stdio[2], line, (size_t)n);
	tell_link(tool, JOB_MSG_FAILED, EXIT_AGENTJAIL);
}

/* ---- secrets ---- */

static int fetch_one(struct warden *w, const char *line, int *ret, struct err *err)
{
	struct source_request request = { .plan = w->plan };
	struct source source = { .report = -1, .value = -1 };
	int r;

	(void)tools_secret(line, &request.text);
	r = w->start->begin_source(&request, &source, err);
	if (r == 0 && source.pid > 0) {
		struct pollfd p = { .fd = source.report, .events = POLLIN };

		(void)poll(&p, 1, SOURCE_WAIT_MS);
	}
	if (r == 0)
		r = w->start->end_source(&source, err);
	if (r < 0)
		return r;
	*ret = source.value;
	return 0;
}

/* Pipes with the values, and "NAME=" for each behind the other variables. */
static int add_secrets(struct warden *w, struct job_head *head, struct buf *body, int *fds,
	struct err *err)
{
	size_t n;
	const struct policy_item *lines = tools_list(w->plan->tool->tool, TOOLS_SECRET_ENV, &n);

	if (n > JOB_SECRETS_MAX)
		return err_set(err, 0, "more than %u lines of secret-env", JOB_SECRETS_MAX);
	for (size_t i = 0; i < n; i++) {
		const char *source;
		size_t len = tools_secret(lines[i].value, &source);

		if (fetch_one(w, lines[i].value, &fds[i], err) < 0)
			return err_prefix(err, "[tool %s] secret-env %.*s",
				tools_name(w->plan->tool->tool), (int)len, lines[i].value);
		head->n_secrets++;
		buf_addf(body, "%.*s=", (int)len, lines[i].value);
		buf_add(body, "", 1);
		head->envc++;
	}
	return 0;
}

/* ---- starting ---- */

static int make_body(struct warden *w, struct job_head *head, struct buf *body, struct err *err)
{
	const struct run_tool *tool = w->plan->tool;
	AUTO_FREE char *found = NULL;
	const char *path = w->plan->program;

	if (path == NULL) {
		const char *search = getenv("PATH");

		found = lookup_program(w->cell.fds[CELL_FD_ROOT], w->plan->policy, tool->word,
			search != NULL ? search : RULES_COMMAND_PATH);
		if (found == NULL)
			return err_set(err, errno, "%s", tool->word);
		path = found;
	}
	buf_add(body, path, strlen(path) + 1);
	buf_add(body, w->plan->cwd, strlen(w->plan->cwd) + 1);
	for (head->argc = 0; w->plan->argv[head->argc] != NULL; head->argc++)
		buf_add(body, w->plan->argv[head->argc], strlen(w->plan->argv[head->argc]) + 1);
	head->envc = (uint32_t)environ_for_cell(&w->environ, tool->env, tool->n_env, body);
	return 0;
}

static void record(struct warden *w, const struct job_head *head, const struct buf *body)
{
	const char *argv = body->data + strlen(body->data) + 1;
	struct audit_record r;

	argv += strlen(argv) + 1;
	audit_begin(&w->audit, &r, "exec");
	audit_string(&r, "decision", "tool");
	audit_string(&r, "tool", tools_name(w->plan->tool->tool));
	audit_string(&r, "caller_session", w->plan->tool->caller_session);
	audit_number(&r, "command", head->id);
	audit_string(&r, "file", body->data);
	audit_strings(&r, "argv", argv, head->argc);
	audit_string(&r, "cwd", w->plan->cwd);
	w->commands[head->id % COMMANDS_MAX] =
		(struct command){ .id = head->id, .audit_id = audit_end(&r) };
}

/* Of a command that is a boundary nothing but two pipes leads out. */
static int make_pipes(struct toolrun *t, int stdio[3], struct err *err)
{
	int pair[2];

	stdio[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (stdio[0] < 0)
		return err_set(err, errno, "/dev/null");
	for (int fd = 1; fd < 3; fd++) {
		struct relay *relay = fd == 1 ? &t->out : &t->err;

		if (pipe2(pair, O_CLOEXEC) < 0)
			return err_set(err, errno, "pipe");
		stdio[fd] = pair[1];
		relay_init(relay, pair[0],
			t->tool->stdio[fd] >= 0 ? fcntl(t->tool->stdio[fd], F_DUPFD_CLOEXEC, 3) : -1);
		if (fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0)
			return err_set(err, errno, "pipe");
	}
	return 0;
}

static void set_time_limit(const struct tools_tool *tool)
{
	struct itimerval limit = { .it_value.tv_sec = tools_limits(tool).seconds };

	if (limit.it_value.tv_sec > 0)
		(void)setitimer(ITIMER_REAL, &limit, NULL);
}

static int send_command(struct warden *w, struct job_head *head, const struct buf *body, int *fds,
	struct err *err)
{
	struct toolrun *t = w->toolrun;
	AUTO_CLOSE int theirs = -1;
	int pair[2], r;

	if (!t->is_command) {
		r = job_send_secrets(w->cell.jobs, head, body->data, t->tool->sock, fds, err);
		return r;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "socketpair");
	t->front = pair[0];
	theirs = pair[1];
	return job_send_secrets(w->cell.jobs, head, body->data, theirs, fds, err);
}

static int start(struct warden *w, int *fds, struct err *err)
{
	struct toolrun *t = w->toolrun;
	AUTO_BUF struct buf body = { 0 };
	struct shim_hello own = { 0 };
	struct job_head head;

	/* Limits, masks and niceness could make a fixed command fail half-way: they are ours. */
	attach_describe(&own);
	job_fill_head(&head, t->is_command ? &own : t->tool->hello, ++w->next_id);
	if (t->is_command) {
		head.open_mask = 7;
		head.tty_mask = head.tty_flags = 0;
		head.umask = 077;
		if (make_pipes(t, fds, err) < 0)
			return -err->code;
	} else {
		for (unsigned i = 0; i < 3; i++)
			if ((head.open_mask & ~head.tty_mask & 1u << i) != 0)
				fds[i] = fcntl(t->tool->stdio[i], F_DUPFD_CLOEXEC, 3);
	}
	if (make_body(w, &head, &body, err) < 0 || add_secrets(w, &head, &body, fds + 3, err) < 0)
		return -err->code;
	head.body_bytes = (uint32_t)body.len;
	if (body.failed)
		return err_set(err, ENOMEM, "command");
	record(w, &head, &body);
	return send_command(w, &head, &body, fds, err);
}

int toolrun_start(struct warden *w, struct err *err)
{
	static struct toolrun run; /* one a process */
	int fds[3 + JOB_SECRETS_MAX], r;

	run = (struct toolrun){ .tool = w->plan->tool,
		.is_command = tools_is_command(w->plan->tool->tool),
		.front = -1,
		.out = { .from = -1, .to = -1 },
		.err = { .from = -1, .to = -1 } };
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = -1;
	w->toolrun = &run;
	r = start(w, fds, err);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		cleanup_close(&fds[i]);
	if (r < 0)
		return r;
	/* From here on others hold what they need: ends are seen when those end. */
	for (size_t i = 0; i < 3; i++)
		cleanup_close(&run.tool->stdio[i]);
	if (!run.is_command)
		cleanup_close(&run.tool->sock);
	set_time_limit(run.tool->tool);
	return 0;
}

/* ---- running ---- */

int toolrun_pollfds(struct toolrun *t, struct pollfd *fds)
{
	for (unsigned i = 0; i < ATTEND_POLLFDS; i++)
		fds[i].fd = -1;
	/* A `match` tool's link talks to the runner itself. */
	if (!t->is_command)
		return -1;
	fds[SLOT_FRONT] = (struct pollfd){ .fd = t->tool->sock, .events = POLLIN };
	relay_pollfd(&t->out, &fds[SLOT_OUT]);
	relay_pollfd(&t->err, &fds[SLOT_ERR]);
	return -1;
}

/*
 * A caller may end the command and nothing else: a signal that the command handles could make it
 * skip a part of what it was fixed to do.
 */
static void read_link(struct warden *w, struct toolrun *t)
{
	struct job_msg msg;
	ssize_t n = recv(t->tool->sock, &msg, sizeof(msg), MSG_DONTWAIT);
	int sig;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != (ssize_t)sizeof(msg)) {
		toolrun_ended(w, t, SIGKILL);
		/* Nobody waits for the rest. */
		cleanup_close(&t->tool->sock);
		cleanup_close(&t->out.to);
		cleanup_close(&t->err.to);
		return;
	}
	sig = (int)(msg.value & 0xff);
	if (msg.type == JOB_MSG_SIGNAL &&
		(sig == SIGINT || sig == SIGTERM || sig == SIGHUP || sig == SIGQUIT))
		toolrun_ended(w, t, sig);
}

void toolrun_ended(struct warden *w, struct toolrun *t, int status)
{
	if (!t->has_ended) {
		t->has_ended = true;
		t->status = status;
	}
	w->status = t->status;
	/* The link heard of it from the runner. */
	if (!t->is_command)
		w->has_ended = true;
}

void toolrun_alarm(struct warden *w, struct toolrun *t)
{
	log_warn("the tool %s was ended: its time limit is over", tools_name(t->tool->tool));
	toolrun_ended(w, t, SIGKILL);
}

bool toolrun_dispatch(struct warden *w, struct toolrun *t, const struct pollfd *fds)
{
	if (!t->is_command)
		return w->has_ended;
	if (fds[SLOT_FRONT].fd >= 0 && fds[SLOT_FRONT].revents != 0)
		read_link(w, t);
	relay_dispatch(&t->out, &fds[SLOT_OUT]);
	relay_dispatch(&t->err, &fds[SLOT_ERR]);
	if (!t->has_ended)
		return false;
	/* What is left of it goes, so that its pipes end. */
	if (!t->is_closed) {
		t->is_closed = true;
		cells_close(w);
	}
	if (!relay_is_done(&t->out) || !relay_is_done(&t->err))
		return false;
	tell_link(t->tool, JOB_MSG_EXIT, (uint32_t)t->status);
	return true;
}
