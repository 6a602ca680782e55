/* Deleting a masked name from the cell: the kernel refuses it (EBUSY), the helper carries it out. */
#ifndef HELPER_REMOVE_H
#define HELPER_REMOVE_H

#include "helper/tree.h"

/* Rationale: one bit for a name's hash; a few thousand masks leave most names alone. */
#define REMOVE_NAMES 65536u

struct remover {
	int listener; /* seccomp notifications of unlink(2) and unlinkat(2) in the cell; -1: none */
	int proc; /* O_PATH: the host's /proc */
	unsigned char names[REMOVE_NAMES / 8];
};

#define REMOVER_NONE { .listener = -1, .proc = -1 }

/*
 * Opens what is needed. Should: before and after mask_enter(), in this order. remove_before(): 0 or
 * -errno with err. Takes listener.
 */
int remove_before(struct remover *r, struct err *err);
void remove_after(struct remover *r, int listener);

/* A name is masked now: notifications about such names are looked at. */
void remove_note(struct remover *r, const char *path);

/*
 * Answers one notification. What is no masked file in the project goes on; so does one that has
 * other names, or lies where the caller may not delete: the kernel's own answer is right then.
 */
void remove_handle(struct remover *r, struct tree *t);

#endif
