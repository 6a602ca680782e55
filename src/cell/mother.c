/*
 * Runs as the first process of a pid namespace that has all cells of the session in it, with all
 * capabilities in its user namespace, which is the cells' too; their commands have none. No cell sees
 * its processes or its /proc. Nothing hostile comes to it: the warden alone asks, with two sockets.
 */
#include "cell/mother.h"

#include "base/cleanup.h"
#include "cell/cell_private.h"
#include "cell/view.h"
#include "wire/fdpass.h"
#include "wire/job.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define FRESH_NAMESPACES                                                                           \
	(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

static int enter(const struct cell_request *request, struct cell_kept *kept, int *ret_listener,
	struct err *err)
{
	struct cell cell = { 0 };

	for (unsigned i = 0; i < CELL_FD_COUNT; i++)
		cell.fds[i] = -1;
	/* The parent may be gone already: then so is this pid namespace's. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return err_set(err, errno, "PR_SET_PDEATHSIG");
	if (view_renew(request, &cell, &kept->tmp, err) < 0 || cell_set_up_net(request, &cell, err) < 0 ||
		cell_report(kept->ctl, &cell, err) < 0)
		return -err->code;
	return cell_give_up(request, kept, ret_listener, err);
}

static _Noreturn void become_cell(const struct cell_request *request, const int sockets[2])
{
	struct cell_kept kept = { sockets[0], sockets[1], -1 };
	struct init_config config = { .is_single = true,
		.ends_with_it = true,
		.limits = limits_of(request->plan->policy),
		.home = request->plan->home };
	struct err err = { 0 };
	int listener = -1;

	(void)setsid();
	(void)prctl(PR_SET_NAME, "agentjail-cell", 0, 0, 0);
	(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0);
	if (enter(request, &kept, &listener, &err) < 0)
		cell_fail(kept.ctl, &err);
	config.tmp = kept.tmp;
	config.received = policy_list(request->plan->policy, PK_AGENT_RECEIVE, &config.n_received);
	cell_serve(&kept, listener, &config);
}

/* The sockets are told what the clone came to: their other ends are the warden's. */
static void make(const struct cell_request *request, const int sockets[2])
{
	struct cell_msg msg = { .type = CELL_MSG_BORN };
	AUTO_CLOSE int pidfd = -1;
	long pid = syscall(SYS_clone, FRESH_NAMESPACES | CLONE_PIDFD | SIGCHLD, 0, &pidfd, 0, 0);

	if (pid == 0) {
		pidfd = -1;
		become_cell(request, sockets);
	}
	if (pid < 0) {
		msg.type = CELL_MSG_ERROR;
		msg.value = (uint32_t)errno;
		(void)snprintf(msg.text, sizeof(msg.text), "clone: %s", strerror(errno));
	}
	/* A warden that is gone is noticed at the next turn. */
	(void)fdpass_send(sockets[0], &msg, sizeof(msg), &pidfd, pid > 0 ? 1 : 0);
}

void mother_run(const struct cell_request *request, int asks)
{
	/* The kernel reaps: nobody here asks how a cell ended. */
	(void)signal(SIGCHLD, SIG_IGN);
	for (;;) {
		char byte;
		int sockets[2] = { -1, -1 };
		size_t n = 0;
		ssize_t len = fdpass_recv(asks, &byte, sizeof(byte), sockets, ARRAY_LEN(sockets), &n);

		if (len <= 0)
			_exit(0);
		if (n == ARRAY_LEN(sockets))
			make(request, sockets);
		for (size_t i = 0; i < n; i++)
			cleanup_close(&sockets[i]);
	}
}
