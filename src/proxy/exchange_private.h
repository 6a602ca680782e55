/* Between exchange.c, what a request goes through, and exchange_link.c, the channels. */
#ifndef PROXY_EXCHANGE_PRIVATE_H
#define PROXY_EXCHANGE_PRIVATE_H

#include "proxy/keep.h"
#include "proxy/dial.h"
#include "proxy/exchange.h"
#include "wire/honey.h"
#include "wire/proxymsg.h"

#include <event2/event.h>
#include <event2/event_struct.h>

/* Rationale: servers send one or two (100, 103). */
#define EXCHANGE_INFORMATIONAL_MAX 16u

/*
 * What may happen in which state:
 *
 *	REFUSED		failed() is told from the event loop: over
 *	DIALING		a server is being connected: to SENDING or REFUSED
 *	SENDING		the request's head does not fit the channel yet: to OPEN
 *	OPEN		body there, response back, in any order: over
 */
enum exchange_state { EXCHANGE_REFUSED, EXCHANGE_DIALING, EXCHANGE_SENDING, EXCHANGE_OPEN };

struct exchange {
	struct exchange_peer *peer;
	struct exchange *next;
	const struct exchange_ops *ops;
	void *arg;
	enum exchange_state state;
	const struct rules_rule *rule;
	struct exchange_link *link;
	struct dial *dial;
	struct event later;
	struct buf request; /* encoded; kept while it might have to be sent once more */
	/* the request */
	bool has_body, is_head, is_idempotent, is_upgrade;
	bool is_reused, is_retried;
	bool wants_end; /* exchange_send_end() was called */
	bool is_ended;  /* and the keeper knows */
	bool wants_writable;
	/* the response */
	bool is_reading; /* exchange_read() */
	bool has_head;   /* the final one, or 101 */
	bool is_opaque;  /* behind 101 */
	unsigned n_informational;
	enum keepmsg_framing framing;
	uint64_t left; /* of framing LENGTH */
	struct buf trailers;
	/* REFUSED */
	unsigned status;
	bool is_denied;
	char reason[KEEPMSG_REASON_MAX];
	struct proxymsg msg; /* what its report says; type is 0: nothing yet */
	bool is_report_due;
	struct honey_scan scan; /* of the body */
};

struct exchange_link {
	struct exchange_peer *peer;
	struct exchange_link *next;
	size_t rule;
	int fd;
	struct event event;
	/*
	 * Only while something waits to be sent: the kernel wakes whoever wants to write to a local
	 * socket each time the other end has read.
	 */
	struct event writable;
	struct exchange *x; /* NULL: idle */
	unsigned n_served;
	bool is_busy; /* its event is being handled: dead ones are freed behind it */
	bool is_dead;
};

struct exchange_peer {
	struct proxy *proxy;
	struct target target;
	struct proxymsg msg;
	bool is_plain, is_reported, is_used;
	struct exchange *exchanges;
	struct exchange_link *links;
	size_t n_exchanges, n_links;
};

/* ---- exchange.c ---- */

/* From the event loop alone: x->ops->failed() is called, and x is gone. */
void exchange_fail(struct exchange *x, unsigned status, const char *reason);

/* Once more, over a new channel, if that is harmless; false: it is not. */
bool exchange_retry(struct exchange *x);

/* From the event loop alone: the channel takes more. */
void exchange_can_send(struct exchange *x);
void exchange_send_end_due(struct exchange *x);

/* Reports it, once, when the client has its bytes. */
void exchange_report(struct exchange *x, unsigned status, bool is_denied, const char *reason);

/* Nothing reaches it any more; then its memory. */
void exchange_detach(struct exchange *x);
void exchange_free(struct exchange *x);

/* Cuts to fit; out is terminated. */
void exchange_copy_text(char *out, size_t out_bytes, const char *at, size_t n);

/* ---- exchange_response.c; from the event loop alone: x->ops are called, x may be gone ---- */

void exchange_take_message(struct exchange *x, const struct keep_message *message);
void exchange_lost_channel(struct exchange *x, const char *reason);

/* ---- exchange_link.c ---- */

/* An idle channel of the rule, or NULL. */
struct exchange_link *exchange_link_find(struct exchange_peer *peer, size_t rule);

/* Takes over fd, a channel. NULL: no memory, and fd is closed. */
struct exchange_link *exchange_link_new(struct exchange_peer *peer, size_t rule, int fd);

/* Closes it; its exchange, if any, is not told. */
void exchange_link_close(struct exchange_link *link);

/* Looks for messages again, from the event loop. */
void exchange_link_wake(struct exchange_link *link);

/* exchange_can_send() is called when the channel takes more. */
void exchange_link_wait(struct exchange_link *link);

#endif
