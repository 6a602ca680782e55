/*
 * `agentjail status`: the sessions that run. A warden holds a lock on its audit file; nobody is asked
 * and nothing is signalled. Hostile: what the records quote.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "cli/listing.h"
#include "cli/recordtext.h"
#include "cli/sessions.h"
#include "cli/sessiontext.h"
#include "cli/verbs.h"

#include <unistd.h>

static void add_one(const struct session_summary *s, bool json, unsigned n, struct buf *out)
{
	if (json) {
		buf_adds(out, n > 0 ? ", " : "");
		sessiontext_add_json(s, out);
		return;
	}
	if (n == 0)
		sessiontext_add_head(out);
	sessiontext_add_row(s, out);
}

/* Those whose files nobody holds are not read. */
static unsigned add_running(const struct sessions *all, bool json, struct buf *out)
{
	unsigned n = 0;

	for (size_t i = 0; i < all->n; i++) {
		AUTO_TRAIL struct trail t = { .fd = -1 };
		struct session_summary s = { 0 };
		struct err skipped = { 0 };
		pid_t ignored;

		if (sessions_open(all, i, &t, &skipped) < 0 || !trail_is_running(&t, &ignored))
			continue;
		if (sessions_summarise(&t, &s, &skipped) < 0)
			log_warn("%s", skipped.text);
		else if (s.state == SESSION_RUNNING)
			add_one(&s, json, n++, out);
		sessions_summary_done(&s);
	}
	return n;
}

int status_verb(struct launch *launch, struct err *err)
{
	const struct options *o = &launch->options;
	AUTO_SESSIONS struct sessions all = { 0 };
	AUTO_BUF struct buf out = { 0 }, line = { 0 };
	unsigned n;
	int r;

	if (o->n_operands > 0)
		return err_set(err, 0, "status takes no argument; see agentjail --help");
	r = sessions_list(launch, &all, err);
	if (r < 0)
		return r;
	buf_adds(&line, o->json ? "{\"sessions\": [" : "");
	n = add_running(&all, o->json, &line);
	if (o->json) {
		buf_adds(&line, "]}");
		recordtext_add_json(line.data != NULL ? line.data : "", line.len,
			isatty(STDOUT_FILENO) != 0, &out);
	} else if (n == 0 && !o->quiet) {
		buf_adds(&line, "no session runs\n");
	}
	if (!o->json)
		buf_add(&out, line.data, line.len);
	out.failed |= line.failed;
	return listing_print(&out, err);
}
