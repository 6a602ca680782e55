/*
 * See keeper.h and the states in keeperctl.h. Runs in the warden, which never reads a pipe with a
 * value in it. Hostile: nothing; the mother's words are checked by keeperctl.c.
 */
#include "warden/keeper.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "policy/sources.h"
#include "wire/fdpass.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

/* Rationale: a source that fails is asked again, but never more often than this. */
#define BACKOFF_FIRST_S 2
#define BACKOFF_LAST_S 64
/* Rationale: a keeper counts from its own start, some milliseconds after the warden does. */
#define EXPIRY_MARGIN_S 1

/* ---- the audit ---- */

static void record(struct warden *w, const struct keeper *keeper, const char *state)
{
	struct audit_record r;

	audit_begin(&w->audit, &r, "keeper");
	audit_string(&r, "rule", rules_name(keeper->rule));
	audit_string(&r, "state", state);
	if (keeper->reason[0] != '\0')
		audit_string(&r, "reason", keeper->reason);
	(void)audit_end(&r);
}

static void record_source(
	struct warden *w, const struct keeper *keeper, unsigned slot, const struct err *failure)
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

/* ---- states ---- */

static void set_reason(struct keeper *keeper, const char *text)
{
	(void)log_quote(text, strlen(text), keeper->reason, sizeof(keeper->reason));
}

void keeper_stop_sources(struct warden *w, struct keeperctl *k, struct keeper *keeper)
{
	for (unsigned slot = 0; slot < KEEPMSG_SLOT_COUNT; slot++) {
		keeper_unwatch(k, keeper->sources[slot].report);
		w->start->stop_source(&keeper->sources[slot]);
	}
	keeper->wanted = keeper->fetched = 0;
}

/* Back to idle, refusing for a while. The user hears of the first failure in a row. */
static void failed(struct warden *w, struct keeperctl *k, struct keeper *keeper, const char *why)
{
	int64_t wait_s = BACKOFF_FIRST_S;

	keeper_stop_sources(w, k, keeper);
	set_reason(keeper, why);
	if (keeper->n_failures == 0)
		log_warn("the rule %s is refused: %s", rules_name(keeper->rule), keeper->reason);
	for (unsigned i = 0; i < keeper->n_failures && wait_s < BACKOFF_LAST_S; i++)
		wait_s *= 2;
	keeper->n_failures++;
	keeper->not_before_ms = clock_ms() + wait_s * 1000;
	keeper->state = KEEPER_IDLE;
	record(w, keeper, "failed");
	keeper_refuse_waiting(k, keeper);
	(void)keeper_watch(k, keeper->ours, keeper_event(k, keeper, KEEPER_EVENT_SOCKET));
}

/* What was given away went with them; the rest is refused from now on. */
void keeper_gone(struct warden *w, struct keeperctl *k, struct keeper *keeper, const char *why)
{
	bool is_watched = keeper->state == KEEPER_IDLE;

	keeper_stop_sources(w, k, keeper);
	set_reason(keeper, why);
	keeper->state = KEEPER_GONE;
	if (keeper->ours < 0)
		return;
	keeper_refuse_waiting(k, keeper);
	if (!is_watched)
		(void)keeper_watch(k, keeper->ours, keeper_event(k, keeper, KEEPER_EVENT_SOCKET));
}

/* ---- starting a keeper ---- */

static void let_go_of_pipes(struct keeper *keeper)
{
	for (unsigned slot = 0; slot < KEEPMSG_SLOT_COUNT; slot++)
		cleanup_close(&keeper->sources[slot].value);
}

/* Nobody else tells when a keeper stops reading that still has something to do. */
static int set_timer(struct keeperctl *k, struct keeper *keeper)
{
	struct itimerspec when = { .it_value.tv_sec = (time_t)keeper->ttl_s + EXPIRY_MARGIN_S };

	cleanup_close(&keeper->timer);
	keeper->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (keeper->timer < 0 || timerfd_settime(keeper->timer, 0, &when, NULL) < 0)
		return -errno;
	return keeper_watch(k, keeper->timer, keeper_event(k, keeper, KEEPER_EVENT_TIMER));
}

static void start_keeper(struct warden *w, struct keeperctl *k, struct keeper *keeper)
{
	struct keepmsg_start msg = { .rule = (uint32_t)rules_index(keeper->rule),
		.slots = keeper->wanted,
		.ttl_s = (uint32_t)keeper->ttl_s,
		.serial = keeper->serial };
	int fds[1 + KEEPMSG_SLOT_COUNT], r;
	size_t n = 0;

	fds[n++] = keeper->ours;
	for (unsigned slot = 0; slot < KEEPMSG_SLOT_COUNT; slot++)
		if ((keeper->wanted & 1u << slot) != 0)
			fds[n++] = keeper->sources[slot].value;
	r = keeper->ttl_s > 0 ? set_timer(k, keeper) : 0;
	if (r == 0)
		r = fdpass_send(k->sock, &msg, sizeof(msg), fds, n);
	let_go_of_pipes(keeper);
	if (r < 0) {
		failed(w, k, keeper, "the keepers do not answer");
		return;
	}
	keeper->state = KEEPER_RUNNING;
	keeper->wanted = keeper->fetched = 0;
	keeper->n_failures = 0;
	keeper->reason[0] = '\0';
	/* Without a ttl a keeper that has died is to be seen: nobody else holds its end. */
	if (keeper->ttl_s == 0)
		cleanup_close(&keeper->ours);
	else
		keeper->not_before_ms = clock_ms() + (int64_t)keeper->ttl_s * 1000;
	record(w, keeper, "started");
}

void keeper_source_came(struct warden *w, struct keeperctl *k, struct keeper *keeper, unsigned slot)
{
	struct source *source = &keeper->sources[slot];
	struct err err = { 0 };

	keeper_unwatch(k, source->report);
	if (w->start->end_source(source, &err) < 0) {
		record_source(w, keeper, slot, &err);
		(void)err_prefix(&err, "%s", sources_key_name((enum keepmsg_slot)slot));
		failed(w, k, keeper, err.text);
		return;
	}
	if (source->is_trimmed)
		log_info("the rule %s: the line end after %s was taken off",
			rules_name(keeper->rule), sources_key_name((enum keepmsg_slot)slot));
	record_source(w, keeper, slot, NULL);
	keeper->fetched |= 1u << slot;
	if (keeper->fetched == keeper->wanted)
		start_keeper(w, k, keeper);
}

static int begin_sources(
	struct warden *w, struct keeperctl *k, struct keeper *keeper, struct err *err)
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
		if (source->pid > 0 &&
			keeper_watch(k, source->report, keeper_event(k, keeper, slot)) < 0)
			return err_set(err, ENOMEM, "watch a source");
	}
	return 0;
}

static void fetch(struct warden *w, struct keeperctl *k, struct keeper *keeper)
{
	struct err err = { 0 };

	keeper_unwatch(k, keeper->ours);
	keeper->state = KEEPER_FETCHING;
	if (keeperctl_need_mother(w, k, &err) < 0 || begin_sources(w, k, keeper, &err) < 0) {
		failed(w, k, keeper, err.text);
		return;
	}
	if (keeper->wanted == 0)
		start_keeper(w, k, keeper);
	/* What needs no process is there at once. The last one starts the keeper. */
	for (unsigned slot = 0; slot < KEEPMSG_SLOT_COUNT && keeper->state == KEEPER_FETCHING;
		slot++)
		if ((keeper->wanted & 1u << slot) != 0 && keeper->sources[slot].pid == 0)
			keeper_source_came(w, k, keeper, slot);
}

/* ---- what comes in ---- */

void keeper_connection(struct warden *w, struct keeperctl *k, struct keeper *keeper)
{
	if (keeper->state == KEEPER_GONE ||
		(keeper->state == KEEPER_IDLE && clock_ms() < keeper->not_before_ms))
		keeper_refuse_waiting(k, keeper);
	else if (keeper->state == KEEPER_IDLE)
		fetch(w, k, keeper);
}

static void become_idle(struct warden *w, struct keeperctl *k, struct keeper *keeper)
{
	record(w, keeper, "expired");
	keeper->reason[0] = '\0';
	keeper->not_before_ms = 0;
	keeper->state = KEEPER_IDLE;
	(void)keeper_watch(k, keeper->ours, keeper_event(k, keeper, KEEPER_EVENT_SOCKET));
}

void keeper_expired(struct warden *w, struct keeperctl *k, struct keeper *keeper)
{
	cleanup_close(&keeper->timer);
	if (keeper->state != KEEPER_RUNNING)
		return;
	keeper->serial++;
	become_idle(w, k, keeper);
}

void keeper_ended(struct warden *w, struct keeperctl *k, struct keeper *keeper,
	const struct keepmsg_ended *msg)
{
	cleanup_close(&keeper->timer);
	set_reason(keeper, msg->reason);
	if (WIFEXITED(msg->status) && WEXITSTATUS(msg->status) == KEEPMSG_EXIT_EXPIRED &&
		keeper->ours >= 0) {
		become_idle(w, k, keeper);
		return;
	}
	record(w, keeper, "ended");
	log_warn("the keeper of the rule %s ended (status 0x%x)%s%s: its requests are refused %s",
		rules_name(keeper->rule), (unsigned)msg->status,
		keeper->reason[0] != '\0' ? ": " : "", keeper->reason,
		keeper->ours >= 0 ? "until its ttl is over" : "from now on");
	keeper->state = KEEPER_GONE;
	if (keeper->ours < 0)
		return;
	/* not_before_ms is when its ttl would have been over. */
	if (keeper->reason[0] == '\0')
		set_reason(keeper, "the rule's keeper has ended");
	keeper->state = KEEPER_IDLE;
	(void)keeper_watch(k, keeper->ours, keeper_event(k, keeper, KEEPER_EVENT_SOCKET));
}
