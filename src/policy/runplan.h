/*
 * What a running verb was asked to do: filled by the command line, carried out by the warden.
 */
#ifndef POLICY_RUNPLAN_H
#define POLICY_RUNPLAN_H

#include "policy/policy.h"

#include <stdbool.h>

enum run_mode { RUN_NONE, RUN_INJECT, RUN_SHARED, RUN_SPLIT, RUN_MODE_COUNT };

struct run_tool; /* warden/toolrun.h */

struct run_plan {
	enum run_mode mode;
	bool is_run_verb; /* `run`, --mode shared: one command in a cell, no context of an agent */
	bool fresh, quiet, verbose, explain;
	const char *const *argv; /* NULL-terminated: AGENT or COMMAND and its arguments */
	const char *program; /* argv[0] found through PATH: absolute, symbolic links not followed */
	const char *agent; /* name of the agent (the last component of argv[0]) */
	const char *project, *home, *cwd; /* absolute, resolved */
	const char *state_dir, *cache_dir;
	const char *config_dir, *runtime_dir; /* may be NULL */
	const char *const *env; /* --env NAME or NAME=VALUE, NULL-terminated, may be NULL */
	struct run_tool *tool; /* the session is one run of a tool; NULL: the user's own */
	const struct policy *policy;
	/* A run of a tool: whose commands may have written what a source is about to use; else NULL. */
	const struct policy *session_policy;
};

#endif
