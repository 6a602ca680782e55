/* What the two ways of making a cell share: cell.c and mother.c, in the cell's first process. */
#ifndef CELL_CELL_PRIVATE_H
#define CELL_CELL_PRIVATE_H

#include "cell/init.h"
#include "policy/roles.h"

/* What is left open in a cell's first process. */
struct cell_kept {
	int ctl, jobs; /* its sockets */
	int tmp; /* the agent's /tmp, that [agent] receive is for; -1: nothing of it */
};

/* Its pids start above those of the agent's namespace. Should: have a /proc. 0 or -errno with err. */
int cell_raise_pids(struct err *err) __attribute__((warn_unused_result));

/* The network of cell/net.h; its sockets go to cell->fds. 0 or -errno with err. */
int cell_set_up_net(const struct cell_request *request, struct cell *cell, struct err *err)
	__attribute__((warn_unused_result));

/* CELL_MSG_READY with all descriptors of cell->fds, which are closed. 0 or -errno with err. */
int cell_report(int ctl, struct cell *cell, struct err *err) __attribute__((warn_unused_result));

/*
 * Loses all power, in the order that it must have, and all descriptors but those.
 * *ret_listener: of deletions, or -errno. Should: be the last step before cell_serve(). Mustn't:
 * go on after a failure. 0 or -errno with err.
 */
int cell_give_up(const struct cell_request *request, const struct cell_kept *kept, int *ret_listener,
	struct err *err) __attribute__((warn_unused_result));

/* CELL_MSG_STARTED, then the cell's loop; CELL_MSG_ERROR and the end. */
_Noreturn void cell_serve(const struct cell_kept *kept, int listener, const struct init_config *config);
_Noreturn void cell_fail(int ctl, const struct err *err);

#endif
