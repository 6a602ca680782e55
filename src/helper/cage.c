/*
 * The helper's system call filter. Runs in a helper, which makes no process and no network socket
 * and executes nothing. #syscalls of the folder: the table.
 */
#include "helper/helper.h"

#include "base/calls.h"
#include "base/cleanup.h"

#include <sys/syscall.h>

/* Any other ends the helper, and its view with it. */
static const struct calls_rule calls[] = {
	{ .number = SYS_read },
	{ .number = SYS_close },
	{ .number = SYS_pread64 },
	{ .number = SYS_recvmsg },
	{ .number = SYS_sendmsg },
	{ .number = SYS_ppoll },
	{ .number = SYS_fstat },
	{ .number = SYS_newfstatat },
	{ .number = SYS_statx },
	{ .number = SYS_openat2 },
	{ .number = SYS_open_tree },
	{ .number = SYS_move_mount },
	{ .number = SYS_mount_setattr },
	{ .number = SYS_getdents64 },
	{ .number = SYS_fchdir },
	{ .number = SYS_inotify_add_watch },
	{ .number = SYS_inotify_rm_watch },
	{ .number = SYS_clock_gettime },
	{ .number = SYS_brk },
	{ .number = SYS_mmap },
	{ .number = SYS_munmap },
	{ .number = SYS_mremap },
	{ .number = SYS_madvise },
	{ .number = SYS_rt_sigreturn },
	{ .number = SYS_restart_syscall },
	{ .number = SYS_exit_group },
	{ .number = SYS_ioctl },
	{ .number = SYS_process_vm_readv },
	{ .number = SYS_openat },
	{ .number = SYS_readlinkat },
	{ .number = SYS_faccessat },
	{ .number = SYS_faccessat2 },
	{ .number = SYS_fchmodat },
	{ .number = SYS_ftruncate },
	{ .number = SYS_umount2 },
	{ .number = SYS_unlinkat },
	/* copies of held files */
	{ .number = SYS_write },
	{ .number = SYS_fchmod },
	{ .number = SYS_utimensat },
	{ .number = SYS_mkdirat },
	{ .number = SYS_fcntl },
	{ .number = SYS_flock },
	{ .number = SYS_clock_nanosleep },
	{ .number = SYS_geteuid },
	{ .number = SYS_lseek },
	{ .number = SYS_renameat },
	{ .number = SYS_renameat2 },
#ifdef SYS_poll
	{ .number = SYS_poll },
#endif
};

int helper_cage(struct err *err)
{
	return calls_allow_only(calls, ARRAY_LEN(calls), SECCOMP_RET_KILL_PROCESS,
		SECCOMP_FILTER_FLAG_SPEC_ALLOW, err);
}
