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
#include "cell/cell_private.h"
#include "cell/init.h"
#include "cell/mother.h"
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
/* Its network and the like are of no use to it: each cell gets its own. */
#define MOTHER_NAMESPACES (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC)

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
int cell_raise_pids(struct err *err)
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

int cell_report(int ctl, struct cell *cell, struct err *err)
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

int cell_set_up_net(const struct cell_request *request, struct cell *cell, struct err *err)
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

static int compare_fds(const void *pa, const void *pb)
{
	const int *a = pa, *b = pb;

	return *a < *b ? -1 : *a > *b;
}

/* What the warden had open when it forked is not this cell's: not the plan's files, nor any key. */
static int close_others(const struct cell_kept *kept, struct err *err)
{
	int fds[] = { kept->ctl, kept->jobs, kept->tmp };
	unsigned low = 3;

	qsort(fds, ARRAY_LEN(fds), sizeof(fds[0]), compare_fds);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		if (fds[i] > (int)low && sys_close_range(low, (unsigned)fds[i] - 1, 0) < 0)
			return err_set(err, errno, "close_range");
		if (fds[i] >= 0)
			low = (unsigned)fds[i] + 1;
	}
	return sys_close_range(low, ~0u, 0) < 0 ? err_set(err, errno, "close_range") : 0;
}

/* Stage 2, no power: others of this uid cannot look into it either. */
int cell_give_up(const struct cell_request *request, const struct cell_kept *kept, int *ret_listener,
	struct err *err)
{
	bool userns =
		strcmp(policy_value(request->plan->policy, PK_SANDBOX_USERNS)->value, "yes") == 0;

	if (standing_leave_stdio(err) < 0 || close_others(kept, err) < 0 || standing_hide(err) < 0)
		return -err->code;
	if (belts_drop_caps(err) < 0 || belts_no_new_privs(err) < 0)
		return -err->code;
	if (limits_of(request->plan->policy).amounts[LIMITS_FILES] != 0 &&
		belts_seccomp_no_fallocate(err) < 0)
		return -err->code;
	/* Landlock forbids mounting; a cell with user namespaces of its own does without. */
	if (!userns && belts_landlock_cell(request->mounts, kept->tmp, err) < 0)
		return -err->code;
	/* The plan names what is hidden: not for this memory any more. */
	plan_done(request->mounts);
	return belts_seccomp_cell(userns, request->held >= 0, ret_listener, err);
}

/*
 * Should: be called with nothing but the two sockets that matters; stages in this order.
 * Mustn't: return before all of them have succeeded.
 */
static int enter(const struct cell_request *request, const struct cell_kept *kept, int *ret_listener,
	struct err *err)
{
	struct cell cell = { 0 };

	for (unsigned i = 0; i < CELL_FD_COUNT; i++)
		cell.fds[i] = -1;
	/* Stage 1, power over its own namespaces: network, pids, mounts. */
	if (cell_raise_pids(err) < 0 || cell_set_up_net(request, &cell, err) < 0 ||
		await_plan(kept->ctl, request->mounts, err) < 0 ||
		view_enter_cell(request, &cell, err) < 0 || cell_report(kept->ctl, &cell, err) < 0)
		return -err->code;
	return cell_give_up(request, kept, ret_listener, err);
}

/* A mother of cells keeps its powers: no command of anyone's runs among its processes. */
static int enter_mother(const struct cell_request *request, const struct cell_kept *kept,
	struct err *err)
{
	int ctl = kept->ctl;
	struct cell cell = { 0 };

	for (unsigned i = 0; i < CELL_FD_COUNT; i++)
		cell.fds[i] = -1;
	if (await_plan(ctl, request->mounts, err) < 0 || view_enter_cell(request, &cell, err) < 0)
		return -err->code;
	/* What is masked here from now on is masked in all of its cells: mount_namespaces(7). */
	if (mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) < 0)
		return err_set(err, errno, "share mounts");
	/* It executes nothing; its cells find that much done. */
	if (belts_bound_caps(err) < 0)
		return -err->code;
	if (standing_hide(err) < 0)
		return -err->code;
	if (cell_report(ctl, &cell, err) < 0 || standing_leave_stdio(err) < 0 ||
		close_others(kept, err) < 0)
		return -err->code;
	return 0;
}

_Noreturn void cell_serve(const struct cell_kept *kept, int listener, const struct init_config *config)
{
	struct cell_msg msg = { .type = CELL_MSG_STARTED };

	if (fdpass_send(kept->ctl, &msg, sizeof(msg), &listener, listener >= 0) == 0) {
		cleanup_close(&listener);
		init_run(kept->jobs, kept->ctl, config);
	}
	_exit(EXIT_AGENTJAIL);
}

_Noreturn void cell_fail(int ctl, const struct err *err)
{
	struct cell_msg msg = { .type = CELL_MSG_ERROR, .value = (uint32_t)err->code };

	memcpy(msg.text, err->text, sizeof(msg.text));
	(void)fdpass_send(ctl, &msg, sizeof(msg), NULL, 0);
	_exit(EXIT_AGENTJAIL);
}

static _Noreturn void become_mother(const struct cell_request *request, const struct cell_kept *kept)
{
	struct cell_msg msg = { .type = CELL_MSG_STARTED };
	struct err err = { 0 };

	if (enter_mother(request, kept, &err) == 0 &&
		fdpass_send(kept->ctl, &msg, sizeof(msg), NULL, 0) == 0)
		mother_run(request, kept->jobs);
	cell_fail(kept->ctl, &err);
}

static _Noreturn void child(const struct cell_request *request, uid_t uid, gid_t gid,
	const struct cell_kept *kept)
{
	struct err err = { 0 };
	int listener = -1;
	/* `run` has one command, and a second runner would be forked for nothing. */
	const struct init_config config = { .is_single = request->plan->is_run_verb,
		.limits = limits_of(request->plan->policy),
		.home = request->plan->home,
		.tmp = -1 };

	place_wipe();
	(void)setsid(); /* the terminal's signals are for others */
	umask(0); /* modes below are meant as they stand */
	(void)prctl(PR_SET_NAME, request->is_mother ? "agentjail-moth" : "agentjail-cell", 0, 0, 0);
	/* A session keyring of its own: possession of the user's keys ends here (keyctl(2)). */
	(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0);
	if (place_begin(uid, gid, &err) < 0)
		cell_fail(kept->ctl, &err);
	if (request->is_mother)
		become_mother(request, kept);
	if (enter(request, kept, &listener, &err) == 0)
		cell_serve(kept, listener, &config);
	cell_fail(kept->ctl, &err);
}

static void take_report(struct cell *cell, struct cell_msg *msg, const int *fds, size_t n)
{
	uint64_t present = msg->value | (uint64_t)msg->id << 32;
	size_t k = 0;

	msg->text[sizeof(msg->text) - 1] = '\0';
	memcpy(cell->note, msg->text, sizeof(cell->note));
	for (unsigned i = 0; i < CELL_FD_COUNT && k < n; i++) {
		if ((present >> i & 1) == 0)
			continue;
		cell->fds[i] = fds[k++];
		if (i >= CELL_FD_LOCALHOST)
			cell->n_localhost = (i - CELL_FD_LOCALHOST) / 2 + 1;
	}
	cell->has_reported = true;
}

/* One message of a cell that is being made: enum cell_progress, or -errno with err. */
static int take_message(struct cell *cell, struct err *err)
{
	struct cell_msg msg;
	int fds[CELL_FD_COUNT];
	size_t n = 0;
	ssize_t len = fdpass_recv(cell->ctl, &msg, sizeof(msg), fds, CELL_FD_COUNT, &n);

	if (len == -EAGAIN)
		return CELL_IN_MAKING;
	if (len < 0)
		return err_set(err, (int)-len, "cell");
	if (len != (ssize_t)sizeof(msg))
		return err_set(err, 0, "the cell ended while it was made; see agentjail doctor");
	switch (msg.type) {
	case CELL_MSG_BORN:
		cell->fds[CELL_FD_PID] = n == 1 ? fds[0] : -1;
		return CELL_IN_MAKING;
	case CELL_MSG_READY:
		take_report(cell, &msg, fds, n);
		return CELL_IN_MAKING;
	case CELL_MSG_STARTED:
		cell->fds[CELL_FD_CALLS] = n == 1 ? fds[0] : -1;
		return CELL_READY;
	default:
		msg.text[sizeof(msg.text) - 1] = '\0';
		(void)err_set(err, 0, "cell: %s; see agentjail doctor", msg.text);
		err->code = msg.value > 0 ? (int)msg.value : EINVAL;
		return -err->code;
	}
}

/* READY with the descriptors, then STARTED when all power is gone. */
static int await_ready(struct cell *cell, struct err *err)
{
	int r;

	do
		r = take_message(cell, err);
	while (r == CELL_IN_MAKING);
	return r < 0 ? r : 0;
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

/* The two pairs of a cell: its ends, of which the caller gives the cell theirs. */
static int open_sockets(struct cell *cell, int theirs[2], struct err *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "socketpair");
	cell->ctl = pair[0];
	theirs[0] = pair[1];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		(void)err_set(err, errno, "socketpair");
		cleanup_close(&cell->ctl);
		cleanup_close(&theirs[0]);
		return -err->code;
	}
	cell->jobs = pair[0];
	theirs[1] = pair[1];
	return 0;
}

static struct cell no_cell(const struct mount_plan *mounts)
{
	struct cell cell = { .ctl = -1, .jobs = -1, .mounts = mounts };

	for (unsigned i = 0; i < CELL_FD_COUNT; i++)
		cell.fds[i] = -1;
	return cell;
}

int cell_begin(const struct cell_request *request, struct cell *ret, struct err *err)
{
	struct cell cell = no_cell(request->mounts);
	int theirs[2];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (open_sockets(&cell, theirs, err) < 0)
		return -err->code;
	cell.pid = (pid_t)syscall(SYS_clone,
		(request->is_mother ? MOTHER_NAMESPACES : CELL_NAMESPACES) | SIGCHLD, 0, 0, 0, 0);
	if (cell.pid == 0) {
		(void)close(cell.ctl);
		(void)close(cell.jobs);
		child(request, uid, gid, &(struct cell_kept){ theirs[0], theirs[1], -1 });
	}
	if (cell.pid < 0)
		(void)clone_error(err);
	cleanup_close(&theirs[0]);
	cleanup_close(&theirs[1]);
	if (cell.pid < 0) {
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

int cell_ask(const struct cell *mother, struct cell *ret, struct err *err)
{
	struct cell cell = no_cell(NULL);
	int theirs[2], r;

	if (open_sockets(&cell, theirs, err) < 0)
		return -err->code;
	r = fcntl(cell.ctl, F_SETFL, O_RDWR | O_NONBLOCK) < 0
		? -errno
		: fdpass_send(mother->jobs, "", 1, theirs, ARRAY_LEN(theirs));
	cleanup_close(&theirs[0]);
	cleanup_close(&theirs[1]);
	if (r < 0) {
		discard(&cell);
		return err_set(err, -r, "ask for a cell");
	}
	*ret = cell;
	return 0;
}

/* The number that /proc/self/fdinfo has for it is the caller's own namespace's (pidfd_open(2)). */
static pid_t pid_of(int pidfd)
{
	char path[64], line[128];
	long pid = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	f = fopen(path, "re");
	while (f != NULL && pid == 0 && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "Pid:", 4) == 0)
			pid = strtol(line + 4, NULL, 10);
	if (f != NULL)
		fclose(f);
	return pid > 0 ? (pid_t)pid : 0;
}

int cell_follow(struct cell *cell, struct err *err)
{
	int r = take_message(cell, err);

	if (r != CELL_READY)
		return r;
	cell->pid = cell->fds[CELL_FD_PID] >= 0 ? pid_of(cell->fds[CELL_FD_PID]) : 0;
	if (cell->pid == 0 || !cell->has_reported)
		return err_set(err, ESRCH, "the cell ended while it was made");
	return CELL_READY;
}
