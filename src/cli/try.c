/*
 * `agentjail try ACTION TARGET`: would it be allowed, and which line says so. Asks policy_decide()
 * as a session does; nothing is run, looked up or connected to.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "cli/answer.h"
#include "cli/listing.h"
#include "cli/recordtext.h"
#include "cli/verbs.h"

#include <string.h>
#include <unistd.h>

enum try_status { TRY_ALLOWED, TRY_DENIED };

/* What the answer does not say of itself. */
static const char *note_of(const struct query *q, const struct policy_answer *a)
{
	if (q->question.action == POLICY_CONNECT && a->verdict == POLICY_ALLOWED &&
		q->question.address == NULL && a->key != PK_EGRESS_PRIVATE &&
		strcmp(q->host, "localhost") != 0)
		return "should the name have a private address, it needs [egress] private as well";
	if (a->verdict == POLICY_IN_CELL)
		return "what it may do there is for read, write and connect to tell";
	return NULL;
}

static void add_text(const struct launch *launch, const struct query *q,
	const struct policy_answer *a, const struct remedy *remedy, struct buf *out)
{
	const char *note = note_of(q, a);

	buf_addf(out, "%s ", query_action(q));
	query_add_target(q, out);
	buf_addf(out, ": %s\n", answer_verdict(a));
	answer_add(a, NULL, out);
	if (note != NULL)
		buf_addf(out, "  note     %s\n", note);
	if (a->verdict == POLICY_DENIED)
		remedy_add(remedy, launch, out);
}

static void add_json(const struct query *q, const struct policy_answer *a,
	const struct remedy *remedy, struct buf *out)
{
	AUTO_BUF struct buf target = { 0 }, line = { 0 };

	query_add_target(q, &target);
	buf_addf(&line, "{\"action\": \"%s\", \"target\": ", query_action(q));
	buf_add_json(&line, target.data != NULL ? target.data : "", target.len);
	buf_adds(&line, ", ");
	answer_add_json(a, &line);
	if (a->verdict == POLICY_DENIED) {
		buf_adds(&line, ", \"remedy\": ");
		remedy_add_json(remedy, &line);
	}
	buf_adds(&line, "}");
	recordtext_add_json(line.data != NULL ? line.data : "", line.len, isatty(STDOUT_FILENO) != 0,
		out);
	out->failed |= target.failed || line.failed;
}

/* -p claude means the agent, too: its program is what {agent} stands for. */
int try_verb(struct launch *launch, struct err *err)
{
	const struct options *o = &launch->options;
	AUTO_QUERY struct query q = { 0 };
	AUTO_BUF struct buf out = { 0 };
	struct remedy remedy = { 0 };
	struct policy_answer a;
	int r = launch_load(launch, NULL, err);

	if (r == 0)
		r = query_parse(&q, launch, o->operands, o->n_operands, err);
	if (r < 0)
		return r;
	query_ask(&q, launch->policy, &a);
	if (a.verdict == POLICY_DENIED)
		r = remedy_find(launch, &q, &a, &remedy, err);
	if (r == 0 && o->json)
		add_json(&q, &a, &remedy, &out);
	else if (r == 0)
		add_text(launch, &q, &a, &remedy, &out);
	if (r == 0)
		r = listing_print(&out, err);
	remedy_done(&remedy);
	if (r < 0)
		return r;
	return query_is_allowed(&a) ? TRY_ALLOWED : TRY_DENIED;
}
