/*
 * The installed default profile, read when the program was built: every start would read the same
 * thousand entries again. It is taken when the file is, byte for byte, the one of then.
 */
#ifndef POLICY_BUILTIN_H
#define POLICY_BUILTIN_H

#include "policy/keys.h"
#include "policy/store.h"

/* Is this the text of the profile that the program was built with? */
bool builtin_is(const char *text, size_t n);

/*
 * What layer_line() does for each of its lines: the same values and origins. Entries that depend on
 * where HOME and the project are get the same checks. file is kept by the policy. 0, or -errno with
 * "FILE:LINE: WHAT; REMEDY".
 */
int builtin_apply(struct policy *policy, const char *file, const struct keys_places *places,
	struct err *err);

/* One entry as src/policy/builtin_gen.c writes it. */
struct builtin_entry {
	uint16_t at; /* of its text in the values, which end with NUL */
	uint16_t line;
	uint8_t key; /* enum policy_key */
	uint8_t is_relative; /* the text is as in the file: it means another path for every user */
};

#endif
