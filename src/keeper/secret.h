/*
 * Where the values of a rule lie: mappings that no other process can read, not even through
 * /proc/PID/mem (memfd_secret(2)), or else locked memory that is in no core and no child.
 * There is no function that prints one.
 */
#ifndef KEEPER_SECRET_H
#define KEEPER_SECRET_H

#include "base/err.h"
#include "wire/keepmsg.h"

#include <stdbool.h>
#include <stddef.h>

/* Rationale: one holds what most rules need; large certificates and tables take one each. */
#define SECRET_REGIONS_MAX 12u

struct secret_region {
	char *at;
	size_t bytes, used;
};

struct secret_store {
	struct secret_region regions[SECRET_REGIONS_MAX];
	size_t n_regions;
	bool is_secretmem; /* false: locked memory */
	struct keepmsg_text values[KEEPMSG_SLOT_COUNT]; /* at is NULL: not given; NUL behind it */
};

/* 0, or -errno with err when the kernel gives neither kind of memory. */
int secret_open(struct secret_store *store, struct err *err) __attribute__((warn_unused_result));
void secret_done(struct secret_store *store); /* wipes */

/*
 * Reads a slot's value from a pipe to its end, straight into the store, and checks it: one final
 * newline is taken off; empty, with a control byte (PEM: but newline, CR and tab) or longer than
 * KEEPMSG_SECRET_MAX is -EINVAL. err never has a byte of it.
 */
int secret_read(struct secret_store *store, enum keepmsg_slot slot, int fd, struct err *err)
	__attribute__((warn_unused_result));

/*
 * n zero bytes, aligned for any type, for what is made from a value. NULL: the kernel gives no more.
 * They stay until secret_done().
 */
char *secret_take(struct secret_store *store, size_t n);

#endif
