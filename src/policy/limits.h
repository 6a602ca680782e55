/* [limits]: what the commands of a session may use. Pure; a value may be a hostile project's. */
#ifndef POLICY_LIMITS_H
#define POLICY_LIMITS_H

#include "policy/policy.h"

enum limits_kind {
	LIMITS_MEMORY, /* bytes, of all processes of the cell together */
	LIMITS_PIDS, /* processes and threads of the cell */
	LIMITS_CORES, /* thousandths of a processor, for the cell */
	LIMITS_CPU, /* seconds of processor time, for one command and all that it starts */
	LIMITS_FILES, /* bytes that one command and all that it starts may write to disks */
	LIMITS_TIME, /* seconds that one command may run */
	LIMITS_SESSION, /* seconds that the session may run */
	LIMITS_KIND_COUNT
};

struct limits {
	uint64_t amounts[LIMITS_KIND_COUNT]; /* 0: none */
};

/*
 * Adds what one value of a key says to *ret. name is the key's, without the section. 0, or -errno
 * with err saying what is valid.
 */
int limits_parse(const char *name, const char *text, struct limits *ret, struct err *err);

/* All that the policy says. */
struct limits limits_of(const struct policy *policy);

/* The line that sets a limit of that kind. */
const struct policy_item *limits_item(const struct policy *policy, enum limits_kind kind);

/* What happened when one was passed, for people: "the commands' memory is over". */
const char *limits_words(enum limits_kind kind);

/* The part of the value that sets it ("8h/session" of "30m 8h/session"); at most 31 bytes. */
void limits_amount(const struct policy *policy, enum limits_kind kind, char ret[32]);

#endif
