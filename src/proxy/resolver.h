/*
 * Real look-ups with the host's resolvers, by c-ares(3): /etc/resolv.conf and, as on the host,
 * /etc/hosts first. What a look-up says is an opinion: every address is judged before it is
 * dialled.
 */
#ifndef PROXY_RESOLVER_H
#define PROXY_RESOLVER_H

#include "proxy/target.h"

#include <sys/queue.h>

/* Rationale: more addresses than this are not tried; big services answer with 4 to 8. */
#define RESOLVER_ADDRESSES_MAX 8u

struct event_base;
struct resolver;

/* IPv4 first: with a synthetic IPv4 address that is the family the client asked for. */
struct resolver_result {
	struct target addresses[RESOLVER_ADDRESSES_MAX];
	size_t n;        /* 0: why says why not */
	const char *why; /* static text */
};

struct resolver_waiter {
	void (*done)(void *arg, const struct resolver_result *result);
	void *arg;
	TAILQ_ENTRY(resolver_waiter) links;
	struct resolver_name *name; /* NULL: not waiting */
};

struct resolver *resolver_new(struct event_base *base);
void resolver_free(struct resolver *resolver);

/*
 * Looks a name (in normal form) up; done is called once, from the event loop. The waiter is the
 * caller's and stays where it is until then or until resolver_cancel(), which is always fine.
 * False: too many look-ups at once.
 */
bool resolver_lookup(struct resolver *resolver, const char *name, struct resolver_waiter *waiter);
void resolver_cancel(struct resolver_waiter *waiter);

#endif
