#include "wire/fieldname.h"

#include "base/cleanup.h"

#include <string.h>

/* Words and whole names that are not spelt with one capital at their beginning. */
static const char *const words[] = { "DNT", "ETag", "GitHub", "HTTP2", "ID", "IP", "MD5", "OAuth",
	"RateLimit", "SOAPAction", "SSL", "TE", "UA", "WebSocket", "WWW", "XSS" };

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static char upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static int is_word(const char *word, const char *name, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (word[i] == '\0' || lower(word[i]) != name[i])
			return 0;
	return word[n] == '\0';
}

static void spell_word(char *name, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (is_word(words[i], name, n)) {
			memcpy(name, words[i], n);
			return;
		}
	}
	if (n > 0)
		name[0] = upper(name[0]);
}

void fieldname_spell(char *name, size_t n)
{
	while (n > 0) {
		const char *dash = memchr(name, '-', n);
		size_t word_n = dash != NULL ? (size_t)(dash - name) : n;

		spell_word(name, word_n);
		word_n += dash != NULL;
		name += word_n;
		n -= word_n;
	}
}
