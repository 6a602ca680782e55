/*
 * [limits]: what happens when one is passed. Runs in the warden. Hostile: the cell's word for it (a
 * runner's, which no command can write as); the process that is to hear of it.
 */
#include "warden/warden.h"

#include "base/clock.h"
#include "base/log.h"
#include "policy/limits.h"
#include "wire/job.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* Rationale: an agent saves its state and restores the terminal in less. */
#define LAST_WORDS_MS 5000
/* Rationale: a path of a profile may be long; what does not fit is cut. */
#define LINE_BYTES 600

/* One record; its number. */
static uint64_t record(struct warden *w, enum limits_kind kind, uint32_t command)
{
	const struct policy_item *item = limits_item(w->plan->policy, kind);
	char amount[32], reason[160];
	struct audit_record r;

	limits_amount(w->plan->policy, kind, amount);
	(void)snprintf(reason, sizeof(reason), "%s %s", limits_words(kind), amount);
	audit_begin(&w->audit, &r, "limit");
	audit_string(&r, "decision", "ended");
	if (command != 0)
		audit_number(&r, "command", command);
	audit_string(&r, "reason", reason);
	audit_string(&r, "rule_file", item->origin.file);
	if (item->origin.line > 0)
		audit_number(&r, "rule_line", item->origin.line);
	return audit_end(&r);
}

static void make_line(const struct warden *w, enum limits_kind kind, bool by_kernel, uint64_t seq,
	char line[LINE_BYTES])
{
	const struct policy_item *item = limits_item(w->plan->policy, kind);
	const char *subject = kind == LIMITS_SESSION ? "the session" : "the command";
	char amount[32], file[300], at[16] = "";

	limits_amount(w->plan->policy, kind, amount);
	(void)log_quote(item->origin.file, strlen(item->origin.file), file, sizeof(file));
	if (item->origin.line > 0)
		(void)snprintf(at, sizeof(at), ":%u", item->origin.line);
	(void)snprintf(line, LINE_BYTES,
		"agentjail: %s was ended: %s %s ([limits], %s%s); see: agentjail why %llu\n",
		by_kernel ? "a process" : subject, limits_words(kind), amount, file, at,
		(unsigned long long)seq);
}

/*
 * On the stderr that it was started with: a shell may just have another one. Of a command that has
 * ended, somebody is left to hear of it.
 */
static void tell(const struct warden *w, const struct cell *cell, const struct cell_msg *msg,
	const char *line)
{
	const struct command *command = &w->commands[msg->id % COMMANDS_MAX];
	struct stat file = { .st_dev = command->err_dev, .st_ino = command->err_ino };
	bool is_known = command->id == msg->id && command->err_ino != 0;

	if (w->attend != NULL && command->id == msg->id && command->ended_ms == 0) {
		(void)denial_say(w, 0, NULL, line);
		return;
	}
	for (size_t i = 0; i < CELL_MSG_PIDS; i++) {
		pid_t pid = denial_find(cell, (pid_t)msg->pids[i]);

		if (pid > 0 && denial_say(w, pid, is_known ? &file : NULL, line))
			return;
	}
}

void limit_tell(struct warden *w, const struct cell *cell, const struct cell_msg *msg)
{
	struct cell_msg answer = { .type = CELL_MSG_LIMIT, .id = msg->id };
	enum limits_kind kind = (enum limits_kind)msg->value;
	char line[LINE_BYTES];

	if (msg->value >= LIMITS_KIND_COUNT)
		return;
	make_line(w, kind, false, record(w, kind, msg->id), line);
	tell(w, cell, msg, line);
	(void)send(cell->ctl, &answer, sizeof(answer), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void limit_tell_all(struct warden *w)
{
	uint64_t seq = record(w, LIMITS_MEMORY, 0);
	char line[LINE_BYTES];
	bool is_told = false;

	make_line(w, LIMITS_MEMORY, true, seq, line);
	for (size_t i = 0; w->attend == NULL && i < COMMANDS_MAX; i++) {
		const struct command *command = &w->commands[i];
		struct stat file = { .st_dev = command->err_dev, .st_ino = command->err_ino };
		const struct cell *cell = cells_of(w, command->id);
		pid_t pid = command->cell_pid != 0 ? denial_find(cell, command->cell_pid) : 0;

		is_told |= pid > 0 &&
			denial_say(w, pid, command->err_ino != 0 ? &file : NULL, line);
	}
	if (!is_told && !denial_say(w, 0, NULL, line))
		log_error("%.*s", (int)(strcspn(line, "\n") - strlen("agentjail: ")),
			line + strlen("agentjail: "));
}

/* ---- the session's time ---- */

void limit_begin(struct warden *w)
{
	struct limits limits = limits_of(w->plan->policy);

	/* A run of a tool has limits of its own. */
	if (limits.amounts[LIMITS_SESSION] != 0 && w->plan->tool == NULL)
		w->end_ms = clock_ms() + (int64_t)limits.amounts[LIMITS_SESSION] * 1000;
}

int limit_timeout_ms(const struct warden *w, int timeout_ms)
{
	int64_t left = w->end_ms - clock_ms();

	if (w->end_ms == 0)
		return timeout_ms;
	/* poll(2) counts in an int. */
	left = left < 0 ? 0 : left > 86400000 ? 86400000 : left;
	return timeout_ms >= 0 && timeout_ms < left ? timeout_ms : (int)left;
}

void limit_check_time(struct warden *w)
{
	char line[LINE_BYTES];

	if (w->end_ms == 0 || clock_ms() < w->end_ms)
		return;
	if (!w->is_overdue) {
		make_line(w, LIMITS_SESSION, false, record(w, LIMITS_SESSION, 0), line);
		line[strcspn(line, "\n")] = '\0';
		log_error("%s", line + strlen("agentjail: "));
		if (w->agent.pid > 0)
			(void)kill(w->agent.pid, SIGTERM);
		w->is_overdue = true;
		w->end_ms = clock_ms() + (w->agent.pid > 0 ? LAST_WORDS_MS : 0);
		return;
	}
	w->end_ms = 0;
	w->has_ended = true;
	w->status = SIGKILL;
}
