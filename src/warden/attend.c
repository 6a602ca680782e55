/* Runs in the warden. Hostile: what the command writes to its terminal, which is only relayed. */
#include "warden/attend.h"

#include "warden/lookup.h"
#include "warden/warden.h"

#include "base/cleanup.h"
#include "shim/attach.h"
#include "wire/door.h"
#include "wire/job.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

extern char **environ;

_Static_assert(ATTEND_POLLFDS == ATTACH_POLLFDS, "the loop's slots");

struct attend {
	struct attach attach;
	enum attach_result result;
};

/* execvp(3) along the cell's PATH, in the cell's view. The caller frees; NULL with errno. */
static char *find_command(int root, const char *name, const char *cwd, const char *path)
{
	int failure = ENOENT;

	if (strchr(name, '/') != NULL) {
		AUTO_BUF struct buf file = { 0 };
		int r;

		if (name[0] != '/')
			buf_addf(&file, "%s/", cwd);
		buf_adds(&file, name);
		r = file.failed ? -ENOMEM : lookup_exec(root, file.data, false);
		errno = -r;
		return r < 0 ? NULL : strdup(name);
	}
	for (const char *dir = path; *dir != '\0' && *name != '\0';) {
		size_t n = strcspn(dir, ":");
		AUTO_BUF struct buf file = { 0 };
		int r;

		if (*dir != '/')
			buf_addf(&file, "%s/", cwd);
		buf_add(&file, dir, n);
		buf_addf(&file, "/%s", name);
		r = file.failed ? -ENOMEM : lookup_exec(root, file.data, false);
		if (r == 0)
			return take_ptr(&file.data);
		if (r == -EACCES)
			failure = EACCES;
		dir += n + (dir[n] == ':');
	}
	errno = failure;
	return NULL;
}

static int check_stdio(const struct shim_hello *hello, struct err *err)
{
	for (int fd = 0; fd < 3; fd++)
		if ((hello->open_mask & ~hello->tty_mask & 1u << fd) != 0 && !job_may_pass(fd))
			return err_set(err, 0,
				"descriptor %d is a directory or no file: it would lead out of the cell; "
				"use a file or a pipe",
				fd);
	return 0;
}

static void fill_body(struct warden *w, struct job_head *head, const char *path, struct buf *body)
{
	AUTO_BUF struct buf env = { 0 };
	size_t n = 0;

	buf_add(body, path, strlen(path) + 1);
	buf_add(body, w->plan->cwd, strlen(w->plan->cwd) + 1);
	for (head->argc = 0; w->plan->argv[head->argc] != NULL; head->argc++)
		buf_add(body, w->plan->argv[head->argc], strlen(w->plan->argv[head->argc]) + 1);
	for (; environ[n] != NULL; n++)
		buf_add(&env, environ[n], strlen(environ[n]) + 1);
	head->envc = (uint32_t)environ_for_cell(&w->environ, env.data, env.failed ? 0 : n, body);
	head->body_bytes = (uint32_t)body->len;
}

static void record(struct warden *w, const struct job_head *head, const char *path,
	const struct buf *body)
{
	const char *argv = body->data + strlen(path) + 1 + strlen(w->plan->cwd) + 1;
	struct audit_record r;

	audit_begin(&w->audit, &r, "exec");
	audit_string(&r, "decision", "cell");
	audit_number(&r, "command", head->id);
	audit_string(&r, "file", path);
	audit_strings(&r, "argv", argv, head->argc);
	audit_string(&r, "cwd", w->plan->cwd);
	w->commands[head->id % COMMANDS_MAX] =
		(struct command){ .id = head->id, .audit_id = audit_end(&r) };
}

/* The limits and masks of this process are the command's, but for the signals that we block. */
static int send_command(struct warden *w, const char *path, struct attend *a, struct err *err)
{
	AUTO_BUF struct buf body = { 0 };
	AUTO_CLOSE int ours = -1, theirs = -1;
	struct shim_hello hello;
	struct job_head head;
	int stdio[3] = { 0, 1, 2 }, pair[2];

	attach_describe(&hello);
	if (check_stdio(&hello, err) < 0)
		return -err->code;
	job_fill_head(&head, &hello, ++w->next_id);
	fill_body(w, &head, path, &body);
	if (body.failed)
		return err_set(err, ENOMEM, "command");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "socketpair");
	ours = pair[0];
	theirs = pair[1];
	if (job_send(w->cell.jobs, &head, body.data, theirs, stdio, err) < 0)
		return -err->code;
	record(w, &head, path, &body);
	attach_init(&a->attach, take_fd(&ours), -1, &hello);
	return 0;
}

int attend_start(struct warden *w, struct err *err)
{
	static struct attend attend; /* one command a process */
	const char *search = getenv("PATH");
	AUTO_BUF struct buf dirs = { 0 };
	AUTO_FREE char *path = NULL;

	buf_addf(&dirs, "%s%s", w->door != NULL ? DOOR_TOOLS ":" : "",
		search != NULL ? search : "/usr/local/bin:/usr/bin:/bin");
	if (dirs.failed)
		return err_set(err, ENOMEM, "PATH");
	path = find_command(w->cell.fds[CELL_FD_ROOT], w->plan->argv[0], w->plan->cwd, dirs.data);
	/* --mode shared: the user's name for the agent may be a link in a directory that is not there. */
	if (path == NULL && w->plan->mode == RUN_SHARED)
		path = find_command(w->cell.fds[CELL_FD_ROOT], w->program.agent, w->plan->cwd, dirs.data);
	if (path == NULL) {
		(void)err_set(err, errno, "%s", w->plan->argv[0]);
		return warden_not_started(w, err);
	}
	if (masks_wait(w, masks_barrier(w), err) < 0 || send_command(w, path, &attend, err) < 0)
		return -err->code;
	w->attend = &attend;
	return 0;
}

int attend_pollfds(struct attend *a, struct pollfd *fds)
{
	return attach_pollfds(&a->attach, fds);
}

bool attend_dispatch(struct attend *a, const struct pollfd *fds)
{
	a->result = attach_dispatch(&a->attach, fds);
	return a->result != ATTACH_RUNS;
}

void attend_signal(struct attend *a, int sig, int code, uint32_t pid)
{
	/* Nor a SIGPIPE of our own: of a line for a command whose reader went at that moment. */
	if (sig != SIGCHLD && (sig != SIGPIPE || pid != (uint32_t)getpid()))
		attach_signal(&a->attach, sig, code, pid);
}

int attend_status(const struct attend *a)
{
	if (a->result == ATTACH_FAILED)
		return (int)(a->attach.status & 0xff) << 8;
	return a->result == ATTACH_ENDED ? (int)a->attach.status : SIGKILL;
}

int attend_mirror(struct attend *a)
{
	attach_mirror(&a->attach, a->result);
}
