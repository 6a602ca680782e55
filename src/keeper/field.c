/*
 * Looking at header fields. Runs in a keeper. Hostile: fields of servers; pure.
 */
#include "keeper/field.h"

#include <string.h>

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Takes the next byte that counts; '\0' at the end. */
static char next_folded(struct keepmsg_text *t)
{
	while (t->n > 0 && (t->at[0] == '-' || t->at[0] == '_' || t->at[0] == '.')) {
		t->at++;
		t->n--;
	}
	if (t->n == 0)
		return '\0';
	t->n--;
	return lower(*t->at++);
}

bool field_is_same(struct keepmsg_text a, struct keepmsg_text b)
{
	char c;

	do {
		c = next_folded(&a);
		if (c != next_folded(&b))
			return false;
	} while (c != '\0');
	return true;
}

bool field_is(struct keepmsg_text name, const char *want)
{
	return field_is_same(name, (struct keepmsg_text){ want, strlen(want) });
}

bool field_says(struct keepmsg_text value, const char *want)
{
	if (value.n != strlen(want))
		return false;
	for (size_t i = 0; i < value.n; i++)
		if (lower(value.at[i]) != want[i])
			return false;
	return true;
}

struct keepmsg_text field_trim(struct keepmsg_text t)
{
	while (t.n > 0 && (t.at[0] == ' ' || t.at[0] == '\t')) {
		t.at++;
		t.n--;
	}
	while (t.n > 0 && (t.at[t.n - 1] == ' ' || t.at[t.n - 1] == '\t'))
		t.n--;
	return t;
}

bool field_next(struct keepmsg_text *rest, struct keepmsg_text *ret)
{
	while (rest->n > 0) {
		const char *comma = memchr(rest->at, ',', rest->n);
		size_t n = comma != NULL ? (size_t)(comma - rest->at) : rest->n;
		struct keepmsg_text element = field_trim((struct keepmsg_text){ rest->at, n });

		n += comma != NULL;
		rest->at += n;
		rest->n -= n;
		if (element.n > 0) {
			*ret = element;
			return true;
		}
	}
	return false;
}

bool field_number(struct keepmsg_text text, uint64_t *ret)
{
	uint64_t value = 0;

	if (text.n == 0 || text.n > 18)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text.at[i] - '0');
	}
	*ret = value;
	return true;
}

bool field_is_token(struct keepmsg_text text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = lower(text.at[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
			(c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
			return false;
	}
	return text.n > 0;
}

bool field_is_value(struct keepmsg_text text)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.at[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}
