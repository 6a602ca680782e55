/* Deleting a masked name from the cell: the kernel refuses it (EBUSY), the helper carries it out. */
#ifndef HELPER_REMOVE_H
#define HELPER_REMOVE_H

#include "helper/tree.h"

/* Rationale: one bit for a name's hash; a few thousand masks leave most names alone. */
#define REMOVE_NAMES 65536u
/* Rationale: one for each cell that lives at a time (FRESH_CELLS_MAX of warden/fresh.h), and one more. */
#define REMOVE_LISTENERS_MAX 128u

struct remover {
	/* seccomp notifications of unlink(2) and unlinkat(2) in a cell */
	int listeners[REMOVE_LISTENERS_MAX];
	size_t n_listeners;
	int proc; /* O_PATH: the host's /proc */
	int plain; /* the project without the masks: a detached copy of its mount */
	unsigned char names[REMOVE_NAMES / 8];
};

#define REMOVER_NONE { .proc = -1, .plain = -1 }

/*
 * Opens what is needed. Should: before and after mask_enter(), in this order. remove_before(): 0 or
 * -errno with err.
 */
int remove_before(struct remover *r, struct err *err);
void remove_after(struct remover *r, const struct mask_view *view);

/* Takes one more listener; remove_drop(): nobody is left under it. Its place goes to the last one. */
void remove_listen(struct remover *r, int listener);
void remove_drop(struct remover *r, size_t i);

/* A name is masked now: notifications about such names are looked at. */
void remove_note(struct remover *r, const char *path);

/*
 * Answers one notification. What is no masked file in the project goes on; so does one that has
 * other names, or lies where the caller may not delete: the kernel's own answer is right then.
 */
void remove_handle(struct remover *r, size_t i, struct tree *t);

#endif
