/*
 * Runs where profiles are read, after all layers. Rules come from the user and the administrator;
 * an untrusted project has none.
 */
#include "policy/rulecheck.h"

#include "base/cleanup.h"
#include "policy/lines.h"
#include "policy/tools.h"
#include "policy/values.h"

#include <string.h>

#define SECRET "{secret}"

static const struct policy_item *value(const struct rules_rule *rule, enum rules_key key)
{
	return rules_value(rule, key);
}

static int at(const struct policy_item *item, struct err *err)
{
	return lines_at(err, item->origin.file, item->origin.line);
}

static bool has_secret(const struct store_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		if (strstr(list->items[i].value, SECRET) != NULL)
			return true;
	return false;
}

static bool signs(const struct rules_rule *rule)
{
	return !rules_says(rule, RULES_SIGN, "none");
}

static bool uses_secret(const struct rules_rule *rule)
{
	return signs(rule) || value(rule, RULES_BASIC) != NULL ||
		has_secret(&rule->lists[RULES_HEADER]) || has_secret(&rule->lists[RULES_QUERY]);
}

static int check_host(const struct rules_rule *rule, struct err *err)
{
	static const enum rules_key lists[] = { RULES_METHOD, RULES_PATH, RULES_HEADER,
		RULES_REMOVE, RULES_QUERY, RULES_ENV, RULES_STRIP_RESPONSE, RULES_LIMITS };
	static const enum rules_key values[] = { RULES_BASIC, RULES_SECRET, RULES_CA,
		RULES_CLIENT_CERT };

	if (value(rule, RULES_HOST) == NULL) {
		(void)err_set(err, 0, "[inject %s] has no host; write host = NAME", rule->name);
		return lines_at(err, rule->origin.file, rule->origin.line);
	}
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		if (rule->lists[lists[i]].n > 0)
			return 0;
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		if (value(rule, values[i]) != NULL)
			return 0;
	if (signs(rule))
		return 0;
	(void)err_set(err, 0,
		"[inject %s] does nothing; write header = Authorization: Bearer " SECRET
		" and secret = env:NAME, or [egress] allow if the host is only to be reached",
		rule->name);
	return lines_at(err, rule->origin.file, rule->origin.line);
}

static int check_secret(const struct rules_rule *rule, struct err *err)
{
	const struct policy_item *secret = value(rule, RULES_SECRET);

	if (uses_secret(rule) && secret == NULL) {
		(void)err_set(err, 0, "[inject %s] has no secret; write secret = env:NAME, "
			"file:PATH, command:LINE or keyring:SERVICE/ACCOUNT", rule->name);
		return lines_at(err, rule->origin.file, rule->origin.line);
	}
	if (secret != NULL && !uses_secret(rule)) {
		(void)err_set(err, 0, "[inject %s] has a secret and no place for it; write header = "
			"Authorization: Bearer " SECRET ", basic or query", rule->name);
		return at(secret, err);
	}
	return 0;
}

/* Keys that mean nothing without another one. */
static int check_companions(const struct rules_rule *rule, struct err *err)
{
	static const struct companion {
		enum rules_key key, needs;
	} companions[] = {
		{ RULES_CLIENT_CERT, RULES_CLIENT_KEY },
		{ RULES_CLIENT_KEY, RULES_CLIENT_CERT },
		{ RULES_TTL, RULES_SECRET },
		{ RULES_SESSION_TOKEN, RULES_KEY_ID },
	};

	for (size_t i = 0; i < ARRAY_LEN(companions); i++) {
		const struct companion *c = &companions[i];

		if (value(rule, c->key) == NULL || value(rule, c->needs) != NULL)
			continue;
		(void)err_set(err, 0, "[inject %s] %s needs %s too; write it", rule->name,
			rules_key_name(c->key), rules_key_name(c->needs));
		return at(value(rule, c->key), err);
	}
	if (!signs(rule) == (value(rule, RULES_KEY_ID) == NULL))
		return 0;
	(void)err_set(err, 0, "[inject %s] sign = aws and key-id go together; write both",
		rule->name);
	return at(signs(rule) ? value(rule, RULES_SIGN) : value(rule, RULES_KEY_ID), err);
}

static int set_twice(const struct rules_rule *rule, const char *name, size_t n,
	const struct policy_item *first, const struct policy_item *second, struct err *err)
{
	(void)err_set(err, 0, "[inject %s] sets %.*s twice, here and on line %u of %s; delete one",
		rule->name, (int)n, name, first->origin.line, first->origin.file);
	return at(second, err);
}

/* Header names and parameters that are set more than once; `basic` and `sign` set one too. */
static int check_twice(const struct rules_rule *rule, enum rules_key key, struct err *err)
{
	static const char authorization[] = "Authorization";
	const struct store_list *list = &rule->lists[key];
	const struct policy_item *other = value(rule, RULES_BASIC);

	if (other == NULL && signs(rule))
		other = value(rule, RULES_SIGN);
	for (size_t i = 0; i < list->n; i++) {
		const char *text = list->items[i].value;
		size_t n = strcspn(text, key == RULES_HEADER ? ":" : "=");

		if (key == RULES_HEADER && other != NULL &&
			values_same_header(text, n, authorization, strlen(authorization)))
			return set_twice(rule, text, n, other, &list->items[i], err);
		for (size_t k = 0; k < i; k++) {
			const char *before = list->items[k].value;
			size_t m = strcspn(before, key == RULES_HEADER ? ":" : "=");

			if (key == RULES_HEADER ? values_same_header(text, n, before, m)
						: n == m && memcmp(text, before, n) == 0)
				return set_twice(
					rule, text, n, &list->items[k], &list->items[i], err);
		}
	}
	return 0;
}

/* Does the rule have all of its parts? */
static int check_whole(const struct rules_rule *rule, struct err *err)
{
	int r = check_host(rule, err);

	if (r == 0)
		r = check_secret(rule, err);
	return r == 0 ? check_companions(rule, err) : r;
}

static int check_rule(const struct policy *policy, const struct rules_rule *rule, struct err *err)
{
	int r = check_twice(rule, RULES_HEADER, err);

	if (r == 0)
		r = check_twice(rule, RULES_QUERY, err);
	if (r == 0 && signs(rule) && value(rule, RULES_BASIC) != NULL) {
		(void)err_set(err, 0, "[inject %s] has basic and sign; delete one", rule->name);
		r = at(value(rule, RULES_BASIC), err);
	}
	return r == 0 ? rulecheck_places(policy, rule, err) : r;
}

static int check_pairs(const struct policy *policy, struct err *err)
{
	for (size_t i = 0; i < policy->n_rules; i++)
		for (size_t k = 0; k < i; k++)
			if (tools_may_meet(policy, policy->rules[k], policy->rules[i]) &&
				rulecheck_pair(policy->rules[k], policy->rules[i], err) < 0)
				return -err->code;
	return 0;
}

int rulecheck_all(struct policy *policy, bool is_alone, struct err *err)
{
	bool may_add = is_alone && policy->lists[PK_PROFILE_INHERIT].n > 0;
	int r = 0;

	for (size_t i = 0; i < policy->n_rules && r == 0; i++) {
		const struct rules_rule *rule = policy->rules[i];
		bool has_host = value(rule, RULES_HOST) != NULL;

		if (!may_add && (!is_alone || has_host))
			r = check_whole(rule, err);
		if (r == 0)
			r = check_rule(policy, rule, err);
		if (r == 0 && has_host)
			r = rulecheck_doubts(policy, rule, err);
	}
	return r == 0 ? check_pairs(policy, err) : r;
}
