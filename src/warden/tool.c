/*
 * From a granted call to a process that runs the tool. Runs in the warden; the child goes on as a
 * warden of its own, which keeps nothing of the session but what its run needs. It is forked, not
 * executed: it has no more power than its parent, and a few milliseconds less to wait for. Hostile:
 * of a `match` tool argv, environment and directory of the call; of a `command` tool nothing but
 * the arguments that its `args` admit.
 */
#include "warden/tool.h"

#include "warden/netrole.h"
#include "warden/session.h"
#include "warden/toolrun.h"
#include "warden/warden.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "policy/tools.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Rationale: the env: values of a session; see keeper/source_env.c. */
#define FDS_MAX 320

/* Rationale: as many words as a line of a profile can have, and what a caller may add. */
#define ARGS_MAX 1024

#define SYSTEM_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* What a run is made of, in the child's memory. */
struct run {
	struct run_plan plan;
	struct run_tool tool;
	struct policy *policy;
	struct tool_command command;
	struct buf empty, env;
	const char *argv[ARGS_MAX + 1];
};

/* The working directory of commands: empty, and of no cell that can write it. */
static int make_empty(const struct run_plan *plan, struct buf *out, struct err *err)
{
	struct stat st;

	buf_addf(out, "%s/empty", plan->state_dir);
	if (out->failed)
		return err_set(err, ENOMEM, "directory");
	if (mkdir(out->data, 0500) < 0 && errno != EEXIST)
		return err_set(err, errno, "make %s", out->data);
	if (lstat(out->data, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return err_set(err, ENOTDIR, "%s", out->data);
	return 0;
}

/* ---- what the command is ---- */

static void add_own_variables(struct run *run, const struct tools_tool *tool)
{
	size_t n, n_env = run->tool.n_env;
	const struct policy_item *globs = tools_list(tool, TOOLS_KEEP_ENV, &n);

	for (char **e = environ; *e != NULL; e++) {
		AUTO_FREE char *name = strndup(*e, strcspn(*e, "="));

		for (size_t i = 0; name != NULL && i < n; i++)
			if (str_glob(globs[i].value, name)) {
				buf_add(&run->env, *e, strlen(*e) + 1);
				n_env++;
				break;
			}
	}
	run->tool.n_env = n_env;
}

static void add_variable(struct run *run, const char *name, const char *value)
{
	buf_addf(&run->env, "%s%s", name, value);
	buf_add(&run->env, "", 1);
	run->tool.n_env++;
}

/* A fixed environment: nothing of the caller's has a say. */
static int make_command(struct warden *w, struct run *run, const struct doorcall *call,
	struct err *err)
{
	const struct policy_item *line = tools_value(run->tool.tool, TOOLS_COMMAND);
	const char *lang = getenv("LANG");
	size_t n = 0;

	if (w->start->find_command(w->plan, line->value, &run->command, err) < 0)
		return err_prefix(err, "[tool %s] command", tools_name(run->tool.tool));
	for (; n < ARGS_MAX && run->command.argv[n] != NULL; n++)
		run->argv[n] = run->command.argv[n];
	for (size_t i = 1; call->argv[i] != NULL; i++) {
		if (n == ARGS_MAX)
			return err_set(err, E2BIG, "arguments of a tool");
		run->argv[n++] = call->argv[i];
	}
	add_variable(run, "PATH=", SYSTEM_PATH);
	add_variable(run, "HOME=", w->plan->home);
	add_variable(run, "LANG=", lang != NULL ? lang : "C.UTF-8");
	add_variable(run, "TERM=", "dumb");
	run->plan.program = run->command.file;
	run->plan.argv = run->argv;
	run->plan.cwd = run->plan.project = run->empty.data;
	return 0;
}

static void make_match(struct run *run, const struct doorcall *call)
{
	const char *end = call->env;

	for (uint32_t i = 0; i < call->hello.envc; i++)
		end += strlen(end) + 1;
	buf_add(&run->env, call->env, (size_t)(end - call->env));
	run->tool.n_env = call->hello.envc;
	run->plan.program = NULL; /* looked for in the run's own cell */
	run->plan.argv = call->argv;
	run->plan.cwd = call->cwd;
}

static int fill(struct warden *w, struct run *run, const struct doorcall *call, struct err *err)
{
	const struct tools_tool *tool = run->tool.tool;
	bool is_command = tools_is_command(tool);

	if (is_command && make_empty(w->plan, &run->empty, err) < 0)
		return -err->code;
	if (tools_derive(w->plan->policy, tool, run->empty.data, &run->policy, err) < 0)
		return -err->code;
	run->plan = (struct run_plan){ .mode = RUN_SPLIT,
		.is_run_verb = true,
		.quiet = true,
		.verbose = w->plan->verbose,
		.agent = "tool",
		.project = w->plan->project,
		.home = w->plan->home,
		.state_dir = w->plan->state_dir,
		.cache_dir = w->plan->cache_dir,
		.runtime_dir = w->plan->runtime_dir,
		.tool = &run->tool,
		.policy = run->policy,
		.session_policy = w->plan->policy };
	if (!is_command)
		make_match(run, call);
	else if (make_command(w, run, call, err) < 0)
		return -err->code;
	add_own_variables(run, tool);
	run->tool.env = run->env.data;
	return run->env.failed ? err_set(err, ENOMEM, "environment") : 0;
}

/* ---- the child ---- */

static int compare_fds(const void *pa, const void *pb)
{
	const int *a = pa, *b = pb;

	return *a < *b ? -1 : *a > *b;
}

/* Lets go of the session: its cell, agent, proxy, keepers, audit. */
static int keep_only(const struct warden *w, const struct run_tool *tool)
{
	int kept[FDS_MAX], low = 3;
	size_t n = w->start->kept_fds(kept, FDS_MAX - 4);

	kept[n++] = tool->sock;
	for (size_t i = 0; i < 3; i++)
		if (tool->stdio[i] >= 0)
			kept[n++] = tool->stdio[i];
	qsort(kept, n, sizeof(kept[0]), compare_fds);
	for (size_t i = 0; i < n; i++) {
		if (kept[i] > low && sys_close_range((unsigned)low, (unsigned)kept[i] - 1, 0) < 0)
			return -errno;
		low = kept[i] + 1;
	}
	netrole_forget();
	return sys_close_range((unsigned)low, ~0u, 0) < 0 ? -errno : 0;
}

static int become_run(const struct warden *w, const struct run_tool *tool, pid_t parent)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)setsid(); /* the terminal's signals are for others */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
		return -ESRCH;
	(void)prctl(PR_SET_NAME, "agentjail-tool");
	/* stderr stays: the user's. */
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
		return -errno;
	if (sigprocmask(SIG_SETMASK, &w->old_mask, NULL) < 0 ||
		(w->files.rlim_cur > 0 && setrlimit(RLIMIT_NOFILE, &w->files) < 0))
		return -errno;
	return keep_only(w, tool);
}

static _Noreturn void child(struct warden *w, struct run *run, const struct doorcall *call,
	pid_t parent)
{
	/* session_run() uses the memory that w is in. */
	const struct role_starters *start = w->start;
	AUTO_FREE char *session = strdup(w->audit.session);
	struct err err = { 0 };
	int status = -1;

	run->tool.caller_session = session != NULL ? session : "";
	if (fill(w, run, call, &err) == 0 && become_run(w, &run->tool, parent) == 0)
		status = session_run(&run->plan, start, &err);
	if (status < 0) {
		log_error("%s", err.code != 0 ? err.text : "a tool's process did not start");
		toolrun_refuse(&run->tool);
		status = EXIT_AGENTJAIL;
	}
	_exit(status);
}

pid_t tool_start(struct warden *w, const struct tools_tool *tool, const struct doorcall *call,
	int sock, struct err *err)
{
	static struct run run; /* the child's: here it stays empty */
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return err_set(err, errno, "fork");
	if (pid > 0)
		return pid;
	run = (struct run){ .tool = { .tool = tool,
				    .word = call->word,
				    .hello = &call->hello,
				    .sock = sock,
				    .stdio = { call->stdio[0], call->stdio[1], call->stdio[2] } } };
	child(w, &run, call, parent);
}
