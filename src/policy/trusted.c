/*
 * Which executions stay in the agent context. Runs in the warden; argv is hostile as far as hostile
 * text steers the agent, so everything is matched as a whole and nothing is trimmed.
 */
#include "policy/trusted.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "policy/entries.h"
#include "policy/pathmatch.h"

#include <errno.h>
#include <string.h>

#define ROOT "{root}"
#define ARGV0 "argv0="

/* A token of a line. "!x" is a token like any other here. */
static int next_token(struct entries *e, struct buf *token, struct err *err)
{
	int r = entries_next(e, err);

	token->len = 0;
	if (r <= 0)
		return r;
	if (e->is_removal)
		buf_adds(token, "!");
	buf_adds(token, e->text.data);
	return token->failed ? -ENOMEM : 1;
}

static int check_file(const char *file, struct err *err)
{
	char shown[100];
	const char *path = str_starts(file, ROOT "/") ? file + strlen(ROOT) : file;

	if (strcmp(file, "{agent}") == 0 || strcmp(file, "{interp}") == 0)
		return 0;
	(void)log_quote(file, strlen(file), shown, sizeof(shown));
	if (path[0] != '/')
		return err_set(err, 0,
			"'%s' is no file; write {agent}, {interp}, {root}/... or an absolute path",
			shown);
	if (strstr(path, "/../") != NULL || str_ends(path, "/..") || strstr(path, "//") != NULL ||
		strstr(path, "/./") != NULL)
		return err_set(err, 0, "'%s' has '..', '.' or '//' in it; write the plain path",
			shown);
	if (strspn(path, "/*?") == strlen(path))
		return err_set(err, 0, "'%s' would trust every program; name the file", shown);
	return 0;
}

static int check_argument(const char *token, bool is_first, struct err *err)
{
	char shown[100];

	(void)log_quote(token, strlen(token), shown, sizeof(shown));
	if (str_starts(token, ARGV0) && !is_first)
		return err_set(err, 0, "'%s' is not the first one; put it right after the file",
			shown);
	if (token[0] == '{' && strcmp(token, "{agent}") != 0 && strcmp(token, "{interp}") != 0 &&
		!str_starts(token, ROOT "/"))
		return err_set(err, 0, "'%s' is not known; there are {agent}, {interp} and {root}/",
			shown);
	return 0;
}

int trusted_check(const char *line, struct err *err)
{
	AUTO_ENTRIES struct entries e = { .rest = line };
	AUTO_BUF struct buf token = { 0 };
	int r = next_token(&e, &token, err);

	if (r == 0)
		return err_set(err, 0, "no file; write trusted = FILE ARGUMENT...");
	if (r > 0)
		r = check_file(token.data, err);
	if (r < 0)
		return r;
	for (bool is_first = true;; is_first = false) {
		r = next_token(&e, &token, err);
		if (r <= 0)
			return r;
		r = check_argument(token.data, is_first, err);
		if (r < 0)
			return r;
	}
}

/* {root} is compared as text: it may hold bytes that would be wildcards in a pattern. */
static bool below_root(const char *pattern, const char *value, const char *root)
{
	size_t n = root != NULL ? strlen(root) : 0;

	return n > 1 && strncmp(value, root, n) == 0 && value[n] == '/' &&
		pathmatch_exact(pattern + strlen(ROOT), value + n);
}

static const char *interp_of(const struct policy_exec *exec)
{
	return exec->interp != NULL ? exec->interp : exec->program;
}

static bool is_same(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static bool file_matches(const char *pattern, const struct policy_exec *exec)
{
	if (strcmp(pattern, "{agent}") == 0)
		return is_same(exec->file, exec->program);
	if (strcmp(pattern, "{interp}") == 0)
		return is_same(exec->file, interp_of(exec));
	if (str_starts(pattern, ROOT "/"))
		return below_root(pattern, exec->file, exec->root);
	return pathmatch_exact(pattern, exec->file);
}

static bool argument_matches(const char *pattern, const char *value, const struct policy_exec *exec)
{
	if (strcmp(pattern, "{agent}") == 0)
		return is_same(value, exec->program) || is_same(value, exec->script);
	if (strcmp(pattern, "{interp}") == 0)
		return is_same(value, interp_of(exec));
	if (str_starts(pattern, ROOT "/"))
		return below_root(pattern, value, exec->root);
	return str_glob(pattern, value);
}

static bool is_blank(const char *s)
{
	return s[strspn(s, " \t")] == '\0';
}

bool trusted_matches(const char *line, const struct policy_exec *exec)
{
	AUTO_ENTRIES struct entries e = { .rest = line };
	AUTO_BUF struct buf token = { 0 };
	const char *const *arg = exec->argv;
	struct err ignored;
	int r;

	if (arg == NULL || arg[0] == NULL || exec->file == NULL ||
		next_token(&e, &token, &ignored) <= 0 || !file_matches(token.data, exec))
		return false;
	for (arg++; (r = next_token(&e, &token, &ignored)) > 0;) {
		if (str_starts(token.data, ARGV0)) {
			if (!str_glob(token.data + strlen(ARGV0), exec->argv[0]))
				return false;
			continue;
		}
		if (strcmp(token.data, "*") == 0 && is_blank(e.rest))
			return true;
		if (*arg == NULL || !argument_matches(token.data, *arg, exec))
			return false;
		arg++;
	}
	return r == 0 && *arg == NULL;
}

bool trusted_file(const char *line, const struct policy_exec *exec, struct buf *out)
{
	AUTO_ENTRIES struct entries e = { .rest = line };
	AUTO_BUF struct buf token = { 0 };
	const char *stem = NULL, *rest = "";
	struct err ignored;

	if (next_token(&e, &token, &ignored) <= 0)
		return false;
	if (strcmp(token.data, "{agent}") == 0) {
		stem = exec->program;
	} else if (strcmp(token.data, "{interp}") == 0) {
		stem = interp_of(exec);
	} else if (str_starts(token.data, ROOT "/")) {
		stem = exec->root;
		rest = token.data + strlen(ROOT);
	} else {
		stem = token.data;
	}
	if (stem == NULL)
		return false;
	buf_adds(out, stem);
	buf_adds(out, rest);
	return !out->failed;
}
