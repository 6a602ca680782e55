/*
 * The proxy's own cage. Runs in the proxy, once; no input is hostile yet. It parses hostile bytes
 * with the user's identity and the host's network: what it does not need, it cannot do.
 */
#include "proxy/lockdown.h"

#include "base/calls.h"
#include "base/cleanup.h"
#include "base/standing.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- system calls ---- */

#define WRITES (O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND)

/* Everything else is EPERM. */
static const struct calls_rule calls[] = {
	/* connections */
	{ .number = SYS_accept4 },
	{ .number = SYS_connect },
	{ .number = SYS_getpeername },
	{ .number = SYS_getsockname },
	{ .number = SYS_getsockopt },
	{ .number = SYS_setsockopt },
	{ .number = SYS_recvfrom },
	{ .number = SYS_recvmsg },
	{ .number = SYS_sendto },
	{ .number = SYS_sendmsg },
	{ .number = SYS_shutdown },
	{ .number = SYS_splice },
	{ .number = SYS_pipe2 },
	{ .number = SYS_read },
	{ .number = SYS_readv },
	{ .number = SYS_write },
	{ .number = SYS_writev },
	{ .number = SYS_close },
	{ .number = SYS_fcntl },
	/* channels to keepers: both ends are ours, one is given away */
	{ .number = SYS_socketpair },
	{ .number = SYS_sendmmsg },
	/* the event loop */
	{ .number = SYS_epoll_ctl },
	{ .number = SYS_epoll_pwait },
	{ .number = SYS_ppoll },
	/* reading the files that Landlock leaves */
	{ .number = SYS_fstat },
	{ .number = SYS_newfstatat },
	{ .number = SYS_statx },
	{ .number = SYS_lseek },
	/* memory, time, the end */
	{ .number = SYS_brk },
	{ .number = SYS_munmap },
	{ .number = SYS_mremap },
	{ .number = SYS_madvise },
	{ .number = SYS_futex },
	{ .number = SYS_getrandom },
	{ .number = SYS_clock_gettime },
	{ .number = SYS_clock_getres },
	{ .number = SYS_gettimeofday },
	{ .number = SYS_getpid },
	{ .number = SYS_uname },
	{ .number = SYS_rt_sigreturn },
	{ .number = SYS_rt_sigprocmask },
	{ .number = SYS_restart_syscall },
	{ .number = SYS_exit },
	{ .number = SYS_exit_group },
#ifdef __x86_64__
	{ .number = SYS_epoll_wait },
	{ .number = SYS_poll },
	{ .number = SYS_stat },
	{ .number = SYS_time },
	{ SYS_open, 0, { { CALLS_NOT_BITS, 1, WRITES } } },
#endif
	{ SYS_openat, 0, { { CALLS_NOT_BITS, 2, WRITES } } },
	{ SYS_mmap, 0, { { CALLS_NOT_BITS, 2, PROT_EXEC } } },
	{ SYS_mprotect, 0, { { CALLS_NOT_BITS, 2, PROT_EXEC } } },
	{ SYS_socket, 0, { { CALLS_IS, 0, AF_INET } } },
	{ SYS_socket, 0, { { CALLS_IS, 0, AF_INET6 } } },
	{ .number = SYS_socket, .error = EAFNOSUPPORT },
};

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

int lockdown_enter(struct err *err)
{
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(err, errno, "PR_SET_NO_NEW_PRIVS");
	if (standing_hide(err) < 0)
		return -err->code;
	r = restrict_files(err);
	if (r == 0)
		r = calls_drop_capabilities(err);
	if (r == 0)
		r = calls_allow_only(calls, ARRAY_LEN(calls), SECCOMP_RET_ERRNO | EPERM, 0, err);
	return r;
}
