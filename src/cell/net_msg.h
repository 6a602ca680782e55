/*
 * Netlink messages in one buffer (netlink(7)): several of them are sent at once and each is
 * acknowledged. Nesting and lengths are kept here so that callers read as what they ask for.
 */
#ifndef CELL_NET_MSG_H
#define CELL_NET_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rationale: the ruleset with 64 literal addresses takes 30 KiB. */
#define NET_MSG_BYTES (48u << 10)

/* Starts as {0} but for bytes, which need not be cleared. */
struct net_msg {
	size_t len;
	size_t head;     /* where the message being written starts */
	unsigned n_acks; /* messages that are to be acknowledged */
	uint32_t seq;
	bool is_open, failed; /* failed: it did not fit; net_msg_exchange() says so */
	_Alignas(4) unsigned char bytes[NET_MSG_BYTES];
};

void net_msg_init(struct net_msg *m);
void net_msg_begin(struct net_msg *m, unsigned type, unsigned flags); /* NLM_F_REQUEST is implied */
void net_msg_want_ack(struct net_msg *m); /* of the message that was begun last, as by NLM_F_ACK */
void net_msg_put(struct net_msg *m, const void *bytes, size_t n);     /* padded to 4 */
void net_msg_attr(struct net_msg *m, unsigned type, const void *bytes, size_t n);
void net_msg_attr_str(struct net_msg *m, unsigned type, const char *s); /* with its NUL */
void net_msg_attr_be32(struct net_msg *m, unsigned type, uint32_t value);
size_t net_msg_nest(struct net_msg *m, unsigned type); /* what it returns goes to net_msg_end() */
void net_msg_end(struct net_msg *m, size_t nest);

/*
 * Sends all messages to the kernel and reads the acknowledgements, which netlink has queued when
 * the send returns. 0, the first error as -errno, or -EPROTO when one is missing. Empties m.
 */
int net_msg_exchange(struct net_msg *m, int sock);

/* A netlink socket of this protocol, close-on-exec: its descriptor or -errno. */
int net_msg_socket(int protocol);

#endif
