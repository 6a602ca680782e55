/*
 * The tables of redact.h: values to patterns. Runs in a keeper, once. Input: the rule's values,
 * from the user.
 */
#include "keeper/redact_tables.h"

#include <string.h>

#define BASE64_SHIFTS 3u

/* Base64 digits that hold a bit of n bytes, the first of which begins at bit 0, 2 or 4 of a digit.
 */
static size_t base64_digits(size_t n, unsigned shift)
{
	return (shift * 2u + n * 8u + 5u) / 6u;
}

static size_t pieces(size_t n)
{
	return (n + REDACT_PIECE - 1) / REDACT_PIECE;
}

static size_t elements_of_piece(size_t n)
{
	size_t sum = (n + 2) + (2 * n + 2);

	for (unsigned shift = 0; shift < BASE64_SHIFTS; shift++)
		sum += base64_digits(n, shift) + 2;
	return sum;
}

size_t redact_bytes(const struct redact_value *values, size_t n)
{
	size_t sum = 0;

	if (n > REDACT_VALUES_MAX)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (values[i].n < REDACT_MIN)
			continue;
		size_t bytes = values[i].n < REDACT_PIECE ? values[i].n : REDACT_PIECE;

		if (pieces(values[i].n) > UINT16_MAX)
			return 0;
		sum += pieces(values[i].n) * elements_of_piece(bytes);
	}
	return sizeof(struct redact) + sum * sizeof(struct redact_element);
}

static void add(struct redact *r, enum redact_kind kind, unsigned value, unsigned mask)
{
	r->elements[r->n_elements++] = (struct redact_element){
		.kind = (uint8_t)kind, .value = (uint8_t)value, .mask = (uint8_t)mask
	};
}

static void add_begin(struct redact *r, size_t elements)
{
	size_t step = elements + 2;

	add(r, REDACT_BEGIN, (unsigned)step & 0xff, (unsigned)step >> 8);
}

static void add_bytes(struct redact *r, const uint8_t *bytes, size_t n)
{
	add_begin(r, n);
	for (size_t i = 0; i < n; i++)
		add(r, REDACT_BYTE, bytes[i], 0xff);
	add(r, REDACT_END, REDACT_BYTE, 0);
}

static void add_hex(struct redact *r, const uint8_t *bytes, size_t n)
{
	add_begin(r, 2 * n);
	for (size_t i = 0; i < 2 * n; i++)
		add(r, REDACT_HEX, i % 2 == 0 ? bytes[i / 2] >> 4 : bytes[i / 2] & 0xf, 0xf);
	add(r, REDACT_END, REDACT_HEX, 0);
}

/* Of the first and the last digit some bits belong to the neighbours: these are masked out. */
static void add_base64(struct redact *r, const uint8_t *bytes, size_t n, unsigned shift)
{
	add_begin(r, base64_digits(n, shift));
	for (size_t i = 0; i < base64_digits(n, shift); i++) {
		unsigned value = 0, mask = 0;

		for (size_t bit = 6 * i; bit < 6 * i + 6; bit++) {
			size_t at = bit - shift * 2u;
			bool is_known = bit >= shift * 2u && at < 8 * n;

			mask = mask << 1 | is_known;
			value = value << 1 | (is_known && (bytes[at / 8] >> (7 - at % 8) & 1) != 0);
		}
		add(r, REDACT_BASE64, value, mask);
	}
	add(r, REDACT_END, REDACT_BASE64, 0);
}

static void add_piece(struct redact *r, const uint8_t *bytes, size_t n)
{
	size_t longest = 2 * n;

	add_bytes(r, bytes, n);
	add_hex(r, bytes, n);
	for (unsigned shift = 0; shift < BASE64_SHIFTS; shift++)
		add_base64(r, bytes, n, shift);
	if (REDACT_WINDOW_OF(longest) > r->window)
		r->window = (uint32_t)REDACT_WINDOW_OF(longest);
	if (r->window > REDACT_WINDOW_MAX)
		r->window = REDACT_WINDOW_MAX;
}

/* Is it too short, or found already as a part of another one or as an earlier one? */
static bool is_spare(const struct redact_value *values, size_t n, size_t index)
{
	const struct redact_value *v = &values[index];

	if (v->n < REDACT_MIN)
		return true;
	for (size_t i = 0; i < n; i++) {
		const struct redact_value *other = &values[i];

		if (i == index || other->n < REDACT_MIN || other->n > v->n)
			continue;
		if ((other->n < v->n || i < index) &&
			memmem(v->bytes, v->n, other->bytes, other->n) != NULL)
			return true;
	}
	return false;
}

/* ---- the filter ---- */

static bool meets_plainly(const struct redact_element *element, uint8_t byte)
{
	struct redact_unit unit = { .value = byte, .bytes = 1 };

	return redact_meets(element, &unit) != 0;
}

static bool fills_plainly(const struct redact_element *element, uint8_t byte)
{
	struct redact_unit unit = { .value = byte, .bytes = 1 };
	uint32_t fillers = 0;

	return redact_fill(element, &unit, &fillers);
}

/* May c, behind a backslash, stand for what meets the element or for a filler? */
static bool may_follow_backslash(const struct redact_element *element, uint8_t c)
{
	uint8_t control = redact_control(c);

	if (c != 0 && strchr("uxU\\01234567", c) != NULL)
		return true;
	if (control != 0)
		return meets_plainly(element, control) || fills_plainly(element, control);
	return meets_plainly(element, c);
}

static bool may_follow(const struct redact_element *element, uint8_t c)
{
	return redact_hex_digit(c) >= 0 || (c != 0 && strchr("#algq", c) != NULL) ||
	       may_follow_backslash(element, c);
}

/* Of one pattern. The second byte may be a filler, then the third is what the second would be. */
static void filter_pattern(struct redact *r, const struct redact_element *e, uint32_t bit)
{
	for (unsigned c = 0; c < 256; c++) {
		uint8_t byte = (uint8_t)c;
		bool is_filler = fills_plainly(&e[1], byte);

		if (meets_plainly(&e[0], byte))
			r->filter[0][c] |= bit | REDACT_BIT_BYTE_ESCAPE;
		if (meets_plainly(&e[1], byte) || is_filler)
			r->filter[1][c] |= bit;
		if (meets_plainly(&e[1], byte) || meets_plainly(&e[2], byte) || is_filler ||
			redact_is_introducer(byte))
			r->filter[2][c] |= bit;
		if (may_follow(&e[1], byte))
			r->filter[2][c] |= REDACT_BIT_BYTE_ESCAPE;
		if (may_follow_backslash(&e[0], byte))
			r->filter[1][c] |= REDACT_BIT_BACKSLASH;
	}
}

static void filter_escapes(struct redact *r)
{
	for (unsigned c = 0; c < 256; c++) {
		if (redact_is_introducer((uint8_t)c))
			r->filter[1][c] |= REDACT_BIT_BYTE_ESCAPE;
		if (redact_hex_digit(c) >= 0) {
			r->filter[1][c] |= REDACT_BIT_PERCENT;
			r->filter[2][c] |= REDACT_BIT_PERCENT | REDACT_BIT_AMPERSAND;
		}
		if (c != 0 && strchr("#algq", (int)c) != NULL)
			r->filter[1][c] |= REDACT_BIT_AMPERSAND;
		if (c != 0 && strchr("xXmptu", (int)c) != NULL)
			r->filter[2][c] |= REDACT_BIT_AMPERSAND;
		r->filter[2][c] |= REDACT_BIT_BACKSLASH;
	}
	r->filter[0]['%'] |= REDACT_BIT_PERCENT;
	r->filter[0]['\\'] |= REDACT_BIT_BACKSLASH;
	r->filter[0]['&'] |= REDACT_BIT_AMPERSAND;
}

static void make_filter(struct redact *r)
{
	unsigned pattern = 0;

	for (uint32_t i = 0; i < r->n_elements; i = redact_next(r, i), pattern++)
		filter_pattern(r, &r->elements[i + 1], REDACT_BIT_OF(pattern));
	if (r->n_elements > 0)
		filter_escapes(r);
}

struct redact *redact_make(void *block, const struct redact_value *values, size_t n)
{
	struct redact *r = block;

	for (size_t i = 0; i < n; i++) {
		const uint8_t *bytes = (const uint8_t *)values[i].bytes;
		size_t left = values[i].n;

		if (is_spare(values, n, i))
			continue;
		for (; left > REDACT_PIECE; left -= REDACT_PIECE, bytes += REDACT_PIECE)
			add_piece(r, bytes, REDACT_PIECE);
		/* The last piece of several is as long as the others: it overlaps. */
		if (values[i].n > REDACT_PIECE) {
			bytes -= REDACT_PIECE - left;
			left = REDACT_PIECE;
		}
		add_piece(r, bytes, left);
	}
	/* Rationale: a byte that repeats has a thread for each element; more is a server's doing.
	 */
	r->n_threads_max = r->n_elements < 3968 ? r->n_elements + 128 : 4096;
	make_filter(r);
	return r;
}

bool redact_is_empty(const struct redact *redact)
{
	return redact->n_elements == 0;
}
