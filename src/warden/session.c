/*
 * The warden's loop. Runs as the user, outside of all places. It parses no byte of the network and
 * holds no secret; what it is told by the agent context, the cell and the proxy is checked where it
 * comes in. Its end is the end of the session: all its children die with it (PR_SET_PDEATHSIG).
 */
#include "warden/session.h"

#include "warden/attend.h"
#include "warden/caches.h"
#include "warden/held.h"
#include "warden/inside.h"
#include "warden/keepdirs.h"
#include "warden/keeperctl.h"
#include "warden/listed.h"
#include "warden/netrole.h"
#include "warden/terminal.h"
#include "warden/warden.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/standing.h"
#include "policy/limits.h"
#include "wire/fdpass.h"
#include "wire/job.h"

#include <errno.h>
#include <linux/types.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

extern char **environ;
extern const char shim_blob[], shim_blob_end[];

/* linux/seccomp.h of Linux 6.6 */
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS_ _IOW('!', 4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP_ 1UL

/* ---- start ---- */

static int block_signals(struct warden *w, struct err *err)
{
	sigset_t all;

	sigfillset(&all);
	/* Faults of our own must end us, not wait. */
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGTRAP);
	sigdelset(&all, SIGABRT);
	if (sigprocmask(SIG_SETMASK, &all, &w->old_mask) < 0)
		return err_set(err, errno, "sigprocmask");
	w->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (w->signals < 0)
		return err_set(err, errno, "signalfd");
	return 0;
}

static int make_shim(struct warden *w, struct err *err)
{
	w->shim = netrole_blob("agentjail-shim", shim_blob, shim_blob_end, err);
	if (w->shim < 0)
		return -err->code;
	if (fstat(w->shim, &w->shim_stat) < 0)
		return err_set(err, errno, "shim");
	return 0;
}

static const char *mode_name(const struct run_plan *plan)
{
	if (plan->mode == RUN_INJECT || plan->mode == RUN_SHARED)
		return plan->mode == RUN_INJECT ? "inject" : "shared";
	if (plan->tool != NULL)
		return "tool";
	return plan->is_run_verb ? "run" : "split";
}

static int open_audit(struct warden *w, struct err *err)
{
	const char *path = policy_value(w->plan->policy, PK_AUDIT_PATH)->value;
	AUTO_BUF struct buf dir = { 0 }, strings = { 0 };
	struct policy_question question = { .action = POLICY_WRITE };
	struct policy_answer answer;
	struct audit_record r;
	size_t n = 0;

	if (path[0] != '\0')
		buf_adds(&dir, path);
	else
		buf_addf(&dir, "%s/audit", w->plan->state_dir);
	if (dir.failed)
		return err_set(err, ENOMEM, "audit");
	question.path = dir.data;
	policy_decide(w->plan->policy, &question, &answer);
	if (answer.verdict == POLICY_ALLOWED)
		return err_set(err, 0,
			"audit: commands can write %s; name another directory in [audit] path", dir.data);
	if (audit_open(&w->audit, dir.data, err) < 0)
		return -err->code;
	for (; w->plan->argv[n] != NULL; n++)
		buf_add(&strings, w->plan->argv[n], strlen(w->plan->argv[n]) + 1);
	audit_begin(&w->audit, &r, "session");
	audit_string(&r, "version", AGENTJAIL_VERSION);
	audit_string(&r, "mode", mode_name(w->plan));
	audit_strings(&r, "argv", strings.data != NULL ? strings.data : "", n);
	audit_string(&r, "project", w->plan->project);
	audit_string(&r, "cwd", w->plan->cwd);
	audit_number(&r, "uid", (int64_t)getuid());
	(void)audit_end(&r);
	return 0;
}

static void say_summary(const struct warden *w)
{
	size_t hidden = 0, hosts;

	for (size_t i = 0; i < w->mounts.n; i++)
		hidden += w->mounts.entries[i].kind == MOUNT_HIDE;
	(void)policy_list(w->plan->policy, PK_EGRESS_ALLOW, &hosts);
	log_info("profile %s, project %s, %zu hosts allowed, %zu paths hidden, audit %s",
		policy_value(w->plan->policy, PK_PROFILE_NAME)->value, w->plan->project, hosts, hidden,
		w->audit.path);
}

int warden_not_started(struct warden *w, const struct err *err)
{
	if (err->code == ENOENT || err->code == ENOTDIR)
		w->exit_status = EXIT_NOT_FOUND;
	else if (err->code == EACCES)
		w->exit_status = EXIT_NOT_EXECUTABLE;
	return -err->code;
}

/* ---- what comes in ---- */

static void read_cell(struct warden *w)
{
	for (;;) {
		struct cell_msg msg;
		ssize_t n = recv(w->cell.ctl, &msg, sizeof(msg), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n != (ssize_t)sizeof(msg)) {
			cells_lost(w);
			return;
		}
		if (msg.type == CELL_MSG_STARTED && msg.id != 0) {
			struct command *command = &w->commands[msg.id % COMMANDS_MAX];

			if (command->id == msg.id)
				command->cell_pid = (pid_t)msg.value;
		} else if (msg.type == CELL_MSG_EXIT) {
			cells_command_ended(w, &msg);
		} else if (msg.type == CELL_MSG_LIMIT) {
			limit_tell(w, &w->cell, &msg);
		}
	}
}

/* The agent as the host sees it: the only child of the first process of its namespace. */
static pid_t find_agent(pid_t init)
{
	char path[64];
	pid_t pid = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", init, init);
	f = fopen(path, "re");
	if (f == NULL || fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f != NULL)
		fclose(f);
	return pid;
}

static void end_session(struct warden *w, int status)
{
	w->has_ended = true;
	w->status = status;
}

static void read_agent(struct warden *w)
{
	struct agent_msg msg;
	struct err err = { 0 };
	int fds[HELPER_FD_COUNT] = { -1, -1, -1, -1, -1 };
	size_t n_fds = 0;
	ssize_t n = fdpass_recv(w->agent.ctl, &msg, sizeof(msg), fds, HELPER_FD_COUNT, &n_fds);

	if (n != (ssize_t)sizeof(msg)) {
		/* Its first process is gone without a word: killed, and all of it with it. */
		end_session(w, SIGKILL);
		return;
	}
	switch ((enum agent_msg_type)msg.type) {
	case AGENT_MSG_LISTENER:
		if (n_fds == 1 && w->listener < 0) {
			w->listener = fds[0];
			/* Wakes the waiting side on this CPU (Linux 6.6); elsewhere it is only slower. */
			(void)ioctl(fds[0], SECCOMP_IOCTL_NOTIF_SET_FLAGS_,
				SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP_);
			w->agent.pid = find_agent(w->agent.init);
			return;
		}
		break;
	case AGENT_MSG_VIEW:
		if (n_fds == HELPER_FD_COUNT && masks_enter_agent(w, fds, &err) == 0)
			return;
		log_error("%s", err.text);
		end_session(w, EXIT_AGENTJAIL << 8);
		break;
	case AGENT_MSG_STOPPED:
		if (w->agent.pid > 0)
			terminal_follow_stop(&w->terminal, w->agent.pid);
		break;
	case AGENT_MSG_EXIT:
		end_session(w, (int)msg.value);
		break;
	case AGENT_MSG_ERROR:
		msg.text[sizeof(msg.text) - 1] = '\0';
		log_error("%s", msg.text);
		end_session(w,
			(msg.value == ENOENT ? EXIT_NOT_FOUND
					: msg.value == EACCES ? EXIT_NOT_EXECUTABLE : EXIT_AGENTJAIL)
				<< 8);
		break;
	}
	for (unsigned i = 0; i < HELPER_FD_COUNT; i++)
		cleanup_close(&fds[i]);
}

/*
 * A signal of the terminal reached the agent by itself, whether it stands in a group of its own or
 * in ours. One that somebody sent to agentjail is meant for the agent.
 */
static void signal_agent(struct warden *w, const struct signalfd_siginfo *si)
{
	if (si->ssi_signo == SIGCHLD || si->ssi_signo == SIGCONT || si->ssi_signo == SIGWINCH ||
		si->ssi_signo == SIGPIPE || si->ssi_code == SI_KERNEL || w->agent.pid <= 0)
		return;
	(void)kill(w->agent.pid, (int)si->ssi_signo);
}

static void read_signals(struct warden *w)
{
	struct signalfd_siginfo si;

	while (read(w->signals, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (w->bare > 0)
			bare_signal(w, &si);
		else if (w->toolrun != NULL && si.ssi_signo == SIGALRM)
			toolrun_alarm(w, w->toolrun);
		else if (w->attend != NULL)
			attend_signal(w->attend, (int)si.ssi_signo, si.ssi_code, si.ssi_pid);
		else
			signal_agent(w, &si);
	}
}

/* ---- the loop ---- */

enum slot { SLOT_SIGNALS, SLOT_LISTENER, SLOT_AGENT, SLOT_CELL, SLOT_JOBS, SLOT_PROXY, SLOT_KEEPERS,
	SLOT_DOOR, SLOT_MASKS, SLOT_MASKS_AGENT, SLOT_GROUP, SLOT_FRESH, SLOT_NET };

#define NET_SLOTS (CELL_FD_COUNT - CELL_FD_TCP4)
#define SLOTS (SLOT_NET + NET_SLOTS + ATTEND_POLLFDS)

/* While no proxy runs, its listeners wake us: the first packet starts it. */
static void watch_network(const struct warden *w, struct pollfd *fds)
{
	bool wants = (w->cell.pid > 0 || w->bare > 0) && w->proxy.pid == 0 && w->proxy.failures < 3;

	for (unsigned i = 0; i < NET_SLOTS; i++) {
		unsigned k = CELL_FD_TCP4 + i;

		fds[i].fd = wants && k != CELL_FD_DIAG ? w->cell.fds[k] : -1;
		fds[i].events = POLLIN;
	}
}

static int fill_slots(struct warden *w, struct pollfd *fds)
{
	fds[SLOT_SIGNALS] = (struct pollfd){ .fd = w->signals, .events = POLLIN };
	fds[SLOT_LISTENER] = (struct pollfd){ .fd = w->listener, .events = POLLIN };
	fds[SLOT_AGENT] = (struct pollfd){ .fd = w->agent.ctl, .events = POLLIN };
	fds[SLOT_CELL] = (struct pollfd){ .fd = w->cell.ctl, .events = POLLIN };
	fds[SLOT_JOBS] = (struct pollfd){ .fd = job_is_due(w) ? w->cell.jobs : -1, .events = POLLOUT };
	fds[SLOT_PROXY] = (struct pollfd){ .fd = w->proxy.sock, .events = POLLIN };
	fds[SLOT_KEEPERS] = (struct pollfd){ .fd = keeperctl_fd(w->keepers), .events = POLLIN };
	fds[SLOT_DOOR] = (struct pollfd){ .fd = door_fd(w->door), .events = POLLIN };
	fds[SLOT_MASKS] = (struct pollfd){ .fd = w->masks.cell.sock, .events = POLLIN };
	fds[SLOT_MASKS_AGENT] = (struct pollfd){ .fd = w->masks.agent.sock, .events = POLLIN };
	fds[SLOT_GROUP] = (struct pollfd){ .fd = w->group.events, .events = POLLPRI };
	fds[SLOT_FRESH] = (struct pollfd){ .fd = fresh_fd(w->fresh), .events = POLLIN };
	watch_network(w, fds + SLOT_NET);
	if (w->toolrun != NULL)
		return toolrun_pollfds(w->toolrun, fds + SLOT_NET + NET_SLOTS);
	if (w->attend != NULL)
		return attend_pollfds(w->attend, fds + SLOT_NET + NET_SLOTS);
	for (unsigned i = 0; i < ATTEND_POLLFDS; i++)
		fds[SLOT_NET + NET_SLOTS + i].fd = -1;
	return masks_timeout_ms(w);
}

static void dispatch(struct warden *w, const struct pollfd *fds)
{
	const struct place place = cells_place(w);

	/* Execs first: a program of the agent waits for each. */
	if ((fds[SLOT_LISTENER].revents & POLLIN) != 0)
		exec_handle(w);
	else if (fds[SLOT_LISTENER].revents != 0)
		cleanup_close(&w->listener); /* nobody is left under the filter */
	/* Before ends are read: whom the kernel has ended, it is told why. */
	if (fds[SLOT_GROUP].revents != 0 && group_has_killed(&w->group))
		limit_tell_all(w);
	if (fds[SLOT_CELL].revents != 0)
		read_cell(w);
	if (fds[SLOT_MASKS].revents != 0 && fds[SLOT_MASKS].fd == w->masks.cell.sock)
		masks_read(w, false);
	if (fds[SLOT_MASKS_AGENT].revents != 0)
		masks_read(w, true);
	masks_check_time(w);
	if (fds[SLOT_FRESH].revents != 0)
		fresh_dispatch(w, w->fresh);
	if (fds[SLOT_JOBS].revents != 0)
		job_flush(w);
	if (fds[SLOT_AGENT].revents != 0)
		read_agent(w);
	if (fds[SLOT_SIGNALS].revents != 0)
		read_signals(w);
	if (fds[SLOT_PROXY].revents != 0)
		proxyctl_read(w, &place);
	if (fds[SLOT_KEEPERS].revents != 0)
		keeperctl_dispatch(w, w->keepers);
	if (fds[SLOT_DOOR].revents != 0)
		door_dispatch(w, w->door);
	for (unsigned i = 0; i < NET_SLOTS && w->proxy.pid == 0; i++)
		if (fds[SLOT_NET + i].fd >= 0 && fds[SLOT_NET + i].revents != 0)
			proxyctl_start(w, &place);
	if (w->attend != NULL && attend_dispatch(w->attend, fds + SLOT_NET + NET_SLOTS))
		w->has_ended = true;
	if (w->toolrun != NULL && toolrun_dispatch(w, w->toolrun, fds + SLOT_NET + NET_SLOTS))
		w->has_ended = true;
}

static int loop(struct warden *w, struct err *err)
{
	while (!w->has_ended) {
		struct pollfd fds[SLOTS];
		int timeout = limit_timeout_ms(w, fill_slots(w, fds));

		if (poll(fds, SLOTS, timeout) < 0) {
			if (errno == EINTR)
				continue;
			return err_set(err, errno, "poll");
		}
		dispatch(w, fds);
		limit_check_time(w);
	}
	return 0;
}

/* ---- agent and command ---- */

static int start_agent(struct warden *w, struct err *err)
{
	struct agent_request request = { .plan = w->plan,
		.mounts = &w->mounts,
		.tmp_tree = w->cell.fds[CELL_FD_TMP_AGENT],
		.program = w->program.path,
		.agent_file = w->program.agent,
		.agent_root = w->program.root,
		.argv = (const char *const *)w->program.argv,
		.exec_files = w->program.exec_paths,
		.n_exec_files = w->program.n_exec_paths,
		.terminal = w->terminal.fd,
		.is_foreground = w->terminal.is_foreground,
		.has_kept_files = w->kept.n > 0,
		.signals = w->old_mask };
	int r;

	w->agent_env = environ_for_agent(&w->environ, environ);
	if (w->agent_env == NULL)
		return err_set(err, ENOMEM, "environment");
	request.envp = (const char *const *)w->agent_env;
	r = w->start->start_agent(&request, &w->agent, err);
	cleanup_close(&w->cell.fds[CELL_FD_TMP_AGENT]);
	return r;
}

static int prepare(struct warden *w, struct err *err)
{
	struct limits limits = limits_of(w->plan->policy);

	group_make(&limits, &w->group);
	/* The authority first of all that is started: it has the longest way. */
	if (block_signals(w, err) < 0 || trust_start(&w->trust, w->plan, &w->old_mask, err) < 0)
		return -err->code;
	if (!w->plan->is_run_verb) {
		if (program_find(w->plan, &w->program, err) < 0)
			return warden_not_started(w, err);
		if (program_add_trusted(w->plan, &w->program, err) < 0 ||
			keepdirs_make(w->plan, err) < 0 || kept_init(&w->kept, w->plan, err) < 0)
			return -err->code;
	}
	if (keeperctl_init(w, &w->keepers, err) < 0 || door_init(w, &w->door, err) < 0 ||
		fakes_make(w->plan->policy, keeperctl_shapes(w->keepers), &w->fakes, err) < 0)
		return -err->code;
	if (lure_make(w->plan, &w->lure, err) < 0 || w->start->init_mounts(&w->mounts, err) < 0)
		return -err->code;
	if (w->plan->mode == RUN_SHARED && inside_prepare(w, err) < 0)
		return -err->code;
	w->mounts.agent_root = w->program.root;
	if (environ_init(&w->environ, w->plan, environ, err) < 0 || open_audit(w, err) < 0)
		return -err->code;
	if (caches_take(w, err) < 0 || held_open(w, err) < 0)
		return -err->code;
	w->environ.fakes = &w->fakes;
	w->environ.trust = trust_variables(&w->trust);
	if (strcmp(policy_value(w->plan->policy, PK_SANDBOX_USERNS)->value, "yes") == 0 &&
		!w->plan->quiet)
		log_warn("[sandbox] userns = yes: commands may make namespaces and mount in them, and the "
			 "cell is without Landlock");
	if (fresh_init(w, &w->fresh, err) < 0 || warden_need_cell(w, err) < 0)
		return -err->code;
	say_summary(w);
	limit_begin(w);
	return 0;
}

/* --mode inject: no place is made. */
static int prepare_bare(struct warden *w, struct err *err)
{
	for (unsigned i = 0; i < CELL_FD_COUNT; i++)
		w->cell.fds[i] = -1;
	if (block_signals(w, err) < 0 || trust_start(&w->trust, w->plan, &w->old_mask, err) < 0 ||
		keeperctl_init(w, &w->keepers, err) < 0 ||
		fakes_make(w->plan->policy, keeperctl_shapes(w->keepers), &w->fakes, err) < 0 ||
		open_audit(w, err) < 0)
		return -err->code;
	return bare_start(w, err);
}

static int run(struct warden *w, struct err *err)
{
	if (w->plan->mode == RUN_INJECT)
		return prepare_bare(w, err) < 0 ? -err->code : loop(w, err);
	if (prepare(w, err) < 0)
		return -err->code;
	terminal_init(&w->terminal);
	if (w->plan->tool != NULL) {
		if (toolrun_start(w, err) < 0)
			return -err->code;
	} else if (w->plan->is_run_verb) {
		if (attend_start(w, err) < 0)
			return -err->code;
	} else if (make_shim(w, err) < 0 || start_agent(w, err) < 0) {
		return -err->code;
	}
	fresh_fill(w, w->fresh);
	return loop(w, err);
}

static void tear_down(struct warden *w)
{
	int status = w->attend != NULL ? attend_status(w->attend) : w->status;
	struct audit_record r;

	w->is_ending = true;
	if (w->agent.init > 0) {
		(void)kill(w->agent.init, SIGKILL);
		(void)waitpid(w->agent.init, NULL, 0);
	}
	if (w->cell.ctl >= 0)
		read_cell(w);
	door_stop(w->door);
	w->door = NULL;
	bare_stop(w);
	fresh_drain(w, w->fresh);
	proxyctl_drain(w);
	proxyctl_stop(&w->proxy);
	keeperctl_stop(w, w->keepers);
	w->keepers = NULL;
	masks_settle(w);
	cells_close(w);
	fresh_free(w->fresh);
	w->fresh = NULL;
	masks_done(w);
	held_close(w);
	inside_done(w);
	trust_done(&w->trust);
	lure_done(&w->lure);
	group_done(&w->group);
	if (!w->plan->is_run_verb && w->plan->mode != RUN_INJECT)
		terminal_done(&w->terminal, WIFSIGNALED(w->status));
	listed_end(w);
	if (w->audit.fd >= 0) {
		audit_begin(&w->audit, &r, "end");
		if (WIFSIGNALED(status))
			audit_number(&r, "signal", WTERMSIG(status));
		else
			audit_number(&r, "status", WEXITSTATUS(status));
		(void)audit_end(&r);
	}
}

/* Ends as the agent ended, so that the user's shell sees what it would have seen. */
static int mirror(int status)
{
	int sig = WTERMSIG(status);
	sigset_t set;

	if (!WIFSIGNALED(status))
		return WEXITSTATUS(status);
	standing_no_core(); /* the core, if any, is the agent's, not ours */
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
	sigemptyset(&set);
	sigaddset(&set, sig);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	return EXIT_SIGNAL_BASE + sig;
}

/* --mode none: no boundary at all, for comparison. */
static int run_bare(const struct run_plan *plan, struct err *err)
{
	AUTO_FREE char *path = program_which(plan->argv[0], getenv("PATH"));

	if (path == NULL) {
		log_error("%s: %s", plan->argv[0], strerror(errno));
		return errno == EACCES ? EXIT_NOT_EXECUTABLE : EXIT_NOT_FOUND;
	}
	execv(path, (char *const *)(size_t)plan->argv);
	return err_set(err, errno, "%s", plan->argv[0]);
}

int session_run(const struct run_plan *plan, const struct role_starters *start, struct err *err)
{
	static struct warden w; /* large tables, not to be touched before use; one session a process */
	int r;

	if (plan->mode == RUN_NONE)
		return run_bare(plan, err);
	/* Fresh memory is zero; a tool's run is forked from a session, and has that one's state. */
	if (w.plan != NULL)
		memset(&w, 0, sizeof(w));
	w.plan = plan;
	w.start = start;
	w.cell.ctl = w.cell.jobs = w.agent.ctl = w.proxy.sock = w.audit.fd = w.terminal.fd = w.cell_life = -1;
	w.listener = w.shim = w.signals = w.tmp_spare = w.login = w.caches = w.caches_lock = -1;
	w.held = (struct heldstore)HELDSTORE_NONE;
	w.trust = (struct trust)TRUST_NONE;
	w.masks = (struct masks)MASKS_NONE;
	w.group = (struct group)GROUP_NONE;
	w.queue_end = &w.queue;
	r = run(&w, err);
	tear_down(&w);
	audit_done(&w.audit);
	if (r < 0 && w.exit_status != 0) {
		log_error("%s", err->text);
		return w.exit_status;
	}
	if (r < 0)
		return r;
	if (w.toolrun != NULL)
		return WIFSIGNALED(w.status) ? EXIT_SIGNAL_BASE + WTERMSIG(w.status)
					     : WEXITSTATUS(w.status);
	if (w.attend != NULL)
		return attend_mirror(w.attend);
	return mirror(w.status);
}
