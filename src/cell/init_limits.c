/*
 * Runs in a cell's pid 1, without privilege. Hostile: the processes that are counted. One that is not
 * dumpable is counted without regard to what it shares; memory that nobody has mapped (memfd_create(2))
 * is nobody's, and not counted.
 *
 * Memory is what processes have for themselves and what lies in the cell's own tmpfs; pages of files
 * are the kernel's to drop. Most of the time the cheap sum of resident pages says that all is well.
 */
#include "cell/init_limits.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "cell/procs.h"

#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/statfs.h>
#include <unistd.h>

/*
 * Rationale: one processor makes 1 to 2 GB of fresh memory a second, so the next look comes before
 * the rest is gone; twice a second is often enough for anything, and 20 ms apart cost 2 %.
 */
#define LOOK_MIN_MS 20
#define LOOK_MAX_MS 500
#define GROWTH_PER_MS (2u << 20)
/* Rationale: forks that a processor makes in a millisecond. */
#define FORKS_PER_MS 10
/* Rationale: the exact look walks page tables, 10 ms a GB; it must not be what a cell does. */
#define LOOK_SHARE 20
/* Rationale: by then 20 GB were walked, or processes that fork without end are in the way. */
#define EXACT_MAX_MS 200
/* Rationale: enough to tell who has most of some hundred and more. */
#define SAMPLE 64
/*
 * Rationale: as long as there are few processes, their threads are of no great interest (the kernel
 * counts them too): only each eighth look reads all. A look costs 50 us then.
 */
#define FEW 8
/* Rationale: pid 1, runners (cf. IDLE_MAX in runner.c) and processes that are gone in a moment. */
#define OWN_TASKS 64
/* Rationale: a command that was killed is gone in a few ms; one that hangs in the kernel may not. */
#define PATIENCE_MS 3000

/* As many of the processors that we may use as make up the limit; which, differs by session. */
static void bind_processors(uint64_t thousandths)
{
	uint64_t wanted = (thousandths + 999) / 1000;
	cpu_set_t all, some;
	uint64_t n, skip;

	CPU_ZERO(&some);
	if (sched_getaffinity(0, sizeof(all), &all) < 0)
		return; /* more than the type holds: the limit is far away then */
	n = (uint64_t)CPU_COUNT(&all);
	if (wanted >= n)
		return;
	skip = (uint64_t)clock_ms() % n;
	for (size_t i = 0; (uint64_t)CPU_COUNT(&some) < wanted; i = (i + 1) % CPU_SETSIZE) {
		if (!CPU_ISSET(i, &all))
			continue;
		if (skip > 0)
			skip--;
		else
			CPU_SET(i, &some);
	}
	(void)sched_setaffinity(0, sizeof(some), &some);
}

void init_limits_begin(struct init_limits *l, const struct init_config *config)
{
	*l = (struct init_limits){ .limits = config->limits, .home = config->home };
	if (l->limits.amounts[LIMITS_CORES] != 0)
		bind_processors(l->limits.amounts[LIMITS_CORES]);
}

static bool is_wanted(const struct init_limits *l)
{
	return l->limits.amounts[LIMITS_MEMORY] != 0 || l->limits.amounts[LIMITS_PIDS] != 0;
}

int init_limits_timeout_ms(const struct init_limits *l)
{
	int64_t left = is_wanted(l) ? l->next_ms - clock_ms() : -1;

	return left < 0 && is_wanted(l) ? 0 : (int)left;
}

/* What lies in the cell's own tmpfs, each once. */
static uint64_t tmpfs_bytes(const struct init_limits *l)
{
	const char *const places[] = { "/", "/tmp", "/dev/shm", "/run", l->home };
	fsid_t seen[ARRAY_LEN(places)];
	size_t n = 0;
	uint64_t bytes = 0;

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		struct statfs fs;
		size_t k = 0;

		if (places[i] == NULL || statfs(places[i], &fs) < 0 || fs.f_type != TMPFS_MAGIC)
			continue;
		while (k < n && memcmp(&seen[k], &fs.f_fsid, sizeof(seen[k])) != 0)
			k++;
		if (k < n)
			continue;
		seen[n++] = fs.f_fsid;
		bytes += (uint64_t)(fs.f_blocks - fs.f_bfree) * (uint64_t)fs.f_bsize;
	}
	return bytes;
}

static struct runner_slot *slot_of(struct runner_pool *pool, pid_t pid)
{
	for (size_t i = 0; pid > 1 && i < RUNNER_MAX; i++)
		if (pool->slots[i].pid == pid && atomic_load(&pool->slots[i].state) != RUNNER_NONE)
			return &pool->slots[i];
	return NULL;
}

static bool is_runner(pid_t pid, void *arg)
{
	return slot_of(arg, pid) != NULL;
}

/* ---- one look ---- */

struct look {
	struct init_limits *l;
	struct runner_pool *pool;
	struct procs_entry *all;
	size_t n;
	int64_t wait_ms;
};

/* A process of a command, and not one of ours. */
static bool is_command(const struct procs_entry *p)
{
	return p->root != 0 && p->pid != p->root;
}

/* The runner below which most of value is; value is what is_command() processes have. */
static pid_t biggest(const struct look *look, const uint64_t *value)
{
	uint64_t most = 0;
	pid_t found = 0;

	for (size_t i = 0; i < look->n; i++) {
		pid_t root = look->all[i].root;
		uint64_t sum = 0;

		/* Once for each: where its runner itself stands in the list. */
		if (root == 0 || look->all[i].pid != root)
			continue;
		for (size_t k = 0; k < look->n; k++)
			sum += look->all[k].root == root ? value[k] : 0;
		if (sum > most) {
			most = sum;
			found = root;
		}
	}
	return found;
}

static void sooner(struct look *look, uint64_t left, uint64_t per_ms)
{
	if (left / per_ms < (uint64_t)look->wait_ms)
		look->wait_ms = (int64_t)(left / per_ms);
}

static pid_t look_at_pids(struct look *look, uint64_t *value)
{
	uint64_t max = look->l->limits.amounts[LIMITS_PIDS], sum = 0;

	for (size_t i = 0; i < look->n; i++) {
		value[i] = is_command(&look->all[i]) ? look->all[i].threads : 0;
		sum += value[i];
	}
	if (sum > max)
		return biggest(look, value);
	sooner(look, max - sum, FORKS_PER_MS);
	return 0;
}

static pid_t look_at_memory(struct look *look, uint64_t *value)
{
	uint64_t max = look->l->limits.amounts[LIMITS_MEMORY], page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t in_files = tmpfs_bytes(look->l), sum = in_files;
	int64_t start = clock_ms();

	for (size_t i = 0; i < look->n; i++)
		sum += is_command(&look->all[i]) ? look->all[i].resident_pages * page : 0;
	if (sum <= max) {
		sooner(look, max - sum, GROWTH_PER_MS);
		return 0;
	}
	/* Much of it may be shared, or pages of files. */
	sum = in_files;
	memset(value, 0, look->n * sizeof(*value));
	for (size_t i = 0; i < look->n; i++) {
		if (is_command(&look->all[i]))
			value[i] = procs_memory(look->all[i].pid, clock_ms() - start < EXACT_MAX_MS);
		sum += value[i];
	}
	if (sum > max)
		return biggest(look, value);
	sooner(look, max - sum, GROWTH_PER_MS);
	if (look->wait_ms < LOOK_SHARE * (clock_ms() - start))
		look->wait_ms = LOOK_SHARE * (clock_ms() - start);
	if (look->wait_ms > LOOK_MAX_MS)
		look->wait_ms = LOOK_MAX_MS;
	return 0;
}

/*
 * Nothing of it runs, forks or fills memory any more while others are told; groups at one blow. The
 * runner's own group, which a command may have joined, goes on.
 */
static void stop_command(const struct look *look, pid_t runner)
{
	pid_t last = 0;

	for (size_t i = 0; i < look->n; i++) {
		const struct procs_entry *p = &look->all[i];

		if (p->root != runner || p->pid == runner)
			continue;
		if (p->group > 1 && p->group != last && slot_of(look->pool, p->group) == NULL)
			(void)kill(-p->group, SIGSTOP);
		last = p->group;
	}
}

static void end_command(struct look *look, pid_t runner, enum limits_kind kind)
{
	struct runner_slot *slot = slot_of(look->pool, runner);

	if (slot == NULL)
		return;
	/* In this order: the runner does not pass on stops of a command that is over. */
	atomic_store(&slot->over, (uint32_t)kind + 1);
	stop_command(look, runner);
	(void)kill(slot->pid, SIGCHLD);
	look->l->victim = runner;
	look->l->patience_ms = clock_ms() + PATIENCE_MS;
}

/* Its memory and its processes are there until it has ended: no second one for the same. */
static bool is_waiting(struct init_limits *l, struct runner_pool *pool)
{
	struct runner_slot *slot = slot_of(pool, l->victim);

	if (slot != NULL && atomic_load(&slot->over) != 0 && clock_ms() < l->patience_ms)
		return true;
	l->victim = 0;
	return false;
}

/*
 * Are there far too many? Where the kernel does not refuse more (to root), reading them all would take
 * longer and longer. They are of the runner in whose session most of a sample is.
 */
static pid_t look_at_count(struct look *look, size_t total)
{
	size_t most = 0;
	pid_t found = 0;

	if (total <= look->l->limits.amounts[LIMITS_PIDS] + OWN_TASKS)
		return 0;
	look->n = procs_sample(look->all, SAMPLE, &total);
	for (size_t i = 0; i < look->n; i++)
		look->all[i].root = is_runner(look->all[i].session, look->pool) ? look->all[i].session : 0;
	for (size_t i = 0; i < look->n; i++) {
		size_t count = 0;

		for (size_t k = 0; k < look->n; k++)
			count += look->all[k].root == look->all[i].root;
		if (look->all[i].root != 0 && count > most) {
			most = count;
			found = look->all[i].root;
		}
	}
	return found;
}

static void look_now(struct look *look, uint64_t *value)
{
	const uint64_t *max = look->l->limits.amounts;
	size_t total = 0;
	pid_t runner = 0;

	if (max[LIMITS_PIDS] != 0) {
		(void)procs_sample(look->all, 0, &total);
		runner = look_at_count(look, total);
		sooner(look, total < max[LIMITS_PIDS] ? max[LIMITS_PIDS] - total : 0, FORKS_PER_MS);
	}
	if (runner != 0) {
		end_command(look, runner, LIMITS_PIDS);
		return;
	}
	if (max[LIMITS_MEMORY] == 0 && total < max[LIMITS_PIDS] / FEW && ++look->l->looks % FEW != 0)
		return;
	look->n = procs_read(look->all);
	procs_mark(look->all, look->n, is_runner, look->pool);
	if (max[LIMITS_PIDS] != 0)
		runner = look_at_pids(look, value);
	if (runner != 0) {
		end_command(look, runner, LIMITS_PIDS);
		return;
	}
	if (max[LIMITS_MEMORY] != 0)
		runner = look_at_memory(look, value);
	if (runner != 0)
		end_command(look, runner, LIMITS_MEMORY);
}

void init_limits_check(struct init_limits *l, struct runner_pool *pool)
{
	AUTO_FREE struct procs_entry *all = NULL;
	AUTO_FREE uint64_t *value = NULL;
	struct look look = { .l = l, .pool = pool, .wait_ms = LOOK_MAX_MS };

	if (!is_wanted(l) || clock_ms() < l->next_ms)
		return;
	l->next_ms = clock_ms() + LOOK_MIN_MS;
	if (is_waiting(l, pool))
		return;
	all = calloc(PROCS_MAX, sizeof(*all));
	value = calloc(PROCS_MAX, sizeof(*value));
	if (all == NULL || value == NULL)
		return; /* looked at again in a moment */
	look.all = all;
	look_now(&look, value);
	l->next_ms = clock_ms() + (look.wait_ms < LOOK_MIN_MS ? LOOK_MIN_MS : look.wait_ms);
}
