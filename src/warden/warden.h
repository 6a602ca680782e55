/* The state of a session, shared by the files of this folder alone. */
#ifndef WARDEN_WARDEN_H
#define WARDEN_WARDEN_H

#include "policy/roles.h"
#include "warden/audit.h"
#include "warden/door.h"
#include "warden/environ.h"
#include "warden/fakes.h"
#include "warden/fresh.h"
#include "warden/group.h"
#include "warden/kept.h"
#include "warden/lure.h"
#include "warden/masks.h"
#include "warden/program.h"
#include "warden/terminal.h"
#include "warden/toolrun.h"
#include "warden/trust.h"
#include "wire/heldstore.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/types.h>

/*
 * Rationale: redirects whose shim has not said hello yet; each takes well under a millisecond, and
 * every slot is one thread of the agent in exec at that moment. A lost one fails its command.
 */
#define PENDING_MAX 4096
/* Rationale: commands whose pid a denial is told of; older ones are forgotten, the audit has them. */
#define COMMANDS_MAX 1024
/* Rationale: jobs that wait for a runner while the cell's socket is full. */
#define QUEUE_MAX 1024

struct pending {
	pid_t pid; /* 0: free */
	uint32_t stamp; /* of use, for the oldest */
	char *path; /* what was asked for, absolute or as given */
};

struct command {
	uint32_t id;
	pid_t cell_pid; /* as the cell sees it; 0: not running */
	dev_t err_dev; /* what it was started with as standard error; err_ino 0: a terminal, or closed */
	ino_t err_ino;
	int64_t ended_ms; /* clock_ms(); 0: not yet */
	bool is_caught; /* with a fake key: it is being ended */
	uint64_t audit_id;
};

struct queued_job {
	struct queued_job *next;
	struct job_head *head;
	char *body;
	int sock;
	int stdio[3];
	uint32_t barrier; /* masks.h */
};

struct listed; /* listed.c */

struct proxy {
	pid_t pid; /* 0: not running */
	int sock; /* struct proxymsg from it; -1 */

	unsigned failures;
};

/* Whose network a proxy serves. */
struct place {
	struct cell *cell;
	struct proxy *proxy;
	uint32_t command; /* the only one that it can be; 0: there are several */
	bool is_ending; /* the proxy's end is no news */
};

struct warden {
	const struct run_plan *plan;
	const struct role_starters *start;
	struct mount_plan mounts;
	struct audit audit;
	struct environ environ;
	struct program program;
	struct kept kept;
	struct cell cell; /* of all commands; the mother of their cells where each has its own */
	struct fresh *fresh; /* those; NULL: all commands share one */
	struct rlimit files; /* of descriptors, as it was before many cells; rlim_cur 0: it still is */
	int cell_life; /* its first process's statm (proc(5)), or -1 */
	struct agent agent;
	struct proxy proxy;
	struct keeperctl *keepers; /* NULL: there is no rule */
	struct fakes fakes;
	struct trust trust;
	struct lure lure;
	struct group group; /* of the cells, with [limits] */
	struct masks masks;
	int listener; /* seccomp notifications; -1: none */
	int shim; /* memfd */
	struct stat shim_stat;
	char **agent_env; /* NULL-terminated: what the agent was started with */
	bool first_exec_done;
	int signals; /* signalfd */
	sigset_t old_mask;
	struct heldstore held; /* the project's store of held files; dir -1: nothing is held */
	int caches, caches_lock; /* the project's kept caches and their lock; -1: none is kept */
	int tmp_spare; /* the session's /tmp for the next cell, or -1 */
	struct terminal terminal;
	int login; /* --mode inject: memfd, what clients of the proxy must say; -1: none */
	pid_t bare; /* --mode inject: the agent, in no place of its own; 0: not running */
	struct door *door; /* NULL: there is no tool */
	struct toolrun *toolrun; /* this session is one of a tool's runs; else NULL */
	struct listed *listed; /* NULL: nothing was looked at */
	struct attend *attend; /* `run`: the front end of the one command; NULL with an agent */
	uint32_t next_id, next_stamp;
	struct pending pending[PENDING_MAX];
	struct command commands[COMMANDS_MAX];
	struct queued_job *queue, **queue_end;
	size_t n_queued;
	int64_t caught_ms; /* when the last one was; 0: never */
	int64_t end_ms; /* clock_ms(): the session's time is over; 0: never */
	bool is_overdue; /* the agent was asked to end */
	bool has_ended;
	bool is_ending; /* of tear_down(): nothing is put away that ends with the process */
	int exit_status; /* with a failure: 126 or 127, 0: agentjail's own */
	int status; /* wait status of the agent or of the one command */
};

/* cells.c: makes a cell if there is none; ends the one there is, and its commands. */
int warden_need_cell(struct warden *w, struct err *err);
void cells_close(struct warden *w);
const struct cell *cells_of(const struct warden *w, uint32_t command); /* that it runs in */
void cells_lost(struct warden *w); /* it has ended: said, recorded, the rest of it put away */

/* A command has ended. The network of the one cell. */
struct cell_msg;
void cells_command_ended(struct warden *w, const struct cell_msg *msg);
struct place cells_place(struct warden *w);

/* The program could not be found or executed: 127 or 126. Returns -err->code. */
int warden_not_started(struct warden *w, const struct err *err);

/* exec.c: one notification from the agent context. */
void exec_handle(struct warden *w);

/* job.c: the shim's hello (a notification) becomes a job in the cell. */
struct seccomp_notif;
void job_hello(struct warden *w, const struct seccomp_notif *n);
struct shim_hello;
void job_fill_head(struct job_head *head, const struct shim_hello *hello, uint32_t id);
bool job_may_pass(int fd); /* a descriptor that cannot lead out of the cell */
int job_queue(struct warden *w, const struct job_head *head, struct buf *body, int sock,
	int stdio[3], struct err *err);
void job_flush(struct warden *w);
void job_drop(struct warden *w); /* lets all go that wait: their shims end */
bool job_is_due(const struct warden *w); /* the first one waits for room in the cell's socket alone */

/* redirect.c: swaps the caller's program for the shim; see there. */
void redirect_to_shim(struct warden *w, const struct seccomp_notif *n, size_t path_len);
void redirect_answer(struct warden *w, const struct seccomp_notif *n, int error);
void redirect_go_on(struct warden *w, const struct seccomp_notif *n);
bool redirect_is_shim_call(struct warden *w, const struct seccomp_notif *n);

/* bare.c: --mode inject. */
int bare_start(struct warden *w, struct err *err);
void bare_signal(struct warden *w, const struct signalfd_siginfo *si);
void bare_stop(struct warden *w);

/* proxyctl.c */
/* Rationale: one that cannot start would be tried again with each packet. */
#define PROXY_FAILURES_MAX 3
/*
 * Rationale: a proxy that is told to end has ended some milliseconds later, and one that has still to
 * start on a machine with ten times as much to do as it can some hundred; only one that hangs takes
 * all of this, and an end must not hang on it.
 */
#define PROXY_DRAIN_MS 3000
void proxyctl_start(struct warden *w, const struct place *place);
void proxyctl_read(struct warden *w, const struct place *place);
void proxyctl_drain(struct warden *w); /* reads what is still to be told of the cell, for a while */
bool proxyctl_has_unread(const struct place *place); /* a refusal that no proxy has read yet */
void proxyctl_stop(struct proxy *proxy);

/* denial.c: one line on the stderr of the command whose socket it was, and the record's members. */
struct proxymsg;
void denial_tell(struct warden *w, const struct place *place, const struct proxymsg *msg,
	struct audit_record *record);

/* The process that a command's first one, or one below a runner, is on the host; 0: not found. */
pid_t denial_find(const struct cell *cell, pid_t cell_pid);
/*
 * The line on the stderr of that process (0: on ours, where the session has one command); file: what
 * that was when it was started, or NULL. True: it was written.
 */
bool denial_say(const struct warden *w, pid_t pid, const struct stat *file, const char *line);

/* limit.c: [limits]. A runner says that its command passed one; and the session's own time. */
struct cell_msg;
void limit_tell(struct warden *w, const struct cell *cell, const struct cell_msg *msg);
void limit_tell_all(struct warden *w); /* the kernel has ended a process of the cell for its memory */
void limit_begin(struct warden *w);
int limit_timeout_ms(const struct warden *w, int timeout_ms); /* for poll(2): the sooner one */
void limit_check_time(struct warden *w);

/* denial_line.c: does the command hear of it, and what: a line, or "" when it does not fit. */
bool denial_is_one(const struct proxymsg *msg);
void denial_line(const struct proxymsg *msg, const char *note, uint64_t seq, char *line,
	size_t line_bytes);

/* pending.c */
void pending_put(struct warden *w, pid_t pid, char *path);
char *pending_take(struct warden *w, pid_t pid); /* NULL: none; the caller frees */

#endif
