/*
 * See keeperctl.h. Runs in the warden, which never reads a pipe with a value in it. Hostile: the
 * proxy's messages at the rules' sockets, of which nothing is believed: they are either left to the
 * keeper or answered and dropped.
 */
#include "warden/keeperctl.h"

#include "warden/netrole.h"
#include "warden/warden.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "policy/sources.h"
#include "wire/fdpass.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

/* Rationale: a source that fails is asked again, but never more often than this. */
#define BACKOFF_FIRST_S 2
#define BACKOFF_LAST_S 64
/* Rationale: connections answered in one turn of the loop, so that execs do not wait. */
#define BATCH 16u

enum state {
	IDLE,     /* the first connection starts it; before not_before_ms all are refused */
	FETCHING, /* its sources run; connections wait in the socket */
	RUNNING,  /* its keeper reads the socket */
	GONE,     /* for this session; what is still held here is refused */
};

struct keeper {
	const struct rules_rule *rule;
	int ours, theirs; /* the keeper's end and the proxy's; ours -1: given away */
	enum state state;
	struct source sources[KEEPMSG_SLOT_COUNT];
	uint32_t wanted, fetched; /* bits of slots */
	unsigned n_failures; /* in a row */
	int64_t not_before_ms;
	unsigned long ttl_s; /* 0: none */
	char reason[KEEPMSG_REASON_MAX]; /* of the last failure */
};

struct keeperctl {
	int epoll;
	pid_t mother; /* 0: not running */
	int sock;     /* to it; -1 */
	bool is_lost;
	keeperctl_mother *start_mother;
	struct source_shapes *shapes;
	struct keeper *keepers;
	size_t n;
};

/* What an event is of: a rule's socket or one of its sources, or the mother. */
#define EVENT_SOCKET 15u
#define EVENT_MOTHER UINT64_MAX

static uint64_t event_id(const struct keeperctl *k, const struct keeper *keeper, unsigned slot)
{
	return (uint64_t)(keeper - k->keepers) << 4 | slot;
}

static int watch(struct keeperctl *k, int fd, uint64_t id)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = id };

	return epoll_ctl(k->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void unwatch(struct keeperctl *k, int fd)
{
	if (fd >= 0)
		(void)epoll_ctl(k->epoll, EPOLL_CTL_DEL, fd, NULL);
}

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- the audit ---- */

static void record_keeper(struct warden *w, const struct keeper *keeper, const char *state)
{
	struct audit_record r;

	audit_begin(&w->audit, &r, "keeper");
	audit_string(&r, "rule", rules_name(keeper->rule));
	audit_string(&r, "state", state);
	if (keeper->reason[0] != '\0')
		audit_string(&r, "reason", keeper->reason);
	(void)audit_end(&r);
}

static void record_source(struct warden *w, const struct keeper *keeper, unsigned slot,
	const struct err *failure)
{
	const struct policy_item *item = sources_item(keeper->rule, (enum keepmsg_slot)slot);
	enum sources_kind kind = SOURCES_ENV;
	struct audit_record r;
	const char *arg;

	(void)sources_parse(item->value, &kind, &arg);
	audit_begin(&w->audit, &r, "source");
	audit_string(&r, "rule", rules_name(keeper->rule));
	audit_string(&r, "key", sources_key_name((enum keepmsg_slot)slot));
	audit_string(&r, "kind", sources_kind_name(kind));
	audit_string(&r, "result", failure == NULL ? "fetched" : "failed");
	if (failure != NULL)
		audit_string(&r, "reason", failure->text);
	(void)audit_end(&r);
}

/* ---- refusing: what no keeper will answer ---- */

/* One connection: KEEPMSG_FAILED on its channel, which comes first of its two descriptors. */
static void refuse_one(const struct keeper *keeper, const int *fds, size_t n_fds)
{
	struct {
		uint32_t type, status;
		char reason[KEEPMSG_REASON_MAX];
	} msg = { .type = KEEPMSG_FAILED, .status = 502 };
	size_t len = strlen(keeper->reason);

	memcpy(msg.reason, keeper->reason, len);
	if (n_fds > 0)
		(void)send(fds[0], &msg, 2 * sizeof(uint32_t) + len, MSG_DONTWAIT | MSG_NOSIGNAL);
	for (size_t i = 0; i < n_fds; i++)
		(void)close(fds[i]);
}

static void refuse_waiting(const struct keeper *keeper)
{
	struct pollfd p = { .fd = keeper->ours, .events = POLLIN };

	for (unsigned i = 0; i < BATCH && poll(&p, 1, 0) == 1 && (p.revents & POLLIN) != 0; i++) {
		struct keepmsg_open open;
		int fds[2];
		size_t n_fds = 0;

		if (fdpass_recv(keeper->ours, &open, sizeof(open), fds, 2, &n_fds) >= 0)
			refuse_one(keeper, fds, n_fds);
	}
}

static void set_reason(struct keeper *keeper, const char *text)
{
	(void)log_quote(text, strlen(text), keeper->reason, sizeof(keeper->reason));
}

static void stop_sources(struct warden *w, struct keeperctl *k, struct keeper *keeper)
{
	for (unsigned slot = 0; slot < KEEPMSG_SLOT_COUNT; slot++) {
		unwatch(k, keeper->sources[slot].report);
		w->start->stop_source(&keeper->sources[slot]);
	}
	keeper->wanted = keeper->fetched = 0;
}

/* Back to idle, refusing for a while. The user hears of the first failure in a row. */
static void failed(struct warden *w, struct keeperctl *k, struct keeper *keeper, const char *why)
{
	int64_t wait_s = BACKOFF_FIRST_S;

	stop_sources(w, k, keeper);
	set_reason(keeper, why);
	if (keeper->n_failures == 0)
		log_warn("the rule %s is refused: %s", rules_name(keeper->rule), keeper->reason);
	for (unsigned i = 0; i < keeper->n_failures && wait_s < BACKOFF_LAST_S; i++)
		wait_s *= 2;
	keeper->n_failures++;
	keeper->not_before_ms = now_ms() + wait_s * 1000;
	keeper->state = IDLE;
	record_keeper(w, keeper, "failed");
	refuse_waiting(keeper);
	(void)watch(k, keeper->ours, event_id(k, keeper, EVENT_SOCKET));
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

static int need_mother(struct warden *w, struct keeperctl *k, struct err *err)
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
	if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0 || watch(k, ours, EVENT_MOTHER) < 0)
		return err_set(err, errno, "socketpair");
	pid = k->start_mother(w, theirs, err);
	if (pid < 0)
		return -err->code;
	k->mother = pid;
	k->sock = take_fd(&ours);
	return 0;
}

/* What was given away went with them; the rest is refused from now on. */
static void gone(struct warden *w, struct keeperctl *k, struct keeper *keeper, const char *why)
{
	bool is_watched = keeper->state == IDLE;

	stop_sources(w, k, keeper);
	set_reason(keeper, why);
	keeper->state = GONE;
	if (keeper->ours < 0)
		return;
	refuse_waiting(keeper);
	if (!is_watched)
		(void)watch(k, keeper->ours, event_id(k, keeper, EVENT_SOCKET));
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
	log_warn("the keepers ended (status 0x%x): requests that need a secret are refused for the rest "
		 "of the session",
		(unsigned)status);
	for (size_t i = 0; i < k->n; i++)
		gone(w, k, &k->keepers[i], "the keepers have ended; start a new session");
}

/* ---- starting a keeper ---- */

static void let_go_of_pipes(struct keeper *keeper)
{
	for (unsigned slot = 0; slot < KEEPMSG_SLOT_COUNT; slot++)
		cleanup_close(&keeper->sources[slot].value);
}

static void start_keeper(struct warden *w, struct keeperctl *k, struct keeper *keeper)
{
	struct keepmsg_start msg = { .rule = (uint32_t)rules_index(keeper->rule),
		.slots = keeper->wanted,
		.ttl_s = (uint32_t)keeper->ttl_s };
	int fds[1 + KEEPMSG_SLOT_COUNT], r;
	size_t n = 0;

	fds[n++] = keeper->ours;
	for (unsigned slot = 0; slot < KEEPMSG_SLOT_COUNT; slot++)
		if ((keeper->wanted & 1u << slot) != 0)
			fds[n++] = keeper->sources[slot].value;
	r = fdpass_send(k->sock, &msg, sizeof(msg), fds, n);
	let_go_of_pipes(keeper);
	if (r < 0) {
		failed(w, k, keeper, "the keepers do not answer");
		return;
	}
	keeper->state = RUNNING;
	keeper->wanted = keeper->fetched = 0;
	keeper->n_failures = 0;
	keeper->reason[0] = '\0';
	/* Without a ttl a keeper that has died is to be seen: nobody else holds its end. */
	if (keeper->ttl_s == 0)
		cleanup_close(&keeper->ours);
	else
		keeper->not_before_ms = now_ms() + (int64_t)keeper->ttl_s * 1000;
	record_keeper(w, keeper, "started");
}

static void source_came(struct warden *w, struct keeperctl *k, struct keeper *keeper, unsigned slot)
{
	struct source *source = &keeper->sources[slot];
	struct err err = { 0 };

	unwatch(k, source->report);
	if (w->start->end_source(source, &err) < 0) {
		record_source(w, keeper, slot, &err);
		(void)err_prefix(&err, "%s", sources_key_name((enum keepmsg_slot)slot));
		failed(w, k, keeper, err.text);
		return;
	}
	if (source->is_trimmed)
		log_info("the rule %s: the line end after %s was taken off", rules_name(keeper->rule),
			sources_key_name((enum keepmsg_slot)slot));
	record_source(w, keeper, slot, NULL);
	keeper->fetched |= 1u << slot;
	if (keeper->fetched == keeper->wanted)
		start_keeper(w, k, keeper);
}

static int begin_sources(struct warden *w, struct keeperctl *k, struct keeper *keeper, struct err *err)
{
	struct source_request request = { .plan = w->plan, .rule = keeper->rule };

	for (unsigned slot = 0; slot < KEEPMSG_SLOT_COUNT; slot++) {
		struct source *source = &keeper->sources[slot];

		request.slot = (enum keepmsg_slot)slot;
		if (sources_item(keeper->rule, request.slot) == NULL)
			continue;
		if (w->start->begin_source(&request, source, err) < 0)
			return err_prefix(err, "%s", sources_key_name(request.slot));
		keeper->wanted |= 1u << slot;
		if (source->pid > 0 && watch(k, source->report, event_id(k, keeper, slot)) < 0)
			return err_set(err, ENOMEM, "watch a source");
	}
	return 0;
}

static void fetch(struct warden *w, struct keeperctl *k, struct keeper *keeper)
{
	struct err err = { 0 };

	unwatch(k, keeper->ours);
	keeper->state = FETCHING;
	if (need_mother(w, k, &err) < 0 || begin_sources(w, k, keeper, &err) < 0) {
		failed(w, k, keeper, err.text);
		return;
	}
	if (keeper->wanted == 0)
		start_keeper(w, k, keeper);
	/* What needs no process is there at once. The last one starts the keeper. */
	for (unsigned slot = 0; slot < KEEPMSG_SLOT_COUNT && keeper->state == FETCHING; slot++)
		if ((keeper->wanted & 1u << slot) != 0 && keeper->sources[slot].pid == 0)
			source_came(w, k, keeper, slot);
}

/* ---- what comes in ---- */

static void connection_waits(struct warden *w, struct keeperctl *k, struct keeper *keeper)
{
	if (keeper->state == GONE || (keeper->state == IDLE && now_ms() < keeper->not_before_ms))
		refuse_waiting(keeper);
	else if (keeper->state == IDLE)
		fetch(w, k, keeper);
}

static void keeper_ended(struct warden *w, struct keeperctl *k, const struct keepmsg_ended *msg)
{
	struct keeper *keeper = &k->keepers[msg->rule];

	set_reason(keeper, msg->reason);
	if (WIFEXITED(msg->status) && WEXITSTATUS(msg->status) == KEEPMSG_EXIT_EXPIRED &&
		keeper->ours >= 0) {
		record_keeper(w, keeper, "expired");
		keeper->reason[0] = '\0';
		keeper->not_before_ms = 0;
		keeper->state = IDLE;
		(void)watch(k, keeper->ours, event_id(k, keeper, EVENT_SOCKET));
		return;
	}
	record_keeper(w, keeper, "ended");
	log_warn("the keeper of the rule %s ended (status 0x%x)%s%s: its requests are refused %s",
		rules_name(keeper->rule), (unsigned)msg->status, keeper->reason[0] != '\0' ? ": " : "",
		keeper->reason, keeper->ours >= 0 ? "until its ttl is over" : "from now on");
	keeper->state = GONE;
	if (keeper->ours < 0)
		return;
	/* not_before_ms is when its ttl would have been over. */
	if (keeper->reason[0] == '\0')
		set_reason(keeper, "the rule's keeper has ended");
	keeper->state = IDLE;
	(void)watch(k, keeper->ours, event_id(k, keeper, EVENT_SOCKET));
}

static void read_mother(struct warden *w, struct keeperctl *k)
{
	for (unsigned i = 0; i < BATCH && k->mother > 0; i++) {
		struct keepmsg_ended msg;
		ssize_t n = recv(k->sock, &msg, sizeof(msg), MSG_DONTWAIT | MSG_TRUNC);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n != (ssize_t)sizeof(msg) || msg.rule >= k->n ||
			memchr(msg.reason, '\0', sizeof(msg.reason)) == NULL) {
			lost(w, k);
			return;
		}
		if (k->keepers[msg.rule].state == RUNNING)
			keeper_ended(w, k, &msg);
	}
}

void keeperctl_dispatch(struct warden *w, struct keeperctl *k)
{
	struct epoll_event events[BATCH];
	int n = epoll_wait(k->epoll, events, BATCH, 0);

	for (int i = 0; i < n; i++) {
		uint64_t id = events[i].data.u64;
		struct keeper *keeper = &k->keepers[id >> 4 < k->n ? id >> 4 : 0];
		unsigned slot = id & 15u;

		if (id == EVENT_MOTHER && k->mother > 0)
			read_mother(w, k);
		else if (id != EVENT_MOTHER && slot == EVENT_SOCKET)
			connection_waits(w, k, keeper);
		/* An earlier event of this turn may have stopped it. */
		else if (id != EVENT_MOTHER && keeper->sources[slot].pid > 0)
			source_came(w, k, keeper, slot);
	}
}

/* ---- begin and end ---- */

static int init_keeper(struct keeperctl *k, struct keeper *keeper, struct err *err)
{
	const struct policy_item *ttl = rules_value(keeper->rule, RULES_TTL);
	int pair[2];

	keeper->ours = keeper->theirs = -1;
	for (unsigned slot = 0; slot < KEEPMSG_SLOT_COUNT; slot++)
		keeper->sources[slot] = (struct source){ .report = -1, .value = -1 };
	if (ttl != NULL && !str_to_ulong(ttl->value, UINT32_MAX, &keeper->ttl_s))
		return err_set(err, 0, "ttl is no number of seconds");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "socketpair");
	keeper->ours = pair[0];
	keeper->theirs = pair[1];
	return watch(k, keeper->ours, event_id(k, keeper, EVENT_SOCKET));
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
	k->keepers = calloc(n, sizeof(k->keepers[0]));
	k->shapes = calloc(n, sizeof(k->shapes[0]));
	k->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (k->keepers == NULL || k->shapes == NULL || k->epoll < 0)
		return err_set(err, ENOMEM, "rules");
	if (w->start->check_sources(w->plan, k->shapes, err) < 0)
		return -err->code;
	for (; k->n < n; k->n++) {
		k->keepers[k->n].rule = rules[k->n];
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
		stop_sources(w, k, &k->keepers[i]);
		cleanup_close(&k->keepers[i].ours);
		cleanup_close(&k->keepers[i].theirs);
	}
	if (k->mother > 0) {
		(void)kill(k->mother, SIGKILL);
		(void)waitpid(k->mother, NULL, 0);
	}
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
