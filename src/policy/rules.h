/*
 * The rules: [inject NAME] sections, in the order of their first lines over all layers; a file comes
 * before what it inherits. A rule is immutable after policy_load() and lives as long as the policy.
 *
 * A later layer's section of the same name adds to the earlier one: single values are replaced,
 * lists append, `!ENTRY` takes away, as everywhere. An untrusted project's file adds none.
 */
#ifndef POLICY_RULES_H
#define POLICY_RULES_H

#include "policy/policy.h"

/* Keys of a rule, in the order of the table in keys.c. */
enum rules_key {
	RULES_HOST, /* a name or *.SUFFIX; needed */
	RULES_PORT, /* list; none: 443 (80 with plain = yes) */
	RULES_METHOD, /* list; none: every method but TRACE, TRACK and CONNECT */
	RULES_PATH, /* list of globs on the normal form; none: every path */
	RULES_HEADER, /* lines "Name: text with {secret}" */
	RULES_REMOVE, /* list of header names that the cell's request loses */
	RULES_QUERY, /* lines "name=text with {secret}" */
	RULES_BASIC, /* "user:{secret}", "{secret}" (user and password): Authorization: Basic */
	RULES_SECRET, /* env: file: command: keyring: */
	RULES_TTL, /* seconds after which a secret is fetched anew */
	RULES_CA, /* file with the only authorities that may vouch for the host */
	RULES_CLIENT_CERT, /* source, PEM */
	RULES_CLIENT_KEY, /* source, PEM */
	RULES_SIGN, /* none | aws: signs anew what the client signed with a fake (SigV4) */
	RULES_KEY_ID, /* source: sign */
	RULES_SESSION_TOKEN, /* source: sign; may be missing */
	RULES_PLAIN, /* no | yes: also without TLS */
	RULES_ENV, /* list of variables that get a shaped fake in the cell */
	RULES_REDACT, /* yes | no */
	RULES_STRIP_RESPONSE, /* list of header names that responses lose */
	RULES_LIMITS, /* list: "60/minute" requests, "200M/day" bytes, see rules_limit() */
	RULES_ELSE, /* refuse | pass: a request that no rule of this host matches */
	RULES_KEY_COUNT
};

struct rules_rule;

/* Where the program of `command:` is looked for when it is a bare name. */
#define RULES_COMMAND_PATH "/usr/local/bin:/usr/bin:/bin"

/* All rules; *ret_n may be 0. Indexes are the same in every process of a session. */
const struct rules_rule *const *rules_all(const struct policy *policy, size_t *ret_n);

/* "header" of RULES_HEADER. */
const char *rules_key_name(enum rules_key key);
bool rules_key_is_list(enum rules_key key); /* lists and lines */

const char *rules_name(const struct rules_rule *rule);
struct policy_origin rules_origin(const struct rules_rule *rule); /* of its first line */
size_t rules_index(const struct rules_rule *rule);

/* Items of a list or line key in layer order. */
const struct policy_item *rules_list(const struct rules_rule *rule, enum rules_key key,
	size_t *ret_n);

/* The effective item of a single-valued key; NULL where it is not set and has no default. */
const struct policy_item *rules_value(const struct rules_rule *rule, enum rules_key key);

bool rules_says(const struct rules_rule *rule, enum rules_key key, const char *word);

bool rules_covers_port(const struct rules_rule *rule, uint16_t port, bool plain);

/* Does the rule speak of this host and port? plain: a connection without TLS. */
bool rules_covers(const struct rules_rule *rule, const char *host, uint16_t port, bool plain);

/* Does any rule? Then TLS to it is ended by the proxy and every request is judged. */
bool rules_cover(const struct policy *policy, const char *host, uint16_t port, bool plain);

/*
 * Does the rule match a request to a host that it covers? path in normal form (policy/urlpath.h).
 */
bool rules_match(const struct rules_rule *rule, const char *method, const char *path);

/*
 * What echoes a request (TRACE, TRACK) or opens a tunnel (CONNECT) is refused for every host that
 * has a rule, whatever the rule says.
 */
bool rules_may_serve(const char *method);

enum rules_unit { RULES_REQUESTS_A_MINUTE, RULES_BYTES_A_DAY };

/* Parses one entry of `limits`. False when it is none. */
bool rules_limit(const char *entry, enum rules_unit *ret_unit, uint64_t *ret_n);

#endif
