/*
 * Proves: a command that runs behind shim and runner cannot be told from one that was executed:
 * argv and environment to the byte, exit status and signals both ways, stop and continue, ends of
 * pipes, what a process inherits; and that nothing of it outlives a killed shim, while a
 * background process outlives a command that ended.
 */
#include "cell_harness.h"

#define READ_MS 20000

extern char **environ;

struct run {
	const char *const *envp;
	void (*before)(void); /* in the child, before it becomes the shim */
	const char *input;
	/* results */
	pid_t pid;
	int in, out, err; /* the test's ends */
	int status;
	struct buf text, errors;
};

static char self_path[4096];

static void start(struct run *r, const char *const argv[])
{
	static const char *const no_env[] = { "PATH=/usr/bin:/bin", NULL };
	int in[2], out[2], errs[2];

	if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(errs, O_CLOEXEC) != 0)
		_exit(1);
	r->pid = fork();
	if (r->pid == 0) {
		(void)dup2(in[0], 0);
		(void)dup2(out[1], 1);
		(void)dup2(errs[1], 2);
		if (r->before != NULL)
			r->before();
		harness_exec(argv, r->envp != NULL ? r->envp : no_env);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	(void)close(errs[1]);
	r->in = in[1];
	r->out = out[0];
	r->err = errs[0];
}

static void finish(struct run *r)
{
	if (r->input != NULL)
		(void)write_all(r->in, r->input, strlen(r->input));
	cleanup_close(&r->in);
	(void)harness_read(r->out, &r->text, NULL, READ_MS);
	(void)harness_read(r->err, &r->errors, NULL, READ_MS);
	cleanup_close(&r->out);
	cleanup_close(&r->err);
	(void)waitpid(r->pid, &r->status, 0);
}

static void run_done(struct run *r)
{
	buf_done(&r->text);
	buf_done(&r->errors);
}

#define AUTO_RUN __attribute__((cleanup(run_done)))

static void sh(struct run *r, const char *script)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };

	start(r, argv);
	finish(r);
}

static const char *text_of(const struct run *r)
{
	return r->text.data != NULL ? r->text.data : "";
}

/* ---- exactness ---- */

static const char *const STRANGE[] = { NULL, "@args", "", "a b", "\n\n", "\xff\xfe\x80", "-", "'\"$x",
	"", NULL };
static const char *const STRANGE_ENV[] = { "A=", "B=x\ny", "\xff=\xfe", "nothing", "A=twice", "",
	NULL };

static void print_args(int argc, char **argv)
{
	for (int i = 2; i < argc; i++)
		printf("<%s>", argv[i]);
	for (char **e = environ; *e != NULL; e++)
		printf("{%s}", *e);
}

static void test_strings(void)
{
	const char *argv[ARRAY_LEN(STRANGE)];
	AUTO_RUN struct run r = { .envp = STRANGE_ENV };
	AUTO_RUN struct run big = { 0 };
	size_t n = 1500000;
	AUTO_FREE char *arg = malloc(n + 1);
	const char *big_argv[16] = { self_path, "@count" };

	memcpy(argv, STRANGE, sizeof(argv));
	argv[0] = self_path;
	start(&r, argv);
	finish(&r);
	tap_is(text_of(&r), "<><a b><\n\n><\xff\xfe\x80><-><'\"$x><>{A=}{B=x\ny}{\xff=\xfe}{nothing}"
		"{A=twice}{}", "argv and environment are exact");
	/* One argument may have 128 KiB (MAX_ARG_STRLEN): twelve make 1.5 MB. */
	memset(arg, 'x', n);
	arg[n / 12] = '\0';
	for (size_t i = 2; i < 14; i++)
		big_argv[i] = arg;
	start(&big, big_argv);
	finish(&big);
	tap_is(text_of(&big), "14 1500000", "1.5 MB of arguments");
}

static void test_exit_codes(void)
{
	static const struct {
		const char *script;
		int status;
	} cases[] = { { "exit 0", 0 }, { "exit 1", 1 << 8 }, { "exit 255", 255 << 8 },
		{ "kill -SEGV $$", SIGSEGV }, { "kill -KILL $$", SIGKILL }, { "kill -TERM $$", SIGTERM },
		{ "kill -PIPE $$", SIGPIPE }, { "kill -ABRT $$", SIGABRT }, { "kill -34 $$", 34 } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_RUN struct run r = { 0 };

		sh(&r, cases[i].script);
		tap_ok((r.status & 0xff7f) == cases[i].status, "%s: status %x", cases[i].script,
			(unsigned)r.status);
	}
}

static void fails(const char *path, int code, const char *text)
{
	const char *const argv[] = { path, NULL };
	AUTO_RUN struct run r = { 0 };

	start(&r, argv);
	finish(&r);
	tap_ok(WIFEXITED(r.status) && WEXITSTATUS(r.status) == code, "%s: %d, got %x", path, code,
		(unsigned)r.status);
	tap_is(r.errors.data, text, "its line");
}

static void to_gone_directory(void)
{
	char dir[] = "/tmp/ajtestXXXXXX";

	if (mkdtemp(dir) == NULL || chdir(dir) != 0 || rmdir(dir) != 0)
		_exit(97);
}

static void test_failures(void)
{
	AUTO_RUN struct run r = { .before = to_gone_directory };

	fails("/no/such", 127, "agentjail: exec /no/such: No such file or directory\n");
	fails("/etc/passwd/x", 127, "agentjail: exec /etc/passwd/x: Not a directory\n");
	fails("/etc/passwd", 126, "agentjail: exec /etc/passwd: Permission denied\n");
	fails("/refused", 126, NULL);
	sh(&r, ":");
	tap_ok(WIFEXITED(r.status) && WEXITSTATUS(r.status) == 125, "directory gone: %x",
		(unsigned)r.status);
	tap_is(r.errors.data, "agentjail: the cell has no directory : No such file or directory\n",
		"its line");
}

static void set_inherited(void)
{
	struct rlimit files = { 123, 200 }, core = { 0, 0 };

	(void)umask(0031);
	(void)setrlimit(RLIMIT_NOFILE, &files);
	(void)setrlimit(RLIMIT_CORE, &core);
	(void)setpriority(PRIO_PROCESS, 0, 7);
	(void)signal(SIGUSR1, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	if (chdir("/usr") != 0)
		_exit(97);
	(void)close(1);
	(void)open("/dev/full", O_WRONLY); /* as 1 */
	(void)close(0);
}

static void test_inherited(void)
{
	AUTO_RUN struct run r = { .before = set_inherited };
	AUTO_RUN struct run plain = { 0 };

	sh(&r, "exec 1>&2; umask; ulimit -n; ulimit -Hn; ulimit -c; nice; pwd; "
	       "grep -E 'SigIgn|SigBlk' /proc/self/status; ls /proc/self/fd | tr '\\n' ' '; "
	       "test -e /proc/$$/fd/0 || echo closed");
	tap_is(r.errors.data, "0031\n123\n200\n0\n7\n/usr\nSigBlk:\t0000000000000000\n"
		"SigIgn:\t0000000000001200\n0 1 2 closed\n",
		"umask, limits, niceness, directory, ignored signals, closed stdin");
	sh(&plain, "grep -E 'SigIgn|SigBlk' /proc/self/status; ls /proc/self/fd | tr '\\n' ' '");
	tap_is(text_of(&plain), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n0 1 2 3 ",
		"nothing else is inherited");
}

/* ---- pipes ---- */

static void test_pipes(void)
{
	const char *const cat[] = { "/bin/cat", NULL };
	const char *const quiet[] = { "/bin/sh", "-c", "exec >&- 2>&-; exec sleep 30", NULL };
	const char *const deaf[] = { "/bin/sh", "-c", "exec <&-; exec sleep 30", NULL };
	AUTO_RUN struct run r = { .input = "hello\n" };
	AUTO_RUN struct run s = { 0 };
	AUTO_RUN struct run t = { 0 };
	long began;

	start(&r, cat);
	finish(&r);
	tap_is(text_of(&r), "hello\n", "end of stdin reaches the command");
	began = now_ms();
	start(&s, quiet);
	tap_ok(harness_read(s.out, &s.text, NULL, READ_MS) && now_ms() - began < 5000,
		"early end of output: after %ld ms", now_ms() - began);
	(void)kill(s.pid, SIGKILL);
	finish(&s);
	(void)signal(SIGPIPE, SIG_IGN);
	start(&t, deaf);
	began = now_ms();
	while (write(t.in, "x", 1) == 1 && now_ms() - began < 5000)
		(void)usleep(2000);
	tap_ok(errno == EPIPE, "EPIPE after %ld ms", now_ms() - began);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)kill(t.pid, SIGKILL);
	finish(&t);
}

/* ---- signals ---- */

static void lead_group(void)
{
	(void)setpgid(0, 0);
}

/* Script says "ready" when it is; then sig goes to pid (negative: the group). */
static void start_ready(struct run *r, const char *script)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };

	start(r, argv);
	(void)harness_read(r->out, &r->text, "ready", READ_MS);
}

static void test_signals(void)
{
	static const int sigs[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGQUIT, SIGALRM };
	AUTO_RUN struct run trap = { 0 };
	AUTO_RUN struct run one = { 0 };
	AUTO_RUN struct run all = { .before = lead_group };
	static const char nested[] = "trap 'echo outer' TERM; sh -c 'trap \"echo inner; exit\" TERM; echo ready; while :; do "
				     "sleep 0.02; done' & wait; wait";

	for (size_t i = 0; i < ARRAY_LEN(sigs); i++) {
		AUTO_RUN struct run r = { 0 };

		start_ready(&r, "echo ready; exec sleep 30");
		(void)kill(r.pid, sigs[i]);
		finish(&r);
		tap_ok(WIFSIGNALED(r.status) && WTERMSIG(r.status) == sigs[i], "%s is passed on",
			strsignal(sigs[i]));
	}
	start_ready(&trap, "trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done");
	(void)kill(trap.pid, SIGTERM);
	finish(&trap);
	tap_ok(WIFEXITED(trap.status) && WEXITSTATUS(trap.status) == 7, "a handler's status");
	start_ready(&one, nested);
	(void)kill(one.pid, SIGTERM);
	tap_ok(harness_read(one.out, &one.text, "outer", READ_MS) &&
			!harness_read(one.out, &one.text, "inner", 200),
		"kill(pid) reaches the process alone");
	(void)kill(one.pid, SIGKILL);
	finish(&one);
	start_ready(&all, nested);
	(void)kill(-all.pid, SIGTERM);
	finish(&all);
	tap_ok(strstr(text_of(&all), "inner") != NULL && strstr(text_of(&all), "outer") != NULL,
		"kill(-group) reaches the group");
}

static void test_stop(void)
{
	static const int sigs[] = { SIGTSTP, SIGTTIN, SIGSTOP };
	const char *const argv[] = { self_path, "@stop", NULL };
	AUTO_RUN struct run r = { .before = lead_group };
	int status = 0;

	start(&r, argv);
	(void)harness_read(r.out, &r.text, "ready", READ_MS);
	for (size_t i = 0; i < ARRAY_LEN(sigs); i++) {
		(void)kill(r.pid, sigs[i]);
		(void)waitpid(r.pid, &status, WUNTRACED);
		tap_ok(WIFSTOPPED(status) && WSTOPSIG(status) == sigs[i], "stops by %s: %x",
			strsignal(sigs[i]), (unsigned)status);
		(void)kill(r.pid, SIGCONT);
		(void)waitpid(r.pid, &status, WCONTINUED);
		tap_ok(WIFCONTINUED(status), "and goes on");
	}
	(void)kill(r.pid, SIGUSR1);
	(void)waitpid(r.pid, &status, WUNTRACED);
	tap_ok(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP, "stops as the command did");
	(void)kill(r.pid, SIGCONT);
	tap_ok(harness_read(r.out, &r.text, "stopped myself", READ_MS), "the command goes on");
	for (int i = 0; i < 50; i++) {
		(void)kill(r.pid, SIGTSTP);
		(void)kill(r.pid, SIGCONT);
	}
	(void)kill(r.pid, SIGTERM);
	finish(&r);
	tap_ok(WIFEXITED(r.status) && WEXITSTATUS(r.status) == 3,
		"stop and continue in a burst: status %x", (unsigned)r.status);
}

/* ---- life cycle ---- */

static void test_killed_shim(void)
{
	AUTO_RUN struct run r = { 0 };
	AUTO_RUN struct run bomb = { 0 };
	long began;

	/* Each holds the pipe: its end says that all are dead. */
	start_ready(&r, "sleep 301 & setsid sleep 302 & (setsid sh -c 'sleep 303 & sleep 304 & "
			"wait' &) ; (trap '' TERM HUP; sleep 305) & sleep 0.1; echo ready; wait; "
			"sleep 300");
	began = now_ms();
	(void)kill(r.pid, SIGKILL);
	tap_ok(harness_read(r.out, &r.text, NULL, READ_MS), "killed shim: tree dead after %ld ms",
		now_ms() - began);
	finish(&r);
	start_ready(&bomb, "f() { setsid sh -c 'sleep 30' & sh -c 'sleep 30' & }; echo ready; "
			   "i=0; while [ $i -lt 300 ]; do f; i=$((i+1)); done; wait");
	(void)usleep(30000);
	began = now_ms();
	(void)kill(bomb.pid, SIGKILL);
	tap_ok(harness_read(bomb.out, &bomb.text, NULL, READ_MS),
		"killed shim of one that forks: dead after %ld ms", now_ms() - began);
	finish(&bomb);
}

static void test_background(void)
{
	AUTO_RUN struct run r = { 0 };
	AUTO_RUN struct run held = { 0 };
	AUTO_RUN struct run again = { 0 };
	char script[64];
	long began = now_ms();

	sh(&r, "sleep 20 >/dev/null 2>&1 & echo $!");
	tap_ok(r.status == 0 && now_ms() - began < 5000, "a background process holds nothing up");
	(void)snprintf(script, sizeof(script), "kill -0 %d && echo alive; kill %d",
		(int)strtol(text_of(&r), NULL, 10), (int)strtol(text_of(&r), NULL, 10));
	sh(&again, script);
	tap_is(text_of(&again), "alive\n", "it is there for the next command");
	began = now_ms();
	sh(&held, "sleep 0.5 & exit 4");
	tap_ok(held.status == 4 << 8 && now_ms() - began >= 450,
		"a pipe that it holds ends when it does");
}

static void test_killed_runner(void)
{
	AUTO_RUN struct run r = { 0 };
	AUTO_RUN struct run after = { 0 };

	start_ready(&r, "(sleep 30; echo no) & echo ready; kill -9 $PPID; sleep 30");
	tap_ok(harness_read(r.out, &r.text, NULL, READ_MS), "a command that kills its runner dies");
	finish(&r);
	tap_ok(WIFSIGNALED(r.status) && WTERMSIG(r.status) == SIGKILL, "as if killed: %x",
		(unsigned)r.status);
	sh(&after, "echo fine");
	tap_is(text_of(&after), "fine\n", "the next one has another runner");
}

static void test_many(void)
{
	static struct run runs[200];
	int good = 0;
	long began = now_ms();

	for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
		static char number[16];
		const char *const argv[] = { "/bin/sh", "-c", "cat; exit $0", number, NULL };

		(void)snprintf(number, sizeof(number), "%zu", i);
		runs[i].input = number;
		start(&runs[i], argv);
		(void)write_all(runs[i].in, number, strlen(number));
		runs[i].input = NULL;
	}
	for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
		finish(&runs[i]);
		good += WIFEXITED(runs[i].status) && WEXITSTATUS(runs[i].status) == (int)i &&
			strtol(text_of(&runs[i]), NULL, 10) == (long)i;
		run_done(&runs[i]);
	}
	tap_ok(good == 200, "200 at once: %d right, %ld ms", good, now_ms() - began);
}

/* The cell tells the warden of each start and end. */
static void test_reports(void)
{
	unsigned started = harness.reports[CELL_MSG_STARTED], ended = harness.reports[CELL_MSG_EXIT];

	tap_ok(started > 200 && ended > 200 && harness.reports[CELL_MSG_ERROR] == 0,
		"reports: %u started, %u ended", started, ended);
}

/* No shell: one that is about to wait when a signal comes sleeps on. */
static int wait_for_signals(void)
{
	sigset_t set;
	int sig = 0;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigaddset(&set, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)write_all(1, "ready\n", 6);
	while (sigwait(&set, &sig) == 0 && sig == SIGUSR1) {
		(void)raise(SIGSTOP);
		(void)write_all(1, "stopped myself\n", 15);
	}
	return 3;
}

static int probe(int argc, char **argv)
{
	size_t bytes = 0;

	if (strcmp(argv[1], "@stop") == 0)
		return wait_for_signals();
	if (strcmp(argv[1], "@args") == 0) {
		print_args(argc, argv);
		return 0;
	}
	for (int i = 2; i < argc; i++)
		bytes += strlen(argv[i]);
	printf("%d %zu", argc, bytes);
	return 0;
}

/* glibc's posix_spawn(), which make uses, leaves its own signals 32 and 33 ignored. */
static void take_back_ignored(void)
{
	const uint64_t by_default[4] = { 0 };

	for (int sig = 32; sig <= 33; sig++)
		(void)syscall(SYS_rt_sigaction, sig, by_default, NULL, sizeof(uint64_t));
}

int main(int argc, char **argv)
{
	if (argc > 1 && argv[1][0] == '@')
		return probe(argc, argv);
	if (readlink("/proc/self/exe", self_path, sizeof(self_path) - 1) < 0)
		return 1;
	take_back_ignored();
	harness_start();
	test_exit_codes();
	test_strings();
	test_failures();
	test_inherited();
	test_pipes();
	test_signals();
	test_stop();
	test_killed_shim();
	test_background();
	test_killed_runner();
	test_many();
	test_reports();
	harness_stop();
	return tap_done();
}
