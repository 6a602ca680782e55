/* What the parts of the proxy share: made in main.c, lives as long as the process. */
#ifndef PROXY_PROXY_H
#define PROXY_PROXY_H

#include "proxy/target.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Rationale: a build opens some hundred connections; each has at most two sockets, four pipe ends
 * and 100 KiB of buffers. Above it the cell's connections wait in the listeners' backlog.
 */
#define PROXY_CONNECTIONS_MAX 1024u

/* Rationale: a client that has sent a part of a head sends the rest within a round trip. */
#define PROXY_HEAD_TIMEOUT_S 10

struct event_base;
struct policy;
struct policy_answer;
struct conn;
struct honey;
struct stream_front;
struct tls;

struct proxy {
	struct event_base *base;
	const struct policy *policy;
	struct names *names;
	struct report *report;
	struct resolver *resolver;
	struct serve *serve;
	struct tls *tls;               /* NULL: the session has no certificate authority */
	const int *rules;              /* rules' sockets by rules_index(); -1: there is none */
	size_t n_rules;
	const struct stream_front *h2; /* NULL: clients are offered HTTP/1.1 alone */
	/*
	 * Set in a session without places (--mode inject): "USER:PASSWORD" of the explicit proxy and
	 * its form in Proxy-Authorization. Such a proxy serves what could go without it: only [egress]
	 * deny holds, and what no rule speaks of is passed on unread.
	 */
	const struct honey *honey; /* fake keys of the session; NULL: there are none */
	const char *login;
	char basic[128];
	size_t n_conns;
	uint64_t last_connection; /* number given to the newest */
};

/*
 * May a connection to target be made at all (address NULL), and to this address of it?
 * proxy_rule_text(): the deciding line for the audit, "FILE:LINE SECTION.KEY ENTRY" or "".
 */
bool proxy_may_connect(const struct proxy *proxy, const struct target *target,
	const struct target *address, struct policy_answer *ret);
void proxy_rule_text(const struct policy_answer *answer, char *rule, size_t rule_bytes);

#endif
