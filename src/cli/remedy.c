/*
 * See remedy.h. Runs in the `agentjail` process with the user's rights. Hostile: hosts, paths and
 * methods of records; what cannot stand in a line of profile is not offered.
 */
#include "cli/remedy.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "policy/address.h"
#include "policy/hostmatch.h"
#include "policy/lines.h"
#include "policy/pathmatch.h"
#include "policy/rules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* One attempt after the other, until one does. */
struct search {
	const struct launch *launch;
	const struct query *query;
	const struct policy_answer *answer;
	struct remedy *ret;
	struct err *err;
	bool is_found;
};

void remedy_done(struct remedy *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->lines[i].value);
	*r = (struct remedy){ 0 };
}

/* A line without a value is left out. value is copied; NULL too when it cannot be written. */
static bool set_line(struct remedy *r, const char *section, const char *key, const char *value)
{
	struct remedy_line *line = &r->lines[r->n];

	if (value == NULL)
		return true;
	if (strpbrk(value, "\n\r") != NULL || strlen(key) + 3 + strlen(value) > LINES_LINE_MAX ||
		(size_t)snprintf(line->section, sizeof(line->section), "%s", section) >=
			sizeof(line->section) ||
		(size_t)snprintf(line->key, sizeof(line->key), "%s", key) >= sizeof(line->key))
		return false;
	line->value = strdup(value);
	r->n += line->value != NULL;
	return line->value != NULL;
}

/* Does the policy with those lines allow it? 1, 0, or -errno with err. */
static int would_do(struct search *s, const struct remedy *r)
{
	char *texts[REMEDY_LINES_MAX] = { NULL };
	struct policy *policy = NULL;
	struct policy_answer answer;
	struct err err = { 0 };
	bool ok = true;
	int failed;

	for (size_t i = 0; i < r->n; i++)
		ok = asprintf(&texts[i], "%s.%s=%s", r->lines[i].section, r->lines[i].key,
			     r->lines[i].value) >= 0 &&
			ok;
	failed = ok ? launch_policy_with(s->launch, (const char *const *)texts, r->n, &policy, &err)
		    : -ENOMEM;
	for (size_t i = 0; i < r->n && ok; i++)
		free(texts[i]);
	if (failed == -ENOMEM)
		return err_set(s->err, ENOMEM, "try a line");
	if (failed < 0) {
		/* Not taken: locked, or too much at once. The first reason is the best one. */
		if (s->ret->detail[0] == '\0')
			(void)snprintf(s->ret->detail, sizeof(s->ret->detail), "%s", err.text);
		return 0;
	}
	query_ask(s->query, policy, &answer);
	ok = query_is_allowed(&answer);
	policy_free(policy);
	return ok;
}

/* One or two lines of one section; a value that is NULL leaves its line out. */
struct attempt {
	const char *section, *key, *value;
	const char *key2, *value2;
	const char *risk;
};

/* 0, or -errno: the search ends. */
static int attempt(struct search *s, const struct attempt *a)
{
	struct remedy r = { .risk = a->risk };
	int done = 0;

	if (s->is_found)
		return 0;
	if (set_line(&r, a->section, a->key, a->value) &&
		set_line(&r, a->section, a->key2, a->value2) && r.n > 0)
		done = would_do(s, &r);
	if (done > 0) {
		s->is_found = true;
		*s->ret = r;
		return 0;
	}
	remedy_done(&r);
	return done;
}

/* "!ENTRY" for the line that decided; NULL when it stands where no later line reaches it. */
static char *removal(const struct search *s)
{
	const struct policy_item *item = s->answer->item;
	AUTO_FREE char *project = NULL;
	char *text = NULL;

	if (item == NULL || s->answer->key >= PK_COUNT || !policy_key_is_list(s->answer->key) ||
		strchr(item->value, '"') != NULL ||
		asprintf(&project, "%s/.agentjail.ini", s->launch->paths.project) < 0)
		return NULL;
	if (strcmp(item->origin.file, project) == 0 || item->origin.line == 0) {
		s->ret->note = "delete the line that decides: no line of yours is read after it";
		return NULL;
	}
	if (asprintf(&text, strpbrk(item->value, " \t") != NULL ? "!\"%s\"" : "!%s", item->value) < 0)
		return NULL;
	return text;
}

/* ---- connect ---- */

static const char risk_host[] = "what commands can read they can send there, and what it answers "
				"they may run";
static const char risk_private[] = "it leads into your own network: services there often trust "
				   "whoever reaches them";
static const char risk_loopback[] = "whatever listens on that port of this machine is open to "
				    "every command";
static const char risk_metadata[] = "a cloud's metadata service hands the machine's own credentials to "
				    "whoever asks";
static const char risk_denied[] = "a line denies it on purpose: ask whoever wrote it";

static const char *risk_of_host(const struct search *s)
{
	const struct policy_question *q = &s->query->question;
	enum address_class class;
	const char *ignored;

	if (strcmp(s->query->host, "localhost") == 0)
		return risk_loopback;
	class = q->address != NULL ? address_classify(q->family, q->address, &ignored)
				   : ADDRESS_PUBLIC;
	if (class == ADDRESS_PUBLIC)
		return risk_host;
	if (class == ADDRESS_METADATA)
		return risk_metadata;
	return address_is_loopback(q->family, q->address) ? risk_loopback : risk_private;
}

static int find_connect(struct search *s)
{
	const struct query *q = s->query;
	bool is_v6 = strchr(q->host, ':') != NULL;
	uint16_t port = q->question.port;
	const char *risk = risk_of_host(s);
	AUTO_FREE char *entry = NULL;
	AUTO_FREE char *taken = NULL;
	int r = 0;

	/* Without a port a line means 443 and 80; localhost needs one. */
	if ((port == 443 || port == 80) && strcmp(q->host, "localhost") != 0)
		r = asprintf(&entry, "%s", q->host);
	else
		r = asprintf(&entry, is_v6 ? "[%s]:%u" : "%s:%u", q->host, port);
	if (r < 0)
		return err_set(s->err, ENOMEM, "a line");
	if (s->answer->key == PK_EGRESS_DENY) {
		taken = removal(s);
		r = attempt(s, &(struct attempt){ "egress", "deny", taken, NULL, NULL, risk_denied });
		if (r >= 0 && taken != NULL)
			r = attempt(s, &(struct attempt){ "egress", "deny", taken, "allow", entry,
					       risk_denied });
		return r;
	}
	r = attempt(s, &(struct attempt){ "egress", "allow", entry, NULL, NULL, risk });
	if (r >= 0)
		r = attempt(s, &(struct attempt){ "egress", "private", q->host, NULL, NULL,
				       risk_private });
	if (r >= 0)
		r = attempt(s, &(struct attempt){ "egress", "allow", entry, "private", q->host,
				       risk_private });
	return r;
}

/* ---- inject ---- */

#define RISK_RULE "; a rule's methods hold for all of its paths"
static const char risk_read[] = "what the secret lets one read there, every command may read" RISK_RULE;
static const char risk_change[] = "what the secret lets one change there, every command may "
				  "change" RISK_RULE;

static int find_in_rule(struct search *s, const struct rules_rule *rule)
{
	const struct policy_question *q = &s->query->question;
	bool reads = strcmp(q->method, "GET") == 0 || strcmp(q->method, "HEAD") == 0;
	struct attempt a = { .key = "path", .value = q->url_path, .key2 = "method",
		.risk = reads ? risk_read : risk_change };
	char section[64];
	int r;

	if ((size_t)snprintf(section, sizeof(section), "inject %s", rules_name(rule)) >=
		sizeof(section))
		return 0;
	a.section = section;
	r = attempt(s, &a);
	if (r >= 0) {
		a.value = NULL;
		a.value2 = q->method;
		r = attempt(s, &a);
	}
	if (r >= 0) {
		a.value = q->url_path;
		r = attempt(s, &a);
	}
	return r;
}

static int find_inject(struct search *s)
{
	const struct policy_question *q = &s->query->question;
	const struct policy *policy = s->launch->policy;
	size_t n = 0;
	const struct rules_rule *const *rules = rules_all(policy, &n);
	int r = 0;

	if (s->answer->key == PK_EGRESS_DENY || !rules_cover(policy, q->host, q->port, q->is_plain))
		return find_connect(s);
	if (!rules_may_serve(q->method)) {
		s->ret->note = "no rule can serve that method: it would echo the secret or open a tunnel";
		return 0;
	}
	for (size_t i = 0; i < n && r >= 0; i++)
		if (rules_covers(rules[i], q->host, q->port, q->is_plain))
			r = find_in_rule(s, rules[i]);
	return r;
}

/* ---- files ---- */

static const char risk_secret[] = "every command sees its content and can send it to any allowed "
				  "host; a rule ([inject]) lets them use a secret without seeing it";
static const char risk_shown[] = "every command can read it and send it to any allowed host";
static const char risk_write[] = "commands can change it, and with it what you or a program of yours "
				 "later does with it";
static const char risk_protected[] = "your shell, editor or git runs or believes what stands there, "
				     "outside of any cell";

static const char *risk_of_file(const struct search *s)
{
	switch (s->answer->file_kind) {
	case POLICY_FILE_HIDE:
	case POLICY_FILE_REDACT:
		return risk_secret;
	case POLICY_FILE_PROTECT:
		return risk_protected;
	case POLICY_FILE_ABSENT:
	case POLICY_FILE_WRITE:
	case POLICY_FILE_HOLD:
	case POLICY_FILE_OVERLAY:
	case POLICY_FILE_CACHE:
	case POLICY_FILE_READ:
		break;
	}
	return s->query->question.action == POLICY_WRITE ? risk_write : risk_shown;
}

/* A path as people write it in a profile of theirs; NULL when it cannot be written. */
static char *path_entry(const struct launch *launch, const char *path)
{
	size_t n = strlen(launch->paths.home);
	bool is_below = pathmatch_is_within(path, launch->paths.home) && path[n] == '/';
	char *text = NULL;

	if (strpbrk(path, "\"\n\r") != NULL)
		return NULL;
	if (asprintf(&text, strpbrk(path, " \t;") != NULL ? "\"%s%s\"" : "%s%s", is_below ? "~" : "",
		    is_below ? path + n : path) < 0)
		return NULL;
	return text;
}

static int find_file(struct search *s)
{
	const char *key = s->query->question.action == POLICY_WRITE ? "write" : "read";
	const char *risk = risk_of_file(s), *name;
	AUTO_FREE char *entry = path_entry(s->launch, s->query->path);
	AUTO_FREE char *taken = removal(s);
	int r = attempt(s, &(struct attempt){ "files", key, entry, NULL, NULL, risk });

	name = taken != NULL ? policy_key_name(s->answer->key) : "";
	if (r < 0 || !str_starts(name, "files."))
		return r;
	name += strlen("files.");
	r = attempt(s, &(struct attempt){ "files", name, taken, NULL, NULL, risk });
	if (r >= 0)
		r = attempt(s, &(struct attempt){ "files", name, taken, key, entry, risk });
	return r;
}

int remedy_find(const struct launch *launch, const struct query *query,
	const struct policy_answer *answer, struct remedy *ret, struct err *err)
{
	struct search s = { .launch = launch, .query = query, .answer = answer, .ret = ret,
		.err = err };
	int r = 0;

	switch (query->question.action) {
	case POLICY_READ:
	case POLICY_WRITE:
	case POLICY_EXEC:
		r = find_file(&s);
		break;
	case POLICY_CONNECT:
		r = find_connect(&s);
		break;
	case POLICY_INJECT:
		r = find_inject(&s);
		break;
	case POLICY_TOOL:
		ret->note = "a [tool NAME] section names what it runs; see agentjail(1)";
		break;
	}
	if (r >= 0 && !s.is_found && ret->note == NULL)
		ret->note = ret->detail[0] != '\0' ? "no line of yours is taken for it"
						   : "no single line of a profile allows it";
	return r < 0 ? r : 0;
}
