/*
 * What redact.c (tables), redact_unit.c (escapes) and redact_stream.c (the search) share.
 *
 * A pattern is a row of elements, each of which one unit of the stream has to meet: a byte, a
 * base64 digit of which some bits are known, or a hexadecimal digit. A unit is a byte of the stream
 * or an escape that stands for one character. A thread is a pattern that has been met up to an
 * element.
 */
#ifndef KEEPER_REDACT_TABLES_H
#define KEEPER_REDACT_TABLES_H

#include "keeper/redact.h"

#include <stdint.h>

/*
 * Rationale: longer values are cut into pieces that are found on their own. Bounds what a stream
 * holds back, and a value that comes back cut off is still found.
 */
#define REDACT_PIECE 256u
/* Rationale: twelve bytes for one is "&amp;amp;#83;"; hexadecimal doubles. Then it is no encoding
 * but a disguise. */
#define REDACT_WINDOW_MAX (8u << 10)
#define REDACT_WINDOW_OF(elements) (24u * (elements) + 64u)

enum redact_kind {
	REDACT_BYTE,
	REDACT_BASE64,
	REDACT_HEX,
	REDACT_END,   /* of the pattern; value: its kind */
	REDACT_BEGIN, /* of the pattern; value and mask: how many elements there are up to the next
			 one */
};

struct redact_element {
	uint8_t kind;
	uint8_t value;
	uint8_t mask; /* base64: the bits that are known */
};

#define REDACT_FILTER_BYTES 3

struct redact {
	/*
	 * Three bytes can begin a pattern only if their entries have a bit in common: one bit for
	 * some of the patterns, the last ones for escapes.
	 */
	uint32_t filter[REDACT_FILTER_BYTES][256];
	uint32_t n_elements;
	uint32_t window; /* a thread that is longer ends */
	uint32_t n_threads_max;
	struct redact_element elements[]; /* the patterns, each between its begin and its end */
};

/* Bits of the filter. */
#define REDACT_PATTERN_BITS 28u
#define REDACT_BIT_OF(pattern) (1u << ((pattern) % REDACT_PATTERN_BITS))
#define REDACT_BIT_BYTE_ESCAPE (1u << 28) /* a first byte, then an escape */
#define REDACT_BIT_PERCENT (1u << 29)
#define REDACT_BIT_BACKSLASH (1u << 30)
#define REDACT_BIT_AMPERSAND (1u << 31)
#define REDACT_BITS_OF_ALL (0xfu << 28) /* say nothing of which pattern */

/* The index of the pattern's begin that follows the one at index i. */
static inline uint32_t redact_next(const struct redact *r, uint32_t i)
{
	return i + r->elements[i].value + ((uint32_t)r->elements[i].mask << 8);
}

/* ---- units ---- */

struct redact_unit {
	uint32_t value;
	uint8_t bytes;
	bool is_character; /* value is a code point, not a byte */
};

/* Rationale: escapes of escapes; seven backslashes are JSON in JSON in JSON. */
#define REDACT_NESTED_MAX 8u
#define REDACT_UNITS_MAX (1u + REDACT_NESTED_MAX)
/* No unit is longer: nested ones of at most 11 bytes, a surrogate pair at the end. */
#define REDACT_UNIT_BYTES_MAX 128u

bool redact_is_introducer(uint8_t byte);

/*
 * All units that begin at bytes[0] of n > 0, the plain byte first. Returns how many, or -1 when
 * more bytes are needed to tell (never if is_last).
 */
int redact_units(
	const uint8_t *bytes, size_t n, bool is_last, struct redact_unit ret[REDACT_UNITS_MAX]);

/* What a letter behind a backslash stands for; 0: nothing. */
uint8_t redact_control(uint8_t letter);

int redact_hex_digit(uint32_t c);    /* -1: none */
int redact_base64_digit(uint32_t c); /* of both alphabets; -1: none */

/*
 * How many elements from element on a unit meets; 0: it does not. Several only for a character
 * above 0x7f, which is UTF-8 in the pattern.
 */
unsigned redact_meets(const struct redact_element *element, const struct redact_unit *unit);

/*
 * May the unit stand before this element (not a pattern's first) without meaning anything, after
 * those in *fillers, which it is added to? One line end within digits, so that the blank line
 * behind an event ends the wait; three NUL bytes (UTF-32).
 */
bool redact_fill(
	const struct redact_element *element, const struct redact_unit *unit, uint32_t *fillers);

#endif
