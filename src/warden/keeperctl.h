/*
 * The keepers' life, as the warden sees it. For each rule there is one pair of sockets from the
 * session's start to its end: the proxy hands connections in at one end, the rule's keeper takes
 * them out at the other. Nothing runs before the first connection waits there. Then the keepers'
 * mother is started, the rule's sources are run, and the mother is told to start the keeper with
 *the rule's socket and the pipes that the values lie in.
 *
 *	idle -> fetching -> running -> (ttl is over) idle
 *	           |           |
 *	           v           v
 *	  idle, refuses until a time   gone (no ttl: its socket went with it)
 *
 * While it is idle and refuses, connections are answered here, with KEEPMSG_FAILED on the channel.
 */
#ifndef WARDEN_KEEPERCTL_H
#define WARDEN_KEEPERCTL_H

#include "base/err.h"
#include "policy/roles.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct warden;
struct keeperctl;

/*
 * Checks all sources and makes the sockets. *ret is NULL when there is no rule. Should: be called
 * before anything of the session is started. 0 or -errno with err.
 */
int keeperctl_init(struct warden *w, struct keeperctl **ret, struct err *err);

/* Ends mother, keepers and sources. NULL is fine. */
void keeperctl_stop(struct warden *w, struct keeperctl *k);

/* A descriptor that is readable when keeperctl_dispatch() has work; -1 for NULL. */
int keeperctl_fd(const struct keeperctl *k);
void keeperctl_dispatch(struct warden *w, struct keeperctl *k);

/* The proxy's ends, in the order of the rules; they stay the keeperctl's. How many. */
size_t keeperctl_proxy_ends(const struct keeperctl *k, int *fds);

/* What is known of the values since the start; one entry a rule; NULL for NULL. */
const struct source_shapes *keeperctl_shapes(const struct keeperctl *k);

/*
 * For tests: starts something else instead of `agentjail @keeper` with that socket (which stays the
 * caller's). Its pid or -errno.
 */
typedef pid_t keeperctl_mother(struct warden *w, int sock, struct err *err);
void keeperctl_set_mother(struct keeperctl *k, keeperctl_mother *mother);

#endif
