/*
 * Runs in the shim (agent context) and in `agentjail run` (the user's own context), with the
 * privilege of the user alone. Hostile: every byte from the command's terminal, which goes to the
 * user's terminal as it would without a cell, and every message on the command's socket, whose
 * worst is a wrong status. No C library: see sys.h.
 *
 * States: without JOB_MSG_TERMINAL there is no relay. With one, output flows; keys flow while
 * may_read and this process group is the foreground one, and then alone the terminal is raw.
 * After the command's end nothing is read from the user and output drains.
 */
#include "shim/sys.h"

#include "shim/attach.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

/* Rationale: a shell's `fg` of a job that runs tells nobody; a key may wait this long. */
#define FOREGROUND_CHECK_MS 200
/* Rationale: when the terminal cannot be opened anew, a write of a byte more could block. */
#define BLOCKING_WRITE_BYTES 256
/* Rationale: signals and messages are looked at between; 16 buffers are a full pty. */
#define RELAY_ROUNDS 16
/* Rationale: output before a stop belongs on the terminal; one that takes none is not waited for. */
#define STOP_DRAIN_MS 500

_Static_assert(sizeof(struct termios) == HELLO_TERMIOS_BYTES, "the kernel's termios");
_Static_assert(ATTACH_POLLFDS == 5, "enum slot");

enum slot { SLOT_SOCK, SLOT_SIGNALS, SLOT_TTY_IN, SLOT_TTY_OUT, SLOT_MASTER };

static uint64_t bit(int sig)
{
	return UINT64_C(1) << (sig - 1);
}

/* A terminal that is not this session's has no groups to wait for. */
static bool is_foreground(int tty)
{
	int group = 0;
	long r = sys_ioctl(tty, TIOCGPGRP, &group);

	return r == -ENOTTY || (r >= 0 && group == sys_getpgrp());
}

/* ---- what a command inherits ---- */

static void describe_tty(struct shim_hello *ret, int tty)
{
	struct winsize size = { 0 };
	/* ESPIPE, as no terminal: a pipe or a socket. */
	bool is_piped = (ret->open_mask & 2u) != 0 && (ret->tty_mask & 2u) == 0 &&
		sys_call3(__NR_lseek, 1, 0, 1) == -ESPIPE;

	(void)sys_ioctl(tty, TCGETS, ret->termios);
	if (sys_ioctl(tty, TIOCGWINSZ, &size) >= 0) {
		ret->rows = size.ws_row;
		ret->cols = size.ws_col;
		ret->xpixel = size.ws_xpixel;
		ret->ypixel = size.ws_ypixel;
	}
	if ((ret->tty_mask & 1u) == 0 || is_piped || !is_foreground(tty))
		ret->tty_flags = HELLO_TTY_SHARED;
}

static void describe_fds(struct shim_hello *ret)
{
	struct termios modes;
	int tty = -1;

	for (int fd = 2; fd >= 0; fd--) {
		if (sys_fcntl(fd, F_GETFD, 0) < 0)
			continue;
		ret->open_mask |= 1u << fd;
		if (sys_ioctl(fd, TCGETS, &modes) < 0)
			continue;
		ret->tty_mask |= 1u << fd;
		tty = fd;
	}
	if (tty >= 0)
		describe_tty(ret, tty);
}

void attach_describe(struct shim_hello *ret)
{
	for (int sig = 1; sig <= 64; sig++) {
		struct sys_sigaction act = { 0 };

		if (sys_sigaction(sig, NULL, &act) >= 0 && act.handler == 1)
			ret->ignored |= bit(sig);
	}
	ret->umask = (uint32_t)sys_call3(__NR_umask, 0, 0, 0);
	(void)sys_call3(__NR_umask, ret->umask, 0, 0);
	/* getpriority(2), NOTES: the system call gives 20 - nice. */
	ret->nice = (int32_t)(20 - sys_call3(__NR_getpriority, 0, 0, 0));
	for (int i = 0; i < HELLO_RLIMITS; i++)
		(void)sys_call4(__NR_prlimit64, 0, i, 0, sys_ptr(&ret->rlimits[i]));
	ret->is_group_leader = sys_getpgrp() == sys_getpid();
	describe_fds(ret);
}

/* ---- the user's terminal ---- */

static void send_msg(struct attach *a, uint32_t type, uint32_t value)
{
	struct job_msg msg = { .type = type, .value = value };

	/* A full queue is hundreds of signals that nobody took: one more is lost like a pending one. */
	(void)sys_call6(__NR_sendto, a->sock, sys_ptr(&msg), sizeof(msg),
		MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
}

/*
 * Opens the terminal anew where that is possible: non-blocking is a property of the open file, which
 * descriptors 0 to 2 share with the agent.
 */
static void open_tty(struct attach *a, uint32_t tty_mask)
{
	char path[] = "/proc/self/fd/0";

	for (int fd = 2; fd >= 0; fd--) {
		long mode = sys_fcntl(fd, F_GETFL, 0) & O_ACCMODE;

		if ((tty_mask >> fd & 1u) == 0)
			continue;
		path[sizeof(path) - 2] = (char)('0' + fd);
		if (mode != O_WRONLY)
			a->tty_in = fd;
		if (mode != O_RDONLY)
			a->tty_out = fd;
	}
	if (tty_mask != 0) {
		long fd = sys_call4(__NR_openat, AT_FDCWD, sys_ptr(path),
			O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);

		if (fd >= 0) {
			a->tty_in = a->tty_out = (int)fd;
			a->owns_tty_fds = true;
		}
	}
}

void attach_init(struct attach *a, int sock, int signal_fd, const struct shim_hello *hello)
{
	a->status = 0;
	a->sock = sock;
	a->signal_fd = signal_fd;
	a->tty_in = a->tty_out = a->master = -1;
	a->is_group_leader = hello->is_group_leader != 0;
	a->is_shared = (hello->tty_flags & HELLO_TTY_SHARED) != 0;
	a->may_read = !a->is_shared;
	a->is_raw = a->owns_tty_fds = a->has_return = false;
	a->ending = ATTACH_RUNS;
	a->conts = 0;
	a->typed = 0;
	a->in_at = a->in_end = a->out_at = a->out_end = 0;
	open_tty(a, hello->tty_mask);
}

static void make_raw(struct termios *t)
{
	t->c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
	t->c_oflag &= ~(tcflag_t)OPOST;
	t->c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
	t->c_cc[VMIN] = 1;
	t->c_cc[VTIME] = 0;
}

static void sync_size(struct attach *a)
{
	struct winsize size;

	if (a->tty_out >= 0 && a->master >= 0 && sys_ioctl(a->tty_out, TIOCGWINSZ, &size) >= 0)
		(void)sys_ioctl(a->master, TIOCSWINSZ, &size); /* SIGWINCH only when it differs */
}

void attach_restore(struct attach *a)
{
	/* In the background the modes are another's already: theirs are not overwritten. */
	if (a->is_raw && is_foreground(a->tty_in))
		(void)sys_ioctl(a->tty_in, TCSETS, a->saved);
	a->is_raw = false;
}

/* Takes the terminal or lets go of it, as things stand now. */
static void sync_terminal(struct attach *a)
{
	bool wants = a->may_read && a->tty_in >= 0 && a->master >= 0;
	bool is_ours = wants && is_foreground(a->tty_in);
	struct termios raw = { 0 };

	/* What is left of the output was made for the modes of now; attach_mirror() restores. */
	if (a->ending != ATTACH_RUNS)
		return;

	if (a->is_raw && !is_ours)
		attach_restore(a);
	if (a->is_raw || !is_ours || sys_ioctl(a->tty_in, TCGETS, &raw) < 0)
		return;
	__builtin_memcpy(a->saved, &raw, sizeof(a->saved));
	make_raw(&raw);
	a->is_raw = sys_ioctl(a->tty_in, TCSETS, &raw) >= 0;
	sync_size(a);
}

/*
 * A terminal that others write to (`first | second`: second) goes on making CR LF for them, as long
 * as the command's own does.
 */
static void sync_output_modes(const struct attach *a)
{
	struct termios inner = { 0 }, outer = { 0 };

	if (!a->is_shared || !a->is_raw || a->master < 0)
		return;
	if (sys_ioctl(a->master, TCGETS, &inner) < 0 || sys_ioctl(a->tty_in, TCGETS, &outer) < 0)
		return;
	if (((inner.c_oflag ^ outer.c_oflag) & OPOST) != 0) {
		outer.c_oflag ^= OPOST;
		(void)sys_ioctl(a->tty_in, TCSETS, &outer);
	}
}

/* ---- relay ---- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)sys_close(*fd);
	*fd = -1;
}

static void send_continue(struct attach *a)
{
	a->conts++;
	send_msg(a, JOB_MSG_SIGNAL, SIGCONT | JOB_SIGNAL_GROUP);
}

/* The user's terminal is gone: what a hang-up does (termio(7)), and output goes nowhere. */
static void hang_up(struct attach *a)
{
	if (a->owns_tty_fds)
		close_fd(&a->tty_in);
	a->tty_in = a->tty_out = -1;
	a->is_raw = a->owns_tty_fds = false;
	send_msg(a, JOB_MSG_SIGNAL, SIGHUP | JOB_SIGNAL_GROUP);
	send_continue(a);
}

static void note_typed(struct attach *a)
{
	static const struct {
		unsigned char key, sig;
	} keys[] = { { VINTR, SIGINT }, { VQUIT, SIGQUIT }, { VSUSP, SIGTSTP } };
	struct termios modes;

	__builtin_memcpy(&modes, a->saved, sizeof(modes));
	for (size_t i = a->in_at; i < a->in_end; i++)
		for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
			if ((unsigned char)a->in[i] == modes.c_cc[keys[k].key])
				a->typed |= bit(keys[k].sig);
}

static void read_keys(struct attach *a, short revents)
{
	long n;

	if (a->tty_in < 0 || revents == 0 || !a->is_raw || a->in_at < a->in_end)
		return;
	n = sys_read(a->tty_in, a->in, sizeof(a->in));
	if (n > 0) {
		a->in_at = 0;
		a->in_end = (size_t)n;
		note_typed(a);
	} else if (n == 0 || (n == -EIO && is_foreground(a->tty_in))) {
		hang_up(a);
	}
	/* EIO in the background: the terminal was taken between poll and read. */
}

static void write_keys(struct attach *a)
{
	long n;

	if (a->master < 0 || a->in_at == a->in_end)
		return;
	n = sys_write(a->master, a->in + a->in_at, a->in_end - a->in_at);
	if (n > 0)
		a->in_at += (size_t)n;
}

/* The terminal will make CR LF of each LF, as the command's own has done already. */
static bool adds_returns(const struct attach *a)
{
	struct termios modes = { 0 };

	return a->tty_out >= 0 && sys_ioctl(a->tty_out, TCGETS, &modes) >= 0 &&
		(modes.c_oflag & OPOST) != 0 && (modes.c_oflag & ONLCR) != 0;
}

/*
 * Takes one CR before each LF out of out[1] to out[n], to out[0] and on. One at the end waits for
 * what follows.
 */
static void drop_returns(struct attach *a, size_t n)
{
	size_t end = 0;

	for (size_t i = 1; i <= n; i++) {
		char c = a->out[i];

		if (a->has_return && c != '\n')
			a->out[end++] = '\r';
		a->has_return = c == '\r';
		if (!a->has_return)
			a->out[end++] = c;
	}
	a->out_at = 0;
	a->out_end = end;
}

/* False: nothing to read now, or ever. */
static bool read_output(struct attach *a)
{
	bool drops = a->has_return || adds_returns(a);
	long n = a->master >= 0 ? sys_read(a->master, a->out + 1, sizeof(a->out) - 1) : -EIO;

	if (n <= 0 && n != -EAGAIN)
		close_fd(&a->master);
	if (n > 0 && drops) {
		drop_returns(a, (size_t)n);
	} else if (n > 0) {
		a->out_at = 1;
		a->out_end = (size_t)n + 1;
	} else if (a->has_return) {
		a->out[0] = '\r';
		a->has_return = false;
		a->out_at = 0;
		a->out_end = 1;
	}
	return a->out_at < a->out_end;
}

/* False: the terminal takes no more now. */
static bool write_output(struct attach *a)
{
	size_t n = a->out_end - a->out_at;
	long r;

	if (a->tty_out < 0) {
		a->out_at = a->out_end;
		return true;
	}
	if (!a->owns_tty_fds && n > BLOCKING_WRITE_BYTES)
		n = BLOCKING_WRITE_BYTES;
	r = sys_write(a->tty_out, a->out + a->out_at, n);
	if (r > 0)
		a->out_at += (size_t)r;
	else if (r != -EAGAIN)
		hang_up(a);
	/* A blocking one is asked by poll before every write. */
	return r > 0 && a->owns_tty_fds;
}

/* True when all that the command wrote so far has gone to the terminal. */
static bool relay_output(struct attach *a, bool is_writable)
{
	bool may_write = is_writable || a->owns_tty_fds || a->tty_out < 0;

	for (int i = 0; i < RELAY_ROUNDS; i++) {
		if (a->out_at == a->out_end && !read_output(a)) {
			if (!a->has_return)
				return true;
			continue; /* read again: nothing follows the CR now, or it has gone */
		}
		if (!may_write)
			return false;
		may_write = write_output(a);
	}
	return false;
}

/* ---- signals and messages ---- */

void attach_signal(struct attach *a, int sig, int code, uint32_t pid)
{
	bool is_group = code == SI_KERNEL || a->is_group_leader || sig == SIGCONT;

	/* Our own to the whole group: the command has had it. */
	if (sig == SIGCHLD || (code == SI_USER && pid == (uint32_t)sys_getpid()))
		return;
	if (sig == SIGWINCH && a->master >= 0) {
		sync_size(a);
		return;
	}
	if (sig == SIGCONT)
		a->conts++;
	else if (a->ending != ATTACH_RUNS && (sig == SIGTERM || sig == SIGINT || sig == SIGHUP))
		close_fd(&a->master); /* only a terminal that takes nothing is waited for: give up */
	send_msg(a, JOB_MSG_SIGNAL, (uint32_t)sig | (is_group ? JOB_SIGNAL_GROUP : 0));
}

static void read_signals(struct attach *a)
{
	struct signalfd_siginfo info = { 0 };

	/* Pending signals come by number; what was sent after a SIGCONT must not arrive before it. */
	if (sys_sigtake(bit(SIGCONT)) == SIGCONT)
		attach_signal(a, SIGCONT, SI_USER, 0);
	while (sys_read(a->signal_fd, &info, sizeof(info)) == sizeof(info))
		attach_signal(a, (int)info.ssi_signo, info.ssi_code, info.ssi_pid);
}

static void drain_before_stop(struct attach *a)
{
	struct pollfd fd = { .fd = a->tty_out, .events = POLLOUT };
	struct timespec wait = { .tv_nsec = STOP_DRAIN_MS * 1000000L };

	if (a->master < 0)
		return;
	while (!relay_output(a, true))
		if (sys_ppoll(&fd, 1, &wait) <= 0)
			break;
}

/*
 * Stops as the command did, and lets it go on afterwards. What the user typed stops all of this
 * group, as the terminal would have done. Where the kernel discards the stop (an orphaned group,
 * signal(7)), the command would not have stopped either without a cell: it goes on at once.
 *
 * The SIGCONT is taken here and now: the next stop signal would remove a pending one, and the
 * command would never hear of it.
 */
static void stop(struct attach *a, int sig)
{
	bool is_typed = a->is_raw && (a->typed & bit(sig)) != 0;

	if (sys_sigtake(bit(SIGCONT)) != SIGCONT) {
		drain_before_stop(a);
		attach_restore(a);
		a->typed &= ~bit(sig);
		(void)sys_sigprocmask(SIG_UNBLOCK, bit(sig));
		(void)sys_kill(is_typed ? 0 : sys_getpid(), sig);
		(void)sys_sigprocmask(SIG_BLOCK, bit(sig));
		(void)sys_sigtake(bit(SIGCONT));
		sync_size(a);
	}
	send_continue(a);
}

static void take_master(struct attach *a, int fd)
{
	close_fd(&a->master);
	a->master = fd;
	sync_size(a);
}

static void handle(struct attach *a, const struct job_msg *msg)
{
	int sig = (int)(msg->value & 0x7f);

	switch (msg->type) {
	case JOB_MSG_WANTS_KEYS:
		a->may_read = true;
		/* As a reader in the background: the shell sees the job stop and can `fg` it. */
		if (a->tty_in >= 0 && !is_foreground(a->tty_in))
			stop(a, SIGTTIN);
		break;
	case JOB_MSG_STOPPED:
		if (sig > 0 && (msg->value >> 8 & 0xffff) == (a->conts & 0xffff))
			stop(a, sig);
		break;
	case JOB_MSG_EXIT:
	case JOB_MSG_FAILED:
		a->ending = msg->type == JOB_MSG_EXIT ? ATTACH_ENDED : ATTACH_FAILED;
		a->status = msg->value;
		break;
	default: /* JOB_MSG_TERMINAL came with its descriptor; a continuing command says nothing new */
		break;
	}
}

/* 1: one message handled, 0: end of file, -errno. */
static long read_message(struct attach *a)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct job_msg msg = { 0 };
	struct iovec io = { .iov_base = &msg, .iov_len = sizeof(msg) };
	struct msghdr head = { .msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	long n = sys_call3(__NR_recvmsg, a->sock, sys_ptr(&head),
		MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n <= 0)
		return n;
	if (head.msg_controllen >= CMSG_LEN(sizeof(int))) {
		int fd;

		__builtin_memcpy(&fd, CMSG_DATA(&control.align), sizeof(fd));
		if (msg.type == JOB_MSG_TERMINAL)
			take_master(a, fd);
		else
			close_fd(&fd);
	}
	if (n == sizeof(msg))
		handle(a, &msg);
	return 1;
}

static void read_messages(struct attach *a)
{
	long r = 1;

	/* ECONNRESET: a signal of ours was not read; what the runner said before is still there. */
	while (a->ending == ATTACH_RUNS && (r > 0 || r == -ECONNRESET))
		r = read_message(a);
	if (a->ending == ATTACH_RUNS && r != -EAGAIN)
		a->ending = ATTACH_LOST;
}

/* ---- the loop's two halves ---- */

static void watch(struct pollfd *p, int fd, int events)
{
	p->fd = events != 0 ? fd : -1;
	p->events = (short)events;
	p->revents = 0;
}

int attach_pollfds(struct attach *a, struct pollfd *fds)
{
	bool has_in = a->in_at < a->in_end, has_out = a->out_at < a->out_end;

	watch(&fds[SLOT_SOCK], a->sock, a->ending == ATTACH_RUNS ? POLLIN : 0);
	watch(&fds[SLOT_SIGNALS], a->signal_fd, POLLIN);
	watch(&fds[SLOT_TTY_IN], a->tty_in, a->is_raw && !has_in ? POLLIN : 0);
	watch(&fds[SLOT_TTY_OUT], a->tty_out, has_out ? POLLOUT : 0);
	watch(&fds[SLOT_MASTER], a->master, (has_out ? 0 : POLLIN) | (has_in ? POLLOUT : 0));
	return a->may_read && a->master >= 0 && !a->is_raw ? FOREGROUND_CHECK_MS : -1;
}

enum attach_result attach_dispatch(struct attach *a, const struct pollfd *fds)
{
	bool is_drained;

	if (fds[SLOT_SIGNALS].revents != 0 && a->signal_fd >= 0)
		read_signals(a);
	if (fds[SLOT_SOCK].revents != 0)
		read_messages(a);
	sync_terminal(a);
	sync_output_modes(a);
	read_keys(a, fds[SLOT_TTY_IN].revents);
	write_keys(a);
	is_drained = relay_output(a, (fds[SLOT_TTY_OUT].revents & POLLOUT) != 0);
	return is_drained ? a->ending : ATTACH_RUNS;
}

void attach_mirror(struct attach *a, enum attach_result result)
{
	int sig = (int)(a->status & 0x7f);
	struct sys_sigaction by_default = { 0 };
	bool is_typed;

	attach_restore(a);
	if (result == ATTACH_FAILED)
		sys_exit((int)a->status);
	if (result == ATTACH_ENDED && sig == 0)
		sys_exit((int)(a->status >> 8 & 0xff));
	if (result != ATTACH_ENDED)
		sig = SIGKILL;
	/* No core of ours: the command's own is the one to look at. */
	(void)sys_call3(__NR_prctl, PR_SET_DUMPABLE, 0, 0);
	(void)sys_sigaction(sig, &by_default, NULL);
	/* ^C and ^\ that killed the command were meant for all of this group, as in a shell's loop. */
	is_typed = (sig == SIGINT || sig == SIGQUIT) && (a->typed & bit(sig)) != 0;
	(void)sys_kill(is_typed ? 0 : sys_getpid(), sig);
	(void)sys_sigprocmask(SIG_UNBLOCK, bit(sig));
	sys_exit(128 + sig);
}
