/* Two rules that may match one request. Runs where profiles are read. See rulecheck.h. */
#include "policy/rulecheck.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "policy/hostmatch.h"
#include "policy/lines.h"
#include "policy/urlpath.h"

#include <string.h>

/* How b's requests relate to a's. */
enum relation { APART, OVERLAP, COVERED };

static enum relation worse(enum relation a, enum relation b)
{
	return a < b ? a : b;
}

static enum relation relate_hosts(const struct rules_rule *a, const struct rules_rule *b)
{
	struct hostmatch host_a, host_b;

	if (a->values[RULES_HOST].value == NULL || b->values[RULES_HOST].value == NULL ||
		hostmatch_parse(a->values[RULES_HOST].value, &host_a) != HOSTMATCH_OK ||
		hostmatch_parse(b->values[RULES_HOST].value, &host_b) != HOSTMATCH_OK)
		return APART;
	if (hostmatch_contains(&host_a, &host_b))
		return COVERED;
	return hostmatch_overlap(&host_a, &host_b) ? OVERLAP : APART;
}

/* Every port that a rule can mean: those of its list, and the two that stand for none. */
static unsigned long port_of(const struct rules_rule *rule, size_t i)
{
	const struct store_list *ports = &rule->lists[RULES_PORT];
	unsigned long port = 0;

	if (ports->n == 0)
		return i == 0 ? 443 : i == 1 ? 80 : 0;
	if (i < ports->n)
		(void)str_to_ulong(ports->items[i].value, UINT16_MAX, &port);
	return port;
}

static enum relation relate_ports(const struct rules_rule *a, const struct rules_rule *b)
{
	bool all = true, any = false;
	unsigned long port;

	for (size_t i = 0; (port = port_of(b, i)) != 0; i++)
		for (int plain = 0; plain <= 1; plain++) {
			bool in_a = rules_covers_port(a, (uint16_t)port, plain != 0);

			if (!rules_covers_port(b, (uint16_t)port, plain != 0))
				continue;
			any = any || in_a;
			all = all && in_a;
		}
	if (!any)
		return APART;
	return all ? COVERED : OVERLAP;
}

static bool has(const struct store_list *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->items[i].value, text) == 0)
			return true;
	return false;
}

static enum relation relate_methods(const struct rules_rule *a, const struct rules_rule *b)
{
	const struct store_list *of_a = &a->lists[RULES_METHOD], *of_b = &b->lists[RULES_METHOD];
	bool all = true, any = false;

	if (of_a->n == 0 || has(of_a, "*"))
		return COVERED;
	if (of_b->n == 0 || has(of_b, "*"))
		return OVERLAP;
	for (size_t i = 0; i < of_b->n; i++) {
		bool in_a = has(of_a, of_b->items[i].value);

		any = any || in_a;
		all = all && in_a;
	}
	if (!any)
		return APART;
	return all ? COVERED : OVERLAP;
}

static const char *path_of(const struct rules_rule *rule, size_t i)
{
	const struct store_list *paths = &rule->lists[RULES_PATH];

	if (paths->n == 0)
		return i == 0 ? "*" : NULL;
	return i < paths->n ? paths->items[i].value : NULL;
}

static enum relation relate_paths(const struct rules_rule *a, const struct rules_rule *b)
{
	bool all = true, any = false;
	const char *of_a, *of_b;

	for (size_t i = 0; (of_b = path_of(b, i)) != NULL; i++) {
		bool is_covered = false;

		for (size_t k = 0; (of_a = path_of(a, k)) != NULL && !is_covered; k++) {
			is_covered = urlpath_contains(of_a, of_b);
			any = any || is_covered || urlpath_overlap(of_a, of_b);
		}
		all = all && is_covered;
	}
	if (!any)
		return APART;
	return all ? COVERED : OVERLAP;
}

static enum relation relate(const struct rules_rule *a, const struct rules_rule *b)
{
	enum relation relation = relate_hosts(a, b);

	if (relation != APART)
		relation = worse(relation, relate_ports(a, b));
	if (relation != APART)
		relation = worse(relation, relate_methods(a, b));
	return relation != APART ? worse(relation, relate_paths(a, b)) : APART;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Would a request become the same whichever of the two served it? */
static bool do_the_same(const struct rules_rule *a, const struct rules_rule *b)
{
	static const enum rules_key values[] = { RULES_BASIC, RULES_SECRET, RULES_CA,
		RULES_CLIENT_CERT, RULES_CLIENT_KEY, RULES_SIGN, RULES_KEY_ID, RULES_SESSION_TOKEN,
		RULES_REDACT };
	static const enum rules_key lists[] = { RULES_HEADER, RULES_REMOVE, RULES_QUERY,
		RULES_STRIP_RESPONSE, RULES_LIMITS };

	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		if (!same_text(a->values[values[i]].value, b->values[values[i]].value))
			return false;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		const struct store_list *x = &a->lists[lists[i]], *y = &b->lists[lists[i]];

		if (x->n != y->n)
			return false;
		for (size_t k = 0; k < x->n; k++)
			if (strcmp(x->items[k].value, y->items[k].value) != 0)
				return false;
	}
	return true;
}

int rulecheck_pair(const struct rules_rule *a, const struct rules_rule *b, struct err *err)
{
	enum relation relation = relate(a, b);
	char shown[120];

	if (relation == APART || do_the_same(a, b) || (a->group == b->group && relation != COVERED))
		return 0;
	(void)log_quote(a->origin.file, strlen(a->origin.file), shown, sizeof(shown));
	if (a->group == b->group)
		(void)err_set(err, 0,
			"[inject %s] is never reached: [inject %s] (%s:%u) takes all its requests "
			"before; put it in front, or narrow the other one",
			b->name, a->name, shown, a->origin.line);
	else
		(void)err_set(err, 0,
			"[inject %s] and [inject %s] (%s:%u) match the same requests, do not do the "
			"same, and are of two layers, so that neither comes first; put both into one "
			"file, let that one inherit the other, or narrow one by method or path",
			b->name, a->name, shown, a->origin.line);
	return lines_at(err, b->origin.file, b->origin.line);
}
