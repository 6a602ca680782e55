/*
 * Proves: a command with a terminal behaves behind shim and runner as it does on the terminal
 * itself: size, keys, signals, job control of the shell around it, modes afterwards, and every byte
 * of its output; and one that does not read takes no key away from others.
 */
#include "cell_harness.h"

#include <termios.h>

#define READ_MS 10000
#define KEY_C "\003"
#define KEY_D "\004"
#define KEY_Z "\032"

struct screen {
	pid_t pid;
	int master;
	struct buf text;
	struct termios before;
};

static const char *const ENV[] = { "PATH=/usr/bin:/bin", "PS1=> ", "TERM=dumb", "LC_ALL=C", NULL };
static char shimrun[64];

static void screen_open(struct screen *s, void (*child)(const void *arg), const void *arg)
{
	struct winsize size = { .ws_row = 33, .ws_col = 77 };
	int unlocked = 0, slave;

	s->master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	(void)ioctl(s->master, TIOCSPTLCK, &unlocked);
	slave = ioctl(s->master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	(void)ioctl(slave, TIOCSWINSZ, &size);
	(void)tcgetattr(slave, &s->before);
	s->pid = fork();
	if (s->pid == 0) {
		(void)setsid();
		(void)ioctl(slave, TIOCSCTTY, 0);
		for (int fd = 0; fd < 3; fd++)
			(void)dup2(slave, fd);
		if (slave > 2)
			(void)close(slave);
		child(arg);
	}
	(void)close(slave);
}

static void exec_sh(const void *script)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };

	harness_exec(argv, ENV);
}

/* A shell outside the cell, in which `$S` starts a command as the shim. */
static void exec_shell(const void *arg)
{
	(void)arg;
	harness_join();
	(void)execle("/bin/bash", "bash", "--norc", "--noprofile", "--noediting", "-i", NULL, ENV);
	_exit(98);
}

static void type(struct screen *s, const char *keys)
{
	(void)write_all(s->master, keys, strlen(keys));
}

/* Forgets what was read before: the next text is looked for in what comes. */
static void forget(struct screen *s)
{
	s->text.len = 0;
	if (s->text.data != NULL)
		s->text.data[0] = '\0';
}

static bool sees(struct screen *s, const char *text, const char *what)
{
	bool found = harness_read(s->master, &s->text, text, READ_MS);

	if (!tap_ok(found, "%s", what)) {
		AUTO_BUF struct buf quoted = { 0 };

		buf_add_json(&quoted, s->text.data, s->text.len);
		printf("# want: %s\n# got: %s\n", text, quoted.data);
	}
	return found;
}

static int screen_close(struct screen *s)
{
	int status = 0;

	if (!harness_read(s->master, &s->text, NULL, READ_MS))
		(void)kill(s->pid, SIGKILL);
	(void)waitpid(s->pid, &status, 0);
	cleanup_close(&s->master);
	return status;
}

static void screen_done(struct screen *s)
{
	if (s->master >= 0) {
		(void)kill(s->pid, SIGKILL);
		(void)screen_close(s);
	}
	buf_done(&s->text);
}

#define AUTO_SCREEN __attribute__((cleanup(screen_done)))

static bool is_restored(const struct screen *s)
{
	struct termios now;

	(void)tcgetattr(s->master, &now);
	return now.c_lflag == s->before.c_lflag && now.c_iflag == s->before.c_iflag &&
		now.c_oflag == s->before.c_oflag &&
		memcmp(now.c_cc, s->before.c_cc, sizeof(now.c_cc)) == 0;
}

/* ---- one command on a terminal ---- */

static void test_basics(void)
{
	struct winsize size = { .ws_row = 12, .ws_col = 34 };
	AUTO_SCREEN struct screen s;
	AUTO_BUF struct buf none = { 0 };
	int status;

	s.text = none;
	screen_open(&s, exec_sh, "test -t 0 && test -t 1 && test -t 2 && stty size; stty -a | "
				 "grep -o ' echo '; trap 'stty size; echo done' WINCH; echo ready; "
				 "until read x && test -n \"$x\"; do :; done; "
				 "echo \"<$x>\" >/dev/tty; exit 5");
	(void)sees(&s, "33 77", "three terminals of the right size");
	(void)sees(&s, " echo ", "the modes of the outer one");
	(void)sees(&s, "ready", "ready");
	(void)ioctl(s.master, TIOCSWINSZ, &size);
	(void)sees(&s, "12 34", "a new size arrives with its signal");
	(void)sees(&s, "done", "the handler ends");
	type(&s, "hello\r");
	(void)sees(&s, "<hello>", "keys arrive");
	status = screen_close(&s);
	tap_ok(status == 5 << 8, "exit status: %x", (unsigned)status);
	tap_ok(strstr(s.text.data, "\r\r\n") == NULL, "line ends are as the command wrote them");
}

static void ends(const char *script, const char *keys, int status, const char *what)
{
	AUTO_SCREEN struct screen s = { 0 };
	int got;

	screen_open(&s, exec_sh, script);
	(void)sees(&s, "ready", what);
	(void)usleep(20000);
	type(&s, keys);
	(void)harness_read(s.master, &s.text, "\1", 300);
	tap_ok(is_restored(&s), "modes are as they were");
	got = screen_close(&s);
	tap_ok(got == status, "status %x, want %x", (unsigned)got, (unsigned)status);
}

static void test_ends(void)
{
	ends("echo ready; exec sleep 30", KEY_C, SIGINT, "^C kills");
	ends("echo ready; exec sleep 30", "\034", SIGQUIT | (0 * WCOREFLAG), "^\\ kills");
	ends("trap 'exit 9' INT; echo ready; while :; do sleep 0.02; done", KEY_C, 9 << 8,
		"^C is handled");
	ends("echo ready; cat; exit 3", "a\r" KEY_D, 3 << 8, "^D ends the input");
	ends("stty -echo -icanon -isig; echo ready; head -c 1 >/dev/null; exit 2", KEY_C, 2 << 8,
		"^C is a byte in raw mode");
	ends("exec 2>/dev/null; echo ready; sleep 0.2; kill -9 $$", "", SIGKILL, "killed");
}

static void test_drained(void)
{
	AUTO_SCREEN struct screen s = { 0 };
	size_t xs = 0;
	int status;

	screen_open(&s, exec_sh, "head -c 1000000 /dev/zero | tr '\\0' x; printf end; exit 6");
	(void)usleep(300000); /* nobody reads: all buffers are full */
	status = screen_close(&s);
	for (size_t i = 0; i < s.text.len; i++)
		xs += s.text.data[i] == 'x';
	tap_ok(xs == 1000000 && str_ends(s.text.data, "end"), "1 MB is drained: %zu", xs);
	tap_ok(status == 6 << 8, "and the status follows: %x", (unsigned)status);
}

static void test_hang_up(void)
{
	AUTO_SCREEN struct screen s = { 0 };
	int status = 0;

	screen_open(&s, exec_sh, "echo ready; sleep 30; sleep 30");
	(void)sees(&s, "ready", "ready");
	cleanup_close(&s.master);
	(void)waitpid(s.pid, &status, 0);
	tap_ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP, "hung up: %x", (unsigned)status);
}

static void test_left_behind(void)
{
	AUTO_SCREEN struct screen s = { 0 };
	char name[] = "/tmp/ajtestXXXXXX", script[256], got[16] = { 0 };
	AUTO_CLOSE int file = mkstemp(name);

	(void)snprintf(script, sizeof(script),
		"(trap 'echo hup >>%s' HUP; sleep 0.3; head -c 300000 /dev/zero && echo ok >>%s) & exit 0",
		name, name);
	screen_open(&s, exec_sh, script);
	tap_ok(screen_close(&s) == 0, "a command leaves a background process with its terminal");
	for (int i = 0; i < 100 && pread(file, got, sizeof(got) - 1, 0) <= 0; i++)
		(void)usleep(20000);
	tap_is(got, "ok\n", "which writes on and is not hung up");
	(void)unlink(name);
}

/*
 * ---- commands in a shell's jobs ----
 *
 * After a job that read, the next keys wait for the prompt: those typed before are stored by a
 * terminal that is raw still, with a CR that no longer becomes an LF.
 */

static void shell_open(struct screen *s)
{
	char line[128];

	screen_open(s, exec_shell, NULL);
	(void)snprintf(line, sizeof(line), "S=%s\r", shimrun);
	type(s, line);
	(void)sees(s, "> ", "a shell");
	(void)usleep(50000);
	forget(s);
}

static void test_job_control(void)
{
	AUTO_SCREEN struct screen s = { 0 };

	shell_open(&s);
	type(&s, "$S /bin/sh -c 'echo rea\"\"dy; while read x; do echo \"<$x>\"; done'\r");
	(void)sees(&s, "ready", "a job");
	(void)usleep(50000);
	type(&s, "one\r");
	(void)sees(&s, "<one>", "it reads");
	forget(&s);
	type(&s, KEY_Z);
	(void)sees(&s, "Stopped", "^Z: the shell sees it stop");
	(void)sees(&s, "> ", "the prompt is back");
	(void)usleep(50000);
	forget(&s);
	type(&s, "echo $((40+2))\r");
	(void)sees(&s, "42", "the shell reads in between");
	type(&s, "fg\r");
	(void)usleep(200000);
	type(&s, "two\r");
	(void)sees(&s, "<two>", "fg: it reads again");
	type(&s, KEY_C);
	(void)sees(&s, "^C\r\n> ", "^C: the prompt is back");
	type(&s, "echo $?.\r");
	(void)sees(&s, "130.", "^C: 130");
	type(&s, "for i in 1 2 3; do $S /bin/sh -c 'echo lo\"\"op; exec sleep 9'; done; echo e\"\"nd\r");
	(void)sees(&s, "loop", "a loop");
	(void)usleep(100000);
	forget(&s);
	type(&s, KEY_C);
	(void)sees(&s, "> ", "the prompt is back");
	type(&s, "exit\r");
	(void)screen_close(&s);
	if (!tap_ok(strstr(s.text.data, "loop\r\n") == NULL, "^C ends the shell's loop"))
		printf("# got: %s\n", s.text.data);
}

static void test_background_job(void)
{
	AUTO_SCREEN struct screen s = { 0 };

	shell_open(&s);
	type(&s, "$S /bin/sh -c 'sleep 0.3; echo b\"\"g' &\r");
	type(&s, "echo $((40+2))\r");
	(void)sees(&s, "42", "the shell keeps the keys beside a background job");
	(void)sees(&s, "bg\r\n", "whose output comes");
	type(&s, "$S /bin/sh -c 'read x; echo \"<$x>\"' &\r");
	(void)usleep(300000);
	forget(&s);
	type(&s, "\rjobs\r");
	(void)sees(&s, "Stopped", "a background job that reads is stopped");
	(void)usleep(50000);
	type(&s, "fg\r");
	(void)usleep(200000);
	type(&s, "three\r");
	(void)sees(&s, "<three>\r\n> ", "and reads after fg");
	type(&s, "exit\r");
	(void)screen_close(&s);
}

static void test_pipeline(void)
{
	AUTO_SCREEN struct screen s = { 0 };

	shell_open(&s);
	type(&s, "$S /usr/bin/seq 3 | $S /bin/cat; echo $((40+2))\r");
	(void)sees(&s, "1\r\n2\r\n3\r\n42", "a pipeline's output is exact");
	type(&s, "$S /bin/sh -c 'read x; echo \"<$x>\"' | /bin/cat\r");
	(void)usleep(200000);
	type(&s, "four\r");
	(void)sees(&s, "<four>", "a first member that reads gets the keys");
	(void)usleep(200000);
	type(&s, "$S /bin/sleep 0.6 | /bin/cat\r");
	(void)usleep(200000);
	type(&s, "echo $((50+3))\r");
	(void)sees(&s, "53\r\n", "one that does not leaves them to the shell");
	forget(&s);
	type(&s, "echo x | $S /bin/sh -c 'cat; read y </dev/tty; echo \"<$y>\"'\r");
	(void)usleep(200000);
	type(&s, "five\r");
	(void)sees(&s, "<five>\r\n> ", "/dev/tty is read though stdin is a pipe");
	type(&s, "$S /bin/sleep 30 | $S /bin/sleep 30\r");
	(void)usleep(200000);
	type(&s, KEY_C "echo $?.\r");
	(void)sees(&s, "130.", "^C ends all of a pipeline");
	type(&s, "exit\r");
	(void)screen_close(&s);
}

static void write_shimrun(void)
{
	char dir[] = "/tmp/ajshimXXXXXX";
	AUTO_CLOSE int fd = -1;

	if (mkdtemp(dir) == NULL)
		_exit(1);
	(void)snprintf(shimrun, sizeof(shimrun), "%s/shimrun", dir);
	fd = open(shimrun, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	(void)write_all(fd, shim_blob, (size_t)(shim_blob_end - shim_blob));
}

int main(void)
{
	write_shimrun();
	harness_start();
	test_basics();
	test_ends();
	test_drained();
	test_hang_up();
	test_left_behind();
	test_job_control();
	test_background_job();
	test_pipeline();
	harness_stop();
	(void)unlink(shimrun);
	*strrchr(shimrun, '/') = '\0';
	(void)rmdir(shimrun);
	return tap_done();
}
