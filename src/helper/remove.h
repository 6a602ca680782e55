/* Deleting a masked name from the cell: the kernel refuses it (EBUSY), the helper carries it out. */
#ifndef HELPER_REMOVE_H
#define HELPER_REMOVE_H

#include "helper/call.h"
#include "helper/namebits.h"
#include "helper/tree.h"

struct remover {
	int proc; /* O_PATH: the host's /proc; borrowed */
	struct namebits names;
};

#define REMOVER_NONE { .proc = -1 }

/* A name is masked now: notifications about such names are looked at. */
void remove_note(struct remover *r, const char *path);

/*
 * One deletion of a name that is noted: its result, 0 or -errno; or 1: it goes on. What is no masked
 * file in the project goes on; so does one that has other names, or lies where the caller may not delete: the kernel's own
 * answer is right then.
 */
int remove_carry_out(struct remover *r, struct tree *t, struct call *c);

#endif
