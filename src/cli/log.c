/*
 * `agentjail log [SESSION]`: what happened. Runs with the user's rights. Hostile: what the records
 * quote; it reaches the terminal escaped alone, also with --json.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "cli/listing.h"
#include "cli/recordtext.h"
#include "cli/sessions.h"
#include "cli/sessiontext.h"
#include "cli/verbs.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

/* Rationale: quick to the eye, and nothing for the processor. */
#define FOLLOW_MS 200
/* Rationale: an audit's text is not kept as a whole. */
#define FLUSH_BYTES 65536
#define QUOTE_BYTES 256

enum log_status { LOG_OK, LOG_BROKEN };

/* One session being printed. */
struct view {
	const struct options *options;
	struct trail *trail;
	struct buf out;
	bool is_terminal, has_ended;
};

static int flush(struct buf *out, struct err *err)
{
	int r = listing_print(out, err);

	out->len = 0;
	return r;
}

static int show_line(struct view *v, const char *line, size_t n, struct err *err)
{
	AUTO_RECORD struct record r = { 0 };
	int failed = record_parse(&r, line, n);
	char quoted[QUOTE_BYTES];

	if (failed == -ENOMEM)
		return err_set(err, ENOMEM, "audit");
	if (failed < 0) {
		buf_addf(&v->out, "line %u is no record: %s\n", v->trail->line,
			log_quote(line, n, quoted, sizeof(quoted)));
		return 0;
	}
	v->has_ended = v->has_ended || record_says(&r, "event", "end");
	if (v->options->denied && !record_says(&r, "decision", "deny"))
		return 0;
	if (v->options->json)
		recordtext_add_json(line, n, v->is_terminal, &v->out);
	else
		recordtext_add(&r, &v->out);
	return 0;
}

/* What is there now. */
static int show_lines(struct view *v, struct err *err)
{
	const char *line;
	size_t n;
	int r;

	while ((r = trail_next(v->trail, &line, &n, err)) > 0) {
		r = show_line(v, line, n, err);
		if (r == 0 && v->out.len >= FLUSH_BYTES)
			r = flush(&v->out, err);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : flush(&v->out, err);
}

static int show(struct view *v, struct err *err)
{
	pid_t ignored;
	bool is_last = false;
	int r = show_lines(v, err);

	while (r == 0 && v->options->follow && !v->has_ended && !is_last) {
		/* A warden that ended without a last word: what it had written is read once more. */
		is_last = !trail_is_running(v->trail, &ignored);
		if (!is_last)
			(void)poll(NULL, 0, FOLLOW_MS);
		r = show_lines(v, err);
	}
	return r;
}

static int verify(struct trail *t, struct err *err)
{
	AUTO_BUF struct buf out = { 0 };
	struct err found = { 0 };
	unsigned n = 0;
	pid_t ignored;
	bool runs = trail_is_running(t, &ignored);
	int r = trail_verify(t, &n, &found);

	if (r == -EINVAL) {
		buf_addf(&out, "%s\n", found.text);
		r = listing_print(&out, err);
		return r < 0 ? r : LOG_BROKEN;
	}
	if (r < 0)
		return err_set(err, 0, "%s", found.text);
	listing_add_quoted(&out, t->path);
	buf_addf(&out, ": %u records, each follows the one before%s\n  last  %s\n", n,
		runs ? "; the session still runs" : "", t->prev);
	return listing_print(&out, err);
}

static int list(const struct options *o, const struct sessions *all, struct err *err)
{
	struct view v = { .options = o, .is_terminal = isatty(STDOUT_FILENO) != 0 };
	int r = 0;

	if (!o->json && all->n > 0)
		sessiontext_add_head(&v.out);
	for (size_t i = 0; i < all->n && r == 0; i++) {
		AUTO_TRAIL struct trail t = { .fd = -1 };
		AUTO_BUF struct buf row = { 0 };
		struct session_summary s = { 0 };
		struct err skipped = { 0 };

		if (sessions_open(all, i, &t, &skipped) < 0 ||
			sessions_summarise(&t, &s, &skipped) < 0)
			log_warn("%s", skipped.text);
		else if (o->json)
			sessiontext_add_json(&s, &row);
		else
			sessiontext_add_row(&s, &v.out);
		if (row.len > 0)
			recordtext_add_json(row.data, row.len, v.is_terminal, &v.out);
		v.out.failed |= row.failed;
		sessions_summary_done(&s);
		if (v.out.len >= FLUSH_BYTES)
			r = flush(&v.out, err);
	}
	if (r == 0)
		r = flush(&v.out, err);
	buf_done(&v.out);
	return r;
}

int log_verb(struct launch *launch, struct err *err)
{
	const struct options *o = &launch->options;
	AUTO_SESSIONS struct sessions all = { 0 };
	AUTO_TRAIL struct trail t = { .fd = -1 };
	bool wants_one = o->follow || o->verify || o->denied;
	struct view v = { .options = o, .trail = &t, .is_terminal = isatty(STDOUT_FILENO) != 0 };
	int r;

	if (o->n_operands > 1)
		return err_set(err, 0, "log: one SESSION at most; see agentjail --help");
	r = sessions_list(launch, &all, err);
	if (r < 0)
		return r;
	if (o->n_operands == 0 && !wants_one)
		return list(o, &all, err);
	r = sessions_find(&all, o->n_operands > 0 ? o->operands[0] : "last", &t, err);
	if (r < 0)
		return r;
	if (o->verify)
		return verify(&t, err);
	r = show(&v, err);
	buf_done(&v.out);
	return r;
}
