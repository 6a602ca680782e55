/*
 * A cell for each command, where [sandbox] isolation = command says so: made ahead by a mother
 * (cell/mother.h), given one command, and gone with it. Each has a network and, when it uses that, a
 * proxy of its own: what one command makes of its proxy is no other's, and whose connection it was is
 * never a guess.
 */
#ifndef WARDEN_FRESH_H
#define WARDEN_FRESH_H

#include "base/err.h"

#include <stdint.h>

struct cell;
struct fresh;
struct job_head;
struct warden;

/*
 * Rationale: a cell that waits costs some 0.4 MB and 12 descriptors; agents start one to three commands
 * at a time, and making the next one takes less than most commands.
 */
#define FRESH_POOL 8u
/* Rationale: agents start up to forty at a time; commands above it wait for one that ends. */
#define FRESH_CELLS_MAX 96u

struct fresh_job {
	const struct job_head *head;
	const char *body;
	int sock;
	const int *stdio;
};

/* *ret is NULL when all commands share a cell. 0 or -errno with err. */
int fresh_init(struct warden *w, struct fresh **ret, struct err *err);

/* Ends all cells and their proxies; fresh_free() has none any more. NULL is fine for all of these. */
void fresh_stop(struct fresh *f);
void fresh_free(struct fresh *f);

/* Asks for as many cells as there should be. */
void fresh_fill(struct warden *w, struct fresh *f);

/*
 * Gives a cell a job. -EAGAIN: none is ready, one is asked for, and job_flush() will be called; -errno
 * with err. Borrows the descriptors.
 */
int fresh_send(struct warden *w, struct fresh *f, const struct fresh_job *job, struct err *err);

/* The cell in which that command runs; NULL: none of these. */
const struct cell *fresh_cell(const struct fresh *f, uint32_t command);

/* At the session's end: reads what is still to be told of commands that have ended, for a while. */
void fresh_drain(struct warden *w, struct fresh *f);

/* A descriptor that is readable when fresh_dispatch() has work; -1 for NULL. */
int fresh_fd(const struct fresh *f);
void fresh_dispatch(struct warden *w, struct fresh *f);

#endif
