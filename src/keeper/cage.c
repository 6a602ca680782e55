/*
 * A keeper's own cage. Runs in a keeper, once; no input is hostile yet. Whoever takes a keeper over
 * with a server's bytes has its secret, and must not be able to send it anywhere else.
 */
#include "keeper/cage.h"

#include "base/cleanup.h"
#include "base/sys.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#else
#define THIS_ARCH 0
#endif
_Static_assert(THIS_ARCH != 0, "the system call list is for x86-64 and aarch64");

#define ARG_ANY 7u

enum arg_test {
	ARG_NOT_BITS, /* none of these bits */
	ARG_HAS_BITS, /* all of these bits */
	ARG_IS,
};

/*
 * Allowed when the tests hold; a call stands here once for each set of tests. Everything else is
 * EPERM, the x32 variants too: their numbers are others.
 */
static const struct call {
	int number;
	struct {
		unsigned arg;
		enum arg_test test;
		uint32_t value;
	} tests[2];
} calls[] = {
#define ALWAYS { { ARG_ANY, ARG_IS, 0 }, { ARG_ANY, ARG_IS, 0 } }
#define ONE(arg, test, value) { { arg, test, value }, { ARG_ANY, ARG_IS, 0 } }
	{ SYS_read, ALWAYS },
	{ SYS_write, ALWAYS },
	{ SYS_recvmsg, ALWAYS },
	/* On a closed socket, fast open would be a connect() to whom one likes. */
	{ SYS_sendmsg, ONE(2, ARG_NOT_BITS, MSG_FASTOPEN) },
	{ SYS_sendmmsg, ONE(3, ARG_NOT_BITS, MSG_FASTOPEN) },
	{ SYS_epoll_pwait, ALWAYS },
	{ SYS_epoll_ctl, ALWAYS },
	{ SYS_futex, ALWAYS },
	{ SYS_clock_gettime, ALWAYS },
	{ SYS_gettimeofday, ALWAYS },
	{ SYS_close, ALWAYS },
	{ SYS_shutdown, ALWAYS },
	{ SYS_fcntl, ONE(1, ARG_IS, F_GETFL) },
	{ SYS_fcntl, ONE(1, ARG_IS, F_SETFL) },
	{ SYS_setsockopt, { { 1, ARG_IS, IPPROTO_TCP }, { 2, ARG_IS, TCP_NODELAY } } },
	{ SYS_brk, ALWAYS },
	{ SYS_mmap, { { 2, ARG_NOT_BITS, PROT_EXEC }, { 3, ARG_HAS_BITS, MAP_ANONYMOUS } } },
	{ SYS_mprotect, ONE(2, ARG_NOT_BITS, PROT_EXEC) },
	{ SYS_munmap, ALWAYS },
	{ SYS_mremap, ALWAYS },
	{ SYS_madvise, ALWAYS },
	{ SYS_getrandom, ALWAYS },
	{ SYS_getpid, ALWAYS },
	{ SYS_rt_sigreturn, ALWAYS },
	{ SYS_rt_sigprocmask, ALWAYS },
	{ SYS_restart_syscall, ALWAYS },
	{ SYS_exit, ALWAYS },
	{ SYS_exit_group, ALWAYS },
#ifdef __x86_64__
	{ SYS_epoll_wait, ALWAYS },
	{ SYS_time, ALWAYS },
#endif
#undef ALWAYS
#undef ONE
};

/* Rationale: eight instructions a call at most, and the few around them. */
#define PROGRAM_MAX 320u

struct program {
	struct sock_filter code[PROGRAM_MAX];
	unsigned short n;
};

static void emit(struct program *p, struct sock_filter instruction)
{
	if (p->n < PROGRAM_MAX)
		p->code[p->n++] = instruction;
}

static void load(struct program *p, size_t offset)
{
	emit(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

/* A jump that is taken when the test fails; its target is set by the caller. */
static unsigned short test(struct program *p, unsigned arg, enum arg_test kind, uint32_t value)
{
	/* The low half of the argument; both architectures are little-endian. */
	load(p, offsetof(struct seccomp_data, args) + arg * sizeof(uint64_t));
	if (kind == ARG_HAS_BITS)
		emit(p, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, value));
	if (kind == ARG_NOT_BITS)
		emit(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, value, 0, 0));
	else
		emit(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 0));
	return (unsigned short)(p->n - 1);
}

static void allow(struct program *p, const struct call *call)
{
	unsigned short jumps[3], n = 0;

	load(p, offsetof(struct seccomp_data, nr));
	emit(p, (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call->number, 0, 0));
	jumps[n++] = (unsigned short)(p->n - 1);
	for (size_t i = 0; i < ARRAY_LEN(call->tests); i++)
		if (call->tests[i].arg != ARG_ANY)
			jumps[n++] = test(p, call->tests[i].arg, call->tests[i].test,
				call->tests[i].value);
	emit(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	for (unsigned short i = 0; i < n; i++) {
		struct sock_filter *jump = &p->code[jumps[i]];
		uint8_t far = (uint8_t)(p->n - jumps[i] - 1);

		if ((jump->code & BPF_JSET) == BPF_JSET)
			jump->jt = far;
		else
			jump->jf = far;
	}
}

static int filter_calls(struct err *err)
{
	struct program p = { .n = 0 };
	struct sock_fprog prog = { .filter = p.code };

	load(&p, offsetof(struct seccomp_data, arch));
	emit(&p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCH, 1, 0));
	emit(&p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		allow(&p, &calls[i]);
	emit(&p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM));
	if (p.n == PROGRAM_MAX)
		return err_set(err, E2BIG, "seccomp filter of a keeper");
	prog.len = p.n;
	if (sys_seccomp(SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
		return err_set(err, errno, "seccomp");
	return 0;
}

int cage_hide(struct err *err)
{
	static const struct rlimit none = { 0, 0 };

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_set(err, errno, "PR_SET_DUMPABLE");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(err, errno, "PR_SET_NO_NEW_PRIVS");
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return err_set(err, errno, "RLIMIT_CORE");
	return 0;
}

int cage_enter(struct err *err)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	if (syscall(SYS_capset, &head, none) < 0)
		return err_set(err, errno, "capset");
	return filter_calls(err);
}
