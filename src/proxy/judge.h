/*
 * From a request as one of the two parsers saw it to the one that a keeper may send: which rule it
 * falls under, with every name and byte in canonical form. Pure but for memory.
 */
#ifndef PROXY_JUDGE_H
#define PROXY_JUDGE_H

#include "base/buf.h"
#include "policy/policy.h"
#include "policy/rules.h"
#include "proxy/proxy.h"
#include "wire/keepmsg.h"

struct judge_request {
	bool is_plain;
	bool is_h2;
	struct keepmsg_text method;
	struct keepmsg_text target; /* origin-form or "*"; an absolute-form has been taken apart */
	/*
	 * Every authority that the request names: HTTP/1: Host, and that of an absolute-form;
	 * HTTP/2: :authority and every host field. All of them must be the connection's target.
	 */
	struct keepmsg_text authorities[4];
	size_t n_authorities;
	struct keepmsg_field fields[KEEPMSG_FIELDS_MAX]; /* as received, any case; without Host */
	size_t n_fields;
	enum keepmsg_framing framing;
	uint64_t length;
	bool has_upgrade; /* to "websocket", nothing else; the parsers refuse or drop the others */
	bool expects_continue;
};

enum judge_verdict { JUDGE_RULE, JUDGE_PASS, JUDGE_REFUSED };

struct judge_result {
	enum judge_verdict verdict;
	const struct rules_rule *rule;
	struct keepmsg_head head; /* points into the request and into arena */
	struct buf arena;
	unsigned status;    /* REFUSED: 400, 403, 405, 421, 431... */
	char reason[160];   /* REFUSED: for people, one line, no byte of the query or of a value */
};

/*
 * Judges. What goes: hop-by-hop fields and those that Connection names (naming host,
 * content-length or transfer-encoding: 400), proxy-*, http2-settings, te (but "trailers" in
 * HTTP/2), trailer, expect; with verdict RULE also what could steer the host past the rule
 * (x-http-method-override, x-original-url, forwarded, x-forwarded-*...) and other ways of saying
 * who one is. The overwriting of the rule's own fields is the keeper's.
 */
void judge(const struct proxy *proxy, const struct target *target,
	const struct judge_request *request, struct judge_result *ret);
void judge_done(struct judge_result *result);

#endif
