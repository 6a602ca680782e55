/*
 * Runs in the proxy and in the warden. Hostile: what is searched. It can be written so that each
 * window has the hash of some pattern only by one who knows the tokens, and then costs a comparison.
 */
#include "wire/honey.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

/* Rationale: two windows of the token, two in hexadecimal, and one of base64 for each alignment. */
#define PATTERNS_OF_TOKEN 7u
#define PATTERNS_MAX (HONEY_TOKENS_MAX * PATTERNS_OF_TOKEN)
/* Rationale: a bit for each hash: a hundred patterns let one window in 600 through to a comparison. */
#define FILTER_BITS 16
#define MULTIPLIER 0x9e3779b97f4a7c15ull
/* Rationale: the longest name (RFC 1035). */
#define NAME_MAX_BYTES 256u

struct pattern {
	char bytes[HONEY_WINDOW]; /* folded */
	const char *path;
};

struct honey {
	char *text; /* paths point into it */
	struct pattern patterns[PATTERNS_MAX];
	size_t n;
	uint64_t leaving; /* MULTIPLIER to the power of HONEY_WINDOW - 1 */
	uint8_t filter[1u << (FILTER_BITS - 3)];
};

static unsigned char fold(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* ---- making ---- */

static uint64_t hash_of(const char *bytes)
{
	uint64_t h = 0;

	for (size_t i = 0; i < HONEY_WINDOW; i++)
		h = h * MULTIPLIER + fold(bytes[i]) + 1;
	return h;
}

static unsigned bit_of(uint64_t h)
{
	return (unsigned)((h ^ (h >> 32)) * MULTIPLIER >> (64 - FILTER_BITS));
}

static void add(struct honey *honey, const char *bytes, const char *path)
{
	struct pattern *p = &honey->patterns[honey->n++];
	unsigned bit = bit_of(hash_of(bytes));

	for (size_t i = 0; i < HONEY_WINDOW; i++)
		p->bytes[i] = (char)fold(bytes[i]);
	p->path = path;
	honey->filter[bit >> 3] |= (uint8_t)(1u << (bit & 7));
}

static void add_hex(struct honey *honey, const char *at, const char *path)
{
	static const char digits[] = "0123456789abcdef";
	char hex[HONEY_WINDOW];

	for (size_t i = 0; i < HONEY_WINDOW; i++) {
		unsigned char c = (unsigned char)at[i / 2];

		hex[i] = digits[i % 2 == 0 ? c >> 4 : c & 15];
	}
	add(honey, hex, path);
}

/* What base64 makes of it when `before` bytes of a group stand in front: whole groups of the token. */
static void add_base64(struct honey *honey, const char *token, size_t before, const char *path)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *at = (const unsigned char *)token + (before == 0 ? 0 : 3 - before);
	char text[HONEY_WINDOW + 3];

	for (size_t i = 0; i + 4 <= sizeof(text) + 1 && i < HONEY_WINDOW; i += 4, at += 3) {
		unsigned group = (unsigned)at[0] << 16 | (unsigned)at[1] << 8 | at[2];

		for (size_t k = 0; k < 4 && i + k < sizeof(text); k++)
			text[i + k] = digits[group >> (18 - 6 * k) & 63];
	}
	add(honey, text, path);
}

static int add_line(struct honey *honey, char *line)
{
	size_t n = strcspn(line, " ");

	if (n < HONEY_TOKEN_MIN || line[n] != ' ' || line[n + 1] == '\0' ||
		honey->n + PATTERNS_OF_TOKEN > PATTERNS_MAX)
		return -EINVAL;
	line[n] = '\0';
	add(honey, line, line + n + 1);
	add(honey, line + n - HONEY_WINDOW, line + n + 1);
	add_hex(honey, line, line + n + 1);
	add_hex(honey, line + n - HONEY_WINDOW / 2, line + n + 1);
	for (size_t before = 0; before < 3; before++)
		add_base64(honey, line, before, line + n + 1);
	return 0;
}

int honey_new(const char *text, size_t n, struct honey **ret)
{
	struct honey *honey = calloc(1, sizeof(*honey));
	int r = 0;

	if (honey == NULL || n > HONEY_TEXT_MAX || (honey->text = strndup(text, n)) == NULL) {
		free(honey);
		return n > HONEY_TEXT_MAX ? -EINVAL : -ENOMEM;
	}
	honey->leaving = 1;
	for (size_t i = 1; i < HONEY_WINDOW; i++)
		honey->leaving *= MULTIPLIER;
	for (char *line = honey->text, *end; r == 0 && *line != '\0'; line = end) {
		end = line + strcspn(line, "\n");
		if (*end != '\0')
			*end++ = '\0';
		r = add_line(honey, line);
	}
	if (r < 0) {
		honey_free(honey);
		return r;
	}
	*ret = honey;
	return 0;
}

void honey_free(struct honey *honey)
{
	if (honey == NULL)
		return;
	free(honey->text);
	free(honey);
}

/* ---- finding ---- */

static const char *compare(const struct honey *honey, const char *at)
{
	char folded[HONEY_WINDOW];

	for (size_t i = 0; i < HONEY_WINDOW; i++)
		folded[i] = (char)fold(at[i]);
	for (size_t i = 0; i < honey->n; i++)
		if (memcmp(honey->patterns[i].bytes, folded, HONEY_WINDOW) == 0)
			return honey->patterns[i].path;
	return NULL;
}

const char *honey_find(const struct honey *honey, const char *bytes, size_t n)
{
	uint64_t h;

	if (honey == NULL || honey->n == 0 || n < HONEY_WINDOW)
		return NULL;
	h = hash_of(bytes);
	for (size_t i = 0;; i++) {
		unsigned bit = bit_of(h);

		if ((honey->filter[bit >> 3] >> (bit & 7) & 1) != 0) {
			const char *path = compare(honey, bytes + i);

			if (path != NULL)
				return path;
		}
		if (i + HONEY_WINDOW >= n)
			return NULL;
		h = (h - (fold(bytes[i]) + 1ull) * honey->leaving) * MULTIPLIER +
			fold(bytes[i + HONEY_WINDOW]) + 1;
	}
}

const char *honey_find_name(const struct honey *honey, const char *name)
{
	char letters[NAME_MAX_BYTES];
	size_t n = 0;

	for (; honey != NULL && *name != '\0' && n < sizeof(letters); name++)
		if (*name != '.' && *name != '-')
			letters[n++] = *name;
	return honey_find(honey, letters, n);
}

const char *honey_find_part(const struct honey *honey, struct honey_scan *scan, const char *bytes,
	size_t n)
{
	char seam[2 * (HONEY_WINDOW - 1)];
	size_t head = n < HONEY_WINDOW - 1 ? n : HONEY_WINDOW - 1, all;
	const char *path;

	if (honey == NULL || n == 0)
		return NULL;
	memcpy(seam, scan->tail, scan->n);
	memcpy(seam + scan->n, bytes, head);
	all = scan->n + head;
	path = honey_find(honey, seam, all);
	if (path == NULL)
		path = honey_find(honey, bytes, n);
	if (n >= HONEY_WINDOW - 1) {
		memcpy(scan->tail, bytes + n - (HONEY_WINDOW - 1), HONEY_WINDOW - 1);
		scan->n = HONEY_WINDOW - 1;
	} else {
		scan->n = all < HONEY_WINDOW - 1 ? all : HONEY_WINDOW - 1;
		memcpy(scan->tail, seam + all - scan->n, scan->n);
	}
	return path;
}
