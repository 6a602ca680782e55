/*
 * What a rule says and which requests it means. Pure, in the warden, the proxy, keepers and verbs;
 * hosts, methods and paths come from hostile requests.
 */
#include "policy/rules.h"

#include "base/cleanup.h"
#include "policy/hostmatch.h"
#include "policy/keys.h"
#include "policy/store.h"
#include "policy/urlpath.h"

#include <stdio.h>
#include <string.h>

#define PORT_TLS 443
#define PORT_PLAIN 80

const struct rules_rule *const *rules_all(const struct policy *policy, size_t *ret_n)
{
	*ret_n = policy->n_rules;
	return (const struct rules_rule *const *)policy->rules;
}

const char *rules_name(const struct rules_rule *rule)
{
	return rule->name;
}

struct policy_origin rules_origin(const struct rules_rule *rule)
{
	return rule->origin;
}

size_t rules_index(const struct rules_rule *rule)
{
	return rule->index;
}

const struct policy_item *rules_list(const struct rules_rule *rule, enum rules_key key,
	size_t *ret_n)
{
	*ret_n = rule->lists[key].n;
	return rule->lists[key].items;
}

const struct policy_item *rules_value(const struct rules_rule *rule, enum rules_key key)
{
	return rule->values[key].value != NULL ? &rule->values[key] : NULL;
}

bool rules_says(const struct rules_rule *rule, enum rules_key key, const char *word)
{
	return rule->values[key].value != NULL && strcmp(rule->values[key].value, word) == 0;
}

static bool has(const struct store_list *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->items[i].value, text) == 0)
			return true;
	return false;
}

bool rules_covers_port(const struct rules_rule *rule, uint16_t port, bool plain)
{
	const struct store_list *ports = &rule->lists[RULES_PORT];
	char text[8];

	if (plain && !rules_says(rule, RULES_PLAIN, "yes"))
		return false;
	if (ports->n == 0)
		return port == (plain ? PORT_PLAIN : PORT_TLS);
	(void)snprintf(text, sizeof(text), "%u", port);
	return has(ports, text);
}

bool rules_covers(const struct rules_rule *rule, const char *host, uint16_t port, bool plain)
{
	struct hostmatch entry;

	if (rule->values[RULES_HOST].value == NULL || !rules_covers_port(rule, port, plain) ||
		hostmatch_parse(rule->values[RULES_HOST].value, &entry) != HOSTMATCH_OK)
		return false;
	entry.port = port;
	return hostmatch_covers(&entry, host, port, false);
}

bool rules_cover(const struct policy *policy, const char *host, uint16_t port, bool plain)
{
	for (size_t i = 0; i < policy->n_rules; i++)
		if (rules_covers(policy->rules[i], host, port, plain))
			return true;
	return false;
}

bool rules_may_serve(const char *method)
{
	return strcmp(method, "TRACE") != 0 && strcmp(method, "TRACK") != 0 &&
		strcmp(method, "CONNECT") != 0;
}

bool rules_match(const struct rules_rule *rule, const char *method, const char *path)
{
	const struct store_list *methods = &rule->lists[RULES_METHOD];
	const struct store_list *paths = &rule->lists[RULES_PATH];

	if (!rules_may_serve(method) ||
		(methods->n > 0 && !has(methods, method) && !has(methods, "*")))
		return false;
	for (size_t i = 0; i < paths->n; i++)
		if (urlpath_matches(paths->items[i].value, path))
			return true;
	return paths->n == 0;
}
