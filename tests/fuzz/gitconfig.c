/*
 * git's configuration: a text that is taken is read the same from what git would write of it; a merge
 * leaves nothing but harmless keys changed, and merging once more changes nothing. Input: host and
 * copy with a NUL between.
 */
#include "input.h"
#include "base/cleanup.h"
#include "policy/gitconfig.h"

static void escape(struct buf *out, const char *s)
{
	buf_adds(out, "\"");
	for (; *s != '\0'; s++) {
		if (*s == '\n' || *s == '\t' || *s == '\b')
			buf_adds(out, *s == '\n' ? "\\n" : *s == '\t' ? "\\t" : "\\b");
		else if (*s == '"' || *s == '\\')
			buf_addf(out, "\\%c", *s);
		else
			buf_add(out, s, 1);
	}
	buf_adds(out, "\"");
}

/* Texts of names as they are meant: only quotation marks and backslashes are escaped in headings. */
static void write_out(const struct gitconfig *c, struct buf *out)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct gitconfig_variable *v = &c->variables[i];

		buf_addf(out, "[%s", v->section);
		if (v->subsection != NULL) {
			buf_adds(out, " \"");
			for (const char *s = v->subsection; *s != '\0'; s++)
				buf_addf(out, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
			buf_adds(out, "\"");
		}
		buf_addf(out, "]\n%s", v->name);
		if (v->value != NULL) {
			buf_adds(out, " = ");
			escape(out, v->value);
		}
		buf_adds(out, "\n");
	}
}

static bool is_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool check_parse(const char *text, size_t n)
{
	AUTO_GITCONFIG struct gitconfig c = { 0 }, again = { 0 };
	AUTO_BUF struct buf out = { 0 };
	struct err err = { 0 };

	if (gitconfig_parse(text, n, &c, &err) < 0)
		return false;
	write_out(&c, &out);
	if (out.len > GITCONFIG_BYTES_MAX)
		return true;
	assert(gitconfig_parse(out.data, out.len, &again, &err) == 0 && again.n == c.n);
	for (size_t i = 0; i < c.n; i++) {
		const struct gitconfig_variable *v = &c.variables[i], *w = &again.variables[i];

		assert(v->start < v->end && v->end <= n);
		assert(is_same(v->section, w->section) && is_same(v->subsection, w->subsection));
		assert(is_same(v->name, w->name) && is_same(v->value, w->value));
	}
	return true;
}

static void count_waiting(const struct gitconfig_change *change, void *context)
{
	size_t *n = context;

	*n += change->risk != NULL;
}

static void check_merge(struct gitconfig_merge *m)
{
	AUTO_GITCONFIG struct gitconfig host = { 0 }, result = { 0 };
	AUTO_BUF struct buf out = { 0 }, again = { 0 };
	struct err err = { 0 };
	size_t waiting = 0;
	int r = gitconfig_merge(m, &out, &err);

	assert(r == 0);
	assert(gitconfig_parse(m->host, m->host_bytes, &host, &err) == 0);
	assert(gitconfig_parse(out.data, out.len, &result, &err) == 0);
	assert(gitconfig_compare(&(struct gitconfig_pair){ &host, &result, m->origin }, count_waiting,
		       &waiting, &err) == 0);
	assert(waiting == 0);
	assert(m->n_passed > 0 || (out.len == m->host_bytes &&
		(out.len == 0 || memcmp(out.data, m->host, out.len) == 0)));
	m->host = out.data;
	m->host_bytes = out.len;
	waiting = m->n_waiting;
	assert(gitconfig_merge(m, &again, &err) == 0 && m->n_passed == 0 && m->n_waiting == waiting);
	assert(again.len == out.len && memcmp(again.data, out.data, out.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *stop = size > 0 ? memchr(data, '\0', size) : NULL;
	size_t host_bytes = stop != NULL ? (size_t)(stop - data) : size;
	size_t copy_bytes = stop != NULL ? size - host_bytes - 1 : 0;
	const char *host = size > 0 ? (const char *)data : "";
	const char *copy = stop != NULL ? (const char *)stop + 1 : "";

	if (!check_parse(host, host_bytes) || !check_parse(copy, copy_bytes))
		return 0;
	for (int origin = GITCONFIG_HOST; origin <= GITCONFIG_CELL; origin++) {
		struct gitconfig_merge m = { .host = host, .copy = copy, .host_bytes = host_bytes,
			.copy_bytes = copy_bytes, .origin = (enum gitconfig_origin)origin };

		check_merge(&m);
	}
	return 0;
}
