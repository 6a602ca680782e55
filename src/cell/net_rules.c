/*
 * The cell's nftables rules by raw netlink: no library, a fifth of a millisecond. Runs in the
 * cell's first process with CAP_NET_ADMIN over its own namespace; no input is hostile.
 */
#include "cell/net_rules.h"

#include "base/cleanup.h"
#include "cell/net_msg.h"
#include "wire/netplan.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>

#define TABLE "agentjail"
#define CHAIN_NAT "n"
#define CHAIN_FILTER "f"

/* Offsets in the IPv4, IPv6 and transport headers (RFC 791, RFC 8200, RFC 9293). */
#define IP4_DADDR 16
#define IP6_DADDR 24
#define TRANSPORT_DPORT 2

/* Rationale: what the proxy reads of a refused packet is in its headers. */
#define LOG_PACKET_BYTES 128u

static void begin(struct net_msg *m, unsigned type, unsigned flags)
{
	struct nfgenmsg g = { .nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0 };

	net_msg_begin(m, (NFNL_SUBSYS_NFTABLES << 8) | type, flags);
	net_msg_put(m, &g, sizeof(g));
}

static void batch(struct net_msg *m, unsigned type)
{
	struct nfgenmsg g = { .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	net_msg_begin(m, type, 0);
	net_msg_put(m, &g, sizeof(g));
}

/* ---- expressions: each is a list element with a name and its data ---- */

struct expr {
	size_t element, data;
};

static struct expr expr_begin(struct net_msg *m, const char *name)
{
	struct expr e;

	e.element = net_msg_nest(m, NFTA_LIST_ELEM);
	net_msg_attr_str(m, NFTA_EXPR_NAME, name);
	e.data = net_msg_nest(m, NFTA_EXPR_DATA);
	return e;
}

static void expr_end(struct net_msg *m, struct expr e)
{
	net_msg_end(m, e.data);
	net_msg_end(m, e.element);
}

static void value(struct net_msg *m, unsigned attribute, const void *bytes, size_t n)
{
	size_t data = net_msg_nest(m, attribute);

	net_msg_attr(m, NFTA_DATA_VALUE, bytes, n);
	net_msg_end(m, data);
}

static void compare(struct net_msg *m, const void *bytes, size_t n)
{
	struct expr e = expr_begin(m, "cmp");

	net_msg_attr_be32(m, NFTA_CMP_SREG, NFT_REG_1);
	net_msg_attr_be32(m, NFTA_CMP_OP, NFT_CMP_EQ);
	value(m, NFTA_CMP_DATA, bytes, n);
	expr_end(m, e);
}

static void meta_is(struct net_msg *m, unsigned key, uint8_t wanted)
{
	struct expr e = expr_begin(m, "meta");

	net_msg_attr_be32(m, NFTA_META_DREG, NFT_REG_1);
	net_msg_attr_be32(m, NFTA_META_KEY, key);
	expr_end(m, e);
	compare(m, &wanted, 1);
}

struct field {
	unsigned base, offset;
	const void *bytes;
	unsigned n;
};

static void payload_is(struct net_msg *m, struct field f)
{
	struct expr e = expr_begin(m, "payload");

	net_msg_attr_be32(m, NFTA_PAYLOAD_DREG, NFT_REG_1);
	net_msg_attr_be32(m, NFTA_PAYLOAD_BASE, f.base);
	net_msg_attr_be32(m, NFTA_PAYLOAD_OFFSET, f.offset);
	net_msg_attr_be32(m, NFTA_PAYLOAD_LEN, f.n);
	expr_end(m, e);
	compare(m, f.bytes, f.n);
}

static void dport_is(struct net_msg *m, uint16_t port)
{
	uint16_t be = htons(port);

	payload_is(m,
		(struct field){ NFT_PAYLOAD_TRANSPORT_HEADER, TRANSPORT_DPORT, &be, sizeof(be) });
}

/* The first n bytes of the destination address. */
static void daddr_is(struct net_msg *m, int family, const void *bytes, unsigned n)
{
	bool is4 = family == AF_INET;

	meta_is(m, NFT_META_NFPROTO, is4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
	payload_is(m, (struct field){
			      NFT_PAYLOAD_NETWORK_HEADER, is4 ? IP4_DADDR : IP6_DADDR, bytes, n });
}

static void accept_it(struct net_msg *m)
{
	struct expr e = expr_begin(m, "immediate");
	size_t data, verdict;

	net_msg_attr_be32(m, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = net_msg_nest(m, NFTA_IMMEDIATE_DATA);
	verdict = net_msg_nest(m, NFTA_DATA_VERDICT);
	net_msg_attr_be32(m, NFTA_VERDICT_CODE, NF_ACCEPT);
	net_msg_end(m, verdict);
	net_msg_end(m, data);
	expr_end(m, e);
}

static void redirect(struct net_msg *m, uint16_t port)
{
	uint16_t be = htons(port);
	struct expr e = expr_begin(m, "immediate");

	net_msg_attr_be32(m, NFTA_IMMEDIATE_DREG, NFT_REG_1);
	value(m, NFTA_IMMEDIATE_DATA, &be, sizeof(be));
	expr_end(m, e);
	e = expr_begin(m, "redir");
	net_msg_attr_be32(m, NFTA_REDIR_REG_PROTO_MIN, NFT_REG_1);
	net_msg_attr_be32(m, NFTA_REDIR_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
	expr_end(m, e);
}

static void log_it(struct net_msg *m)
{
	uint16_t group = htons(NETPLAN_NFLOG_GROUP);
	struct expr e = expr_begin(m, "log");

	net_msg_attr(m, NFTA_LOG_GROUP, &group, sizeof(group));
	expr_end(m, e);
}

static void reset(struct net_msg *m)
{
	uint8_t code = 0;
	struct expr e = expr_begin(m, "reject");

	net_msg_attr_be32(m, NFTA_REJECT_TYPE, NFT_REJECT_TCP_RST);
	net_msg_attr(m, NFTA_REJECT_ICMP_CODE, &code, 1);
	expr_end(m, e);
}

/* ---- tables, chains, rules ---- */

static void add_table(struct net_msg *m)
{
	begin(m, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	net_msg_attr_str(m, NFTA_TABLE_NAME, TABLE);
}

static void add_chain(struct net_msg *m, const char *name, const char *type, int priority)
{
	size_t hook;

	begin(m, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	net_msg_attr_str(m, NFTA_CHAIN_TABLE, TABLE);
	net_msg_attr_str(m, NFTA_CHAIN_NAME, name);
	hook = net_msg_nest(m, NFTA_CHAIN_HOOK);
	net_msg_attr_be32(m, NFTA_HOOK_HOOKNUM, NF_INET_LOCAL_OUT);
	net_msg_attr_be32(m, NFTA_HOOK_PRIORITY, (uint32_t)priority);
	net_msg_end(m, hook);
	net_msg_attr_str(m, NFTA_CHAIN_TYPE, type);
}

static size_t rule(struct net_msg *m, const char *chain)
{
	begin(m, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	net_msg_attr_str(m, NFTA_RULE_TABLE, TABLE);
	net_msg_attr_str(m, NFTA_RULE_CHAIN, chain);
	return net_msg_nest(m, NFTA_RULE_EXPRESSIONS);
}

struct local {
	int family;
	const void *bytes;
	unsigned n;
};

static void accept_local(struct net_msg *m, const char *chain, struct local l)
{
	size_t r = rule(m, chain);

	daddr_is(m, l.family, l.bytes, l.n);
	accept_it(m);
	net_msg_end(m, r);
}

static void add_local(struct net_msg *m, const char *chain)
{
	static const uint8_t net127[1] = { 127 }, one6[16] = { [15] = 1 }, own6[16] = NETPLAN_OWN6;
	const uint32_t own4 = htonl(NETPLAN_OWN4);
	const struct local local[] = { { AF_INET, net127, sizeof(net127) },
		{ AF_INET, &own4, sizeof(own4) }, { AF_INET6, one6, sizeof(one6) },
		{ AF_INET6, own6, sizeof(own6) } };

	for (size_t i = 0; i < ARRAY_LEN(local); i++)
		accept_local(m, chain, local[i]);
}

static void add_nat_rules(struct net_msg *m, const struct net_request *request)
{
	static const uint8_t protocols[] = { IPPROTO_UDP, IPPROTO_TCP };
	const uint32_t synthetic = htonl(NETPLAN_SYNTHETIC_NET), own4 = htonl(NETPLAN_OWN4);
	size_t r;

	for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
		r = rule(m, CHAIN_NAT);
		meta_is(m, NFT_META_L4PROTO, protocols[i]);
		dport_is(m, NETPLAN_DNS_PORT);
		redirect(m, NETPLAN_DNS_PORT);
		net_msg_end(m, r);
	}
	/* The cell's own address is in the synthetic range; a profile may name any other literally. */
	if (request->n_literals > 0)
		add_local(m, CHAIN_NAT);
	else
		accept_local(m, CHAIN_NAT, (struct local){ AF_INET, &own4, sizeof(own4) });
	r = rule(m, CHAIN_NAT);
	daddr_is(m, AF_INET, &synthetic, 2);
	meta_is(m, NFT_META_L4PROTO, IPPROTO_TCP);
	redirect(m, NETPLAN_REDIRECT_PORT);
	net_msg_end(m, r);
	for (size_t i = 0; i < request->n_literals; i++) {
		const struct net_literal *l = &request->literals[i];

		r = rule(m, CHAIN_NAT);
		daddr_is(m, l->family, l->address, l->family == AF_INET ? 4 : 16);
		meta_is(m, NFT_META_L4PROTO, IPPROTO_TCP);
		dport_is(m, l->port);
		redirect(m, NETPLAN_REDIRECT_PORT);
		net_msg_end(m, r);
	}
}

static void add_filter_rules(struct net_msg *m)
{
	const uint32_t synthetic = htonl(NETPLAN_SYNTHETIC_NET);
	size_t r;

	add_local(m, CHAIN_FILTER);
	/* HTTP/3 is tried by every browser: refused like the rest, but not worth a line in the
	 * audit. */
	r = rule(m, CHAIN_FILTER);
	daddr_is(m, AF_INET, &synthetic, 2);
	meta_is(m, NFT_META_L4PROTO, IPPROTO_UDP);
	accept_it(m);
	net_msg_end(m, r);
	r = rule(m, CHAIN_FILTER);
	log_it(m);
	net_msg_end(m, r);
	r = rule(m, CHAIN_FILTER);
	meta_is(m, NFT_META_L4PROTO, IPPROTO_TCP);
	reset(m);
	net_msg_end(m, r);
}

static int say_missing(struct err *err, int code)
{
	return err_set(err, code,
		"nftables rules for the cell (kernel modules nf_tables, nft_redir, "
		"nft_reject_inet, "
		"nft_log, nfnetlink_log; as root: modprobe -a them; see agentjail doctor)");
}

int net_rules_install(const struct net_request *request, struct err *err)
{
	AUTO_CLOSE int sock = net_msg_socket(NETLINK_NETFILTER);
	AUTO_FREE struct net_msg *m = malloc(sizeof(*m));
	int bytes = 256 << 10;
	int r;

	if (sock < 0)
		return say_missing(err, -sock);
	if (m == NULL)
		return err_set(err, ENOMEM, "nftables rules");
	/* One error a rule has to fit; beyond rmem_max the kernel takes what it allows. */
	(void)setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	net_msg_init(m);
	batch(m, NFNL_MSG_BATCH_BEGIN);
	add_table(m);
	add_chain(m, CHAIN_NAT, "nat", -100);
	add_chain(m, CHAIN_FILTER, "filter", 0);
	add_nat_rules(m, request);
	add_filter_rules(m);
	/* All or nothing: errors are reported unasked, and before this. */
	net_msg_want_ack(m);
	batch(m, NFNL_MSG_BATCH_END);
	r = net_msg_exchange(m, sock);
	return r < 0 ? say_missing(err, -r) : 0;
}

int net_rules_bind_log(int sock, struct err *err)
{
	const struct nfgenmsg g = { .version = NFNETLINK_V0, .res_id = htons(NETPLAN_NFLOG_GROUP) };
	const struct nfulnl_msg_config_cmd bind = { .command = NFULNL_CFG_CMD_BIND };
	const struct nfulnl_msg_config_mode mode = { .copy_range = htonl(LOG_PACKET_BYTES),
		.copy_mode = NFULNL_COPY_PACKET };
	AUTO_FREE struct net_msg *m = malloc(sizeof(*m));
	int r;

	if (m == NULL)
		return err_set(err, ENOMEM, "nfnetlink_log");
	net_msg_init(m);
	net_msg_begin(m, (NFNL_SUBSYS_ULOG << 8) | NFULNL_MSG_CONFIG, NLM_F_ACK);
	net_msg_put(m, &g, sizeof(g));
	net_msg_attr(m, NFULA_CFG_CMD, &bind, sizeof(bind));
	net_msg_begin(m, (NFNL_SUBSYS_ULOG << 8) | NFULNL_MSG_CONFIG, NLM_F_ACK);
	net_msg_put(m, &g, sizeof(g));
	net_msg_attr(m, NFULA_CFG_MODE, &mode, sizeof(mode));
	net_msg_attr_be32(m, NFULA_CFG_QTHRESH, 1); /* every packet at once, not in batches */
	r = net_msg_exchange(m, sock);
	return r < 0 ? err_set(err, -r, "bind to nfnetlink_log group %d", NETPLAN_NFLOG_GROUP) : 0;
}
