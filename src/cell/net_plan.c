/*
 * From [egress] allow to what the cell's network needs to know of it. Runs in the warden; the
 * policy is checked already, the entries are the user's own.
 */
#include "cell/net.h"

#include "base/cleanup.h"
#include "policy/hostmatch.h"

#include <string.h>
#include <sys/socket.h>

static int add_literal(struct net_request *request, const struct hostmatch *entry, uint16_t port)
{
	struct net_literal *l = &request->literals[request->n_literals];

	if (request->n_literals == NET_LITERALS_MAX)
		return -E2BIG;
	l->family = entry->literal.family;
	memcpy(l->address, entry->literal.address, l->family == AF_INET ? 4 : 16);
	l->port = port;
	request->n_literals++;
	return 0;
}

static int add_item(struct net_request *request, const struct policy_item *item, struct err *err)
{
	static const uint16_t default_ports[] = { 443, 80 };
	struct hostmatch entry;
	int r = 0;

	if (hostmatch_parse(item->value, &entry) != HOSTMATCH_OK || entry.kind != HOSTMATCH_LITERAL)
		return 0;
	if (entry.port != 0)
		r = add_literal(request, &entry, entry.port);
	for (size_t i = 0; i < ARRAY_LEN(default_ports) && entry.port == 0 && r == 0; i++)
		r = add_literal(request, &entry, default_ports[i]);
	if (r < 0)
		return err_set(err, E2BIG, "%s:%u: egress.allow %s: more literal addresses than %d",
			item->origin.file, item->origin.line, item->value, NET_LITERALS_MAX);
	return 0;
}

int net_request_from(const struct policy *policy, struct net_request *ret, struct err *err)
{
	struct net_request request = { .n_localhost = 0 };
	size_t n = 0;
	const struct policy_item *items = policy_list(policy, PK_EGRESS_ALLOW, &n);

	if (policy_localhost_ports(
		    policy, request.localhost_ports, PLACE_LOCALHOST_MAX, &request.n_localhost) < 0)
		return err_set(err, E2BIG, "egress.allow: more localhost ports than %d",
			PLACE_LOCALHOST_MAX);
	for (size_t i = 0; i < n; i++) {
		int r = add_item(&request, &items[i], err);

		if (r < 0)
			return r;
	}
	*ret = request;
	return 0;
}
