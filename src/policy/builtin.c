/* Pure. Nothing here is hostile: all of it was checked when the program was built. */
#include "policy/builtin.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "policy/lines.h"

#include "builtin_blob.h"

#include <errno.h>
#include <string.h>

bool builtin_is(const char *text, size_t n)
{
	return n == sizeof(builtin_text) && memcmp(text, builtin_text, n) == 0;
}

static int add(struct policy *policy, const char *file, const struct builtin_entry *e,
	const char *value, struct err *err)
{
	struct policy_item item = { .value = value, .origin = { .file = file, .line = e->line } };

	return keys_get(e->key)->kind == KEYS_SINGLE
		? store_set_at(policy, &policy->values[e->key], item, err)
		: store_append_at(policy, &policy->lists[e->key], item, err);
}

/* The entry's text as a path of this user's, with the checks that every such path gets. */
static int resolve(const struct builtin_entry *e, const struct keys_places *places, struct buf *out,
	struct err *err)
{
	const struct keys_info *info = keys_get(e->key);
	int r;

	out->len = 0;
	r = info->check(info, places, builtin_values + e->at, out, err);
	if (r == 0 && out->failed)
		r = err_set(err, ENOMEM, "read a value");
	return r < 0 ? err_prefix(err, "[%s] %s", info->section, info->name) : 0;
}

int builtin_apply(struct policy *policy, const char *file, const struct keys_places *places,
	struct err *err)
{
	AUTO_BUF struct buf path = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(builtin_entries); i++) {
		const struct builtin_entry *e = &builtin_entries[i];
		int r = e->is_relative ? resolve(e, places, &path, err) : 0;

		if (r == 0)
			r = add(policy, file, e, e->is_relative ? path.data : builtin_values + e->at, err);
		if (r < 0)
			return lines_at(err, file, e->line);
	}
	return 0;
}
