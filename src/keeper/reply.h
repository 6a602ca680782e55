/*
 * A response on its way from a host to the proxy: hop-by-hop fields and those of `strip-response`
 * go, content codings are undone and values redacted when the rule says so. HTTP/1 and HTTP/2
 * call it in the order head (1xx), head, data, trailers or end.
 */
#ifndef KEEPER_REPLY_H
#define KEEPER_REPLY_H

#include "base/err.h"
#include "keeper/out.h"
#include "keeper/redact.h"
#include "policy/rules.h"

#include <stdbool.h>

/* Rationale: 100, 103 and a few 102 of a slow server; more is a flood. */
#define REPLY_INFORMATIONAL_MAX 16u

/* Rationale: what is decoded at once may become a thousand times as much. */
#define REPLY_DECODE_BYTES 4096u

struct decode;
struct limit;

/* What all replies of a keeper have in common. */
struct reply_rules {
	const struct policy_item *strips;
	size_t n_strips;
	struct redact *redact; /* NULL: the rule says no, or there is nothing to find */
	bool decodes; /* redact = yes */
	struct limit *limit;
};

struct reply {
	const struct reply_rules *rules;
	struct out *out;
	struct decode *decode; /* NULL: no coding */
	struct redact_stream *stream; /* in stream_block; made when it is first needed */
	void *stream_block;
	struct buf data; /* that has not been sent */
	const char *why; /* of the last failure, static text */
	unsigned n_informational;
	bool has_head; /* the final one has been sent */
	bool is_bodiless; /* whatever the head says: HEAD, 204, 304 */
	bool is_head_request;
	bool asked_upgrade, is_opaque;
};

void reply_init(struct reply *reply, const struct reply_rules *rules, struct out *out);
void reply_done(struct reply *reply);

/* Before each request. */
void reply_begin(struct reply *reply, bool is_head_request, bool asked_upgrade);

/*
 * 0, or -errno with reply->why: what the host sends is not to be passed on. Fields are in lower
 * case, without checks of their names and values by others; values are changed in place.
 */
int reply_head(struct reply *reply, struct keepmsg_head *head);
int reply_data(struct reply *reply, const char *bytes, size_t n);

/* trailers may be NULL. Afterwards everything but KEEPMSG_END has been sent. */
int reply_end(struct reply *reply, struct keepmsg_head *trailers);

/* Sends what has gathered. Should: be called after each piece read from the host. */
int reply_flush(struct reply *reply);

/* How many bytes may be read from the host at once. */
size_t reply_room(const struct reply *reply);

/*
 * The redactor holds back bytes that may begin a value. A peer that waits for an answer to them
 * would wait for ever: when nothing has come for REPLY_RELEASE_MS, a few go on. When the rest of a
 * value comes after all, however slowly, it is overwritten.
 */
#define REPLY_RELEASE_MS 200
bool reply_may_release(const struct reply *reply);
int reply_release(struct reply *reply);

#endif
