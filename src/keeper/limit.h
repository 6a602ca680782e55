/* `limits` of a rule: how much of it may be used. What was used outlives one keeper. */
#ifndef KEEPER_LIMIT_H
#define KEEPER_LIMIT_H

#include "policy/rules.h"

#include <stdbool.h>
#include <stdint.h>

/* What was used; in memory that the mother shares with one keeper of the rule after the other. */
struct limit_use {
	int64_t minute_ms, day_ms; /* CLOCK_MONOTONIC where each began; 0: not yet */
	uint64_t requests, bytes;
};

struct limit {
	struct limit_use *use;
	uint64_t requests_a_minute, bytes_a_day; /* UINT64_MAX: as many as one likes */
};

void limit_init(struct limit *limit, const struct rules_rule *rule, struct limit_use *use);

/* One request more: NULL, or why not, static text for people. */
const char *limit_request(struct limit *limit, int64_t now_ms);

/* n body bytes more, of either direction: NULL, or why not. They count in any case. */
const char *limit_bytes(struct limit *limit, int64_t now_ms, size_t n);


#endif
