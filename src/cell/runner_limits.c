/*
 * Runs in a cell's runner without privilege. Hostile: the command, which may start processes that
 * hide what they use (those that are not dumpable hide what they have written, until they end).
 *
 * What the children that a runner has waited for used is counted in the runner's own numbers, so that
 * nothing is missed that was double-forked and has ended. A short command is never looked at.
 */
#include "cell/runner_limits.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "cell/procs.h"
#include "wire/fdpass.h"
#include "wire/job.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

/*
 * Rationale: reading /proc costs 10 us a process. Twice a second is nothing, and a second of
 * processor time more is no harm; files are looked at again before the rest could be written at this
 * speed, which is that of memory.
 */
#define LOOK_MIN_MS 20
#define LOOK_MAX_MS 500
#define WRITES_PER_MS (2u << 20)
/* Rationale: the warden answers in a millisecond; a command must not live on a warden that is busy. */
#define TOLD_WAIT_MS 500

static int64_t until(int64_t ms)
{
	int64_t left = ms - clock_ms();

	return left > 0 ? left : 0;
}

static bool is_sampled(const struct runner *r)
{
	return r->config_limits.amounts[LIMITS_CPU] != 0 || r->config_limits.amounts[LIMITS_FILES] != 0;
}

static uint64_t own_ticks(void)
{
	struct tms t;

	(void)times(&t);
	return (uint64_t)(t.tms_utime + t.tms_stime + t.tms_cutime + t.tms_cstime);
}

/* In blocks of 512 bytes, of all that was waited for; proc_pid_io(5) is closed to ourselves. */
static uint64_t own_written(void)
{
	struct rusage use = { 0 };

	(void)getrusage(RUSAGE_CHILDREN, &use);
	return (uint64_t)use.ru_oublock * 512;
}

void runner_limits_begin(struct runner_limits *l, struct runner *r, uint32_t id)
{
	*l = (struct runner_limits){ .start_ms = clock_ms() };
	l->next_ms = l->start_ms + LOOK_MAX_MS;
	if (is_sampled(r)) {
		l->own_ticks = own_ticks();
		l->own_written = own_written();
	}
	if (r->config_limits.amounts[LIMITS_FILES] != 0 &&
		r->config_limits.amounts[LIMITS_FILES] / WRITES_PER_MS < LOOK_MAX_MS)
		l->next_ms = l->start_ms + LOOK_MIN_MS;
	atomic_store(&r->slot->over, 0);
	atomic_store(&r->slot->told, 0);
	atomic_store(&r->slot->command, id);
}

void runner_limits_end(struct runner *r)
{
	atomic_store(&r->slot->command, 0);
	atomic_store(&r->slot->over, 0);
}

int runner_limits_timeout_ms(const struct runner_limits *l, const struct runner *r)
{
	uint64_t seconds = r->config_limits.amounts[LIMITS_TIME];
	int64_t left = -1, end = seconds != 0 ? until(l->start_ms + (int64_t)seconds * 1000) : -1;

	if (l->is_over)
		return (int)until(l->kill_ms);
	if (is_sampled(r))
		left = until(l->next_ms);
	if (left < 0 || (end >= 0 && end < left))
		left = end;
	/* Of a day and more: poll(2) counts in an int, and waking up once too often is no harm. */
	return left > 86400000 ? 86400000 : (int)left;
}

static bool is_self(pid_t pid, void *arg)
{
	return pid == *(const pid_t *)arg;
}

struct use {
	uint64_t ticks, written;
	uint32_t children[CELL_MSG_PIDS]; /* of the runner */
	size_t n_children;
};

static bool read_use(const struct runner_limits *l, struct use *ret)
{
	AUTO_FREE struct procs_entry *all = calloc(PROCS_MAX, sizeof(*all));
	struct use use = { 0 };
	pid_t self = getpid();
	size_t n;

	if (all == NULL)
		return false;
	n = procs_read(all);
	procs_mark(all, n, is_self, &self);
	for (size_t i = 0; i < n; i++) {
		uint64_t written = 0;

		if (all[i].root != self || all[i].pid == self)
			continue;
		use.ticks += all[i].ticks;
		if (procs_written(all[i].pid, &written))
			use.written += written;
		if (use.n_children < CELL_MSG_PIDS && all[i].parent == self)
			use.children[use.n_children++] = (uint32_t)all[i].pid;
	}
	use.ticks += own_ticks() - l->own_ticks;
	use.written += own_written() - l->own_written;
	*ret = use;
	return true;
}

static int look(struct runner_limits *l, const struct runner *r)
{
	const uint64_t *max = r->config_limits.amounts;
	uint64_t per_second = (uint64_t)sysconf(_SC_CLK_TCK);
	int64_t wait = LOOK_MAX_MS;
	struct use use;

	l->next_ms = clock_ms() + wait;
	if (!read_use(l, &use))
		return -1;
	if (max[LIMITS_CPU] != 0 && use.ticks / per_second >= max[LIMITS_CPU])
		return LIMITS_CPU;
	if (max[LIMITS_FILES] == 0)
		return -1;
	if (use.written > max[LIMITS_FILES])
		return LIMITS_FILES;
	if ((max[LIMITS_FILES] - use.written) / WRITES_PER_MS < (uint64_t)wait)
		wait = (int64_t)((max[LIMITS_FILES] - use.written) / WRITES_PER_MS);
	l->next_ms = clock_ms() + (wait < LOOK_MIN_MS ? LOOK_MIN_MS : wait);
	return -1;
}

/* Which limit is it, or -1. What it left behind may run on: a server is no command that hangs. */
static int find(struct runner_limits *l, struct runner *r, pid_t pid)
{
	uint64_t seconds = r->config_limits.amounts[LIMITS_TIME];
	uint32_t over = atomic_load(&r->slot->over);

	if (over != 0)
		return (int)over - 1;
	if (pid != 0 && seconds != 0 && until(l->start_ms + (int64_t)seconds * 1000) == 0)
		return LIMITS_TIME;
	return is_sampled(r) && until(l->next_ms) == 0 ? look(l, r) : -1;
}

/* The command hears of it; of one that has ended, what it left behind. */
static void tell(const struct runner_limits *l, const struct runner *r, int kind, pid_t pid)
{
	struct cell_msg msg = { .type = CELL_MSG_LIMIT,
		.id = atomic_load(&r->slot->command),
		.value = (uint32_t)kind,
		.pids = { (uint32_t)pid } };
	struct use use = { .n_children = 0 };

	if (pid == 0 && read_use(l, &use))
		memcpy(msg.pids, use.children, sizeof(msg.pids));
	(void)fdpass_send(r->ctl_sock, &msg, sizeof(msg), NULL, 0);
}

bool runner_limits_are_over(struct runner_limits *l, struct runner *r, pid_t pid)
{
	int kind;

	if (!l->is_over) {
		kind = find(l, r, pid);
		if (kind < 0)
			return false;
		l->is_over = true;
		l->kill_ms = clock_ms() + TOLD_WAIT_MS;
		/* Pid 1 tells who left processes behind; who else, does not need to know. */
		atomic_store(&r->slot->over, (uint32_t)kind + 1);
		if (kind < LIMITS_KIND_COUNT)
			tell(l, r, kind, pid);
	}
	return atomic_load(&r->slot->told) != 0 || until(l->kill_ms) == 0;
}
