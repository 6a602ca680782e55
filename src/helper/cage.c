/*
 * The helper's system call filter. Runs in a helper, which makes no process and no network socket
 * and executes nothing. #syscalls of the folder: the table.
 */
#include "helper/helper.h"

#include "base/cleanup.h"
#include "base/sys.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "the helper's filter knows x86-64 and aarch64"
#endif

static const unsigned allowed[] = { SYS_read, SYS_close, SYS_recvmsg, SYS_sendmsg, SYS_ppoll,
	SYS_fstat, SYS_newfstatat, SYS_statx, SYS_openat2, SYS_open_tree, SYS_move_mount,
	SYS_getdents64, SYS_fchdir, SYS_inotify_add_watch, SYS_inotify_rm_watch, SYS_clock_gettime,
	SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise, SYS_rt_sigreturn, SYS_restart_syscall,
	SYS_exit_group, SYS_ioctl, SYS_process_vm_readv, SYS_openat, SYS_readlinkat, SYS_faccessat,
	SYS_faccessat2, SYS_fchmodat, SYS_ftruncate, SYS_umount2, SYS_unlinkat,
#ifdef SYS_poll
	SYS_poll,
#endif
};

int helper_cage(struct err *err)
{
	struct sock_filter code[5 + ARRAY_LEN(allowed) + 2];
	struct sock_fprog prog = { .filter = code };
	size_t n = 0;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		offsetof(struct seccomp_data, arch));
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i],
			(unsigned char)(ARRAY_LEN(allowed) - i), 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	prog.len = (unsigned short)n;
	if (sys_seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &prog) < 0)
		return err_set(err, errno, "seccomp");
	return 0;
}
