/*
 * Every attack of `agentjail selftest`, first bare and then in the sandbox. See selftest.h. Acts of
 * one kind share one session; scripts and what kills have one each. Hostile: what comes back from
 * the sandbox, bounded in length and read as words of the table.
 */
#include "cli/selftest.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "cli/which.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Rationale: a hundred acts of at most ACT_SECONDS, of which a handful may be stuck. */
#define BATCH_MS 40000
/* Rationale: git three times; more is stuck. */
#define SCRIPT_MS 10000
/* Rationale: pid namespaces die at once, watchers take some milliseconds; bare nothing ends it. */
#define GONE_MS 2000
#define BARE_GONE_MS 200

static bool file_has(const struct selftest_side *side, const char *path, const char *text)
{
	static char bytes[65536];
	char full[PATH_MAX];

	(void)snprintf(full, sizeof(full), "%s/%s", side->home, path);
	return act_slurp(full, bytes, sizeof(bytes)) > 0 && strstr(bytes, text) != NULL;
}

static bool has_mark(const struct selftest_side *side, const struct selftest_attack *attack)
{
	char mark[ACT_ANSWER_BYTES];

	(void)snprintf(mark, sizeof(mark), "%s%s\n", SELFTEST_MARK, attack->id);
	return file_has(side, attack->check, mark);
}

/* True: it was there. */
static bool unlink_below(const char *dir, const char *name)
{
	char path[PATH_MAX + ACT_ANSWER_BYTES];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return unlink(path) == 0;
}

static char **prefix_of(const struct selftest *t, const struct selftest_side *side, bool is_agent)
{
	return !side->is_jailed ? NULL : is_agent ? t->agent : t->cell;
}

/* Keeps an attack's answer of one side, and whether it means success. */
static void keep_answer(
	struct selftest *t, const struct selftest_side *side, size_t i, const char *answer)
{
	const struct selftest_attack *attack = selftest_get(i);
	struct selftest_result *r = &t->results[i];
	bool got = attack->check != NULL && attack->how != SELFTEST_SETTING
			   ? has_mark(side, attack)
			   : selftest_judge_got(attack, answer);
	char *to = side->is_jailed ? r->jailed : r->bare;

	(void)log_quote(answer, strlen(answer), to, ACT_ANSWER_BYTES);
	*(side->is_jailed ? &r->jailed_got : &r->bare_got) = got;
	/* What it wrote there would make every later session refuse to start. */
	if (attack->check != NULL && str_ends(attack->check, "agentjail.ini"))
		(void)unlink_below(side->home, attack->check);
}

static void keep_batch(struct selftest *t, const struct selftest_side *side, struct buf *out,
	enum selftest_how how)
{
	char *rest = out->data, *line;

	while (rest != NULL && (line = strsep(&rest, "\n")) != NULL) {
		char *answer = strchr(line, '\t');

		if (answer == NULL)
			continue;
		*answer++ = '\0';
		for (size_t i = 0; i < selftest_count(); i++)
			if (selftest_get(i)->how == how && strcmp(selftest_get(i)->id, line) == 0)
				keep_answer(t, side, i, answer);
	}
}

/* The host's part of SELFTEST_LIVE: as soon as the sandbox runs, its files change. */
static void change_files(const struct selftest_side *side)
{
	const char *words[] = { "sh", "-c",
		"n=0; while [ ! -e waiting ] && [ $n -lt 400 ]; do sleep 0.02; n=$((n+1)); done; "
		"cat ~/prepared/late >late/.env; mv ~/prepared/production late/.env.production; "
		"mv -f ~/prepared/editor .env; mv ~/prepared/moved late/moved; "
		"ln ~/.ssh/id_rsa late/innocent; "
		"git --git-dir=\"$HOME/template/.git\" --work-tree=late/checkout checkout -q env "
		"-- .env; "
		"sleep 0.2; : >go",
		NULL };

	(void)selftest_run(&(struct selftest_command){
		.side = side, .words = words, .timeout_ms = SCRIPT_MS });
}

static void note_session(
	struct selftest *t, const struct selftest_side *side, const struct buf *err)
{
	t->n_sessions++;
	if (side->is_jailed && err->data != NULL)
		buf_add(&t->noticed, err->data, err->len);
}

/* What a sandbox tells only when it is asked. */
static void ask_review(struct selftest *t)
{
	const char *words[] = { t->self, "review", NULL };

	if (t->is_own)
		(void)selftest_run(&(struct selftest_command){ .side = &t->jail,
			.words = words,
			.timeout_ms = SCRIPT_MS,
			.out = &t->noticed });
}

static void try_batch(struct selftest *t, const struct selftest_side *side, enum selftest_how how)
{
	AUTO_BUF struct buf out = { 0 };
	AUTO_BUF struct buf err = { 0 };
	bool is_agent = how == SELFTEST_AGENT;
	const char *words[] = { is_agent ? side->agent_program : side->program, "@act", "batch",
		selftest_how_names[how], NULL };

	(void)selftest_run(&(struct selftest_command){ .side = side,
		.prefix = prefix_of(t, side, is_agent),
		.words = words,
		.timeout_ms = BATCH_MS,
		.out = &out,
		.err = &err,
		.meanwhile = how == SELFTEST_LIVE ? change_files : NULL });
	note_session(t, side, &err);
	keep_batch(t, side, &out, how);
	if (how == SELFTEST_ACT && side->is_jailed)
		ask_review(t);
}

static int run_host_script(const struct selftest_side *side, const char *script, const char *cwd)
{
	const char *words[] = { "sh", "-c", script, NULL };

	return script == NULL ? 0
			      : selftest_run(&(struct selftest_command){ .side = side,
					.words = words,
					.cwd = cwd,
					.timeout_ms = SCRIPT_MS });
}

/* A program that leaves the mark in the home, where a cell cannot, and a trace where it can; and
 * act. */
static bool write_evil(const struct selftest_side *side, const char *repo, const char *mark)
{
	AUTO_CLOSE int dir = open(repo, O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int fd = openat(dir, "evil", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	AUTO_BUF struct buf text = { 0 };

	buf_addf(&text, "#!/bin/sh\necho \"%s\" >>~/ran\n: >>ran-here\n", mark);
	return fd >= 0 && !text.failed && write_all(fd, text.data, text.len) == 0 &&
	       linkat(AT_FDCWD, side->program, dir, "act", 0) == 0;
}

static void try_script(struct selftest *t, const struct selftest_side *side, size_t i)
{
	const struct selftest_attack *attack = selftest_get(i);
	char repo[PATH_MAX], mark[ACT_ANSWER_BYTES], answer[64];
	AUTO_BUF struct buf err = { 0 };
	const char *words[] = { "sh", "-c", attack->act, "sh", mark, NULL };
	bool is_run;
	int r;

	(void)snprintf(repo, sizeof(repo), "%s/repo", side->project);
	(void)snprintf(mark, sizeof(mark), "%s%s", SELFTEST_MARK, attack->id);
	if (run_host_script(side, attack->before, side->home) != 0 ||
		!write_evil(side, repo, mark)) {
		keep_answer(t, side, i, "SKIP the host cannot prepare it");
		return;
	}
	r = selftest_run(&(struct selftest_command){ .side = side,
		.prefix = prefix_of(t, side, attack->how == SELFTEST_AGENT_SCRIPT),
		.words = words,
		.cwd = repo,
		.timeout_ms = SCRIPT_MS,
		.err = &err });
	note_session(t, side, &err);
	is_run = unlink_below(repo, "ran-here");
	if (attack->after != NULL) {
		(void)unlink_below(side->home, "ran");
		(void)run_host_script(side, attack->after, repo);
	}
	(void)snprintf(answer, sizeof(answer), r == -ETIMEDOUT ? "TIMEOUT" : "status %d%s", r,
		is_run ? ", its program ran in there" : "");
	keep_answer(t, side, i, answer);
	(void)unlink_below(side->home, "ran");
}

/* Does any process carry it on its command line? */
static pid_t find_token(const char *token)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	while (proc != NULL && found == 0 && (entry = readdir(proc)) != NULL) {
		char path[64], line[4096];
		long n;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%.20s/cmdline", entry->d_name);
		n = act_slurp(path, line, sizeof(line));
		if (n > 0 && memmem(line, (size_t)n, token, strlen(token)) != NULL)
			found = (pid_t)act_number(entry->d_name);
	}
	if (proc != NULL)
		(void)closedir(proc);
	return found;
}

/* "OK" when it still lives after a while; it is ended then. */
static const char *outlives(const char *token, bool is_jailed)
{
	int wait_ms = is_jailed ? GONE_MS : BARE_GONE_MS;
	pid_t pid = 0;

	for (int ms = 0; ms < wait_ms; ms += 20) {
		/* A subreaper has to reap, too. */
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		pid = find_token(token);
		if (pid == 0)
			return "NONE";
		(void)usleep(20000);
	}
	for (int n = 0; pid > 0 && n < 16; n++, pid = find_token(token))
		(void)kill(pid, SIGKILL);
	return "OK";
}

static void try_daemon(struct selftest *t, const struct selftest_side *side, size_t i)
{
	char token[64];
	const char *words[] = { side->program, "@act", "daemon", token, NULL };

	(void)snprintf(
		token, sizeof(token), "selftest-daemon-%d-%d", (int)getpid(), side->is_jailed);
	(void)selftest_run(&(struct selftest_command){ .side = side,
		.prefix = prefix_of(t, side, false),
		.words = words,
		.timeout_ms = SCRIPT_MS });
	keep_answer(t, side, i, outlives(token, side->is_jailed));
}

/* Starts words, waits for the file `staying`, and kills the front process alone. False: not
 * started. */
static bool start_and_kill(const struct selftest_command *command)
{
	char staying[PATH_MAX];
	pid_t pid;
	int ms = 0;

	(void)snprintf(staying, sizeof(staying), "%s/staying", command->side->project);
	(void)unlink(staying);
	pid = selftest_run_start(command, -1, -1);
	while (pid > 0 && access(staying, F_OK) < 0 && ms < SCRIPT_MS &&
		!selftest_run_is_stopped()) {
		(void)usleep(10000);
		ms += 10;
	}
	if (pid > 0 && kill(pid, SIGKILL) == 0)
		(void)waitpid(pid, NULL, 0);
	return access(staying, F_OK) == 0;
}

static void try_killed(struct selftest *t, const struct selftest_side *side, size_t i)
{
	char token[64];
	const char *words[] = { "sh", "-c", "./act @act stay \"$1\"; :", "sh", token, NULL };

	(void)snprintf(token, sizeof(token), "selftest-stay-%d-%d", (int)getpid(), side->is_jailed);
	if (!start_and_kill(&(struct selftest_command){
		    .side = side, .prefix = prefix_of(t, side, false), .words = words }))
		keep_answer(t, side, i, "SKIP the command did not start");
	else
		keep_answer(t, side, i, outlives(token, side->is_jailed));
}

/* In a cell it would be a command: agentjail's agent is executed without the shell. */
static void try_orphan(struct selftest *t, const struct selftest_side *side, size_t i)
{
	char token[64];
	const char *direct[] = { side->agent_program, "@act", "orphan", token, NULL };
	const char *words[] = { "sh", "-c", "./act @act orphan \"$1\"; :", "sh", token, NULL };
	bool is_started;

	(void)snprintf(
		token, sizeof(token), "selftest-orphan-%d-%d", (int)getpid(), side->is_jailed);
	is_started = start_and_kill(&(struct selftest_command){ .side = side,
		.prefix = prefix_of(t, side, true),
		.words = side->is_jailed && t->is_own ? direct : words });
	/* Until it has done it, or nobody is left who could. */
	for (int ms = 0; is_started && ms < GONE_MS && find_token(token) > 0 &&
			 !file_has(side, "project/leaked", side->canary);
		ms += 20)
		(void)usleep(20000);
	(void)outlives(token, false);
	keep_answer(t, side, i,
		!is_started                                      ? "SKIP the agent did not start"
		: file_has(side, "project/leaked", side->canary) ? "OK"
								 : "NONE");
	(void)unlink_below(side->project, "leaked");
}

static const char add_setting[] = "cp -a .config kept; mkdir -p \"$(dirname \"$1\")\"; "
				  "printf '\\n[files]\\n%s\\n' \"$2\" >>\"$1\"";
static const char take_setting[] = "rm -rf \"$1\" .config; mv kept .config";

static int run_in_home(const struct selftest *t, const char *const *words)
{
	return selftest_run(&(struct selftest_command){
		.side = &t->jail, .words = words, .cwd = t->jail.home, .timeout_ms = SCRIPT_MS });
}

/* The user's own file gives the control, a file of the project's is the attack. */
static void try_setting(struct selftest *t, const struct selftest_side *side, size_t i)
{
	const struct selftest_attack *attack = selftest_get(i);
	const char *file = side->is_jailed ? attack->check : ".config/agentjail/agentjail.ini";
	const char *begin[] = { "sh", "-c", add_setting, "sh", file, attack->act, NULL };
	const char *end[] = { "sh", "-c", take_setting, "sh", file, NULL };
	char path[PATH_MAX];
	const char *words[] = { t->jail.program, "@act", "run", "read", path, NULL };
	AUTO_BUF struct buf out = { 0 };

	(void)snprintf(path, sizeof(path), "%s/%s", t->jail.home, attack->wanted);
	(void)run_in_home(t, begin);
	(void)selftest_run(&(struct selftest_command){ .side = &t->jail,
		.prefix = t->cell,
		.words = words,
		.timeout_ms = SCRIPT_MS,
		.out = &out });
	(void)run_in_home(t, end);
	if (out.data != NULL)
		out.data[strcspn(out.data, "\n")] = '\0';
	keep_answer(t, side, i, out.data != NULL && out.data[0] != '\0' ? out.data : "NONE");
}

/* The order of a side's sessions: what a batch needs must not have been changed by a script. */
static const struct {
	enum selftest_how how;
	void (*each)(
		struct selftest *t, const struct selftest_side *side, size_t i); /* NULL: a batch */
} order[] = {
	{ SELFTEST_AGENT, NULL },
	{ SELFTEST_ACT, NULL },
	{ SELFTEST_LIVE, NULL },
	{ SELFTEST_SETTING, try_setting },
	{ SELFTEST_AGENT_SCRIPT, try_script },
	{ SELFTEST_SCRIPT, try_script },
	{ SELFTEST_DAEMON, try_daemon },
	{ SELFTEST_ORPHAN, try_orphan },
	{ SELFTEST_KILLED, try_killed },
};
_Static_assert(ARRAY_LEN(order) == SELFTEST_HOW_COUNT, "each kind is tried");

bool selftest_try_may(const struct selftest *t, const struct selftest_attack *attack)
{
	AUTO_FREE char *program = NULL;

	if (!selftest_is_for_me(attack) || ((attack->flags & SELFTEST_OWN) != 0 && !t->is_own))
		return false;
	return attack->needs == NULL || which_find(attack->needs, &program) == 0;
}

static void try_side(struct selftest *t, const struct selftest_side *side)
{
	for (size_t k = 0; k < ARRAY_LEN(order) && !selftest_run_is_stopped(); k++) {
		if (order[k].each == NULL) {
			selftest_print_progress(t, selftest_how_names[order[k].how]);
			try_batch(t, side, order[k].how);
			continue;
		}
		for (size_t i = 0; i < selftest_count() && !selftest_run_is_stopped(); i++) {
			const struct selftest_attack *attack = selftest_get(i);

			if (attack->how != order[k].how || !selftest_try_may(t, attack))
				continue;
			selftest_print_progress(t, attack->id);
			order[k].each(t, side, i);
		}
	}
}

/* Ordinary work is done in the sandbox and seen outside, or nothing that follows proves anything.
 */
static int try_work(struct selftest *t, bool is_agent, struct err *err)
{
	const struct selftest_side *side = &t->jail;
	const char *words[] = { is_agent ? side->agent_program : side->program, "@act", "work",
		NULL };
	AUTO_BUF struct buf said = { 0 };
	char quoted[200] = "";
	int r = selftest_run(&(struct selftest_command){ .side = side,
		.prefix = is_agent ? t->agent : t->cell,
		.words = words,
		.timeout_ms = SCRIPT_MS,
		.err = &said });

	if (r == 0 && file_has(side, "project/made-inside", "made")) {
		(void)unlink_below(side->project, "made-inside");
		return 0;
	}
	if (selftest_run_is_stopped())
		return err_set(err, EINTR, "selftest");
	if (said.data != NULL)
		(void)log_quote(said.data, strcspn(said.data, "\n"), quoted, sizeof(quoted));
	return err_set(err, 0,
		"nothing can be tried: %s, a program of the project cannot write a file there%s%s",
		is_agent ? "as an agent" : "in the sandbox", quoted[0] != '\0' ? "; it said: " : "",
		quoted);
}

int selftest_try_all(struct selftest *t, struct err *err)
{
	int r = try_work(t, false, err);

	if (r == 0)
		r = try_work(t, true, err);
	if (r < 0)
		return r;
	try_side(t, &t->bare);
	try_side(t, &t->jail);
	if (selftest_run_is_stopped())
		return err_set(err, EINTR, "selftest");
	for (size_t i = 0; i < selftest_count(); i++) {
		const char *check = selftest_get(i)->check;

		if (check != NULL && str_starts(check, "project/") && t->noticed.data != NULL)
			t->results[i].is_noticed =
				strstr(t->noticed.data, check + strlen("project/")) != NULL;
	}
	return 0;
}
