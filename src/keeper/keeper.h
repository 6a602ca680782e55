/* What one keeper has: a rule, its values, and the connections that use them. */
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

#include "keeper/inject.h"
#include "keeper/limit.h"
#include "keeper/reply.h"
#include "keeper/secret.h"
#include "policy/rules.h"

#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdbool.h>

/* Rationale: two hundred busy clients of a cell, each with the few connections it keeps open. */
#define KEEPER_CHANNELS_MAX 1024u

/* Rationale: of bodies that are read whole (sign.h), a few of the largest; memory is the user's. */
#define KEEPER_GATHERED_MAX (64u << 20)

struct channel;

struct keeper {
	const struct policy *policy;
	const struct rules_rule *rule;
	struct secret_store secrets;
	struct inject *inject;
	struct reply_rules reply;
	struct limit limit;
	SSL_CTX *tls;
	struct event_base *base;
	int door; /* the rule's socket; -1: no more channels are taken */
	struct event *door_event, *ttl_event;
	struct channel *channels;
	size_t n_channels;
	size_t gathered_bytes; /* of bodies that are being read whole */
	bool is_expired;
	/* Between a message and what becomes of it nothing else runs: one of each is enough. */
	struct inject_request request;
	struct keepmsg_head head;
};

/* What the mother has for a keeper. Descriptors become the keeper's. */
struct keeper_start {
	const struct policy *policy;
	const struct rules_rule *rule;
	X509_STORE *roots;
	struct limit_use *use;
	uint32_t ttl_s;
	int door;
	int secrets[KEEPMSG_SLOT_COUNT]; /* -1: not given */
};

/*
 * Should: be called in a process of its own that has no other descriptor. Reads the values, locks
 * itself up and serves until the door closes or ttl is over. Returns an exit status, with err for
 * the warden when it is not 0.
 */
int keeper_run(struct keeper *keeper, const struct keeper_start *start, struct err *err);

/* A channel has gone. Ends the loop when it was the last one of an expired keeper. */
void keeper_channel_gone(struct keeper *keeper);

#endif
