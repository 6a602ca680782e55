/*
 * From the shim's hello to a job in the cell. Runs in the warden. Hostile: the shim's memory as far
 * as argv and environment go (the agent wrote them), and the descriptors it was started with.
 */
#include "warden/warden.h"
#include "warden/procmem.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "wire/hello.h"
#include "wire/job.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

struct hello_call {
	pid_t pid;
	struct shim_hello hello;
	struct buf strings, cwd;
	char *path;
	size_t n_argv_bytes; /* of strings */
	int stdio[3];
};

static void call_done(struct hello_call *c)
{
	buf_done(&c->strings);
	buf_done(&c->cwd);
	free(c->path);
	for (unsigned i = 0; i < 3; i++)
		cleanup_close(&c->stdio[i]);
}

static bool is_shim(const struct warden *w, pid_t pid)
{
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	return stat(path, &st) == 0 && st.st_dev == w->shim_stat.st_dev &&
		st.st_ino == w->shim_stat.st_ino;
}

static int read_block(pid_t pid, uint64_t addr, size_t n, struct buf *out)
{
	AUTO_FREE char *bytes = malloc(n + 1);
	int r;

	if (bytes == NULL)
		return -ENOMEM;
	r = procmem_read(pid, addr, bytes, n);
	if (r < 0)
		return r;
	buf_add(out, bytes, n);
	return out->failed ? -ENOMEM : 0;
}

/* argc + envc strings, exactly filling the block; notes where the environment begins. */
static bool count_strings(struct hello_call *c)
{
	const char *s = c->strings.data, *end = s + c->strings.len;
	uint64_t want = (uint64_t)c->hello.argc + c->hello.envc;

	for (uint64_t i = 0; i < want; i++) {
		const char *nul;

		if (i == c->hello.argc)
			c->n_argv_bytes = (size_t)(s - c->strings.data);
		if (s >= end || (nul = memchr(s, '\0', (size_t)(end - s))) == NULL)
			return false;
		s = nul + 1;
	}
	if (c->hello.envc == 0)
		c->n_argv_bytes = c->strings.len;
	return s == end;
}

static int read_hello(struct hello_call *c, uint64_t addr)
{
	struct shim_hello *h = &c->hello;
	int r = procmem_read(c->pid, addr, h, sizeof(*h));

	if (r < 0)
		return r;
	if (h->version != HELLO_VERSION || h->bytes != sizeof(*h) || h->argc == 0 ||
		h->strings_bytes == 0 || h->strings_bytes > HELLO_STRINGS_MAX ||
		h->cwd_bytes == 0 || h->cwd_bytes > HELLO_CWD_MAX || h->open_mask > 7 ||
		(h->tty_mask & ~h->open_mask) != 0)
		return -EINVAL;
	r = read_block(c->pid, h->strings, h->strings_bytes, &c->strings);
	if (r == 0)
		r = read_block(c->pid, h->cwd, h->cwd_bytes, &c->cwd);
	if (r < 0)
		return r;
	return count_strings(c) && memchr(c->cwd.data, '\0', c->cwd.len) != NULL ? 0 : -EINVAL;
}

/* A directory (or a mere place) outside would be a way round every mask: openat(2), fchdir(2). */
bool job_may_pass(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || (flags & O_PATH) != 0 || fstat(fd, &st) < 0)
		return false;
	return S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) ||
		S_ISCHR(st.st_mode);
}

static int take_stdio(struct hello_call *c)
{
	AUTO_CLOSE int pidfd = sys_pidfd_open(c->pid, 0);

	if (pidfd < 0)
		return -errno;
	/* stderr first: what is wrong with the others is said there. */
	for (unsigned i = 3; i-- > 0;) {
		unsigned bit = 1u << i;

		if ((c->hello.open_mask & bit) == 0 || (c->hello.tty_mask & bit) != 0)
			continue;
		c->stdio[i] = sys_pidfd_getfd(pidfd, (int)i, 0);
		if (c->stdio[i] < 0)
			return -errno;
		if (!job_may_pass(c->stdio[i]))
			return -ENOTSUP;
	}
	return 0;
}

void job_fill_head(struct job_head *head, const struct shim_hello *h, uint32_t id)
{
	*head = (struct job_head){ .version = JOB_VERSION,
		.id = id,
		.argc = h->argc,
		.umask = h->umask,
		.nice = h->nice,
		.open_mask = h->open_mask,
		.tty_mask = h->tty_mask,
		.tty_flags = h->tty_flags,
		.ignored = h->ignored,
		.rows = h->rows,
		.cols = h->cols,
		.xpixel = h->xpixel,
		.ypixel = h->ypixel };
	memcpy(head->termios, h->termios, sizeof(head->termios));
	memcpy(head->rlimits, h->rlimits, sizeof(head->rlimits));
}

/* The body of wire/job.h: path, cwd, arguments, and the variables that the cell gets. */
static int build_job(struct warden *w, const struct hello_call *c, struct job_head *head,
	struct buf *body)
{
	buf_add(body, c->path, strlen(c->path) + 1);
	buf_add(body, c->cwd.data, strlen(c->cwd.data) + 1);
	buf_add(body, c->strings.data, c->n_argv_bytes);
	head->envc = (uint32_t)environ_for_cell(&w->environ, c->strings.data + c->n_argv_bytes,
		c->hello.envc, body);
	head->body_bytes = (uint32_t)body->len;
	return body->failed ? -ENOMEM : 0;
}

static void audit_job(struct warden *w, const struct hello_call *c, uint32_t id)
{
	struct command *command = &w->commands[id % COMMANDS_MAX];
	struct audit_record r;
	struct stat st;

	audit_begin(&w->audit, &r, "exec");
	audit_string(&r, "decision", "cell");
	audit_number(&r, "command", id);
	audit_number(&r, "pid", c->pid);
	audit_string(&r, "file", c->path);
	audit_strings(&r, "argv", c->strings.data, c->hello.argc);
	audit_string(&r, "cwd", c->cwd.data);
	*command = (struct command){ .id = id, .audit_id = audit_end(&r) };
	if (c->stdio[2] >= 0 && fstat(c->stdio[2], &st) == 0) {
		command->err_dev = st.st_dev;
		command->err_ino = st.st_ino;
	}
}

static void audit_refused(struct warden *w, const struct hello_call *c, int error)
{
	static const char line[] = "agentjail: a directory as standard input or output would lead out "
				   "of the cell; pass a file or a pipe\n";
	struct audit_record r;

	audit_begin(&w->audit, &r, "exec");
	audit_string(&r, "decision", "deny");
	audit_number(&r, "pid", c->pid);
	audit_string(&r, "file", c->path != NULL ? c->path : "");
	audit_string(&r, "reason", error == -ENOTSUP ? "descriptor 0 to 2 is no file, pipe, socket "
						       "or device" : strerror(-error));
	(void)audit_end(&r);
	if (error == -ENOTSUP && c->stdio[2] >= 0)
		(void)!write(c->stdio[2], line, sizeof(line) - 1);
}

/* Answers the shim with its end of the command's socket; ours, for the runner, or -errno. */
static int give_socket(struct warden *w, const struct seccomp_notif *n)
{
	struct seccomp_notif_addfd add = { .id = n->id,
		.flags = SECCOMP_ADDFD_FLAG_SEND,
		.newfd_flags = O_CLOEXEC };
	AUTO_CLOSE int ours = -1, theirs = -1;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	add.srcfd = (unsigned)theirs;
	if (ioctl(w->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0)
		return -errno;
	return take_fd(&ours);
}

static int start_job(struct warden *w, const struct seccomp_notif *n, struct hello_call *c)
{
	struct err err = { 0 };
	AUTO_BUF struct buf body = { 0 };
	AUTO_CLOSE int sock = -1;
	struct job_head head;
	int r;

	c->path = pending_take(w, c->pid);
	if (c->path == NULL)
		return -EACCES;
	r = read_hello(c, n->data.args[2]);
	if (r == 0)
		r = take_stdio(c);
	if (r < 0)
		return r;
	if (lure_in_argv(w, c->pid, &c->strings, c->n_argv_bytes, c->stdio[2])) {
		redirect_answer(w, n, -EACCES);
		return 0;
	}
	if (warden_need_cell(w, &err) < 0) {
		log_error("%s", err.text);
		return -EIO;
	}
	job_fill_head(&head, &c->hello, ++w->next_id);
	r = build_job(w, c, &head, &body);
	if (r < 0)
		return r;
	sock = give_socket(w, n);
	if (sock < 0)
		return 0; /* the shim is gone; nothing was started */
	audit_job(w, c, head.id);
	r = job_queue(w, &head, &body, take_fd(&sock), c->stdio, &err);
	if (r < 0)
		log_error("%s", err.text);
	return 0;
}

void job_hello(struct warden *w, const struct seccomp_notif *n)
{
	struct hello_call c = { .pid = (pid_t)n->pid, .stdio = { -1, -1, -1 } };
	int r = is_shim(w, c.pid) ? start_job(w, n, &c) : -EBADF;

	if (r < 0) {
		if (r != -EBADF)
			audit_refused(w, &c, r);
		redirect_answer(w, n, r == -ENOTSUP ? -EACCES : r);
	}
	call_done(&c);
}

/* ---- the cell's socket may be full: jobs wait in order ---- */

static void queued_done(struct queued_job *q)
{
	cleanup_close(&q->sock);
	for (unsigned i = 0; i < 3; i++)
		cleanup_close(&q->stdio[i]);
	free(q->head);
	free(q->body);
	free(q);
}

/* Takes sock and stdio of q, which lies on the caller's stack, and the body. */
static int keep_for_later(struct warden *w, const struct job_head *head, struct buf *body,
	struct queued_job *from)
{
	struct queued_job *q = calloc(1, sizeof(*q));

	if (q == NULL || w->n_queued == QUEUE_MAX) {
		free(q);
		return -ENOMEM;
	}
	q->head = malloc(sizeof(*head));
	if (q->head == NULL) {
		free(q);
		return -ENOMEM;
	}
	*q->head = *head;
	q->body = take_ptr(&body->data);
	*body = (struct buf){ 0 };
	q->barrier = from->barrier;
	q->sock = take_fd(&from->sock);
	for (unsigned i = 0; i < 3; i++)
		q->stdio[i] = take_fd(&from->stdio[i]);
	*w->queue_end = q;
	w->queue_end = &q->next;
	w->n_queued++;
	return 0;
}

/* One that a cell of its own is made for waits for that; -EAGAIN as of job_send(). */
static int send_now(struct warden *w, const struct queued_job *q, const char *body, struct err *err)
{
	return w->fresh != NULL
		? fresh_send(w, w->fresh, &(struct fresh_job){ q->head, body, q->sock, q->stdio }, err)
		: job_send(w->cell.jobs, q->head, body, q->sock, q->stdio, err);
}

bool job_is_due(const struct warden *w)
{
	return w->fresh == NULL && w->queue != NULL && masks_is_done(w, w->queue->barrier);
}

int job_queue(struct warden *w, const struct job_head *head, struct buf *body, int sock,
	int stdio[3], struct err *err)
{
	struct job_head copy = *head;
	struct queued_job job = { .head = &copy,
		.sock = sock,
		.stdio = { stdio[0], stdio[1], stdio[2] },
		.barrier = masks_barrier(w) };
	int r = -EAGAIN;

	if (w->queue == NULL && masks_is_done(w, job.barrier))
		r = send_now(w, &job, body->data, err);
	if (r == -EAGAIN && keep_for_later(w, head, body, &job) == 0) {
		stdio[0] = stdio[1] = stdio[2] = -1;
		fresh_fill(w, w->fresh);
		return 0;
	}
	(void)close(sock);
	return r < 0 ? err_prefix(err, "command %u", head->id) : 0;
}

void job_flush(struct warden *w)
{
	struct err err;

	while (w->queue != NULL && masks_is_done(w, w->queue->barrier)) {
		struct queued_job *q = w->queue;
		/* Where its cell is gone, closing the socket ends its shim. */
		int r = w->cell.pid > 0 ? send_now(w, q, q->body, &err) : 0;

		if (r == -EAGAIN)
			return;
		w->queue = q->next;
		w->n_queued--;
		queued_done(q);
	}
	if (w->queue == NULL)
		w->queue_end = &w->queue;
}

void job_drop(struct warden *w)
{
	while (w->queue != NULL) {
		struct queued_job *q = w->queue;

		w->queue = q->next;
		queued_done(q);
	}
	w->n_queued = 0;
	w->queue_end = &w->queue;
}
