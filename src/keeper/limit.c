/*
 * How much of a rule has been used. Runs in a keeper; pure but for the clock. A window begins with
 * its first use.
 */
#include "keeper/limit.h"


#define MINUTE_MS (60 * 1000)
#define DAY_MS (24 * 3600 * (int64_t)1000)

void limit_init(struct limit *limit, const struct rules_rule *rule, struct limit_use *use)
{
	size_t n = 0;
	const struct policy_item *items = rules_list(rule, RULES_LIMITS, &n);

	*limit = (struct limit){ use, UINT64_MAX, UINT64_MAX };
	for (size_t i = 0; i < n; i++) {
		enum rules_unit unit;
		uint64_t most, *now;

		if (!rules_limit(items[i].value, &unit, &most))
			continue;
		now = unit == RULES_BYTES_A_DAY ? &limit->bytes_a_day : &limit->requests_a_minute;
		*now = most < *now ? most : *now;
	}
}

static void begin(int64_t *start_ms, uint64_t *used, int64_t now_ms, int64_t length_ms)
{
	if (*start_ms != 0 && now_ms - *start_ms < length_ms)
		return;
	*start_ms = now_ms;
	*used = 0;
}

const char *limit_bytes(struct limit *limit, int64_t now_ms, size_t n)
{
	begin(&limit->use->day_ms, &limit->use->bytes, now_ms, DAY_MS);
	limit->use->bytes += n;
	return limit->use->bytes <= limit->bytes_a_day ? NULL
						       : "the rule's bytes of this day are used up";
}

const char *limit_request(struct limit *limit, int64_t now_ms)
{
	begin(&limit->use->minute_ms, &limit->use->requests, now_ms, MINUTE_MS);
	if (limit->use->requests >= limit->requests_a_minute)
		return "the rule's requests of this minute are used up";
	begin(&limit->use->day_ms, &limit->use->bytes, now_ms, DAY_MS);
	if (limit->use->bytes >= limit->bytes_a_day)
		return "the rule's bytes of this day are used up";
	limit->use->requests++;
	return NULL;
}
