/*
 * Pure, in every process that asks the policy. Paths come from hostile commands, patterns from
 * profiles; both are bounded by their callers, and matching has one backtrack point a level.
 */
#include "policy/pathmatch.h"

#include "policy/policy.h"

#include <string.h>

static bool glob(const char *pattern, size_t pattern_n, const char *s, size_t n)
{
	size_t p = 0, i = 0, star = 0, mark = 0;
	bool has_star = false;

	while (i < n) {
		if (p < pattern_n && pattern[p] == '*') {
			has_star = true;
			star = ++p;
			mark = i;
		} else if (p < pattern_n && (pattern[p] == '?' || pattern[p] == s[i])) {
			p++;
			i++;
		} else if (has_star) {
			p = star;
			i = ++mark;
		} else {
			return false;
		}
	}
	while (p < pattern_n && pattern[p] == '*')
		p++;
	return p == pattern_n;
}

bool pathmatch_component(const char *pattern, const char *component, size_t n)
{
	return glob(pattern, strlen(pattern), component, n);
}

/* s stands at a '/': bytes of the component behind it, at most up to end. */
static size_t component_bytes(const char *s, const char *end)
{
	const char *slash = memchr(s + 1, '/', (size_t)(end - s - 1));

	return (size_t)((slash != NULL ? slash : end) - s) - 1;
}

static bool is_double_star(const char *p, const char *end)
{
	return end - p >= 3 && component_bytes(p, end) == 2 && p[1] == '*' && p[2] == '*';
}

/* The whole of path_n bytes against the whole pattern. Both start with '/'. */
static bool match_all(const char *pattern, const char *path, size_t path_n)
{
	const char *p = pattern, *p_end = pattern + strlen(pattern);
	const char *s = path, *s_end = path + path_n;
	const char *star = NULL, *mark = NULL;

	while (s < s_end) {
		if (p < p_end && is_double_star(p, p_end)) {
			star = p += 3;
			mark = s;
			continue;
		}
		if (p < p_end && glob(p + 1, component_bytes(p, p_end), s + 1,
					 component_bytes(s, s_end))) {
			p += 1 + component_bytes(p, p_end);
			s += 1 + component_bytes(s, s_end);
			continue;
		}
		if (star == NULL)
			return false;
		p = star;
		s = mark += 1 + component_bytes(mark, s_end);
	}
	while (p < p_end && is_double_star(p, p_end))
		p += 3;
	return p == p_end;
}

size_t pathmatch_depth(const char *path)
{
	size_t n = 0;

	if (path[0] == '/' && path[1] == '\0')
		return 0;
	for (; *path != '\0'; path++)
		n += *path == '/';
	return n;
}

void pathmatch_measure(const char *pattern, struct pathmatch *ret)
{
	ret->literal_bytes = 0;
	ret->is_literal = true;
	for (; *pattern != '\0'; pattern++) {
		if (*pattern == '*' || *pattern == '?')
			ret->is_literal = false;
		else
			ret->literal_bytes++;
	}
}

bool pathmatch_is_within(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (n == 1 && dir[0] == '/')
		return path[0] == '/';
	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static bool find_glob(const char *pattern, const char *path, size_t *ret_depth)
{
	size_t literal = strcspn(pattern, "*?"), end = strlen(path);

	/* Two stars below a directory match it too: the slash before them need not be there. */
	if (literal > 1 && strncmp(pattern, path, literal - 1) != 0)
		return false;
	while (end > 0) {
		if (match_all(pattern, path, end)) {
			*ret_depth = 0;
			for (size_t i = 0; i < end; i++)
				*ret_depth += path[i] == '/';
			return true;
		}
		while (end > 0 && path[--end] != '/')
			;
	}
	return false;
}

/* Two stars below a directory match it too, so a slash of the pattern settles nothing. */
bool pathmatch_differs(const char *pattern, const char *path)
{
	while (*pattern == *path && *pattern != '\0' && *pattern != '*' && *pattern != '?') {
		pattern++;
		path++;
	}
	return *pattern != '\0' && *pattern != '*' && *pattern != '?' && *pattern != '/';
}

bool pathmatch_find(const char *pattern, const char *path, struct pathmatch *ret)
{
	bool is_literal;

	if (pathmatch_differs(pattern, path))
		return false;
	is_literal = strpbrk(pattern, "*?") == NULL;
	if (is_literal ? !pathmatch_is_within(path, pattern)
		       : !find_glob(pattern, path, &ret->depth))
		return false;
	if (is_literal)
		ret->depth = pathmatch_depth(pattern);
	pathmatch_measure(pattern, ret);
	return true;
}

bool pathmatch_exact(const char *pattern, const char *path)
{
	return pattern[0] == '/' && path[0] == '/' && match_all(pattern, path, strlen(path));
}

int pathmatch_compare(const struct pathmatch *a, const struct pathmatch *b)
{
	if (a->depth != b->depth)
		return a->depth > b->depth ? 1 : -1;
	if (a->is_literal != b->is_literal)
		return a->is_literal ? 1 : -1;
	if (a->literal_bytes != b->literal_bytes)
		return a->literal_bytes > b->literal_bytes ? 1 : -1;
	return 0;
}

bool policy_path_matches(const char *pattern, const char *path, const char *project)
{
	struct pathmatch ignored;

	if (pattern[0] == '/')
		return pathmatch_find(pattern, path, &ignored);
	if (!pathmatch_is_within(path, project))
		return false;
	path += strlen(project);
	while (*path != '\0') {
		size_t n = strcspn(path, "/");

		if (n > 0 && pathmatch_component(pattern, path, n))
			return true;
		path += n + (path[n] == '/');
	}
	return false;
}
