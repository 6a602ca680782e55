/* What catching every exec of an agent needs: seccomp notification, ptrace, memfd, pidfd. */
#include "base/cleanup.h"
#include "base/sys.h"
#include "cli/probe.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) /* Linux 5.19 */
#endif
#ifndef SECCOMP_ADDFD_FLAG_SEND
#define SECCOMP_ADDFD_FLAG_SEND (1UL << 1) /* Linux 5.14 */
#endif
#define PROBE_MFD_EXEC 0x10u /* Linux 6.3 */

#define LOST_SPLIT                                                                                 \
	"no split mode: an agent's commands cannot be caught; `agentjail run` is not affected"

/* Runs try(context) in a child. What it returns (0 or an errno), or EIO. */
static int in_child(int (*try)(unsigned flags), unsigned flags)
{
	int status = 0;
	pid_t pid = fork();

	if (pid < 0)
		return errno;
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(try(flags));
	}
	if (waitpid(pid, &status, 0) < 0)
		return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

/* A listener for a filter that allows everything; its descriptor or -errno. */
static int make_listener(unsigned flags)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = { .len = 1, .filter = &allow };
	int fd;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	fd = sys_seccomp(
		SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | flags, &program);
	return fd < 0 ? -errno : fd;
}

static int try_listener(unsigned flags)
{
	int fd = make_listener(flags);

	return fd < 0 ? -fd : 0;
}

/* A kernel that knows the flag finds no such notification (ENOENT); others say EINVAL. */
static int try_addfd(unsigned flags)
{
	struct seccomp_notif_addfd add = { .id = 1, .flags = flags, .srcfd = 0 };
	int fd = make_listener(0);

	if (fd < 0)
		return -fd;
	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add) == 0 || errno == ENOENT)
		return 0;
	return errno;
}

void probe_exec_notify(const struct probe_facts *facts, const struct probe_steps *steps,
	struct probe_result *result)
{
	unsigned action = SECCOMP_RET_USER_NOTIF;
	int error;

	(void)steps;
	if (sys_seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0) {
		probe_found(result, "USER_NOTIF: %s", strerror(errno));
		probe_fail(result, PROBE_MISSING, LOST_SPLIT, "Linux 5.9 or newer");
		return;
	}
	error = in_child(try_listener, 0);
	if (error == 0) {
		probe_found(result, "a listener can be had");
		return;
	}
	probe_found(result, "a listener: %s", strerror(error));
	probe_fail(result, PROBE_MISSING, LOST_SPLIT,
		error == EBUSY
			? "we run under another listener (agentjail in agentjail, a container): "
			  "start agentjail outside of it"
		: facts->is_container || facts->is_filtered
			? "allow seccomp(2) in the container's seccomp profile"
			: "Linux 5.9 or newer with CONFIG_SECCOMP_FILTER");
}

void probe_exec_killable(const struct probe_facts *facts, const struct probe_steps *steps,
	struct probe_result *result)
{
	int error = in_child(try_listener, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);

	(void)facts;
	(void)steps;
	if (error == 0) {
		probe_found(result, "WAIT_KILLABLE_RECV works");
		return;
	}
	probe_found(result, "WAIT_KILLABLE_RECV: %s", strerror(error));
	probe_fail(result, PROBE_MISSING, LOST_SPLIT, "Linux 5.19 or newer");
}

void probe_exec_addfd(const struct probe_facts *facts, const struct probe_steps *steps,
	struct probe_result *result)
{
	int error = in_child(try_addfd, SECCOMP_ADDFD_FLAG_SEND);

	(void)facts;
	(void)steps;
	if (error == 0) {
		probe_found(result, "ADDFD with SEND works");
		return;
	}
	probe_found(result, "ADDFD with SEND: %s", strerror(error));
	probe_fail(result, PROBE_MISSING, LOST_SPLIT, "Linux 5.14 or newer");
}

/* Attaches to a child of our own as the redirect does to the agent's processes. */
static int try_ptrace(unsigned unused)
{
	pid_t pid = fork();
	int error;

	(void)unused;
	if (pid < 0)
		return errno;
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)pause();
		_exit(0);
	}
	error = ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 ? errno : 0;
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	return error;
}

void probe_exec_ptrace(const struct probe_facts *facts, const struct probe_steps *steps,
	struct probe_result *result)
{
	int error;

	(void)steps;
	if (facts->ptrace_scope >= 3) {
		probe_found(result, "kernel.yama.ptrace_scope is %ld", facts->ptrace_scope);
		probe_fail(result, PROBE_MISSING, LOST_SPLIT,
			"kernel.yama.ptrace_scope=1 in /etc/sysctl.d/60-agentjail.conf, out of "
			"the file that sets 3 (grep -r ptrace_scope /etc/sysctl*), and a "
			"reboot: 3 is final");
		return;
	}
	/* Scope 2 asks for a capability that the warden has over the agent's own user namespace. */
	error = facts->ptrace_scope == 2 ? 0 : in_child(try_ptrace, 0);
	if (error == 0) {
		if (facts->ptrace_scope < 0)
			probe_found(result, "works, no Yama");
		else
			probe_found(result, "works, kernel.yama.ptrace_scope is %ld",
				facts->ptrace_scope);
		return;
	}
	probe_found(result, "PTRACE_SEIZE: %s", strerror(error));
	probe_fail(result, PROBE_MISSING, LOST_SPLIT,
		facts->is_container || facts->is_filtered
			? "start the container with --cap-add SYS_PTRACE or a seccomp profile that "
			  "allows ptrace(2)"
			: "getsebool deny_ptrace (SELinux): sudo setsebool -P deny_ptrace off");
}

void probe_exec_memfd(const struct probe_facts *facts, const struct probe_steps *steps,
	struct probe_result *result)
{
	AUTO_CLOSE int fd = memfd_create("probe", MFD_CLOEXEC | PROBE_MFD_EXEC);
	int error = fd < 0 ? errno : 0;

	(void)steps;
	if (error == EINVAL) { /* before Linux 6.3 every memfd is executable */
		fd = memfd_create("probe", MFD_CLOEXEC);
		error = fd < 0 ? errno : 0;
	}
	if (error == 0) {
		probe_found(result, "executable memfd");
		return;
	}
	probe_found(
		result, "memfd: %s, vm.memfd_noexec is %ld", strerror(error), facts->memfd_noexec);
	probe_fail(result, PROBE_MISSING, LOST_SPLIT,
		"sudo sysctl -w vm.memfd_noexec=1, out of the file that sets 2 (grep -r "
		"memfd_noexec /etc/sysctl*)");
}

void probe_exec_pidfd(const struct probe_facts *facts, const struct probe_steps *steps,
	struct probe_result *result)
{
	AUTO_CLOSE int pidfd = sys_pidfd_open(getpid(), 0);
	AUTO_CLOSE int copy = pidfd < 0 ? -1 : sys_pidfd_getfd(pidfd, STDERR_FILENO, 0);

	(void)facts;
	(void)steps;
	if (copy >= 0) {
		probe_found(result, "pidfd_getfd works");
		return;
	}
	probe_found(result, "pidfd_getfd: %s", strerror(errno));
	probe_fail(result, PROBE_DEGRADED,
		"a denied connection is written to the audit only, not to the command's stderr",
		"Linux 5.6 or newer; in a container allow pidfd_getfd(2) in its seccomp profile");
}
