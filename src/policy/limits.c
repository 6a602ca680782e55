/* See limits.h. */
#include "policy/limits.h"

#include "base/cleanup.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Rationale: below these nothing starts, and a typing error is likelier than a wish. */
#define MEMORY_MIN (16ull << 20)
#define PIDS_MIN 16u
#define FILES_MIN (1ull << 20)
/* Rationale: more than any machine has, and no product of two of these numbers overflows. */
#define BYTES_MAX (1ull << 50)
#define PIDS_MAX (1ull << 22)
#define MILLICORES_MIN 10u
#define MILLICORES_MAX 8192000ull
#define SECONDS_MAX (366ull * 86400)

#define SESSION_SUFFIX "/session"
/* Rationale: the longest amount that means something is "1125899906842624". */
#define WORD_BYTES 32

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit bytes_units[] = { { "", 1 }, { "K", 1ull << 10 }, { "M", 1ull << 20 },
	{ "G", 1ull << 30 }, { "T", 1ull << 40 }, { NULL, 0 } };
static const struct unit plain_units[] = { { "", 1 }, { NULL, 0 } };
static const struct unit time_units[] = { { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 },
	{ NULL, 0 } };

/* One form of amount that a key takes; a key may have several, each at most once. */
static const struct form {
	const char *key;
	enum policy_key policy_key;
	const char *suffix;
	const struct unit *units; /* NULL: a decimal number, in thousandths */
	uint64_t min, max;
	const char *words;
} forms[LIMITS_KIND_COUNT] = {
	[LIMITS_MEMORY] = { "memory", PK_LIMITS_MEMORY, "", bytes_units, MEMORY_MIN, BYTES_MAX,
		"the memory of all commands is over" },
	[LIMITS_PIDS] = { "pids", PK_LIMITS_PIDS, "", plain_units, PIDS_MIN, PIDS_MAX,
		"the processes and threads of all commands are more than" },
	[LIMITS_CORES] = { "cpu", PK_LIMITS_CPU, "", NULL, MILLICORES_MIN, MILLICORES_MAX, "" },
	[LIMITS_CPU] = { "cpu", PK_LIMITS_CPU, "", time_units, 1, SECONDS_MAX,
		"its processor time is over" },
	[LIMITS_FILES] = { "files", PK_LIMITS_FILES, "", bytes_units, FILES_MIN, BYTES_MAX,
		"what it wrote to files is over" },
	[LIMITS_TIME] = { "time", PK_LIMITS_TIME, "", time_units, 1, SECONDS_MAX,
		"it ran for more than" },
	[LIMITS_SESSION] = { "time", PK_LIMITS_TIME, SESSION_SUFFIX, time_units, 1, SECONDS_MAX,
		"it ran for more than" },
};

static const struct {
	const char *key, *valid;
} valid_texts[] = {
	{ "memory", "bytes with K, M, G or T, from 16M: 4G" },
	{ "pids", "a number of processes and threads, from 16: 512" },
	{ "cpu", "processors, or processor time of one command with s, m or h: 1.5, 20m, or both" },
	{ "files", "bytes with K, M, G or T, from 1M: 20G" },
	{ "time", "s, m, h or d for one command, or with /session: 30m, 8h/session, or both" },
};

/* The digits at the start of word; *ret_rest is what follows. False: none, or more than BYTES_MAX. */
static bool read_digits(const char *word, uint64_t *ret, const char **ret_rest)
{
	uint64_t value = 0;

	if (*word < '0' || *word > '9')
		return false;
	for (; *word >= '0' && *word <= '9' && value <= BYTES_MAX; word++)
		value = value * 10 + (uint64_t)(*word - '0');
	*ret = value;
	*ret_rest = word;
	return value <= BYTES_MAX;
}

/* Digits, then the unit in either case. False: not of this form. */
static bool read_units(const char *word, const struct unit *units, uint64_t max, uint64_t *ret)
{
	const char *rest;
	uint64_t value;

	if (!read_digits(word, &value, &rest))
		return false;
	for (; units->name != NULL; units++) {
		if (strcasecmp(units->name, rest) != 0)
			continue;
		*ret = value > max / units->factor ? UINT64_MAX : value * units->factor;
		return true;
	}
	return false;
}

/* "1", "1.5", "0.25": at most three digits behind the point. */
static bool read_cores(const char *word, uint64_t *ret)
{
	const char *rest;
	uint64_t value, scale = 100, part = 0;

	if (!read_digits(word, &value, &rest) || value > MILLICORES_MAX)
		return false;
	if (*rest == '.' && rest[1] != '\0' && strlen(rest) <= 4)
		for (rest++; *rest >= '0' && *rest <= '9'; rest++, scale /= 10)
			part += (uint64_t)(*rest - '0') * scale;
	*ret = value * 1000 + part;
	return *rest == '\0';
}

static bool read_word(const struct form *form, const char *word, uint64_t *ret)
{
	size_t n = strlen(word), m = strlen(form->suffix);
	char amount[WORD_BYTES];

	if (n <= m || n - m >= sizeof(amount) || strcmp(word + n - m, form->suffix) != 0)
		return false;
	memcpy(amount, word, n - m);
	amount[n - m] = '\0';
	if (!(form->units == NULL ? read_cores(amount, ret)
				  : read_units(amount, form->units, form->max, ret)))
		return false;
	return *ret >= form->min && *ret <= form->max;
}

/* The next word of *text, which moves behind it; false at the end, or when it is too long for one. */
static bool next_word(const char **text, char word[WORD_BYTES])
{
	const char *start = *text + strspn(*text, " \t");
	size_t n = strcspn(start, " \t");

	*text = start + n;
	if (n == 0)
		return false;
	(void)snprintf(word, WORD_BYTES, "%.*s", (int)(n < WORD_BYTES ? n : WORD_BYTES - 1), start);
	return true;
}

static int find_form(const char *name, const char *word, uint64_t *ret)
{
	for (int k = 0; k < LIMITS_KIND_COUNT; k++)
		if (strcmp(forms[k].key, name) == 0 && read_word(&forms[k], word, ret))
			return k;
	return -1;
}

static int refuse(const char *name, const char *text, struct err *err)
{
	const char *valid = "";
	char shown[100];

	for (size_t i = 0; i < ARRAY_LEN(valid_texts); i++)
		if (strcmp(valid_texts[i].key, name) == 0)
			valid = valid_texts[i].valid;
	return err_set(err, 0, "'%s' is no limit; write none, or %s",
		log_quote(text, strlen(text), shown, sizeof(shown)), valid);
}

int limits_parse(const char *name, const char *text, struct limits *ret, struct err *err)
{
	struct limits limits = *ret;
	const char *rest = text;
	char word[WORD_BYTES];
	bool seen[LIMITS_KIND_COUNT] = { false };
	size_t n = 0;

	if (strcmp(text, "none") == 0)
		return 0;
	for (; next_word(&rest, word); n++) {
		uint64_t amount = 0;
		int kind = find_form(name, word, &amount);

		if (kind < 0 || seen[kind])
			return refuse(name, text, err);
		seen[kind] = true;
		limits.amounts[kind] = amount;
	}
	if (n == 0)
		return refuse(name, text, err);
	*ret = limits;
	return 0;
}

struct limits limits_of(const struct policy *policy)
{
	struct limits limits = { 0 };

	/* A key with two forms is read twice: the same comes out. Each was checked when it was read. */
	for (size_t k = 0; k < LIMITS_KIND_COUNT; k++) {
		const char *value = policy_value(policy, forms[k].policy_key)->value;
		struct err ignored;

		if (value[0] != '\0')
			(void)limits_parse(forms[k].key, value, &limits, &ignored);
	}
	return limits;
}

const struct policy_item *limits_item(const struct policy *policy, enum limits_kind kind)
{
	return policy_value(policy, forms[kind].policy_key);
}

const char *limits_words(enum limits_kind kind)
{
	return forms[kind].words;
}

void limits_amount(const struct policy *policy, enum limits_kind kind, char ret[32])
{
	const char *rest = limits_item(policy, kind)->value;
	char word[WORD_BYTES];
	uint64_t amount;

	ret[0] = '\0';
	while (next_word(&rest, word))
		if (read_word(&forms[kind], word, &amount))
			(void)snprintf(ret, WORD_BYTES, "%.*s",
				(int)(strlen(word) - strlen(forms[kind].suffix)), word);
}
