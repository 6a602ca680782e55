/*
 * `agentjail selftest`: the table of attacks, the throwaway homes, running and judging. Runs in the
 * `agentjail` process with the user's rights. What the sandboxed half answers is believed as far as
 * an attacker would be: it says itself whether it succeeded.
 */
#ifndef CLI_SELFTEST_H
#define CLI_SELFTEST_H

#include "base/buf.h"
#include "base/err.h"
#include "cli/act.h"
#include "cli/launch.h"

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

/* Before an attack's id in what it writes: a comment in most of the files that it goes into. */
#define SELFTEST_MARK "# planted by agentjail selftest: "

enum selftest_how {
	SELFTEST_ACT,    /* an act (act.h) in the sandbox, as a command would do it */
	SELFTEST_AGENT,  /* an act in the agent's own context */
	SELFTEST_LIVE,   /* an act, after the host has changed files under the sandbox's eyes */
	SELFTEST_SCRIPT, /* a script of sh in the sandbox, between two of the host's */
	SELFTEST_AGENT_SCRIPT, /* the same, in the agent's own context */
	SELFTEST_SETTING,      /* a line of profile in a file that a cell may write */
	SELFTEST_KILLED,       /* the sandbox's front process is killed while a command runs */
	SELFTEST_ORPHAN,       /* an agent's supervisor is killed, and it starts commands */
	SELFTEST_DAEMON,       /* a command leaves a process behind */
	SELFTEST_HOW_COUNT
};

enum selftest_flags {
	SELFTEST_ROOT = 1,     /* only root can do it anyhow */
	SELFTEST_OWN = 2,      /* about agentjail's own files: no other sandbox can be asked */
	SELFTEST_NOTICED = 4,  /* must not be prevented, people would switch it off: must be told */
	SELFTEST_HARMLESS = 8, /* fails without a sandbox, too; another control is there */
	SELFTEST_BWRAP_USER = 16, /* an ordinary user's `bwrap --dev-bind / / --` stops it */
	SELFTEST_BWRAP_ROOT = 32, /* root's does */
	SELFTEST_BWRAP = SELFTEST_BWRAP_USER | SELFTEST_BWRAP_ROOT,
};

struct selftest_attack {
	const char *id, *title;
	const char *source; /* the advisory, issue or class that it replays */
	enum selftest_how how;
	const char *act;     /* words for act.h, %NAME% filled in; a script; a line of profile */
	const char *wanted;  /* answers that deny it wholly, by commas; NULL: any but OK; SETTING: a
				file */
	const char *reached; /* errors that prove as much as success */
	const char *check;   /* below the home: succeeded when this file holds the attack's mark */
	const char *before, *after; /* scripts of the host */
	const char *needs;          /* a program without which there is nothing to try */
	unsigned flags;
};

/* One table a file, in the order in which they are printed. An id of NULL ends it. */
extern const struct selftest_attack selftest_attacks_start[], selftest_attacks_files[],
	selftest_attacks_kept[], selftest_attacks_processes[], selftest_attacks_sockets[],
	selftest_attacks_kernel[];
extern const char *const selftest_how_names[SELFTEST_HOW_COUNT];
/* Sockets of the machine that hand out power. NULL ends. */
extern const char *const selftest_system_sockets[];

/* All tables as one. */
size_t selftest_count(void);
const struct selftest_attack *selftest_get(size_t i);
/* False: it is another kind of user's. */
bool selftest_is_for_me(const struct selftest_attack *attack);

enum selftest_verdict {
	SELFTEST_PASS,
	SELFTEST_WEAK,
	SELFTEST_FAIL,
	SELFTEST_SKIP,
	SELFTEST_VERDICT_COUNT
};

struct selftest_result {
	char bare[ACT_ANSWER_BYTES], jailed[ACT_ANSWER_BYTES]; /* answers; "" has not run */
	bool bare_got, jailed_got;                             /* it succeeded */
	bool is_noticed; /* the sandbox named the file afterwards */
	enum selftest_verdict verdict;
	char why[ACT_ANSWER_BYTES * 3];
};

/* A throwaway home with a project, for the control or for the sandbox. */
/* Rationale: sixteen variables, and one that is added later. */
#define SELFTEST_ENV_MAX 32

struct selftest_side {
	bool is_jailed;
	char *home, *project, *run;
	char *program;       /* this one's copy in the project */
	char *agent_program; /* and where an agent may have it */
	char **env;
	const char *canary;
};

struct selftest {
	char *dir;  /* all of it is below here */
	char *self; /* this program's own file */
	struct selftest_side bare, jail;
	char canary[40];
	pid_t victim;
	char **cell, **agent; /* words before a command: in the sandbox, in the agent's context */
	bool is_own;          /* the sandbox is agentjail */
	bool shows_progress;
	struct selftest_result *results; /* selftest_count() */
	struct buf noticed;              /* what the sandbox said at the ends of its sessions */
	size_t n_sessions;
	int64_t began_ms; /* clock_ms() */
};

/* ---- selftest_lab.c, selftest_end.c ---- */

/* Makes the directory, both homes and the victim. 0 or -errno with err; selftest_end() in both. */
int selftest_lab_begin(struct selftest *t, const struct launch *launch, struct err *err);
/* Ends what the test started and removes what it made. */
void selftest_end(struct selftest *t);

/* ---- selftest_config.c ---- */

/* The user's profiles into the side's home, without rules and tools. 0 or -errno with err. */
int selftest_config_copy(
	const struct launch *launch, const struct selftest_side *side, struct err *err);
/*
 * What --profile gets: the name, or the path of such a copy of the file that it names. *ret is the
 * caller's. 0 or -errno with err.
 */
int selftest_config_profile(
	const struct selftest *t, const char *profile, char **ret, struct err *err);

/* ---- selftest_victim.c ---- */

/* Below a side's runtime directory: what the victim listens on. NULL ends. */
extern const char *const selftest_victim_sockets[];
/* Starts the victim and writes each side's lab file. 0 or -errno with err. */
int selftest_victim_start(struct selftest *t, struct err *err);

/* ---- selftest_run.c: one process of the test, in a session of its own ---- */

struct selftest_command {
	const struct selftest_side *side;
	char *const *prefix;      /* NULL-terminated, or NULL */
	const char *const *words; /* the command */
	const char *cwd;          /* NULL: the project */
	int timeout_ms;
	struct buf *out, *err; /* NULL: nowhere */
	/* Called once it has started; or NULL. */
	void (*meanwhile)(const struct selftest_side *side);
};

/* Starts it, with the two descriptors or -1; the process, which leads a session, or -errno. */
pid_t selftest_run_start(const struct selftest_command *command, int out, int err);
/* Runs it to its end, or its time-out, which is -ETIMEDOUT. An exit status, 128 + signal, -errno.
 */
int selftest_run(const struct selftest_command *command);
/* True once the user has asked to end. */
bool selftest_run_is_stopped(void);
void selftest_run_catch_signals(void);
/* Ends as the signal would have ended us; returns when there was none. */
void selftest_run_raise(void);

/* ---- selftest_try.c: every attack, bare and in the sandbox ---- */

/* 0 or -errno with err: nothing can be said about a sandbox in which nothing runs. */
int selftest_try_all(struct selftest *t, struct err *err);
/* False: it is about another kind of user, about agentjail, or needs a program that is not here. */
bool selftest_try_may(const struct selftest *t, const struct selftest_attack *attack);

/* ---- selftest_judge.c ---- */

void selftest_judge(const struct selftest *t);
/* The verdict that the attack must get with no sandbox, or with bwrap --dev-bind / / --. */
enum selftest_verdict selftest_judge_expected(
	const struct selftest_attack *attack, bool with_bwrap);
/* Does the answer of an act mean that it succeeded? */
bool selftest_judge_got(const struct selftest_attack *attack, const char *answer);

/* ---- selftest_print.c ---- */

void selftest_print_progress(const struct selftest *t, const char *what);
/* 0 all pass, 1 the worst is WEAK, 2 some FAIL; -errno with err. */
int selftest_print(const struct selftest *t, const struct launch *launch, struct err *err);

#endif
