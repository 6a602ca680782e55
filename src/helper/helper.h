/*
 * The helper of a view: a process beside it that watches the project and puts masks on while its
 * commands run. The warden's half and the process itself.
 */
#ifndef HELPER_HELPER_H
#define HELPER_HELPER_H

#include "helper/watch.h"
#include "policy/roles.h"

/*
 * Begins to watch: the walk over the project tells *watcher of each directory. *ret is the caller's
 * (watch_free()); the helper has its own copy after helper_start(). 0 or -errno with err.
 */
int helper_begin_watch(const struct run_plan *plan, struct walk_watcher *watcher, struct watch **ret,
	struct err *err);

/*
 * Forks the helper, which waits for HELPMSG_ENTER. It dies with the caller, or ends when its socket
 * does. With request->watch NULL it serves the agent's view: it masks what HELPMSG_MASK says.
 * 0: *ret is the caller's, to be waited for. -errno with err.
 */
int helper_start(const struct helper_request *request, struct helper *ret, struct err *err);

/* The helper's system calls, and no others. Should: be the last step. 0 or -errno with err. */
int helper_cage(struct err *err) __attribute__((warn_unused_result));

#endif
