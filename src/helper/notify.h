/* The cell's calls that wait for an answer: who is asked for it, and the answer. */
#ifndef HELPER_NOTIFY_H
#define HELPER_NOTIFY_H

#include "helper/hold.h"
#include "helper/remove.h"

/* Rationale: one for each cell that lives at a time (FRESH_CELLS_MAX of warden/fresh.h), and one more. */
#define NOTIFY_LISTENERS_MAX 128u

struct notify {
	int listeners[NOTIFY_LISTENERS_MAX]; /* seccomp notifications of a cell */
	size_t n_listeners;
	int listener; /* of the call that is being judged; borrowed */
	int proc; /* O_PATH: the host's /proc */
	struct remover remover;
	struct holds holds;
};

#define NOTIFY_NONE { .listener = -1, .proc = -1, .remover = REMOVER_NONE, .holds = HOLDS_NONE }

/* Opens what is needed in the host's namespaces. Should: be called before mask_enter(). 0 or -errno. */
int notify_begin(struct notify *n, struct err *err);

/*
 * Takes one more listener: asks for wake-ups on the caller's CPU. notify_drop(): nobody is left under
 * it. Its place goes to the last one.
 */
void notify_listen(struct notify *n, int listener);
void notify_drop(struct notify *n, size_t i);

/* Answers one call of listener i. */
void notify_handle(struct notify *n, size_t i, struct tree *t);

#endif
