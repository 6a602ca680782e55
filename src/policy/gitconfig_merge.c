/*
 * The host's configuration with what is harmless of a copy's changes. Runs in whoever holds files.
 * Hostile: the copy. The host's text is edited, not written anew: what nobody asked to change keeps its
 * bytes, comments and order; and the result is read again and compared before it is given out.
 */
#include "policy/gitconfig.h"

#include "base/cleanup.h"
#include "policy/gitconfig_index.h"

#include <errno.h>
#include <string.h>

/* Bytes of the host's text that go, and what comes in their place. */
struct edit {
	size_t at, until;
	size_t order; /* of edits at one place */
	struct buf text;
};

struct merging {
	const struct gitconfig_merge *m;
	struct gitconfig host, copy;
	const struct gitconfig_variable **host_index, **copy_index;
	const struct gitconfig_heading **heading_index; /* the host's by section, then in their order */
	bool *is_deleted;  /* by the host's variables */
	bool *is_extended; /* by its headings */
	size_t *added;     /* the first variables of keys that come from the copy */
	size_t n_added;
	struct edit *edits;
	size_t n_edits, cap;
	struct buf tail; /* new sections */
	struct gitconfig_heading tail_section; /* the last one */
	size_t n_passed, n_waiting;
	int error;
};

static void merging_done(struct merging *g)
{
	for (size_t i = 0; i < g->n_edits; i++)
		buf_done(&g->edits[i].text);
	free(g->edits);
	free(g->is_deleted);
	free(g->is_extended);
	free(g->added);
	free(g->host_index);
	free(g->heading_index);
	free(g->copy_index);
	gitconfig_done(&g->host);
	gitconfig_done(&g->copy);
	buf_done(&g->tail);
}

static struct edit *add_edit(struct merging *g, size_t at, size_t until)
{
	if (g->n_edits == g->cap) {
		size_t cap = g->cap == 0 ? 64 : g->cap * 2;
		struct edit *more = realloc(g->edits, cap * sizeof(*more));

		if (more == NULL) {
			g->error = -ENOMEM;
			return NULL;
		}
		g->edits = more;
		g->cap = cap;
	}
	g->edits[g->n_edits] = (struct edit){ .at = at, .until = until, .order = g->n_edits };
	return &g->edits[g->n_edits++];
}

static void add_quoted(struct buf *out, const char *value)
{
	buf_adds(out, "\"");
	for (; *value != '\0'; value++) {
		if (*value == '\n' || *value == '\t')
			buf_adds(out, *value == '\n' ? "\\n" : "\\t");
		else if (*value == '"' || *value == '\\')
			buf_addf(out, "\\%c", *value);
		else
			buf_add(out, value, 1);
	}
	buf_adds(out, "\"");
}

/* As git writes it: what stands for itself without quotation marks. */
static void add_variable(struct buf *out, const struct gitconfig_variable *v)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "_./:@+*,=%-";
	const char *value = v->value;

	buf_addf(out, "\t%s = ", v->name);
	if (value[0] != '\0' && value[strspn(value, plain)] == '\0')
		buf_adds(out, value);
	else
		add_quoted(out, value);
}

static void add_heading(struct buf *out, const struct gitconfig_variable *v)
{
	buf_addf(out, "[%s", v->section);
	if (v->subsection != NULL) {
		buf_adds(out, " ");
		add_quoted(out, v->subsection);
	}
	buf_adds(out, "]\n");
}

static int by_section(const void *a, const void *b)
{
	const struct gitconfig_heading *const *one = a, *const *other = b;
	int r = gitconfig_index_section(*one, *other);

	return r != 0 ? r : (*one > *other) - (*one < *other);
}

static struct gitconfig_heading section_of(const struct gitconfig_variable *v)
{
	return (struct gitconfig_heading){ .section = v->section, .subsection = v->subsection };
}

/* The host's last heading of a variable's section, or NULL. */
static const struct gitconfig_heading *last_heading(const struct merging *g,
	const struct gitconfig_variable *v)
{
	const struct gitconfig_heading wanted = section_of(v);
	size_t low = 0, high = g->host.n_headings;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (gitconfig_index_section(g->heading_index[middle], &wanted) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || gitconfig_index_section(g->heading_index[low - 1], &wanted) != 0)
		return NULL;
	return g->heading_index[low - 1];
}

static void delete_key(struct merging *g, const struct gitconfig_variable *v)
{
	for (size_t i = gitconfig_index_find(g->host_index, g->host.n, v);
		i < g->host.n && gitconfig_index_order(g->host_index[i], v) == 0; i++)
		g->is_deleted[g->host_index[i] - g->host.variables] = true;
}

static bool is_line_end(const struct merging *g, size_t at)
{
	return at == g->m->host_bytes || g->m->host[at] == '\n' || g->m->host[at] == '\r';
}

/* Behind what is left of the host's variables under that heading, else behind the heading itself. */
static size_t place_under(const struct merging *g, size_t heading)
{
	const struct gitconfig_variable *variables = g->host.variables;
	size_t low = 0, high = g->host.n;

	/* Behind the last variable under it. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (variables[middle].heading <= heading)
			low = middle + 1;
		else
			high = middle;
	}
	while (low > 0 && variables[low - 1].heading == heading && g->is_deleted[low - 1])
		low--;
	return low > 0 && variables[low - 1].heading == heading ? variables[low - 1].end
								: g->host.headings[heading].end;
}

/* What else stands on the heading's line gets one of its own, and a last line that goes on its end. */
static void add_under(struct merging *g, size_t heading, const struct gitconfig_variable *v)
{
	size_t at = place_under(g, heading);
	struct edit *e = add_edit(g, at, at);

	if (e == NULL)
		return;
	g->is_extended[heading] = true;
	buf_adds(&e->text, g->m->host[at - 1] == '\\' ? "\n\n" : "\n");
	add_variable(&e->text, v);
	if (!is_line_end(g, at))
		buf_adds(&e->text, "\n");
}

static void add_behind(struct merging *g, const struct gitconfig_variable *v)
{
	struct gitconfig_heading section = section_of(v);

	if (g->tail_section.section == NULL || gitconfig_index_section(&g->tail_section, &section) != 0)
		add_heading(&g->tail, v);
	g->tail_section = section;
	add_variable(&g->tail, v);
	buf_adds(&g->tail, "\n");
}

/* Under the last heading of that section, or in a section of its own at the end. */
static void add_key(struct merging *g, const struct gitconfig_variable *v)
{
	const struct gitconfig_heading *heading = last_heading(g, v);

	for (size_t i = gitconfig_index_find(g->copy_index, g->copy.n, v);
		i < g->copy.n && gitconfig_index_order(g->copy_index[i], v) == 0; i++) {
		if (heading != NULL)
			add_under(g, (size_t)(heading - g->host.headings), g->copy_index[i]);
		else
			add_behind(g, g->copy_index[i]);
	}
}

static int by_number(const void *a, const void *b)
{
	const size_t *one = a, *other = b;

	return (*one > *other) - (*one < *other);
}

/* In the copy's order, which is the one that git wrote them in. */
static void add_keys(struct merging *g)
{
	qsort(g->added, g->n_added, sizeof(*g->added), by_number);
	for (size_t i = 0; i < g->n_added; i++)
		add_key(g, &g->copy.variables[g->added[i]]);
}

static void on_change(const struct gitconfig_change *change, void *context)
{
	struct merging *g = context;

	if (change->risk != NULL) {
		g->n_waiting++;
		return;
	}
	g->n_passed++;
	delete_key(g, change->variable);
	if (!change->is_removed)
		g->added[g->n_added++] = (size_t)(g->copy_index[gitconfig_index_find(g->copy_index,
							  g->copy.n, change->variable)] -
						  g->copy.variables);
}

static bool is_blank_text(const struct merging *g, size_t from, size_t until)
{
	while (from < until && strchr(" \t\r\n", g->m->host[from]) != NULL)
		from++;
	return from >= until;
}

/* Nothing is left under it, not even a comment: a heading that stood for a branch goes with it. */
static bool is_empty_now(const struct merging *g, size_t heading, size_t first, size_t n)
{
	size_t at = g->host.headings[heading].end;
	size_t end = heading + 1 < g->host.n_headings ? g->host.headings[heading + 1].start
						      : g->m->host_bytes;

	if (n == 0 || g->is_extended[heading])
		return false;
	for (size_t i = first; i < first + n; i++) {
		if (!g->is_deleted[i] || !is_blank_text(g, at, g->host.variables[i].start))
			return false;
		at = g->host.variables[i].end;
	}
	return is_blank_text(g, at, end);
}

/* What follows a line's last byte. */
static size_t line_end(const struct merging *g, size_t at)
{
	at += at < g->m->host_bytes && g->m->host[at] == '\r';
	at += at < g->m->host_bytes && g->m->host[at] == '\n';
	return at;
}

/* A variable alone on its line takes the line along. */
static void delete_variable(struct merging *g, const struct gitconfig_variable *v)
{
	const char *text = g->m->host;
	size_t start = v->start;

	while (start > 0 && (text[start - 1] == ' ' || text[start - 1] == '\t'))
		start--;
	if (start > 0 && text[start - 1] != '\n')
		(void)add_edit(g, v->start, v->end);
	else
		(void)add_edit(g, start, line_end(g, v->end));
}

static void delete_marked(struct merging *g)
{
	size_t v = 0;

	for (size_t h = 0; h < g->host.n_headings && g->error == 0; h++) {
		size_t first = v;

		while (v < g->host.n && g->host.variables[v].heading == h)
			v++;
		if (is_empty_now(g, h, first, v - first)) {
			(void)add_edit(g, g->host.headings[h].start,
				line_end(g, g->host.variables[v - 1].end));
			continue;
		}
		for (size_t i = first; i < v; i++)
			if (g->is_deleted[i])
				delete_variable(g, &g->host.variables[i]);
	}
}

static int by_place(const void *a, const void *b)
{
	const struct edit *one = a, *other = b;

	if (one->at != other->at)
		return one->at < other->at ? -1 : 1;
	return (one->order > other->order) - (one->order < other->order);
}

/* A last line that goes on (backslash) would go on with what is put behind it. */
static void end_last_line(struct buf *out)
{
	size_t n;

	if (out->len > 0 && out->data[out->len - 1] != '\n')
		buf_adds(out, "\n");
	n = out->len;
	n -= n > 0;
	n -= n > 0 && out->data[n - 1] == '\r';
	if (n > 0 && out->data[n - 1] == '\\')
		buf_adds(out, "\n");
}

static void write_edited(struct merging *g, struct buf *out)
{
	size_t at = 0;

	if (g->n_edits > 0)
		qsort(g->edits, g->n_edits, sizeof(*g->edits), by_place);
	for (size_t i = 0; i < g->n_edits; i++) {
		const struct edit *e = &g->edits[i];

		buf_add(out, g->m->host + at, e->at - at);
		if (e->text.len > 0)
			buf_add(out, e->text.data, e->text.len);
		out->failed |= e->text.failed;
		at = e->until;
	}
	buf_add(out, g->m->host + at, g->m->host_bytes - at);
	if (g->tail.len > 0) {
		end_last_line(out);
		buf_add(out, g->tail.data, g->tail.len);
	}
	out->failed |= g->tail.failed;
}

struct tally {
	size_t n_passed, n_waiting;
};

static void count(const struct gitconfig_change *change, void *context)
{
	struct tally *t = context;

	t->n_passed += change->risk == NULL;
	t->n_waiting += change->risk != NULL;
}

/* From the host to the result nothing but harmless keys, from the result to the copy the rest. */
static int check(const struct merging *g, const struct buf *out, struct err *err)
{
	AUTO_GITCONFIG struct gitconfig result = { 0 };
	struct tally from = { 0 }, to = { 0 };
	int r = gitconfig_parse(out->data, out->len, &result, err);

	if (r == 0)
		r = gitconfig_compare(&(struct gitconfig_pair){ &g->host, &result, g->m->origin }, count,
			&from, err);
	if (r == 0)
		r = gitconfig_compare(&(struct gitconfig_pair){ &result, &g->copy, g->m->origin }, count,
			&to, err);
	if (r < 0)
		return r;
	if (from.n_passed != g->n_passed || from.n_waiting != 0 || to.n_passed != 0 ||
		to.n_waiting != g->n_waiting)
		return err_set(err, EINVAL, "git configuration cannot be merged");
	return 0;
}

static int make_tables(struct merging *g, struct err *err)
{
	size_t n = g->host.n_headings;
	int r = gitconfig_index(&g->host, &g->host_index);

	if (r == 0)
		r = gitconfig_index(&g->copy, &g->copy_index);
	g->heading_index = calloc(n + 1, sizeof(const void *));
	g->is_deleted = calloc(g->host.n + 1, sizeof(bool));
	g->is_extended = calloc(n + 1, sizeof(bool));
	g->added = calloc(g->copy.n + 1, sizeof(*g->added));
	if (r < 0 || g->heading_index == NULL || g->is_deleted == NULL || g->is_extended == NULL ||
		g->added == NULL)
		return err_set(err, ENOMEM, "git configuration");
	for (size_t i = 0; i < n; i++)
		g->heading_index[i] = &g->host.headings[i];
	qsort(g->heading_index, n, sizeof(const void *), by_section);
	return 0;
}

static int merge(struct merging *g, struct buf *out, struct err *err)
{
	int r = make_tables(g, err);

	if (r < 0)
		return r;
	r = gitconfig_compare(&(struct gitconfig_pair){ &g->host, &g->copy, g->m->origin }, on_change, g,
		err);
	if (r < 0)
		return r;
	add_keys(g);
	delete_marked(g);
	write_edited(g, out);
	if (g->error < 0 || out->failed)
		return err_set(err, ENOMEM, "git configuration");
	return check(g, out, err);
}

int gitconfig_merge(struct gitconfig_merge *m, struct buf *ret, struct err *err)
{
	AUTO_BUF struct buf out = { 0 };
	struct merging g = { .m = m };
	int r;

	if (m->host == NULL)
		m->host = "";
	r = gitconfig_parse(m->host, m->host_bytes, &g.host, err);
	if (r < 0)
		err_prefix(err, "the host's");
	else if ((r = gitconfig_parse(m->copy, m->copy_bytes, &g.copy, err)) < 0)
		err_prefix(err, "the copy's");
	if (r == 0)
		buf_adds(&out, "");
	if (r == 0)
		r = merge(&g, &out, err);
	if (r == 0) {
		buf_add(ret, out.data, out.len);
		m->n_passed = g.n_passed;
		m->n_waiting = g.n_waiting;
		r = ret->failed ? err_set(err, ENOMEM, "git configuration") : 0;
	}
	merging_done(&g);
	return r;
}
