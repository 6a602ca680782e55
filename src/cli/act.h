/*
 * The hostile half of `agentjail selftest`: one act a name. The program is started again as
 * `@act batch KIND` in the throwaway project, bare for the control and in the sandbox that is
 * tried, and answers with one line an attack. It does to the throwaway home and to a process of the
 * test's own what an attacker would do to the user's; what it does to anything else fails for its
 * arguments or changes nothing.
 */
#ifndef CLI_ACT_H
#define CLI_ACT_H

#include <stdbool.h>
#include <stddef.h>

/* Rationale: an answer is one word, with some words of explanation behind it. */
#define ACT_ANSWER_BYTES 160
/* Rationale: an act that has not ended by then is stuck; most take a millisecond. */
#define ACT_SECONDS 6
/* What the acts find in the working directory: NAME=VALUE lines about the test. */
#define ACT_LAB_FILE ".selftest"

/*
 * Returns its answer: "OK ..." when it succeeded, the name of an errno, "NONE" where there was
 * nothing to find, "EMPTY" for a file that opens without what should be in it, "SKIP ..." when this
 * machine cannot even try. The text lives until the next act.
 */
typedef const char *act_function(char **arg);

struct act {
	const char *name;
	int n_args; /* as many at least */
	act_function *run;
};

/* One table a file, ended by a NULL name. */
extern const struct act act_files[], act_mount[], act_process[], act_net[], act_proxy[],
	act_kernel[];

/* "OK", or errno's name when rc is negative. */
const char *act_result(long rc);
const char *act_skip(const char *why);
/* The name of an errno value, or "errno N". */
const char *act_errno_name(int value);

/* A value of the lab file; "" where it has none. */
const char *act_value(const char *name);
/* What an act writes into a file, so that the host can tell which one did. */
const char *act_mark(void);
bool act_has_canary(const char *bytes, long n);
/* Reads at most size - 1 bytes of path, NUL-terminated; their number, or -1 with errno. */
long act_slurp(const char *path, char *ret_bytes, size_t size);
/* "OK" when the canary is in the file, else "EMPTY" or an errno. */
const char *act_read_path(const char *path);
/* A number of the table or the lab file; -1 for anything else. */
long act_number(const char *text);

/* The `@act` role. Its exit status. */
int act_main(int argc, char **argv);

/*
 * act_victim.c: the process that the acts aim at. It runs outside, has the canary in its
 * environment, its memory, its arguments and an open file, and answers on the sockets that arg
 * names: READY SECRET ADDRESS UNIX... (UNIX: a path, or @NAME). Ends with its parent.
 */
int act_victim(char **arg);

#endif
