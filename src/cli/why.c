/*
 * `agentjail why ID|HOST|FILE|PID`: what was decided, for which command, by which line, and what
 * would change it. Runs with the user's rights. Hostile: what the audit quotes.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "cli/answer.h"
#include "cli/listing.h"
#include "cli/recordtext.h"
#include "cli/sessions.h"
#include "cli/verbs.h"
#include "cli/whyrecord.h"
#include "wire/proxymsg.h"

#include <errno.h>
#include <string.h>

/* Rationale: a number from a terminal that is still open is of one of the last sessions. */
#define SESSIONS_BACK 20
#define QUOTE_BYTES 256
/* Rationale: all that the audit keeps of an argv, escaped. */
#define ARGV_BYTES 40000

static const char *default_text(const struct record *r, const char *key)
{
	const char *text = record_text(r, key);

	return text != NULL ? text : "";
}

/* ---- which record ---- */

static int search_one(const struct sessions *all, size_t i, const struct whyrecord_want *want,
	struct whyrecord *best, bool *ret_is_tool)
{
	struct whyrecord found = { 0 };
	struct trail t = { .fd = -1 };
	struct err skipped = { 0 };
	int r = sessions_open(all, i, &t, &skipped);

	if (r == 0)
		r = whyrecord_search(&t, want, &found, &skipped);
	trail_done(&t);
	if (r < 0)
		log_warn("%s", skipped.text);
	*ret_is_tool = strcmp(found.mode, "tool") == 0;
	if (found.rank > best->rank) {
		whyrecord_done(best);
		*best = found;
	} else {
		whyrecord_done(&found);
	}
	return r == -ENOMEM ? r : 0;
}

/*
 * The newest session of the project, and the runs of tools since. A number is what a line on a
 * terminal said: of the sessions before, too, where it is a denial's.
 */
static int search(const struct launch *launch, const struct sessions *all,
	const struct whyrecord_want *want, struct whyrecord *best)
{
	unsigned left = SESSIONS_BACK;
	bool is_first = true, is_tool = false;
	int r = 0;

	for (size_t i = 0; i < all->n && left > 0 && r == 0; i++) {
		if (!sessions_is_of(all, all->ids[i], launch->paths.project))
			continue;
		if (!is_first && (want->kind != WHY_ID || best->rank == WHY_DENIAL))
			break;
		r = search_one(all, i, want, best, &is_tool);
		is_first = is_first && is_tool;
		left--;
	}
	return r;
}

static int search_named(const struct sessions *all, const char *session,
	const struct whyrecord_want *want, struct whyrecord *best, struct err *err)
{
	AUTO_TRAIL struct trail t = { .fd = -1 };
	int r = sessions_find(all, session, &t, err);

	return r < 0 ? r : whyrecord_search(&t, want, best, err);
}

/* ---- what is said of it ---- */

static void add_record(const struct whyrecord *w, struct buf *out)
{
	const struct record *r = &w->record;
	int64_t id = 0, ms = 0, pid = 0;
	const char *rule = record_text(r, "rule"), *file = record_text(r, "rule_file");

	(void)record_number(r, "id", &id);
	(void)trail_time(record_text(r, "time"), &ms);
	buf_addf(out, "  record   %lld of session %s, ", (long long)id, w->session);
	recordtext_add_time(ms, out);
	if (w->command.n > 0) {
		buf_adds(out, "\n  command  ");
		recordtext_add_argv(&w->command, ARGV_BYTES, out);
		buf_adds(out, "\n           in ");
		listing_add_quoted(out, default_text(&w->command, "cwd"));
		if (record_is_true(r, "command_guess"))
			buf_adds(out, " (a guess: several ran)");
	}
	if (record_number(r, "pid", &pid))
		buf_addf(out, "\n  process  %lld", (long long)pid);
	if (rule != NULL || file != NULL) {
		int64_t line = 0;

		buf_adds(out, "\n  rule     ");
		listing_add_quoted(out, rule != NULL ? rule : file);
		if (rule == NULL && record_number(r, "rule_line", &line))
			buf_addf(out, ":%lld", (long long)line);
	}
	if (record_text(r, "reason") != NULL) {
		buf_adds(out, "\n  reason   ");
		listing_add_quoted(out, record_text(r, "reason"));
	}
	buf_adds(out, "\n");
}

static void add_title(const struct whyrecord *w, struct buf *out)
{
	static const struct {
		const char *decision, *words;
	} said[] = {
		{ "deny", "denied" },
		{ "allow", "allowed" },
		{ "failed", "allowed, but it failed" },
		{ "closed", "allowed, and over" },
		{ "cell", "ran in the cell" },
		{ "agent", "ran in the agent's context" },
		{ "tool", "ran in a cell of the tool's own" },
		{ "ended", "the command was ended" },
	};
	const struct record *r = &w->record;
	const char *decision = default_text(r, "decision"), *words = NULL;

	for (size_t i = 0; i < ARRAY_LEN(said); i++)
		if (strcmp(said[i].decision, decision) == 0)
			words = said[i].words;
	listing_add_quoted(out, default_text(r, "event"));
	buf_adds(out, " ");
	if (record_text(r, "host") != NULL)
		recordtext_add_place(r, out);
	else if (record_text(r, "file") != NULL)
		listing_add_quoted(out, record_text(r, "file"));
	else
		recordtext_add_argv(record_says(r, "event", "limit") ? &w->command : r, ARGV_BYTES, out);
	buf_adds(out, words != NULL || decision[0] != '\0' ? ": " : "");
	listing_add_quoted(out, words != NULL ? words : decision);
	buf_adds(out, "\n");
}

/* What the profiles say now, and what would change it. */
static int add_answer(const struct launch *launch, const struct query *q, const struct record *r,
	struct buf *out, struct err *err)
{
	bool was_denied = r == NULL || record_says(r, "decision", "deny");
	struct remedy remedy = { 0 };
	struct policy_answer a;
	int failed = 0;

	query_ask(q, launch->policy, &a);
	if (r != NULL && was_denied && a.verdict != POLICY_DENIED)
		buf_addf(out, "  now      %s: the profiles, or the options, are others by now\n",
			answer_verdict(&a));
	else if (!was_denied && a.verdict == POLICY_DENIED)
		buf_adds(out, "  now      denied\n");
	answer_add(&a, r != NULL ? record_text(r, "reason") : NULL, out);
	if (a.verdict == POLICY_DENIED) {
		failed = remedy_find(launch, q, &a, &remedy, err);
		if (failed == 0)
			remedy_add(&remedy, launch, out);
		remedy_done(&remedy);
	}
	return failed;
}

/* Not tried on a policy: which one the caller's session had is not in the run's audit. */
static void add_tool_remedy(const struct whyrecord *w, struct buf *out)
{
	const struct record *r = &w->record;
	const char *tool = record_text(&w->command, "tool"), *host = record_text(r, "host");
	int64_t port = 0;

	if (!record_says(r, "decision", "deny"))
		return;
	buf_adds(out, "  remedy   a run of a tool has the hosts and rules that its section names");
	if (tool == NULL || host == NULL || record_text(r, "method") != NULL) {
		buf_adds(out, "\n");
		return;
	}
	buf_adds(out, ":\n             [tool ");
	listing_add_quoted(out, tool);
	buf_adds(out, "]\n             egress = ");
	listing_add_quoted(out, host);
	if (record_number(r, "port", &port) && port != 443 && port != 80)
		buf_addf(out, ":%lld", (long long)port);
	buf_adds(out, "\n  risk     what the tool's command can read it can send there\n");
}

/* Nothing in a profile would change it. */
static void add_caught(const struct record *r, struct buf *out)
{
	size_t n;
	const char *text = record_strings(r, "chain", &n);

	for (size_t i = 0; i < n; i++, text += strlen(text) + 1) {
		buf_adds(out, i == 0 ? "  it was   " : "  below    ");
		listing_add_quoted(out, text);
		buf_adds(out, "\n");
	}
	buf_adds(out, "  why      [files] honey = yes: nothing uses that key but who has read it in a hidden "
		      "file\n");
}

static int explain_record(struct launch *launch, const struct whyrecord *w, struct buf *out,
	struct err *err)
{
	AUTO_QUERY struct query q = { 0 };
	int r;

	add_title(w, out);
	add_record(w, out);
	if (record_says(&w->record, "caught", "yes")) {
		add_caught(&w->record, out);
		return 0;
	}
	if (record_says(&w->record, "reason", PROXYMSG_REASON_UNTRUSTED)) {
		buf_adds(out, "  remedy   give that program the file in $SSL_CERT_FILE, or take the rule "
			      "out: without one the host's own certificate is seen\n");
		return 0;
	}
	if (strcmp(w->mode, "tool") == 0) {
		add_tool_remedy(w, out);
		return 0;
	}
	r = whyrecord_query(w, &q, err);
	if (r <= 0)
		return r;
	return add_answer(launch, &q, &w->record, out, err);
}

/* Nothing happened yet: what would. */
static int explain_word(const struct launch *launch, const struct whyrecord_want *want,
	const char *word, struct buf *out, struct err *err)
{
	static const enum policy_action file_actions[] = { POLICY_READ, POLICY_WRITE };
	static const enum policy_action host_actions[] = { POLICY_CONNECT };
	const enum policy_action *actions = want->kind == WHY_FILE ? file_actions : host_actions;
	size_t n = want->kind == WHY_FILE ? ARRAY_LEN(file_actions) : ARRAY_LEN(host_actions);
	int r = 0;

	for (size_t i = 0; i < n && r >= 0; i++) {
		AUTO_QUERY struct query q = { 0 };
		struct policy_answer a;

		r = want->kind == WHY_FILE ? query_path(&q, actions[i], word, launch, err)
					   : query_host(&q, word, err);
		if (r < 0)
			break;
		query_ask(&q, launch->policy, &a);
		buf_addf(out, "%s ", query_action(&q));
		query_add_target(&q, out);
		buf_addf(out, ": %s, as the profiles say%s\n", answer_verdict(&a),
			want->kind == WHY_HOST ? "; no command has tried" : "");
		r = add_answer(launch, &q, NULL, out, err);
		/* What cannot be read cannot be written. */
		if (a.verdict == POLICY_DENIED)
			break;
	}
	return r;
}

static int not_found(const struct options *o, const struct sessions *all, struct err *err)
{
	char word[QUOTE_BYTES], dir[QUOTE_BYTES];

	(void)log_quote(o->operands[0], strlen(o->operands[0]), word, sizeof(word));
	(void)log_quote(all->dir, strlen(all->dir), dir, sizeof(dir));
	if (o->session != NULL)
		return err_set(err, 0, "why: there is no record and no process %s in that session", word);
	return err_set(err, 0,
		"why: no session of this project has a record or process %s; name one with --session, "
		"agentjail log lists them (%s)",
		word, dir);
}

static int find_it(struct launch *launch, const struct sessions *all, struct whyrecord_want *want,
	struct whyrecord *found, struct err *err)
{
	const struct options *o = &launch->options;
	int r;

	if (o->session != NULL)
		r = search_named(all, o->session, want, found, err);
	else
		r = search(launch, all, want, found);
	if (r < 0 || found->rank != WHY_NONE || want->kind != WHY_ID)
		return r;
	want->kind = WHY_PID;
	return o->session != NULL ? search_named(all, o->session, want, found, err)
				  : search(launch, all, want, found);
}

/* Where the profiles are read for: the session's agent and project, unless options name others. */
static int load_for(struct launch *launch, const struct whyrecord *found, struct err *err)
{
	struct options *o = &launch->options;
	const char *project = record_text(&found->first, "project");

	if (found->rank != WHY_NONE && o->project == NULL && strcmp(found->mode, "tool") != 0)
		o->project = project;
	if (found->rank != WHY_NONE && strcmp(found->mode, "shared") == 0)
		o->mode = RUN_SHARED;
	return launch_load(launch, sessions_agent(&found->first), err);
}

int why_verb(struct launch *launch, struct err *err)
{
	const struct options *o = &launch->options;
	AUTO_SESSIONS struct sessions all = { 0 };
	AUTO_BUF struct buf out = { 0 };
	struct whyrecord found = { 0 };
	struct whyrecord_want want;
	int r;

	if (o->n_operands != 1)
		return err_set(err, 0, "why: one ID, HOST, FILE or PID; see agentjail --help");
	r = sessions_list(launch, &all, err);
	if (r == 0 && o->session == NULL) {
		paths_done(&launch->paths);
		r = paths_find(o->project, &launch->paths, err);
	}
	if (r == 0)
		r = whyrecord_want(o->operands[0], launch, &want, err);
	if (r == 0)
		r = find_it(launch, &all, &want, &found, err);
	if (r == 0 && found.rank == WHY_NONE && want.kind == WHY_PID)
		r = not_found(o, &all, err);
	if (r == 0)
		r = load_for(launch, &found, err);
	if (r == 0)
		r = found.rank != WHY_NONE ? explain_record(launch, &found, &out, err)
					   : explain_word(launch, &want, o->operands[0], &out, err);
	if (r == 0)
		r = listing_print(&out, err);
	whyrecord_done(&found);
	return r;
}
