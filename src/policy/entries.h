/* Splits a list's value: entries separated by blanks, double quotes make one of several words. */
#ifndef POLICY_ENTRIES_H
#define POLICY_ENTRIES_H

#include "base/buf.h"
#include "base/err.h"

struct entries {
	const char *rest; /* starts as the value */
	struct buf text; /* the entry, without quotes and '!'; entries_done() frees it */
	bool is_removal; /* it was !ENTRY */
};

/* 1: an entry is in text; 0: no more; -errno with err (unbalanced quotes, a comment). */
int entries_next(struct entries *e, struct err *err);
void entries_done(struct entries *e);

#define AUTO_ENTRIES __attribute__((cleanup(entries_done)))

#endif
