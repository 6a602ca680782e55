/*
 * The mother of the keepers, and the loop's side of all of them. Runs in the warden. Hostile: at
 * most a mother that has gone wrong; one that sends what is no message is ended.
 */
#include "warden/keeper.h"
#include "warden/netrole.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "policy/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* ---- events ---- */

uint64_t keeper_event(const struct keeperctl *k, const struct keeper *keeper, unsigned slot)
{
	return (uint64_t)(keeper - k->keepers) << 4 | slot;
}

int keeper_watch(struct keeperctl *k, int fd, uint64_t id)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = id };

	return epoll_ctl(k->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void keeper_unwatch(struct keeperctl *k, int fd)
{
	if (fd >= 0)
		(void)epoll_ctl(k->epoll, EPOLL_CTL_DEL, fd, NULL);
}

/* ---- the mother ---- */

static pid_t start_role(struct warden *w, int sock, struct err *err)
{
	AUTO_CLOSE int policy = netrole_policy(w->plan->policy, err);
	int fds[KEEPER_FD_COUNT - KEEPER_FD_POLICY];
	struct netrole role = { .name = "@keeper",
		.fds = fds,
		.n_fds = ARRAY_LEN(fds),
		.keeps_stderr = w->plan->verbose,
		.mask = &w->old_mask };

	if (policy < 0)
		return -err->code;
	fds[0] = policy;
	fds[KEEPER_FD_WARDEN - KEEPER_FD_POLICY] = sock;
	fds[KEEPER_FD_ROOTS - KEEPER_FD_POLICY] = w->trust.fds[TRUST_FD_ROOTS];
	return netrole_start(&role, err);
}

int keeperctl_need_mother(struct warden *w, struct keeperctl *k, struct err *err)
{
	AUTO_CLOSE int ours = -1, theirs = -1;
	int pair[2];
	pid_t pid;

	if (k->mother > 0)
		return 0;
	if (k->is_lost)
		return err_set(err, 0, "the keepers have ended; start a new session");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "socketpair");
	ours = pair[0];
	theirs = pair[1];
	/* One that does not read must not stop the warden. */
	if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0 || keeper_watch(k, ours, KEEPER_EVENT_MOTHER) < 0)
		return err_set(err, errno, "socketpair");
	pid = k->start_mother(w, theirs, err);
	if (pid < 0)
		return -err->code;
	k->mother = pid;
	k->sock = take_fd(&ours);
	return 0;
}

static void lost(struct warden *w, struct keeperctl *k)
{
	struct audit_record r;
	int status = 0;

	(void)kill(k->mother, SIGKILL);
	(void)waitpid(k->mother, &status, 0);
	k->mother = 0;
	k->is_lost = true;
	cleanup_close(&k->sock);
	audit_begin(&w->audit, &r, "keepers-lost");
	audit_number(&r, "status", status);
	(void)audit_end(&r);
	log_warn("the keepers ended (status 0x%x): requests that need a secret are refused for the "
		 "rest "
		 "of the session",
		(unsigned)status);
	for (size_t i = 0; i < k->n; i++)
		keeper_gone(w, k, &k->keepers[i], "the keepers have ended; start a new session");
}

/* ---- what comes in ---- */

static void read_mother(struct warden *w, struct keeperctl *k)
{
	for (unsigned i = 0; i < KEEPER_BATCH && k->mother > 0; i++) {
		struct keepmsg_ended msg;
		ssize_t n = recv(k->sock, &msg, sizeof(msg), MSG_DONTWAIT | MSG_TRUNC);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n != (ssize_t)sizeof(msg) || msg.rule >= k->n ||
			memchr(msg.reason, '\0', sizeof(msg.reason)) == NULL) {
			lost(w, k);
			return;
		}
		if (k->keepers[msg.rule].state == KEEPER_RUNNING &&
			k->keepers[msg.rule].serial == msg.serial)
			keeper_ended(w, k, &k->keepers[msg.rule], &msg);
	}
}

void keeperctl_dispatch(struct warden *w, struct keeperctl *k)
{
	struct epoll_event events[KEEPER_BATCH];
	int n = epoll_wait(k->epoll, events, KEEPER_BATCH, 0);

	for (int i = 0; i < n; i++) {
		uint64_t id = events[i].data.u64;
		struct keeper *keeper = &k->keepers[id >> 4 < k->n ? id >> 4 : 0];
		unsigned slot = id & 15u;

		if (id == KEEPER_EVENT_MOTHER && k->mother > 0)
			read_mother(w, k);
		else if (id != KEEPER_EVENT_MOTHER && slot == KEEPER_EVENT_SOCKET)
			keeper_connection(w, k, keeper);
		else if (id != KEEPER_EVENT_MOTHER && slot == KEEPER_EVENT_TIMER)
			keeper_expired(w, k, keeper);
		/* An earlier event of this turn may have stopped it. */
		else if (id != KEEPER_EVENT_MOTHER && keeper->sources[slot].pid > 0)
			keeper_source_came(w, k, keeper, slot);
	}
}

/* ---- begin and end ---- */

static int init_keeper(struct keeperctl *k, struct keeper *keeper, struct err *err)
{
	const struct policy_item *ttl = rules_value(keeper->rule, RULES_TTL);
	int pair[2];

	keeper->ours = keeper->theirs = keeper->timer = -1;
	for (unsigned slot = 0; slot < KEEPMSG_SLOT_COUNT; slot++)
		keeper->sources[slot] = (struct source){ .report = -1, .value = -1 };
	if (ttl != NULL && !str_to_ulong(ttl->value, UINT32_MAX, &keeper->ttl_s))
		return err_set(err, 0, "ttl is no number of seconds");
	/* Whoever reads may find that another one was faster: see keeper_expired(). */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return err_set(err, errno, "socketpair");
	keeper->ours = pair[0];
	keeper->theirs = pair[1];
	return keeper_watch(k, keeper->ours, keeper_event(k, keeper, KEEPER_EVENT_SOCKET));
}

/* Its length alone is known here, and only of what was there at the start. */
static void warn_short(const struct warden *w, const struct rules_rule *rule,
	const struct source_shapes *shapes)
{
	size_t bytes = shapes->slots[KEEPMSG_SLOT_SECRET].bytes;

	if (w->plan->quiet || bytes == 0 || bytes >= KEEPMSG_REDACT_MIN ||
		rules_says(rule, RULES_REDACT, "no"))
		return;
	log_warn("[inject %s]: the secret has fewer than %u bytes: a host that sends it back shows it "
		 "to commands",
		rules_name(rule), KEEPMSG_REDACT_MIN);
}

int keeperctl_init(struct warden *w, struct keeperctl **ret, struct err *err)
{
	size_t n;
	const struct rules_rule *const *rules = rules_all(w->plan->policy, &n);
	struct keeperctl *k;

	*ret = NULL;
	if (n == 0)
		return 0;
	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return err_set(err, ENOMEM, "rules");
	*ret = k;
	k->sock = -1;
	k->start_mother = start_role;
	for (unsigned i = 0; i < KEEPER_REFUSED; i++)
		k->refused[i] = -1;
	k->keepers = calloc(n, sizeof(k->keepers[0]));
	k->shapes = calloc(n, sizeof(k->shapes[0]));
	k->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (k->keepers == NULL || k->shapes == NULL || k->epoll < 0)
		return err_set(err, ENOMEM, "rules");
	if (w->start->check_sources(w->plan, k->shapes, err) < 0)
		return -err->code;
	for (; k->n < n; k->n++) {
		k->keepers[k->n].rule = rules[k->n];
		warn_short(w, rules[k->n], &k->shapes[k->n]);
		if (init_keeper(k, &k->keepers[k->n], err) < 0)
			return -err->code;
	}
	return 0;
}

void keeperctl_stop(struct warden *w, struct keeperctl *k)
{
	if (k == NULL)
		return;
	for (size_t i = 0; i < k->n; i++) {
		keeper_stop_sources(w, k, &k->keepers[i]);
		cleanup_close(&k->keepers[i].ours);
		cleanup_close(&k->keepers[i].theirs);
		cleanup_close(&k->keepers[i].timer);
	}
	if (k->mother > 0) {
		(void)kill(k->mother, SIGKILL);
		(void)waitpid(k->mother, NULL, 0);
	}
	for (unsigned i = 0; i < KEEPER_REFUSED; i++)
		cleanup_close(&k->refused[i]);
	cleanup_close(&k->sock);
	cleanup_close(&k->epoll);
	free(k->keepers);
	free(k->shapes);
	free(k);
}

int keeperctl_fd(const struct keeperctl *k)
{
	return k != NULL ? k->epoll : -1;
}

size_t keeperctl_proxy_ends(const struct keeperctl *k, int *fds)
{
	size_t n = k != NULL ? k->n : 0;

	for (size_t i = 0; i < n; i++)
		fds[i] = k->keepers[i].theirs;
	return n;
}

const struct source_shapes *keeperctl_shapes(const struct keeperctl *k)
{
	return k != NULL ? k->shapes : NULL;
}

void keeperctl_set_mother(struct keeperctl *k, keeperctl_mother *mother)
{
	k->start_mother = mother;
}
