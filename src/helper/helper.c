/*
 * Forked by the warden while a cell is made, in the host's namespaces; from HELPMSG_ENTER on in the
 * user and mount namespace of its view, with CAP_SYS_ADMIN there and nothing else, and in the host's
 * pid namespace: no command can name it. Hostile: the project's names, by way of events and reading
 * directories. Whatever it cannot do it says, and ends: then its view ends as well.
 */
#include "helper/helper.h"

#include "base/cleanup.h"
#include "base/standing.h"
#include "base/sys.h"
#include "helper/files.h"
#include "helper/notify.h"
#include "helper/tree.h"
#include "wire/helpmsg.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

extern char **environ;

/*
 * Rationale: what entering the view costs, half a millisecond, is of no use to a command that has
 * ended by then. An event, a call or a word of the warden's ends the rest at once.
 */
#define REST_MS 20

struct self {
	const struct helper_request *request;
	struct tree tree;
	struct notify notify;
	int sock;
	int view[HELPER_FDS_MAX]; /* what HELPMSG_ENTER brought, while this process rests */
	size_t n_view;
	uint32_t present; /* enum helpmsg_enter: what came behind the namespaces */
	bool has_entered;
	bool has_said_overflow;
};

static _Noreturn void fail(const struct self *s, const char *text)
{
	(void)helpmsg_send(s->sock, HELPMSG_FAILED, 0, text, NULL, 0);
	_exit(EXIT_AGENTJAIL);
}

static void told(void *arg, const char *path, unsigned how)
{
	struct self *s = arg;

	remove_note(&s->notify.remover, path);
	if (helpmsg_send(s->sock, HELPMSG_MASKED, how, path, NULL, 0) < 0)
		_exit(0);
}

static void show_held(void *arg, const char *path, int mount)
{
	const struct self *s = arg;

	if (helpmsg_send(s->sock, HELPMSG_HELD, 0, path, &mount, 1) < 0)
		_exit(0);
}

/* ---- becoming one ---- */

/* Nothing of the warden's but the two descriptors, and none of the user's variables. */
static int leave_the_warden(const struct self *s, struct err *err)
{
	int inotify = s->request->watch != NULL ? watch_inotify(s->request->watch) : -1;
	unsigned low = (unsigned)(inotify >= 0 && inotify < s->sock ? inotify : s->sock);
	unsigned high = (unsigned)(inotify > s->sock ? inotify : s->sock);

	if (standing_leave_stdio(err) < 0)
		return -err->code;
	if ((low > 3 && sys_close_range(3, low - 1, 0) < 0) ||
		(high > low + 1 && sys_close_range(low + 1, high - 1, 0) < 0) ||
		sys_close_range(high + 1, ~0u, 0) < 0)
		return err_set(err, errno, "close_range");
	standing_wipe_environment();
	return 0;
}

static void note_removable(struct self *s)
{
	const struct mount_plan *mounts = s->request->mounts;

	for (size_t i = 0; i < mounts->n; i++)
		if (mounts->entries[i].kind == MOUNT_HIDE && mounts->entries[i].is_in_project)
			remove_note(&s->notify.remover, mounts->entries[i].path);
}

static int begin(struct self *s, struct err *err)
{
	(void)setsid();
	(void)prctl(PR_SET_NAME, "agentjail-help", 0, 0, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return err_set(err, errno, "PR_SET_PDEATHSIG");
	if (leave_the_warden(s, err) < 0)
		return -err->code;
	/* a descriptor for each level of a tree, and no core with names in it */
	standing_raise_descriptors();
	standing_no_core();
	return standing_hide(err);
}

static int prepare(struct self *s, struct err *err)
{
	s->tree = (struct tree){ .plan = s->request->plan,
		.mounts = s->request->mounts,
		.watch = s->request->watch,
		.view = MASK_VIEW_NONE,
		.told = told,
		.arg = s };
	s->tree.view.project_path = s->request->plan->project;
	if (s->tree.watch == NULL)
		return 0;
	tree_note_planned(&s->tree);
	note_removable(s);
	if (notify_begin(&s->notify, err) < 0)
		return -err->code;
	return namerules_init(&s->tree.rules, s->request->plan->policy, true, err);
}

static void say_limits(const struct self *s)
{
	size_t n = s->tree.watch != NULL ? watch_unwatched(s->tree.watch) : 0;
	char text[200];

	if (n == 0)
		return;
	(void)snprintf(text, sizeof(text), "%zu directories of the project are beyond the user's watches "
					   "(fs.inotify.max_user_watches): they are compared before each "
					   "command; see agentjail doctor", n);
	(void)helpmsg_send(s->sock, HELPMSG_WARNING, 0, text, NULL, 0);
}

/* What came with the namespaces, in the order of enum helpmsg_enter. */
static void take_more(struct self *s)
{
	struct notify *y = &s->notify;
	size_t next = HELPER_FD_COUNT;

	if (s->tree.watch == NULL)
		return;
	if ((s->present & HELPMSG_WITH_CALLS) != 0 && next < s->n_view)
		notify_listen(y, s->view[next++]);
	if ((s->present & HELPMSG_WITH_HELD) != 0 && next < s->n_view) {
		hold_begin(&y->holds,
			&(struct hold_setup){ .store = s->view[next],
				.proc = y->proc,
				.plain = s->tree.view.plain,
				.inotify = watch_inotify(s->tree.watch),
				.view = &s->tree.view,
				.request = s->request });
		if (!s->request->plan->is_run_verb) {
			y->holds.show = show_held;
			y->holds.arg = s;
		}
		s->tree.holds = &y->holds;
	}
}

/* The end of the rest: everything that comes is dealt with inside of the view. */
static void enter(struct self *s)
{
	struct err err = { 0 };

	if (prepare(s, &err) < 0 || mask_enter(&s->tree.view, s->view, &err) < 0)
		fail(s, err.text);
	take_more(s);
	s->n_view = 0;
	/* The end of the socket says it as well, and leaves the time to take names off the host. */
	if (prctl(PR_SET_PDEATHSIG, s->tree.holds != NULL ? 0 : SIGKILL, 0, 0, 0) < 0 ||
		standing_hide(&err) < 0 ||
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		fail(s, "prctl");
	if (helper_cage(&err) < 0)
		fail(s, err.text);
	s->has_entered = true;
	say_limits(s);
}

/* ---- the loop ---- */

static void say_overflow(struct self *s)
{
	if (s->tree.n_rescans == 0 || s->has_said_overflow)
		return;
	s->has_said_overflow = true;
	(void)helpmsg_send(s->sock, HELPMSG_WARNING, 0,
		"more files changed at once than the kernel remembers (fs.inotify.max_queued_events); "
		"commands wait while the project is looked through",
		NULL, 0);
}

/* What has no use but to hurt: the command that did it does not get a second try. */
static void end_if_hostile(const struct self *s)
{
	if (s->notify.holds.hostile == NULL)
		return;
	(void)helpmsg_send(s->sock, HELPMSG_HOSTILE, 0, s->notify.holds.hostile, NULL, 0);
	_exit(EXIT_AGENTJAIL);
}

static void work(struct self *s, bool compares)
{
	int r;

	watch_begin_work(s->tree.watch);
	r = tree_drain(&s->tree);
	if (r == 0 && compares)
		r = tree_compare(&s->tree);
	say_overflow(s);
	if (r < 0) {
		char text[160];

		(void)snprintf(text, sizeof(text), "a file could not be hidden: %s", strerror(-r));
		fail(s, text);
	}
	watch_end_work(s->tree.watch);
	end_if_hostile(s);
}

static void mask_for_agent(struct self *s, const char *path, unsigned how)
{
	AUTO_CLOSE int target = -1;

	if ((how & HELPMSG_OFF) != 0) {
		(void)mask_take_off(&s->tree.view, path);
		return;
	}
	(void)mask_put_target(&s->tree.view, path, &target);
	if (mask_put(&s->tree.view, path, (how & HELPMSG_TRACKED) != 0) < 0)
		fail(s, "a file could not be hidden from the agent");
}

static void read_warden(struct self *s)
{
	struct helpmsg msg;
	int fds[HELPER_FDS_MAX];
	size_t n = 0;
	int r = helpmsg_recv(s->sock, &msg, fds, HELPER_FDS_MAX, &n);

	if (r <= 0) {
		hold_unplace(&s->notify.holds);
		_exit(0);
	}
	if (msg.type == HELPMSG_ENTER && !s->has_entered && n >= HELPER_FD_COUNT) {
		memcpy(s->view, fds, sizeof(fds));
		s->n_view = n;
		s->present = msg.value;
	} else if (msg.type == HELPMSG_BARRIER && s->has_entered && s->tree.watch != NULL) {
		work(s, true);
		if (helpmsg_send(s->sock, HELPMSG_DONE, msg.value, NULL, NULL, 0) < 0)
			_exit(0);
	} else if (msg.type == HELPMSG_LISTENER && n == 1 && s->has_entered) {
		notify_listen(&s->notify, fds[0]);
	} else if (msg.type == HELPMSG_MASK && s->has_entered) {
		mask_for_agent(s, msg.text, msg.value);
	} else if (msg.type == HELPMSG_SHOW && s->has_entered && n == 0) {
		hold_show_all(&s->notify.holds);
	} else if (msg.type == HELPMSG_SHOW && s->has_entered && n == 1) {
		if (mask_cover(&s->tree.view, msg.text, fds[0]) < 0)
			fail(s, "a held file could not be covered for the agent");
	} else {
		fail(s, "no such message");
	}
}

/* Of a listener: nobody is left under the filter. */
static bool is_deserted(short revents)
{
	return (revents & (POLLIN | POLLHUP)) == POLLHUP;
}

/* Until HELPMSG_ENTER, and then for as long as nothing happens and the time is not up. */
static void rest(struct self *s)
{
	const struct watch *watch = s->request->watch;
	struct pollfd fds[] = {
		{ .fd = s->sock, .events = POLLIN },
		{ .fd = watch != NULL ? watch_inotify(watch) : -1, .events = POLLIN },
		{ .fd = -1, .events = POLLIN },
	};
	int timeout = REST_MS;

	while (s->n_view == 0)
		read_warden(s);
	if ((s->present & HELPMSG_WITH_CALLS) != 0)
		fds[2].fd = s->view[HELPER_FD_COUNT];
	while (poll(fds, ARRAY_LEN(fds), timeout) < 0 || is_deserted(fds[2].revents)) {
		/* The cell has ended: what is left to come is the warden's word, or its end. */
		if (is_deserted(fds[2].revents)) {
			fds[1].fd = fds[2].fd = -1;
			timeout = -1;
		}
	}
	if ((fds[0].revents & POLLHUP) != 0)
		_exit(0);
	enter(s);
}

/* From the end: one that goes gives its place to the last, which had its turn. */
static void read_listeners(struct self *s, const struct pollfd *fds, size_t n)
{
	for (size_t i = n; i-- > 0;) {
		if ((fds[i].revents & POLLIN) != 0)
			notify_handle(&s->notify, i, &s->tree);
		else if (fds[i].revents != 0)
			notify_drop(&s->notify, i);
	}
}

static void turn(struct self *s)
{
	bool watches = s->tree.watch != NULL;
	size_t n = s->notify.n_listeners;
	struct pollfd fds[2 + NOTIFY_LISTENERS_MAX] = {
		{ .fd = s->sock, .events = POLLIN },
		{ .fd = watches ? watch_inotify(s->tree.watch) : -1, .events = POLLIN },
	};

	for (size_t i = 0; i < n; i++)
		fds[2 + i] = (struct pollfd){ .fd = s->notify.listeners[i], .events = POLLIN };
	if (poll(fds, 2 + n, -1) < 0)
		return;
	if (fds[1].revents != 0)
		work(s, false);
	read_listeners(s, fds + 2, n);
	if (fds[0].revents != 0)
		read_warden(s);
}

static _Noreturn void run(const struct helper_request *request, int sock)
{
	/* Of one in a process: tables of some size. */
	static struct self self = { .notify = NOTIFY_NONE };
	struct err err = { 0 };

	self.request = request;
	self.sock = sock;
	if (begin(&self, &err) < 0)
		fail(&self, err.text);
	rest(&self);
	for (;;)
		turn(&self);
}

/* ---- the warden's half ---- */

static int watcher_dir(void *self, int fd, int parent, const char *name)
{
	return watch_dir(self, fd, parent, name);
}

static void watcher_hidden(void *self, int dir, const char *name)
{
	(void)watch_hide(self, dir, name);
}

static bool watcher_file(void *self, int dir, const char *name, const char *path)
{
	return files_watch(self, dir, name, path) != NULL;
}

int helper_begin_watch(struct walk_watcher *watcher, struct watch **ret, struct err *err)
{
	struct watch *watch = watch_new(err);

	if (watch == NULL)
		return -err->code;
	*watcher = (struct walk_watcher){ .dir = watcher_dir, .hidden = watcher_hidden, .file = watcher_file, .self = watch };
	*ret = watch;
	return 0;
}

int helper_start(const struct helper_request *request, struct helper *ret, struct err *err)
{
	AUTO_CLOSE int ours = -1, theirs = -1;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "socketpair");
	ours = pair[0];
	theirs = pair[1];
	pid = fork();
	if (pid < 0)
		return err_set(err, errno, "fork");
	if (pid == 0)
		run(request, theirs);
	*ret = (struct helper){ .pid = pid, .sock = take_fd(&ours) };
	return 0;
}
