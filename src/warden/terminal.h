/*
 * The user's terminal while an agent runs on it natively, in a foreground group of its own:
 * ^C and ^Z are the agent's, and the warden follows, so that the user's shell sees one job.
 */
#ifndef WARDEN_TERMINAL_H
#define WARDEN_TERMINAL_H

#include <stdbool.h>
#include <sys/types.h>
#include <termios.h>

struct terminal {
	int fd; /* -1: the agent stays in our group, or there is no terminal */
	bool is_foreground; /* we had the foreground when the agent got it */
	bool has_modes;
	struct termios modes; /* as the user left them */
};

/* Looks whether standard input is our controlling terminal. Should: be called before any clone. */
void terminal_init(struct terminal *t);

/*
 * The agent has stopped: stops this process by the same signal, and when it goes on gives the
 * terminal back to the agent's group if the shell has given it to us (fg, not bg).
 */
void terminal_follow_stop(struct terminal *t, pid_t agent);

/* Takes the terminal back; modes are restored when the agent was killed (it could not do it). */
void terminal_done(struct terminal *t, bool was_killed);

#endif
