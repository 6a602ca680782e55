/* Runs in the warden. The helpers are our own code; a path in their messages is the project's. */
#include "warden/masks.h"

#include "warden/warden.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sys.h"
#include "wire/helpmsg.h"

#include <errno.h>
#include <fcntl.h>
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

/* What comes behind the descriptors that every helper gets. */
struct helper_more {
	size_t n; /* of all */
	uint32_t present; /* enum helpmsg_enter */
};

static void add_fd(struct helper_more *more, int *fds, int fd, enum helpmsg_enter which)
{
	if (fd < 0)
		return;
	fds[more->n++] = fd;
	more->present |= (uint32_t)which;
}

static int enter(const struct helper *helper, const int *fds, const struct helper_more *more,
	struct err *err)
{
	int r = helpmsg_send(helper->sock, HELPMSG_ENTER, more->present, NULL, fds, more->n);

	return r < 0 ? err_set(err, -r, "helper") : 0;
}

static void tell_agent(struct warden *w, const char *path, unsigned how);

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
			tell_agent(w, e->path + skip, e->is_tracked ? HELPMSG_TRACKED : 0);
	}
}

/* The agent's view has the host's files: what its commands see instead is the cell's helper's to say. */
static void ask_for_held(struct warden *w)
{
	/* One that is gone is noticed when its socket is read. */
	if (w->held.dir >= 0 && w->masks.cell.sock >= 0 && w->masks.agent.sock >= 0)
		(void)helpmsg_send(w->masks.cell.sock, HELPMSG_SHOW, 0, NULL, NULL, 0);
}

int masks_enter(struct warden *w, struct err *err)
{
	int *own = w->cell.fds;
	AUTO_CLOSE int project = sys_openat2(own[CELL_FD_ROOT], w->plan->project + 1,
		O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_NO_MAGICLINKS | RESOLVE_IN_ROOT);
	int fds[HELPER_FDS_MAX] = { [HELPER_FD_ROOT] = own[CELL_FD_ROOT],
		[HELPER_FD_PROJECT] = project,
		[HELPER_FD_MASKS] = own[CELL_FD_MASKS],
		[HELPER_FD_USERNS] = own[CELL_FD_USERNS],
		[HELPER_FD_MNTNS] = own[CELL_FD_MNTNS] };
	struct helper_more more = { .n = HELPER_FD_COUNT };
	int r;

	add_fd(&more, fds, own[CELL_FD_CALLS], HELPMSG_WITH_CALLS);
	add_fd(&more, fds, own[CELL_FD_HELD], HELPMSG_WITH_HELD);
	r = project < 0 ? err_set(err, errno, "open %s", w->plan->project)
			: enter(&w->masks.cell, fds, &more, err);

	/* A namespace that is held open outlives its processes; a call waits for the listener's end. */
	cleanup_close(&own[CELL_FD_CALLS]);
	cleanup_close(&own[CELL_FD_HELD]);
	cleanup_close(&own[CELL_FD_MASKS]);
	cleanup_close(&own[CELL_FD_USERNS]);
	cleanup_close(&own[CELL_FD_MNTNS]);
	if (r == 0)
		tell_agent_plan(w);
	if (r == 0)
		ask_for_held(w);
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
		r = enter(&m->agent, fds, &(struct helper_more){ .n = HELPER_FD_COUNT }, err);
	for (unsigned i = 0; i < HELPER_FD_COUNT; i++)
		cleanup_close(&fds[i]);
	for (size_t at = 0; r == 0 && at < m->for_agent_bytes; at += strlen(m->for_agent + at) + 1) {
		unsigned how = (unsigned char)m->for_agent[at++];

		r = helpmsg_send(m->agent.sock, HELPMSG_MASK, how, m->for_agent + at, NULL, 0);
	}
	free(m->for_agent);
	m->for_agent = NULL;
	m->for_agent_bytes = 0;
	ask_for_held(w);
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

/*
 * The helpers end with this process (PR_SET_PDEATHSIG, and their sockets' end), and put away watches
 * and mounts then: nobody waits for that.
 */
void masks_done(struct warden *w)
{
	w->start->end_watch(w->masks.watch);
	w->masks.watch = NULL;
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
	m->sent_ms = clock_ms();
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

	if (m->sent != m->done && clock_ms() - m->sent_ms > BARRIER_MAX_MS)
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

void masks_settle(struct warden *w)
{
	struct err err = { 0 };

	if (w->cell.pid > 0 && w->held.dir >= 0)
		(void)masks_wait(w, masks_barrier(w), &err);
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
	audit_begin(&w->audit, &r, (msg->value & HELPMSG_OFF) != 0 ? "unmask" : "mask");
	audit_string(&r, "path", path.data);
	if (views != (HELPMSG_IN_CELL | HELPMSG_IN_AGENT))
		audit_string(&r, "view", views == HELPMSG_IN_CELL ? "cell" : "agent");
	question.path = path.data;
	policy_decide(w->plan->policy, &question, &answer);
	if ((msg->value & HELPMSG_BY_INODE) != 0) {
		audit_string(&r, "reason", "another name of a hidden file");
	} else if ((msg->value & HELPMSG_OFF) != 0) {
		audit_string(&r, "reason", "git has its content");
	} else if (answer.item != NULL && views != HELPMSG_IN_AGENT) {
		audit_string(&r, "rule_file", answer.item->origin.file);
		audit_number(&r, "rule_line", answer.item->origin.line);
	}
	(void)audit_end(&r);
}

static void tell_agent(struct warden *w, const char *path, unsigned how)
{
	struct masks *m = &w->masks;
	size_t n = strlen(path) + 2;
	char *more;

	if (w->plan->is_run_verb)
		return;
	if (m->agent.sock >= 0) {
		if (helpmsg_send(m->agent.sock, HELPMSG_MASK, how, path, NULL, 0) < 0)
			lost(w, true, "its helper is gone");
		return;
	}
	more = realloc(m->for_agent, m->for_agent_bytes + n);
	if (more == NULL) {
		lost(w, true, "no memory");
		return;
	}
	more[m->for_agent_bytes] = (char)(how & (HELPMSG_TRACKED | HELPMSG_OFF));
	memcpy(more + m->for_agent_bytes + 1, path, n - 1);
	m->for_agent = more;
	m->for_agent_bytes += n;
}

/* Without an agent there is nobody to show it to; before there is one no command runs. */
static void show_agent(struct warden *w, const char *path, int mount)
{
	if (mount >= 0 && w->masks.agent.sock >= 0 &&
		helpmsg_send(w->masks.agent.sock, HELPMSG_SHOW, 0, path, &mount, 1) < 0)
		lost(w, true, "its helper is gone");
}

static void end_hostile(struct warden *w, const char *text)
{
	struct audit_record r;

	log_error("the cell ends with all its commands: %s", text);
	audit_begin(&w->audit, &r, "hostile");
	audit_string(&r, "reason", text);
	(void)audit_end(&r);
	helper_stop(&w->masks.cell);
	cells_lost(w);
}

static void dispatch(struct warden *w, const struct helpmsg *msg, int fd, bool agent)
{
	struct masks *m = &w->masks;

	switch (msg->type) {
	case HELPMSG_MASKED:
		if ((msg->value & HELPMSG_AGAIN) == 0)
			record(w, msg);
		if ((msg->value & HELPMSG_IN_AGENT) != 0)
			tell_agent(w, msg->text, msg->value);
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
	case HELPMSG_HELD:
		show_agent(w, msg->text, fd);
		break;
	case HELPMSG_HOSTILE:
		end_hostile(w, msg->text);
		break;
	default:
		lost(w, agent, msg->type == HELPMSG_FAILED ? msg->text : "no such message");
		break;
	}
}

void masks_read(struct warden *w, bool agent)
{
	struct helpmsg msg;
	AUTO_CLOSE int fd = -1;
	size_t n = 0;
	int r = helpmsg_recv(agent ? w->masks.agent.sock : w->masks.cell.sock, &msg, &fd, 1, &n);

	if (r > 0)
		dispatch(w, &msg, n == 1 ? fd : -1, agent);
	else
		lost(w, agent, r == 0 ? "its helper ended" : strerror(-r));
}
