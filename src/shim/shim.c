/*
 * The shim: stands in the agent's process tree for a command that runs in a cell. It is executed
 * with the command's argv and environment, tells the warden what the command would have inherited,
 * gets the command's socket, lets go of all descriptors but that and ends as the command ends.
 * Runs in the agent context with its privilege. Hostile: argv and environment, which it hands on
 * and never reads but for its own name; and nothing else has a say (no file, no variable).
 */
#include "shim/sys.h"

#include "shim/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <poll.h>
#include <signal.h>

#define EXIT_OWN_FAILURE 125
#define EXIT_REFUSED 126
/* prctl(2), PR_SET_NAME */
#define NAME_BYTES 16
#define FIRST_OTHER_FD 3

void shim_main(const uintptr_t *stack) __attribute__((noreturn, used));

/* The compiler may call these for copies and zeroing of structures. */
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);

void *memcpy(void *to, const void *from, size_t n)
{
	char *t = to;
	const char *f = from;

	while (n-- > 0) {
		*t++ = *f++;
		__asm__ volatile("" ::: "memory"); /* else this loop becomes a call of itself */
	}
	return to;
}

void *memset(void *to, int c, size_t n)
{
	char *t = to;

	while (n-- > 0) {
		*t++ = (char)c;
		__asm__ volatile("" ::: "memory");
	}
	return to;
}

static size_t length(const char *s)
{
	size_t n = 0;

	while (s[n] != '\0')
		n++;
	return n;
}

static _Noreturn void die(const char *text)
{
	(void)sys_write(2, text, length(text));
	sys_exit(EXIT_OWN_FAILURE);
}

static void set_name(const char *argv0)
{
	char name[NAME_BYTES] = { 0 };
	const char *base = argv0;

	for (const char *s = argv0; *s != '\0'; s++)
		if (s[0] == '/' && s[1] != '\0')
			base = s + 1;
	for (size_t i = 0; i < sizeof(name) - 1 && base[i] != '\0'; i++)
		name[i] = base[i];
	(void)sys_call3(__NR_prctl, PR_SET_NAME, sys_ptr(name), 0);
}

/* The strings of argv and, right after them, of the environment: execve(2) lays them out so. */
static void describe_strings(struct shim_hello *hello, char *const *argv)
{
	char *const *envp;
	const char *first, *last;

	while (argv[hello->argc] != NULL)
		hello->argc++;
	envp = argv + hello->argc + 1;
	while (envp[hello->envc] != NULL)
		hello->envc++;
	if (hello->argc + hello->envc == 0)
		return;
	first = hello->argc > 0 ? argv[0] : envp[0];
	last = hello->envc > 0 ? envp[hello->envc - 1] : argv[hello->argc - 1];
	hello->strings = (uintptr_t)first;
	hello->strings_bytes = (uint64_t)(last - first) + length(last) + 1;
}

/* The command's socket, or no return. */
static int say_hello(const struct shim_hello *hello)
{
	long fd = sys_call6(__NR_execveat, HELLO_FD, sys_ptr(""), sys_ptr(hello), 0, 0, 0);

	if (fd == -EACCES) /* the warden has said why */
		sys_exit(EXIT_REFUSED);
	if (fd < 0)
		die("agentjail: no session answers here: this program runs under `agentjail` alone\n");
	if (fd < FIRST_OTHER_FD) {
		long high = sys_fcntl((int)fd, F_DUPFD_CLOEXEC, FIRST_OTHER_FD);

		(void)sys_close((int)fd);
		if (high < 0)
			die("agentjail: no descriptor left\n");
		fd = high;
	}
	return (int)fd;
}

/*
 * Lets go of what the command has now: end of file and EPIPE on a pipe come when the command
 * closes it, not when the shim does. Terminals stay: they are relayed.
 */
static void close_others(const struct shim_hello *hello, int sock)
{
	for (int fd = 0; fd < FIRST_OTHER_FD; fd++)
		if ((hello->tty_mask >> fd & 1u) == 0)
			(void)sys_close(fd);
	if (sock > FIRST_OTHER_FD)
		(void)sys_call3(__NR_close_range, FIRST_OTHER_FD, sock - 1, 0);
	(void)sys_call3(__NR_close_range, sock + 1, UINT32_MAX, 0);
}

static _Noreturn void run(const struct shim_hello *hello, int sock)
{
	struct attach attach;
	struct pollfd fds[ATTACH_POLLFDS];
	enum attach_result result = ATTACH_RUNS;
	uint64_t all = UINT64_MAX;
	long signal_fd = sys_call4(__NR_signalfd4, -1, sys_ptr(&all), sizeof(all),
		O_CLOEXEC | O_NONBLOCK);

	attach_init(&attach, sock, (int)signal_fd, hello);
	while (result == ATTACH_RUNS) {
		int wait_ms = attach_pollfds(&attach, fds);
		struct timespec wait = { .tv_nsec = wait_ms * 1000000L };

		(void)sys_ppoll(fds, ATTACH_POLLFDS, wait_ms < 0 ? NULL : &wait);
		result = attach_dispatch(&attach, fds);
	}
	attach_mirror(&attach, result);
}

void shim_main(const uintptr_t *stack)
{
	char *const *argv = (char *const *)(stack + 1);
	struct shim_hello hello = { .version = HELLO_VERSION, .bytes = sizeof(hello) };
	char cwd[HELLO_CWD_MAX];
	long n;
	int sock;

	/* First: a signal from now on waits until there is somebody to pass it to. */
	(void)sys_sigprocmask(SIG_SETMASK, UINT64_MAX);
	if (argv[0] != NULL)
		set_name(argv[0]);
	attach_describe(&hello);
	describe_strings(&hello, argv);
	n = sys_call3(__NR_getcwd, sys_ptr(cwd), sizeof(cwd), 0);
	if (n <= 0) {
		cwd[0] = '\0';
		n = 1;
	}
	hello.cwd = (uintptr_t)cwd;
	hello.cwd_bytes = (uint32_t)n;
	sock = say_hello(&hello);
	close_others(&hello, sock);
	run(&hello, sock);
}
