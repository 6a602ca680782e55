/*
 * A keeper's value is nowhere but in memory that not even root reads: not after requests of either
 * version of HTTP, not after echoes, and never in the mother. Other users' processes, and the
 * user's own, read nothing of it at all. And a keeper that was taken over has next to no system
 * call. Each attack succeeds where the guard is off.
 */
#include "keeper/cage.h"
#include "keeper_fixture.h"
#include "keeper_memory_scan.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define RULES                                                                                      \
	"[inject api]\nhost = api.test\nheader = X-Token: t {secret}\n"                           \
	"query = key={secret}\nbasic = user:{secret}\nsecret = env:X\n"

static const char *secret;

/* ---- memory ---- */

static void use_h1(int door)
{
	const struct cert leaf = cert_leaf(&fix.authority, "DNS:api.test");
	SSL_CTX *ctx = server_context(&leaf, NULL, false);
	struct conn c = conn_open_to(door, "api.test", 443, false);
	char answer[600];
	const char *got;

	for (int i = 0; i < 3; i++) {
		send_get(&c, "/v1/a?marker-of-the-test=1", "");
		if (i == 0)
			(void)conn_accept(&c, ctx);
		tap_ok(strstr(server_receive(&c, "\r\n\r\n"), secret) != NULL,
			"a request with the value");
		(void)snprintf(answer, sizeof(answer),
			"HTTP/1.1 200 OK\r\nX-Echo: %s\r\nContent-Length: 50\r\n\r\n(    %s    )",
			secret, secret);
		server_send(&c, answer);
		got = whole_answer(&c);
		if (!tap_ok(strstr(got, "END 1") != NULL, "and an echo"))
			printf("# %s\n", got);
	}
	SSL_CTX_free(ctx);
	/* Stays open: idle buffers count. */
}

static void none_of(const char *value, pid_t pid, const char *who)
{
	struct scan scan = { .is_loud = true };
	size_t found = 0;

	for (size_t at = 0; at + 16 <= strlen(value); at += 8) {
		if (!scan_process(pid, value + at, 16, &scan))
			tap_ok(false, "read the memory of %s", who);
		found += scan.found;
	}
	tap_ok(found == 0 && scan.bytes > 1000000, "no part of the value in %s", who);
}

static void none_in(pid_t pid, const char *who)
{
	unsigned char plain[64], coded[128];
	int n = snprintf((char *)plain, sizeof(plain), "user:%s", secret);

	(void)EVP_EncodeBlock(coded, plain, n);
	none_of(secret, pid, who);
	none_of((const char *)coded, pid, who);
}

static void secret_memory(pid_t keeper)
{
	struct scan scan = { .is_loud = false };

	(void)usleep(50000); /* it answers first, then it wipes */
	(void)scan_process(keeper, "api.test", 8, &scan);
	tap_ok(scan.found > 0, "the scan sees what is in ordinary memory");
	if (scan.secret == 0)
		printf("# this kernel has no memfd_secret: the value is in locked memory\n");
	else
		tap_ok(scan.refused == scan.secret, "secret memory is refused even to root (EIO)");
	none_in(keeper, "the keeper");
	none_in(fix.mother, "the mother");
}

static void unreadable(pid_t pid)
{
	static const char *const files[] = { "mem", "maps", "environ", "fd/3" };
	char path[64], byte;
	struct iovec here = { &byte, 1 }, there = { (void *)&secret, 1 };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i]);
		tap_ok(open(path, O_RDONLY | O_CLOEXEC) < 0, "%s of a keeper is closed", files[i]);
		(void)snprintf(path, sizeof(path), "/proc/self/%s", i < 3 ? files[i] : "fd/0");
		tap_ok(open(path, O_RDONLY | O_CLOEXEC) >= 0, "it is open of one's own");
	}
	tap_ok(process_vm_readv(pid, &here, 1, &there, 1, 0) < 0 && errno == EPERM,
		"process_vm_readv is refused");
	tap_ok(ptrace(PTRACE_SEIZE, pid, 0, 0) < 0 && errno == EPERM, "ptrace is refused");
	tap_ok(syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, pid, 0), 3, 0) < 0 &&
			errno == EPERM, "pidfd_getfd is refused");
}

static void memory(void)
{
	int door = keeper_start_with(0, secret);
	pid_t keeper;

	use_h1(door);
	keeper = child_of(fix.mother);
	if (getuid() != 0)
		unreadable(keeper);
	if (scan_is_possible())
		secret_memory(keeper);
	else
		tap_ok(true, "memory is looked at # SKIP it takes root");
}

/* ---- the cage ---- */

static int null_fd, file_fd, tcp_fd;

static long try_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static long try_unix(void)
{
	int pair[2];

	return socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
}

static long try_open(void)
{
	return open("/etc/hostname", O_RDONLY | O_CLOEXEC);
}

static long try_exec(void)
{
	char *argv[] = { (char *)(size_t)"true", NULL };

	return execve("/bin/true", argv, argv + 1) == 0 ? 0 : -1;
}

static long try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid;
}

static long try_dup(void)
{
	return dup(null_fd);
}

static long try_dupfd(void)
{
	return fcntl(null_fd, F_DUPFD, 0);
}

static long try_kill(void)
{
	return kill(getpid(), 0);
}

static long try_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			       MAP_FAILED
		       ? -1
		       : 0;
}

static long try_map_file(void)
{
	return mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file_fd, 0) == MAP_FAILED ? -1 : 0;
}

static long try_connect(void)
{
	const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };

	return connect(tcp_fd, (const struct sockaddr *)&to, sizeof(to)) < 0 && errno == EPERM ? -1
											   : 0;
}

static long try_fast_open(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct iovec io = { (void *)&to, 1 };
	struct msghdr msg = { .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &io,
		.msg_iovlen = 1 };

	return sendmsg(tcp_fd, &msg, MSG_FASTOPEN) < 0 && errno == EPERM ? -1 : 0;
}

static long try_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, 0, 0);
}

static long try_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long try_option(void)
{
	int on = 1;

	return setsockopt(tcp_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
}

static const struct {
	const char *what;
	long (*run)(void);
} attempts[] = { { "socket", try_socket }, { "socketpair", try_unix }, { "open", try_open },
	{ "fork", try_fork }, { "dup", try_dup }, { "F_DUPFD", try_dupfd }, { "kill", try_kill },
	{ "executable memory", try_code }, { "mapping a file", try_map_file },
	{ "connect", try_connect }, { "fast open", try_fast_open }, { "dumpable", try_dumpable },
	{ "socket options", try_option }, { "ptrace", try_ptrace }, { "exec", try_exec } };

/* Exit status of an attempt in a process of its own: 0 it worked, 1 it did not. */
static int attempt(long (*run)(void), bool is_caged)
{
	struct err err = { 0 };
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (is_caged && (cage_hide(&err) < 0 || cage_enter(&err) < 0))
			_exit(2);
		_exit(run() < 0 ? 1 : 0);
	}
	(void)waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 3;
}

static long try_needed(void)
{
	struct timespec now;
	char bytes[8];
	int flags = fcntl(tcp_fd, F_GETFL), on = 1;
	void *at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return getrandom(bytes, 8, 0) == 8 && syscall(SYS_clock_gettime, 0, &now) == 0 &&
			       flags >= 0 && fcntl(tcp_fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
			       setsockopt(tcp_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
			       at != MAP_FAILED && malloc(1 << 20) != NULL &&
			       write(null_fd, "x", 1) == 1 && close(null_fd) == 0
		       ? 0
		       : -1;
}

static void cage(void)
{
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	file_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	tcp_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
		tap_ok(attempt(attempts[i].run, false) == 0, "%s works outside",
			attempts[i].what);
		tap_ok(attempt(attempts[i].run, true) == 1, "%s fails in a keeper",
			attempts[i].what);
	}
	tap_ok(attempt(try_needed, true) == 0, "what a keeper needs works");
}

/* ---- its state as others see it ---- */

static void state(void)
{
	char path[64], text[4096] = "";
	pid_t keeper = child_of(fix.mother);
	struct rlimit limit = { 1, 1 };
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", keeper);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	(void)!read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	tap_ok(strstr(text, "NoNewPrivs:\t1") != NULL && strstr(text, "Seccomp:\t2") != NULL &&
			strstr(text, "CapEff:\t0000000000000000") != NULL &&
			strstr(text, "CapPrm:\t0000000000000000") != NULL,
		"no new privileges, seccomp, no capability");
	if (getuid() == 0)
		tap_ok(prlimit(keeper, RLIMIT_CORE, NULL, &limit) == 0 && limit.rlim_max == 0,
			"no core");
}

int main(int argc, char **argv)
{
	fixture_role(argc, argv);
	if (!fixture_make() || !fixture_start(RULES))
		return tap_done();
	secret = random_secret();
	memory();
	state();
	tap_ok(fixture_stop() == 0, "the mother ends with the warden");
	cage();
	fixture_remove();
	return tap_done();
}
