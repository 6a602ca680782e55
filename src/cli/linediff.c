/*
 * See linediff.h. Runs in the `agentjail` process with the user's rights. Hostile: both texts, up to
 * HELDSTORE_FILE_BYTES each.
 */
#include "cli/linediff.h"

#include "base/cleanup.h"

#include <stdint.h>
#include <string.h>

#define CONTEXT 3
/* Rationale: 8 MB and some milliseconds; two thousand lines against two thousand. */
#define TABLE_MAX 4000000u

struct line {
	const char *data;
	size_t bytes; /* with its line end, if it has one */
};

struct side {
	struct line *lines;
	size_t n;
	bool *is_other; /* taken away here, or added */
};

static void side_done(struct side *s)
{
	free(s->lines);
	free(s->is_other);
}

static bool split(const struct linediff_text *text, struct side *ret)
{
	size_t n = 0, at = 0;

	for (size_t i = 0; i < text->bytes; i++)
		n += text->data[i] == '\n' || i + 1 == text->bytes;
	ret->lines = calloc(n + 1, sizeof(*ret->lines));
	ret->is_other = calloc(n + 1, sizeof(bool));
	if (ret->lines == NULL || ret->is_other == NULL)
		return false;
	while (at < text->bytes) {
		const char *end = memchr(text->data + at, '\n', text->bytes - at);
		size_t len = end != NULL ? (size_t)(end - (text->data + at)) + 1 : text->bytes - at;

		ret->lines[ret->n++] = (struct line){ text->data + at, len };
		at += len;
	}
	return true;
}

static bool is_equal(const struct line *a, const struct line *b)
{
	return a->bytes == b->bytes && memcmp(a->data, b->data, a->bytes) == 0;
}

/* Marks all lines between start and end that are in no longest common part. */
static bool mark_table(struct side *a, struct side *b, size_t start, size_t end_a, size_t end_b)
{
	size_t n = end_a - start, m = end_b - start, i = 0, j = 0;
	AUTO_FREE uint16_t *table = calloc((n + 1) * (m + 1), sizeof(*table));

	if (table == NULL)
		return false;
	for (i = n; i-- > 0;)
		for (j = m; j-- > 0;) {
			uint16_t below = table[(i + 1) * (m + 1) + j], right = table[i * (m + 1) + j + 1];

			if (is_equal(&a->lines[start + i], &b->lines[start + j]))
				below = (uint16_t)(table[(i + 1) * (m + 1) + j + 1] + 1);
			table[i * (m + 1) + j] = below > right ? below : right;
		}
	for (i = 0, j = 0; i < n || j < m;) {
		if (i < n && j < m && is_equal(&a->lines[start + i], &b->lines[start + j])) {
			i++;
			j++;
		} else if (j == m || (i < n && table[(i + 1) * (m + 1) + j] >= table[i * (m + 1) + j + 1])) {
			a->is_other[start + i++] = true;
		} else {
			b->is_other[start + j++] = true;
		}
	}
	return true;
}

static bool mark(struct side *a, struct side *b)
{
	size_t start = 0, end_a = a->n, end_b = b->n;

	while (start < end_a && start < end_b && is_equal(&a->lines[start], &b->lines[start]))
		start++;
	while (end_a > start && end_b > start && is_equal(&a->lines[end_a - 1], &b->lines[end_b - 1])) {
		end_a--;
		end_b--;
	}
	/* Common lines of a table are fewer than 2^16: it has no more than TABLE_MAX places. */
	if ((end_a - start + 1) * (end_b - start + 1) <= TABLE_MAX && end_a - start < UINT16_MAX)
		return mark_table(a, b, start, end_a, end_b);
	for (size_t i = start; i < end_a; i++)
		a->is_other[i] = true;
	for (size_t i = start; i < end_b; i++)
		b->is_other[i] = true;
	return true;
}

/* A backslash is doubled where it would read as one of ours. */
static void add_line(char mark_byte, const struct line *line, struct buf *out)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = line->bytes;
	bool has_end = n > 0 && line->data[n - 1] == '\n';

	buf_add(out, &mark_byte, 1);
	for (size_t i = 0; i < n - has_end; i++) {
		unsigned char c = (unsigned char)line->data[i];
		const char escape[4] = { '\\', 'x', hex[c >> 4], hex[c & 15] };

		if (c == '\\' && i + 1 < n && line->data[i + 1] == 'x')
			buf_adds(out, "\\\\");
		else if (c == '\t' || (c >= 0x20 && c < 0x7f))
			buf_add(out, &c, 1);
		else
			buf_add(out, escape, sizeof(escape));
	}
	buf_adds(out, has_end ? "\n" : "\n\\ No newline at end of file\n");
}

/* A range of both sides: [i, end_i) of the old, [j, end_j) of the new. */
struct range {
	size_t i, j, end_i, end_j;
};

/* Grows a hunk that starts with a difference until CONTEXT lines and as many of the next are equal. */
static void find_end(const struct side *a, const struct side *b, struct range *h)
{
	size_t equal = 0;

	while ((h->end_i < a->n || h->end_j < b->n) && equal <= 2 * CONTEXT) {
		bool other_a = h->end_i < a->n && a->is_other[h->end_i];
		bool other_b = h->end_j < b->n && b->is_other[h->end_j];

		equal = other_a || other_b ? 0 : equal + 1;
		h->end_i += other_a || !other_b;
		h->end_j += other_b || !other_a;
		/* One side at a time where both differ: the old one's lines stand first. */
		if (other_a && other_b)
			h->end_j--;
	}
	if (equal > CONTEXT) {
		h->end_i -= equal - CONTEXT;
		h->end_j -= equal - CONTEXT;
	}
}

static void add_place(char mark_byte, size_t from, size_t until, struct buf *out)
{
	buf_addf(out, "%c%zu,%zu", mark_byte, from + (until > from), until - from);
}

static void add_hunk(const struct side *a, const struct side *b, const struct range *h,
	struct buf *out)
{
	size_t i = h->i, j = h->j;

	buf_adds(out, "@@ ");
	add_place('-', h->i, h->end_i, out);
	buf_adds(out, " ");
	add_place('+', h->j, h->end_j, out);
	buf_adds(out, " @@\n");
	while (i < h->end_i || j < h->end_j) {
		if (i < h->end_i && a->is_other[i]) {
			add_line('-', &a->lines[i++], out);
		} else if (j < h->end_j && b->is_other[j]) {
			add_line('+', &b->lines[j++], out);
		} else {
			add_line(' ', &a->lines[i++], out);
			j++;
		}
	}
}

static void add_hunks(const struct side *a, const struct side *b, struct buf *out)
{
	struct range h = { 0 };
	size_t before;

	while (h.end_i < a->n || h.end_j < b->n) {
		size_t i = h.end_i, j = h.end_j;

		while (i < a->n && j < b->n && !a->is_other[i] && !b->is_other[j]) {
			i++;
			j++;
		}
		if (i >= a->n && j >= b->n)
			return;
		before = i - h.end_i < CONTEXT ? i - h.end_i : CONTEXT;
		h = (struct range){ .i = i - before, .j = j - before, .end_i = i, .end_j = j };
		find_end(a, b, &h);
		add_hunk(a, b, &h, out);
	}
}

void linediff_add(const struct linediff_text *old, const struct linediff_text *new, struct buf *out)
{
	struct side a = { 0 }, b = { 0 };

	if (split(old, &a) && split(new, &b) && mark(&a, &b))
		add_hunks(&a, &b, out);
	else
		out->failed = true;
	side_done(&a);
	side_done(&b);
}
