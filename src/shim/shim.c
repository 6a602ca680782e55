/*
 * The shim: stands in the agent's process tree for a command that runs in a cell. It is executed
 * with the command's argv and environment, tells the warden what the command would have inherited,
 * gets the command's socket, lets go of all descriptors but that and ends as the command ends.
 * Runs in the agent context with its privilege. Hostile: argv and environment, which it hands on
 * and never reads but for its own name; and nothing else has a say (no file, no variable).
 */
#include "shim/sys.h"

#include "shim/attach.h"
#include "shim/front.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#define EXIT_REFUSED 126

void shim_main(const uintptr_t *stack) __attribute__((noreturn, used));

/* The command's socket, or no return. */
static int say_hello(const struct shim_hello *hello)
{
	long fd = sys_call6(__NR_execveat, HELLO_FD, sys_ptr(""), sys_ptr(hello), 0, 0, 0);

	if (fd == -EACCES) /* the warden has said why */
		sys_exit(EXIT_REFUSED);
	if (fd < 0)
		front_die("agentjail: no session answers here: this program runs under `agentjail` alone\n");
	if (fd < FRONT_FIRST_FD) {
		long high = sys_fcntl((int)fd, F_DUPFD_CLOEXEC, FRONT_FIRST_FD);

		(void)sys_close((int)fd);
		if (high < 0)
			front_die("agentjail: no descriptor left\n");
		fd = high;
	}
	return (int)fd;
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
		front_set_name(argv[0]);
	attach_describe(&hello);
	front_describe_strings(&hello, argv);
	n = sys_call3(__NR_getcwd, sys_ptr(cwd), sizeof(cwd), 0);
	if (n <= 0) {
		cwd[0] = '\0';
		n = 1;
	}
	hello.cwd = (uintptr_t)cwd;
	hello.cwd_bytes = (uint32_t)n;
	sock = say_hello(&hello);
	front_run(&hello, sock);
}
