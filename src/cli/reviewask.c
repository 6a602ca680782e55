/* See reviewask.h. Runs in `agentjail review` with the user's terminal. Input: the user's keys. */
#include "cli/reviewask.h"

#include "base/ascii.h"
#include "base/cleanup.h"

#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#define CTRL_C 3
#define CTRL_D 4

static const struct key {
	char letter;
	enum reviewask_answer answer;
	const char *text;
} keys[] = {
	{ 'a', REVIEWASK_APPLY, "apply" },
	{ 'd', REVIEWASK_DROP, "drop" },
	{ 's', REVIEWASK_SKIP, "skip" },
	{ 'v', REVIEWASK_AGAIN, "view again" },
	{ 'q', REVIEWASK_QUIT, "quit" },
};

bool reviewask_can(void)
{
	return isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0;
}

/*
 * Without line editing, echo and signals for as long as one key takes, so that the terminal is itself
 * again whatever the key was. Flushed before: a key meant for another file answers nothing.
 */
static int take_key(char *ret, struct err *err)
{
	struct termios before, raw;
	ssize_t n;

	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return err_set(err, errno, "the terminal");
	raw = before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) < 0)
		return err_set(err, errno, "the terminal");
	do
		n = read(STDIN_FILENO, ret, 1);
	while (n < 0 && errno == EINTR);
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
	if (n == 0 || *ret == CTRL_C || *ret == CTRL_D)
		*ret = 'q';
	return n < 0 ? err_set(err, errno, "the terminal") : 0;
}

static const struct key *find_key(char letter, bool may_apply)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (keys[i].letter == ascii_lower(letter) &&
			(may_apply || keys[i].answer != REVIEWASK_APPLY))
			return &keys[i];
	return NULL;
}

int reviewask(bool may_apply, enum reviewask_answer *ret, struct err *err)
{
	const struct key *key = NULL;
	char letter = 0;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (may_apply || keys[i].answer != REVIEWASK_APPLY)
			printf("%s[%c]%s", i == 0 || (i == 1 && !may_apply) ? "" : ", ", keys[i].letter,
				keys[i].text + 1);
	printf("? ");
	if (fflush(stdout) != 0)
		return err_set(err, errno, "standard output");
	while (key == NULL) {
		if (take_key(&letter, err) < 0)
			return -err->code;
		key = find_key(letter, may_apply);
	}
	printf("%s\n", key->text);
	*ret = key->answer;
	return fflush(stdout) != 0 ? err_set(err, errno, "standard output") : 0;
}
