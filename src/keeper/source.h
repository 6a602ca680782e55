/*
 * Sources: where a rule's secrets come from and how they get into the pipe that a keeper reads.
 * They are part of the main program, which never needs the libraries of the network for them.
 *
 * env: values are taken out of the environment before anything else exists: source_env_take() puts
 * each into a pipe and executes the program again without them. file:, command: and keyring: are
 * fetched by a short-lived child of the warden. In the warden itself there is never a value, only
 * ends of pipes.
 */
#ifndef KEEPER_SOURCE_H
#define KEEPER_SOURCE_H

#include "policy/roles.h"
#include "policy/sources.h"

/* ---- what main.c and the warden call ---- */

/*
 * Should: be called first of all in main(). Takes over what an earlier source_env_take() of this
 * process left. 1: there was one; 0; -errno with err when the variable is not ours.
 */
int source_env_begin(struct err *err);

/*
 * Checks every env: source of the plan's rules and executes the program again with argv and without
 * those values; does not return then. 0: nothing (more) to take. -errno with err.
 */
int source_env_take(const struct run_plan *plan, char **argv, struct err *err);

/*
 * The check at the start of a session, before anything runs: every env: and file: value is there
 * and fit to be sent; no program or file of a source is one that a cell can write. shapes has one
 * entry for each rule. 0, or -errno with "FILE:LINE: [inject NAME] KEY = ...".
 */
int source_check(const struct run_plan *plan, struct source_shapes *shapes, struct err *err);

/* Starts to fetch one value. 0 or -errno with err; *ret is only written then. */
int source_begin(const struct source_request *request, struct source *ret, struct err *err);

/*
 * When report is readable (at once with pid 0): has it come well? 0: all of the value lies in the
 * pipe. -errno with err, for people, no byte of the value: value is closed then.
 */
int source_end(struct source *source, struct err *err);

/*
 * Finds a tool's own command as that of a command: source: the program in directories, and with
 * every word that is a path, that nothing in the session can write. 0 or -errno with err.
 */
int source_find_command(const struct run_plan *plan, const char *line, struct tool_command *ret,
	struct err *err);

/* The descriptors of the pipes with env: values: a fork that goes on keeps them. Their number. */
size_t source_env_fds(int *ret, size_t max);

/* Ends it early, with the command that it runs. Nothing of it is left. */
void source_stop(struct source *source);

/* ---- among the sources ---- */

/*
 * Makes the process one that may see a value: no core, no ptrace by others, ended with its parent.
 * Should: be called first in a child of `parent`; all signals are blocked.
 */
void source_become(pid_t parent);

/* A value in a source process: fixed, locked memory that is wiped when it ends. */
struct source_value {
	char bytes[KEEPMSG_SECRET_MAX + 2];
	size_t n;
};

/*
 * Takes one line end off (*ret_trimmed) and checks: not empty, not too long, no NUL and, unless it
 * is PEM, no other control character. 0 or -errno, never with a byte of the value.
 */
int source_value_check(struct source_value *value, bool is_pem, bool *ret_trimmed, struct err *err);

/* The descriptor of the pipe that holds a variable's value, or -1. */
int source_env_find(const char *name);

/* A new pipe's reading end with a copy of what the held one has; that stays as it is. */
int source_env_copy(const char *name, int *ret, struct err *err);

/* Is it what a variable can be called? */
bool source_env_is_name(const char *name);

/* Reads a file: source into value, after all checks. 0 or -errno with err. */
int source_file_read(
	const struct run_plan *plan, const char *path, struct source_value *value, struct err *err);

/*
 * Who could write the file at that absolute path, or put another one in its place, from a cell or
 * by the agent's file tools? Walks along the path as the kernel does and looks at every directory
 * and every link. 0: nobody; -EPERM, or what walking failed with (-ENOENT...), with err.
 */
int source_place_check(const struct run_plan *plan, const char *path, struct err *err);

/* "~/x" below the plan's home, anything else as it is. False: no memory. */
bool source_place_expand(const struct run_plan *plan, const char *path, struct buf *out);

/* Rationale: a password manager may ask the user to unlock it; the client of the cell waits. */
#define SOURCE_TIMEOUT_MS 30000

/* A command: its file and arguments, from command: or keyring:. Starts as {0}. */
struct source_command {
	char *path;  /* resolved through the safe PATH */
	char **argv; /* NULL-terminated */
	char **envp; /* NULL-terminated */
	size_t n_args;
	int timeout_ms; /* of a run */
};

/*
 * Splits, finds and checks it. 0 or -errno with err: -ENOENT when there is no such program, which
 * is no reason not to start a session.
 */
int source_command_parse(const struct run_plan *plan, enum sources_kind kind, const char *arg,
	struct source_command *ret, struct err *err);
void source_command_done(struct source_command *command);

/* Runs it, in a source process. Ends it with the process. 0 or -errno with err. */
int source_command_run(const struct source_command *command, bool keeps_stderr,
	struct source_value *value, struct err *err);

/*
 * The environment of commands, PATH first: NULL-terminated, policy_free_strings() it; NULL: no
 * memory.
 */
char **source_place_environ(const struct run_plan *plan);

#endif
