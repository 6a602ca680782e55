/* One call at the tool door, decoded: see wire/door.h. */
#ifndef WIRE_DOORCALL_H
#define WIRE_DOORCALL_H

#include "base/err.h"
#include "wire/door.h"

/* Owned by whoever received it: doorcall_done(). The strings point into body. */
struct doorcall {
	struct shim_hello hello;
	char *body;
	const char *word, *cwd;
	const char **argv; /* argc strings and NULL; argv[0] may be anything */
	const char *env; /* envc strings, one after the other */
	int stdio[3]; /* -1: not open */
};

/*
 * Receives the one message of a call without waiting; everything in it is hostile. 1: *ret is
 * filled, 0: the caller is gone, -EAGAIN: nothing there yet, -errno with err: it is no call; its
 * descriptors are closed.
 */
int doorcall_recv(int sock, struct doorcall *ret, struct err *err);
void doorcall_done(struct doorcall *call);

#endif
