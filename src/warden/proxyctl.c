/*
 * The proxy's life. It is started when the first packet of the cell waits at one of its listeners:
 * most short commands never use the network, and loading its libraries would be the larger part of
 * their start. Runs in the warden. Hostile: every message of the proxy, which parses the cell's
 * bytes: it is checked, written to the audit, and believed in nothing else.
 */
#include "warden/keeperctl.h"
#include "warden/netrole.h"
#include "warden/warden.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "wire/fdpass.h"
#include "wire/proxymsg.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

/* Rationale: messages read in one turn of the loop, so that execs do not wait behind a flood. */
#define PROXY_BATCH 64

_Static_assert(CELL_FD_NFLOG - CELL_FD_TCP4 == PROXY_FD_NFLOG - PROXY_FD_TCP4,
	"the cell's sockets stand in the proxy's order");
_Static_assert(PROXY_FD_LOCALHOST + 2 * PLACE_LOCALHOST_MAX <= NETROLE_FDS_MAX, "they fit");

/* The descriptors of the role, in the order of enum proxy_fd. */
static size_t collect_fds(const struct warden *w, const struct cell *cell, const int own[3], int *fds)
{
	size_t n_localhost = 2 * cell->n_localhost, n = 0;

	fds[n++] = own[0];
	fds[n++] = own[1];
	fds[n++] = w->trust.fds[TRUST_FD_KEY];
	fds[n++] = w->login;
	fds[n++] = own[2];
	for (unsigned i = CELL_FD_TCP4; i <= CELL_FD_NFLOG; i++)
		fds[n++] = cell->fds[i];
	for (size_t i = 0; i < n_localhost; i++)
		fds[n++] = cell->fds[CELL_FD_LOCALHOST + i];
	return n + keeperctl_proxy_ends(w->keepers, fds + n);
}

static int start(struct warden *w, const struct place *p, struct err *err)
{
	AUTO_CLOSE int policy = netrole_policy(w->plan->policy, err), ours = -1, theirs = -1;
	AUTO_CLOSE int honey = -1;
	int pair[2], fds[NETROLE_FDS_MAX];
	char n_localhost[16], n_rules[16];
	struct netrole role = { .name = "@proxy",
		.args = { n_localhost, n_rules },
		.fds = fds,
		.keeps_stderr = w->plan->verbose,
		.mask = &w->old_mask };
	pid_t pid;

	if (policy < 0 || lure_fd(&w->lure, &honey, err) < 0)
		return -err->code;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "socketpair");
	ours = pair[0];
	theirs = pair[1];
	role.n_fds = collect_fds(w, p->cell, (int[3]){ policy, theirs, honey }, fds);
	(void)snprintf(n_localhost, sizeof(n_localhost), "%zu", 2 * p->cell->n_localhost);
	(void)snprintf(n_rules, sizeof(n_rules), "%zu",
		role.n_fds - PROXY_FD_LOCALHOST + PROXY_FD_POLICY - 2 * p->cell->n_localhost);
	pid = netrole_start(&role, err);
	if (pid < 0)
		return -err->code;
	p->proxy->pid = pid;
	p->proxy->sock = take_fd(&ours);
	return 0;
}

void proxyctl_start(struct warden *w, const struct place *p)
{
	struct err err = { 0 };

	if (start(w, p, &err) < 0) {
		log_warn("the proxy did not start, commands have no network: %s", err.text);
		p->proxy->failures = PROXY_FAILURES_MAX;
	}
}

void proxyctl_stop(struct proxy *proxy)
{
	if (proxy->pid > 0) {
		(void)kill(proxy->pid, SIGKILL);
		(void)waitpid(proxy->pid, NULL, 0);
	}
	cleanup_close(&proxy->sock);
	proxy->pid = 0;
}

/* What is known of every message. */
static void add_place(struct audit_record *r, const struct proxymsg *msg)
{
	audit_number(r, "connection", (int64_t)msg->connection);
	audit_string(r, "host", msg->host);
	audit_number(r, "port", msg->port);
}

static void add_why(struct audit_record *r, const struct proxymsg *msg)
{
	if (msg->rule[0] != '\0')
		audit_string(r, "rule", msg->rule);
	if (msg->reason[0] != '\0')
		audit_string(r, "reason", msg->reason);
}

static void record_request(struct warden *w, const struct place *p, const struct proxymsg *msg)
{
	struct audit_record r;

	audit_begin(&w->audit, &r, "request");
	audit_string(&r, "decision", msg->is_denied != 0 ? "deny" : "allow");
	add_place(&r, msg);
	audit_string(&r, "method", msg->method);
	audit_string(&r, "path", msg->path);
	audit_number(&r, "status", msg->status);
	add_why(&r, msg);
	denial_tell(w, p, msg, &r);
	(void)audit_end(&r);
}

/* Who floods the audit cannot make it silent about that. */
static void record_lost(struct warden *w, const struct proxymsg *msg)
{
	struct audit_record r;

	audit_begin(&w->audit, &r, "lost");
	audit_number(&r, "records", (int64_t)msg->bytes_out);
	(void)audit_end(&r);
	log_warn("%llu records of connections and requests were lost: they came too fast",
		(unsigned long long)msg->bytes_out);
}

static void record(struct warden *w, const struct place *p, const struct proxymsg *msg)
{
	static const char *const via[PROXYMSG_VIA_COUNT] = { "transparent", "connect", "absolute",
		"socks", "localhost", "dns", "literal" };
	static const char *const decision[PROXYMSG_TYPE_COUNT] = { NULL, "allow", "deny", "failed",
		"closed", NULL, NULL };
	struct audit_record r;

	if (msg->type == PROXYMSG_REQUEST) {
		record_request(w, p, msg);
		return;
	}
	if (msg->type == PROXYMSG_LOST) {
		record_lost(w, msg);
		return;
	}
	audit_begin(&w->audit, &r, msg->type == PROXYMSG_CLOSED ? "disconnect" : "connect");
	audit_string(&r, "decision", decision[msg->type]);
	add_place(&r, msg);
	audit_string(&r, "via", via[msg->via]);
	if (msg->address[0] != '\0')
		audit_string(&r, "address", msg->address);
	add_why(&r, msg);
	if (msg->type == PROXYMSG_CLOSED) {
		if (p->command != 0)
			audit_number(&r, "command", p->command);
		audit_number(&r, "bytes_out", (int64_t)msg->bytes_out);
		audit_number(&r, "bytes_in", (int64_t)msg->bytes_in);
	} else {
		denial_tell(w, p, msg, &r);
	}
	(void)audit_end(&r);
}

static void lost(const struct place *p)
{
	int status = 0;

	(void)waitpid(p->proxy->pid, &status, 0);
	cleanup_close(&p->proxy->sock);
	p->proxy->pid = 0;
	p->proxy->failures++;
	if (p->is_ending)
		return;
	if (p->proxy->failures >= PROXY_FAILURES_MAX)
		log_warn("the proxy ended %u times (status 0x%x): commands have no network any more",
			p->proxy->failures, (unsigned)status);
	else
		log_warn("the proxy ended (status 0x%x); a new one takes its place", (unsigned)status);
}

void proxyctl_read(struct warden *w, const struct place *p)
{
	for (unsigned i = 0; i < PROXY_BATCH; i++) {
		struct proxymsg msg;
		ssize_t n = recv(p->proxy->sock, &msg, sizeof(msg), MSG_DONTWAIT | MSG_TRUNC);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			lost(p);
			return;
		}
		if (!proxymsg_is_valid(&msg, (size_t)n)) {
			log_warn("the proxy sent what is no message; it is stopped");
			(void)kill(p->proxy->pid, SIGKILL);
			lost(p);
			return;
		}
		record(w, p, &msg);
		/* The proxy answers the client now: see await_warden() there. */
		if (proxymsg_is_denial(&msg))
			(void)send(p->proxy->sock, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) > 0 && (p.revents & POLLIN) != 0;
}

bool proxyctl_has_unread(const struct place *p)
{
	return p->proxy->failures < PROXY_FAILURES_MAX && is_readable(p->cell->fds[CELL_FD_NFLOG], 0);
}

/*
 * A command that was refused and gave up is over before the proxy that its packet wakes has begun:
 * the audit has it all the same. What the kernel has queued is read first, then the proxy ends by
 * the end of file and what it said until then is read.
 */
void proxyctl_drain(struct warden *w)
{
	const struct place place = cells_place(w), *p = &place;
	int64_t end = clock_ms() + PROXY_DRAIN_MS;
	int refused = w->cell.fds[CELL_FD_NFLOG];
	bool is_last = false;

	if (p->cell->pid <= 0 || !w->has_ended)
		return;
	if (p->proxy->pid == 0 && proxyctl_has_unread(p))
		proxyctl_start(w, p);
	while (p->proxy->pid > 0 && clock_ms() < end) {
		if (!is_last && !is_readable(refused, 0)) {
			is_last = true;
			(void)shutdown(p->proxy->sock, SHUT_WR);
		}
		if (is_readable(p->proxy->sock, is_last ? PROXY_DRAIN_MS : 1))
			proxyctl_read(w, p);
	}
}
