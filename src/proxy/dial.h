/* From a target that policy allowed to a connected socket: look-up, judging each address, connect.
 */
#ifndef PROXY_DIAL_H
#define PROXY_DIAL_H

#include "proxy/proxy.h"

/* Rationale: an attempt beyond the last one is cut short, so that a dead address costs seconds. */
#define DIAL_TIMEOUT_S 20
#define DIAL_NEXT_S 4

struct dial;

enum dial_outcome { DIAL_CONNECTED, DIAL_DENIED, DIAL_FAILED };

struct dial_result {
	enum dial_outcome outcome;
	int fd;             /* CONNECTED: the receiver's, non-blocking */
	char address[48];   /* that was dialled last, or "" */
	char rule[200];     /* DENIED: the line that refused the address */
	const char *reason; /* not CONNECTED: static text */
};

struct dial_request {
	struct target target;
	bool is_localhost; /* the host's own loopback: no look-up, no judging of addresses */
	void (*done)(void *arg, const struct dial_result *result);
	void *arg;
};

/*
 * Starts dialling; done is called once, from the event loop, and the dial is gone when it returns.
 * NULL: no memory, or too much at once. dial_cancel(): done will not be called; NULL is fine.
 */
struct dial *dial_start(struct proxy *proxy, const struct dial_request *request);
void dial_cancel(struct dial *dial);

#endif
