/*
 * Runs in the warden, and in its child up to execve. Nothing here is hostile.
 */
#include "warden/netrole.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/standing.h"
#include "base/sys.h"
#include "policy/policy.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define FIRST_FD 3

extern const char net_blob[], net_blob_end[];

int netrole_blob(const char *name, const char *from, const char *to, struct err *err)
{
	AUTO_CLOSE int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char path[64];
	int r;

	if (fd < 0)
		return err_set(err, errno, "memfd_create");
	r = write_all(fd, from, (size_t)(to - from));
	if (r < 0)
		return err_set(err, -r, "%s", name);
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return err_set(err, errno, "seal %s", name);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = open(path, O_RDONLY | O_CLOEXEC);
	return r < 0 ? err_set(err, errno, "%s", name) : r;
}

int netrole_policy(const struct policy *policy, struct err *err)
{
	AUTO_CLOSE int fd = memfd_create("agentjail-policy", MFD_CLOEXEC);

	if (fd < 0)
		return err_set(err, errno, "memfd_create");
	if (policy_dump(policy, fd, err) < 0)
		return -err->code;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_set(err, errno, "lseek");
	return take_fd(&fd);
}

/* The program's descriptor: made at the first need, kept until the warden ends. */
static int program_fd = -1;

static int program(struct err *err)
{
	if (program_fd < 0)
		program_fd = netrole_blob("agentjail-net", net_blob, net_blob_end, err);
	return program_fd < 0 ? -err->code : program_fd;
}

void netrole_forget(void)
{
	program_fd = -1;
}

/* Moves descriptors to where the role looks for them; *prog moves out of their way. */
static int place_fds(const struct netrole *role, int *prog)
{
	int from[NETROLE_FDS_MAX + 1];
	int end = FIRST_FD + (int)role->n_fds;

	/* First all of them out of the way of the final numbers. */
	for (size_t i = 0; i < role->n_fds; i++) {
		from[i] = role->fds[i] < 0 ? -1 : fcntl(role->fds[i], F_DUPFD_CLOEXEC, end + 1);
		if (role->fds[i] >= 0 && from[i] < 0)
			return -errno;
	}
	*prog = fcntl(*prog, F_DUPFD_CLOEXEC, end + 1);
	if (*prog < 0)
		return -errno;
	for (size_t i = 0; i < role->n_fds; i++) {
		(void)close(FIRST_FD + (int)i);
		if (from[i] >= 0 && dup2(from[i], FIRST_FD + (int)i) < 0)
			return -errno;
	}
	if (dup3(*prog, end, O_CLOEXEC) < 0)
		return -errno;
	*prog = end;
	return sys_close_range((unsigned)end + 1, ~0u, 0) < 0 ? -errno : 0;
}

static _Noreturn void become(const struct netrole *role, int prog)
{
	const char *argv[2 + ARRAY_LEN(role->args) + 1] = { "agentjail", role->name };
	char *const env[] = { NULL }; /* the user's variables are none of its business */
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (size_t i = 0; i < ARRAY_LEN(role->args) && role->args[i] != NULL; i++)
		argv[2 + i] = role->args[i];
	(void)setsid();
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)sigprocmask(SIG_SETMASK, role->mask, NULL);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 ||
		(!role->keeps_stderr && dup2(null, 2) < 0))
		_exit(EXIT_AGENTJAIL);
	/* each is held twice for a moment, beside the warden's own */
	standing_raise_descriptors();
	if (place_fds(role, &prog) < 0)
		_exit(EXIT_AGENTJAIL);
	(void)fexecve(prog, (char *const *)(size_t)argv, env);
	_exit(EXIT_AGENTJAIL);
}

pid_t netrole_start(const struct netrole *role, struct err *err)
{
	int prog = program(err);
	pid_t pid;

	assert(role->n_fds <= NETROLE_FDS_MAX);
	if (prog < 0)
		return prog;
	pid = fork();
	if (pid < 0)
		return err_set(err, errno, "fork");
	if (pid == 0)
		become(role, prog);
	return pid;
}
