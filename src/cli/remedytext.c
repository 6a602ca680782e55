/* Remedies for people and programs. See remedy.h; values may hold a hostile command's words. */
#include "base/cleanup.h"
#include "base/log.h"
#include "cli/listing.h"
#include "cli/remedy.h"

#include <string.h>

/* The option that says the same for one session; NULL: --set does. */
static const char *option_of(const struct remedy_line *line)
{
	static const struct {
		const char *section, *key, *option;
	} options[] = {
		{ "egress", "allow", "--allow" },
		{ "files", "read", "--read" },
		{ "files", "write", "--write" },
	};

	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (strcmp(options[i].section, line->section) == 0 &&
			strcmp(options[i].key, line->key) == 0 && line->value[0] != '!')
			return options[i].option;
	return NULL;
}

/* For a shell: quoted when it has more than letters of names and paths. */
static void add_word(const char *text, struct buf *out)
{
	bool is_plain = text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					  "0123456789_-./:@%+,~")] == '\0';

	buf_adds(out, is_plain ? "" : "'");
	listing_add_quoted(out, text);
	buf_adds(out, is_plain ? "" : "'");
}

static void add_option(const struct remedy_line *line, struct buf *out)
{
	const char *option = option_of(line), *value = line->value;
	AUTO_BUF struct buf text = { 0 };

	if (option == NULL)
		buf_addf(&text, "%s.%s=", line->section, line->key);
	/* An option's path is one word: no quotes of a list around it. */
	if (option != NULL && value[0] == '"')
		buf_add(&text, value + 1, strlen(value) - 2);
	else
		buf_adds(&text, value);
	buf_addf(out, " %s ", option != NULL ? option : "--set");
	add_word(text.data != NULL ? text.data : "", out);
	out->failed |= text.failed;
}

static void add_note(const struct remedy *r, struct buf *out)
{
	buf_addf(out, "  remedy   %s", r->note != NULL ? r->note : "none");
	if (r->detail[0] != '\0' && r->note != NULL) {
		buf_adds(out, ": ");
		listing_add_quoted(out, r->detail);
	}
	buf_adds(out, "\n");
}

void remedy_add(const struct remedy *r, const struct launch *launch, struct buf *out)
{
	if (r->n == 0) {
		add_note(r, out);
		return;
	}
	buf_adds(out, "  remedy   for one session:");
	for (size_t i = 0; i < r->n; i++)
		add_option(&r->lines[i], out);
	buf_adds(out, "\n           for good, in ");
	listing_add_quoted(out, launch->paths.config_dir);
	buf_adds(out, "/agentjail.ini:\n");
	for (size_t i = 0; i < r->n; i++) {
		if (i == 0 || strcmp(r->lines[i].section, r->lines[i - 1].section) != 0)
			buf_addf(out, "             [%s]\n", r->lines[i].section);
		buf_addf(out, "             %s = ", r->lines[i].key);
		listing_add_quoted(out, r->lines[i].value);
		buf_adds(out, "\n");
	}
	buf_addf(out, "  risk     %s\n", r->risk);
}

static void add_member(struct buf *out, const char *before, const char *text)
{
	buf_adds(out, before);
	buf_add_json_text(out, text);
}

void remedy_add_json(const struct remedy *r, struct buf *out)
{
	buf_adds(out, "{\"lines\": [");
	for (size_t i = 0; i < r->n; i++) {
		add_member(out, i > 0 ? ", {\"section\": " : "{\"section\": ", r->lines[i].section);
		add_member(out, ", \"key\": ", r->lines[i].key);
		add_member(out, ", \"value\": ", r->lines[i].value);
		buf_adds(out, "}");
	}
	buf_adds(out, "]");
	if (r->risk != NULL && r->n > 0)
		add_member(out, ", \"risk\": ", r->risk);
	if (r->note != NULL)
		add_member(out, ", \"note\": ", r->note);
	if (r->note != NULL && r->detail[0] != '\0')
		add_member(out, ", \"detail\": ", r->detail);
	buf_adds(out, "}");
}
