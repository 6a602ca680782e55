/*
 * The session's cell: made with a plan of now, lost, made again at the next command. Runs in the
 * warden. Hostile: what commands of an earlier cell, or of another session, did to the project.
 */
#include "warden/held.h"
#include "warden/warden.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "warden/listed.h"
#include "wire/job.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Rationale: a cell that dies again and again at its start is no cell; the agent is told. */
#define CELL_STARTS_MAX 64
/* Rationale: nobody but another session's command changes masked names at that very moment. */
#define PLAN_TRIES 4

/* What is hidden and why, in one record: a record each would cost a start half a millisecond. */
static void record_masks(struct warden *w)
{
	struct audit_record r;
	const char *comma = "";

	audit_begin(&w->audit, &r, "masks");
	buf_adds(&r.line, ",\"paths\":[");
	for (size_t i = 0; i < w->mounts.n; i++) {
		const struct mount_entry *e = &w->mounts.entries[i];

		if (e->kind != MOUNT_HIDE)
			continue;
		buf_addf(&r.line, "%s{\"path\":", comma);
		buf_add_json_text(&r.line, e->path);
		if (e->agent_only || e->cell_only)
			audit_string(&r, "view", e->agent_only ? "agent" : "cell");
		if (e->item != NULL) {
			audit_string(&r, "rule_file", e->item->origin.file);
			audit_number(&r, "rule_line", e->item->origin.line);
		}
		buf_adds(&r.line, "}");
		comma = ",";
	}
	buf_adds(&r.line, "]");
	(void)audit_end(&r);
}

/* $HOME as the user has it, where it is another path to the resolved one. */
static const char *home_link(const struct run_plan *plan)
{
	const char *home = getenv("HOME");
	AUTO_FREE char *real = home != NULL && home[0] == '/' ? realpath(home, NULL) : NULL;

	return real != NULL && strcmp(real, plan->home) == 0 && strcmp(home, plan->home) != 0 &&
			strstr(home, "..") == NULL
		? home
		: NULL;
}

static int begin_cell(struct warden *w, struct err *err)
{
	struct cell_request request = { .plan = w->plan,
		.mounts = &w->mounts,
		.home_link = home_link(w->plan),
		.held = w->held.dir,
		.caches = w->caches,
		.honey = w->lure.files,
		.n_honey = w->lure.n,
		.is_mother = w->fresh != NULL,
		.tmp_tree = w->tmp_spare };

	/* Started long ago for the first cell; an old authority is renewed for a later one. */
	if (trust_start(&w->trust, w->plan, &w->old_mask, err) < 0)
		return -err->code;
	request.trust = trust_files(&w->trust);
	if (w->start->begin_cell(&request, &w->cell, err) < 0) {
		w->cell = (struct cell){ .ctl = -1, .jobs = -1 };
		return -err->code;
	}
	/* Before it has any child. */
	if (group_enter(&w->group, w->cell.pid, err) < 0) {
		cells_close(w);
		return -err->code;
	}
	return 0;
}

static int finish_cell(struct warden *w, struct err *err)
{
	char path[64];
	int flags;

	if (w->start->finish_cell(&w->cell, err) < 0) {
		w->cell = (struct cell){ .ctl = -1, .jobs = -1 };
		return -err->code;
	}
	if (w->cell.note[0] != '\0')
		log_warn("%s", w->cell.note);
	(void)snprintf(path, sizeof(path), "/proc/%d/statm", w->cell.pid);
	w->cell_life = open(path, O_RDONLY | O_CLOEXEC);
	cleanup_close(&w->tmp_spare);
	w->tmp_spare = take_fd(&w->cell.fds[CELL_FD_TMP_SPARE]);
	/* A full queue must not stop the warden: job.c keeps jobs for later. */
	flags = fcntl(w->cell.jobs, F_GETFL);
	if (flags < 0 || fcntl(w->cell.jobs, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_set(err, errno, "fcntl");
	if (w->door != NULL && door_open(w, w->door, err) < 0)
		return -err->code;
	return trust_settle(&w->trust, w->cell.fds[CELL_FD_ROOT], err);
}

void cells_command_ended(struct warden *w, const struct cell_msg *msg)
{
	struct command *command = &w->commands[msg->id % COMMANDS_MAX];
	int status = (int)msg->value;
	struct audit_record r;

	if (command->id == msg->id) {
		command->cell_pid = 0;
		command->ended_ms = clock_ms();
	}
	audit_begin(&w->audit, &r, "exit");
	audit_number(&r, "command", msg->id);
	if (WIFSIGNALED(status))
		audit_number(&r, "signal", WTERMSIG(status));
	else
		audit_number(&r, "status", WEXITSTATUS(status));
	(void)audit_end(&r);
	if (w->toolrun != NULL)
		toolrun_ended(w, w->toolrun, status);
}

struct place cells_place(struct warden *w)
{
	return (struct place){ .cell = &w->cell, .proxy = &w->proxy, .is_ending = w->has_ended };
}

const struct cell *cells_of(const struct warden *w, uint32_t command)
{
	const struct cell *own = fresh_cell(w->fresh, command);

	return own != NULL ? own : &w->cell;
}

void cells_close(struct warden *w)
{
	int status;

	if (w->cell.pid <= 0)
		return;
	/* Its processes die while we put away the rest. */
	(void)kill(w->cell.pid, SIGKILL);
	fresh_stop(w->fresh);
	for (unsigned i = 0; i < CELL_FD_COUNT; i++)
		cleanup_close(&w->cell.fds[i]);
	cleanup_close(&w->cell.ctl);
	cleanup_close(&w->cell.jobs);
	cleanup_close(&w->cell_life);
	(void)waitpid(w->cell.pid, &status, 0);
	/* The helper after that: whoever is the last in its mounts takes them down. */
	if (!w->is_ending)
		masks_stop(w);
	w->cell = (struct cell){ .ctl = -1, .jobs = -1 };
	job_flush(w);
}

void cells_lost(struct warden *w)
{
	struct audit_record r;

	proxyctl_stop(&w->proxy);
	cells_close(w);
	memset(w->commands, 0, sizeof(w->commands));
	audit_begin(&w->audit, &r, "cell-lost");
	(void)audit_end(&r);
	if (w->toolrun != NULL)
		toolrun_ended(w, w->toolrun, SIGKILL);
	if (!w->plan->is_run_verb)
		log_warn("the cell ended with all its commands; the next command makes a new one");
}

/* Its processes are gone: so are its mounts, and what is looked up below its root is not there. */
static bool is_gone(const struct warden *w)
{
	struct pollfd ctl = { .fd = w->cell.ctl, .events = POLLRDHUP };

	char size[2] = "";

	/*
	 * The hang-up shows at once; an end of file would stand behind what was sent before. But a task
	 * that ends lets go of its memory before its sockets (exit_task_work() comes last): its size is 0
	 * then, and when it has been waited for it cannot be asked.
	 */
	return poll(&ctl, 1, 0) > 0 || (w->cell_life >= 0 &&
		(pread(w->cell_life, size, sizeof(size), 0) < (ssize_t)sizeof(size) ||
			memcmp(size, "0 ", 2) == 0));
}

static int plan_and_finish(struct warden *w, struct err *err)
{
	held_place(w);
	/* The authority has worked all the while, beside us and the cell, which makes its network. */
	if (masks_begin(w, err) < 0 || w->start->plan_mounts(w->plan, &w->mounts, err) < 0 ||
		trust_await(&w->trust, err) < 0) {
		cells_close(w);
		return -err->code;
	}
	held_prepare(w);
	w->start->go_on_cell(&w->cell);
	if (masks_start(w, err) < 0) {
		cells_close(w);
		return -err->code;
	}
	/* While the cell mounts; no command of it has run yet. */
	listed_begin(w);
	if (finish_cell(w, err) < 0) {
		masks_stop(w);
		return -err->code;
	}
	if (masks_enter(w, err) < 0) {
		cells_close(w);
		return -err->code;
	}
	record_masks(w);
	return 0;
}

/*
 * The plan is made for each cell: what a command of an earlier one moved or made is masked as it is
 * now. A plan that does not hold when it is mounted was raced against; after a few there is no cell.
 */
static int start_cell(struct warden *w, struct err *err)
{
	int r = -ESTALE;

	for (unsigned tries = 0; r == -ESTALE && tries < PLAN_TRIES; tries++) {
		r = begin_cell(w, err);
		if (r == 0)
			r = plan_and_finish(w, err);
	}
	return r;
}

int warden_need_cell(struct warden *w, struct err *err)
{
	static unsigned starts;

	if (w->cell.pid > 0 && is_gone(w))
		cells_lost(w);
	if (w->cell.pid > 0)
		return 0;
	if (++starts > CELL_STARTS_MAX)
		return err_set(err, 0, "the cell ended %d times; start a new session", CELL_STARTS_MAX);
	return start_cell(w, err);
}
