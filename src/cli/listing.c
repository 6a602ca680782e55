/* See listing.h. Values and file names may come from a hostile project: always quoted. */
#include "cli/listing.h"

#include "base/cleanup.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Rationale: where the origins start; most lines of the installed profiles are shorter. */
#define ORIGIN_COLUMN 56

void listing_walk(const struct policy *policy, listing_each *each, void *context)
{
	for (size_t k = 0; k < PK_COUNT; k++) {
		enum policy_key key = (enum policy_key)k;
		const struct policy_item *items = policy_value(policy, key);
		size_t n = 1;

		if (policy_key_is_list(key))
			items = policy_list(policy, key, &n);
		for (size_t i = 0; i < n; i++)
			each(key, &items[i], context);
	}
}

void listing_add_quoted(struct buf *out, const char *text)
{
	size_t n = strlen(text), room = 4 * n + 16; /* \xNN for every byte */
	AUTO_FREE char *quoted = malloc(room);

	if (quoted == NULL) {
		out->failed = true;
		return;
	}
	buf_adds(out, log_quote(text, n, quoted, room));
}

static void add_origin(struct buf *out, const struct policy_origin *origin)
{
	listing_add_quoted(out, origin->file);
	if (origin->line > 0)
		buf_addf(out, ":%u", origin->line);
}

void listing_add_line(struct buf *out, const char *name, const struct policy_item *item)
{
	size_t start = out->len;

	buf_addf(out, "  %s = ", name);
	listing_add_quoted(out, item->value);
	do
		buf_adds(out, " ");
	while (!out->failed && out->len - start < ORIGIN_COLUMN);
	add_origin(out, &item->origin);
	buf_adds(out, "\n");
}

void listing_add_json_line(
	struct buf *out, const char *indent, const char *name, const struct policy_item *item)
{
	if (out->len > 0 && out->data[out->len - 1] == '}')
		buf_adds(out, ",\n");
	buf_addf(out, "%s{\"key\": ", indent);
	buf_add_json_text(out, name);
	buf_adds(out, ", \"value\": ");
	buf_add_json_text(out, item->value);
	buf_adds(out, ", \"file\": ");
	buf_add_json_text(out, item->origin.file);
	buf_addf(out, ", \"line\": %u}", item->origin.line);
}

bool listing_add_key(const struct policy *policy, enum policy_key key, struct buf *out)
{
	const char *name = strchr(policy_key_name(key), '.');
	const struct policy_item *items;
	size_t n = 0;

	name = name != NULL ? name + 1 : policy_key_name(key);
	if (!policy_key_is_list(key)) {
		items = policy_value(policy, key);
		if (items->value[0] == '\0')
			return false;
		listing_add_line(out, name, items);
		return true;
	}
	items = policy_list(policy, key, &n);
	for (size_t i = 0; i < n; i++)
		listing_add_line(out, name, &items[i]);
	return n > 0;
}

int listing_print(const struct buf *out, struct err *err)
{
	int r;

	if (out->failed)
		return err_set(err, ENOMEM, "print");
	(void)fflush(stdout);
	r = write_all(STDOUT_FILENO, out->data, out->len);
	return r < 0 ? err_set(err, -r, "standard output") : 0;
}
