/*
 * A policy as text in a memfd, from the warden to the roles that it starts. Only the warden can
 * have written it; it is checked all the same, because a role that reads nonsense has to stop.
 *
 *	agentjail-policy 1
 *	project 5:/home,
 *	item files.read 12 11:default.ini,4:/usr,
 *	rule 6:github, 3 8:user.ini,
 *	says host 4 8:user.ini,14:api.github.com,
 *	end
 */
#include "policy/policy.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "policy/keys.h"
#include "policy/store.h"
#include "policy/values.h"

#include <string.h>

/* Rationale: STORE_ITEMS_MAX entries of common length; the installed profiles make 60 KiB. */
#define DUMP_MAX (8 * 1024 * 1024)

#define DUMP_HEAD "agentjail-policy 1\n"
#define DUMP_END "end\n"

static void add_text(struct buf *out, const char *text)
{
	buf_addf(out, "%zu:", strlen(text));
	buf_adds(out, text);
	buf_adds(out, ",");
}

static void add_field(struct buf *out, const char *name, const char *text)
{
	buf_addf(out, "%s ", name);
	add_text(out, text);
	buf_adds(out, "\n");
}

static void add_item(struct buf *out, enum policy_key key, const struct policy_item *item)
{
	buf_addf(out, "item %s %u ", policy_key_name(key), item->origin.line);
	add_text(out, item->origin.file);
	add_text(out, item->value);
	buf_adds(out, "\n");
}

static void add_says(struct buf *out, enum rules_key key, const struct policy_item *item)
{
	buf_addf(out, "says %s %u ", rules_key_name(key), item->origin.line);
	add_text(out, item->origin.file);
	add_text(out, item->value);
	buf_adds(out, "\n");
}

static void add_rule(struct buf *out, const struct rules_rule *rule)
{
	buf_adds(out, "rule ");
	add_text(out, rule->name);
	buf_addf(out, " %u ", rule->origin.line);
	add_text(out, rule->origin.file);
	buf_adds(out, "\n");
	for (size_t k = 0; k < RULES_KEY_COUNT; k++) {
		if (rule->values[k].value != NULL)
			add_says(out, (enum rules_key)k, &rule->values[k]);
		for (size_t i = 0; i < rule->lists[k].n; i++)
			add_says(out, (enum rules_key)k, &rule->lists[k].items[i]);
	}
}

int policy_dump(const struct policy *policy, int fd, struct err *err)
{
	AUTO_BUF struct buf out = { 0 };
	int r;

	buf_adds(&out, DUMP_HEAD);
	add_field(&out, "project", policy->project);
	add_field(&out, "home", policy->home);
	add_field(&out, "agent", policy->has_agent_profile ? "yes" : "no");
	for (size_t i = 0; i < policy->n_warnings; i++)
		add_field(&out, "warning", policy->warnings[i]);
	for (size_t k = 0; k < PK_COUNT; k++) {
		if (!policy_key_is_list((enum policy_key)k))
			add_item(&out, (enum policy_key)k, &policy->values[k]);
		for (size_t i = 0; i < policy->lists[k].n; i++)
			add_item(&out, (enum policy_key)k, &policy->lists[k].items[i]);
	}
	for (size_t i = 0; i < policy->n_rules; i++)
		add_rule(&out, policy->rules[i]);
	buf_adds(&out, DUMP_END);
	if (out.failed || out.len > DUMP_MAX)
		return err_set(err, ENOMEM, "write the policy");
	r = write_all(fd, out.data, out.len);
	return r < 0 ? err_set(err, -r, "write the policy") : 0;
}

struct reader {
	const char *rest, *end;
	struct policy *policy;
	const char *file; /* the last origin, to keep it once */
	struct rules_rule *rule; /* the one that is being read */
};

static bool take(struct reader *r, const char *text)
{
	size_t n = strlen(text);

	if ((size_t)(r->end - r->rest) < n || memcmp(r->rest, text, n) != 0)
		return false;
	r->rest += n;
	return true;
}

/* Decimal digits up to a final byte, which is taken too. */
static bool take_number(struct reader *r, char final, unsigned long *ret)
{
	char digits[12];
	size_t n = 0;

	while (r->rest + n < r->end && r->rest[n] != final)
		if (++n == sizeof(digits))
			return false;
	memcpy(digits, r->rest, n);
	digits[n] = '\0';
	if (r->rest + n >= r->end || !str_to_ulong(digits, DUMP_MAX, ret))
		return false;
	r->rest += n + 1;
	return true;
}

/* "LENGTH:BYTES,". The caller frees it. */
static char *take_text(struct reader *r)
{
	unsigned long n;
	char *text;

	if (!take_number(r, ':', &n) || (size_t)(r->end - r->rest) <= n || r->rest[n] != ',' ||
		memchr(r->rest, '\0', n) != NULL)
		return NULL;
	text = strndup(r->rest, n);
	r->rest += n + 1;
	return text;
}

/* Bytes up to a blank, which is taken too. */
static bool take_word(struct reader *r, char out[64])
{
	size_t n = 0;

	while (r->rest + n < r->end && r->rest[n] != ' ')
		if (++n == 64)
			return false;
	memcpy(out, r->rest, n);
	out[n] = '\0';
	r->rest += n;
	return take(r, " ");
}

static bool is_valid(const struct reader *r, const struct keys_info *info, const char *value)
{
	struct keys_places places = { .home = r->policy->home,
		.project = r->policy->project,
		.is_installed = true };
	AUTO_BUF struct buf out = { 0 };
	struct err ignored;

	if (info->kind == KEYS_SINGLE && info->built_in != NULL &&
		strcmp(value, info->built_in) == 0)
		return true;
	return (info->words != NULL ? values_word : info->check)(info, &places, value, &out,
		       &ignored) == 0;
}

/* "LINE LENGTH:FILE,". The file's name is kept. */
static bool take_origin(struct reader *r, struct policy_origin *ret)
{
	AUTO_FREE char *file = NULL;
	unsigned long line = 0;

	if (!take_number(r, ' ', &line))
		return false;
	file = take_text(r);
	if (file == NULL)
		return false;
	if (r->file == NULL || strcmp(r->file, file) != 0)
		r->file = store_keep(r->policy, file);
	*ret = (struct policy_origin){ .file = r->file, .line = (unsigned)line };
	return r->file != NULL;
}

static bool read_item(struct reader *r, struct err *err)
{
	AUTO_FREE char *value = NULL;
	struct policy_origin origin;
	enum policy_key key;
	char name[64];

	if (!take_word(r, name))
		return false;
	key = policy_key_find(name);
	if (key == PK_COUNT || !take_origin(r, &origin))
		return false;
	value = take_text(r);
	if (value == NULL || !take(r, "\n") || !is_valid(r, keys_get(key), value))
		return false;
	if (policy_key_is_list(key))
		return store_append(r->policy, key, value, origin, err) == 0;
	return store_set(r->policy, key, value, origin, err) == 0;
}

/* Rules come in their order: it is not found anew. */
static bool read_rule(struct reader *r, struct err *err)
{
	AUTO_FREE char *name = take_text(r);
	AUTO_BUF struct buf checked = { 0 };
	struct store_place place = { .rank = r->policy->n_rules };

	if (name == NULL || values_name(NULL, NULL, name, &checked, err) < 0 ||
		store_rule_find(r->policy, name) != NULL || !take(r, " ") ||
		!take_origin(r, &place.origin) || !take(r, "\n"))
		return false;
	r->rule = store_rule(r->policy, name, &place, err);
	return r->rule != NULL;
}

static bool read_says(struct reader *r, struct err *err)
{
	AUTO_FREE char *value = NULL;
	struct policy_item item = { 0 };
	size_t key = 0;
	char name[64];

	if (r->rule == NULL || !take_word(r, name))
		return false;
	while (key < RULES_KEY_COUNT && strcmp(rules_key_name((enum rules_key)key), name) != 0)
		key++;
	if (key == RULES_KEY_COUNT || !take_origin(r, &item.origin))
		return false;
	value = take_text(r);
	if (value == NULL || !take(r, "\n") ||
		!is_valid(r, keys_of_rule((enum rules_key)key), value))
		return false;
	item.value = value;
	if (rules_key_is_list((enum rules_key)key))
		return store_append_at(r->policy, &r->rule->lists[key], item, err) == 0;
	return store_set_at(r->policy, &r->rule->values[key], item, err) == 0;
}

static bool read_lines(struct reader *r, struct err *err)
{
	static const struct line {
		const char *word;
		bool (*read)(struct reader *r, struct err *err);
	} lines[] = { { "item ", read_item }, { "rule ", read_rule }, { "says ", read_says } };

	for (;;) {
		size_t i = 0;

		while (i < ARRAY_LEN(lines) && !take(r, lines[i].word))
			i++;
		if (i == ARRAY_LEN(lines))
			return true;
		if (!lines[i].read(r, err))
			return false;
	}
}

static bool read_head(struct reader *r, struct err *err)
{
	AUTO_FREE char *project = NULL;
	AUTO_FREE char *home = NULL;

	if (!take(r, DUMP_HEAD "project "))
		return false;
	project = take_text(r);
	if (project == NULL || !take(r, "\nhome "))
		return false;
	home = take_text(r);
	if (home == NULL || !take(r, "\n"))
		return false;
	r->policy = store_new(project, home);
	if (r->policy == NULL)
		return false;
	if (take(r, "agent 3:yes,\n"))
		r->policy->has_agent_profile = true;
	else if (!take(r, "agent 2:no,\n"))
		return false;
	while (take(r, "warning ")) {
		AUTO_FREE char *text = take_text(r);

		if (text == NULL || !take(r, "\n") || store_warn(r->policy, text, err) < 0)
			return false;
	}
	return true;
}

int policy_undump(int fd, struct policy **ret, struct err *err)
{
	AUTO_BUF struct buf text = { 0 };
	struct reader r = { 0 };
	bool ok;
	int result;

	/* The writer left its offset at the end; a pipe has none. */
	if (lseek(fd, 0, SEEK_SET) < 0 && errno != ESPIPE)
		return err_set(err, errno, "read the policy");
	result = buf_read_fd(&text, fd, DUMP_MAX);
	if (result < 0)
		return err_set(err, -result, "read the policy");
	r.rest = text.data;
	r.end = text.data + text.len;
	ok = read_head(&r, err);
	ok = ok && read_lines(&r, err);
	if (!ok || !take(&r, DUMP_END) || r.rest != r.end) {
		policy_free(r.policy);
		return err_set(err, EPROTO, "read the policy that the warden wrote");
	}
	*ret = r.policy;
	return 0;
}
