/*
 * An agent that starts commands in every way that Linux has, from many threads at once, while
 * timers fire signals at the very call: each command must get its own arguments and environment,
 * and run in the cell. Also: what exec answers when it cannot run something, to be compared with
 * the answers outside.
 *
 * usage: storm run PROGRAM COUNT THREADS cell|here    a summary line; exit 0 if all was right
 *        storm errors DIR                             one line a case: name and errno
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STACK_BYTES = 64 * 1024, MAX_THREADS = 64 };

/* One command: what is executed, how, and where its output goes. */
struct job {
	const char *path;
	char *argv[4], *envp[3];
	int out;
	int way;
	bool restart; /* the handler's SA_RESTART */
};

/* In shared memory: forked children count, too. */
static struct {
	atomic_int wrong, escaped, interrupted, fired, next_job;
} *sum;
static const char *program;
static char own_ns[64];
static int total;
static bool want_cell;

static void on_timer(int number)
{
	(void)number;
	atomic_fetch_add(&sum->fired, 1);
}

/*
 * Signals of this process alone, from timers that exec deletes: while the call is made, while it
 * waits to be taken up and while it is decided. Bounded: a process that is interrupted for ever
 * would never get through a notified call.
 */
static void signal_storm(bool restart)
{
	static const long after_ns[] = {20000, 60000, 150000, 400000, 1000000, 3000000};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
				 .sigev_signo = restart ? SIGRTMIN : SIGRTMIN + 1};
	timer_t timer;

	for (size_t i = 0; i < sizeof(after_ns) / sizeof(after_ns[0]); i++) {
		struct itimerspec when = {.it_value = {.tv_nsec = after_ns[i]}};

		if (timer_create(CLOCK_MONOTONIC, &event, &timer) == 0)
			timer_settime(timer, 0, &when, NULL);
	}
}

static long exec_execve(const struct job *j)
{
	return execve(j->path, j->argv, j->envp);
}

static long exec_at_path(const struct job *j)
{
	return syscall(SYS_execveat, AT_FDCWD, j->path, j->argv, j->envp, 0);
}

static long exec_at_dir(const struct job *j)
{
	char dir[512];
	const char *slash = strrchr(j->path, '/');
	int fd;

	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - j->path), j->path);
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return syscall(SYS_execveat, fd, slash + 1, j->argv, j->envp, 0);
}

static long exec_at_fd(const struct job *j)
{
	int fd = open(j->path, O_PATH | O_CLOEXEC);

	return syscall(SYS_execveat, fd, "", j->argv, j->envp, AT_EMPTY_PATH);
}

#ifdef __x86_64__
/* The i386 gate, with everything it points at below 4 GB. */
static long exec_gate32(const struct job *j)
{
	char *low = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	uint32_t *table = (uint32_t *)(void *)low, *argv = table, *envp = table + 8;
	char *at = low + 256;
	long rc;

	if (low == MAP_FAILED)
		return -1;
	for (int list = 0; list < 2; list++) {
		char *const *from = list ? j->envp : j->argv;

		for (int i = 0; from[i]; i++) {
			(list ? envp : argv)[i] = (uint32_t)(uintptr_t)at;
			at += snprintf(at, 1024, "%s", from[i]) + 1;
		}
	}
	snprintf(at, 1024, "%s", j->path);
	__asm__ volatile("int $0x80"
			 : "=a"(rc)
			 : "a"(11L), "b"((long)(uintptr_t)at), "c"((long)(uintptr_t)argv),
			   "d"((long)(uintptr_t)envp)
			 : "memory", "r8", "r9", "r10", "r11", "cc");
	munmap(low, 8192);
	errno = (int)-rc;
	return -1;
}
#else
#define exec_gate32 exec_at_fd
#endif

static long (*const exec_ways[])(const struct job *) = {exec_execve, exec_at_path, exec_at_dir,
							exec_at_fd, exec_gate32};
enum { EXEC_WAYS = sizeof(exec_ways) / sizeof(exec_ways[0]) };

/* The child's side of every way but posix_spawn. Only calls that a vfork child may make. */
static int child(void *arg)
{
	struct job *j = arg;

	if (dup2(j->out, 1) < 0)
		_exit(126);
	signal_storm(j->restart);
	for (int i = 0; i < 1000; i++) {
		exec_ways[j->way % EXEC_WAYS](j);
		if (errno != EINTR)
			break;
		/* a handler without SA_RESTART, before the call was taken up: legal, and retried */
		atomic_fetch_add(&sum->interrupted, 1);
	}
	dprintf(2, "storm: way %d: %s\n", j->way, strerror(errno));
	_exit(126);
}

static pid_t start_fork(struct job *j)
{
	pid_t pid = fork();

	if (pid == 0)
		child(j);
	return pid;
}

static pid_t start_clone(struct job *j, int flags)
{
	char *stack = malloc(STACK_BYTES);
	pid_t pid = clone(child, stack + STACK_BYTES, flags | SIGCHLD, j);

	free(stack);
	return pid;
}

static pid_t start_vm_vfork(struct job *j)
{
	return start_clone(j, CLONE_VM | CLONE_VFORK);
}

/* As vfork(2) does, with a stack that the parent does not share. */
static pid_t start_vfork(struct job *j)
{
	return start_clone(j, CLONE_VFORK);
}

static pid_t start_clone3(struct job *j)
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		child(j);
	return pid < 0 && errno == ENOSYS ? start_fork(j) : pid;
}

static pid_t start_spawn(struct job *j)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int rc;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, j->out, 1);
	rc = posix_spawn(&pid, j->path, &actions, NULL, j->argv, j->envp);
	posix_spawn_file_actions_destroy(&actions);
	if (rc == EINTR) {
		atomic_fetch_add(&sum->interrupted, 1);
		return start_spawn(j);
	}
	errno = rc;
	return rc ? -1 : pid;
}

static pid_t (*const start_ways[])(struct job *) = {start_fork, start_vfork, start_vm_vfork,
						    start_clone3, start_spawn};
enum { START_WAYS = sizeof(start_ways) / sizeof(start_ways[0]) };

static void check(int number, const char *out, int status)
{
	char want[64], ns[64] = "";
	int at = snprintf(want, sizeof(want), "job-%d env-%d ", number, number);

	if (strncmp(out, want, (size_t)at) != 0 || sscanf(out + at, "%63s", ns) != 1 || status) {
		atomic_fetch_add(&sum->wrong, 1);
		fprintf(stderr, "storm: job %d: status %x, output: %s\n", number, status, out);
		return;
	}
	if ((strcmp(ns, own_ns) == 0) == want_cell)
		atomic_fetch_add(&sum->escaped, 1);
}

static void one_job(int number)
{
	char name[32], env[48], out[256] = "";
	struct job j = {.path = program, .way = number / START_WAYS, .restart = number & 1};
	ssize_t n, len = 0;
	int ends[2], status = -1;
	pid_t pid;

	snprintf(name, sizeof(name), "job-%d", number);
	snprintf(env, sizeof(env), "STORM=env-%d", number);
	j.argv[0] = name;
	j.argv[1] = name;
	j.argv[2] = (char *)(uintptr_t) "";
	j.envp[0] = env;
	if (pipe2(ends, O_CLOEXEC) < 0)
		abort();
	j.out = ends[1];
	pid = start_ways[number % START_WAYS](&j);
	close(ends[1]);
	while ((n = read(ends[0], out + len, sizeof(out) - 1 - (size_t)len)) > 0 ||
	       (n < 0 && errno == EINTR))
		len += n > 0 ? n : 0;
	close(ends[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	check(number, out, status);
}

static void *worker(void *arg)
{
	int number;

	(void)arg;
	while ((number = atomic_fetch_add(&sum->next_job, 1)) < total)
		one_job(number);
	return NULL;
}

static int run(char **arg)
{
	struct sigaction restarting = {.sa_handler = on_timer, .sa_flags = SA_RESTART};
	struct sigaction plain = {.sa_handler = on_timer};
	pthread_t threads[MAX_THREADS];
	int count = (int)strtol(arg[2], NULL, 10);

	sum = mmap(NULL, sizeof(*sum), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sum == MAP_FAILED)
		return 2;
	program = arg[0];
	total = (int)strtol(arg[1], NULL, 10);
	want_cell = strcmp(arg[3], "cell") == 0;
	count = count > MAX_THREADS ? MAX_THREADS : count;
	if (readlink("/proc/self/ns/mnt", own_ns, sizeof(own_ns) - 1) < 0)
		return 2;
	sigaction(SIGRTMIN, &restarting, NULL);
	sigaction(SIGRTMIN + 1, &plain, NULL);
	for (int i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, worker, NULL) != 0)
			return 2;
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	printf("%d commands, %d threads: %d wrong, %d in the wrong place (%d signals, %d calls "
	       "interrupted)\n",
	       total, count, atomic_load(&sum->wrong), atomic_load(&sum->escaped), atomic_load(&sum->fired),
	       atomic_load(&sum->interrupted));
	return atomic_load(&sum->wrong) || atomic_load(&sum->escaped);
}

/* The errno of executing path with one more argument, in a child. 0: it ran. */
static int exec_errno(const char *path, char *argument, int flags)
{
	char *argv[] = {(char *)(uintptr_t) "x", argument, NULL}, *envp[] = {NULL};
	int *result = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			   -1, 0);
	pid_t pid;

	if (result == MAP_FAILED)
		abort();
	pid = fork();
	if (pid == 0) {
		syscall(SYS_execveat, AT_FDCWD, path, argv, envp, flags);
		*result = errno;
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	return *result;
}

static int errors(char **arg)
{
	static const char *const names[] = {
		"missing", "no-permission", "directory",     "text",	     "loop",
		"text/x",  "empty",	    "no-interpreter", "bad-interpreter", "nested",
		"dangling", "locked/x",	    "truncated",     "broken-elf",   "good",
	};
	static char huge[3 * 1024 * 1024], path[8192];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", arg[0], names[i]);
		printf("%s %s\n", names[i], strerrorname_np(exec_errno(path, NULL, 0)));
	}
	memset(huge, 'x', sizeof(huge) - 1);
	snprintf(path, sizeof(path), "%s/good", arg[0]);
	printf("huge-argument %s\n", strerrorname_np(exec_errno(path, huge, 0)));
	huge[100000] = '\0';
	printf("large-argument %s\n", strerrorname_np(exec_errno(path, huge, 0)));
	snprintf(path, sizeof(path), "%s/link", arg[0]);
	printf("link %s\n", strerrorname_np(exec_errno(path, NULL, 0)));
	printf("link-nofollow %s\n",
	       strerrorname_np(exec_errno(path, NULL, AT_SYMLINK_NOFOLLOW)));
	printf("bad-flags %s\n", strerrorname_np(exec_errno(path, NULL, 0x40000)));
	memset(path, 'y', 5000);
	path[5000] = '\0';
	printf("long-path %s\n", strerrorname_np(exec_errno(path, NULL, 0)));
	printf("empty-path %s\n", strerrorname_np(exec_errno("", NULL, 0)));
	printf("bad-pointer %s\n", strerrorname_np(exec_errno((const char *)8, NULL, 0)));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 6 && strcmp(argv[1], "run") == 0)
		return run(argv + 2);
	if (argc == 3 && strcmp(argv[1], "errors") == 0)
		return errors(argv + 2);
	fprintf(stderr, "usage: storm run PROGRAM COUNT THREADS cell|here | storm errors DIR\n");
	return 64;
}
