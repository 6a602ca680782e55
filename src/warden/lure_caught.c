/*
 * A fake key on its way out: who it was, and its end. Runs in the warden. Hostile: the names and
 * arguments of the processes looked at, which only go, quoted, to the audit and one line.
 */
#include "warden/warden.h"

#include "warden/tell.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "wire/job.h"
#include "wire/proxymsg.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Rationale: a script in a shell in an npm script in make is five. */
#define CHAIN_MAX 8
/* Rationale: enough to tell what it was; the exec's record has all of the first. */
#define WORDS_BYTES 200
#define NAME_BYTES 48

/* Rationale: what a command sent before its end is dealt with in ms; it is not another's. */
#define STRAGGLERS_MS 1000

struct chain {
	struct buf words; /* the command line of each, with its NUL */
	struct buf names; /* "curl, started by sh" */
	size_t n;
};

static pid_t parent_of(pid_t pid)
{
	AUTO_BUF struct buf text = { 0 };
	AUTO_CLOSE int fd = -1;
	char path[64];
	const char *end;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || buf_read_fd(&text, fd, 4096) < 0 || text.data == NULL)
		return 0;
	end = strrchr(text.data, ')');
	return end != NULL && strlen(end) > 4 ? (pid_t)strtol(end + 4, NULL, 10) : 0;
}

static size_t read_of(pid_t pid, const char *what, char *ret, size_t ret_bytes)
{
	char path[64];
	AUTO_CLOSE int fd = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, ret, ret_bytes - 1) : -1;
	n = n < 0 ? 0 : n;
	ret[n] = '\0';
	return (size_t)n;
}

static void add_one(struct chain *c, pid_t pid)
{
	char words[WORDS_BYTES], name[32], quoted[NAME_BYTES];
	size_t n = read_of(pid, "cmdline", words, sizeof(words));

	(void)read_of(pid, "comm", name, sizeof(name));
	name[strcspn(name, "\n")] = '\0';
	/* Its arguments, blanks between them; one that is a zombie has none. */
	for (size_t i = 0; i + 1 < n; i++)
		if (words[i] == '\0')
			words[i] = ' ';
	buf_adds(&c->words, n > 0 ? words : name);
	buf_add(&c->words, "", 1);
	buf_addf(&c->names, "%s%s", c->n > 0 ? ", started by " : "",
		log_quote(name, strlen(name), quoted, sizeof(quoted)));
	c->n++;
}

/* From a process up to the one that a runner started, or to the agent. */
static void read_chain(const struct warden *w, pid_t pid, struct chain *ret)
{
	char name[32];

	while (pid > 1 && ret->n < CHAIN_MAX && pid != w->agent.init && pid != w->cell.pid) {
		(void)read_of(pid, "comm", name, sizeof(name));
		if (str_starts(name, "aj-runner"))
			return;
		add_one(ret, pid);
		pid = parent_of(pid);
	}
}

static void add_chain(struct audit_record *record, const struct chain *chain)
{
	audit_string(record, "caught", "yes");
	if (chain->n > 0 && !chain->words.failed)
		audit_strings(record, "chain", chain->words.data, chain->n);
}

static void end_commands(struct warden *w, const struct command *command)
{
	struct cell_msg msg = { .type = CELL_MSG_END };

	if (w->cell.pid <= 0)
		return;
	if (command != NULL && command->ended_ms == 0) {
		msg.id = command->id;
		if (send(cells_of(w, msg.id)->ctl, &msg, sizeof(msg), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
			return;
	}
	/* Not known which one, or it has ended and left this behind: none of them goes on. */
	(void)kill(w->cell.pid, SIGKILL);
}

/* It, and what it has sent before it was gone, was told already. */
static bool is_known(struct warden *w, struct command *command)
{
	int64_t now = clock_ms();
	bool is_known = command != NULL ? command->is_caught
					: w->caught_ms != 0 && now - w->caught_ms < STRAGGLERS_MS;

	if (command != NULL)
		command->is_caught = true;
	if (!is_known)
		w->caught_ms = now;
	return is_known;
}

static void tell(struct warden *w, const struct command *command, pid_t pid, const char *reason,
	const struct chain *chain, uint64_t seq)
{
	char line[700];

	(void)snprintf(line, sizeof(line),
		"agentjail: %s ended for what was sent: %s ([files] honey)%s%s; see: agentjail why %llu\n",
		command != NULL ? "the command was" : "all commands were", reason,
		chain->n > 0 ? "; it was " : "",
		chain->n > 0 && !chain->names.failed ? chain->names.data : "", (unsigned long long)seq);
	(void)denial_say(w, pid, NULL, line);
	if (pid <= 0 && w->attend == NULL)
		log_error("%.*s", (int)strcspn(line, "\n") - (int)strlen("agentjail: "),
			line + strlen("agentjail: "));
}

void lure_caught(struct warden *w, struct command *command, pid_t pid, const char *reason,
	struct audit_record *record)
{
	struct chain chain = { .n = 0 };

	read_chain(w, pid, &chain);
	if (command != NULL)
		audit_number(record, "command", command->id);
	if (pid > 0)
		audit_number(record, "pid", pid);
	add_chain(record, &chain);
	if (!is_known(w, command)) {
		tell(w, command, pid, reason, &chain, record->seq);
		end_commands(w, command);
	}
	buf_done(&chain.words);
	buf_done(&chain.names);
}

bool lure_in_argv(struct warden *w, pid_t pid, const struct buf *strings, size_t argv_bytes,
	int stderr_fd)
{
	const char *path = honey_find(w->lure.known, strings->data, argv_bytes);
	struct chain chain = { .n = 0 };
	struct audit_record record;
	char reason[200], line[400];

	if (path == NULL)
		return false;
	(void)snprintf(reason, sizeof(reason), PROXYMSG_REASON_HONEY "%.100s", path);
	read_chain(w, parent_of(pid), &chain);
	audit_begin(&w->audit, &record, "exec");
	audit_string(&record, "decision", "deny");
	audit_number(&record, "pid", pid);
	audit_string(&record, "reason", reason);
	add_chain(&record, &chain);
	(void)snprintf(line, sizeof(line),
		"agentjail: the command was not run: %s in its arguments ([files] honey); see: agentjail why "
		"%llu\n",
		reason, (unsigned long long)audit_end(&record));
	if (stderr_fd >= 0)
		(void)tell_fd(stderr_fd, true, line, strlen(line));
	buf_done(&chain.words);
	buf_done(&chain.names);
	return true;
}
