/*
 * May the cell reach HOST:PORT? Pure, in the proxy and in verbs. The name is a hostile request's,
 * the address a hostile name server's.
 */
#include "policy/decide.h"

#include "base/cleanup.h"
#include "policy/address.h"
#include "policy/hostmatch.h"
#include "policy/store.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static void answer(struct policy_answer *ret, enum policy_verdict verdict, enum policy_key key,
	const struct policy_item *item, const char *reason)
{
	*ret = (struct policy_answer){ .verdict = verdict,
		.key = key,
		.item = item,
		.reason = reason };
}

const struct policy_item *decide_find_host(const struct policy *policy, enum policy_key key,
	const char *host, uint16_t port)
{
	const struct store_list *list = &policy->lists[key];
	bool any_port = key == PK_EGRESS_DENY || key == PK_EGRESS_PRIVATE;

	for (size_t i = 0; i < list->n; i++) {
		struct hostmatch entry;

		if (hostmatch_parse(list->items[i].value, &entry) == HOSTMATCH_OK &&
			hostmatch_covers(&entry, host, port, any_port))
			return &list->items[i];
	}
	return NULL;
}

/* A literal address in `deny` holds for names that resolve to it as well. */
static const struct policy_item *find_address(const struct policy *policy, enum policy_key key,
	const struct policy_question *question)
{
	char text[INET6_ADDRSTRLEN];

	if (question->address == NULL ||
		inet_ntop(question->family, question->address, text, sizeof(text)) == NULL)
		return NULL;
	return decide_find_host(policy, key, text, question->port);
}

/* The host is an address itself: a line has to have it, and then it may be any address. */
static void judge_literal(const struct policy_question *question,
	const struct hostmatch_literal *literal, struct policy_answer *ret)
{
	struct hostmatch_literal resolved = { .family = question->family };
	const char *why;

	if (address_classify(literal->family, literal->address, &why) == ADDRESS_NEVER) {
		answer(ret, POLICY_DENIED, PK_COUNT, NULL, why);
		return;
	}
	if (question->address == NULL)
		return;
	if (question->family == AF_INET || question->family == AF_INET6)
		memcpy(resolved.address, question->address, question->family == AF_INET ? 4 : 16);
	if (!hostmatch_equal(literal, &resolved))
		answer(ret, POLICY_DENIED, PK_COUNT, NULL, "the address is not the one asked for");
}

static void judge_address(const struct policy *policy, const struct policy_question *question,
	struct policy_answer *ret)
{
	const struct policy_item *item;
	enum address_class class;
	const char *why;

	if (question->address == NULL)
		return;
	if (strcmp(question->host, "localhost") == 0) {
		if (!address_is_loopback(question->family, question->address))
			answer(ret, POLICY_DENIED, PK_COUNT, NULL, "localhost is elsewhere");
		return;
	}
	class = address_classify(question->family, question->address, &why);
	if (class == ADDRESS_PUBLIC)
		return;
	item = class == ADDRESS_SPECIAL
		? decide_find_host(policy, PK_EGRESS_PRIVATE, question->host, question->port)
		: NULL;
	if (item != NULL)
		answer(ret, POLICY_ALLOWED, PK_EGRESS_PRIVATE, item,
			"allowed, and may lead into your network");
	else
		answer(ret, POLICY_DENIED, PK_COUNT, NULL, why);
}

/* A rule allows its host; a line that does so as well is what a person looks for first. */
static bool is_allowed(const struct policy *policy, const struct policy_question *question,
	bool is_literal, struct policy_answer *ret)
{
	const struct policy_item *item =
		decide_find_host(policy, PK_EGRESS_ALLOW, question->host, question->port);

	if (item != NULL) {
		answer(ret, POLICY_ALLOWED, PK_EGRESS_ALLOW, item, "allowed by name");
		return true;
	}
	for (size_t i = 0; i < policy->n_rules; i++) {
		const struct rules_rule *rule = policy->rules[i];

		if (!rules_covers(rule, question->host, question->port, false) &&
			!rules_covers(rule, question->host, question->port, true))
			continue;
		answer(ret, POLICY_ALLOWED, PK_COUNT, rules_value(rule, RULES_HOST),
			"allowed by an [inject] rule");
		ret->rule = rule;
		return true;
	}
	answer(ret, POLICY_DENIED, PK_COUNT, NULL,
		is_literal ? "no line of [egress] allow has this very address"
			   : "no line of [egress] allow and no [inject] rule has it");
	return false;
}

void decide_connect(const struct policy *policy, const struct policy_question *question,
	struct policy_answer *ret)
{
	struct hostmatch_literal literal;
	const struct policy_item *item;
	char normal[254];
	bool is_literal;

	answer(ret, POLICY_DENIED, PK_COUNT, NULL, "no host name");
	if (question->host == NULL || question->port == 0)
		return;
	is_literal = hostmatch_is_literal(question->host, &literal);
	if (!is_literal && (!policy_host_normal(question->host, strlen(question->host), normal) ||
				   strcmp(normal, question->host) != 0))
		return;
	item = decide_find_host(policy, PK_EGRESS_DENY, question->host, question->port);
	if (item == NULL)
		item = find_address(policy, PK_EGRESS_DENY, question);
	if (item != NULL) {
		answer(ret, POLICY_DENIED, PK_EGRESS_DENY, item, "denied by name");
		return;
	}
	if (!is_allowed(policy, question, is_literal, ret))
		return;
	if (is_literal)
		judge_literal(question, &literal, ret);
	else
		judge_address(policy, question, ret);
}

int policy_localhost_ports(const struct policy *policy, uint16_t *out, size_t max, size_t *ret_n)
{
	const struct store_list *list = &policy->lists[PK_EGRESS_ALLOW];
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++) {
		struct hostmatch entry;
		size_t k = 0;

		if (hostmatch_parse(list->items[i].value, &entry) != HOSTMATCH_OK ||
			entry.kind != HOSTMATCH_NAME || strcmp(entry.name, "localhost") != 0 ||
			decide_find_host(policy, PK_EGRESS_DENY, "localhost", entry.port) != NULL)
			continue;
		while (k < n && out[k] != entry.port)
			k++;
		if (k < n)
			continue;
		if (n == max)
			return -E2BIG;
		out[n++] = entry.port;
	}
	*ret_n = n;
	return 0;
}
