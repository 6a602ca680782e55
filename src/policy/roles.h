/*
 * What the warden asks the cell's code to start, without including it: main.c hands the functions
 * in. A place is a process with namespaces of its own; both kinds are children of the warden.
 */
#ifndef POLICY_ROLES_H
#define POLICY_ROLES_H

#include "policy/redactform.h"
#include "policy/runplan.h"
#include "policy/shape.h"
#include "wire/keepmsg.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Rationale: two for each localhost:PORT entry; more ports than this are refused at load. */
#define PLACE_LOCALHOST_MAX 16

/* Rationale: an agent's package, its interpreter's, and the directory that PATH found it in. */
#define PLACE_PROGRAM_PATHS 3

/* Kinds of mounts, from the policy's file kinds and a few of our own. */
enum mount_kind {
	MOUNT_READ, /* the real file, read-only */
	MOUNT_WRITE, /* the real file, writable */
	MOUNT_HOLD, /* a private copy of a regular file in the project, writable: wire/heldstore.h */
	MOUNT_PROTECT, /* as MOUNT_READ; the reason differs */
	MOUNT_PIN, /* writable, but a mount point: cannot be renamed away (EBUSY) */
	MOUNT_CACHE, /* copy-on-write, kept for the next session of the project */
	MOUNT_OVERLAY, /* copy-on-write, dropped at the end */
	MOUNT_REDACT, /* a file's copy, fakes instead of its secrets */
	MOUNT_HIDE, /* absent */
	MOUNT_ROOTS, /* a file of certificate authorities: the session's is added */
	MOUNT_KEYSTORE, /* the same, of Java */
	MOUNT_HASHED, /* a directory of them, by the hash of their names */
	MOUNT_POLICIES, /* a directory of browsers' policies, which name the session's */
	MOUNT_EMPTY, /* a writable tmpfs of its own: the closed HOME */
	MOUNT_KIND_COUNT
};

struct mount_entry {
	char *path; /* absolute; as the cell and the host name it */
	enum mount_kind kind;
	bool is_dir;
	bool is_in_project; /* resolved without following symbolic links */
	enum redactform form; /* MOUNT_REDACT */
	bool is_new; /* a cache that the host does not have */
	bool is_tracked; /* MOUNT_HIDE: git has the name, or something below it */
	bool agent_only, cell_only; /* which of the two views it is for */
	dev_t dev; /* in the project: what it must still be when it is mounted over */
	ino_t ino; /* 0: not checked */
	const struct policy_item *item; /* the line behind it; NULL: a built-in */
};

/*
 * Who watches a project from the walk over it on: told of each directory before it is read. dir()
 * gives it a number (parent -1: the project itself), or -ENOMEM; it may change the working directory.
 * hidden() is told of regular files outside of the project that no command may see. file() is told of
 * a file that may be shown in spite of its name, at path below the project, before it is read: false
 * when it could not be noticed that its content changes.
 */
struct walk_watcher {
	int (*dir)(void *self, int fd, int parent, const char *name);
	void (*hidden)(void *self, int dir, const char *name);
	bool (*file)(void *self, int dir, const char *name, const char *path);
	void *self;
};

/*
 * The mounts of a session, parents before children. Made once, in the warden, while the first cell
 * is on its way: it lies in memory that both share, at one address.
 */
struct mount_plan {
	struct mount_entry *entries;
	size_t n;
	const char *agent_root; /* package of the agent, or NULL; set between init and plan */
	/* --mode shared: what of the agent's program the cell shows, up to a NULL; set as agent_root is */
	const char *program_paths[PLACE_PROGRAM_PATHS];
	const struct walk_watcher *watcher; /* or NULL; as above */
	char *arena; /* entries, then their paths */
	size_t used_bytes;
};

/* Indexes of a cell's descriptors in struct cell.fds. */
enum cell_fd {
	CELL_FD_ROOT, /* O_PATH of its root directory */
	CELL_FD_TMP_AGENT, /* a detached mount of its /tmp for the agent context */
	CELL_FD_TMP_SPARE, /* another one, for the next cell of this session */
	CELL_FD_DOOR, /* listens for calls of tools: wire/door.h */
	CELL_FD_MASKS, /* O_PATH: the directory with what is mounted over hidden names */
	CELL_FD_HELD, /* O_PATH: the project's store of held files; may be missing */
	CELL_FD_USERNS, /* its namespaces, for its helper to enter */
	CELL_FD_MNTNS,
	CELL_FD_CALLS, /* seccomp notifications of its commands' deletions and renames; may be missing */
	CELL_FD_PID, /* pidfd of its first process, of a cell that a mother made */
	CELL_FD_TCP4, /* the listeners and sockets of its network: see wire/proxymsg.h */
	CELL_FD_TCP6,
	CELL_FD_UDP4,
	CELL_FD_UDP6,
	CELL_FD_DNS4,
	CELL_FD_DNS6,
	CELL_FD_PROXY, /* CONNECT and SOCKS, for programs that insist */
	CELL_FD_NFLOG,
	CELL_FD_DIAG, /* NETLINK_SOCK_DIAG, for the warden: which command is it */
	CELL_FD_LOCALHOST,
	CELL_FD_COUNT = CELL_FD_LOCALHOST + 2 * PLACE_LOCALHOST_MAX
};

/*
 * What a cell needs to believe the session's authority, as memfds that are complete before the plan
 * is (wire/authority.h). Commands find it all in TRUST_DIR too, read-only.
 */
struct trust_files {
	int bundle, keystore, cert, report;
};

/* A hidden file that shows a fake in a cell; see warden/lure.h. */
struct honey_file {
	char *path, *text; /* absolute */
	bool is_in_project;
};

#define TRUST_DIR "/run/agentjail-trust"
#define TRUST_BUNDLE TRUST_DIR "/ca-bundle.crt"
#define TRUST_CERT TRUST_DIR "/session-ca.crt"
#define TRUST_KEYSTORE TRUST_DIR "/cacerts"
#define TRUST_HASHED TRUST_DIR "/certs"
#define TRUST_POLICIES TRUST_DIR "/browsers"

struct cell_request {
	const struct run_plan *plan;
	struct mount_plan *mounts;
	const struct trust_files *trust; /* NULL: the profile has no rules */
	int tmp_tree; /* /tmp of an earlier cell of the session, or -1 */
	int held; /* the project's store of held files (wire/heldstore.h); -1: nothing is held */
	int caches; /* the project's directory of kept caches, this session's alone; -1: none is kept */
	const struct honey_file *honey; /* n_honey of them */
	size_t n_honey;
	const char *home_link; /* $HOME where that is another path to the plan's home, or NULL */
	bool is_mother; /* no command runs in it: it makes cells for one command each (cell/mother.h) */
};

struct cell {
	pid_t pid; /* its first process, as the warden sees it; 0: none */
	int ctl; /* SOCK_SEQPACKET, struct cell_msg from the cell */
	int jobs; /* SOCK_SEQPACKET, struct job_head to the cell */
	int fds[CELL_FD_COUNT]; /* -1: not there */
	size_t n_localhost;
	char note[ERR_TEXT_BYTES]; /* what the user should hear of its making; "": nothing */
	const struct mount_plan *mounts; /* that it waits for between its two halves */
	bool has_reported; /* its descriptors are here, its powers perhaps not yet gone */
};

enum cell_progress { CELL_IN_MAKING, CELL_READY };

struct agent_request {
	const struct run_plan *plan;
	const struct mount_plan *mounts;
	int tmp_tree; /* the session's /tmp */
	const char *program; /* file to execute: the interpreter of a script */
	const char *agent_file, *agent_root; /* what the user named, and the package it belongs to */
	const char *const *argv, *const *envp;
	const char *const *exec_files; /* what Landlock lets the context execute */
	size_t n_exec_files;
	int terminal; /* the user's, where the agent gets a group of its own; -1: none */
	bool is_foreground; /* and that group the foreground */
	sigset_t signals; /* the mask to restore */
	bool has_kept_files; /* single files that the agent replaces: the warden carries it out */
};

/* What the agent's first process tells the warden, SOCK_SEQPACKET. */
enum agent_msg_type {
	AGENT_MSG_ERROR = 1, /* text */
	AGENT_MSG_LISTENER, /* a descriptor comes along: the seccomp notifications */
	AGENT_MSG_VIEW, /* descriptors: enum helper_fd */
	AGENT_MSG_STOPPED, /* value: signal */
	AGENT_MSG_EXIT, /* value: wait status */
};

struct agent_msg {
	uint32_t type, value;
	char text[ERR_TEXT_BYTES];
};

struct agent {
	pid_t init; /* first process of its pid namespace */
	pid_t pid; /* the agent, as the warden sees it; 0 until known */
	int ctl;
};

/* ---- secrets on their way to the keepers: see keeper/source.h ---- */

struct rules_rule;

struct source_request {
	const struct run_plan *plan;
	const struct rules_rule *rule; /* NULL: text says it */
	enum keepmsg_slot slot;
	const char *text; /* "KIND:ARGUMENT": of a tool's secret-env */
};

/* A tool's own command, found and checked: policy_free_strings() and free() it. */
struct tool_command {
	char *file; /* resolved, absolute */
	char **argv;
};

struct source {
	pid_t pid;  /* the process that fetches; 0: none is needed */
	int report; /* readable when it has ended; -1 with pid 0 */
	int value;  /* the end of a pipe that brings the value: never read here; -1: none */
	bool is_trimmed; /* after end_source(): a line end was taken off */
};

/* What is known of a rule's values at the start: no byte of them. */
struct source_shapes {
	struct shape slots[KEEPMSG_SLOT_COUNT]; /* bytes 0: not known before it is fetched */
};

/* ---- the helper of a view: see helper/helper.h ---- */

struct watch;

/* What a view's first process hands out before it loses its powers; the helper enters with it. */
enum helper_fd {
	HELPER_FD_ROOT,
	HELPER_FD_PROJECT, /* in the view, opened before anything hostile could move what it lies in */
	HELPER_FD_MASKS,
	HELPER_FD_USERNS,
	HELPER_FD_MNTNS,
	HELPER_FD_COUNT
};
/* Behind them for a cell, each if it is there (enum helpmsg_enter): CELL_FD_CALLS, CELL_FD_HELD. */
#define HELPER_FDS_MAX (HELPER_FD_COUNT + 2)

struct helper_request {
	const struct run_plan *plan;
	const struct mount_plan *mounts;
	struct watch *watch; /* filled by the walk; NULL: a view that is told what to mask */
};

struct helper {
	pid_t pid; /* 0: none */
	int sock; /* SOCK_SEQPACKET, wire/helpmsg.h; -1 */
};

struct role_starters {
	int (*init_mounts)(struct mount_plan *mounts, struct err *err);
	int (*plan_mounts)(const struct run_plan *plan, struct mount_plan *mounts, struct err *err);
	int (*begin_cell)(const struct cell_request *request, struct cell *ret, struct err *err);
	void (*go_on_cell)(struct cell *cell);
	int (*finish_cell)(struct cell *cell, struct err *err);
	int (*ask_cell)(const struct cell *mother, struct cell *ret, struct err *err);
	int (*follow_cell)(struct cell *cell, struct err *err);
	int (*start_agent)(const struct agent_request *request, struct agent *ret, struct err *err);
	int (*begin_watch)(struct walk_watcher *watcher, struct watch **ret, struct err *err);
	bool (*is_watch_idle)(const struct watch *watch);
	void (*end_watch)(struct watch *watch);
	int (*start_helper)(const struct helper_request *request, struct helper *ret, struct err *err);
	int (*check_sources)(
		const struct run_plan *plan, struct source_shapes *shapes, struct err *err);
	int (*begin_source)(
		const struct source_request *request, struct source *ret, struct err *err);
	int (*end_source)(struct source *source, struct err *err);
	void (*stop_source)(struct source *source);
	int (*find_command)(const struct run_plan *plan, const char *line, struct tool_command *ret,
		struct err *err);
	size_t (*kept_fds)(int *ret, size_t max); /* descriptors with secrets, for a fork's sake */
};

#endif
