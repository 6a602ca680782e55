/* The cell's calls that wait for an answer: who is asked for it, and the answer. */
#ifndef HELPER_NOTIFY_H
#define HELPER_NOTIFY_H

#include "helper/hold.h"
#include "helper/remove.h"

struct notify {
	int listener; /* seccomp notifications of the cell; -1: none */
	int proc; /* O_PATH: the host's /proc */
	struct remover remover;
	struct holds holds;
};

#define NOTIFY_NONE { .listener = -1, .proc = -1, .remover = REMOVER_NONE, .holds = HOLDS_NONE }

/* Opens what is needed in the host's namespaces. Should: be called before mask_enter(). 0 or -errno. */
int notify_begin(struct notify *n, struct err *err);

/* Takes the listener: asks for wake-ups on the caller's CPU. */
void notify_listen(struct notify *n, int listener);

/* Answers one call. */
void notify_handle(struct notify *n, struct tree *t);

#endif
