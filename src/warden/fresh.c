/*
 * Runs in the warden. Hostile: what runs in the cells; it reaches their proxies alone, and of a cell's
 * first process we believe how its command ended.
 *
 *	free -> in making -> ready -> running -> (its proxy says the rest) ending -> free
 *
 * Whatever closes a cell's control socket frees it, in every state.
 */
#include "warden/fresh.h"

#include "warden/warden.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sys.h"
#include "wire/job.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

/* Rationale: events of one turn of the loop, so that execs do not wait behind a flood. */
#define BATCH 32
/* Rationale: a cell that cannot be made for the commands that wait will not be at the tenth try. */
#define FAILURES_MAX 4u
#define DRAIN_TURN_MS 2
/*
 * Rationale: the pool is filled when no command has come for a while: else it would take the CPU from
 * the one that has just begun. But for the last ones: who starts one after the other needs them soon.
 */
#define QUIET_MS 10
#define LOW 2u
/* Rationale: more than CPUs would only make the first of them wait for the last. */
#define PARALLEL 4u
/* Rationale: twice what the cells need with sixteen localhost ports each. */
#define FILES_MAX 8192u

enum state { FREE, IN_MAKING, READY, RUNNING, ENDING, STATE_COUNT };

/* What an event of a cell is about: the rest are its listeners, by enum cell_fd. */
enum about { ABOUT_CTL = CELL_FD_COUNT, ABOUT_PROXY, ABOUT_TIMER, ABOUT_COUNT };

struct fresh_cell {
	struct cell cell;
	struct proxy proxy;
	enum state state;
	uint32_t command;
	int64_t ended_ms;
	bool is_drained; /* its proxy has been told to end */
};

struct fresh {
	int epoll, timer;
	unsigned n[STATE_COUNT];
	unsigned failures; /* one after the other */
	int64_t given_ms; /* when the last command came */
	struct fresh_cell cells[FRESH_CELLS_MAX];
};

/* ---- events ---- */

static void watch(const struct fresh *f, const struct fresh_cell *c, int fd, unsigned about)
{
	struct epoll_event event = { .events = EPOLLIN,
		.data.u64 = (uint64_t)(c - f->cells) << 8 | about };

	/* One that cannot be watched is a cell without a network, or one that lives until the end. */
	if (fd >= 0)
		(void)epoll_ctl(f->epoll, EPOLL_CTL_ADD, fd, &event);
}

static void unwatch(const struct fresh *f, int fd)
{
	if (fd >= 0)
		(void)epoll_ctl(f->epoll, EPOLL_CTL_DEL, fd, NULL);
}

/* While no proxy runs, the first packet of the cell wakes us. */
static void watch_network(const struct fresh *f, const struct fresh_cell *c, bool wants)
{
	for (unsigned i = CELL_FD_TCP4; i < CELL_FD_COUNT; i++) {
		if (i == CELL_FD_DIAG)
			continue;
		if (wants)
			watch(f, c, c->cell.fds[i], i);
		else
			unwatch(f, c->cell.fds[i]);
	}
}

/* Wakes us for proxies that are to end, and for the pool. */
static void set_timer(const struct fresh *f)
{
	int ms = f->n[ENDING] > 0 ? DRAIN_TURN_MS : f->n[READY] < FRESH_POOL && f->failures < FAILURES_MAX ? QUIET_MS : 0;
	struct itimerspec when = { .it_value.tv_nsec = ms * 1000000L };

	(void)timerfd_settime(f->timer, 0, &when, NULL);
}

static void set_state(struct fresh *f, struct fresh_cell *c, enum state state)
{
	f->n[c->state]--;
	f->n[state]++;
	c->state = state;
}

static struct place place_of(struct fresh_cell *c)
{
	return (struct place){ .cell = &c->cell,
		.proxy = &c->proxy,
		.command = c->command,
		.is_ending = c->state == ENDING };
}

/* ---- begin and end ---- */

int fresh_init(struct warden *w, struct fresh **ret, struct err *err)
{
	struct fresh *f;

	*ret = NULL;
	if (w->plan->is_run_verb || w->plan->mode != RUN_SPLIT ||
		strcmp(policy_value(w->plan->policy, PK_SANDBOX_ISOLATION)->value, "command") != 0)
		return 0;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return err_set(err, ENOMEM, "cells");
	f->n[FREE] = FRESH_CELLS_MAX;
	f->epoll = epoll_create1(EPOLL_CLOEXEC);
	f->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	*ret = f;
	if (f->epoll < 0 || f->timer < 0)
		return err_set(err, errno, "cells");
	watch(f, f->cells, f->timer, ABOUT_TIMER);
	return 0;
}

/* Its processes die by themselves when their sockets close; this one is sure. */
static void release(struct fresh *f, struct fresh_cell *c)
{
	proxyctl_stop(&c->proxy);
	if (c->cell.fds[CELL_FD_PID] >= 0)
		(void)sys_pidfd_send_signal(c->cell.fds[CELL_FD_PID], SIGKILL);
	for (unsigned i = 0; i < CELL_FD_COUNT; i++)
		cleanup_close(&c->cell.fds[i]);
	cleanup_close(&c->cell.ctl);
	cleanup_close(&c->cell.jobs);
	c->cell.pid = 0;
	set_state(f, c, FREE);
}

void fresh_stop(struct fresh *f)
{
	for (size_t i = 0; f != NULL && i < FRESH_CELLS_MAX; i++)
		if (f->cells[i].state != FREE)
			release(f, &f->cells[i]);
}

void fresh_free(struct fresh *f)
{
	if (f == NULL)
		return;
	cleanup_close(&f->epoll);
	cleanup_close(&f->timer);
	free(f);
}

int fresh_fd(const struct fresh *f)
{
	return f != NULL ? f->epoll : -1;
}

const struct cell *fresh_cell(const struct fresh *f, uint32_t command)
{
	for (size_t i = 0; f != NULL && i < FRESH_CELLS_MAX; i++)
		if (f->cells[i].state == RUNNING && f->cells[i].command == command)
			return &f->cells[i].cell;
	return NULL;
}

/* ---- making ---- */

/* Each cell has a dozen of descriptors here; what the agent and its commands get stays as it was. */
static void raise_descriptor_limit(struct warden *w)
{
	struct rlimit limit;

	if (w->files.rlim_cur > 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= FILES_MAX)
		return;
	w->files = limit;
	limit.rlim_cur = limit.rlim_max < FILES_MAX ? limit.rlim_max : FILES_MAX;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static struct fresh_cell *find(struct fresh *f, enum state state)
{
	for (size_t i = 0; f->n[state] > 0 && i < FRESH_CELLS_MAX; i++)
		if (f->cells[i].state == state)
			return &f->cells[i];
	return NULL;
}

static bool ask(struct warden *w, struct fresh *f)
{
	struct fresh_cell *c = find(f, FREE);
	struct err err = { 0 };
	struct cell cell;

	if (c == NULL || w->start->ask_cell(&w->cell, &cell, &err) < 0)
		return false;
	*c = (struct fresh_cell){ .cell = cell, .proxy.sock = -1, .state = c->state };
	set_state(f, c, IN_MAKING);
	watch(f, c, c->cell.ctl, ABOUT_CTL);
	return true;
}

void fresh_fill(struct warden *w, struct fresh *f)
{
	size_t wanted;

	if (f == NULL || w->cell.pid <= 0 || w->has_ended)
		return;
	raise_descriptor_limit(w);
	wanted = w->n_queued > f->n[READY] ? w->n_queued - f->n[READY] : 0;
	/* After failures only a command is worth another try. */
	if (wanted == 0 && f->failures < FAILURES_MAX && (f->n[READY] < LOW ||
		(f->n[READY] < FRESH_POOL && clock_ms() - f->given_ms >= QUIET_MS)))
		wanted = 1;
	while (f->n[IN_MAKING] < wanted && f->n[IN_MAKING] < PARALLEL && ask(w, f))
		continue;
	set_timer(f);
}

/* Who waits must not do so for ever: its shim ends when the queue lets it go. */
static void failed(struct warden *w, struct fresh *f, struct fresh_cell *c, const char *why)
{
	release(f, c);
	if (++f->failures >= FAILURES_MAX && w->n_queued > 0) {
		log_error("no cell could be made for a command: %s", why);
		job_drop(w);
	}
	fresh_fill(w, f);
}

static void follow(struct warden *w, struct fresh *f, struct fresh_cell *c)
{
	struct err err = { 0 };
	int r = w->start->follow_cell(&c->cell, &err), flags;

	if (r == CELL_IN_MAKING)
		return;
	flags = r < 0 ? -1 : fcntl(c->cell.jobs, F_GETFL);
	if (flags < 0 || fcntl(c->cell.jobs, F_SETFL, flags | O_NONBLOCK) < 0) {
		failed(w, f, c, r < 0 ? err.text : "fcntl");
		return;
	}
	f->failures = 0;
	cleanup_close(&c->cell.fds[CELL_FD_ROOT]);
	masks_listen(w, take_fd(&c->cell.fds[CELL_FD_CALLS]));
	set_state(f, c, READY);
	job_flush(w);
	fresh_fill(w, f);
}

/* ---- running ---- */

int fresh_send(struct warden *w, struct fresh *f, const struct fresh_job *job, struct err *err)
{
	struct fresh_cell *c;
	int r = -EAGAIN;

	while (r < 0 && (c = find(f, READY)) != NULL) {
		r = job_send(c->cell.jobs, job->head, job->body, job->sock, job->stdio, err);
		if (r == -EPIPE || r == -ECONNRESET) {
			release(f, c);
			continue;
		}
		if (r < 0)
			return r;
		c->command = job->head->id;
		f->given_ms = clock_ms();
		set_state(f, c, RUNNING);
		watch_network(f, c, true);
	}
	fresh_fill(w, f);
	return r < 0 ? -EAGAIN : 0;
}

static void start_proxy(struct warden *w, const struct fresh *f, struct fresh_cell *c)
{
	struct place place = place_of(c);

	watch_network(f, c, false);
	proxyctl_start(w, &place);
	watch(f, c, c->proxy.sock, ABOUT_PROXY);
}

/* A proxy still says what there is to say, and ends: see proxyctl_drain(). */
static void drain(struct warden *w, struct fresh *f, struct fresh_cell *c)
{
	struct place place = place_of(c);

	if (c->proxy.pid == 0 && !c->is_drained && proxyctl_has_unread(&place))
		start_proxy(w, f, c);
	if (c->proxy.pid == 0 || clock_ms() - c->ended_ms > PROXY_DRAIN_MS) {
		release(f, c);
		return;
	}
	if (c->is_drained || proxyctl_has_unread(&place))
		return;
	c->is_drained = true;
	(void)shutdown(c->proxy.sock, SHUT_WR);
}

/* With its command the cell ends, whatever that one left. */
static void end(struct warden *w, struct fresh *f, struct fresh_cell *c)
{
	unwatch(f, c->cell.ctl);
	cleanup_close(&c->cell.ctl);
	cleanup_close(&c->cell.jobs);
	if (c->proxy.pid == 0)
		watch_network(f, c, false);
	c->ended_ms = clock_ms();
	set_state(f, c, ENDING);
	drain(w, f, c);
	set_timer(f);
}

static void lost(struct warden *w, struct fresh *f, struct fresh_cell *c)
{
	struct audit_record r;

	audit_begin(&w->audit, &r, "cell-lost");
	audit_number(&r, "command", c->command);
	(void)audit_end(&r);
	end(w, f, c);
}

static void read_running(struct warden *w, struct fresh *f, struct fresh_cell *c)
{
	struct cell_msg msg;
	ssize_t n = recv(c->cell.ctl, &msg, sizeof(msg), MSG_DONTWAIT);
	struct command *command = &w->commands[c->command % COMMANDS_MAX];

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != (ssize_t)sizeof(msg)) {
		lost(w, f, c);
		return;
	}
	/* There is one command in it. */
	msg.id = c->command;
	if (msg.type == CELL_MSG_STARTED && command->id == c->command) {
		command->cell_pid = (pid_t)msg.value;
	} else if (msg.type == CELL_MSG_LIMIT) {
		limit_tell(w, &c->cell, &msg);
	} else if (msg.type == CELL_MSG_EXIT) {
		cells_command_ended(w, &msg);
		end(w, f, c);
	}
}

static void read_ctl(struct warden *w, struct fresh *f, struct fresh_cell *c)
{
	switch (c->state) {
	case IN_MAKING:
		follow(w, f, c);
		break;
	case RUNNING:
		read_running(w, f, c);
		break;
	case READY: /* it has nothing to say: it is gone */
		release(f, c);
		fresh_fill(w, f);
		break;
	case FREE:
	case ENDING:
	case STATE_COUNT:
		break;
	}
}

static void read_proxy(struct warden *w, struct fresh *f, struct fresh_cell *c)
{
	struct place place = place_of(c);

	if (c->proxy.pid == 0)
		return;
	proxyctl_read(w, &place);
	/* Its socket is closed, and with that no longer watched. */
	if (c->proxy.pid > 0)
		return;
	if (c->state == ENDING)
		drain(w, f, c);
	else if (c->state == RUNNING)
		watch_network(f, c, true);
}

static void read_timer(struct warden *w, struct fresh *f)
{
	uint64_t count;

	(void)!read(f->timer, &count, sizeof(count));
	for (size_t i = 0; f->n[ENDING] > 0 && i < FRESH_CELLS_MAX; i++)
		if (f->cells[i].state == ENDING)
			drain(w, f, &f->cells[i]);
	fresh_fill(w, f);
}

void fresh_dispatch(struct warden *w, struct fresh *f)
{
	struct epoll_event events[BATCH];
	int n = epoll_wait(f->epoll, events, BATCH, 0);

	for (int i = 0; i < n; i++) {
		struct fresh_cell *c = &f->cells[events[i].data.u64 >> 8];
		unsigned about = (unsigned)(events[i].data.u64 & 0xff);

		if (about == ABOUT_TIMER)
			read_timer(w, f);
		else if (about == ABOUT_CTL)
			read_ctl(w, f, c);
		else if (about == ABOUT_PROXY)
			read_proxy(w, f, c);
		/* An earlier event of this turn may have started it, or ended the cell. */
		else if (c->state == RUNNING && c->proxy.pid == 0 && c->proxy.failures < PROXY_FAILURES_MAX)
			start_proxy(w, f, c);
	}
}

void fresh_drain(struct warden *w, struct fresh *f)
{
	int64_t end = clock_ms() + PROXY_DRAIN_MS;
	struct pollfd p = { .fd = fresh_fd(f), .events = POLLIN };

	if (f == NULL)
		return;
	/* What has been said already, then what proxies have still to say. */
	fresh_dispatch(w, f);
	while (f->n[ENDING] > 0 && clock_ms() < end)
		if (poll(&p, 1, DRAIN_TURN_MS) > 0)
			fresh_dispatch(w, f);
}
