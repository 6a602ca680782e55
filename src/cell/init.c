/*
 * Runs as a cell's pid 1, as the caller's user without privilege, not dumpable. Hostile: every
 * process of the cell; the kernel shields pid 1 from their signals, and it reads nothing of theirs.
 * Runners are not shielded: one that a command killed is replaced, and what it watched is killed.
 */
#include "cell/init.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "cell/init_limits.h"
#include "cell/runner.h"
#include "cell/runner_tree.h"
#include "wire/job.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Rationale: a failed fork (a pid limit) is tried again; strays are killed again until none is. */
#define RETRY_MS 50
#define SIGNALS 64

struct init {
	struct runner runner; /* what every runner starts with */
	struct init_limits limits;
	int signal_fd;
	bool is_single; /* see struct init_config */
	bool has_strays; /* processes of a runner that died before them */
	bool lacks_runners;
};

static void open_stdio(void)
{
	int fd;

	/* Descriptors that arrive later must not become 0, 1 or 2. */
	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		(void)close(fd);
}

/* Whatever this process was started with, commands start with the defaults. */
static void reset_signals(void)
{
	struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		uint64_t mask;
	} by_default = { .handler = SIG_DFL };
	sigset_t all;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	for (int sig = 1; sig <= SIGNALS; sig++)
		(void)syscall(SYS_rt_sigaction, sig, &by_default, NULL, sizeof(by_default.mask));
}

static void set_up(struct init *init, int job_sock, int ctl_sock)
{
	struct runner *r = &init->runner;
	sigset_t child;

	open_stdio();
	reset_signals();
	(void)sigemptyset(&child);
	(void)sigaddset(&child, SIGCHLD);
	init->signal_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	r->job_sock = job_sock;
	r->ctl_sock = ctl_sock;
	r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->pool = mmap(NULL, sizeof(*r->pool), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		-1, 0);
	if (init->signal_fd < 0 || r->wake_fd < 0 || r->pool == MAP_FAILED)
		_exit(EXIT_AGENTJAIL);
	/* pid 1 gets all orphans anyway; the unit tests run this without a namespace. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

static _Noreturn void become_runner(const struct init *init, struct runner_slot *slot, pid_t parent)
{
	struct runner r = init->runner;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(0);
	(void)prctl(PR_SET_NAME, "aj-runner", 0, 0, 0);
	(void)close(init->signal_fd);
	r.slot = slot;
	runner_run(&r);
}

static bool add_runner(struct init *init)
{
	struct runner_slot *slot = init->runner.pool->slots;
	const struct runner_slot *end = slot + RUNNER_MAX;
	pid_t pid, self = getpid();

	while (slot < end && atomic_load(&slot->state) != RUNNER_NONE)
		slot++;
	if (slot == end)
		return false;
	atomic_store(&slot->state, RUNNER_IDLE);
	pid = fork();
	if (pid == 0)
		become_runner(init, slot, self);
	if (pid < 0)
		atomic_store(&slot->state, RUNNER_NONE);
	else
		slot->pid = pid;
	return pid > 0;
}

static void fill_pool(struct init *init)
{
	unsigned idle = runner_pool_count(init->runner.pool, RUNNER_IDLE);
	unsigned wanted = init->runner.spare;

	if (init->is_single)
		wanted = runner_pool_count(init->runner.pool, RUNNER_BUSY) == 0;
	init->lacks_runners = false;
	for (; idle < wanted; idle++) {
		if (!add_runner(init)) {
			init->lacks_runners = true;
			return;
		}
	}
}

static struct runner_slot *slot_of(struct runner_pool *pool, pid_t pid)
{
	for (size_t i = 0; i < RUNNER_MAX; i++)
		if (pool->slots[i].pid == pid && atomic_load(&pool->slots[i].state) != RUNNER_NONE)
			return &pool->slots[i];
	return NULL;
}

static void reap(struct init *init)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(init->signal_fd, &info, sizeof(info)) > 0)
		continue;
	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | __WALL)) > 0) {
		struct runner_slot *slot = slot_of(init->runner.pool, pid);

		if (slot == NULL)
			continue;
		/* By a command, which shares the namespace: it goes on, or later commands would wait. */
		if (WIFSTOPPED(status)) {
			(void)kill(pid, SIGCONT);
			continue;
		}
		/* With the command all that it left: the kernel kills the rest of the pid namespace. */
		if (init->runner.is_single)
			_exit(0);
		/* One that ended by itself had nothing below it. */
		init->has_strays |= !WIFEXITED(status);
		slot->pid = 0;
		atomic_store(&slot->command, 0);
		atomic_store(&slot->over, 0);
		atomic_store(&slot->state, RUNNER_NONE);
	}
}

static bool is_runner(pid_t pid, void *arg)
{
	return slot_of(arg, pid) != NULL;
}

/* The warden has told a command which limit it passed, or why it wants its end. */
static void read_ctl(struct init *init)
{
	struct cell_msg msg;

	while (recv(init->runner.ctl_sock, &msg, sizeof(msg), MSG_DONTWAIT) == sizeof(msg)) {
		if (msg.type != CELL_MSG_LIMIT && msg.type != CELL_MSG_END)
			continue;
		for (size_t i = 0; i < RUNNER_MAX; i++) {
			struct runner_slot *slot = &init->runner.pool->slots[i];

			if (atomic_load(&slot->command) != msg.id || slot->pid <= 0)
				continue;
			if (msg.type == CELL_MSG_END)
				atomic_store(&slot->over, RUNNER_OVER_WARDEN);
			atomic_store(&slot->told, 1);
			(void)kill(slot->pid, SIGCHLD);
		}
	}
}

static int timeout_ms(const struct init *init)
{
	int limits = init_limits_timeout_ms(&init->limits);

	if (!init->has_strays && !init->lacks_runners)
		return limits;
	return limits >= 0 && limits < RETRY_MS ? limits : RETRY_MS;
}

void init_run(int job_sock, int ctl_sock, const struct init_config *config)
{
	struct init init = { .runner.spare = config->is_single ? 0 : INIT_SPARE,
		.runner.config_limits = config->limits,
		.is_single = config->is_single };

	init.runner.is_single = config->ends_with_it;
	init.runner.tmp = config->tmp;
	init.runner.received = config->received;
	init.runner.n_received = config->n_received;

	init_limits_begin(&init.limits, config);
	set_up(&init, job_sock, ctl_sock);
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = init.signal_fd, .events = POLLIN },
			{ .fd = init.runner.wake_fd, .events = POLLIN },
			{ .fd = job_sock, .events = 0 }, /* its hang-up alone */
			{ .fd = ctl_sock, .events = POLLIN },
		};
		uint64_t count;

		fill_pool(&init);
		(void)poll(fds, ARRAY_LEN(fds), timeout_ms(&init));
		if (fds[2].revents != 0 || (fds[3].revents & POLLHUP) != 0)
			_exit(0); /* the kernel kills the rest of the pid namespace */
		if (fds[1].revents != 0)
			(void)!read(init.runner.wake_fd, &count, sizeof(count));
		if (fds[3].revents != 0)
			read_ctl(&init);
		reap(&init);
		init_limits_check(&init.limits, init.runner.pool);
		if (init.has_strays)
			init.has_strays = runner_tree_kill(is_runner, init.runner.pool) > 0;
	}
}
