/*
 * See query.h. Runs in the `agentjail` process with the user's rights; the words are the user's, or
 * come from the audit and with that from a hostile command.
 */
#include "cli/query.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "cli/listing.h"
#include "cli/which.h"
#include "policy/hostmatch.h"
#include "policy/namerules.h"
#include "policy/nearest.h"
#include "policy/rules.h"
#include "policy/tracked.h"
#include "policy/urlpath.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define QUOTE_BYTES 256

/* ---- files ---- */

/* Absolute and without "." and "..", by text alone. */
static int make_absolute(const char *path, const struct launch *launch, struct buf *out)
{
	bool is_home = path[0] == '~' && (path[1] == '/' || path[1] == '\0');

	if (is_home)
		buf_adds(out, launch->paths.home);
	else if (path[0] != '/')
		buf_adds(out, strcmp(launch->paths.cwd, "/") == 0 ? "" : launch->paths.cwd);
	for (path += is_home; *path != '\0';) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (out->len > 0 && out->data[out->len - 1] != '/')
				out->len--;
			out->len -= out->len > 0;
		} else if (n > 0 && !(n == 1 && path[0] == '.')) {
			buf_adds(out, "/");
			buf_add(out, path, n);
		}
		path += n + (path[n] == '/');
	}
	if (out->len == 0)
		buf_adds(out, "/");
	if (!out->failed)
		out->data[out->len] = '\0';
	return out->failed ? -ENOMEM : 0;
}

/* Links of what is there are followed; of what is not, those of the directory. */
static char *resolve(const char *path)
{
	AUTO_FREE char *dir = NULL;
	AUTO_FREE char *copy = NULL;
	char *found = realpath(path, NULL), *slash;

	if (found != NULL)
		return found;
	copy = strdup(path);
	slash = copy != NULL ? strrchr(copy, '/') : NULL;
	if (slash == NULL || slash == copy)
		return take_ptr(&copy);
	*slash = '\0';
	dir = realpath(copy, NULL);
	if (dir == NULL)
		return strdup(path);
	return asprintf(&found, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, slash + 1) < 0 ? NULL
											 : found;
}

int query_path(struct query *ret, enum policy_action action, const char *path,
	const struct launch *launch, struct err *err)
{
	AUTO_BUF struct buf absolute = { 0 };

	if (path[0] == '\0')
		return err_set(err, 0, "a PATH is needed");
	if (make_absolute(path, launch, &absolute) < 0)
		return err_set(err, ENOMEM, "a path");
	ret->path = resolve(absolute.data);
	if (ret->path == NULL)
		return err_set(err, ENOMEM, "a path");
	ret->question = (struct policy_question){ .action = action, .path = ret->path };
	return 0;
}

/* ---- hosts ---- */

/* [V6]:PORT, V6, HOST:PORT or HOST. */
static bool split_port(const char *text, size_t n, size_t *ret_host, unsigned long *ret_port)
{
	const char *colon = memrchr(text, ':', n), *bracket = memrchr(text, ']', n);
	AUTO_FREE char *digits = NULL;

	*ret_host = n;
	if (colon == NULL || (bracket != NULL && colon < bracket))
		return true;
	if (bracket == NULL && memchr(text, ':', (size_t)(colon - text)) != NULL)
		return true; /* an IPv6 address as it is */
	*ret_host = (size_t)(colon - text);
	digits = strndup(colon + 1, n - *ret_host - 1);
	return digits != NULL && str_to_ulong(digits, 65535, ret_port) && *ret_port > 0;
}

static int set_host(struct query *ret, const char *text, size_t n, uint16_t port, struct err *err)
{
	struct hostmatch_literal literal;
	unsigned long number = port;
	AUTO_FREE char *host = NULL;
	char quoted[QUOTE_BYTES];
	size_t host_n;

	(void)log_quote(text, n, quoted, sizeof(quoted));
	if (!split_port(text, n, &host_n, &number))
		return err_set(err, 0, "%s: a port is a number from 1 to 65535", quoted);
	if (host_n > 2 && text[0] == '[' && text[host_n - 1] == ']') {
		text++;
		host_n -= 2;
	}
	host = strndup(text, host_n);
	if (host == NULL)
		return err_set(err, ENOMEM, "a host");
	ret->question.host = ret->host;
	ret->question.port = (uint16_t)number;
	if (hostmatch_is_literal(host, &literal)) {
		(void)snprintf(ret->host, sizeof(ret->host), "%s", host);
		memcpy(ret->address, literal.address, sizeof(ret->address));
		ret->question.address = ret->address;
		ret->question.family = literal.family;
		return 0;
	}
	if (policy_host_normal(host, strlen(host), ret->host))
		return 0;
	return err_set(err, 0, "%s: is neither a host's name nor an address; write HOST[:PORT]",
		quoted);
}

/* "https://HOST/..." -> its parts. False: it is no such URL. */
static bool split_url(const char *url, uint16_t *ret_port, const char **ret_host,
	const char **ret_target)
{
	if (strncasecmp(url, "https://", 8) == 0)
		*ret_port = 443;
	else if (strncasecmp(url, "http://", 7) == 0)
		*ret_port = 80;
	else
		return false;
	*ret_host = url + (*ret_port == 443 ? 8 : 7);
	*ret_target = *ret_host + strcspn(*ret_host, "/?#");
	return true;
}

int query_host(struct query *ret, const char *text, struct err *err)
{
	const char *host = text, *target = text + strlen(text);
	uint16_t port = 443;

	(void)split_url(text, &port, &host, &target);
	ret->question = (struct policy_question){ .action = POLICY_CONNECT };
	return set_host(ret, host, (size_t)(target - host), port, err);
}

int query_request(struct query *ret, const char *method, const char *url, struct err *err)
{
	const char *host, *target, *query, *why;
	char quoted[QUOTE_BYTES];
	size_t query_n, path_n;
	uint16_t port;
	int r;

	(void)log_quote(url, strlen(url), quoted, sizeof(quoted));
	if (!split_url(url, &port, &host, &target))
		return err_set(err, 0, "%s: write METHOD and https://HOST/PATH", quoted);
	ret->question = (struct policy_question){ .action = POLICY_INJECT,
		.method = method,
		.is_plain = port == 80 };
	r = set_host(ret, host, (size_t)(target - host), port, err);
	if (r < 0)
		return r;
	path_n = strcspn(target, "#");
	why = target[0] == '/' ? urlpath_normal(target, path_n, &ret->url_path, &query, &query_n)
			       : NULL;
	if (why != NULL)
		return err_set(err, 0, "%s: no rule serves such a path: %s", quoted, why);
	if (target[0] != '/')
		buf_adds(&ret->url_path, "/");
	if (ret->url_path.failed)
		return err_set(err, ENOMEM, "a path");
	ret->question.url_path = ret->url_path.data;
	return 0;
}

/* ---- actions ---- */

/* words without the action. */
typedef int parse_function(
	struct query *ret, const struct launch *launch, char **words, size_t n, struct err *err);

static int parse_read(
	struct query *ret, const struct launch *launch, char **words, size_t n, struct err *err)
{
	(void)n;
	return query_path(ret, POLICY_READ, words[0], launch, err);
}

static int parse_write(
	struct query *ret, const struct launch *launch, char **words, size_t n, struct err *err)
{
	(void)n;
	return query_path(ret, POLICY_WRITE, words[0], launch, err);
}

static int parse_connect(
	struct query *ret, const struct launch *launch, char **words, size_t n, struct err *err)
{
	(void)launch;
	(void)n;
	return query_host(ret, words[0], err);
}

static int parse_inject(
	struct query *ret, const struct launch *launch, char **words, size_t n, struct err *err)
{
	(void)launch;
	(void)n;
	return query_request(ret, words[0], words[1], err);
}

static int parse_exec(
	struct query *ret, const struct launch *launch, char **words, size_t n, struct err *err)
{
	AUTO_FREE char *found = NULL;
	AUTO_FREE char *agent = NULL;
	char quoted[QUOTE_BYTES];

	(void)n;
	if (which_find(words[0], &found) < 0)
		return err_set(err, 0, "%s: not found, or not executable",
			log_quote(words[0], strlen(words[0]), quoted, sizeof(quoted)));
	ret->path = realpath(found, NULL);
	if (ret->path == NULL)
		return err_set(err, errno, "%s",
			log_quote(words[0], strlen(words[0]), quoted, sizeof(quoted)));
	if (launch->options.profile != NULL && which_find(launch->options.profile, &agent) == 0)
		ret->program = realpath(agent, NULL);
	ret->exec = (struct policy_exec){ .file = ret->path,
		.argv = (const char *const *)words,
		.program = ret->program };
	ret->question = (struct policy_question){ .action = POLICY_EXEC, .exec = &ret->exec };
	return 0;
}

static int parse_tool(
	struct query *ret, const struct launch *launch, char **words, size_t n, struct err *err)
{
	(void)launch;
	(void)n;
	(void)err;
	ret->question = (struct policy_question){ .action = POLICY_TOOL,
		.word = words[0],
		.args = (const char *const *)(words + 1) };
	return 0;
}

static const struct action {
	const char *name, *target;
	size_t words; /* 0: one and more */
	parse_function *parse;
} actions[] = {
	[POLICY_READ] = { "read", "PATH", 1, parse_read },
	[POLICY_WRITE] = { "write", "PATH", 1, parse_write },
	[POLICY_EXEC] = { "exec", "COMMAND [ARG...]", 0, parse_exec },
	[POLICY_CONNECT] = { "connect", "HOST[:PORT]", 1, parse_connect },
	[POLICY_INJECT] = { "inject", "METHOD URL", 2, parse_inject },
	[POLICY_TOOL] = { "tool", "COMMAND [ARG...]", 0, parse_tool },
};

static int no_action(const char *word, struct err *err)
{
	struct nearest nearest = { .word = word };
	char quoted[QUOTE_BYTES];

	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		nearest_try(&nearest, actions[i].name);
	(void)log_quote(word, strlen(word), quoted, sizeof(quoted));
	if (nearest_best(&nearest) != NULL)
		return err_set(err, 0, "no action %s; did you mean %s?", quoted,
			nearest_best(&nearest));
	return err_set(err, 0, "no action %s; there are read, write, exec, connect, inject and tool",
		quoted);
}

int query_parse(struct query *ret, const struct launch *launch, char **words, size_t n,
	struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(actions) && n > 0; i++) {
		const struct action *a = &actions[i];

		if (strcmp(a->name, words[0]) != 0)
			continue;
		words++;
		n--;
		if (n > 0 && strcmp(words[0], "--") == 0) {
			words++;
			n--;
		}
		if (a->words == 0 ? n == 0 : n != a->words)
			return err_set(err, 0, "%s: write %s %s", a->name, a->name, a->target);
		if (a->parse(ret, launch, words, n, err) < 0)
			return err_prefix(err, "%s", a->name);
		return 0;
	}
	if (n == 0)
		return err_set(err, 0,
			"write ACTION TARGET; actions are read, write, exec, connect, inject and tool");
	return no_action(words[0], err);
}

/* A file that its name hides, and that git has: see policy/tracked.h. */
static bool is_shown_by_git(const struct query *q, const struct policy *policy,
	const struct policy_answer *answer)
{
	AUTO_CLOSE int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int file = open(q->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	const char *project = policy_project(policy);
	struct tracked_cache cache = { 0 };
	struct namerules rules;
	size_t n = strlen(project);
	struct err err;
	bool is_shown;

	if (root < 0 || file < 0 || strncmp(q->path, project, n) != 0 || q->path[n] != '/' ||
		namerules_init(&rules, policy, true, &err) < 0 ||
		!namerules_may_show(answer) ||
		(q->question.action == POLICY_WRITE && namerules_protects(&rules, q->path) != NULL))
		return false;
	is_shown = tracked_judge(&cache,
			   &(struct tracked_question){ .root = root,
				   .file = file,
				   .project = project,
				   .path = q->path + n + 1 }) == TRACKED_SAME;
	tracked_done(&cache);
	return is_shown;
}

void query_ask(const struct query *q, const struct policy *policy, struct policy_answer *ret)
{
	struct policy_question other = q->question;

	if (q->question.action == POLICY_EXEC) {
		other.action = POLICY_READ;
		other.path = q->path;
		policy_decide(policy, &other, ret);
		if (ret->verdict == POLICY_DENIED)
			return;
	}
	if (q->question.action == POLICY_INJECT &&
		!rules_cover(policy, q->host, q->question.port, q->question.is_plain)) {
		other.action = POLICY_CONNECT;
		policy_decide(policy, &other, ret);
		if (ret->verdict == POLICY_ALLOWED) {
			ret->verdict = POLICY_PASSED;
			ret->reason = "the host has no rule here: passed on unread, without a secret";
		}
		return;
	}
	policy_decide(policy, &q->question, ret);
	if (ret->verdict == POLICY_DENIED &&
		(q->question.action == POLICY_READ || q->question.action == POLICY_WRITE) &&
		is_shown_by_git(q, policy, ret)) {
		ret->verdict = POLICY_ALLOWED;
		ret->reason = "hidden by its name, but git has its content: shown while that is so";
	}
}

bool query_is_allowed(const struct policy_answer *answer)
{
	return answer->verdict != POLICY_DENIED;
}

const char *query_action(const struct query *q)
{
	return actions[q->question.action].name;
}

static void add_words(const char *const *words, struct buf *out)
{
	for (size_t i = 0; words[i] != NULL; i++) {
		buf_adds(out, i > 0 ? " " : "");
		listing_add_quoted(out, words[i]);
	}
}

static void add_host(const struct query *q, struct buf *out)
{
	bool is_v6 = strchr(q->host, ':') != NULL;

	buf_adds(out, is_v6 ? "[" : "");
	listing_add_quoted(out, q->host);
	buf_adds(out, is_v6 ? "]" : "");
}

void query_add_target(const struct query *q, struct buf *out)
{
	const struct policy_question *p = &q->question;

	switch (p->action) {
	case POLICY_READ:
	case POLICY_WRITE:
		listing_add_quoted(out, q->path);
		return;
	case POLICY_EXEC:
		add_words(q->exec.argv, out);
		buf_adds(out, " (");
		listing_add_quoted(out, q->path);
		buf_adds(out, ")");
		return;
	case POLICY_CONNECT:
		add_host(q, out);
		buf_addf(out, ":%u", p->port);
		return;
	case POLICY_INJECT:
		listing_add_quoted(out, p->method);
		buf_adds(out, p->is_plain ? " http://" : " https://");
		add_host(q, out);
		if (p->port != (p->is_plain ? 80 : 443))
			buf_addf(out, ":%u", p->port);
		listing_add_quoted(out, p->url_path);
		return;
	case POLICY_TOOL:
		listing_add_quoted(out, p->word);
		buf_adds(out, p->args[0] != NULL ? " " : "");
		add_words(p->args, out);
		return;
	}
}

void query_done(struct query *q)
{
	free(q->path);
	free(q->program);
	free(q->words);
	buf_done(&q->url_path);
	*q = (struct query){ 0 };
}
