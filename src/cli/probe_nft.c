/*
 * One nftables transaction: a table, a nat chain, a rule that redirects. It proves that nf_tables,
 * nft_chain_nat and nft_redir are there or can be loaded from a user namespace. The same messages
 * as a cell's, in the smallest form; constants of linux/netfilter/nf_tables.h.
 */
#include "base/cleanup.h"
#include "cli/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

/* Rationale: the whole transaction takes about 400 bytes. */
#define BATCH_BYTES 1024

#define TABLE_NAME "agentjail-doctor"

struct batch {
	size_t len, head;
	uint32_t seq;
	_Alignas(4) unsigned char bytes[BATCH_BYTES];
};

static void put(struct batch *b, const void *bytes, size_t n)
{
	size_t padded = (n + 3u) & ~(size_t)3u;

	if (b->len + padded > sizeof(b->bytes))
		return; /* the kernel refuses what is cut short, and the probe says so */
	memcpy(b->bytes + b->len, bytes, n);
	b->len += padded;
}

static void begin(struct batch *b, unsigned type, unsigned flags, unsigned family, unsigned res)
{
	struct nlmsghdr head = {
		.nlmsg_type = (uint16_t)type,
		.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
		.nlmsg_seq = ++b->seq,
	};
	struct nfgenmsg gen = { .nfgen_family = (uint8_t)family, .res_id = htons((uint16_t)res) };

	b->head = b->len;
	put(b, &head, sizeof(head));
	put(b, &gen, sizeof(gen));
}

static void end(struct batch *b)
{
	uint32_t n = (uint32_t)(b->len - b->head);

	memcpy(b->bytes + b->head, &n, sizeof(n)); /* nlmsg_len is the first member */
}

static void attr(struct batch *b, unsigned type, const void *bytes, size_t n)
{
	struct nlattr head = { .nla_len = (uint16_t)(sizeof(head) + n),
		.nla_type = (uint16_t)type };

	put(b, &head, sizeof(head));
	put(b, bytes, n);
}

static void attr_str(struct batch *b, unsigned type, const char *s)
{
	attr(b, type, s, strlen(s) + 1);
}

static size_t nest(struct batch *b, unsigned type)
{
	size_t at = b->len;

	attr(b, type | NLA_F_NESTED, "", 0);
	return at;
}

static void nest_end(struct batch *b, size_t at)
{
	uint16_t n = (uint16_t)(b->len - at);

	memcpy(b->bytes + at, &n, sizeof(n));
}

static void add_chain(struct batch *b)
{
	uint32_t hook = htonl(NF_INET_LOCAL_OUT), priority = htonl((uint32_t)-100);
	size_t at;

	begin(b, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_ACK,
		NFPROTO_INET, 0);
	attr_str(b, NFTA_CHAIN_TABLE, TABLE_NAME);
	attr_str(b, NFTA_CHAIN_NAME, "n");
	at = nest(b, NFTA_CHAIN_HOOK);
	attr(b, NFTA_HOOK_HOOKNUM, &hook, sizeof(hook));
	attr(b, NFTA_HOOK_PRIORITY, &priority, sizeof(priority));
	nest_end(b, at);
	attr_str(b, NFTA_CHAIN_TYPE, "nat");
	end(b);
}

static void add_rule(struct batch *b)
{
	size_t list, element;

	begin(b, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE,
		NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK, NFPROTO_INET, 0);
	attr_str(b, NFTA_RULE_TABLE, TABLE_NAME);
	attr_str(b, NFTA_RULE_CHAIN, "n");
	list = nest(b, NFTA_RULE_EXPRESSIONS);
	element = nest(b, NFTA_LIST_ELEM);
	attr_str(b, NFTA_EXPR_NAME, "redir");
	nest_end(b, nest(b, NFTA_EXPR_DATA));
	nest_end(b, element);
	nest_end(b, list);
	end(b);
}

/* Netlink has queued all answers when send() returns. The first error, or 0. */
static int read_answers(int sock)
{
	_Alignas(4) unsigned char bytes[4096];
	struct nlmsghdr head;
	struct nlmsgerr error;

	for (;;) {
		ssize_t n = recv(sock, bytes, sizeof(bytes), MSG_DONTWAIT);
		size_t at = 0;

		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		while (at + sizeof(head) + sizeof(error) <= (size_t)n) {
			memcpy(&head, bytes + at, sizeof(head));
			memcpy(&error, bytes + at + sizeof(head), sizeof(error));
			if (head.nlmsg_type == NLMSG_ERROR && error.error != 0)
				return error.error;
			at += (head.nlmsg_len + 3u) & ~(size_t)3u;
		}
	}
}

int probe_nft_try(void)
{
	AUTO_CLOSE int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	struct batch b = { 0 };

	if (sock < 0)
		return -errno;
	begin(&b, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	end(&b);
	begin(&b, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_ACK,
		NFPROTO_INET, 0);
	attr_str(&b, NFTA_TABLE_NAME, TABLE_NAME);
	end(&b);
	add_chain(&b);
	add_rule(&b);
	begin(&b, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	end(&b);
	if (send(sock, b.bytes, b.len, 0) < 0)
		return -errno;
	return read_answers(sock);
}
