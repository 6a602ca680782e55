/*
 * What makes clients in a cell accept the session's certificate authority. Nothing of it exists in
 * a session without rules. Files are memfds; the authority (src/proxy/authority.c) fills them.
 */
#ifndef WARDEN_TRUST_H
#define WARDEN_TRUST_H

#include "policy/roles.h"
#include "warden/environ.h"

#include <signal.h>
#include <sys/types.h>
#include <time.h>

enum trust_fd {
	TRUST_FD_KEY, /* certificate and key: the proxy's alone, PROXY_FD_AUTHORITY */
	TRUST_FD_ROOTS, /* the host's authorities: KEEPER_FD_ROOTS */
	TRUST_FD_BUNDLE,
	TRUST_FD_KEYSTORE,
	TRUST_FD_CERT,
	TRUST_FD_REPORT,
	TRUST_FD_COUNT
};

struct trust {
	const struct run_plan *plan;
	bool is_wanted; /* the profile has rules */
	bool is_ready;
	time_t started_s; /* CLOCK_BOOTTIME: certificates go on ageing while a laptop sleeps */
	pid_t authority; /* 0: not running */
	int fds[TRUST_FD_COUNT]; /* -1 until made; sealed and read-only once is_ready */
	struct trust_files files;
	struct environ_trust variables;
};

/* clang-format off */
#define TRUST_NONE { .fds = { -1, -1, -1, -1, -1, -1 } }
/* clang-format on */

/*
 * Makes the empty files and starts the authority that fills them, once; anew for a cell that is made
 * when half of the authority's day is over. Does nothing without rules, as all the others. mask: of signals, to restore in it. 0 or -errno with err. A cell is forked with
 * all these descriptors: it closes them, the key's too, before any command runs in it.
 */
int trust_start(struct trust *t, const struct run_plan *plan, const sigset_t *mask, struct err *err);
void trust_done(struct trust *t); /* ends an authority that runs */

/* What trust_start() made: for struct cell_request and struct environ; NULL without rules. */
const struct trust_files *trust_files(const struct trust *t);
const struct environ_trust *trust_variables(const struct trust *t);

/* Waits for its end, and seals what it delivered. 0 or -errno with err: then there is no session. */
int trust_await(struct trust *t, struct err *err);

/* Looks at a new cell's root (O_PATH): under which path do programs find the bundle there? */
int trust_settle(struct trust *t, int root, struct err *err);

#endif
