/*
 * The search of redact.h: all patterns at once over one stream. Runs in a keeper; hostile input:
 * every byte of a response, and how it is cut.
 *
 * Bytes stand in work[] until no thread that began at them or before is alive. Everything depends
 * on positions alone, never on how the input was cut: where an escape is not yet complete, the
 * search waits at it.
 */
#include "keeper/redact_tables.h"

#include <assert.h>
#include <string.h>

/* Rationale: fits the first cache together with the tables. */
#define CHUNK (8u << 10)

/* The pattern before `element` has been met by work[start..pos). */
struct thread {
	uint32_t start, pos, element;
	uint32_t fillers; /* since the last element: redact_fill() */
};

struct redact_stream {
	const struct redact *redact;
	uint32_t n;   /* bytes in work */
	uint32_t pos; /* the search has come so far */
	uint32_t n_threads, n_work;
	uint32_t n_used; /* most bytes in work since it was wiped */
	uint32_t n_given; /* bytes at the beginning of work that redact_give() has given away */
	struct thread threads[];
};

static uint8_t *work_of(struct redact_stream *s)
{
	return (uint8_t *)&s->threads[s->redact->n_threads_max];
}

static size_t work_bytes(const struct redact *r)
{
	return (size_t)r->window + REDACT_UNIT_BYTES_MAX + CHUNK;
}

size_t redact_stream_bytes(const struct redact *redact)
{
	return sizeof(struct redact_stream) + redact->n_threads_max * sizeof(struct thread) +
	       work_bytes(redact);
}

struct redact_stream *redact_stream_make(void *block, const struct redact *redact)
{
	struct redact_stream *s = block;

	*s = (struct redact_stream){ .redact = redact, .n_work = (uint32_t)work_bytes(redact) };
	return s;
}

void redact_stream_wipe(struct redact_stream *stream)
{
	explicit_bzero(work_of(stream), stream->n_used);
	stream->n = stream->pos = stream->n_threads = stream->n_used = stream->n_given = 0;
}

size_t redact_held(const struct redact_stream *stream)
{
	return stream->n;
}

static void mask(struct redact_stream *s, const struct thread *t, enum redact_kind kind)
{
	uint8_t *work = work_of(s);

	for (uint32_t i = t->start; i < t->pos; i++)
		if (work[i] != '\r' && work[i] != '\n' && work[i] != '\0')
			work[i] = kind == REDACT_BASE64 ? 'x' : '*';
}

/* Of two threads that wait for the same only the longer one is needed. */
static void add_thread(struct redact_stream *s, struct thread t)
{
	for (uint32_t i = 0; i < s->n_threads; i++) {
		struct thread *other = &s->threads[i];

		if (other->element == t.element && other->pos == t.pos &&
			other->fillers == t.fillers) {
			if (t.start < other->start)
				other->start = t.start;
			return;
		}
	}
	if (s->n_threads < s->redact->n_threads_max)
		s->threads[s->n_threads++] = t;
}

static void drop_thread(struct redact_stream *s, uint32_t index)
{
	s->threads[index] = s->threads[--s->n_threads];
}

/* Threads that have met their whole pattern here, and those that have become too long, end. */
static void settle(struct redact_stream *s)
{
	for (uint32_t i = 0; i < s->n_threads;) {
		struct thread *t = &s->threads[i];
		const struct redact_element *e = &s->redact->elements[t->element];
		bool is_here = t->pos == s->pos;

		if (is_here && e->kind == REDACT_END)
			mask(s, t, (enum redact_kind)e->value);
		if ((is_here && e->kind == REDACT_END) || s->pos - t->start > s->redact->window)
			drop_thread(s, i);
		else
			i++;
	}
}

static void advance(
	struct redact_stream *s, struct thread t, const struct redact_unit *units, int n_units)
{
	const struct redact_element *e = &s->redact->elements[t.element];

	for (int i = 0; i < n_units; i++) {
		struct thread next = t;
		unsigned met = redact_meets(e, &units[i]);

		next.pos += units[i].bytes;
		next.element += met;
		if (met != 0)
			next.fillers = 0;
		if (met != 0 || redact_fill(e, &units[i], &next.fillers))
			add_thread(s, next);
	}
}

/* What the filter says of a pattern that would begin here; 0: none does. */
static uint32_t may_begin(const struct redact_stream *s, const uint8_t *at)
{
	const uint32_t(*filter)[256] = s->redact->filter;
	uint32_t bits = filter[0][at[0]];

	if (s->n - s->pos > 2)
		bits &= filter[1][at[1]] & filter[2][at[2]];
	return bits;
}

static void begin(
	struct redact_stream *s, uint32_t bits, const struct redact_unit *units, int n_units)
{
	const struct redact *r = s->redact;
	unsigned pattern = 0;

	for (uint32_t i = 0; i < r->n_elements; i = redact_next(r, i), pattern++) {
		if ((bits & (REDACT_BIT_OF(pattern) | REDACT_BITS_OF_ALL)) == 0)
			continue;
		for (int u = 0; u < n_units; u++) {
			struct thread t = { .start = s->pos, .pos = s->pos + units[u].bytes };
			unsigned met = redact_meets(&r->elements[i + 1], &units[u]);

			t.element = i + 1 + met;
			if (met != 0)
				add_thread(s, t);
		}
	}
}

/* One position. False: it cannot be told before more bytes are there. */
static bool step(struct redact_stream *s, bool is_last)
{
	const uint8_t *at = work_of(s) + s->pos;
	struct redact_unit units[REDACT_UNITS_MAX];
	uint32_t bits;
	int n_units;

	settle(s);
	if (s->pos == s->n)
		return false;
	n_units = redact_units(at, s->n - s->pos, is_last, units);
	if (n_units < 0)
		return false;
	for (uint32_t i = 0; i < s->n_threads;) {
		struct thread t = s->threads[i];

		if (t.pos != s->pos) {
			i++;
			continue;
		}
		drop_thread(s, i);
		advance(s, t, units, n_units);
	}
	bits = may_begin(s, at);
	if (bits != 0)
		begin(s, bits, units, n_units);
	s->pos++;
	return true;
}

/* Passes over what no pattern can begin with. */
static void skip(struct redact_stream *s)
{
	const uint32_t(*filter)[256] = s->redact->filter;
	const uint8_t *work = work_of(s);
	uint32_t i = s->pos;

	while (i + 2 < s->n &&
		(filter[0][work[i]] & filter[1][work[i + 1]] & filter[2][work[i + 2]]) == 0)
		i++;
	s->pos = i;
}

static void search(struct redact_stream *s, bool is_last)
{
	do {
		if (s->n_threads == 0)
			skip(s);
	} while (step(s, is_last));
}

/* Up to there, unless it was given before: to out, or to *at where out is NULL. */
static void give(struct redact_stream *s, uint32_t upto, struct buf *out, char **at)
{
	const uint8_t *from = work_of(s) + s->n_given;
	uint32_t n = upto > s->n_given ? upto - s->n_given : 0;

	if (out != NULL) {
		buf_add(out, from, n);
	} else {
		memcpy(*at, from, n);
		*at += n;
	}
	s->n_given += n;
}

/* Gives away and forgets what is in front of every thread. */
static void release(struct redact_stream *s, struct buf *out, char **at)
{
	uint8_t *work = work_of(s);
	uint32_t upto = s->pos;

	for (uint32_t i = 0; i < s->n_threads; i++)
		if (s->threads[i].start < upto)
			upto = s->threads[i].start;
	give(s, upto, out, at);
	s->n_given -= upto;
	memmove(work, work + upto, s->n - upto);
	s->n -= upto;
	s->pos -= upto;
	for (uint32_t i = 0; i < s->n_threads; i++) {
		s->threads[i].start -= upto;
		s->threads[i].pos -= upto;
	}
}

static void take(
	struct redact_stream *s, const uint8_t *bytes, size_t n, struct buf *out, char **at)
{
	while (n > 0) {
		size_t room = s->n_work - s->n;
		size_t part = n < room ? n : room;

		assert(part > 0);
		memcpy(work_of(s) + s->n, bytes, part);
		s->n += (uint32_t)part;
		if (s->n > s->n_used)
			s->n_used = s->n;
		bytes += part;
		n -= part;
		search(s, false);
		release(s, out, at);
	}
}

static void finish(struct redact_stream *s, struct buf *out, char **at)
{
	search(s, true);
	s->n_threads = 0;
	release(s, out, at);
	redact_stream_wipe(s);
}

void redact_feed(struct redact_stream *stream, const void *bytes, size_t n, struct buf *out)
{
	if (redact_is_empty(stream->redact))
		buf_add(out, bytes, n);
	else
		take(stream, bytes, n, out, NULL);
}

bool redact_may_give(const struct redact_stream *stream, size_t most)
{
	return stream->n > stream->n_given && stream->n <= most;
}

void redact_give(struct redact_stream *stream, struct buf *out)
{
	give(stream, stream->n, out, NULL);
}

void redact_end(struct redact_stream *stream, struct buf *out)
{
	finish(stream, out, NULL);
}

void redact_text(struct redact_stream *stream, char *bytes, size_t n)
{
	char *at = bytes;

	if (redact_is_empty(stream->redact))
		return;
	take(stream, (const uint8_t *)bytes, n, NULL, &at);
	finish(stream, NULL, &at);
}
