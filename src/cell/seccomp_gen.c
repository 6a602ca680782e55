/*
 * Build-time tool: makes the cell's system call filters with libseccomp and prints them as C.
 * Made once here instead of at every start: libseccomp needs milliseconds for the lists below.
 *
 * There are a filter of arguments and a list of allowed calls, where an unknown call is ENOSYS as on
 * a kernel that is older than it. What the two say together is packed: the kernel translates the
 * program at every start, and a third of the length saves it a seventh of a millisecond.
 */
#include "cell/seccomp_pack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Calls every program may make; one that an architecture lacks is left out there. */
static const char *const allowed[] = { "_llseek", "_newselect", "accept", "accept4", "access",
	"alarm", "arch_prctl", "arm_fadvise64_64", "arm_sync_file_range", "bind", "breakpoint", "brk",
	"cachestat", "cacheflush", "capget", "capset", "chdir", "chmod", "chown", "chown32",
	"clock_getres", "clock_getres_time64", "clock_gettime", "clock_gettime64", "clock_nanosleep",
	"clock_nanosleep_time64", "clone", "close", "close_range", "connect", "copy_file_range",
	"creat", "dup", "dup2", "dup3", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old",
	"epoll_pwait", "epoll_pwait2", "epoll_wait", "epoll_wait_old", "eventfd", "eventfd2", "execve",
	"execveat", "exit", "exit_group", "faccessat", "faccessat2", "fadvise64", "fadvise64_64",
	"fallocate", "fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchown32", "fchownat",
	"fcntl", "fcntl64", "fdatasync", "fgetxattr", "flistxattr", "flock", "fork", "fremovexattr",
	"fsetxattr", "fstat", "fstat64", "fstatat64", "fstatfs", "fstatfs64", "fsync", "ftruncate",
	"ftruncate64", "futex", "futex_requeue", "futex_time64", "futex_wait", "futex_waitv",
	"futex_wake", "futimesat", "get_mempolicy", "get_robust_list", "get_thread_area", "getcpu",
	"getcwd", "getdents", "getdents64", "getegid", "getegid32", "geteuid", "geteuid32", "getgid",
	"getgid32", "getgroups", "getgroups32", "getitimer", "getpeername", "getpgid", "getpgrp",
	"getpid", "getppid", "getpriority", "getrandom", "getresgid", "getresgid32", "getresuid",
	"getresuid32", "getrlimit", "getrusage", "getsid", "getsockname", "getsockopt", "gettid",
	"gettimeofday", "getuid", "getuid32", "getxattr", "inotify_add_watch", "inotify_init",
	"inotify_init1", "inotify_rm_watch", "io_cancel", "io_destroy", "io_getevents",
	"io_pgetevents", "io_pgetevents_time64", "io_setup", "io_submit", "ioctl", "ioprio_get",
	"ioprio_set", "ipc", "kcmp", "kill", "landlock_add_rule", "landlock_create_ruleset",
	"landlock_restrict_self", "lchown", "lchown32", "lgetxattr", "link", "linkat", "listen",
	"listxattr", "llistxattr", "lremovexattr", "lseek", "lsetxattr", "lstat", "lstat64", "madvise",
	"map_shadow_stack", "mbind", "membarrier", "memfd_create", "memfd_secret", "mincore", "mkdir",
	"mkdirat", "mknod", "mknodat", "mlock", "mlock2", "mlockall", "mmap", "mmap2", "mprotect",
	"mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedreceive_time64",
	"mq_timedsend", "mq_timedsend_time64", "mq_unlink", "mremap", "mseal", "msgctl", "msgget",
	"msgrcv", "msgsnd", "msync", "munlock", "munlockall", "munmap", "name_to_handle_at",
	"nanosleep", "newfstatat", "open", "openat", "pause", "pidfd_open",
	"pidfd_send_signal", "pipe", "pipe2", "pkey_alloc", "pkey_free", "pkey_mprotect", "poll",
	"ppoll", "ppoll_time64", "prctl", "pread64", "preadv", "preadv2", "prlimit64",
	"process_mrelease", "process_vm_readv", "process_vm_writev", "pselect6", "pselect6_time64",
	"ptrace", "pwrite64", "pwritev", "pwritev2", "read", "readahead", "readdir", "readlink",
	"readlinkat", "readv", "recv", "recvfrom", "recvmmsg", "recvmmsg_time64", "recvmsg",
	"remap_file_pages", "removexattr", "rename", "renameat", "renameat2", "restart_syscall",
	"riscv_flush_icache", "rmdir", "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask",
	"rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait",
	"rt_sigtimedwait_time64", "rt_tgsigqueueinfo", "sched_get_priority_max",
	"sched_get_priority_min", "sched_getaffinity", "sched_getattr", "sched_getparam",
	"sched_getscheduler", "sched_rr_get_interval", "sched_rr_get_interval_time64",
	"sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler", "sched_yield",
	"seccomp", "select", "semctl", "semget", "semop", "semtimedop", "semtimedop_time64", "send",
	"sendfile", "sendfile64", "sendmmsg", "sendmsg", "sendto", "set_mempolicy",
	"set_mempolicy_home_node", "set_robust_list", "set_thread_area", "set_tid_address", "set_tls",
	"setfsgid", "setfsgid32", "setfsuid", "setfsuid32", "setgid", "setgid32", "setgroups",
	"setgroups32", "setitimer", "setpgid", "setpriority", "setregid", "setregid32", "setresgid",
	"setresgid32", "setresuid", "setresuid32", "setreuid", "setreuid32", "setrlimit", "setsid",
	"setsockopt", "setuid", "setuid32", "setxattr", "shmat", "shmctl", "shmdt", "shmget",
	"shutdown", "sigaction", "sigaltstack", "signal", "signalfd", "signalfd4", "sigpending",
	"sigprocmask", "sigreturn", "sigsuspend", "socketpair", "splice", "stat", "stat64", "statfs",
	"statfs64", "statx", "symlink", "symlinkat", "sync", "sync_file_range", "sync_file_range2",
	"syncfs", "sysinfo", "tee", "tgkill", "time", "timer_create", "timer_delete",
	"timer_getoverrun", "timer_gettime", "timer_gettime64", "timer_settime", "timer_settime64",
	"timerfd_create", "timerfd_gettime", "timerfd_gettime64", "timerfd_settime",
	"timerfd_settime64", "times", "tkill", "truncate", "truncate64", "ugetrlimit", "umask",
	"uname", "unlink", "unlinkat", "unshare", "utime", "utimensat", "utimensat_time64", "utimes",
	"vfork", "vmsplice", "wait4", "waitid", "waitpid", "write", "writev" };

/*
 * Calls that exist and are refused: EPERM says so, where ENOSYS would claim an old kernel. Escape
 * surface (mounts, namespaces, keyrings, handles), kernel surface (bpf, io_uring, userfaultfd,
 * perf), and what only root may do.
 */
static const char *const refused[] = { "acct", "add_key", "adjtimex", "bpf", "chroot",
	"clock_adjtime", "clock_adjtime64", "clock_settime", "clock_settime64", "delete_module",
	"fanotify_init", "fanotify_mark", "finit_module", "fsconfig", "fsmount", "fsopen", "fspick",
	"init_module", "io_uring_enter", "io_uring_register", "io_uring_setup", "ioperm", "iopl",
	"kexec_file_load", "kexec_load", "keyctl", "listmount", "lookup_dcookie", "mount",
	"mount_setattr", "move_mount", "move_pages", "migrate_pages", "nfsservctl", "open_by_handle_at",
	"open_tree", "perf_event_open", "pidfd_getfd", "pivot_root", "process_madvise", "quotactl",
	"quotactl_fd", "reboot", "request_key", "setdomainname", "sethostname", "setns",
	"settimeofday", "statmount", "stime", "swapoff", "swapon", "syslog", "umount", "umount2",
	"userfaultfd", "vhangup", "vm86", "vm86old" };

/* What `[sandbox] userns = yes` gives back: a browser's own sandbox makes namespaces. */
static const char *const userns_calls[] = { "chroot", "fsconfig", "fsmount", "fsopen", "fspick",
	"mount", "mount_setattr", "move_mount", "open_tree", "pivot_root", "sethostname", "setns",
	"umount", "umount2" };

/* CLONE_NEW* of clone(2) and unshare(2); the last is unshare's alone. */
static const uint64_t new_namespaces[] = { CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER,
	CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP, 0x80 };

void seccomp_die(const char *what, int code)
{
	fprintf(stderr, "seccomp_gen: %s: %s\n", what, strerror(code < 0 ? -code : code));
	exit(1);
}

static bool is_userns_call(const char *name)
{
	for (size_t i = 0; i < LEN(userns_calls); i++)
		if (strcmp(userns_calls[i], name) == 0)
			return true;
	return false;
}

static scmp_filter_ctx new_filter(uint32_t action)
{
	scmp_filter_ctx ctx = seccomp_init(action);
	int r;

	if (ctx == NULL)
		seccomp_die("seccomp_init", ENOMEM);
#if defined(__x86_64__)
	r = seccomp_arch_add(ctx, SCMP_ARCH_X86);
#elif defined(__aarch64__)
	r = seccomp_arch_add(ctx, SCMP_ARCH_ARM);
#else
	r = 0;
#endif
	if (r < 0)
		seccomp_die("seccomp_arch_add", r);
	/* x32 and whatever else: as if the kernel had never heard of it. */
	r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
	if (r < 0)
		seccomp_die("bad arch action", r);
	/* A binary tree instead of 300 compares (libseccomp 2.5). */
	r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r < 0)
		seccomp_die("optimize", r);
	return ctx;
}

/* Names that this libseccomp does not know are newer than it: ENOSYS is right for them. */
static void add(scmp_filter_ctx ctx, uint32_t action, const char *name)
{
	int nr = seccomp_syscall_resolve_name(name);
	int r;

	if (nr == __NR_SCMP_ERROR)
		return;
	r = seccomp_rule_add(ctx, action, nr, 0);
	if (r < 0 && r != -EDOM && r != -EACCES)
		seccomp_die(name, r);
}

static void add_cmp(scmp_filter_ctx ctx, uint32_t action, int nr, struct scmp_arg_cmp cmp)
{
	int r = seccomp_rule_add_array(ctx, action, nr, 1, &cmp);

	if (r < 0 && r != -EDOM)
		seccomp_die("argument rule", r);
}

static void export(scmp_filter_ctx ctx, struct seccomp_program *p)
{
	int fd = memfd_create("bpf", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		seccomp_die("memfd_create", errno);
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		seccomp_die("seccomp_export_bpf", r);
	if (lseek(fd, 0, SEEK_SET) < 0)
		seccomp_die("lseek", errno);
	while (p->n < SECCOMP_PROGRAM_MAX &&
		read(fd, &p->code[p->n], sizeof(p->code[0])) == (ssize_t)sizeof(p->code[0]))
		p->n++;
	(void)close(fd);
	seccomp_release(ctx);
}

/* The two filters as one: where the arguments have nothing against a call, the list is asked. */
static void join(struct seccomp_program *p, scmp_filter_ctx args, scmp_filter_ctx list)
{
	unsigned n_args;

	export(args, p);
	n_args = p->n;
	for (unsigned i = 0; i < n_args; i++)
		if (p->code[i].code == (BPF_RET | BPF_K) && p->code[i].k == SECCOMP_RET_ALLOW)
			p->code[i] = (struct sock_filter){ BPF_JMP | BPF_JA, 0, 0, n_args - i - 1 };
	export(list, p);
	if (p->n == SECCOMP_PROGRAM_MAX)
		seccomp_die("program too long", E2BIG);
}

static void print(const char *name, const struct seccomp_program *p)
{
	printf("static const struct sock_filter %s[] = {\n", name);
	for (unsigned i = 0; i < p->n; i++)
		printf("\t{ 0x%x, %u, %u, 0x%xu },\n", p->code[i].code, p->code[i].jt, p->code[i].jf,
			p->code[i].k);
	printf("};\n\n");
}

static scmp_filter_ctx make_list(bool userns)
{
	scmp_filter_ctx ctx = new_filter(SCMP_ACT_ERRNO(ENOSYS));

	for (size_t i = 0; i < LEN(allowed); i++)
		add(ctx, SCMP_ACT_ALLOW, allowed[i]);
	for (size_t i = 0; i < LEN(refused); i++)
		add(ctx, userns && is_userns_call(refused[i]) ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM),
			refused[i]);
	add(ctx, SCMP_ACT_ALLOW, "personality");
	add(ctx, SCMP_ACT_ALLOW, "socket");
	add(ctx, SCMP_ACT_ALLOW, "socketcall");
	return ctx;
}

/* Which socket families exist: UNIX, INET, INET6, and NETLINK_ROUTE for address look-ups. */
static void add_sockets(scmp_filter_ctx ctx)
{
	uint32_t refuse = SCMP_ACT_ERRNO(EAFNOSUPPORT);
	struct scmp_arg_cmp netlink[] = { SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffff, AF_NETLINK),
		SCMP_A2(SCMP_CMP_NE, 0, 0) };
	int r;

	for (uint64_t family = 0; family < AF_MAX; family++)
		if (family != AF_UNIX && family != AF_INET && family != AF_INET6 &&
			family != AF_NETLINK)
			add_cmp(ctx, refuse, SCMP_SYS(socket),
				SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffff, family));
	r = seccomp_rule_add_array(ctx, refuse, SCMP_SYS(socket), 2, netlink);
	if (r < 0)
		seccomp_die("netlink", r);
	/* i386: all but socket(2) itself, whose family would be out of sight (socketcall(2)). */
	add_cmp(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(socketcall), SCMP_A0(SCMP_CMP_LT, 1, 0));
	add_cmp(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(socketcall), SCMP_A0(SCMP_CMP_GT, 20, 0));
}

/*
 * A set-user-ID file that a command leaves in the project is one for everybody on the host. How a
 * file is made is in the mode of a chmod, or in that of an open which creates.
 */
static void add_setuid(scmp_filter_ctx ctx)
{
	static const struct {
		const char *name;
		unsigned mode;
	} calls[] = { { "chmod", 1 }, { "fchmod", 1 }, { "fchmodat", 2 }, { "fchmodat2", 2 },
		{ "creat", 1 }, { "mknod", 1 }, { "mknodat", 2 } };
	struct scmp_arg_cmp open_cmp[] = { SCMP_A1(SCMP_CMP_MASKED_EQ, O_CREAT, O_CREAT),
		SCMP_A2(SCMP_CMP_MASKED_EQ, S_ISUID, S_ISUID) };
	struct scmp_arg_cmp openat_cmp[] = { SCMP_A2(SCMP_CMP_MASKED_EQ, O_CREAT, O_CREAT),
		SCMP_A3(SCMP_CMP_MASKED_EQ, S_ISUID, S_ISUID) };
	int r;

	for (size_t i = 0; i < LEN(calls); i++) {
		int nr = seccomp_syscall_resolve_name(calls[i].name);

		/* One that this libseccomp does not know is not on the list either: ENOSYS. */
		if (nr != __NR_SCMP_ERROR)
			add_cmp(ctx, SCMP_ACT_ERRNO(EPERM), nr,
				SCMP_CMP(calls[i].mode, SCMP_CMP_MASKED_EQ, S_ISUID, S_ISUID));
	}
	r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(open), 2, open_cmp);
	if (r == 0 || r == -EDOM)
		r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(openat), 2, openat_cmp);
	if (r < 0 && r != -EDOM)
		seccomp_die("open", r);
}

/* Limits of others: a command could make the cell's own processes useless with them. */
static void add_prlimit(scmp_filter_ctx ctx)
{
	struct scmp_arg_cmp cmp[] = { SCMP_A0(SCMP_CMP_NE, 0, 0), SCMP_A2(SCMP_CMP_NE, 0, 0) };
	int r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prlimit64), 2, cmp);

	if (r < 0)
		seccomp_die("prlimit64", r);
}

static scmp_filter_ctx make_args(bool userns)
{
	/* The kernel cuts ioctl commands to 32 bits, so the compare does too. */
	static const uint64_t ioctls[] = { 0x5412 /* TIOCSTI */, 0x541c /* TIOCLINUX */ };
	scmp_filter_ctx ctx = new_filter(SCMP_ACT_ALLOW);

	for (size_t i = 0; i < LEN(ioctls); i++)
		add_cmp(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl),
			SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, ioctls[i]));
	for (size_t i = 0; !userns && i < LEN(new_namespaces); i++) {
		uint64_t flag = new_namespaces[i];

		add_cmp(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(unshare),
			SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag));
		if (flag != 0x80) /* part of clone's exit signal */
			add_cmp(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone),
				SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag));
	}
	add_sockets(ctx);
	add_setuid(ctx);
	add_prlimit(ctx);
	return ctx;
}

static void make(const char *name, bool userns)
{
	static struct seccomp_program whole, args, packed;

	whole.n = args.n = 0;
	join(&whole, make_args(userns), make_list(userns));
	export(make_args(userns), &args);
	seccomp_pack(&whole, &args, &packed);
	print(name, &packed);
}

int main(void)
{
	printf("/* Made by seccomp_gen; do not edit. */\n#include <linux/filter.h>\n\n");
	/* clone3 stays ENOSYS: its flags are out of a filter's sight, and C libraries fall back. */
	make("seccomp_cell", false);
	make("seccomp_userns", true);
	return 0;
}
