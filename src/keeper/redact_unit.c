/*
 * Escapes, as the encoders of JSON, URLs, HTML and C strings write them. Runs in a keeper; hostile
 * input: every byte.
 */
#include "keeper/redact_tables.h"

#include "base/ascii.h"

#include <ctype.h>
#include <string.h>

enum outcome { NO, YES, MORE };

/* What comes behind an introducer. */
struct tail {
	const uint8_t *bytes;
	size_t n;
	size_t used;
	uint32_t value;
	bool is_character;
};

bool redact_is_introducer(uint8_t byte)
{
	return byte == '%' || byte == '\\' || byte == '&';
}

int redact_hex_digit(uint32_t c)
{
	return c < 0x80 ? ascii_hex((char)c) : -1;
}

int redact_base64_digit(uint32_t c)
{
	if (c >= 'A' && c <= 'Z')
		return (int)c - 'A';
	if (c >= 'a' && c <= 'z')
		return (int)c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return (int)c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

uint8_t redact_control(uint8_t letter)
{
	static const char letters[] = "abefnrtv", values[] = "\a\b\033\f\n\r\t\v";
	const char *at = letter != 0 ? strchr(letters, letter) : NULL;

	return at != NULL ? (uint8_t)values[at - letters] : 0;
}

/* Exactly `digits` digits of base 16 or 8. */
static enum outcome take_digits(struct tail *t, size_t digits, unsigned base)
{
	t->value = 0;
	for (size_t i = 0; i < digits; i++, t->used++) {
		if (t->used == t->n)
			return MORE;
		int digit = redact_hex_digit(t->bytes[t->used]);

		if (digit < 0 || (unsigned)digit >= base)
			return NO;
		t->value = t->value * base + (unsigned)digit;
	}
	return YES;
}

/* One to seven digits, then the mark that ends them. */
static enum outcome take_number(struct tail *t, unsigned base, uint8_t mark)
{
	t->value = 0;
	for (size_t i = 0; i <= 7; i++, t->used++) {
		if (t->used == t->n)
			return MORE;
		int digit = redact_hex_digit(t->bytes[t->used]);

		if (t->bytes[t->used] == mark && i > 0) {
			t->used++;
			return YES;
		}
		if (digit < 0 || (unsigned)digit >= base)
			return NO;
		t->value = t->value * base + (unsigned)digit;
	}
	return NO;
}

/* The second half of a surrogate pair, as deep in backslashes as it likes. */
static enum outcome take_low(struct tail *t)
{
	uint32_t high = t->value;
	size_t slashes = 0;

	while (t->used < t->n && t->bytes[t->used] == '\\' && slashes < REDACT_NESTED_MAX) {
		t->used++;
		slashes++;
	}
	if (t->used == t->n)
		return MORE;
	if (slashes == 0 || t->bytes[t->used++] != 'u')
		return NO;
	enum outcome outcome = take_digits(t, 4, 16);

	if (outcome != YES)
		return outcome;
	if (t->value < 0xdc00 || t->value > 0xdfff)
		return NO;
	t->value = 0x10000 + ((high - 0xd800) << 10) + (t->value - 0xdc00);
	return YES;
}

static enum outcome after_u(struct tail *t)
{
	enum outcome outcome;

	t->is_character = true;
	if (t->used < t->n && t->bytes[t->used] == '{') {
		t->used++;
		return take_number(t, 16, '}');
	}
	outcome = take_digits(t, 4, 16);
	if (outcome == YES && t->value >= 0xd800 && t->value < 0xdc00)
		return take_low(t);
	return outcome;
}

static enum outcome after_backslash(struct tail *t)
{
	uint8_t c = t->bytes[0];
	uint8_t control = redact_control(c);

	if (c >= '0' && c <= '7')
		return take_digits(t, 3, 8);
	t->used = 1;
	switch (c) {
	case 'u':
		return after_u(t);
	case 'U':
		t->is_character = true;
		return take_digits(t, 8, 16);
	case 'x':
		return take_digits(t, 2, 16);
	default:
		t->value = control != 0 ? control : c;
		return control != 0 || ispunct(c) != 0 || c == ' ' ? YES : NO;
	}
}

static enum outcome after_ampersand(struct tail *t)
{
	static const struct {
		const char *name;
		char value;
	} names[] = { { "amp;", '&' }, { "lt;", '<' }, { "gt;", '>' }, { "quot;", '"' },
		{ "apos;", '\'' } };

	t->is_character = true;
	if (t->bytes[0] == '#') {
		t->used = 1;
		if (t->n == 1)
			return MORE;
		if ((t->bytes[1] | 0x20) != 'x')
			return take_number(t, 10, ';');
		t->used = 2;
		return take_number(t, 16, ';');
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t bytes = strlen(names[i].name);

		if (memcmp(t->bytes, names[i].name, bytes < t->n ? bytes : t->n) != 0)
			continue;
		t->value = (uint8_t)names[i].value;
		t->used = bytes;
		return bytes <= t->n ? YES : MORE;
	}
	return NO;
}

static enum outcome after(uint8_t introducer, struct tail *t)
{
	if (t->n == 0)
		return MORE;
	if (introducer == '%')
		return take_digits(t, 2, 16);
	return introducer == '\\' ? after_backslash(t) : after_ampersand(t);
}

int redact_units(
	const uint8_t *bytes, size_t n, bool is_last, struct redact_unit ret[REDACT_UNITS_MAX])
{
	size_t used = 1;
	int count = 1;
	uint32_t last = bytes[0];

	ret[0] = (struct redact_unit){ .value = bytes[0], .bytes = 1 };
	while (count < (int)REDACT_UNITS_MAX && last < 0x80 &&
		redact_is_introducer((uint8_t)last)) {
		struct tail t = { .bytes = bytes + used, .n = n - used };
		enum outcome outcome = after((uint8_t)last, &t);

		if (outcome == MORE && !is_last)
			return -1;
		if (outcome != YES)
			break;
		used += t.used;
		ret[count++] = (struct redact_unit){
			.value = t.value, .bytes = (uint8_t)used, .is_character = t.is_character
		};
		last = t.value;
	}
	return count;
}

/* A character above 0x7f against the UTF-8 of a pattern (RFC 3629). */
static unsigned meets_utf8(const struct redact_element *element, uint32_t c)
{
	uint8_t bytes[4];
	unsigned n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	if (c > 0x10ffff)
		return 0;
	for (unsigned i = n - 1; i > 0; i--, c >>= 6)
		bytes[i] = (uint8_t)(0x80 | (c & 0x3f));
	bytes[0] = (uint8_t)(c | (n == 2 ? 0xc0u : n == 3 ? 0xe0u : 0xf0u));
	for (unsigned i = 0; i < n; i++)
		if (element[i].kind != REDACT_BYTE || element[i].value != bytes[i])
			return 0;
	return n;
}

static unsigned meets_byte(const struct redact_element *element, const struct redact_unit *unit)
{
	if (unit->value == element->value)
		return 1;
	if (unit->value >= 0x80)
		return unit->is_character ? meets_utf8(element, unit->value) : 0;
	return ascii_lower((char)unit->value) == ascii_lower((char)element->value) ||
		(unit->value == '+' && unit->bytes == 1 && element->value == ' ');
}

unsigned redact_meets(const struct redact_element *element, const struct redact_unit *unit)
{
	int digit;

	switch ((enum redact_kind)element->kind) {
	case REDACT_BYTE:
		return meets_byte(element, unit);
	case REDACT_BASE64:
		digit = redact_base64_digit(unit->value);
		return digit >= 0 && (digit & element->mask) == element->value;
	case REDACT_HEX:
		return redact_hex_digit(unit->value) == element->value;
	case REDACT_END:
	case REDACT_BEGIN:
		break;
	}
	return 0;
}

bool redact_fill(
	const struct redact_element *element, const struct redact_unit *unit, uint32_t *fillers)
{
	enum { NULS = 3, CR = 4, LF = 8 };
	uint32_t next = *fillers;

	if (unit->value == 0 && (next & NULS) != NULS)
		next++;
	else if (element->kind != REDACT_BASE64 && element->kind != REDACT_HEX)
		return false;
	else if (unit->value == '\r' && (next & (CR | LF)) == 0)
		next |= CR;
	else if (unit->value == '\n' && (next & LF) == 0)
		next |= LF;
	else
		return false;
	*fillers = next;
	return true;
}
