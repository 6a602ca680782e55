/*
 * Writes builtin_blob.h: the default profile as src/policy/builtin.c takes it. Runs when the program
 * is built, on the tree's own file, with the reader of every other profile.
 * usage: builtin_gen FILE
 */
#include "policy/builtin.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "policy/layer.h"
#include "policy/lines.h"
#include "policy/values.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* Rationale: no entry spells these out, so that a value that starts with one came from "~" or ".". */
#define HOME "/\x01home"
#define PROJECT "/\x01project"

#define PROFILE_MAX (256u << 10)

static int read_profile(struct policy *policy, const char *path, struct buf *text, struct err *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO_LINES struct lines lines = { 0 };
	struct layer layer = { .policy = policy,
		.kind = LAYER_INSTALLED,
		.file = path,
		.places = { .home = HOME, .project = PROJECT, .is_installed = true } };
	int r = fd < 0 ? -1 : buf_read_fd(text, fd, PROFILE_MAX);

	if (r < 0)
		return err_set(err, 0, "cannot read %s", path);
	r = lines_parse(&lines, path, text->data, text->len, err);
	for (size_t i = 0; r == 0 && i < lines.n; i++)
		r = layer_line(&layer, &lines.entries[i], err);
	if (r == 0 && (policy->n_rules > 0 || policy->n_tools > 0 || layer.has_unsupported))
		return err_set(err, 0, "%s has more than plain sections", path);
	return r;
}

/* Paths that "~" and "." stand for, and all those whose breadth depends on where HOME is. */
static bool is_relative(enum policy_key key, const char *value)
{
	const struct keys_info *info = keys_get(key);

	if (info->check != values_path && info->check != values_redact)
		return false;
	return str_starts(value, HOME) || str_starts(value, PROJECT) ||
		(value[0] == '/' && (info->flags & KEYS_WRITABLE) != 0);
}

static void put(struct buf *entries, struct buf *values, enum policy_key key,
	const struct policy_item *item)
{
	const char *value = item->value;
	bool relative = is_relative(key, value);

	buf_addf(entries, "\t{ %zu, %u, %d, %d },\n", values->len, item->origin.line, (int)key, relative);
	if (relative && str_starts(value, HOME))
		buf_addf(values, "~%s", value + strlen(HOME));
	else if (relative && str_starts(value, PROJECT))
		buf_addf(values, ".%s", value + strlen(PROJECT));
	else
		buf_adds(values, value);
	buf_add(values, "", 1);
}

static void write_bytes(const char *name, const struct buf *bytes)
{
	(void)printf("static const char %s[] = {", name);
	for (size_t i = 0; i < bytes->len; i++)
		(void)printf("%s%d,", i % 24 == 0 ? "\n" : "", bytes->data[i]);
	(void)printf("\n};\n");
}

static int write_all_of(const struct policy *policy, const struct buf *text)
{
	AUTO_BUF struct buf entries = { 0 }, values = { 0 };

	for (size_t key = 0; key < PK_COUNT; key++) {
		if (policy->values[key].origin.line > 0)
			put(&entries, &values, (enum policy_key)key, &policy->values[key]);
		for (size_t i = 0; i < policy->lists[key].n; i++)
			put(&entries, &values, (enum policy_key)key, &policy->lists[key].items[i]);
	}
	if (entries.failed || values.failed || values.len > UINT16_MAX)
		return -1;
	write_bytes("builtin_text", text);
	write_bytes("builtin_values", &values);
	(void)printf("static const struct builtin_entry builtin_entries[] = {\n%s};\n", entries.data);
	return fflush(stdout);
}

int main(int argc, char **argv)
{
	struct policy *policy = store_new(PROJECT, HOME);
	AUTO_BUF struct buf text = { 0 };
	struct err err = { 0 };
	int r;

	if (argc != 2 || policy == NULL || read_profile(policy, argv[1], &text, &err) < 0) {
		(void)fprintf(stderr, "builtin_gen: %s\n", err.text);
		return 1;
	}
	r = write_all_of(policy, &text);
	policy_free(policy);
	return r == 0 ? 0 : 1;
}
