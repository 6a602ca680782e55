/*
 * The proxy's life. It is started when the first packet of the cell waits at one of its listeners:
 * most short commands never use the network, and loading its libraries would be the larger part of
 * their start. Runs in the warden. Hostile: every message of the proxy, which parses the cell's
 * bytes: it is checked, written to the audit, and believed in nothing else.
 */
#include "warden/warden.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "wire/fdpass.h"
#include "wire/proxymsg.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

/* Rationale: one that cannot start would be tried again with each packet. */
#define PROXY_FAILURES_MAX 3
/* Rationale: messages read in one turn of the loop, so that execs do not wait behind a flood. */
#define PROXY_BATCH 64
/* Rationale: ten times what a proxy needs to start; a session's end must not hang on it. */
#define DRAIN_MS 200

_Static_assert(CELL_FD_NFLOG - CELL_FD_TCP4 == PROXY_FD_NFLOG - PROXY_FD_TCP4,
	"the cell's sockets stand in the proxy's order");

static int policy_file(const struct warden *w, struct err *err)
{
	AUTO_CLOSE int fd = memfd_create("agentjail-policy", MFD_CLOEXEC);

	if (fd < 0)
		return err_set(err, errno, "memfd_create");
	if (policy_dump(w->plan->policy, fd, err) < 0)
		return -err->code;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_set(err, errno, "lseek");
	return take_fd(&fd);
}

/* Moves descriptors to where the proxy looks for them; what is missing stays closed. */
static int place_fds(const struct warden *w, int policy, int sock)
{
	int from[PROXY_FD_LOCALHOST + 2 * PLACE_LOCALHOST_MAX];
	int n = PROXY_FD_LOCALHOST + 2 * (int)w->cell.n_localhost;

	for (int i = 0; i < n; i++) {
		int fd = -1;

		if (i == PROXY_FD_POLICY)
			fd = policy;
		else if (i == PROXY_FD_WARDEN)
			fd = sock;
		else if (i >= PROXY_FD_LOCALHOST)
			fd = w->cell.fds[CELL_FD_LOCALHOST + i - PROXY_FD_LOCALHOST];
		else if (i >= PROXY_FD_TCP4)
			fd = w->cell.fds[CELL_FD_TCP4 + i - PROXY_FD_TCP4];
		/* First out of the way of the final numbers. */
		from[i] = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, n);
		if (fd >= 0 && from[i] < 0)
			return -errno;
	}
	for (int i = PROXY_FD_POLICY; i < n; i++) {
		(void)close(i);
		if (from[i] >= 0 && dup2(from[i], i) < 0)
			return -errno;
	}
	return sys_close_range((unsigned)n, ~0u, 0) < 0 ? -errno : 0;
}

static _Noreturn void become_proxy(const struct warden *w, int policy, int sock)
{
	char count[16];
	char *const argv[] = { (char[]){ "agentjail" }, (char[]){ "@proxy" }, count, NULL };
	char *const env[] = { NULL }; /* the user's variables are none of its business */
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)snprintf(count, sizeof(count), "%zu", 2 * w->cell.n_localhost);
	(void)setsid();
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)sigprocmask(SIG_SETMASK, &w->old_mask, NULL);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 ||
		(!w->plan->verbose && dup2(null, 2) < 0))
		_exit(EXIT_AGENTJAIL);
	if (place_fds(w, policy, sock) < 0)
		_exit(EXIT_AGENTJAIL);
	execve("/proc/self/exe", argv, env);
	_exit(EXIT_AGENTJAIL);
}

static int start(struct warden *w, struct err *err)
{
	AUTO_CLOSE int policy = policy_file(w, err), ours = -1, theirs = -1;
	int pair[2];

	if (policy < 0)
		return -err->code;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "socketpair");
	ours = pair[0];
	theirs = pair[1];
	w->proxy.pid = fork();
	if (w->proxy.pid < 0) {
		w->proxy.pid = 0;
		return err_set(err, errno, "fork");
	}
	if (w->proxy.pid == 0)
		become_proxy(w, policy, theirs);
	w->proxy.sock = take_fd(&ours);
	return 0;
}

void proxyctl_start(struct warden *w)
{
	struct err err = { 0 };

	if (start(w, &err) < 0) {
		log_warn("the proxy did not start, commands have no network: %s", err.text);
		w->proxy.failures = PROXY_FAILURES_MAX;
	}
}

void proxyctl_stop(struct warden *w)
{
	if (w->proxy.pid > 0) {
		(void)kill(w->proxy.pid, SIGKILL);
		(void)waitpid(w->proxy.pid, NULL, 0);
	}
	cleanup_close(&w->proxy.sock);
	w->proxy.pid = 0;
}

static void record(struct warden *w, const struct proxymsg *msg)
{
	static const char *const via[PROXYMSG_VIA_COUNT] = { "transparent", "connect", "absolute",
		"socks", "localhost", "dns", "literal" };
	static const char *const decision[PROXYMSG_TYPE_COUNT] = { NULL, "allow", "deny", "failed",
		"closed" };
	struct audit_record r;

	audit_begin(&w->audit, &r, msg->type == PROXYMSG_CLOSED ? "disconnect" : "connect");
	audit_string(&r, "decision", decision[msg->type]);
	audit_number(&r, "connection", (int64_t)msg->connection);
	audit_string(&r, "host", msg->host);
	audit_number(&r, "port", msg->port);
	audit_string(&r, "via", via[msg->via]);
	if (msg->address[0] != '\0')
		audit_string(&r, "address", msg->address);
	if (msg->rule[0] != '\0')
		audit_string(&r, "rule", msg->rule);
	if (msg->reason[0] != '\0')
		audit_string(&r, "reason", msg->reason);
	if (msg->type == PROXYMSG_CLOSED) {
		audit_number(&r, "bytes_out", (int64_t)msg->bytes_out);
		audit_number(&r, "bytes_in", (int64_t)msg->bytes_in);
	} else {
		denial_tell(w, msg, &r);
	}
	(void)audit_end(&r);
}

static void lost(struct warden *w)
{
	int status = 0;

	(void)waitpid(w->proxy.pid, &status, 0);
	cleanup_close(&w->proxy.sock);
	w->proxy.pid = 0;
	w->proxy.failures++;
	if (w->has_ended)
		return;
	if (w->proxy.failures >= PROXY_FAILURES_MAX)
		log_warn("the proxy ended %u times (status 0x%x): commands have no network any more",
			w->proxy.failures, (unsigned)status);
	else
		log_warn("the proxy ended (status 0x%x); a new one takes its place", (unsigned)status);
}

void proxyctl_read(struct warden *w)
{
	for (unsigned i = 0; i < PROXY_BATCH; i++) {
		struct proxymsg msg;
		ssize_t n = recv(w->proxy.sock, &msg, sizeof(msg), MSG_DONTWAIT | MSG_TRUNC);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			lost(w);
			return;
		}
		if (!proxymsg_is_valid(&msg, (size_t)n)) {
			log_warn("the proxy sent what is no message; it is stopped");
			(void)kill(w->proxy.pid, SIGKILL);
			lost(w);
			return;
		}
		record(w, &msg);
		/* The proxy resets the connection now: see await_warden() there. */
		if (msg.type == PROXYMSG_DENIED)
			(void)send(w->proxy.sock, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) > 0 && (p.revents & POLLIN) != 0;
}

/*
 * A command that was refused and gave up is over before the proxy that its packet wakes has begun:
 * the audit has it all the same. What the kernel has queued is read first, then the proxy ends by
 * the end of file and what it said until then is read.
 */
void proxyctl_drain(struct warden *w)
{
	int64_t end = denial_now_ms() + DRAIN_MS;
	int refused = w->cell.fds[CELL_FD_NFLOG];
	bool is_last = false;

	if (w->cell.pid <= 0 || !w->has_ended)
		return;
	if (w->proxy.pid == 0 && w->proxy.failures < PROXY_FAILURES_MAX && is_readable(refused, 0))
		proxyctl_start(w);
	while (w->proxy.pid > 0 && denial_now_ms() < end) {
		if (!is_last && !is_readable(refused, 0)) {
			is_last = true;
			(void)shutdown(w->proxy.sock, SHUT_WR);
		}
		if (is_readable(w->proxy.sock, is_last ? DRAIN_MS : 1))
			proxyctl_read(w);
	}
}
