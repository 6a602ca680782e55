/* Starts a run of a tool in a process of its own. */
#ifndef WARDEN_TOOL_H
#define WARDEN_TOOL_H

#include "base/err.h"
#include "wire/doorcall.h"

#include <sys/types.h>

struct tools_tool;
struct warden;

/*
 * Forks a warden for one run: with a policy that is made for it, its own cell, proxy, keepers and
 * audit. sock and the call's descriptors stay the caller's to close. The process's pid, or -errno
 * with err; then nothing was said to the link.
 */
pid_t tool_start(struct warden *w, const struct tools_tool *tool, const struct doorcall *call,
	int sock, struct err *err);

#endif
