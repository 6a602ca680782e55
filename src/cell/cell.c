/*
 * A cell from the clone to its loop, in stages that only ever lose power (cf. src/README.md).
 * The parent's half runs in the warden. The child is the cell's first process; nothing hostile
 * runs in it before init_run(), and by then it has nothing left to give.
 */
#include "cell/cell.h"

#include "base/cleanup.h"
#include "base/standing.h"
#include "base/sys.h"
#include "cell/belts.h"
#include "cell/init.h"
#include "cell/net.h"
#include "cell/plan.h"
#include "cell/view.h"
#include "wire/fdpass.h"
#include "wire/job.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define CELL_NAMESPACES                                                                            \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | \
		CLONE_NEWCGROUP)

extern char **environ;

int place_begin(uid_t uid, gid_t gid, struct err *err)
{
	/* The parent may be gone already: then its end of the sockets is closed, and we notice. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return err_set(err, errno, "PR_SET_PDEATHSIG");
	if (belts_map_ids(uid, gid, err) < 0)
		return -err->code;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_set(err, errno, "make mounts private");
	return 0;
}

void place_wipe(void)
{
	/* The kernel lays the arguments out right before the environment (execve(2)). */
	if (environ != NULL && environ[0] > program_invocation_name)
		explicit_bzero(program_invocation_name,
			(size_t)(environ[0] - program_invocation_name));
	standing_wipe_environment();
}

/*
 * A cell's pids start above those of the agent's namespace, so that an agent that takes a pid it
 * read in a cell for its own hits nobody (pid_namespaces(7), ns_last_pid).
 */
static int raise_pids(struct err *err)
{
	AUTO_CLOSE int max = open("/proc/sys/kernel/pid_max", O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int last = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
	char text[32] = { 0 };
	long value;
	int n;

	if (max < 0 || last < 0)
		return 0; /* a kernel without CHECKPOINT_RESTORE: only the convenience is lost */
	if (read(max, text, sizeof(text) - 1) < 0)
		return err_set(err, errno, "pid_max");
	value = strtol(text, NULL, 10);
	n = snprintf(text, sizeof(text), "%ld", value / 2);
	if (write(last, text, (size_t)n) < 0)
		return err_set(err, errno, "ns_last_pid");
	return 0;
}

static int report_ready(int ctl, struct cell *cell, struct err *err)
{
	struct cell_msg msg = { .type = CELL_MSG_READY };
	int fds[CELL_FD_COUNT];
	uint64_t present = 0;
	size_t n = 0;
	int r;

	for (unsigned i = 0; i < CELL_FD_COUNT; i++)
		if (cell->fds[i] >= 0) {
			present |= 1ull << i;
			fds[n++] = cell->fds[i];
		}
	msg.value = (uint32_t)present;
	msg.id = (uint32_t)(present >> 32);
	memcpy(msg.text, cell->note, sizeof(msg.text));
	r = fdpass_send(ctl, &msg, sizeof(msg), fds, n);
	if (r < 0)
		return err_set(err, -r, "report");
	for (size_t i = 0; i < n; i++)
		(void)close(fds[i]);
	return 0;
}

static int set_up_net(const struct cell_request *request, struct cell *cell, struct err *err)
{
	struct net_request net;
	struct net_sockets sockets;

	if (net_request_from(request->plan->policy, &net, err) < 0 ||
		net_setup(&net, &sockets, err) < 0)
		return err_prefix(err, "network");
	for (unsigned i = 0; i < NET_FD_COUNT; i++)
		cell->fds[CELL_FD_TCP4 + i] = i < sockets.n ? sockets.fds[i] : -1;
	return 0;
}

/* The warden's word that the plan, which lies in shared memory, is complete: its length. */
static int await_plan(int ctl, struct mount_plan *mounts, struct err *err)
{
	struct mount_plan plan;
	ssize_t n = recv(ctl, &plan, sizeof(plan), 0);

	if (n != (ssize_t)sizeof(plan) || plan.arena != mounts->arena)
		return err_set(err, n < 0 ? errno : EPIPE, "mount plan");
	mounts->n = plan.n;
	return 0;
}

/* What the warden had open when it forked is not this cell's: not the plan's files, nor any key. */
static int close_others(int ctl, int jobs, struct err *err)
{
	unsigned low = (unsigned)(ctl < jobs ? ctl : jobs), high = (unsigned)(ctl < jobs ? jobs : ctl);

	if ((low > 3 && sys_close_range(3, low - 1, 0) < 0) ||
		(high > low + 1 && sys_close_range(low + 1, high - 1, 0) < 0) ||
		sys_close_range(high + 1, ~0u, 0) < 0)
		return err_set(err, errno, "close_range");
	return 0;
}

/*
 * Should: be called with nothing but the two sockets that matters; stages in this order.
 * Mustn't: return before all of them have succeeded.
 */
static int enter(const struct cell_request *request, const int sockets[2], int *ret_listener,
	struct err *err)
{
	int ctl = sockets[0];
	bool userns =
		strcmp(policy_value(request->plan->policy, PK_SANDBOX_USERNS)->value, "yes") == 0;
	struct cell cell = { 0 };

	for (unsigned i = 0; i < CELL_FD_COUNT; i++)
		cell.fds[i] = -1;
	/* Stage 1, power over its own namespaces: network, pids, mounts. */
	if (raise_pids(err) < 0 || set_up_net(request, &cell, err) < 0 ||
		await_plan(ctl, request->mounts, err) < 0 ||
		view_enter_cell(request, &cell, err) < 0 || report_ready(ctl, &cell, err) < 0)
		return -err->code;
	/* Stage 2, no power: others of this uid cannot look into it either. */
	if (standing_leave_stdio(err) < 0 || close_others(ctl, sockets[1], err) < 0)
		return -err->code;
	if (standing_hide(err) < 0)
		return -err->code;
	if (belts_drop_caps(err) < 0 || belts_no_new_privs(err) < 0)
		return -err->code;
	/* Landlock forbids mounting; a cell with user namespaces of its own does without. */
	if (!userns && belts_landlock_cell(request->mounts, err) < 0)
		return -err->code;
	/* The plan names what is hidden: not for this memory any more. */
	plan_done(request->mounts);
	return belts_seccomp_cell(userns, request->held >= 0, ret_listener, err);
}

static _Noreturn void child(const struct cell_request *request, uid_t uid, gid_t gid,
	const int sockets[2])
{
	struct cell_msg msg = { .type = CELL_MSG_ERROR };
	struct err err = { 0 };
	int ctl = sockets[0], jobs = sockets[1], listener = -1;
	/* `run` has one command, and a second runner would be forked for nothing. */
	bool is_single = request->plan->is_run_verb;

	place_wipe();
	(void)setsid(); /* the terminal's signals are for others */
	umask(0); /* modes below are meant as they stand */
	(void)prctl(PR_SET_NAME, "agentjail-cell", 0, 0, 0);
	/* A session keyring of its own: possession of the user's keys ends here (keyctl(2)). */
	(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0);
	if (place_begin(uid, gid, &err) == 0 && enter(request, sockets, &listener, &err) == 0) {
		msg.type = CELL_MSG_STARTED;
		if (fdpass_send(ctl, &msg, sizeof(msg), &listener, listener >= 0) == 0) {
			cleanup_close(&listener);
			init_run(jobs, ctl, &(struct init_config){ .is_single = is_single });
		}
	}
	memcpy(msg.text, err.text, sizeof(msg.text));
	msg.value = (uint32_t)err.code;
	(void)fdpass_send(ctl, &msg, sizeof(msg), NULL, 0);
	_exit(EXIT_AGENTJAIL);
}

/* READY with the descriptors, then STARTED when all power is gone. */
static int await_ready(struct cell *cell, struct err *err)
{
	struct cell_msg msg;
	int fds[CELL_FD_COUNT];

	for (;;) {
		size_t n = 0, k = 0;
		uint64_t present;
		ssize_t len = fdpass_recv(cell->ctl, &msg, sizeof(msg), fds, CELL_FD_COUNT, &n);

		if (len < 0)
			return err_set(err, (int)-len, "cell");
		if (len != (ssize_t)sizeof(msg))
			return err_set(err, 0, "the cell ended while it was made; see agentjail doctor");
		if (msg.type == CELL_MSG_STARTED) {
			cell->fds[CELL_FD_CALLS] = n == 1 ? fds[0] : -1;
			return 0;
		}
		if (msg.type != CELL_MSG_READY) {
			msg.text[sizeof(msg.text) - 1] = '\0';
			(void)err_set(err, 0, "cell: %s; see agentjail doctor", msg.text);
			err->code = msg.value > 0 ? (int)msg.value : EINVAL;
			return -err->code;
		}
		msg.text[sizeof(msg.text) - 1] = '\0';
		memcpy(cell->note, msg.text, sizeof(cell->note));
		present = msg.value | (uint64_t)msg.id << 32;
		for (unsigned i = 0; i < CELL_FD_COUNT && k < n; i++) {
			if ((present >> i & 1) == 0)
				continue;
			cell->fds[i] = fds[k++];
			if (i >= CELL_FD_LOCALHOST)
				cell->n_localhost = (i - CELL_FD_LOCALHOST) / 2 + 1;
		}
	}
}

static void discard(struct cell *cell)
{
	if (cell->pid > 0) {
		(void)kill(cell->pid, SIGKILL);
		(void)waitpid(cell->pid, NULL, 0);
	}
	for (unsigned i = 0; i < CELL_FD_COUNT; i++)
		cleanup_close(&cell->fds[i]);
	cleanup_close(&cell->ctl);
	cleanup_close(&cell->jobs);
}

static int clone_error(struct err *err)
{
	return err_set(err, errno,
		"user namespaces are not available; run `agentjail doctor` for the remedy: clone");
}

int cell_begin(const struct cell_request *request, struct cell *ret, struct err *err)
{
	struct cell cell = { .ctl = -1, .jobs = -1, .mounts = request->mounts };
	AUTO_CLOSE int ctl = -1, jobs = -1;
	int pair[2];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	for (unsigned i = 0; i < CELL_FD_COUNT; i++)
		cell.fds[i] = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "socketpair");
	cell.ctl = pair[0];
	ctl = pair[1];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		cleanup_close(&cell.ctl);
		return err_set(err, errno, "socketpair");
	}
	cell.jobs = pair[0];
	jobs = pair[1];
	cell.pid = (pid_t)syscall(SYS_clone, CELL_NAMESPACES | SIGCHLD, 0, 0, 0, 0);
	if (cell.pid == 0) {
		(void)close(cell.ctl);
		(void)close(cell.jobs);
		child(request, uid, gid, (int[2]){ ctl, jobs });
	}
	if (cell.pid < 0) {
		(void)clone_error(err);
		discard(&cell);
		return -err->code;
	}
	*ret = cell;
	return 0;
}

void cell_go_on(struct cell *cell)
{
	/* Its own words are better than an EPIPE from here: a failed send is noticed later. */
	(void)fdpass_send(cell->ctl, cell->mounts, sizeof(*cell->mounts), NULL, 0);
}

int cell_finish(struct cell *cell, struct err *err)
{
	if (await_ready(cell, err) < 0) {
		discard(cell);
		return -err->code;
	}
	return 0;
}
