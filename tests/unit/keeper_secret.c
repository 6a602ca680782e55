/*
 * Where values are kept: secret memory where the kernel has it, else locked memory that is in no
 * core and no child, else nowhere: the keeper refuses. And what counts as a value.
 */
#include "keeper/secret.h"
#include "base/cleanup.h"
#include "base/sys.h"
#include "tap.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

static int pipe_of(const char *bytes, size_t n)
{
	int pipe[2] = { -1, -1 };

	if (pipe2(pipe, O_CLOEXEC) < 0 || write(pipe[1], bytes, n) != (ssize_t)n)
		tap_ok(false, "pipe");
	(void)close(pipe[1]);
	return pipe[0];
}

/* The outcome of a test in a process of its own. */
static int outcome(int (*test)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(test());
	(void)waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A kernel without memfd_secret(2), as far as this process can tell. */
static void take_memfd_secret_away(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_secret, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { ARRAY_LEN(code), code };

	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)sys_seccomp(SECCOMP_SET_MODE_FILTER, 0, &prog);
}

/* VmFlags of the mapping that an address lies in (proc(5), smaps). */
static bool has_flags(const void *at, const char *flags)
{
	char line[512];
	unsigned long from, to;
	bool is_here = false, ok = false;
	FILE *file = fopen("/proc/self/smaps", "re");

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "%lx-%lx", &from, &to) == 2)
			is_here = (unsigned long)at >= from && (unsigned long)at < to;
		else if (is_here && strncmp(line, "VmFlags:", 8) == 0)
			ok = strstr(line, flags) != NULL;
	}
	if (file != NULL)
		(void)fclose(file);
	return ok;
}

static int use_secret_memory(void)
{
	struct secret_store store;
	struct err err;
	int fd = pipe_of("value\n", 6);

	if (secret_open(&store, &err) < 0 || !store.is_secretmem)
		return 2;
	return secret_read(&store, KEEPMSG_SLOT_SECRET, fd, &err) == 0 &&
			       strcmp(store.values[0].at, "value") == 0
		       ? 0
		       : 1;
}

static int use_locked_memory(void)
{
	struct secret_store store;
	struct err err;
	int fd = pipe_of("value", 5), status = 1;
	const char *at;
	pid_t pid;

	take_memfd_secret_away();
	if (secret_open(&store, &err) < 0 || store.is_secretmem ||
		secret_read(&store, KEEPMSG_SLOT_SECRET, fd, &err) < 0)
		return 2;
	at = store.values[0].at;
	if (strcmp(at, "value") != 0)
		return 3;
	if (!has_flags(at, " lo ") || !has_flags(at, " dd ") || !has_flags(at, " wf "))
		return 4;
	pid = fork();
	if (pid == 0)
		_exit(*at == '\0' ? 0 : 1);
	(void)waitpid(pid, &status, 0);
	return status == 0 ? 0 : 5;
}

static int use_nothing(void)
{
	static const struct rlimit none = { 0, 0 };
	struct secret_store store;
	struct err err = { 0 };

	(void)setrlimit(RLIMIT_MEMLOCK, &none);
	if (getuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
		return 2;
	return secret_open(&store, &err) < 0 && strstr(err.text, "ulimit -l") != NULL ? 0 : 1;
}

/* 64 KiB are the limit on older systems: the first region fits, one more is refused. */
static int use_little(void)
{
	static const struct rlimit little = { 64u << 10, 64u << 10 };
	struct secret_store store;
	struct err err = { 0 };

	(void)setrlimit(RLIMIT_MEMLOCK, &little);
	if (getuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
		return 2;
	if (secret_open(&store, &err) < 0)
		return 3;
	return secret_take(&store, 40000) != NULL && secret_take(&store, 40000) == NULL ? 0 : 1;
}

static void sizes(void)
{
	struct secret_store store;
	struct err err = { 0 };
	char *first, *second, *big;

	if (!tap_ok(secret_open(&store, &err) == 0, "a store"))
		return;
	first = secret_take(&store, 1);
	second = secret_take(&store, 100);
	big = secret_take(&store, 300000);
	tap_ok(first != NULL && second == first + _Alignof(max_align_t), "what is taken is aligned");
	tap_ok(big != NULL, "it grows");
	memset(big, 'x', 300000);
	for (int i = 0; i < 20; i++)
		big = secret_take(&store, 100000);
	tap_ok(big == NULL, "up to a bound");
	secret_done(&store);
	secret_done(&store);
}

static void values(void)
{
	static char full[KEEPMSG_SECRET_MAX + 3];
	static const struct {
		enum keepmsg_slot slot;
		const char *bytes, *why; /* NULL: fine */
	} cases[] = {
		{ KEEPMSG_SLOT_SECRET, "abc", NULL }, { KEEPMSG_SLOT_SECRET, "a b\n", NULL },
		{ KEEPMSG_SLOT_SECRET, "", "is empty" }, { KEEPMSG_SLOT_SECRET, "\n", "is empty" },
		{ KEEPMSG_SLOT_SECRET, "a\nb", "more than one line" },
		{ KEEPMSG_SLOT_SECRET, "a\r\n", "more than one line" },
		{ KEEPMSG_SLOT_SECRET, "a\tb", "control byte" },
		{ KEEPMSG_SLOT_SECRET, "a\x7f", "control byte" },
		{ KEEPMSG_SLOT_SESSION, "a\x1b", "control byte" },
		{ KEEPMSG_SLOT_CERT, "-----BEGIN\r\na\n-----END\n", NULL },
		{ KEEPMSG_SLOT_KEY, "a\x01", "control byte" },
	};

	memset(full, 'a', sizeof(full));
	for (size_t i = 0; i < ARRAY_LEN(cases) + 3; i++) {
		bool is_long = i >= ARRAY_LEN(cases);
		size_t n = is_long ? KEEPMSG_SECRET_MAX - 1 + (i - ARRAY_LEN(cases)) * 1
				   : strlen(cases[i].bytes);
		AUTO_CLOSE int fd = pipe_of(is_long ? full : cases[i].bytes, n);
		const char *why = is_long ? (n > KEEPMSG_SECRET_MAX ? "too long" : NULL)
					  : cases[i].why;
		struct secret_store store;
		struct err err = { 0 };
		int r;

		r = secret_open(&store, &err);
		if (r == 0)
			r = secret_read(&store, is_long ? KEEPMSG_SLOT_SECRET : cases[i].slot,
				fd, &err);
		if (!tap_ok((r == 0) == (why == NULL) && (r == 0 || strstr(err.text, why) != NULL),
			    "value %zu", i))
			printf("# %s\n", err.text);
		secret_done(&store);
	}
}

int main(void)
{
	int r = outcome(use_secret_memory);

	tap_ok(r == 0 || r == 2, "%s", r == 2 ? "# SKIP no memfd_secret in this kernel"
					      : "a value in secret memory");
	tap_ok(outcome(use_locked_memory) == 0,
		"without it: locked, in no core, wiped in a child");
	tap_ok(outcome(use_nothing) == 0, "with neither: refused, and what to do");
	tap_ok(outcome(use_little) == 0, "64 KiB are enough for a token");
	sizes();
	values();
	return tap_done();
}
