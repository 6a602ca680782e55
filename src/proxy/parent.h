/*
 * A parent proxy: in networks that have no other way out, [egress] parent-proxy names the HTTP
 * proxy that connections are made through, by CONNECT (RFC 9110, 9.3.6).
 */
#ifndef PROXY_PARENT_H
#define PROXY_PARENT_H

#include "proxy/target.h"

#include <stdbool.h>

/* Rationale: answers to CONNECT have a few hundred bytes; error pages come behind the head. */
#define PARENT_HEAD_MAX 4096u
#define PARENT_TIMEOUT_S 20

struct event_base;
struct policy;
struct parent;

/* True when connections to target go through a parent: which one. */
bool parent_find(const struct policy *policy, const struct target *target, struct target *ret);

struct parent_request {
	int fd; /* connected to the parent, non-blocking; borrowed */
	const struct target *target; /* copied */
	/* Called once, from the event loop. why: NULL: fd leads to the target now; else static text. */
	void (*done)(void *arg, const char *why);
	void *arg;
};

/* NULL: no memory. After done it is still there: parent_free() it, also to cancel; NULL is fine. */
struct parent *parent_start(struct event_base *base, const struct parent_request *request);
void parent_free(struct parent *parent);

#endif
