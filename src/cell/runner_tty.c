/*
 * Runs in a cell's runner without privilege. Hostile: the command on the other side of the pty; of
 * its output nothing is looked at here. pty(7), tty_ioctl(2).
 */
#include "cell/runner_tty.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

static int set_modes(int slave, const struct job_head *head, struct err *err)
{
	/* Bytes of the kernel's structure, not the C library's: hence no tcsetattr(). */
	unsigned char modes[HELLO_TERMIOS_BYTES];
	struct winsize size = { .ws_row = head->rows,
		.ws_col = head->cols,
		.ws_xpixel = head->xpixel,
		.ws_ypixel = head->ypixel };

	memcpy(modes, head->termios, sizeof(modes));
	if (ioctl(slave, TCSETS, modes) != 0)
		return err_set(err, errno, "set modes of a terminal in the cell");
	(void)ioctl(slave, TIOCSWINSZ, &size);
	return 0;
}

int runner_tty_open(struct runner_tty *ret, const struct job_head *head, struct err *err)
{
	AUTO_CLOSE int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	AUTO_CLOSE int slave = -1;
	int unlocked = 0, r;

	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlocked) != 0)
		return err_set(err, errno, "make a terminal in the cell");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_set(err, errno, "open a terminal in the cell");
	r = set_modes(slave, head, err);
	if (r != 0)
		return r;
	if (ioctl(slave, TIOCSCTTY, 0) != 0)
		return err_set(err, errno, "take a terminal in the cell");
	ret->is_background = (head->tty_flags & HELLO_TTY_SHARED) != 0;
	ret->master = take_fd(&master);
	ret->slave = take_fd(&slave);
	return 0;
}

void runner_tty_to_front(struct runner_tty *tty, pid_t group)
{
	tty->is_background = false;
	if (tty->slave >= 0)
		(void)ioctl(tty->slave, TIOCSPGRP, &group); /* SIGTTOU is blocked */
}

void runner_tty_release(struct runner_tty *tty)
{
	if (tty->slave < 0)
		return;
	/* Giving it up sends SIGHUP to the foreground group: that is this process, which blocks it. */
	runner_tty_to_front(tty, getpgrp());
	(void)ioctl(tty->slave, TIOCNOTTY);
	cleanup_close(&tty->slave);
}

void runner_tty_discard(struct runner_tty *tty)
{
	char bytes[4096];
	ssize_t n;

	do
		n = read(tty->master, bytes, sizeof(bytes));
	while (n > 0);
	if (n == 0 || errno != EAGAIN)
		cleanup_close(&tty->master);
}

void runner_tty_done(struct runner_tty *tty)
{
	runner_tty_release(tty);
	cleanup_close(&tty->master);
}
