/*
 * Judging requests to hosts with rules. Runs in the proxy; hostile input: every byte of the
 * request, framed by a parser but not yet understood.
 */
#include "proxy/judge.h"

#include "base/cleanup.h"
#include "policy/urlpath.h"
#include "proxy/judge_fields.h"
#include "wire/field.h"
#include "wire/honey.h"
#include "wire/proxymsg.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Rationale: the longest registered method has 17 bytes (UPDATEREDIRECTREF). */
#define METHOD_MAX 64u

static void refuse(struct judge_result *r, unsigned status, const char *reason)
{
	r->verdict = JUDGE_REFUSED;
	r->status = status;
	(void)snprintf(r->reason, sizeof(r->reason), "%s", reason);
}

static bool is_text(struct keepmsg_text t, const char *want)
{
	return t.n == strlen(want) && strncasecmp(t.at, want, t.n) == 0;
}

/* ---- authorities ---- */

/* A name with a final dot is the same name to DNS and another one to servers and certificates. */
static bool ends_in_dot(struct keepmsg_text authority)
{
	const char *colon = memrchr(authority.at, ':', authority.n);
	size_t n = colon != NULL ? (size_t)(colon - authority.at) : authority.n;

	return n > 0 && authority.at[n - 1] == '.';
}

static bool names_target(const struct target *target, struct keepmsg_text authority)
{
	struct target t;

	return !ends_in_dot(authority) &&
	       target_parse(authority.at, authority.n, target->port, &t) &&
	       strcmp(t.host, target->host) == 0 && t.port == target->port;
}

static bool check_authorities(
	const struct target *target, const struct judge_request *q, struct judge_result *r)
{
	char shown[48], reason[sizeof(r->reason)];

	if (q->n_authorities == 0)
		refuse(r, 400, "request without Host");
	for (size_t i = 0; i < q->n_authorities && r->status == 0; i++) {
		struct keepmsg_text a = q->authorities[i];

		if (a.n > 0 && memchr(a.at, '@', a.n) != NULL) {
			refuse(r, 400, "user information in the host");
		} else if (a.n == 0 || !names_target(target, a)) {
			(void)snprintf(reason, sizeof(reason), "Host %s is not %.64s",
				judge_fields_shown(a, shown, sizeof(shown)), target->host);
			refuse(r, 421, reason);
		}
	}
	return r->status == 0;
}

/* ---- method and path ---- */

static bool check_method(const struct judge_request *q, struct judge_result *r)
{
	static const char *const refused[] = { "CONNECT", "TRACE", "TRACK", "PRI" };

	if (q->method.n > METHOD_MAX || !field_is_token(q->method))
		refuse(r, 400, "malformed method");
	for (size_t i = 0; i < ARRAY_LEN(refused) && r->status == 0; i++) {
		if (is_text(q->method, refused[i]))
			refuse(r, 405, "a method that no rule can allow");
	}
	if (r->status == 0 && q->has_upgrade && q->framing != KEEPMSG_NO_BODY)
		refuse(r, 400, "Upgrade with a body");
	return r->status == 0;
}

/* Method and path behind each other in the arena, with a NUL each. */
static bool read_target(const struct judge_request *q, struct judge_result *r)
{
	AUTO_BUF struct buf path = { 0 };
	const char *why = NULL;

	if (is_text(q->target, "*")) {
		if (q->method.n != 7 || memcmp(q->method.at, "OPTIONS", 7) != 0)
			why = "* is for OPTIONS alone";
		buf_adds(&path, "*");
	} else if (q->target.n == 0 || q->target.at[0] != '/') {
		why = "malformed request target";
	} else {
		why = urlpath_normal(
			q->target.at, q->target.n, &path, &r->head.query.at, &r->head.query.n);
	}
	if (why != NULL) {
		refuse(r, 400, why);
		return false;
	}
	buf_add(&r->arena, q->method.at, q->method.n);
	buf_add(&r->arena, "", 1);
	buf_add(&r->arena, path.data, path.len);
	buf_add(&r->arena, "", 1);
	r->arena.failed |= path.failed;
	return true;
}

/* ---- which rule ---- */

static void no_rule(
	const struct target *target, const struct policy_question *question, struct judge_result *r)
{
	char reason[sizeof(r->reason)];

	(void)snprintf(reason, sizeof(reason), "no rule of %.60s allows %.20s %.50s", target->host,
		question->method, question->url_path);
	refuse(r, 403, reason);
}

static void choose_rule(const struct proxy *proxy, const struct target *target,
	const struct judge_request *q, struct judge_result *r)
{
	struct policy_answer answer;
	struct policy_question question = { .action = POLICY_INJECT,
		.host = target->host,
		.port = target->port,
		.method = r->arena.data,
		.url_path = r->arena.data + q->method.n + 1,
		.is_plain = q->is_plain };

	policy_decide(proxy->policy, &question, &answer);
	r->rule = answer.rule;
	if (answer.verdict == POLICY_ALLOWED && answer.rule != NULL)
		r->verdict = JUDGE_RULE;
	else if (answer.verdict == POLICY_PASSED && answer.rule != NULL)
		r->verdict = JUDGE_PASS;
	else
		no_rule(target, &question, r);
}

/* ---- fake keys ---- */

static const char *find_honey(const struct honey *honey, const struct judge_request *q)
{
	const char *path = honey_find(honey, q->target.at, q->target.n);

	for (size_t i = 0; path == NULL && i < q->n_authorities; i++)
		path = honey_find(honey, q->authorities[i].at, q->authorities[i].n);
	for (size_t i = 0; path == NULL && i < q->n_fields; i++) {
		path = honey_find(honey, q->fields[i].value.at, q->fields[i].value.n);
		if (path == NULL)
			path = honey_find(honey, q->fields[i].name.at, q->fields[i].name.n);
	}
	return path;
}

static bool has_honey(const struct proxy *proxy, const struct judge_request *q, struct judge_result *r)
{
	const char *path = proxy->honey != NULL ? find_honey(proxy->honey, q) : NULL;
	char reason[sizeof(r->reason)];

	if (path == NULL)
		return false;
	(void)snprintf(reason, sizeof(reason), PROXYMSG_REASON_HONEY "%.100s", path);
	refuse(r, 403, reason);
	return true;
}

/* ---- all of it ---- */

/* The arena does not move any more. Refusals are reported with method and path, too. */
static void point_line(const struct judge_request *q, struct judge_result *r)
{
	struct keepmsg_head *head = &r->head;

	if (r->arena.failed)
		return;
	head->method = (struct keepmsg_text){ r->arena.data, q->method.n };
	head->path.at = r->arena.data + q->method.n + 1;
	head->path.n = strlen(head->path.at);
}

static void point(const struct judge_request *q, struct judge_result *r, const size_t *names)
{
	struct keepmsg_head *head = &r->head;

	for (size_t i = 0; i < head->n_fields; i++)
		head->fields[i].name.at = r->arena.data + names[i];
	head->framing = q->framing;
	head->length = q->framing == KEEPMSG_LENGTH ? q->length : 0;
	head->flags = (r->verdict == JUDGE_PASS ? KEEPMSG_PASS : 0) |
		      (q->has_upgrade ? KEEPMSG_UPGRADE : 0) | (q->is_h2 ? KEEPMSG_H2 : 0) |
		      (q->expects_continue && q->framing != KEEPMSG_NO_BODY ? KEEPMSG_CONTINUE : 0);
}

static void judge_rest(const struct proxy *proxy, const struct target *target,
	const struct judge_request *request, struct judge_result *ret)
{
	size_t names[KEEPMSG_FIELDS_MAX];
	const char *why;

	choose_rule(proxy, target, request, ret);
	if (ret->verdict == JUDGE_REFUSED)
		return;
	why = judge_fields(request, ret, names);
	if (why != NULL)
		refuse(ret, ret->status != 0 ? ret->status : 400, why);
	else if (ret->arena.failed)
		refuse(ret, 503, "out of memory");
	else
		point(request, ret, names);
}

void judge(const struct proxy *proxy, const struct target *target,
	const struct judge_request *request, struct judge_result *ret)
{
	/* The fields, 4 KiB, are not read beyond their number. */
	memset(ret, 0, offsetof(struct judge_result, head.fields));
	memset(&ret->head.n_fields, 0, sizeof(*ret) - offsetof(struct judge_result, head.n_fields));
	ret->verdict = JUDGE_REFUSED;
	if (has_honey(proxy, request, ret) || !check_authorities(target, request, ret) || !check_method(request, ret) ||
		!read_target(request, ret))
		return;
	if (ret->arena.failed)
		refuse(ret, 503, "out of memory");
	else
		judge_rest(proxy, target, request, ret);
	point_line(request, ret);
}

void judge_done(struct judge_result *result)
{
	buf_done(&result->arena);
}
