/* Runs in the warden. Nothing here is hostile, and nothing secret: of a real value the shape alone.
 */
#include "warden/fakes.h"

#include "base/cleanup.h"
#include "policy/rules.h"

#include <errno.h>
#include <string.h>

/* The variables that AWS' clients sign with, and which of a rule's values stands behind each. */
static const struct aws {
	const char *variable;
	enum keepmsg_slot slot;
	enum rules_key key; /* there is no fake without this key */
} aws[] = {
	{ "AWS_ACCESS_KEY_ID", KEEPMSG_SLOT_KEY_ID, RULES_SIGN },
	{ "AWS_SECRET_ACCESS_KEY", KEEPMSG_SLOT_SECRET, RULES_SIGN },
	{ "AWS_SESSION_TOKEN", KEEPMSG_SLOT_SESSION, RULES_SESSION_TOKEN },
};

bool fakes_has(const struct fakes *fakes, const char *name, size_t n)
{
	const char *fake = fakes->list.data;

	for (size_t i = 0; i < fakes->n; i++, fake += strlen(fake) + 1)
		if (strncmp(fake, name, n) == 0 && fake[n] == '=')
			return true;
	return false;
}

/* What the variable's name says of its contents, if the real value says nothing. */
static struct shape choose(const char *variable, struct shape real)
{
	struct shape named = shape_of_name(variable);

	if (real.bytes == 0)
		return named;
	return real.kind != 0 || named.kind == 0 ? real : (struct shape){ named.kind, real.bytes };
}

static int add(struct fakes *fakes, const char *variable, struct shape real, struct err *err)
{
	int r;

	if (fakes_has(fakes, variable, strlen(variable)))
		return 0;
	buf_addf(&fakes->list, "%s=", variable);
	r = shape_fake(choose(variable, real), &fakes->list);
	buf_add(&fakes->list, "", 1);
	if (r < 0 || fakes->list.failed)
		return err_set(err, r < 0 ? -r : ENOMEM, "make a fake for %s", variable);
	fakes->n++;
	return 0;
}

static const struct aws *find_aws(const char *variable)
{
	for (size_t i = 0; i < ARRAY_LEN(aws); i++)
		if (strcmp(aws[i].variable, variable) == 0)
			return &aws[i];
	return NULL;
}

static int add_rule(struct fakes *fakes, const struct rules_rule *rule,
	const struct source_shapes *shapes, struct err *err)
{
	bool is_aws = rules_says(rule, RULES_SIGN, "aws");
	size_t n;
	const struct policy_item *items = rules_list(rule, RULES_ENV, &n);

	for (size_t i = 0; is_aws && i < ARRAY_LEN(aws); i++)
		if (rules_value(rule, aws[i].key) != NULL &&
			add(fakes, aws[i].variable, shapes->slots[aws[i].slot], err) < 0)
			return -err->code;
	for (size_t i = 0; i < n; i++) {
		const struct aws *a = is_aws ? find_aws(items[i].value) : NULL;
		enum keepmsg_slot slot = a != NULL ? a->slot : KEEPMSG_SLOT_SECRET;

		if (add(fakes, items[i].value, shapes->slots[slot], err) < 0)
			return -err->code;
	}
	return 0;
}

int fakes_make(const struct policy *policy, const struct source_shapes *shapes, struct fakes *ret,
	struct err *err)
{
	size_t n;
	const struct rules_rule *const *rules = rules_all(policy, &n);

	for (size_t i = 0; shapes != NULL && i < n; i++)
		if (add_rule(ret, rules[i], &shapes[i], err) < 0)
			return -err->code;
	return 0;
}
