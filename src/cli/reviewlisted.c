/*
 * See reviewlisted.h. Runs in `agentjail review` with the user's rights. Hostile: the paths that records
 * quote.
 */
#include "cli/reviewlisted.h"

#include "base/cleanup.h"
#include "cli/listing.h"
#include "cli/record.h"
#include "cli/sessions.h"
#include "policy/heldrisk.h"

#include <string.h>

/* Rationale: a day's sessions of all projects, and a few of this one's, which are read as a whole. */
#define SESSIONS_LOOKED 200u
#define SESSIONS_READ 10u

/* The record of a session that names what has changed; false: it has none. */
static bool find_record(const struct sessions *all, size_t i, struct record *ret)
{
	AUTO_TRAIL struct trail t = { .fd = -1 };
	struct err ignored = { 0 };

	if (sessions_open(all, i, &t, &ignored) < 0)
		return false;
	while (trail_record(&t, ret, &ignored) > 0) {
		if (record_says(ret, "event", "changed"))
			return true;
		record_done(ret);
	}
	record_done(ret);
	return false;
}

static void add_text(const struct record *r, const char *id, struct buf *out)
{
	size_t n;
	const char *path = record_strings(r, "paths", &n);

	buf_addf(out, "\nNot held, but changed in the session %s:\n", id);
	for (size_t i = 0; i < n; i++, path += strlen(path) + 1) {
		buf_adds(out, "  ");
		listing_add_quoted(out, path);
		buf_addf(out, "\n    %s\n", heldrisk_of(path));
	}
}

static void add_json(const struct record *r, const char *id, struct buf *out)
{
	size_t n = 0;
	const char *path = id != NULL ? record_strings(r, "paths", &n) : "";

	buf_adds(out, ", \"session\": ");
	if (id != NULL)
		buf_add_json(out, id, strlen(id));
	else
		buf_adds(out, "null");
	buf_adds(out, ", \"changed\": [");
	for (size_t i = 0; i < n; i++, path += strlen(path) + 1) {
		buf_adds(out, i > 0 ? ", {\"path\": " : "{\"path\": ");
		buf_add_json(out, path, strlen(path));
		buf_adds(out, ", \"risk\": ");
		buf_add_json(out, heldrisk_of(path), strlen(heldrisk_of(path)));
		buf_adds(out, "}");
	}
	buf_adds(out, "]");
}

bool reviewlisted_add(struct launch *launch, bool is_json, struct buf *out)
{
	AUTO_SESSIONS struct sessions all = { 0 };
	AUTO_RECORD struct record r = { 0 };
	struct err ignored = { 0 };
	unsigned left = SESSIONS_READ;
	const char *id = NULL;

	if (sessions_list(launch, &all, &ignored) < 0)
		all.n = 0;
	for (size_t i = 0; i < all.n && i < SESSIONS_LOOKED && left > 0 && id == NULL; i++) {
		if (!sessions_is_of(&all, all.ids[i], launch->paths.project))
			continue;
		left--;
		if (find_record(&all, i, &r))
			id = all.ids[i];
	}
	if (is_json)
		add_json(&r, id, out);
	else if (id != NULL)
		add_text(&r, id, out);
	return id != NULL;
}
