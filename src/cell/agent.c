/*
 * The agent context from the clone to the agent's exec. The parent's half runs in the warden; the
 * child is the first process of the agent's pid namespace and does nothing but wait for the agent,
 * which is not pid 1 itself: pid 1 ignores signals it has no handler for.
 */
#include "cell/cell.h"

#include "base/cleanup.h"
#include "base/standing.h"
#include "base/sys.h"
#include "cell/belts.h"
#include "cell/view.h"
#include "wire/fdpass.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define AGENT_NAMESPACES (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC)

static void send_msg(int ctl, enum agent_msg_type type, uint32_t value, const char *text)
{
	struct agent_msg msg = { .type = (uint32_t)type, .value = value };

	if (text != NULL)
		memccpy(msg.text, text, '\0', sizeof(msg.text) - 1);
	(void)fdpass_send(ctl, &msg, sizeof(msg), NULL, 0);
}

/* Own foreground group, so that ^C and ^Z are the agent's and the warden only follows. */
static int take_terminal(const struct agent_request *request, struct err *err)
{
	if (request->terminal < 0)
		return 0;
	if (setpgid(0, 0) < 0)
		return err_set(err, errno, "setpgid");
	/* SIGTTOU is still blocked here (tcsetpgrp(3)). */
	if (request->is_foreground && tcsetpgrp(request->terminal, getpid()) < 0)
		return err_set(err, errno, "tcsetpgrp");
	return 0;
}

static int become_agent(const struct agent_request *request, int ctl, struct err *err)
{
	struct agent_msg msg = { .type = AGENT_MSG_LISTENER };
	int listener, r;

	if (take_terminal(request, err) < 0 || belts_drop_caps(err) < 0 ||
		belts_no_new_privs(err) < 0 ||
		belts_landlock_agent(request->exec_files, request->n_exec_files, err) < 0)
		return -err->code;
	listener = belts_seccomp_agent(request->has_kept_files, err);
	if (listener < 0)
		return listener;
	r = fdpass_send(ctl, &msg, sizeof(msg), &listener, 1);
	if (r < 0)
		return err_set(err, -r, "send listener");
	/* Only the user's own three: whatever else agentjail inherited is not the agent's. */
	if (sys_close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return err_set(err, errno, "close_range");
	if (sigprocmask(SIG_SETMASK, &request->signals, NULL) < 0)
		return err_set(err, errno, "sigprocmask");
	(void)execve(request->program, (char *const *)(size_t)request->argv,
		(char *const *)(size_t)request->envp);
	return err_set(err, errno, "%s", request->program);
}

/* Pid 1: reaps orphans, tells of the agent's stops and its end, and takes the namespace along. */
static _Noreturn void wait_for(pid_t agent, int ctl)
{
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, WUNTRACED);

		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			_exit(EXIT_AGENTJAIL);
		if (pid != agent)
			continue;
		if (WIFSTOPPED(status)) {
			send_msg(ctl, AGENT_MSG_STOPPED, (uint32_t)WSTOPSIG(status), NULL);
			continue;
		}
		send_msg(ctl, AGENT_MSG_EXIT, (uint32_t)status, NULL);
		_exit(0);
	}
}

static int enter(const struct agent_request *request, int ctl, struct err *err)
{
	struct agent_msg msg = { .type = AGENT_MSG_VIEW };
	int fds[HELPER_FD_COUNT], r;
	pid_t agent;

	if (view_enter_agent(request, fds, err) < 0)
		return -err->code;
	r = fdpass_send(ctl, &msg, sizeof(msg), fds, HELPER_FD_COUNT);
	if (r < 0)
		return err_set(err, -r, "send view");
	for (unsigned i = 0; i < HELPER_FD_COUNT; i++)
		(void)close(fds[i]);
	agent = fork();
	if (agent < 0)
		return err_set(err, errno, "fork");
	if (agent == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		(void)become_agent(request, ctl, err);
		send_msg(ctl, AGENT_MSG_ERROR, (uint32_t)err->code, err->text);
		_exit(err->code == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
	}
	place_wipe();
	if (standing_leave_stdio(err) < 0 || belts_drop_caps(err) < 0)
		return -err->code;
	if (standing_hide(err) < 0)
		return -err->code;
	if ((ctl > 3 && sys_close_range(3, (unsigned)ctl - 1, 0) < 0) ||
		sys_close_range((unsigned)ctl + 1, ~0u, 0) < 0)
		return err_set(err, errno, "close_range");
	wait_for(agent, ctl);
}

int agent_start(const struct agent_request *request, struct agent *ret, struct err *err)
{
	struct agent agent = { .ctl = -1 };
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "socketpair");
	agent.init = (pid_t)syscall(SYS_clone, AGENT_NAMESPACES | SIGCHLD, 0, 0, 0, 0);
	if (agent.init == 0) {
		struct err why = { 0 };

		(void)close(pair[0]);
		(void)prctl(PR_SET_NAME, "agentjail-agent", 0, 0, 0);
		if (place_begin(uid, gid, &why) == 0)
			(void)enter(request, pair[1], &why);
		send_msg(pair[1], AGENT_MSG_ERROR, (uint32_t)why.code, why.text);
		_exit(EXIT_AGENTJAIL);
	}
	(void)close(pair[1]);
	agent.ctl = pair[0];
	if (agent.init < 0) {
		cleanup_close(&agent.ctl);
		return err_set(err, errno,
			"user namespaces are not available; run `agentjail doctor` for the remedy: clone");
	}
	*ret = agent;
	return 0;
}
