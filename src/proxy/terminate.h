/*
 * Connections to hosts with rules: the proxy is the other end. TLS is ended, cleartext taken where a
 * rule says `plain = yes`, and every request judged; nothing is dialled before one was.
 */
#ifndef PROXY_TERMINATE_H
#define PROXY_TERMINATE_H

#include "base/buf.h"
#include "proxy/proxy.h"
#include "wire/proxymsg.h"

/* Does a rule speak of it, with or without TLS? Then it is never passed through unread. */
bool terminate_covers(const struct proxy *proxy, const struct target *target);

struct terminate_request {
	int client;           /* non-blocking */
	struct buf *early;    /* what the client has sent so far */
	struct buf *greeting; /* what it reads first */
	struct target target;
	const struct proxymsg *msg; /* addresses, target and how it came, for reports */
	uint32_t held_name;         /* synthetic address, or 0 */
};

/*
 * Takes client, early, greeting and the hold on the name over. It counts as a connection of the
 * proxy until it has ended; nobody else keeps it. 0, or -ENOMEM: nothing was taken.
 */
int terminate_start(struct proxy *proxy, const struct terminate_request *request);

#endif
