/*
 * The end of `agentjail selftest`: every process and every file that it made goes. Hostile: the
 * names, modes and depth of what commands left in the throwaway homes; they have ended by then.
 */
#include "cli/selftest.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "cli/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Rationale: SIGKILL works at once but for a process that waits for a disk. */
#define KILL_ROUNDS 200

/* Orphans of the test become its children (a subreaper's): when there are no more, nothing runs. */
static void end_children(void)
{
	for (int i = 0; i < KILL_ROUNDS; i++) {
		char list[4096], *rest = list;
		const char *word;

		if (act_slurp("/proc/thread-self/children", list, sizeof(list)) < 0)
			return;
		while ((word = strsep(&rest, " ")) != NULL) {
			unsigned long pid;

			if (str_to_ulong(word, 1UL << 22, &pid) && pid > 1)
				(void)kill((pid_t)pid, SIGKILL);
		}
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
			return;
		(void)usleep(5000);
	}
}

static void free_side(struct selftest_side *side)
{
	free(side->home);
	free(side->project);
	free(side->run);
	free(side->program);
	free(side->agent_program);
	for (size_t i = 0; side->env != NULL && side->env[i] != NULL; i++)
		free(side->env[i]);
	free(side->env);
}

static void free_words(char **words)
{
	for (size_t i = 0; words != NULL && words[i] != NULL; i++)
		free(words[i]);
	free(words);
}

void selftest_end(struct selftest *t)
{
	end_children();
	if (t->dir != NULL) {
		AUTO_CLOSE int fd = open(t->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		struct err err = { 0 };

		if (fd < 0 || tree_empty(fd, NULL, &err) < 0 || rmdir(t->dir) < 0)
			log_warn("%s cannot be removed: %s", t->dir,
				err.code != 0 ? err.text : act_errno_name(errno));
	}
	free_side(&t->bare);
	free_side(&t->jail);
	free_words(t->cell);
	free_words(t->agent);
	free(t->results);
	buf_done(&t->noticed);
	free(t->dir);
	free(t->self);
}
