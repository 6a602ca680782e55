/*
 * Forked by the warden while a cell is made, in the host's namespaces; from HELPMSG_ENTER on in the
 * user and mount namespace of its view, with CAP_SYS_ADMIN there and nothing else, and in the host's
 * pid namespace: no command can name it. Hostile: the project's names, by way of events and reading
 * directories. Whatever it cannot do it says, and ends: then its view ends as well.
 */
#include "helper/helper.h"

#include "base/cleanup.h"
#include "base/sys.h"
#include "helper/remove.h"
#include "helper/tree.h"
#include "wire/helpmsg.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

extern char **environ;

struct self {
	const struct helper_request *request;
	struct tree tree;
	struct remover remover;
	int sock;
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

	remove_note(&s->remover, path);
	if (helpmsg_send(s->sock, HELPMSG_MASKED, how, path, NULL, 0) < 0)
		_exit(0);
}

/* ---- becoming one ---- */

/* Nothing of the warden's but the two descriptors, and none of the user's variables. */
static int leave_the_warden(const struct self *s, struct err *err)
{
	int inotify = s->request->watch != NULL ? watch_inotify(s->request->watch) : -1;
	unsigned low = (unsigned)(inotify >= 0 && inotify < s->sock ? inotify : s->sock);
	unsigned high = (unsigned)(inotify > s->sock ? inotify : s->sock);
	AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return err_set(err, errno, "open /dev/null");
	for (int fd = 0; fd < 3; fd++)
		if (dup2(null, fd) < 0)
			return err_set(err, errno, "dup2");
	cleanup_close(&null);
	if ((low > 3 && sys_close_range(3, low - 1, 0) < 0) ||
		(high > low + 1 && sys_close_range(low + 1, high - 1, 0) < 0) ||
		sys_close_range(high + 1, ~0u, 0) < 0)
		return err_set(err, errno, "close_range");
	for (char **e = environ; e != NULL && *e != NULL; e++)
		explicit_bzero(*e, strlen(*e));
	environ = NULL;
	return 0;
}

/* A descriptor for each level of a tree, and no core with names in it. */
static void set_limits(void)
{
	struct rlimit files, none = { 0, 0 };

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	(void)setrlimit(RLIMIT_CORE, &none);
}

static void note_removable(struct self *s)
{
	const struct mount_plan *mounts = s->request->mounts;

	for (size_t i = 0; i < mounts->n; i++)
		if (mounts->entries[i].kind == MOUNT_HIDE && mounts->entries[i].is_in_project)
			remove_note(&s->remover, mounts->entries[i].path);
}

static int begin(struct self *s, struct err *err)
{
	(void)setsid();
	(void)prctl(PR_SET_NAME, "agentjail-help", 0, 0, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return err_set(err, errno, "PR_SET_PDEATHSIG");
	if (leave_the_warden(s, err) < 0)
		return -err->code;
	set_limits();
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_set(err, errno, "PR_SET_DUMPABLE");
	s->tree = (struct tree){ .plan = s->request->plan,
		.mounts = s->request->mounts,
		.watch = s->request->watch,
		.view = MASK_VIEW_NONE,
		.told = told,
		.arg = s };
	if (s->tree.watch == NULL)
		return 0;
	tree_note_planned(&s->tree);
	note_removable(s);
	if (remove_before(&s->remover, err) < 0)
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

static void enter(struct self *s, const int *fds, size_t n)
{
	struct err err = { 0 };

	if (n < HELPER_FD_COUNT || s->has_entered)
		fail(s, "no such message");
	if (mask_enter(&s->tree.view, fds, s->request->plan->project, &err) < 0)
		fail(s, err.text);
	if (s->tree.watch != NULL)
		remove_after(&s->remover, &s->tree.view);
	if (n > HELPER_FD_COUNT && s->tree.watch != NULL)
		remove_listen(&s->remover, fds[HELPER_FD_COUNT]);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
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
}

static void mask_for_agent(struct self *s, const char *path)
{
	AUTO_CLOSE int target = -1;

	(void)mask_put_target(&s->tree.view, path, &target);
	if (mask_put(&s->tree.view, path) < 0)
		fail(s, "a file could not be hidden from the agent");
}

static void read_warden(struct self *s)
{
	struct helpmsg msg;
	int fds[HELPER_FDS_MAX];
	size_t n = 0;
	int r = helpmsg_recv(s->sock, &msg, fds, HELPER_FDS_MAX, &n);

	if (r <= 0)
		_exit(0);
	if (msg.type == HELPMSG_ENTER) {
		enter(s, fds, n);
	} else if (msg.type == HELPMSG_BARRIER && s->has_entered && s->tree.watch != NULL) {
		work(s, true);
		if (helpmsg_send(s->sock, HELPMSG_DONE, msg.value, NULL, NULL, 0) < 0)
			_exit(0);
	} else if (msg.type == HELPMSG_LISTENER && n == 1 && s->has_entered) {
		remove_listen(&s->remover, fds[0]);
	} else if (msg.type == HELPMSG_MASK && s->has_entered) {
		mask_for_agent(s, msg.text);
	} else {
		fail(s, "no such message");
	}
}

/* From the end: one that goes gives its place to the last, which had its turn. */
static void read_listeners(struct self *s, const struct pollfd *fds, size_t n)
{
	for (size_t i = n; i-- > 0;) {
		if ((fds[i].revents & POLLIN) != 0)
			remove_handle(&s->remover, i, &s->tree);
		else if (fds[i].revents != 0)
			remove_drop(&s->remover, i);
	}
}

static void turn(struct self *s)
{
	bool watches = s->has_entered && s->tree.watch != NULL;
	size_t n = s->remover.n_listeners;
	struct pollfd fds[2 + REMOVE_LISTENERS_MAX] = {
		{ .fd = s->sock, .events = POLLIN },
		{ .fd = watches ? watch_inotify(s->tree.watch) : -1, .events = POLLIN },
	};

	for (size_t i = 0; i < n; i++)
		fds[2 + i] = (struct pollfd){ .fd = s->remover.listeners[i], .events = POLLIN };
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
	struct self self = { .request = request, .sock = sock, .remover = REMOVER_NONE };
	struct err err = { 0 };

	if (begin(&self, &err) < 0)
		fail(&self, err.text);
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

int helper_begin_watch(struct walk_watcher *watcher, struct watch **ret, struct err *err)
{
	struct watch *watch = watch_new(err);

	if (watch == NULL)
		return -err->code;
	*watcher = (struct walk_watcher){ .dir = watcher_dir, .hidden = watcher_hidden, .self = watch };
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
