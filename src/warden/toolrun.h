/*
 * One run of a tool: the whole session of a process that the warden forked for it (warden/tool.h),
 * with a cell, proxy, keepers and an audit of its own. In the place of warden/attend.h: the front
 * end is the tool's link in the calling cell.
 */
#ifndef WARDEN_TOOLRUN_H
#define WARDEN_TOOLRUN_H

#include "base/err.h"
#include "wire/hello.h"

#include <stdbool.h>
#include <stddef.h>

struct pollfd;
struct toolrun;
struct tools_tool;
struct warden;

/* What the run is made of; run_plan.tool. Everything is checked and borrowed. */
struct run_tool {
	const struct tools_tool *tool;
	const char *caller_session; /* of the audit */
	const char *word; /* the name that was called */
	const struct shim_hello *hello; /* of the caller: masks, limits, terminal */
	const char *env; /* n_env strings, one after the other */
	size_t n_env;
	int sock; /* the link's: struct job_msg */
	int stdio[3]; /* the caller's, or -1 */
};

/* Fetches the secrets and sends the command to the cell. 0 or -errno with err. */
int toolrun_start(struct warden *w, struct err *err);
int toolrun_pollfds(struct toolrun *t, struct pollfd *fds); /* ATTEND_POLLFDS; timeout in ms */
bool toolrun_dispatch(struct warden *w, struct toolrun *t, const struct pollfd *fds); /* ended? */
void toolrun_ended(struct warden *w, struct toolrun *t, int status); /* the cell says so */
void toolrun_alarm(struct warden *w, struct toolrun *t); /* its time is over */

/* The run did not start: the link ends, and its caller reads one line that names no file. */
void toolrun_refuse(const struct run_tool *tool);

#endif
