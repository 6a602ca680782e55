/* Runs in the warden. The helpers are our own code; a path in their messages is the project's. */
#include "warden/masks.h"

#include "warden/warden.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "wire/helpmsg.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Rationale: a tree of a million directories is looked through in less, also on a slow disk. */
#define BARRIER_MAX_MS 60000

/*
 * The kernel takes some 10 ms to put watches away, in who closes them last (fsnotify waits for its
 * readers): that is the helper, which nobody waits for. What is killed does nothing any more.
 */
static void helper_stop(struct helper *h)
{
	if (h->pid > 0)
		(void)kill(h->pid, SIGKILL);
	cleanup_close(&h->sock);
	h->pid = 0;
}

/* ---- start and end ---- */

int masks_begin(struct warden *w, struct err *err)
{
	masks_stop(w);
	if (w->start->begin_watch(&w->masks.watcher, &w->masks.watch, err) < 0)
		return -err->code;
	w->mounts.watcher = &w->masks.watcher;
	return 0;
}

int masks_start(struct warden *w, struct err *err)
{
	struct helper_request request = { .plan = w->plan,
		.mounts = &w->mounts,
		.watch = w->masks.watch };

	w->mounts.watcher = NULL;
	return w->start->start_helper(&request, &w->masks.cell, err);
}

static int enter(const struct helper *helper, const int *fds, size_t n, struct err *err)
{
	int r = helpmsg_send(helper->sock, HELPMSG_ENTER, 0, NULL, fds, n);

	return r < 0 ? err_set(err, -r, "helper") : 0;
}

static void tell_agent(struct warden *w, const char *path);

/* The agent's view is older than a cell that was made anew: what came while there was none. */
static void tell_agent_plan(struct warden *w)
{
	size_t skip = strlen(w->plan->project) + 1;

	for (size_t i = 0; i < w->mounts.n && w->masks.agent.sock >= 0; i++) {
		const struct mount_entry *e = &w->mounts.entries[i];
		size_t n;
		const struct policy_item *kept = policy_list(w->plan->policy, PK_AGENT_KEEP, &n);

		if (e->kind != MOUNT_HIDE || !e->is_in_project || e->cell_only ||
			strlen(e->path) <= skip)
			continue;
		while (n > 0 && !policy_path_matches(kept[n - 1].value, e->path, w->plan->project))
			n--;
		if (n == 0)
			tell_agent(w, e->path + skip);
	}
}

int masks_enter(struct warden *w, struct err *err)
{
	int *own = w->cell.fds;
	int fds[HELPER_FDS_MAX] = { [HELPER_FD_ROOT] = own[CELL_FD_ROOT],
		[HELPER_FD_MASKS] = own[CELL_FD_MASKS],
		[HELPER_FD_USERNS] = own[CELL_FD_USERNS],
		[HELPER_FD_MNTNS] = own[CELL_FD_MNTNS],
		[HELPER_FD_COUNT] = own[CELL_FD_UNLINKS] };
	int r = enter(&w->masks.cell, fds,
		HELPER_FD_COUNT + (own[CELL_FD_UNLINKS] >= 0 ? 1u : 0u), err);

	/* A namespace that is held open outlives its processes; a call waits for the listener's end. */
	cleanup_close(&own[CELL_FD_UNLINKS]);
	cleanup_close(&own[CELL_FD_MASKS]);
	cleanup_close(&own[CELL_FD_USERNS]);
	cleanup_close(&own[CELL_FD_MNTNS]);
	if (r == 0)
		tell_agent_plan(w);
	return r;
}

void masks_listen(struct warden *w, int listener)
{
	AUTO_CLOSE int owned = listener;

	/* Without a helper its cells end anyway; see lost(). */
	if (owned >= 0)
		(void)helpmsg_send(w->masks.cell.sock, HELPMSG_LISTENER, 0, NULL, &owned, 1);
}

int masks_enter_agent(struct warden *w, int *fds, struct err *err)
{
	struct helper_request request = { .plan = w->plan, .mounts = &w->mounts };
	struct masks *m = &w->masks;
	int r = w->start->start_helper(&request, &m->agent, err);

	if (r == 0)
		r = enter(&m->agent, fds, HELPER_FD_COUNT, err);
	for (unsigned i = 0; i < HELPER_FD_COUNT; i++)
		cleanup_close(&fds[i]);
	for (size_t at = 0; r == 0 && at < m->for_agent_bytes; at += strlen(m->for_agent + at) + 1)
		r = helpmsg_send(m->agent.sock, HELPMSG_MASK, 0, m->for_agent + at, NULL, 0);
	free(m->for_agent);
	m->for_agent = NULL;
	m->for_agent_bytes = 0;
	return r;
}

void masks_stop(struct warden *w)
{
	struct masks *m = &w->masks;

	w->start->end_watch(m->watch);
	/* The one before is long gone. */
	if (m->cell.pid > 0 && m->ended > 0)
		(void)waitpid(m->ended, NULL, 0);
	if (m->cell.pid > 0)
		m->ended = m->cell.pid;
	helper_stop(&m->cell);
	w->mounts.watcher = NULL;
	m->watch = NULL;
	/* What waited waits for nothing any more. */
	if (m->wanted > m->sent)
		m->sent = m->wanted;
	m->done = m->wanted = m->sent;
}

void masks_done(struct warden *w)
{
	masks_stop(w);
	helper_stop(&w->masks.agent);
	free(w->masks.for_agent);
	w->masks.for_agent = NULL;
}

/* Without its helper a view would show what comes: it ends. */
static void lost(struct warden *w, bool agent, const char *why)
{
	if (w->has_ended)
		return;
	log_error("hidden files are not watched any more, %s ends: %s",
		agent ? "the session" : "the cell", why);
	helper_stop(agent ? &w->masks.agent : &w->masks.cell);
	if (agent)
		(void)kill(w->agent.init, SIGKILL);
	else
		cells_lost(w);
}

/* ---- barriers ---- */

static void send_barrier(struct masks *m)
{
	m->sent++;
	m->sent_ms = denial_now_ms();
	/* One that is gone is noticed when its socket is read. */
	(void)helpmsg_send(m->cell.sock, HELPMSG_BARRIER, m->sent, NULL, NULL, 0);
}

uint32_t masks_barrier(struct warden *w)
{
	struct masks *m = &w->masks;

	/* The common case costs two looks: nothing has happened that is not dealt with. */
	if (m->watch == NULL || (m->sent == m->done && w->start->is_watch_idle(m->watch)))
		return m->done;
	/* One that is on its way does not cover what came after it. */
	if (m->sent == m->done)
		send_barrier(m);
	else
		m->wanted = m->sent + 1;
	return m->wanted > m->sent ? m->wanted : m->sent;
}

bool masks_is_done(const struct warden *w, uint32_t barrier)
{
	return (int32_t)(w->masks.done - barrier) >= 0;
}

int masks_timeout_ms(const struct warden *w)
{
	return w->masks.sent != w->masks.done ? 1000 : -1;
}

void masks_check_time(struct warden *w)
{
	const struct masks *m = &w->masks;

	if (m->sent != m->done && denial_now_ms() - m->sent_ms > BARRIER_MAX_MS)
		lost(w, false, "no answer");
}

int masks_wait(struct warden *w, uint32_t barrier, struct err *err)
{
	while (!masks_is_done(w, barrier)) {
		struct pollfd fd = { .fd = w->masks.cell.sock, .events = POLLIN };

		if (poll(&fd, 1, 1000) > 0)
			masks_read(w, false);
		masks_check_time(w);
		if (w->cell.pid <= 0)
			return err_set(err, 0, "the cell ended");
	}
	return 0;
}

/* ---- what helpers say ---- */

static void record(struct warden *w, const struct helpmsg *msg)
{
	AUTO_BUF struct buf path = { 0 };
	struct policy_question question = { .action = POLICY_READ };
	struct policy_answer answer;
	struct audit_record r;
	unsigned views = msg->value & (HELPMSG_IN_CELL | HELPMSG_IN_AGENT);

	buf_addf(&path, "%s/%s", w->plan->project, msg->text);
	if (path.failed)
		return;
	audit_begin(&w->audit, &r, "mask");
	audit_string(&r, "path", path.data);
	if (views != (HELPMSG_IN_CELL | HELPMSG_IN_AGENT))
		audit_string(&r, "view", views == HELPMSG_IN_CELL ? "cell" : "agent");
	question.path = path.data;
	policy_decide(w->plan->policy, &question, &answer);
	if ((msg->value & HELPMSG_BY_INODE) != 0) {
		audit_string(&r, "reason", "another name of a hidden file");
	} else if (answer.item != NULL && views != HELPMSG_IN_AGENT) {
		audit_string(&r, "rule_file", answer.item->origin.file);
		audit_number(&r, "rule_line", answer.item->origin.line);
	}
	(void)audit_end(&r);
}

static void tell_agent(struct warden *w, const char *path)
{
	struct masks *m = &w->masks;
	size_t n = strlen(path) + 1;
	char *more;

	if (w->plan->is_run_verb)
		return;
	if (m->agent.sock >= 0) {
		if (helpmsg_send(m->agent.sock, HELPMSG_MASK, 0, path, NULL, 0) < 0)
			lost(w, true, "its helper is gone");
		return;
	}
	more = realloc(m->for_agent, m->for_agent_bytes + n);
	if (more == NULL) {
		lost(w, true, "no memory");
		return;
	}
	memcpy(more + m->for_agent_bytes, path, n);
	m->for_agent = more;
	m->for_agent_bytes += n;
}

static void dispatch(struct warden *w, const struct helpmsg *msg, bool agent)
{
	struct masks *m = &w->masks;

	switch (msg->type) {
	case HELPMSG_MASKED:
		if ((msg->value & HELPMSG_AGAIN) == 0)
			record(w, msg);
		if ((msg->value & HELPMSG_IN_AGENT) != 0)
			tell_agent(w, msg->text);
		break;
	case HELPMSG_DONE:
		m->done = msg->value;
		if (m->wanted > m->sent)
			send_barrier(m);
		job_flush(w);
		break;
	case HELPMSG_WARNING:
		log_warn("%s", msg->text);
		break;
	default:
		lost(w, agent, msg->type == HELPMSG_FAILED ? msg->text : "no such message");
		break;
	}
}

void masks_read(struct warden *w, bool agent)
{
	struct helpmsg msg;
	size_t n = 0;
	int r = helpmsg_recv(agent ? w->masks.agent.sock : w->masks.cell.sock, &msg, NULL, 0, &n);

	if (r > 0)
		dispatch(w, &msg, agent);
	else
		lost(w, agent, r == 0 ? "its helper ended" : strerror(-r));
}
