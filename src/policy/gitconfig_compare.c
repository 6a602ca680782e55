/*
 * Which keys differ between two configurations of git, and which of them may pass to the host. Runs in
 * whoever holds files, and in `agentjail review`. Hostile: the copy. What is allowed is a written list
 * with a check of each value; what is not in it waits.
 */
#include "policy/gitconfig.h"

#include "base/cleanup.h"
#include "policy/gitconfig_index.h"

#include <errno.h>
#include <string.h>

/* Rationale: what a description of a branch or a name takes, and what a screen shows of it. */
#define TEXT_BYTES 4096

int gitconfig_index_section(const struct gitconfig_heading *a, const struct gitconfig_heading *b)
{
	int r = strcmp(a->section, b->section);

	if (r != 0)
		return r;
	if (a->subsection == NULL || b->subsection == NULL)
		return (a->subsection != NULL) - (b->subsection != NULL);
	return strcmp(a->subsection, b->subsection);
}

int gitconfig_index_order(const struct gitconfig_variable *a, const struct gitconfig_variable *b)
{
	int r = gitconfig_index_section(
		&(struct gitconfig_heading){ .section = a->section, .subsection = a->subsection },
		&(struct gitconfig_heading){ .section = b->section, .subsection = b->subsection });

	return r != 0 ? r : strcmp(a->name, b->name);
}

/* Equal keys stay in the order of the text: it is one array. */
static int by_key(const void *a, const void *b)
{
	const struct gitconfig_variable *const *one = a, *const *other = b;
	int r = gitconfig_index_order(*one, *other);

	return r != 0 ? r : (*one > *other) - (*one < *other);
}

int gitconfig_index(const struct gitconfig *c, const struct gitconfig_variable ***ret)
{
	const struct gitconfig_variable **index = calloc(c->n + 1, sizeof(const void *));

	if (index == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < c->n; i++)
		index[i] = &c->variables[i];
	qsort(index, c->n, sizeof(const void *), by_key);
	*ret = index;
	return 0;
}

size_t gitconfig_index_find(const struct gitconfig_variable **index, size_t n,
	const struct gitconfig_variable *v)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (gitconfig_index_order(index[middle], v) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The configurations with their indexes. */
struct sides {
	const struct gitconfig_variable **host, **copy;
	size_t n_host, n_copy;
	enum gitconfig_origin origin;
};

/* Bytes over 0x7f are letters of a name; what a terminal obeys is none. */
static bool is_text(const char *s, const char *more)
{
	size_t i = 0;

	for (; i < TEXT_BYTES && s[i] != '\0'; i++)
		if (((unsigned char)s[i] < 0x20 && strchr(more, s[i]) == NULL) || s[i] == 0x7f)
			return false;
	return i < TEXT_BYTES;
}

/* A word that neither git nor a shell takes for anything but a name (git-check-ref-format(1)). */
static bool is_name(const char *s)
{
	return s[0] != '\0' && s[0] != '-' && s[0] != '/' && is_text(s, "") &&
	       strpbrk(s, " ~^:?*[\\\"'`$;|<>") == NULL && strstr(s, "..") == NULL;
}

static bool ok_ref(const struct sides *s, const char *value)
{
	(void)s;
	return str_starts(value, "refs/heads/") && is_name(value);
}

static bool ok_bool(const struct sides *s, const char *value)
{
	(void)s;
	return strcmp(value, "true") == 0 || strcmp(value, "false") == 0;
}

static bool ok_rebase(const struct sides *s, const char *value)
{
	return ok_bool(s, value) || strcmp(value, "merges") == 0;
}

static bool ok_text(const struct sides *s, const char *value)
{
	(void)s;
	return is_text(value, "\n\t");
}

static bool ok_line(const struct sides *s, const char *value)
{
	(void)s;
	return is_text(value, "");
}

static bool ok_zero(const struct sides *s, const char *value)
{
	(void)s;
	return strcmp(value, "0") == 0;
}

static bool ok_no(const struct sides *s, const char *value)
{
	(void)s;
	return strcmp(value, "false") == 0;
}

/* An address of a server: no path here, no transport that runs a program, no option of ssh. */
static bool ok_url(const struct sides *s, const char *value)
{
	static const char *const schemes[] = { "https://", "http://", "ssh://", "git://" };
	static const char host[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_@";
	size_t n;

	(void)s;
	if (!is_text(value, "") || strstr(value, "::") != NULL || strpbrk(value, " \"'`\\") != NULL)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (str_starts(value, schemes[i])) {
			char first = value[strlen(schemes[i])];

			return first != '-' && first != '\0' && strchr(host, first) != NULL;
		}
	/* git@host:path */
	n = strspn(value, host);
	return n > 0 && value[0] != '-' && strstr(value, "@-") == NULL &&
	       memchr(value, '@', n) != NULL && value[n] == ':' && value[n + 1] != '\0';
}

/*
 * Is there a remote of that name: one of the host's own, in a repository of the cell's one with
 * addresses that may pass?
 */
static bool has_remote(const struct sides *s, const char *name)
{
	bool is_cell = s->origin == GITCONFIG_CELL;
	const struct gitconfig_variable **index = is_cell ? s->copy : s->host;
	const struct gitconfig_variable wanted = { .section = "remote", .subsection = name,
		.name = "url" };
	size_t n = is_cell ? s->n_copy : s->n_host;
	size_t first = gitconfig_index_find(index, n, &wanted), at = first;

	for (; at < n && gitconfig_index_order(index[at], &wanted) == 0; at++)
		if (is_cell && (index[at]->value == NULL || !ok_url(s, index[at]->value)))
			return false;
	return at > first;
}

static bool ok_remote(const struct sides *s, const char *value)
{
	return strcmp(value, ".") == 0 || (is_name(value) && has_remote(s, value));
}

static bool ok_refspec(const struct sides *s, const char *value)
{
	const char *colon = strchr(value, ':');

	(void)s;
	value += value[0] == '+';
	return is_text(value, "") && strpbrk(value, " ~^?[\\\"'`$") == NULL && colon != NULL &&
	       str_starts(value, "refs/") &&
	       (str_starts(colon, ":refs/remotes/") || str_starts(colon, ":refs/tags/"));
}

/*
 * What may pass. is_new: of a repository that the cell made, alone. Rationale of each: git reads these
 * values as names and switches, and hands none to a shell, a program or another reader.
 */
static const struct allowed {
	const char *section;
	bool has_subsection;
	const char *name;
	bool is_new;
	bool (*ok)(const struct sides *s, const char *value);
} allowed[] = {
	{ "branch", true, "remote", false, ok_remote },
	{ "branch", true, "merge", false, ok_ref },
	{ "branch", true, "rebase", false, ok_rebase },
	{ "branch", true, "description", false, ok_text },
	{ "advice", false, "*", false, ok_bool },
	{ "core", false, "repositoryformatversion", true, ok_zero },
	{ "core", false, "filemode", true, ok_bool },
	{ "core", false, "bare", true, ok_no },
	{ "core", false, "logallrefupdates", true, ok_bool },
	{ "core", false, "ignorecase", true, ok_bool },
	{ "core", false, "precomposeunicode", true, ok_bool },
	{ "core", false, "symlinks", true, ok_bool },
	{ "remote", true, "url", true, ok_url },
	{ "remote", true, "fetch", true, ok_refspec },
	{ "submodule", true, "active", true, ok_bool },
	{ "submodule", true, "url", true, ok_url },
	{ "user", false, "name", true, ok_line },
	{ "user", false, "email", true, ok_line },
};

static const struct allowed *find_allowed(const struct sides *s, const struct gitconfig_variable *v)
{
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
		const struct allowed *a = &allowed[i];

		if ((!a->is_new || s->origin == GITCONFIG_CELL) && strcmp(a->section, v->section) == 0 &&
			a->has_subsection == (v->subsection != NULL) && str_glob(a->name, v->name) &&
			(v->subsection == NULL || is_name(v->subsection)))
			return a;
	}
	return NULL;
}

/* The values of one key, which stand together in an index. */
struct group {
	const struct gitconfig_variable **first;
	size_t n;
};

static struct group group_at(const struct gitconfig_variable **index, size_t at, size_t n)
{
	struct group g = { .first = index + at };

	while (at + g.n < n && gitconfig_index_order(index[at], index[at + g.n]) == 0)
		g.n++;
	return g;
}

static bool is_same(const struct group *a, const struct group *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		const char *one = a->first[i]->value, *other = b->first[i]->value;

		if (one == NULL || other == NULL ? one != other : strcmp(one, other) != 0)
			return false;
	}
	return true;
}

static bool may_pass(const struct sides *s, const struct group *copy)
{
	const struct allowed *a = find_allowed(s, copy->first[0]);

	if (a == NULL)
		return false;
	for (size_t i = 0; i < copy->n; i++)
		if (copy->first[i]->value == NULL || !a->ok(s, copy->first[i]->value))
			return false;
	return true;
}

/* The one to show: an address that runs a program rather than the last. */
static const struct gitconfig_variable *worst(const struct group *g)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->first[i]->value != NULL && strstr(g->first[i]->value, "::") != NULL)
			return g->first[i];
	return g->first[g->n - 1];
}

static void tell(const struct sides *s, const struct group *host, const struct group *copy,
	gitconfig_each *each, void *context)
{
	struct gitconfig_change change = { .is_removed = copy->n == 0 };
	const struct group *of = change.is_removed ? host : copy;
	bool passes = change.is_removed ? find_allowed(s, of->first[0]) != NULL : may_pass(s, of);

	if (host->n > 0 && copy->n > 0 && is_same(host, copy))
		return;
	change.variable = worst(of);
	change.risk = passes ? NULL : gitconfig_risk(change.variable);
	each(&change, context);
}

static void walk(const struct sides *s, gitconfig_each *each, void *context)
{
	size_t h = 0, c = 0;

	while (h < s->n_host || c < s->n_copy) {
		struct group host = { .first = s->host + h }, copy = { .first = s->copy + c };
		int r = h == s->n_host ? 1
			: c == s->n_copy
				? -1
				: gitconfig_index_order(s->host[h], s->copy[c]);

		if (r <= 0)
			host = group_at(s->host, h, s->n_host);
		if (r >= 0)
			copy = group_at(s->copy, c, s->n_copy);
		h += host.n;
		c += copy.n;
		tell(s, &host, &copy, each, context);
	}
}

int gitconfig_compare(const struct gitconfig_pair *pair, gitconfig_each *each, void *context,
	struct err *err)
{
	struct sides s = { .n_host = pair->host->n, .n_copy = pair->copy->n, .origin = pair->origin };
	int r = gitconfig_index(pair->host, &s.host);

	if (r == 0)
		r = gitconfig_index(pair->copy, &s.copy);
	if (r == 0)
		walk(&s, each, context);
	free(s.host);
	free(s.copy);
	return r < 0 ? err_set(err, -r, "git configuration") : 0;
}
