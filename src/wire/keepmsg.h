/*
 * Messages of the keepers, the processes that hold one rule's secret each.
 *
 * Three kinds of sockets, all SOCK_SEQPACKET. The warden tells the keepers' mother to start one
 * (struct keepmsg_start). The proxy hands a connection to a rule's keeper over the rule's socket
 * (struct keepmsg_open, with two descriptors: the channel's end and the connected server). Over the
 * channel go exchanges, one after the other: a request's head, its body and end; a response's heads
 * (several, while they are 1xx), body and end. Each message on a channel is one enum keepmsg_type
 * as uint32_t, then its payload.
 *
 * Both sides decode with keepmsg_get_head(): a keeper does not trust the proxy, which parses the
 * cell's bytes, and the proxy does not trust a keeper, which parses the server's.
 */
#ifndef WIRE_KEEPMSG_H
#define WIRE_KEEPMSG_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rationale: a TLS record holds 16 KiB; larger messages only cost memory. */
#define KEEPMSG_DATA_MAX (16u << 10)
/* Rationale: servers take 8 to 32 KiB of request head; responses' cookies seldom fill half of it. */
#define KEEPMSG_HEAD_MAX (64u << 10)
#define KEEPMSG_FIELDS_MAX 128u
#define KEEPMSG_MAX (KEEPMSG_HEAD_MAX + 4u)
#define KEEPMSG_REASON_MAX 160u

enum keepmsg_type {
	/* proxy to keeper */
	KEEPMSG_REQUEST = 1, /* a head */
	KEEPMSG_BODY,        /* at most KEEPMSG_DATA_MAX bytes; also of an upgraded connection */
	KEEPMSG_BODY_END,    /* nothing; a request without body has one too */
	/* keeper to proxy */
	KEEPMSG_RESPONSE, /* a head; 1xx: another one follows */
	KEEPMSG_DATA,     /* at most KEEPMSG_DATA_MAX bytes */
	KEEPMSG_TRAILERS, /* a head with fields alone */
	KEEPMSG_END,      /* uint32_t: 1 when the channel can take another request */
	KEEPMSG_FAILED,   /* uint32_t status for the client (502, 429...), then the reason as text:
			     no response began, or the one that did is broken off */
	KEEPMSG_TYPE_COUNT
};

struct keepmsg_text {
	const char *at; /* NULL: not there */
	size_t n;
};

struct keepmsg_field {
	struct keepmsg_text name, value; /* name in lower case (RFC 9113, 8.2) */
};

enum keepmsg_framing {
	KEEPMSG_NO_BODY,
	KEEPMSG_LENGTH,  /* head.length bytes follow */
	KEEPMSG_UNKNOWN, /* as many as come before the end (chunked, HTTP/2 without a length) */
	KEEPMSG_FRAMING_COUNT
};

/* Flags of a head. */
#define KEEPMSG_PASS 1u     /* request: of a rule with `else = pass`, inject nothing */
#define KEEPMSG_UPGRADE 2u  /* request: asks for WebSocket; response: 101, opaque from here on */
#define KEEPMSG_H2 4u       /* request: the client speaks HTTP/2, so may the server */
#define KEEPMSG_CONTINUE 8u /* request: the client waits for 100 before it sends the body */

/* Points into the message that it was decoded from. */
struct keepmsg_head {
	uint32_t flags;
	uint32_t status;                   /* responses: 100 to 599; else 0 */
	enum keepmsg_framing framing;
	uint64_t length;                   /* LENGTH */
	struct keepmsg_text method;        /* requests: a token */
	struct keepmsg_text path;          /* requests: in normal form, see policy/urlpath.h; or "*" */
	struct keepmsg_text query;         /* requests: without '?'; at is NULL: there is none */
	struct keepmsg_field fields[KEEPMSG_FIELDS_MAX];
	size_t n_fields;
};

/*
 * Appends type and head to out. Which fields stand in a head: no hop-by-hop field, no host, no
 * content-length, no transfer-encoding, no trailer, no expect: framing says what they said. 0, or
 * -E2BIG when it is larger than KEEPMSG_HEAD_MAX.
 */
int keepmsg_put_head(struct buf *out, enum keepmsg_type type, const struct keepmsg_head *head);

/*
 * Decodes the payload (what follows the type) of REQUEST, RESPONSE or TRAILERS and checks it: sizes,
 * method a token, path starting with '/' or "*", names lower-case tokens (RFC 9110, 5.6.2), values
 * without CR, LF and NUL and without blanks around them, none of the fields named above, status in
 * range. 0 or -EPROTO.
 */
int keepmsg_get_head(enum keepmsg_type type, const char *bytes, size_t n, struct keepmsg_head *ret);

/* Is it a name that never stands in a head because it is hop-by-hop or framing? n bytes, any case. */
bool keepmsg_is_framing_name(const char *name, size_t n);

/* With the two descriptors: channel, connected server, in this order. */
struct keepmsg_open {
	uint32_t version; /* KEEPMSG_OPEN_VERSION */
	uint16_t port;
	uint16_t is_plain; /* no TLS towards the server: the rule must say `plain = yes` */
	char host[254];    /* NUL-terminated, normal form: what is verified and written as Host */
	char padding[2];
};
#define KEEPMSG_OPEN_VERSION 1u

/*
 * Where there is no keeper, because a secret could not be fetched or one has died before its ttl was
 * over, the warden takes keepmsg_open out of the rule's socket and answers KEEPMSG_FAILED on the
 * channel, perhaps before the request is sent: what is there to be read counts more than a failed
 * send. Where it has given the keeper's end away (no ttl), a keeper that has died is end of file,
 * or ECONNRESET, at the proxy's end for the rest of the session.
 */

/* Rationale: shorter values stand in any text by chance; they are not taken out of responses. */
#define KEEPMSG_REDACT_MIN 8u

/* ---- warden and mother ---- */

/* A rule's secrets: each comes through a pipe of its own. */
enum keepmsg_slot {
	KEEPMSG_SLOT_SECRET,
	KEEPMSG_SLOT_CERT,    /* client-cert: PEM */
	KEEPMSG_SLOT_KEY,     /* client-key: PEM */
	KEEPMSG_SLOT_KEY_ID,  /* key-id of a signing rule */
	KEEPMSG_SLOT_SESSION, /* session-token of a signing rule */
	KEEPMSG_SLOT_COUNT
};

/* Rationale: keys and certificate chains have some kilobytes; a pipe holds 64 KiB. */
#define KEEPMSG_SECRET_MAX (32u << 10)

/*
 * Warden to mother: start the keeper of a rule. Descriptors with it: the rule's socket, then a pipe
 * for each bit of slots, in the order of enum keepmsg_slot. A pipe brings the value and its end.
 */
struct keepmsg_start {
	uint32_t rule;  /* index in policy_rules() */
	uint32_t slots; /* bit of each slot that has a pipe */
	uint32_t ttl_s; /* the keeper ends by itself after so many seconds; 0: with the session */
	uint32_t serial; /* of the rule's keepers: one that has expired may outlive its ttl */
};

/* Mother to warden: a keeper has ended. */
struct keepmsg_ended {
	uint32_t rule;
	uint32_t serial; /* keepmsg_start's */
	int32_t status; /* wait status; exit status KEEPMSG_EXIT_EXPIRED: ttl is over, all is well */
	char reason[KEEPMSG_REASON_MAX]; /* for people, may be empty; never of the secret */
};
#define KEEPMSG_EXIT_EXPIRED 3

/*
 * Descriptor numbers of the mother (`agentjail @keeper`).
 */
enum keeper_fd {
	KEEPER_FD_POLICY = 3, /* memfd, policy_undump() */
	KEEPER_FD_WARDEN,     /* SOCK_SEQPACKET: keepmsg_start in, keepmsg_ended out */
	KEEPER_FD_ROOTS,      /* memfd: the host's certificate authorities, PEM */
	KEEPER_FD_COUNT
};

#endif
