/* Runs in the warden, with SIGTTOU blocked (tcsetpgrp(3)). */
#include "warden/terminal.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

void terminal_init(struct terminal *t)
{
	pid_t foreground;

	*t = (struct terminal){ .fd = -1 };
	/* Fails with ENOTTY unless it is the controlling terminal. */
	foreground = tcgetpgrp(STDIN_FILENO);
	if (foreground < 0)
		return;
	t->fd = STDIN_FILENO;
	t->is_foreground = foreground == getpgrp();
	t->has_modes = tcgetattr(t->fd, &t->modes) == 0;
}

void terminal_follow_stop(struct terminal *t, pid_t agent)
{
	struct termios theirs;
	bool has_theirs = t->fd >= 0 && tcgetattr(t->fd, &theirs) == 0;

	if (t->fd >= 0 && t->is_foreground)
		(void)tcsetpgrp(t->fd, getpgrp());
	/* SIGTSTP is blocked here; what the shell sees is a stopped job either way. */
	(void)raise(SIGSTOP);
	if (t->fd >= 0) {
		t->is_foreground = tcgetpgrp(t->fd) == getpgrp();
		if (t->is_foreground) {
			if (has_theirs)
				(void)tcsetattr(t->fd, TCSADRAIN, &theirs);
			(void)tcsetpgrp(t->fd, agent);
		}
		(void)kill(-agent, SIGCONT);
	} else {
		(void)kill(agent, SIGCONT);
	}
}

void terminal_done(struct terminal *t, bool was_killed)
{
	if (t->fd < 0)
		return;
	if (t->is_foreground || tcgetpgrp(t->fd) < 0)
		(void)tcsetpgrp(t->fd, getpgrp());
	if (was_killed && t->has_modes && t->is_foreground)
		(void)tcsetattr(t->fd, TCSADRAIN, &t->modes);
	t->fd = -1;
}
