/*
 * Runs in the warden. Hostile: every call, which any command of the cell can make as it likes: it
 * names a word, arguments, variables, a directory and three descriptors. What it gets is decided by
 * the policy alone (policy/tools.h).
 */
#include "warden/door.h"

#include "warden/relay.h"
#include "warden/tool.h"
#include "warden/warden.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sys.h"
#include "policy/tools.h"
#include "wire/doorcall.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

/* Rationale: links that have connected and not yet spoken; each takes far less than a millisecond. */
#define DOOR_WAITING_MAX 32
/* Rationale: a run has a cell and processes of its own: some 20 MB. */
#define DOOR_RUNS_MAX 16
/* Rationale: events of one turn of the loop, so that execs do not wait behind a flood. */
#define DOOR_BATCH 16

enum { ID_LISTENER, ID_WAITING, ID_RUN = ID_WAITING + DOOR_WAITING_MAX };

struct waiting {
	int sock; /* -1: free */
	uint64_t stamp;
};

struct tool_run {
	pid_t pid; /* 0: free */
	int pidfd;
	const struct tools_tool *tool;
	uint64_t call; /* the audit's record of it */
};

/* When a tool was last started, for limits of N a minute. */
struct history {
	int64_t minute_s; /* when this minute began */
	unsigned runs;
};

struct door {
	int epoll;
	uint64_t stamp;
	struct waiting waiting[DOOR_WAITING_MAX];
	struct tool_run runs[DOOR_RUNS_MAX];
	struct history histories[TOOLS_MAX];
};

/* ---- begin and end ---- */

int door_init(const struct warden *w, struct door **ret, struct err *err)
{
	struct door *door;
	size_t n;

	*ret = NULL;
	(void)tools_all(w->plan->policy, &n);
	if (n == 0)
		return 0;
	door = calloc(1, sizeof(*door));
	if (door == NULL)
		return err_set(err, ENOMEM, "tools");
	*ret = door;
	for (size_t i = 0; i < DOOR_WAITING_MAX; i++)
		door->waiting[i].sock = -1;
	door->epoll = epoll_create1(EPOLL_CLOEXEC);
	return door->epoll < 0 ? err_set(err, errno, "epoll") : 0;
}

static int watch(const struct door *door, int fd, uint64_t id)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = id };

	return epoll_ctl(door->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* A run's process may hold a copy of the descriptor: closing ours would not be enough. */
static void unwatch(const struct door *door, int fd)
{
	(void)epoll_ctl(door->epoll, EPOLL_CTL_DEL, fd, NULL);
}

int door_open(struct warden *w, struct door *door, struct err *err)
{
	int r = watch(door, w->cell.fds[CELL_FD_DOOR], ID_LISTENER);

	return r < 0 ? err_set(err, -r, "the tool door") : 0;
}

void door_stop(struct door *door)
{
	if (door == NULL)
		return;
	for (size_t i = 0; i < DOOR_RUNS_MAX; i++) {
		if (door->runs[i].pid <= 0)
			continue;
		(void)kill(door->runs[i].pid, SIGKILL);
		(void)waitpid(door->runs[i].pid, NULL, 0);
		cleanup_close(&door->runs[i].pidfd);
	}
	for (size_t i = 0; i < DOOR_WAITING_MAX; i++)
		cleanup_close(&door->waiting[i].sock);
	cleanup_close(&door->epoll);
	free(door);
}

int door_fd(const struct door *door)
{
	return door != NULL ? door->epoll : -1;
}

/* ---- answers ---- */

static void answer(int sock, uint32_t type, uint32_t value)
{
	struct job_msg msg = { .type = type, .value = value };

	(void)send(sock, &msg, sizeof(msg), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* One line on the caller's stderr, if that takes one now. */
static void say(const struct doorcall *call, const char *text)
{
	AUTO_BUF struct buf line = { 0 };
	char shown[64];

	buf_addf(&line, "agentjail: tool %s: %s\n",
		log_quote(call->word, strlen(call->word), shown, sizeof(shown)), text);
	if (!line.failed)
		relay_say(call->stdio[2], line.data, line.len);
}

static uint64_t record(struct warden *w, const struct doorcall *call, const char *decision,
	const struct policy_answer *a)
{
	const char *strings = call->argv[0];
	struct audit_record r;

	audit_begin(&w->audit, &r, "tool");
	audit_string(&r, "decision", decision);
	audit_string(&r, "word", call->word);
	if (a->tool != NULL)
		audit_string(&r, "tool", tools_name(a->tool));
	audit_strings(&r, "argv", strings, call->hello.argc);
	audit_string(&r, "cwd", call->cwd);
	audit_string(&r, "reason", a->reason);
	if (a->item != NULL) {
		audit_string(&r, "rule_file", a->item->origin.file);
		audit_number(&r, "rule_line", a->item->origin.line);
	}
	return audit_end(&r);
}

static void refuse(struct warden *w, const struct doorcall *call, int sock,
	struct policy_answer *a, const char *reason)
{
	a->reason = reason;
	(void)record(w, call, "deny", a);
	say(call, reason);
	answer(sock, JOB_MSG_FAILED, EXIT_NOT_EXECUTABLE);
}

/* ---- deciding ---- */

static size_t index_of(const struct warden *w, const struct tools_tool *tool)
{
	size_t n, i = 0;
	const struct tools_tool *const *tools = tools_all(w->plan->policy, &n);

	while (i < n && tools[i] != tool)
		i++;
	return i;
}

static bool is_within_limits(const struct warden *w, struct door *door,
	const struct tools_tool *tool)
{
	struct history *h = &door->histories[index_of(w, tool)];
	unsigned max = tools_limits(tool).runs_a_minute;
	int64_t now_s = clock_s();

	if (h->minute_s == 0 || now_s - h->minute_s >= 60)
		*h = (struct history){ .minute_s = now_s };
	if (max > 0 && h->runs >= max)
		return false;
	h->runs++;
	return true;
}

static struct tool_run *free_run(struct door *door)
{
	for (size_t i = 0; i < DOOR_RUNS_MAX; i++)
		if (door->runs[i].pid == 0)
			return &door->runs[i];
	return NULL;
}

/* Descriptors that lead out of a cell lead into another one too. */
static bool may_pass_all(const struct doorcall *call)
{
	for (size_t i = 0; i < 3; i++)
		if (call->stdio[i] >= 0 && !job_may_pass(call->stdio[i]))
			return false;
	return true;
}

static void start(struct warden *w, struct door *door, const struct doorcall *call, int sock,
	struct policy_answer *a)
{
	struct tool_run *run = free_run(door);
	struct err err = { 0 };
	pid_t pid;

	if (run == NULL) {
		refuse(w, call, sock, a, "too many of its runs go on; wait for one to end");
		return;
	}
	if (!may_pass_all(call)) {
		refuse(w, call, sock, a, "standard input or output is no file, pipe or terminal");
		return;
	}
	if (!is_within_limits(w, door, a->tool)) {
		refuse(w, call, sock, a, "the limit of its runs a minute is reached");
		return;
	}
	answer(sock, DOOR_TAKEN, 0);
	run->call = record(w, call, "run", a);
	pid = tool_start(w, a->tool, call, sock, &err);
	if (pid > 0)
		run->pidfd = sys_pidfd_open(pid, 0);
	if (pid < 0 || run->pidfd < 0) {
		log_error("%s", pid < 0 ? err.text : "pidfd_open");
		answer(sock, JOB_MSG_FAILED, EXIT_AGENTJAIL);
		if (pid > 0) {
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, NULL, 0);
		}
		return;
	}
	run->pid = pid;
	run->tool = a->tool;
	(void)fcntl(run->pidfd, F_SETFD, FD_CLOEXEC);
	(void)watch(door, run->pidfd, ID_RUN + (uint64_t)(run - door->runs));
}

static void decide(struct warden *w, struct door *door, const struct doorcall *call, int sock)
{
	struct policy_question question = { .action = POLICY_TOOL,
		.word = call->word,
		.args = call->argv + 1 };
	struct policy_answer a;

	policy_decide(w->plan->policy, &question, &a);
	switch (a.verdict) {
	case POLICY_ALLOWED:
		start(w, door, call, sock, &a);
		return;
	case POLICY_PASSED:
		/* What it does then is no more than any command's: not worth a record each. */
		answer(sock, DOOR_HERE, 0);
		return;
	case POLICY_DENIED:
	case POLICY_IN_AGENT:
	case POLICY_IN_CELL:
		break;
	}
	refuse(w, call, sock, &a, a.reason);
}

/* ---- what comes in ---- */

static void free_waiting(const struct door *door, struct waiting *slot)
{
	unwatch(door, slot->sock);
	cleanup_close(&slot->sock);
}

/* A free place, or that of the one who has said nothing for longest. */
static struct waiting *take_place(struct door *door)
{
	struct waiting *oldest = &door->waiting[0];

	for (size_t i = 0; i < DOOR_WAITING_MAX; i++) {
		struct waiting *slot = &door->waiting[i];

		if (slot->sock < 0)
			return slot;
		if (slot->stamp < oldest->stamp)
			oldest = slot;
	}
	free_waiting(door, oldest);
	return oldest;
}

static void accept_one(const struct warden *w, struct door *door)
{
	int sock = accept4(w->cell.fds[CELL_FD_DOOR], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct waiting *slot;

	if (sock < 0)
		return;
	slot = take_place(door);
	slot->sock = sock;
	slot->stamp = ++door->stamp;
	if (watch(door, sock, ID_WAITING + (uint64_t)(slot - door->waiting)) < 0)
		free_waiting(door, slot);
}

static void read_call(struct warden *w, struct door *door, struct waiting *slot)
{
	struct doorcall call;
	struct err err = { 0 };
	int r = doorcall_recv(slot->sock, &call, &err), flags;

	if (r == -EAGAIN)
		return;
	if (r > 0) {
		/* From here on it is a command's socket, as a shim's is. */
		flags = fcntl(slot->sock, F_GETFL);
		if (flags >= 0 && fcntl(slot->sock, F_SETFL, flags & ~O_NONBLOCK) == 0)
			decide(w, door, &call, slot->sock);
		doorcall_done(&call);
	} else if (r < 0) {
		log_warn("%s", err.text);
	}
	free_waiting(door, slot);
}

static void run_ended(struct warden *w, const struct door *door, struct tool_run *run)
{
	struct audit_record r;
	int status = 0;

	(void)waitpid(run->pid, &status, 0);
	unwatch(door, run->pidfd);
	cleanup_close(&run->pidfd);
	audit_begin(&w->audit, &r, "tool-end");
	audit_string(&r, "tool", tools_name(run->tool));
	audit_number(&r, "call", (int64_t)run->call);
	if (WIFSIGNALED(status))
		audit_number(&r, "signal", WTERMSIG(status));
	else
		audit_number(&r, "status", WEXITSTATUS(status));
	(void)audit_end(&r);
	*run = (struct tool_run){ 0 };
}

void door_dispatch(struct warden *w, struct door *door)
{
	struct epoll_event events[DOOR_BATCH];
	int n = epoll_wait(door->epoll, events, DOOR_BATCH, 0);

	for (int i = 0; i < n; i++) {
		uint64_t id = events[i].data.u64;

		if (id == ID_LISTENER)
			accept_one(w, door);
		else if (id >= ID_RUN && id < ID_RUN + DOOR_RUNS_MAX && door->runs[id - ID_RUN].pid > 0)
			run_ended(w, door, &door->runs[id - ID_RUN]);
		/* An earlier event of this turn may have taken its place. */
		else if (id < ID_RUN && door->waiting[id - ID_WAITING].sock >= 0)
			read_call(w, door, &door->waiting[id - ID_WAITING]);
	}
}
