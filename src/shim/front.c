/*
 * What the shim and a tool's link have in common: describing what they were started with, and
 * standing for a command that runs elsewhere until it ends. Freestanding. Runs in the agent context
 * or in a cell, with no more than they have. Hostile: argv and environment, which are handed on.
 */
#include "shim/front.h"

#include "shim/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <poll.h>
#include <signal.h>

/* prctl(2), PR_SET_NAME */
#define NAME_BYTES 16

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

size_t front_length(const char *s)
{
	size_t n = 0;

	while (s[n] != '\0')
		n++;
	return n;
}

_Noreturn void front_die(const char *text)
{
	(void)sys_write(2, text, front_length(text));
	sys_exit(FRONT_OWN_FAILURE);
}

void front_set_name(const char *argv0)
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
void front_describe_strings(struct shim_hello *hello, char *const *argv)
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
	hello->strings_bytes = (uint64_t)(last - first) + front_length(last) + 1;
}

/*
 * Lets go of what the command has now: end of file and EPIPE on a pipe come when the command
 * closes it, not when the shim does. Terminals stay: they are relayed.
 */
static void close_others(const struct shim_hello *hello, int sock)
{
	for (int fd = 0; fd < FRONT_FIRST_FD; fd++)
		if ((hello->tty_mask >> fd & 1u) == 0)
			(void)sys_close(fd);
	if (sock > FRONT_FIRST_FD)
		(void)sys_call3(__NR_close_range, FRONT_FIRST_FD, sock - 1, 0);
	(void)sys_call3(__NR_close_range, sock + 1, UINT32_MAX, 0);
}

_Noreturn void front_run(const struct shim_hello *hello, int sock)
{
	struct attach attach;
	struct pollfd fds[ATTACH_POLLFDS];
	enum attach_result result = ATTACH_RUNS;
	uint64_t all = UINT64_MAX;
	long signal_fd;

	close_others(hello, sock);
	signal_fd = sys_call4(__NR_signalfd4, -1, sys_ptr(&all), sizeof(all), O_CLOEXEC | O_NONBLOCK);
	attach_init(&attach, sock, (int)signal_fd, hello);
	while (result == ATTACH_RUNS) {
		int wait_ms = attach_pollfds(&attach, fds);
		struct timespec wait = { .tv_nsec = wait_ms * 1000000L };

		(void)sys_ppoll(fds, ATTACH_POLLFDS, wait_ms < 0 ? NULL : &wait);
		result = attach_dispatch(&attach, fds);
	}
	attach_mirror(&attach, result);
}
