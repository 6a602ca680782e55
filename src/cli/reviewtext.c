/* See reviewtext.h. Hostile: path and content of what commands wrote. */
#include "cli/reviewtext.h"

#include "base/cleanup.h"
#include "cli/linediff.h"
#include "cli/listing.h"
#include "policy/gitconfig.h"
#include "policy/heldrisk.h"

#include <string.h>

/* Rationale: of a value a line's worth; the difference below has all of it. */
#define VALUE_BYTES 120
#define STALE "the host's file has changed since it was held: applying undoes that"

static const char *const words[] = {
	[REVIEWITEM_NEW] = "new",
	[REVIEWITEM_CHANGED] = "changed",
	[REVIEWITEM_REMOVED] = "removed",
	[REVIEWITEM_SAME] = "the host has the same by now",
	[REVIEWITEM_BAD] = "cannot be shown",
};
static const char *const json_words[] = {
	[REVIEWITEM_NEW] = "new",
	[REVIEWITEM_CHANGED] = "changed",
	[REVIEWITEM_REMOVED] = "removed",
	[REVIEWITEM_SAME] = "same",
	[REVIEWITEM_BAD] = "unreadable",
};
_Static_assert(ARRAY_LEN(words) == REVIEWITEM_STATE_COUNT, "a word a state");
_Static_assert(ARRAY_LEN(json_words) == REVIEWITEM_STATE_COUNT, "and one for programs");

static void add_difference(const struct reviewitem *i, struct buf *out)
{
	struct linediff_text old = { .data = i->host.data, .bytes = i->host.len };
	struct linediff_text new = { .data = i->copy.data, .bytes = i->copy.len };

	if (i->is_gone)
		new.bytes = 0;
	if (i->state != REVIEWITEM_BAD && i->state != REVIEWITEM_SAME)
		linediff_add(&old, &new, out);
}

static void add_name(const struct gitconfig_variable *v, struct buf *out)
{
	buf_adds(out, v->section);
	if (v->subsection != NULL)
		buf_addf(out, ".%s", v->subsection);
	buf_addf(out, ".%s", v->name);
}

static void add_cut(const char *text, struct buf *out)
{
	AUTO_FREE char *part = strndup(text, VALUE_BYTES);

	if (part == NULL)
		out->failed = true;
	else
		listing_add_quoted(out, part);
	buf_adds(out, strlen(text) > VALUE_BYTES ? "..." : "");
}

static void add_variable(const struct gitconfig_change *change, void *context)
{
	const struct gitconfig_variable *v = change->variable;
	AUTO_BUF struct buf name = { 0 };
	struct buf *out = context;

	add_name(v, &name);
	buf_adds(out, "  ");
	add_cut(name.data != NULL ? name.data : "", out);
	if (change->is_removed) {
		buf_adds(out, " is taken away");
	} else if (v->value != NULL) {
		buf_adds(out, " = ");
		add_cut(v->value, out);
	}
	buf_addf(out, "\n      %s\n", change->risk != NULL ? change->risk : "harmless");
	out->failed |= name.failed;
}

static void add_json_variable(const struct gitconfig_change *change, void *context)
{
	const struct gitconfig_variable *v = change->variable;
	AUTO_BUF struct buf name = { 0 };
	struct buf *out = context;

	add_name(v, &name);
	buf_adds(out, out->len > 0 ? ", {\"name\": " : "{\"name\": ");
	buf_add_json(out, name.data != NULL ? name.data : "", name.len);
	buf_adds(out, ", \"value\": ");
	if (v->value != NULL)
		buf_add_json(out, v->value, strlen(v->value));
	else
		buf_adds(out, "null");
	buf_addf(out, ", \"removed\": %s, \"risk\": ", change->is_removed ? "true" : "false");
	if (change->risk != NULL)
		buf_add_json(out, change->risk, strlen(change->risk));
	else
		buf_adds(out, "null");
	buf_adds(out, "}");
	out->failed |= name.failed;
}

/* Calls each() with what differs from the host's; err says why that cannot be told. */
static int each_variable(const struct reviewitem *i, gitconfig_each *each, struct buf *out,
	struct err *err)
{
	AUTO_GITCONFIG struct gitconfig host = { 0 }, copy = { 0 };
	int r = gitconfig_parse(i->host.data, i->host.len, &host, err);

	if (r < 0)
		return err_prefix(err, "the host's");
	r = gitconfig_parse(i->copy.data, i->is_gone ? 0 : i->copy.len, &copy, err);
	if (r < 0)
		return r;
	return gitconfig_compare(&(struct gitconfig_pair){ &host, &copy, GITCONFIG_HOST }, each, out,
		err);
}

static bool has_variables(const struct reviewitem *i)
{
	return (i->state == REVIEWITEM_NEW || i->state == REVIEWITEM_CHANGED) &&
	       heldrisk_is_gitconfig(i->path);
}

void reviewtext_add_head(const struct reviewitem *i, struct buf *out)
{
	int x = reviewitem_mode_change(i);
	struct err err = { 0 };

	listing_add_quoted(out, i->path != NULL ? i->path : i->id);
	buf_addf(out, ": %s", words[i->state]);
	if (i->state == REVIEWITEM_BAD) {
		buf_adds(out, ": ");
		listing_add_quoted(out, i->reason);
	}
	buf_adds(out, "\n");
	if (i->state == REVIEWITEM_BAD || i->state == REVIEWITEM_SAME)
		return;
	buf_addf(out, "  %s\n", heldrisk_of(i->path));
	if (x != 0)
		buf_addf(out, "  it %s executable\n", x > 0 ? "becomes" : "is no longer");
	if (has_variables(i) && each_variable(i, add_variable, out, &err) < 0) {
		buf_adds(out, "  git's configuration cannot be told: ");
		listing_add_quoted(out, err.text);
		buf_adds(out, "\n");
	}
	if (i->is_stale)
		buf_adds(out, "  " STALE "\n");
}

void reviewtext_add(const struct reviewitem *i, struct buf *out)
{
	reviewtext_add_head(i, out);
	add_difference(i, out);
}

void reviewtext_add_json(const struct reviewitem *i, struct buf *out)
{
	AUTO_BUF struct buf variables = { 0 }, diff = { 0 };
	int x = reviewitem_mode_change(i);
	struct err err = { 0 };

	add_difference(i, &diff);
	if (has_variables(i))
		(void)each_variable(i, add_json_variable, &variables, &err);
	buf_adds(out, "{\"path\": ");
	if (i->path != NULL)
		buf_add_json(out, i->path, strlen(i->path));
	else
		buf_adds(out, "null");
	buf_addf(out, ", \"id\": \"%s\", \"state\": \"%s\", \"risk\": ", i->id, json_words[i->state]);
	if (i->path != NULL)
		buf_add_json(out, heldrisk_of(i->path), strlen(heldrisk_of(i->path)));
	else
		buf_adds(out, "null");
	buf_addf(out, ", \"executable\": %s, \"changed_on_host\": %s, \"reason\": ",
		x == 0 ? "null" : x > 0 ? "true" : "false", i->is_stale ? "true" : "false");
	if (i->state == REVIEWITEM_BAD || err.code != 0)
		buf_add_json(out, err.code != 0 ? err.text : i->reason,
			strlen(err.code != 0 ? err.text : i->reason));
	else
		buf_adds(out, "null");
	buf_addf(out, ", \"variables\": [%s], \"diff\": ", variables.len > 0 ? variables.data : "");
	buf_add_json(out, diff.data != NULL ? diff.data : "", diff.len);
	buf_adds(out, "}");
	out->failed |= variables.failed || diff.failed;
}
