/* What is allowed and probably not meant. Runs where profiles are read. See rulecheck.h. */
#include "policy/rulecheck.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "policy/hostmatch.h"
#include "policy/lines.h"
#include "policy/tenants.h"
#include "policy/values.h"

#include <string.h>

static int warn(struct policy *policy, const struct rules_rule *rule,
	const struct policy_item *item, const char *text, struct err *err)
{
	AUTO_BUF struct buf line = { 0 };
	char shown[160];

	buf_addf(&line, "%s:%u: [inject %s] %s",
		log_quote(item->origin.file, strlen(item->origin.file), shown, sizeof(shown)),
		item->origin.line, rule->name, text);
	if (line.failed)
		return err_set(err, ENOMEM, "keep a warning");
	return store_warn(policy, line.data, err);
}

/* A wildcard over names of many owners. A signature shows nobody the key: those are fine. */
static int judge_breadth(struct policy *policy, const struct rules_rule *rule, struct err *err)
{
	const struct policy_item *item = rules_value(rule, RULES_HOST);
	struct hostmatch host;
	char shown[100];

	if (hostmatch_parse(item->value, &host) != HOSTMATCH_OK ||
		(host.kind != HOSTMATCH_BELOW && host.kind != HOSTMATCH_WITHIN))
		return 0;
	switch (tenants_of(host.name)) {
	case TENANTS_NONE:
		return 0;
	case TENANTS_SHARED:
		if (rule->values[RULES_SECRET].value == NULL || rules_says(rule, RULES_SIGN, "aws"))
			return 0;
		return warn(policy, rule, item,
			"gives the secret to every customer of a hosting service: anybody can have a "
			"name below this host; name the host",
			err);
	case TENANTS_REGISTRY:
		(void)err_set(err, 0,
			"[inject %s] host: '%s' is too wide: names below it are sold; name the domain",
			rule->name,
			log_quote(item->value, strlen(item->value), shown, sizeof(shown)));
		return lines_at(err, item->origin.file, item->origin.line);
	}
	return 0;
}

/* A host that `deny` has is never reached, whatever a rule says. */
static int judge_denied(struct policy *policy, const struct rules_rule *rule, struct err *err)
{
	const struct store_list *denied = &policy->lists[PK_EGRESS_DENY];
	const struct policy_item *item = rules_value(rule, RULES_HOST);
	struct hostmatch host, entry;

	if (hostmatch_parse(item->value, &host) != HOSTMATCH_OK)
		return 0;
	for (size_t i = 0; i < denied->n; i++)
		if (hostmatch_parse(denied->items[i].value, &entry) == HOSTMATCH_OK &&
			entry.port == 0 && hostmatch_contains(&entry, &host))
			return warn(policy, rule, item,
				"serves nothing: a line of [egress] deny has the host", err);
	return 0;
}

/* A credential without {secret} is probably one that was written into the profile. */
static int judge_texts(struct policy *policy, const struct rules_rule *rule, struct err *err)
{
	static const char *const credentials[] = { "authorization", "x-api-key", "api-key",
		"private-token", "job-token", "x-auth-token", "x-access-token", "cookie" };
	const struct store_list *list = &rule->lists[RULES_HEADER];
	int r = 0;

	for (size_t i = 0; i < list->n && r == 0; i++)
		for (size_t k = 0; k < ARRAY_LEN(credentials) && r == 0; k++) {
			const char *text = list->items[i].value;

			if (strstr(text, "{secret}") == NULL &&
				values_same_header(text, strcspn(text, ":"), credentials[k],
					strlen(credentials[k])))
				r = warn(policy, rule, &list->items[i],
					"sends a credential that stands in the profile; name its "
					"source as secret and write {secret}",
					err);
		}
	return r;
}

int rulecheck_doubts(struct policy *policy, const struct rules_rule *rule, struct err *err)
{
	int r = judge_breadth(policy, rule, err);

	if (r == 0)
		r = judge_denied(policy, rule, err);
	if (r == 0)
		r = judge_texts(policy, rule, err);
	if (r == 0 && rules_says(rule, RULES_PLAIN, "yes"))
		r = warn(policy, rule, rules_value(rule, RULES_PLAIN),
			"plain = yes: without TLS the secret is readable on the way, and nobody vouches "
			"for the host",
			err);
	if (r == 0 && rules_says(rule, RULES_REDACT, "no"))
		r = warn(policy, rule, rules_value(rule, RULES_REDACT),
			"redact = no: a host that echoes requests shows commands the secret", err);
	return r;
}
