/*
 * A keeper's own cage. Runs in a keeper, once; no input is hostile yet. Whoever takes a keeper over
 * with a server's bytes has its secret, and must not be able to send it anywhere else.
 */
#include "keeper/cage.h"

#include "base/calls.h"
#include "base/cleanup.h"
#include "base/standing.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* Everything else is EPERM. */
static const struct calls_rule calls[] = {
	{ .number = SYS_read },
	{ .number = SYS_write },
	{ .number = SYS_recvmsg },
	/* On a closed socket, fast open would be a connect() to whom one likes. */
	{ SYS_sendmsg, 0, { { CALLS_NOT_BITS, 2, MSG_FASTOPEN } } },
	{ SYS_sendmmsg, 0, { { CALLS_NOT_BITS, 3, MSG_FASTOPEN } } },
	{ .number = SYS_epoll_pwait },
	{ .number = SYS_epoll_ctl },
	{ .number = SYS_futex },
	{ .number = SYS_clock_gettime },
	{ .number = SYS_gettimeofday },
	{ .number = SYS_close },
	{ .number = SYS_shutdown },
	{ SYS_fcntl, 0, { { CALLS_IS, 1, F_GETFL } } },
	{ SYS_fcntl, 0, { { CALLS_IS, 1, F_SETFL } } },
	{ SYS_setsockopt, 0, { { CALLS_IS, 1, IPPROTO_TCP }, { CALLS_IS, 2, TCP_NODELAY } } },
	{ .number = SYS_brk },
	{ SYS_mmap, 0, { { CALLS_NOT_BITS, 2, PROT_EXEC }, { CALLS_HAS_BITS, 3, MAP_ANONYMOUS } } },
	{ SYS_mprotect, 0, { { CALLS_NOT_BITS, 2, PROT_EXEC } } },
	{ .number = SYS_munmap },
	{ .number = SYS_mremap },
	{ .number = SYS_madvise },
	{ .number = SYS_getrandom },
	{ .number = SYS_getpid },
	{ .number = SYS_rt_sigreturn },
	{ .number = SYS_rt_sigprocmask },
	{ .number = SYS_restart_syscall },
	{ .number = SYS_exit },
	{ .number = SYS_exit_group },
#ifdef __x86_64__
	{ .number = SYS_epoll_wait },
	{ .number = SYS_time },
#endif
};

int cage_hide(struct err *err)
{
	if (standing_hide(err) < 0)
		return -err->code;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(err, errno, "PR_SET_NO_NEW_PRIVS");
	standing_no_core();
	return 0;
}

int cage_enter(struct err *err)
{
	int r = calls_drop_capabilities(err);

	return r < 0 ? r : calls_allow_only(calls, ARRAY_LEN(calls), SECCOMP_RET_ERRNO | EPERM, 0, err);
}
