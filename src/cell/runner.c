/*
 * Runs in a cell, one of many processes below its pid 1, as the caller's user without privilege;
 * not dumpable, so no command can read or trace it. Hostile: the command it runs, which may kill or
 * stop it (its own loss: init kills what is left), and the messages of the command's front end.
 *
 * It is the leader of a session of which each of its commands is a process group: one whose parent
 * was in another session would be orphaned, and the kernel discards SIGTSTP for those. It is the
 * subreaper of everything the command starts, so nothing leaves its tree.
 */
#include "cell/runner.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "cell/runner_limits.h"
#include "cell/runner_receive.h"
#include "cell/runner_secrets.h"
#include "cell/runner_spawn.h"
#include "cell/runner_tree.h"
#include "cell/runner_tty.h"
#include "wire/fdpass.h"
#include "wire/job.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Rationale: enough for a burst without a fork; each further one is 200 kB that nobody uses. */
#define IDLE_MAX 16
/* A pass over a tree that is being killed; waited for SIGCHLD between, longer each time. */
#define KILL_WAIT_MIN_MS 1
#define KILL_WAIT_MAX_MS 64

struct command {
	struct runner *runner;
	struct job job;
	struct runner_tty tty;
	struct runner_limits limits;
	pid_t pid;
	uint32_t conts; /* SIGCONTs that the front end sent */
	bool has_ended; /* reaped; pid is no longer its own */
	bool has_children; /* as of the last reap() */
};

unsigned runner_pool_count(struct runner_pool *pool, enum runner_state state)
{
	unsigned n = 0;

	for (size_t i = 0; i < RUNNER_MAX; i++)
		n += atomic_load(&pool->slots[i].state) == (uint32_t)state;
	return n;
}

static void tell_front(struct command *c, uint32_t type, uint32_t value)
{
	struct job_msg msg = { .type = type, .value = value };

	/* A front end that is gone is seen at the next poll. */
	if (c->job.sock >= 0)
		(void)fdpass_send(c->job.sock, &msg, sizeof(msg), NULL, 0);
}

static void tell_warden(const struct runner *r, uint32_t type, uint32_t id, uint32_t value)
{
	struct cell_msg msg = { .type = type, .id = id, .value = value };

	(void)fdpass_send(r->ctl_sock, &msg, sizeof(msg), NULL, 0);
}

static void tell_warden_error(const struct runner *r, const struct err *err)
{
	struct cell_msg msg = { .type = CELL_MSG_ERROR };

	memcpy(msg.text, err->text, sizeof(msg.text));
	(void)fdpass_send(r->ctl_sock, &msg, sizeof(msg), NULL, 0);
}

/* ---- the command's processes ---- */

static void drain_signal_fd(const struct runner *r)
{
	struct signalfd_siginfo info;

	while (read(r->signal_fd, &info, sizeof(info)) > 0)
		continue;
}

static void handle_stop(struct command *c, int sig)
{
	/* By pid 1, for it passed a limit: its end is what is told. */
	if (atomic_load(&c->runner->slot->over) != 0)
		return;
	if (c->tty.is_background && (sig == SIGTTIN || sig == SIGTTOU)) {
		runner_tty_to_front(&c->tty, c->pid);
		tell_front(c, JOB_MSG_WANTS_KEYS, 0);
		(void)kill(-c->pid, SIGCONT);
		return;
	}
	tell_front(c, JOB_MSG_STOPPED, (uint32_t)sig | (c->conts & 0xffff) << 8);
}

static void handle_end(struct command *c, int status)
{
	c->has_ended = true;
	if (c->runner->n_received > 0)
		runner_receive(c->runner->tmp, c->runner->received, c->runner->n_received);
	runner_tty_release(&c->tty);
	tell_front(c, JOB_MSG_EXIT, (uint32_t)status);
	tell_warden(c->runner, CELL_MSG_EXIT, c->job.head.id, (uint32_t)status);
}

/* Takes what waitpid has: of the command and of orphans that it left. */
static void reap(struct command *c)
{
	int status;
	pid_t pid;

	drain_signal_fd(c->runner);
	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED | __WALL)) > 0) {
		if (pid != c->pid || c->has_ended)
			continue;
		if (WIFSTOPPED(status))
			handle_stop(c, WSTOPSIG(status));
		else if (WIFCONTINUED(status))
			tell_front(c, JOB_MSG_CONTINUED, 0);
		else
			handle_end(c, status);
	}
	c->has_children = pid == 0;
}

/* The front end was killed: so is all that it stood for. */
static void kill_all(struct command *c)
{
	int wait_ms = KILL_WAIT_MIN_MS;

	while (c->has_children) {
		struct pollfd fd = { .fd = c->runner->signal_fd, .events = POLLIN };

		(void)runner_tree_kill(NULL, NULL);
		(void)poll(&fd, 1, wait_ms);
		reap(c);
		wait_ms = wait_ms * 2 > KILL_WAIT_MAX_MS ? KILL_WAIT_MAX_MS : wait_ms * 2;
	}
}

/* It passed a limit. Most of a command is one process group: all of that goes at one blow. */
static void end_all(struct command *c)
{
	if (!c->has_ended)
		(void)kill(-c->pid, SIGKILL);
	kill_all(c);
}

static void handle_signal(struct command *c, uint32_t value)
{
	int sig = (int)(value & 0xff);

	if (sig < 1 || sig > 64 || c->has_ended)
		return;
	if (sig == SIGCONT)
		c->conts++;
	(void)kill((value & JOB_SIGNAL_GROUP) != 0 ? -c->pid : c->pid, sig);
}

static void detach(struct command *c)
{
	cleanup_close(&c->job.sock);
	if (!c->has_ended)
		kill_all(c);
}

static void read_front(struct command *c)
{
	struct job_msg msg;
	ssize_t n = recv(c->job.sock, &msg, sizeof(msg), MSG_DONTWAIT);

	if (n == sizeof(msg) && msg.type == JOB_MSG_SIGNAL)
		handle_signal(c, msg.value);
	else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		detach(c);
}

/* ---- one command ---- */

static void say(const struct command *c, const char *text)
{
	int fd = (c->job.head.tty_mask & 4u) != 0 ? c->tty.slave : c->job.fds[2];
	char line[ERR_TEXT_BYTES + 32];
	int n = snprintf(line, sizeof(line), "agentjail: %s\n", text);

	if (fd >= 0 && n > 0)
		(void)write_all(fd, line, (size_t)n);
}

static int start_terminal(struct command *c, struct err *err)
{
	struct job_msg msg = { .type = JOB_MSG_TERMINAL };
	int r = runner_tty_open(&c->tty, &c->job.head, err);

	if (r != 0)
		return r;
	r = fdpass_send(c->job.sock, &msg, sizeof(msg), &c->tty.master, 1);
	return r == 0 || r == -EPIPE ? 0 : err_set(err, -r, "pass the terminal");
}

static int start(struct command *c, struct err *err)
{
	struct runner_spawn spawn = { .job = &c->job, .tty = &c->tty, .runner = c->runner };
	char *secrets[JOB_SECRETS_MAX] = { 0 };
	int r = c->job.head.tty_mask != 0 ? start_terminal(c, err) : 0;

	if (r == 0)
		r = runner_secrets_read(&c->job, secrets, err);
	/* After a vfork the command has its own copy. */
	c->pid = r == 0 ? runner_spawn(&spawn, err) : r;
	runner_secrets_wipe(secrets);
	if (c->pid < 0)
		return c->pid;
	c->has_children = true;
	tell_warden(c->runner, CELL_MSG_STARTED, c->job.head.id, (uint32_t)c->pid);
	return 0;
}

/* End of file on the command's pipes comes when the command says so: nothing is kept open here. */
static void drop_job(struct command *c)
{
	int sock = take_fd(&c->job.sock);

	job_done(&c->job);
	c->job.sock = sock;
}

/* One round: legal until the command has ended and nothing of it is left. */
static void serve(struct command *c)
{
	struct runner *r = c->runner;
	bool discards = c->job.sock < 0 && c->tty.master >= 0;
	struct pollfd fds[] = {
		{ .fd = c->job.sock, .events = POLLIN },
		{ .fd = r->signal_fd, .events = POLLIN },
		{ .fd = discards ? c->tty.master : -1, .events = POLLIN },
		{ .fd = r->job_sock, .events = 0 }, /* its hang-up alone */
	};

	if (poll(fds, ARRAY_LEN(fds), runner_limits_timeout_ms(&c->limits, r)) < 0)
		return;
	if (fds[0].revents != 0)
		read_front(c);
	if (fds[1].revents != 0)
		reap(c);
	if (c->has_children && runner_limits_are_over(&c->limits, r, c->has_ended ? 0 : c->pid))
		end_all(c);
	if (fds[2].revents != 0)
		runner_tty_discard(&c->tty);
	if (fds[3].revents != 0) {
		kill_all(c);
		_exit(0);
	}
}

static void run_job(struct runner *r, struct job *job)
{
	struct command c = { .runner = r, .job = *job, .tty = { .master = -1, .slave = -1 } };
	struct err err;

	runner_limits_begin(&c.limits, r, c.job.head.id);
	if (start(&c, &err) != 0) {
		say(&c, err.text);
		tell_front(&c, JOB_MSG_FAILED, EXIT_AGENTJAIL);
		tell_warden(r, CELL_MSG_EXIT, c.job.head.id, EXIT_AGENTJAIL << 8);
		c.has_ended = true;
	}
	drop_job(&c);
	while (!c.has_ended || (c.has_children && !r->is_single)) {
		/* The front end still reads the terminal until it is gone; else it has no word any more. */
		if (c.has_ended && c.tty.master < 0)
			cleanup_close(&c.job.sock);
		serve(&c);
	}
	runner_limits_end(r);
	job_done(&c.job);
	runner_tty_done(&c.tty);
}

/* ---- the pool ---- */

static void init_self(struct runner *r)
{
	sigset_t set;

	(void)setsid();
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	r->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	for (int i = 0; i < HELLO_RLIMITS; i++)
		(void)syscall(SYS_prlimit64, 0, i, NULL, &r->limits[i]);
	r->stack = mmap(NULL, RUNNER_STACK_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (r->signal_fd < 0 || r->stack == MAP_FAILED)
		_exit(EXIT_AGENTJAIL);
}

static void set_busy(struct runner *r)
{
	uint64_t one = 1;

	atomic_store(&r->slot->state, RUNNER_BUSY);
	if (!r->is_single && runner_pool_count(r->pool, RUNNER_IDLE) < r->spare)
		(void)!write(r->wake_fd, &one, sizeof(one));
}

void runner_run(struct runner *r)
{
	init_self(r);
	for (;;) {
		struct job job;
		struct err err;
		int got = job_recv(r->job_sock, &job, &err);

		if (got == 0)
			_exit(0);
		set_busy(r);
		if (got > 0)
			run_job(r, &job);
		else
			tell_warden_error(r, &err);
		if (r->is_single || runner_pool_count(r->pool, RUNNER_IDLE) >= IDLE_MAX)
			_exit(0);
		atomic_store(&r->slot->state, RUNNER_IDLE);
	}
}
