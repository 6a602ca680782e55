/*
 * Which system calls are left to a process (seccomp(2)): a table of what is allowed, all else is
 * refused. For processes of ours; a cell's filter is another matter, see cell/seccomp_gen.c.
 */
#ifndef BASE_CALLS_H
#define BASE_CALLS_H

#include "base/err.h"

#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

enum calls_test {
	CALLS_ANY,      /* no test */
	CALLS_NOT_BITS, /* none of these bits */
	CALLS_HAS_BITS, /* all of these bits */
	CALLS_IS,
};

/*
 * A call stands in the table once for each set of tests; the low half of an argument is compared.
 * The variants of x32 have numbers of their own and are never allowed.
 */
struct calls_rule {
	int number;
	int error; /* 0: allowed when the tests hold; else it fails with this errno then */
	struct {
		enum calls_test test;
		unsigned arg; /* from 0 */
		uint32_t value;
	} tests[2];
};

/*
 * Restricts this process for good; no_new_privs must be set, or CAP_SYS_ADMIN be there. otherwise:
 * SECCOMP_RET_* for all that the table does not allow; flags: of seccomp(2). Calls of another
 * architecture kill. 0 or -errno with err.
 */
int calls_allow_only(const struct calls_rule *rules, size_t n, uint32_t otherwise, unsigned flags,
	struct err *err) __attribute__((warn_unused_result));

/* No capability any more, in none of the three sets of capset(2). 0 or -errno with err. */
int calls_drop_capabilities(struct err *err) __attribute__((warn_unused_result));

#endif
