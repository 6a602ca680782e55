/* Runs wherever a policy is read. The lines are the user's own; what is shown of them is quoted. */
#include "policy/sources.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "policy/lines.h"

#include <string.h>

static const struct slot {
	enum rules_key key;
	const char *name;
	bool is_pem;
} slots[] = {
	[KEEPMSG_SLOT_SECRET] = { RULES_SECRET, "secret", false },
	[KEEPMSG_SLOT_CERT] = { RULES_CLIENT_CERT, "client-cert", true },
	[KEEPMSG_SLOT_KEY] = { RULES_CLIENT_KEY, "client-key", true },
	[KEEPMSG_SLOT_KEY_ID] = { RULES_KEY_ID, "key-id", false },
	[KEEPMSG_SLOT_SESSION] = { RULES_SESSION_TOKEN, "session-token", false },
};
_Static_assert(ARRAY_LEN(slots) == KEEPMSG_SLOT_COUNT, "one row a slot");

static const char *const kinds[] = {
	[SOURCES_ENV] = "env",
	[SOURCES_FILE] = "file",
	[SOURCES_COMMAND] = "command",
	[SOURCES_KEYRING] = "keyring",
};
_Static_assert(ARRAY_LEN(kinds) == SOURCES_KIND_COUNT, "one name a kind");

const struct policy_item *sources_item(const struct rules_rule *rule, enum keepmsg_slot slot)
{
	return rules_value(rule, slots[slot].key);
}

const char *sources_key_name(enum keepmsg_slot slot)
{
	return slots[slot].name;
}

const char *sources_kind_name(enum sources_kind kind)
{
	return kinds[kind];
}

bool sources_is_pem(enum keepmsg_slot slot)
{
	return slots[slot].is_pem;
}

bool sources_parse(const char *text, enum sources_kind *ret, const char **ret_arg)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		size_t n = strlen(kinds[i]);

		if (strncmp(text, kinds[i], n) == 0 && text[n] == ':' && text[n + 1] != '\0') {
			*ret = (enum sources_kind)i;
			*ret_arg = text + n + 1;
			return true;
		}
	}
	return false;
}

int sources_err(struct err *err, const struct rules_rule *rule, enum keepmsg_slot slot)
{
	const struct policy_item *item = sources_item(rule, slot);
	char shown[120];

	(void)err_prefix(err, "[inject %s] %s = %s", rules_name(rule), slots[slot].name,
		log_quote(item->value, strlen(item->value), shown, sizeof(shown)));
	return lines_at(err, item->origin.file, item->origin.line);
}
