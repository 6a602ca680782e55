/*
 * Proves: a refused literal address, whose socket is gone, is told to the newest command that runs
 * and recorded as a guess; and no descriptor that a command chose as its standard error makes the
 * warden wait (the control: a plain write to the same one does).
 */
#include "warden/tell.h"
#include "warden/warden.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "policy_fixture.h"
#include "wire/proxymsg.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>

static const char line[] = "agentjail: a line\n";
static struct warden w;

/* ---- processes as a cell has them: its first, runners below that, a command below each ---- */

static _Noreturn void rest(void)
{
	for (;;)
		(void)pause();
}

/* The first process of a cell with two commands whose standard errors are given; their pids. */
static pid_t start_cell(const int errs[2], pid_t ret[2])
{
	int up[2];
	pid_t first;

	if (pipe(up) < 0)
		return -1;
	first = fork();
	for (unsigned i = 0; first == 0 && i < 2; i++) {
		pid_t runner;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		runner = fork();
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (runner == 0 && fork() == 0) {
			struct {
				unsigned i;
				pid_t pid;
			} me = { i, getpid() };

			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			(void)dup2(errs[i], 2);
			(void)!write(up[1], &me, sizeof(me));
			rest();
		}
		if (runner == 0)
			rest();
	}
	if (first == 0)
		rest();
	for (unsigned i = 0; i < 2; i++) {
		struct {
			unsigned i;
			pid_t pid;
		} one = { 0 };

		if (read(up[0], &one, sizeof(one)) == (ssize_t)sizeof(one))
			ret[one.i] = one.pid;
	}
	(void)close(up[0]);
	(void)close(up[1]);
	return first;
}

static const char *read_now(int fd)
{
	static char got[512];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n = poll(&p, 1, 0) == 1 ? read(fd, got, sizeof(got) - 1) : 0;

	got[n > 0 ? n : 0] = '\0';
	return got;
}

static uint32_t only; /* the command that has the cell for itself; 0: none */

/* The members that a record of the denial gets. */
static const char *record_of(enum proxymsg_via via)
{
	static char got[512];
	struct proxymsg msg = { .type = PROXYMSG_DENIED,
		.via = (uint32_t)via,
		.family = AF_INET,
		.host = "192.0.2.1",
		.port = 443 };
	struct audit audit = { .fd = -1, .seq = 6 };
	struct audit_record r;
	const char *members;

	audit_begin(&audit, &r, "connect");
	denial_tell(&w, &(struct place){ &w.cell, &w.proxy, only, false }, &msg, &r);
	members = strstr(r.line.data, ",\"command");
	(void)snprintf(got, sizeof(got), "%s", members != NULL ? members : "");
	buf_done(&r.line);
	return got;
}

static void test_owner(void)
{
	int a[2], b[2];
	pid_t pids[2] = { 0 };

	if (pipe(a) < 0 || pipe(b) < 0)
		return;
	w.cell.pid = start_cell((int[2]){ a[1], b[1] }, pids);
	w.next_id = 4;
	w.commands[3] = (struct command){ .id = 3, .cell_pid = pids[0] };
	tap_is(record_of(PROXYMSG_LITERAL), ",\"command\":3,\"command_guess\":true",
		"one runs: the record names it, as a guess");
	tap_is(read_now(a[0]),
		"agentjail: connect 192.0.2.1:443 denied by [egress]; see: agentjail why 7\n",
		"and it is told");
	only = 3;
	tap_is(record_of(PROXYMSG_LITERAL), ",\"command\":3",
		"it has the cell for itself: no guess");
	(void)read_now(a[0]);
	only = 0;
	w.commands[4] = (struct command){ .id = 4, .cell_pid = pids[1] };
	tap_is(record_of(PROXYMSG_LITERAL), ",\"command\":4,\"command_guess\":true",
		"two run: the newer");
	tap_is(read_now(b[0]),
		"agentjail: connect 192.0.2.1:443 denied by [egress] (of this command or another that "
		"runs); see: agentjail why 7\n",
		"it is told that it may be another's");
	tap_is(read_now(a[0]), "", "the older one is not told");
	w.commands[3].cell_pid = w.commands[4].cell_pid = 0;
	w.commands[4].ended_ms = clock_ms();
	tap_is(record_of(PROXYMSG_LITERAL), ",\"command\":4,\"command_guess\":true",
		"none runs: the one that has just ended");
	w.commands[4].ended_ms -= 5000;
	tap_is(record_of(PROXYMSG_LITERAL), "", "none has just ended: none is named");
	w.commands[4].cell_pid = pids[1];
	tap_is(record_of(PROXYMSG_TRANSPARENT), "", "a name's denial is never guessed at");
	tap_is(read_now(b[0]), "", "nor told");
	(void)kill(w.cell.pid, SIGKILL);
	(void)waitpid(w.cell.pid, NULL, 0);
}

/* ---- descriptors ---- */

static void on_alarm(int sig)
{
	(void)sig;
}

/* Did a plain write have to be interrupted? */
static bool waits_with(int fd, size_t n)
{
	bool waited;

	(void)ualarm(50000, 0);
	waited = write(fd, line, n) < 0 && errno == EINTR;
	(void)ualarm(0, 0);
	return waited;
}

static bool waits(int fd)
{
	return waits_with(fd, sizeof(line) - 1);
}

static bool returns(int fd)
{
	int64_t before = clock_ms();

	(void)ualarm(500000, 0);
	tell_fd(fd, true, line, sizeof(line) - 1);
	(void)ualarm(0, 0);
	return clock_ms() - before < 400;
}

static void fill(int fd)
{
	static const char bytes[4096];

	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	while (write(fd, bytes, sizeof(bytes)) > 0 || write(fd, "", 1) > 0)
		continue;
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

static void check(int in, int out, const char *what)
{
	tell_fd(in, true, line, sizeof(line) - 1);
	tap_is(read_now(out), line, what);
	tap_ok((fcntl(in, F_GETFL) & O_NONBLOCK) == 0, "%s: its flags are as before", what);
	fill(in);
	tap_ok(waits(in), "%s, full: a plain write waits", what);
	tap_ok(returns(in), "%s, full: the warden does not", what);
}

static void test_pipe(void)
{
	int fds[2];

	if (pipe(fds) < 0)
		return;
	check(fds[1], fds[0], "a pipe");
	(void)close(fds[0]);
	tell_fd(fds[1], true, line, sizeof(line) - 1);
	tap_ok(true, "a pipe without a reader: no signal ends us");
	(void)close(fds[1]);
}

static void test_socket(void)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		return;
	check(fds[1], fds[0], "a socket of this machine");
	(void)close(fds[0]);
	tell_fd(fds[1], true, line, sizeof(line) - 1);
	tap_ok(true, "a socket without a peer: no signal ends us");
	(void)close(fds[1]);
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) < 0)
		return;
	tell_fd(fds[1], true, line, sizeof(line) - 1);
	tap_is(read_now(fds[0]), "", "a datagram socket: not written to");
}

static void test_terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave = -1;
	struct termios raw;

	if (master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0)
		slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	if (slave < 0 || tcgetattr(slave, &raw) < 0) {
		tap_ok(false, "a terminal");
		return;
	}
	cfmakeraw(&raw);
	(void)tcsetattr(slave, TCSANOW, &raw);
	check(slave, master, "a terminal");
	(void)tcflush(slave, TCIOFLUSH);
	(void)tcflow(slave, TCOOFF);
	tap_ok(waits(slave), "a stopped terminal: a plain write waits");
	tap_ok(returns(slave), "a stopped terminal: the warden does not");
	(void)close(slave);
	(void)close(master);
}

static void test_others(void)
{
	int fd = eventfd(0, 0), file = open(at("err"), O_RDWR | O_CREAT, 0600);
	uint64_t most = UINT64_MAX - 1;
	char got[64] = { 0 };

	(void)!write(fd, &most, sizeof(most));
	tap_ok(waits_with(fd, sizeof(most)), "a full eventfd: a plain write waits");
	tap_ok(returns(fd), "a full eventfd: the warden does not");
	(void)!write(file, "before\n", 7);
	tell_fd(file, true, line, sizeof(line) - 1);
	tap_ok(pread(file, got, sizeof(got) - 1, 0) > 0 &&
			strcmp(got, "before\nagentjail: a line\n") == 0,
		"a file: after what the command wrote");
	tell_fd(file, false, line, sizeof(line) - 1);
	tap_ok(lseek(file, 0, SEEK_END) == 7 + (off_t)sizeof(line) - 1,
		"a file that could be one of the command's own file system: not written to");
	(void)unlink(at("err"));
}

int main(void)
{
	struct sigaction alarmed = { .sa_handler = on_alarm };
	struct run_plan plan = { 0 };
	struct policy_request request;
	struct err err;

	(void)sigaction(SIGALRM, &alarmed, NULL);
	if (!fixture_make())
		return 1;
	clear();
	request = request_of(NULL);
	plan.policy = load(request, &err);
	w = (struct warden){ .plan = &plan };
	for (unsigned i = 0; i < CELL_FD_COUNT; i++)
		w.cell.fds[i] = -1;
	tap_ok(plan.policy != NULL, "a policy");
	if (plan.policy != NULL)
		test_owner();
	test_pipe();
	test_socket();
	test_terminal();
	test_others();
	fixture_remove();
	return tap_done();
}
