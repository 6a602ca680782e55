/*
 * Texts with "{secret}". Runs in a keeper. Input: the policy and the secret, both from the user;
 * what is written stands in memory of the caller alone.
 */
#include "keeper/render.h"

#include "base/ascii.h"

#include <stdint.h>
#include <string.h>

static const char mark[] = "{secret}";
#define MARK_BYTES (sizeof(mark) - 1)

/* Gathers three bytes to four digits where it is base64; out is NULL to count. */
struct sink {
	char *out;
	size_t n;
	uint32_t bits;
	unsigned n_bits;
	enum render_as as;
};

static void put(struct sink *s, char c)
{
	if (s->out != NULL)
		s->out[s->n] = c;
	s->n++;
}

static void put_digit(struct sink *s, unsigned digit)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	put(s, digits[digit & 63]);
}

static void put_byte(struct sink *s, char c)
{
	if (s->as != RENDER_BASE64) {
		put(s, c);
		return;
	}
	s->bits = s->bits << 8 | (uint8_t)c;
	for (s->n_bits += 8; s->n_bits >= 6; s->n_bits -= 6)
		put_digit(s, s->bits >> (s->n_bits - 6));
	s->bits &= (1u << s->n_bits) - 1;
}

static void put_end(struct sink *s)
{
	if (s->as != RENDER_BASE64 || s->n_bits == 0)
		return;
	put_digit(s, s->bits << (6 - s->n_bits));
	for (; s->n_bits < 6; s->n_bits += 2)
		put(s, '=');
	s->bits = 0;
}

static void put_secret(struct sink *s, const struct render *render)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < render->secret_n; i++) {
		char c = render->secret[i];

		if (render->as != RENDER_QUERY || ascii_is_unreserved(c)) {
			put_byte(s, c);
			continue;
		}
		put(s, '%');
		put(s, digits[(uint8_t)c >> 4]);
		put(s, digits[(uint8_t)c & 0xf]);
	}
}

static size_t run(const struct render *render, char *out)
{
	struct sink s = { .out = out, .as = render->as };
	size_t n;

	for (const char *at = render->text; *at != '\0';) {
		if (strncmp(at, mark, MARK_BYTES) == 0) {
			put_secret(&s, render);
			at += MARK_BYTES;
		} else {
			put_byte(&s, *at++);
		}
	}
	put_end(&s);
	n = s.n;
	explicit_bzero(&s, sizeof(s));
	return n;
}

size_t render_bytes(const struct render *render)
{
	return run(render, NULL);
}

void render_write(const struct render *render, char *out)
{
	(void)run(render, out);
}

const char *render_unfit(const char *secret, size_t n)
{
	if (n == 0)
		return "it is empty";
	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)secret[i];

		if (c == '\r' || c == '\n')
			return "it has a line end inside";
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return "it has a control byte inside";
	}
	if (strchr(" \t", secret[0]) != NULL || strchr(" \t", secret[n - 1]) != NULL)
		return "it begins or ends with a blank";
	return NULL;
}
