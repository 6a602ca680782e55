/*
 * Starting the processes that handle the network: the program that lies inside this one, from
 * memory, with an empty environment and the descriptors that its role expects from 3 on.
 */
#ifndef WARDEN_NETROLE_H
#define WARDEN_NETROLE_H

#include "base/err.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Rationale: the proxy's, with two for each localhost port and one for each of 256 rules. */
#define NETROLE_FDS_MAX 320u

/*
 * Puts the bytes between the two into a sealed memfd and opens it for reading alone (an executable
 * file that is open for writing is ETXTBSY). The descriptor, or -errno with err.
 */
int netrole_blob(const char *name, const char *from, const char *to, struct err *err);

struct policy;

/* The policy in a memfd, for policy_undump(). The caller's, or -errno with err. */
int netrole_policy(const struct policy *policy, struct err *err);

struct netrole {
	const char *name;    /* "@proxy" */
	const char *args[3]; /* further arguments; ended by NULL unless all are used */
	const int *fds;      /* become 3, 4, ...; -1: that number stays closed; borrowed */
	size_t n_fds;        /* at most NETROLE_FDS_MAX */
	bool keeps_stderr;   /* -v: its words reach the user; else /dev/null */
	const sigset_t *mask; /* signal mask to restore */
};

/*
 * Forks and executes the role. It is killed when the warden dies. Its pid, which the caller waits
 * for, or -errno with err.
 */
pid_t netrole_start(const struct netrole *role, struct err *err);

/* In a fork that has closed it: the program's descriptor is made anew at the next need. */
void netrole_forget(void);

#endif
