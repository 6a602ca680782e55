/*
 * The redirect: an exec in the agent context becomes an exec of the shim, with the same argv and
 * envp, in the same process, without a byte of its memory written.
 *
 *	1. the shim's descriptor is put into the process (SECCOMP_IOCTL_NOTIF_ADDFD)
 *	2. it is seized and interrupted; the notification is answered with ERESTARTNOINTR, so the
 *	   call returns unrun and the trap stops the process on its way out
 *	3. if it stands in that very call, the registers are made those of
 *	   execveat(shim, "", argv, envp, AT_EMPTY_PATH), "" being the final NUL of the path
 *	4. it goes on, the kernel restarts the call, and the second notification is recognised by
 *	   what it says alone: no table of processes, so no reuse of a pid can fool it
 *
 * Runs in the warden. Hostile: nothing yet executed; but a signal or another thread of the agent
 * can get in between at any point, and then nothing is changed: the call simply comes again.
 * SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (Linux 5.19) keeps signals out after the receive.
 */
#include "warden/warden.h"
#include "warden/procmem.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "wire/hello.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

#if !defined(__x86_64__)
#error "the redirect knows the registers of x86-64 only"
#endif

/* The kernel's own answers to "the call was interrupted, restart it" (linux/errno.h). */
#define RESTART_NO_INTR 513
#define RESTART_FIRST 512
#define RESTART_LAST 514

#define I386_EXECVEAT 358

void redirect_answer(struct warden *w, const struct seccomp_notif *n, int error)
{
	struct seccomp_notif_resp resp = { .id = n->id, .error = error };

	/* ENOENT: the process is gone, and with it the question. */
	if (ioctl(w->listener, SECCOMP_IOCTL_NOTIF_SEND, &resp) < 0 && errno != ENOENT)
		log_debug("answer: %s", strerror(errno));
}

void redirect_go_on(struct warden *w, const struct seccomp_notif *n)
{
	struct seccomp_notif_resp resp = { .id = n->id,
		.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };

	if (ioctl(w->listener, SECCOMP_IOCTL_NOTIF_SEND, &resp) < 0 && errno != ENOENT)
		log_debug("go on: %s", strerror(errno));
}

bool redirect_is_shim_call(struct warden *w, const struct seccomp_notif *n)
{
	bool is_i386 = n->data.arch == AUDIT_ARCH_I386;
	struct stat st;
	char path[64], first;

	if (n->data.nr != (is_i386 ? I386_EXECVEAT : SYS_execveat) ||
		n->data.args[4] != AT_EMPTY_PATH)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%u/fd/%d", n->pid, (int)n->data.args[0]);
	if (stat(path, &st) < 0 || st.st_dev != w->shim_stat.st_dev ||
		st.st_ino != w->shim_stat.st_ino)
		return false;
	return procmem_read((pid_t)n->pid, n->data.args[1], &first, 1) == 0 && first == '\0';
}

/* Waits for the trap of PTRACE_INTERRUPT; signals that come first are delivered. */
static bool wait_for_trap(pid_t pid)
{
	for (;;) {
		int status;

		if (waitpid(pid, &status, __WALL) != pid)
			return false;
		if (!WIFSTOPPED(status))
			return false;
		if (status >> 16 == PTRACE_EVENT_STOP)
			return true;
		if (ptrace(PTRACE_CONT, pid, NULL, (void *)(long)WSTOPSIG(status)) < 0)
			return false;
	}
}

static bool stands_in(const struct user_regs_struct *regs, const struct seccomp_data *call)
{
	long rax = (long)regs->rax;

	return (long)regs->orig_rax == call->nr && regs->rip == call->instruction_pointer &&
		rax <= -RESTART_FIRST && rax >= -RESTART_LAST;
}

static void set_call(struct user_regs_struct *regs, const struct seccomp_data *call, int shim,
	uint64_t empty)
{
	bool is_i386 = call->arch == AUDIT_ARCH_I386;
	bool is_at = call->nr == (is_i386 ? I386_EXECVEAT : SYS_execveat);
	uint64_t argv = call->args[is_at ? 2 : 1], envp = call->args[is_at ? 3 : 2];

	if (is_i386) {
		regs->orig_rax = I386_EXECVEAT;
		regs->rbx = (unsigned)shim;
		regs->rcx = empty;
		regs->rdx = argv;
		regs->rsi = envp;
		regs->rdi = AT_EMPTY_PATH;
	} else {
		regs->orig_rax = SYS_execveat;
		regs->rdi = (unsigned)shim;
		regs->rsi = empty;
		regs->rdx = argv;
		regs->r10 = envp;
		regs->r8 = AT_EMPTY_PATH;
	}
	/* Restart whatever the flags of a signal handler that ran meanwhile say. */
	regs->rax = (unsigned long)-RESTART_NO_INTR;
}

void redirect_to_shim(struct warden *w, const struct seccomp_notif *n, size_t path_len)
{
	bool is_i386 = n->data.arch == AUDIT_ARCH_I386;
	bool is_at = n->data.nr == (is_i386 ? I386_EXECVEAT : SYS_execveat);
	uint64_t empty = n->data.args[is_at ? 1 : 0] + path_len;
	struct seccomp_notif_addfd add = { .id = n->id,
		.srcfd = (unsigned)w->shim,
		.newfd_flags = O_CLOEXEC };
	struct user_regs_struct regs;
	pid_t pid = (pid_t)n->pid;
	int shim = ioctl(w->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);

	if (shim < 0) {
		redirect_answer(w, n, errno == EMFILE ? -EMFILE : -EACCES);
		return;
	}
	/* EXITKILL: should the warden die right now, the process dies instead of going on as it was. */
	if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)(long)PTRACE_O_EXITKILL) < 0) {
		log_debug("seize %d: %s", pid, strerror(errno));
		redirect_answer(w, n, -EACCES);
		return;
	}
	(void)ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
	redirect_answer(w, n, -RESTART_NO_INTR);
	if (!wait_for_trap(pid))
		return;
	if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) == 0 && stands_in(&regs, &n->data)) {
		set_call(&regs, &n->data, shim, empty);
		(void)ptrace(PTRACE_SETREGS, pid, NULL, &regs);
	}
	/* Not standing there: untouched, it comes back to the same call and asks again. */
	(void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
}
