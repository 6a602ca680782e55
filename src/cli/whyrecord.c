/* See whyrecord.h. Hostile: all that records quote; the word is the user's. */
#include "cli/whyrecord.h"

#include "base/cleanup.h"
#include "cli/sessions.h"
#include "cli/which.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Rationale: a pid has seven digits, a record's number never twelve. */
#define NUMBER_MAX 999999999999ul
/* Rationale: the audit keeps 8 KiB of an argv. */
#define ARGV_MAX 8192

void whyrecord_done(struct whyrecord *w)
{
	record_done(&w->first);
	record_done(&w->record);
	record_done(&w->command);
	*w = (struct whyrecord){ 0 };
}

static bool is_file(const char *word)
{
	return strstr(word, "://") == NULL &&
		(strchr(word, '/') != NULL || word[0] == '~' || word[0] == '.' ||
			access(word, F_OK) == 0);
}

int whyrecord_want(const char *word, const struct launch *launch, struct whyrecord_want *ret,
	struct err *err)
{
	AUTO_QUERY struct query q = { 0 };
	unsigned long number;
	int r;

	*ret = (struct whyrecord_want){ .kind = WHY_ID };
	if (str_to_ulong(word, NUMBER_MAX, &number)) {
		ret->number = (int64_t)number;
		return 0;
	}
	ret->kind = is_file(word) ? WHY_FILE : WHY_HOST;
	r = ret->kind == WHY_FILE ? query_path(&q, POLICY_READ, word, launch, err)
				  : query_host(&q, word, err);
	if (r < 0)
		return err_prefix(err, "why");
	if (ret->kind == WHY_FILE)
		(void)snprintf(ret->path, sizeof(ret->path), "%s", q.path);
	else
		(void)snprintf(ret->host, sizeof(ret->host), "%s", q.host);
	if (ret->kind == WHY_HOST && strpbrk(word, ":/") != NULL)
		ret->port = q.question.port;
	return 0;
}

static bool is_wanted(const struct record *r, const struct whyrecord_want *want)
{
	int64_t number;

	switch (want->kind) {
	case WHY_ID:
		return record_number(r, "id", &number) && number == want->number;
	case WHY_PID:
		return record_number(r, "pid", &number) && number == want->number;
	case WHY_HOST:
		return record_says(r, "host", want->host) &&
			(want->port == 0 ||
				(record_number(r, "port", &number) && number == want->port));
	case WHY_FILE:
		return record_says(r, "file", want->path);
	}
	return false;
}

static void take_record(struct record *to, struct record *from)
{
	record_done(to);
	*to = *from;
	*from = (struct record){ 0 };
}

/* The exec of the command whose record it is; itself, when it is one. */
static int find_command(struct trail *t, struct whyrecord *w, struct err *err)
{
	AUTO_RECORD struct record r = { 0 };
	int64_t number, own;
	int found;

	if (!record_number(&w->record, "command", &number))
		return 0;
	found = trail_rewind(t, err);
	if (found < 0)
		return found;
	while ((found = trail_record(t, &r, err)) > 0)
		if (record_says(&r, "event", "exec") && record_number(&r, "command", &own) &&
			own == number) {
			take_record(&w->command, &r);
			return 0;
		}
	return found;
}

int whyrecord_search(struct trail *t, const struct whyrecord_want *want, struct whyrecord *ret,
	struct err *err)
{
	AUTO_RECORD struct record r = { 0 };
	const char *mode;
	int found = trail_record(t, &ret->first, err);

	if (found <= 0)
		return found;
	memcpy(ret->session, t->id, sizeof(ret->session));
	mode = record_text(&ret->first, "mode");
	(void)snprintf(ret->mode, sizeof(ret->mode), "%s", mode != NULL ? mode : "");
	if (is_wanted(&ret->first, want) && trail_rewind(t, err) < 0)
		return -err->code;
	while ((found = trail_record(t, &r, err)) > 0) {
		bool is_denial = record_says(&r, "decision", "deny") ||
			record_says(&r, "decision", "ended");
		enum whyrecord_rank rank = is_denial ? WHY_DENIAL : WHY_OTHER;

		if (!is_wanted(&r, want) || rank < ret->rank)
			continue;
		ret->rank = rank;
		take_record(&ret->record, &r);
	}
	if (found < 0 || ret->rank == WHY_NONE)
		return found;
	return find_command(t, ret, err);
}

/* ---- asking the policy ---- */

static int query_place(const struct record *r, struct query *ret, struct err *err)
{
	const char *host = record_text(r, "host"), *address = record_text(r, "address");
	AUTO_FREE char *text = NULL;
	struct err failed = { 0 };
	int64_t port = 0;
	int family;

	(void)record_number(r, "port", &port);
	if (asprintf(&text, strchr(host, ':') != NULL ? "[%s]:%d" : "%s:%d", host, (int)port) < 0)
		return err_set(err, ENOMEM, "a host");
	if (query_host(ret, text, &failed) < 0)
		return 0; /* no name at all: that was the reason */
	if (address == NULL || ret->question.address != NULL)
		return 1;
	family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET;
	if (inet_pton(family, address, ret->address) == 1) {
		ret->question.address = ret->address;
		ret->question.family = family;
	}
	return 1;
}

static int query_request_of(const struct record *r, struct query *ret, struct err *err)
{
	const char *host = record_text(r, "host"), *path = record_text(r, "path");
	AUTO_FREE char *url = NULL;
	struct err failed = { 0 };
	int64_t port = 0;

	(void)record_number(r, "port", &port);
	if (asprintf(&url, "%s://%s:%d%s", port == 80 ? "http" : "https", host, (int)port,
		    path != NULL ? path : "/") < 0)
		return err_set(err, ENOMEM, "a request");
	/* Refused as it is, or cut: the reason of the record says all. */
	return query_request(ret, record_text(r, "method"), url, &failed) == 0;
}

/* Points into r, whose strings stand one after the other. */
static const char **words_of(const struct record *r)
{
	size_t n;
	const char *text = record_strings(r, "argv", &n);
	const char **words = n <= ARGV_MAX ? calloc(n + 1, sizeof(*words)) : NULL;

	for (size_t i = 0; words != NULL && i < n; i++, text += strlen(text) + 1)
		words[i] = text;
	return words;
}

static int query_exec(const struct whyrecord *w, struct query *ret, struct err *err)
{
	const char *file = record_text(&w->record, "file"), *agent = sessions_agent(&w->first);
	AUTO_FREE char *program = NULL;

	if (file == NULL || file[0] != '/')
		return 0;
	ret->path = strdup(file);
	ret->words = words_of(&w->record);
	if (ret->path == NULL || ret->words == NULL)
		return err_set(err, ENOMEM, "a command");
	if (agent != NULL && which_find(agent, &program) == 0)
		ret->program = realpath(program, NULL);
	ret->exec = (struct policy_exec){ .file = ret->path,
		.argv = ret->words,
		.program = ret->program };
	ret->question = (struct policy_question){ .action = POLICY_EXEC, .exec = &ret->exec };
	return 1;
}

static int query_tool(const struct whyrecord *w, struct query *ret, struct err *err)
{
	ret->words = words_of(&w->record);
	if (ret->words == NULL)
		return err_set(err, ENOMEM, "a command");
	if (ret->words[0] == NULL)
		return 0;
	ret->question = (struct policy_question){ .action = POLICY_TOOL,
		.word = record_text(&w->record, "word"),
		.args = ret->words + 1 };
	return ret->question.word != NULL;
}

int whyrecord_query(const struct whyrecord *w, struct query *ret, struct err *err)
{
	const struct record *r = &w->record;

	if (record_text(r, "host") != NULL)
		return record_text(r, "method") != NULL ? query_request_of(r, ret, err)
							: query_place(r, ret, err);
	if (record_says(r, "event", "exec"))
		return query_exec(w, ret, err);
	return record_says(r, "event", "tool") ? query_tool(w, ret, err) : 0;
}
