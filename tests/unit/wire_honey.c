/*
 * Proves: a token is found as it is, in any case, cut in half, across labels of a name, at each cut of
 * a stream, and in base64 (each alignment, each length around it) and hexadecimal of a text that has
 * it; nothing else is: not what is one letter short or different.
 */
#include "tap.h"
#include "wire/honey.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN "aKiA4Qz7Lm2XcV9bN8tRw3Ye6UoP1sDf"
#define OTHER "ghp_0123456789abcdefghijABCDEFGHIJklmnop"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void base64(const char *text, char *out)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i += 3) {
		unsigned group = (unsigned)(unsigned char)text[i] << 16;

		group |= i + 1 < n ? (unsigned)(unsigned char)text[i + 1] << 8 : 0;
		group |= i + 2 < n ? (unsigned char)text[i + 2] : 0;
		for (int k = 0; k < 4; k++)
			*out++ = digits[group >> (18 - 6 * k) & 63];
	}
	*out = '\0';
}

static const char *find(const struct honey *h, const char *text)
{
	const char *path = honey_find(h, text, strlen(text));

	return path != NULL ? path : "";
}

static void test_encodings(const struct honey *h)
{
	bool all = true;

	for (size_t before = 0; before < 9; before++)
		for (size_t after = 0; after < 4; after++) {
			char text[128], encoded[256];

			(void)snprintf(text, sizeof(text), "%.*s" TOKEN "%.*s", (int)before, "prefix = ",
				(int)after, "xyz");
			base64(text, encoded);
			all &= strcmp(find(h, encoded), "~/a") == 0;
		}
	tap_ok(all, "base64 at every alignment");
	{
		char hex[2 * sizeof(TOKEN)] = "", upper[sizeof(hex)];

		for (size_t i = 0; i + 1 < sizeof(TOKEN); i++)
			(void)snprintf(hex + 2 * i, 3, "%02x", (unsigned char)TOKEN[i]);
		tap_ok(strcmp(find(h, hex), "~/a") == 0, "hexadecimal");
		for (size_t i = 0; i < sizeof(hex); i++)
			upper[i] = (char)toupper((unsigned char)hex[i]);
		tap_ok(strcmp(find(h, upper), "~/a") == 0, "hexadecimal in large letters");
	}
}

static void test_stream(const struct honey *h)
{
	static const char text[] = "POST data: one=two&key=" TOKEN "&three=four";
	bool all = true;

	for (size_t cut = 0; cut < sizeof(text); cut++)
		for (size_t step = 1; step < 20; step++) {
			struct honey_scan scan = { .n = 0 };
			const char *path = NULL;

			path = honey_find_part(h, &scan, text, cut);
			for (size_t at = cut; path == NULL && at < sizeof(text); at += step)
				path = honey_find_part(h, &scan, text + at,
					step < sizeof(text) - at ? step : sizeof(text) - at);
			all &= path != NULL && strcmp(path, "~/a") == 0;
		}
	tap_ok(all, "in parts of every length");
}

static void test_refused(void)
{
	struct honey *h = NULL;

	tap_ok(honey_new("short ~/a\n", 10, &h) < 0, "a token that is too short");
	tap_ok(honey_new(TOKEN "\n", sizeof(TOKEN), &h) < 0, "a line without a path");
	tap_ok(honey_new("", 0, &h) == 0 && find(h, TOKEN)[0] == '\0', "no token finds nothing");
	honey_free(h);
	tap_ok(find(NULL, TOKEN)[0] == '\0' && honey_find_name(NULL, TOKEN) == NULL, "nor does none");
}

int main(void)
{
	static const char text[] = TOKEN " ~/a\n" OTHER " ~/b c\n";
	struct honey *h = NULL;
	char long_text[100000];

	tap_ok(honey_new(text, sizeof(text) - 1, &h) == 0, "two tokens");
	tap_ok(strcmp(find(h, TOKEN), "~/a") == 0, "as it is");
	tap_ok(strcmp(find(h, "x" OTHER "y"), "~/b c") == 0, "the other one, whose path has a blank");
	tap_ok(strcmp(find(h, "akia4qz7lm2xcv9bn8trw3ye6uop1sdf"), "~/a") == 0, "in small letters");
	tap_ok(strcmp(find(h, "aKiA4Qz7Lm2XcV9"), "~/a") == 0, "its first half");
	tap_ok(strcmp(find(h, "bN8tRw3Ye6UoP1sDf"), "~/a") == 0, "its second half");
	tap_ok(find(h, "aKiA4Qz7Lm2Xc")[0] == '\0', "13 letters are none");
	tap_ok(find(h, "aKiA4Qz7Lm2XcW9bN8tRw3Ye6UoP1sDg")[0] == '\0', "nor is another token");
	tap_ok(honey_find_name(h, "akia4qz7l.m2xcv9bn8t-rw3ye6.uop1sdf.evil.test") != NULL,
		"across labels of a name");
	tap_ok(honey_find_name(h, "akia4qz7l.evil.test") == NULL, "a short part of a name is none");
	srand(1);
	for (size_t i = 0; i < sizeof(long_text); i++)
		long_text[i] = digits[rand() % 64];
	tap_ok(honey_find(h, long_text, sizeof(long_text)) == NULL, "nothing in 100,000 random letters");
	memcpy(long_text + sizeof(long_text) - HONEY_WINDOW, TOKEN, HONEY_WINDOW);
	tap_ok(honey_find(h, long_text, sizeof(long_text)) != NULL, "but at their very end");
	test_encodings(h);
	test_stream(h);
	test_refused();
	honey_free(h);
	return tap_done();
}
