/*
 * The proxy's own cage. Runs in the proxy, once; no input is hostile yet. It parses hostile bytes
 * with the user's identity and the host's network: what it does not need, it cannot do.
 */
#include "proxy/lockdown.h"

#include "base/cleanup.h"
#include "base/sys.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* ---- system calls ---- */

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#else
#define THIS_ARCH 0
#endif
_Static_assert(THIS_ARCH != 0, "the system call list is for x86-64 and aarch64");

/*
 * Allowed whatever their arguments are. Everything else is EPERM: the x32 variants are not in the
 * list because their numbers are others.
 */
/* clang-format off */
static const int allowed[] = {
	/* connections */
	SYS_accept4, SYS_connect, SYS_getpeername, SYS_getsockname, SYS_getsockopt, SYS_setsockopt,
	SYS_recvfrom, SYS_recvmsg, SYS_sendto, SYS_sendmsg, SYS_shutdown, SYS_splice, SYS_pipe2,
	SYS_read, SYS_readv, SYS_write, SYS_writev, SYS_close, SYS_fcntl,
	/* channels to keepers: both ends are ours, one is given away */
	SYS_socketpair, SYS_sendmmsg,
	/* the event loop */
	SYS_epoll_ctl, SYS_epoll_pwait, SYS_ppoll,
	/* reading the files that Landlock leaves */
	SYS_fstat, SYS_newfstatat, SYS_statx, SYS_lseek,
	/* memory, time, the end */
	SYS_brk, SYS_munmap, SYS_mremap, SYS_madvise, SYS_futex, SYS_getrandom, SYS_clock_gettime,
	SYS_clock_getres, SYS_gettimeofday, SYS_getpid, SYS_uname, SYS_rt_sigreturn,
	SYS_rt_sigprocmask, SYS_restart_syscall, SYS_exit, SYS_exit_group,
#ifdef __x86_64__
	SYS_epoll_wait, SYS_poll, SYS_stat, SYS_time,
#endif
};
/* clang-format on */

/* Allowed unless one of these bits of argument `arg` is set. */
static const struct bits_rule {
	int number;
	unsigned arg;
	unsigned bits;
} unless_bits[] = {
	{ SYS_openat, 2, O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND },
	{ SYS_mmap, 2, PROT_EXEC },
	{ SYS_mprotect, 2, PROT_EXEC },
#ifdef __x86_64__
	{ SYS_open, 1, O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND },
#endif
};

static const unsigned socket_families[] = { AF_INET, AF_INET6 };

/* Rationale: three instructions a rule at most, and the few around them. */
#define PROGRAM_MAX 256u

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

/* The next instruction is skipped unless the accumulator equals (has a bit of) value. */
static void skip_unless(struct program *p, unsigned short test, uint32_t value)
{
	emit(p, (struct sock_filter)BPF_JUMP((uint16_t)(BPF_JMP | test | BPF_K), value, 0, 1));
}

static void verdict(struct program *p, uint32_t value)
{
	emit(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, value));
}

/* The low half of an argument; both architectures are little-endian. */
static size_t arg_offset(unsigned arg)
{
	return offsetof(struct seccomp_data, args) + arg * sizeof(uint64_t);
}

/* What follows up to end_block() is for this call only. */
static unsigned short begin_block(struct program *p, int number)
{
	load(p, offsetof(struct seccomp_data, nr));
	emit(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 0));
	return (unsigned short)(p->n - 1);
}

static void end_block(struct program *p, unsigned short jump)
{
	p->code[jump].jf = (uint8_t)(p->n - jump - 1);
}

static void build(struct program *p)
{
	unsigned short block;

	load(p, offsetof(struct seccomp_data, arch));
	emit(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCH, 1, 0));
	verdict(p, SECCOMP_RET_KILL_PROCESS);
	load(p, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
		skip_unless(p, BPF_JEQ, (uint32_t)allowed[i]);
		verdict(p, SECCOMP_RET_ALLOW);
	}
	for (size_t i = 0; i < ARRAY_LEN(unless_bits); i++) {
		block = begin_block(p, unless_bits[i].number);
		load(p, arg_offset(unless_bits[i].arg));
		skip_unless(p, BPF_JSET, unless_bits[i].bits);
		verdict(p, SECCOMP_RET_ERRNO | EPERM);
		verdict(p, SECCOMP_RET_ALLOW);
		end_block(p, block);
	}
	block = begin_block(p, SYS_socket);
	load(p, arg_offset(0));
	for (size_t i = 0; i < ARRAY_LEN(socket_families); i++) {
		skip_unless(p, BPF_JEQ, socket_families[i]);
		verdict(p, SECCOMP_RET_ALLOW);
	}
	verdict(p, SECCOMP_RET_ERRNO | EAFNOSUPPORT);
	end_block(p, block);
	verdict(p, SECCOMP_RET_ERRNO | EPERM);
}

static int filter_calls(struct err *err)
{
	struct program p = { .n = 0 };
	struct sock_fprog prog = { .filter = p.code };

	build(&p);
	if (p.n == PROGRAM_MAX)
		return err_set(err, E2BIG, "seccomp filter of the proxy");
	prog.len = p.n;
	if (sys_seccomp(SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
		return err_set(err, errno, "seccomp");
	return 0;
}

/* ---- files ---- */

/* Rights newer than the headers we build with (landlock(7)). */
#define RIGHTS_ABI1 ((1ull << 13) - 1)
#define RIGHT_REFER (1ull << 13)     /* ABI 2 */
#define RIGHT_TRUNCATE (1ull << 14)  /* ABI 3 */
#define RIGHT_IOCTL_DEV (1ull << 15) /* ABI 5 */
#define NET_BIND_TCP (1ull << 0)     /* ABI 4 */
#define SCOPES (3ull)                /* ABI 6: abstract sockets and signals of others */

struct ruleset_attr {
	uint64_t fs, net, scoped;
};

/* c-ares reads them again when resolv.conf has changed; /dev/urandom is for its query numbers. */
static const char *const readable[] = { "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf",
	"/etc/services", "/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf",
	"/dev/urandom" };

static int allow_read(int ruleset, const char *path, struct err *err)
{
	AUTO_CLOSE int fd = open(path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = { .allowed_access = LANDLOCK_ACCESS_FS_READ_FILE,
		.parent_fd = fd };

	if (fd < 0)
		return errno == ENOENT || errno == EACCES ? 0
							  : err_set(err, errno, "open %s", path);
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return err_set(err, errno, "landlock: allow %s", path);
	return 0;
}

/*
 * resolv.conf is replaced by rename, so a rule for the file would go stale: its directory is what
 * may be read. To root that would open /etc/shadow; containers do not replace the file.
 */
static int allow_resolv_conf(int ruleset, struct err *err)
{
	char path[PATH_MAX];
	char *slash;

	if (realpath("/etc/resolv.conf", path) == NULL)
		return 0;
	slash = strrchr(path, '/');
	if (geteuid() != 0 && slash != path)
		*slash = '\0';
	return allow_read(ruleset, path, err);
}

/* What this kernel's Landlock can restrict; 0: it has none. */
static size_t fill_attr(struct ruleset_attr *attr)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (abi < 1)
		return 0;
	attr->fs = RIGHTS_ABI1;
	if (abi >= 2)
		attr->fs |= RIGHT_REFER;
	if (abi >= 3)
		attr->fs |= RIGHT_TRUNCATE;
	if (abi >= 4)
		attr->net = NET_BIND_TCP;
	if (abi >= 5)
		attr->fs |= RIGHT_IOCTL_DEV;
	if (abi >= 6)
		attr->scoped = SCOPES;
	return abi < 4 ? sizeof(attr->fs) : abi < 6 ? 2 * sizeof(attr->fs) : sizeof(*attr);
}

static int restrict_files(struct err *err)
{
	struct ruleset_attr attr = { 0 };
	size_t bytes = fill_attr(&attr);
	AUTO_CLOSE int ruleset = -1;
	int r = 0;

	if (bytes == 0)
		return 0; /* doctor says so; seccomp still forbids every way of writing */
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, bytes, 0);
	if (ruleset < 0)
		return err_set(err, errno, "landlock_create_ruleset");
	for (size_t i = 0; i < ARRAY_LEN(readable) && r == 0; i++)
		r = allow_read(ruleset, readable[i], err);
	if (r == 0)
		r = allow_resolv_conf(ruleset, err);
	if (r < 0)
		return r;
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return err_set(err, errno, "landlock_restrict_self");
	return 0;
}

/* ---- privileges ---- */

static int drop_capabilities(struct err *err)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	if (syscall(SYS_capset, &head, none) < 0)
		return err_set(err, errno, "capset");
	return 0;
}

int lockdown_enter(struct err *err)
{
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(err, errno, "PR_SET_NO_NEW_PRIVS");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_set(err, errno, "PR_SET_DUMPABLE");
	r = restrict_files(err);
	if (r == 0)
		r = drop_capabilities(err);
	if (r == 0)
		r = filter_calls(err);
	return r;
}
