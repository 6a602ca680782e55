/*
 * One line of the audit, parsed: a JSON object. Values are strings, numbers, true and false, or
 * arrays; what is nested deeper is counted and not kept.
 */
#ifndef CLI_RECORD_H
#define CLI_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rationale: twice what the largest record has. */
#define RECORD_MEMBERS_MAX 32

enum record_kind {
	RECORD_STRING,
	RECORD_NUMBER,
	RECORD_TRUE,
	RECORD_FALSE,
	RECORD_STRINGS, /* an array of strings alone */
	RECORD_OTHER, /* null, an object, an array of other things */
};

struct record_member {
	const char *key;
	enum record_kind kind;
	const char *text; /* STRING; STRINGS: one after the other, each with its NUL */
	size_t n; /* elements of an array */
	int64_t number;
};

/* Starts as {0}; record_done() frees what record_parse() allocated and leaves it so again. */
struct record {
	struct record_member members[RECORD_MEMBERS_MAX];
	size_t n;
	char *bytes;
};

/*
 * Parses a line of n bytes without its line end. Strings become C strings: a NUL in one becomes
 * U+FFFD. 0, -EINVAL when it is no such object, -ENOMEM. record_done() in every case.
 */
int record_parse(struct record *ret, const char *line, size_t n);
void record_done(struct record *r);

#define AUTO_RECORD __attribute__((cleanup(record_done)))

/* The member of that kind, or what says that there is none. */
const char *record_text(const struct record *r, const char *key); /* NULL */
bool record_number(const struct record *r, const char *key, int64_t *ret);
bool record_is_true(const struct record *r, const char *key);
const char *record_strings(const struct record *r, const char *key, size_t *ret_n); /* "", 0 */
size_t record_count(const struct record *r, const char *key); /* elements of an array, or 0 */

/* Is the member that string? */
bool record_says(const struct record *r, const char *key, const char *text);

#endif
