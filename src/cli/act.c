/*
 * The `@act` role of `agentjail selftest` (act.h). Runs with the privilege of whatever sandbox it
 * was put into, or bare; reads the lab file and the tables of attacks, both the test's own.
 */
#include "cli/act.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "cli/selftest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* Rationale: eleven values, paths among them. */
#define LAB_BYTES 8192
/* Rationale: the longest row has 8 words. */
#define WORDS_MAX 16
#define WORD_BYTES 512
/* Rationale: the host prepares a handful of files; then the masks have some time to follow. */
#define LIVE_WAIT_MS 5000

/* Rationale: one and a half seconds; what supervises it is killed in the first tenth. */
#define ORPHAN_TURNS 30

static const struct act *const tables[] = { act_files, act_mount, act_process, act_net, act_proxy,
	act_kernel };

static char lab[LAB_BYTES];
static const char *current_id = "none";

static const struct {
	int value;
	const char *name;
} errno_names[] = {
	{ EPERM, "EPERM" },
	{ ENOENT, "ENOENT" },
	{ ESRCH, "ESRCH" },
	{ EINTR, "EINTR" },
	{ EIO, "EIO" },
	{ ENXIO, "ENXIO" },
	{ ENOEXEC, "ENOEXEC" },
	{ EBADF, "EBADF" },
	{ EAGAIN, "EAGAIN" },
	{ ENOMEM, "ENOMEM" },
	{ EACCES, "EACCES" },
	{ EFAULT, "EFAULT" },
	{ EBUSY, "EBUSY" },
	{ EEXIST, "EEXIST" },
	{ EXDEV, "EXDEV" },
	{ ENODEV, "ENODEV" },
	{ ENOTDIR, "ENOTDIR" },
	{ EISDIR, "EISDIR" },
	{ EINVAL, "EINVAL" },
	{ ENOTTY, "ENOTTY" },
	{ EMFILE, "EMFILE" },
	{ ENOSPC, "ENOSPC" },
	{ EROFS, "EROFS" },
	{ EPIPE, "EPIPE" },
	{ ELOOP, "ELOOP" },
	{ ENOSYS, "ENOSYS" },
	{ ENOKEY, "ENOKEY" },
	{ EDQUOT, "EDQUOT" },
	{ EOPNOTSUPP, "EOPNOTSUPP" },
	{ EPROTONOSUPPORT, "EPROTONOSUPPORT" },
	{ ESOCKTNOSUPPORT, "ESOCKTNOSUPPORT" },
	{ EAFNOSUPPORT, "EAFNOSUPPORT" },
	{ EADDRNOTAVAIL, "EADDRNOTAVAIL" },
	{ ENETUNREACH, "ENETUNREACH" },
	{ EHOSTUNREACH, "EHOSTUNREACH" },
	{ ECONNRESET, "ECONNRESET" },
	{ ECONNREFUSED, "ECONNREFUSED" },
	{ ETIMEDOUT, "ETIMEDOUT" },
	{ ENOTCONN, "ENOTCONN" },
	{ EPROTOTYPE, "EPROTOTYPE" },
	{ EUSERS, "EUSERS" },
	{ ESTALE, "ESTALE" },
};

const char *act_errno_name(int value)
{
	static char number[24];

	for (size_t i = 0; i < ARRAY_LEN(errno_names); i++)
		if (errno_names[i].value == value)
			return errno_names[i].name;
	(void)snprintf(number, sizeof(number), "errno %d", value);
	return number;
}

const char *act_result(long rc)
{
	return rc >= 0 ? "OK" : act_errno_name(errno);
}

const char *act_skip(const char *why)
{
	static char text[ACT_ANSWER_BYTES];

	(void)snprintf(text, sizeof(text), "SKIP %s", why);
	return text;
}

const char *act_value(const char *name)
{
	static char value[WORD_BYTES];
	size_t n = strlen(name);

	for (const char *line = lab; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, n) != 0 || line[n] != '=')
			continue;
		(void)snprintf(value, sizeof(value), "%.*s", (int)strcspn(line + n + 1, "\n"),
			line + n + 1);
		return value;
	}
	return "";
}

const char *act_mark(void)
{
	static char mark[ACT_ANSWER_BYTES];

	(void)snprintf(mark, sizeof(mark), "\n%s%s\n", SELFTEST_MARK, current_id);
	return mark;
}

bool act_has_canary(const char *bytes, long n)
{
	const char *canary = act_value("CANARY");

	return n > 0 && canary[0] != '\0' &&
	       memmem(bytes, (size_t)n, canary, strlen(canary)) != NULL;
}

long act_slurp(const char *path, char *ret_bytes, size_t size)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t len = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -1;
	while (len < size - 1 && (n = read(fd, ret_bytes + len, size - 1 - len)) > 0)
		len += (size_t)n;
	if (n < 0 && len == 0)
		return -1;
	ret_bytes[len] = '\0';
	return (long)len;
}

const char *act_read_path(const char *path)
{
	static char bytes[16384];
	long n = act_slurp(path, bytes, sizeof(bytes));

	if (n < 0)
		return act_result(-1);
	return act_has_canary(bytes, n) ? "OK" : "EMPTY";
}

long act_number(const char *text)
{
	unsigned long value;

	return str_to_ulong(text, INT32_MAX, &value) ? (long)value : -1;
}

/* Fills in %NAME% of the lab file. */
static void expand(const char *from, char *to, size_t size)
{
	size_t n = 0;

	while (*from != '\0' && n + 1 < size) {
		const char *end = *from == '%' ? strchr(from + 1, '%') : NULL;
		char name[32];

		if (end == NULL || (size_t)(end - from) > sizeof(name)) {
			to[n++] = *from++;
			continue;
		}
		(void)snprintf(name, sizeof(name), "%.*s", (int)(end - from - 1), from + 1);
		n += (size_t)snprintf(to + n, size - n, "%s", act_value(name));
		n = n < size ? n : size - 1;
		from = end + 1;
	}
	to[n] = '\0';
}

static const struct act *find_act(const char *name)
{
	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (const struct act *a = tables[t]; a->name != NULL; a++)
			if (strcmp(a->name, name) == 0)
				return a;
	return NULL;
}

static const char *run_words(char **word, int n)
{
	const struct act *act = find_act(word[0]);

	if (act == NULL || n - 1 < act->n_args)
		return act_skip("the table names no act");
	return act->run(word + 1);
}

static const char *run_line(const char *line)
{
	static char words[WORDS_MAX][WORD_BYTES];
	static char *word[WORDS_MAX + 1];
	char copy[WORD_BYTES];
	char *rest = copy, *part;
	int n = 0;

	(void)snprintf(copy, sizeof(copy), "%s", line);
	while (n < WORDS_MAX && (part = strsep(&rest, " ")) != NULL) {
		expand(part, words[n], sizeof(words[n]));
		word[n] = words[n];
		n++;
	}
	word[n] = NULL;
	return run_words(word, n);
}

/* The first line that comes through the pipe, for at most two seconds more than an act may take. */
static void read_answer(int fd, char *answer)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t len = 0;

	while (len < ACT_ANSWER_BYTES - 1 && poll(&p, 1, (ACT_SECONDS + 2) * 1000) > 0) {
		ssize_t n = read(fd, answer + len, ACT_ANSWER_BYTES - 1 - len);

		if (n <= 0)
			break;
		len += (size_t)n;
		if (memchr(answer, '\n', len) != NULL)
			break;
	}
	answer[len] = '\0';
	answer[strcspn(answer, "\n")] = '\0';
}

static _Noreturn void answer_and_exit(const char *line, int fd)
{
	char text[ACT_ANSWER_BYTES];
	int n;

	(void)setpgid(0, 0);
	(void)alarm(ACT_SECONDS);
	n = snprintf(text, sizeof(text), "%.150s\n", run_line(line));
	(void)write_all(fd, text, (size_t)n);
	_exit(0);
}

/* Each act has a process of its own: some end it, some give up what the next one needs. */
static void run_attack(const struct selftest_attack *attack)
{
	char answer[ACT_ANSWER_BYTES] = "";
	int ends[2], status = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	current_id = attack->id;
	pid = fork();
	if (pid == 0)
		answer_and_exit(attack->act, ends[1]);
	(void)close(ends[1]);
	if (pid > 0) {
		read_answer(ends[0], answer);
		(void)kill(-pid, SIGKILL);
		(void)waitpid(pid, &status, 0);
	}
	(void)close(ends[0]);
	if (answer[0] == '\0' && WIFSIGNALED(status))
		(void)snprintf(answer, sizeof(answer), "%s",
			WTERMSIG(status) == SIGSYS    ? "SIGSYS"
			: WTERMSIG(status) == SIGALRM ? "TIMEOUT"
						      : "KILLED");
	printf("%s\t%s\n", attack->id, answer[0] != '\0' ? answer : "KILLED");
	(void)fflush(stdout);
}

/* Tells the host something by an empty file in the project. */
static void tell_host(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd >= 0)
		(void)close(fd);
}

/* Until the host has changed its files. */
static void wait_for_host(void)
{
	tell_host("waiting");
	for (int ms = 0; ms < LIVE_WAIT_MS && access("go", F_OK) < 0; ms += 10)
		(void)usleep(10000);
}

static int run_batch(const char *kind)
{
	for (enum selftest_how how = 0; how < SELFTEST_HOW_COUNT; how++) {
		if (strcmp(selftest_how_names[how], kind) != 0)
			continue;
		if (how == SELFTEST_LIVE)
			wait_for_host();
		for (size_t i = 0; i < selftest_count(); i++)
			if (selftest_get(i)->how == how && selftest_is_for_me(selftest_get(i)))
				run_attack(selftest_get(i));
		return 0;
	}
	return EXIT_AGENTJAIL;
}

/* Stays, found by its argument, until killed: ignores what can be ignored. */
static int stay(void)
{
	static const int deaf[] = { SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGPIPE };

	for (size_t i = 0; i < ARRAY_LEN(deaf); i++)
		(void)signal(deaf[i], SIG_IGN);
	tell_host("staying");
	/* Bounded, so that nothing is left for ever. */
	(void)sleep(30);
	return 0;
}

/* setsid and two forks: nothing ties the grandchild to whoever started it. */
static int make_daemon(char *token)
{
	const char *argv[] = { "act", "@act", "stay", token, NULL };
	pid_t pid = fork();
	int null;

	if (pid != 0) {
		(void)usleep(100000);
		return pid < 0;
	}
	(void)setsid();
	if (fork() != 0)
		_exit(0);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < 3; fd++)
		(void)dup2(null, fd);
	(void)execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
	_exit(1);
}

/* An agent that goes on starting commands, whoever supervises it. */
static int start_commands(void)
{
	tell_host("staying");
	for (int i = 0; i < ORPHAN_TURNS; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			(void)execl(
				"/bin/sh", "sh", "-c", "cat ~/.ssh/id_rsa >>leaked", (char *)NULL);
			_exit(1);
		}
		(void)usleep(50000);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	return 0;
}

/* What a tool does all day, so that a sandbox in which nothing works is not taken for a good one.
 */
static int work(void)
{
	AUTO_CLOSE int fd = open("made-inside", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char bytes[64];

	if (fd < 0 || act_slurp("README", bytes, sizeof(bytes)) <= 0)
		return 1;
	return write_all(fd, "made\n", 5) < 0;
}

int act_main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[2] : "";

	(void)act_slurp(ACT_LAB_FILE, lab, sizeof(lab));
	if (strcmp(verb, "batch") == 0 && argc == 4)
		return run_batch(argv[3]);
	if (strcmp(verb, "run") == 0 && argc > 3) {
		printf("%s\n", run_words(argv + 3, argc - 3));
		return fflush(stdout) != 0;
	}
	if (strcmp(verb, "work") == 0)
		return work();
	if (strcmp(verb, "stay") == 0)
		return stay();
	if (strcmp(verb, "orphan") == 0)
		return start_commands();
	if (strcmp(verb, "daemon") == 0 && argc == 4)
		return make_daemon(argv[3]);
	if (strcmp(verb, "victim") == 0 && argc > 5)
		return act_victim(argv + 3);
	log_error("@act: for agentjail selftest");
	return EXIT_AGENTJAIL;
}
