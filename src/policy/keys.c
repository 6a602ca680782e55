/*
 * Runs wherever a profile is read, with the user's own rights. Section and key names may come from
 * a hostile project: they are only compared here, and quoted before they are shown.
 */
#include "policy/keys.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "policy/nearest.h"
#include "policy/values.h"

#include <string.h>

static const struct keys_word words_no_yes[] = { { "no", false }, { "yes", false }, { 0 } };
static const struct keys_word words_tmp[] = { { "shared", false }, { "private", false }, { 0 } };
static const struct keys_word words_isolation[] = { { "session", false }, { "command", false },
	{ 0 } };
static const struct keys_word words_home[] = { { "closed", false }, { "open", false }, { 0 } };
static const struct keys_word words_tty[] = { { "relay", false }, { "filter", true }, { 0 } };
static const struct keys_word words_level[] = { { "decisions", false }, { "denials", true },
	{ "all", true }, { 0 } };
static const struct keys_word words_no_overlay[] = { { "refuse", false }, { "read", false }, { 0 } };
static const struct keys_word words_else[] = { { "refuse", false }, { "pass", false }, { 0 } };
static const struct keys_word words_sign[] = { { "none", false }, { "aws", false }, { 0 } };

/* Paths that the agent or the cell may write, and the rest. */
#define WRITES KEYS_WRITABLE
#define TIGHT (KEYS_TIGHTENS | KEYS_PROJECT)
#define LATER KEYS_UNSUPPORTED

static const struct keys_info main_table[] = {
	[PK_PROFILE_NAME] = { "profile", "name", KEYS_SINGLE, values_name, KEYS_NO_OVERRIDE, NULL,
		"" },
	[PK_PROFILE_INHERIT] = { "profile", "inherit", KEYS_LIST, values_profile, KEYS_NO_OVERRIDE,
		NULL, NULL },
	[PK_PROFILE_DESCRIPTION] = { "profile", "description", KEYS_SINGLE, values_text,
		KEYS_NO_OVERRIDE, NULL, "" },
	[PK_AGENT_KEEP] = { "agent", "keep", KEYS_LIST, values_path, WRITES, NULL, NULL },
	[PK_AGENT_KEEP_ENV] = { "agent", "keep-env", KEYS_LIST, values_env_glob, 0, NULL, NULL },
	[PK_AGENT_HIDE] = { "agent", "hide", KEYS_LIST, values_path, TIGHT | KEYS_NAME_RULES, NULL,
		NULL },
	[PK_AGENT_PRIVATE] = { "agent", "private", KEYS_LIST, values_path, KEYS_TIGHTENS, NULL,
		NULL },
	[PK_AGENT_SHARE] = { "agent", "share", KEYS_LIST, values_path, WRITES, NULL, NULL },
	[PK_AGENT_RECEIVE] = { "agent", "receive", KEYS_LIST, values_path, WRITES, NULL, NULL },
	[PK_AGENT_TRUSTED] = { "agent", "trusted", KEYS_LINE, values_trusted, 0, NULL, NULL },
	[PK_AGENT_EGRESS] = { "agent", "egress", KEYS_LIST, values_host, KEYS_NEEDS_PORT, NULL,
		NULL },
	[PK_AGENT_TMP] = { "agent", "tmp", KEYS_SINGLE, NULL, 0, words_tmp, "shared" },
	[PK_SANDBOX_ISOLATION] = { "sandbox", "isolation", KEYS_SINGLE, NULL, 0, words_isolation,
		"session" },
	[PK_SANDBOX_HOME] = { "sandbox", "home", KEYS_SINGLE, NULL, 0, words_home, "closed" },
	[PK_SANDBOX_USERNS] = { "sandbox", "userns", KEYS_SINGLE, NULL, 0, words_no_yes, "no" },
	[PK_SANDBOX_TTY] = { "sandbox", "tty", KEYS_SINGLE, NULL, 0, words_tty, "relay" },
	[PK_FILES_WRITE] = { "files", "write", KEYS_LIST, values_path, WRITES | KEYS_NAME_RULES,
		NULL, NULL },
	[PK_FILES_READ] = { "files", "read", KEYS_LIST, values_path, KEYS_SHOWS | KEYS_NAME_RULES,
		NULL, NULL },
	[PK_FILES_HIDE] = { "files", "hide", KEYS_LIST, values_path, TIGHT | KEYS_NAME_RULES, NULL,
		NULL },
	[PK_FILES_PROTECT] = { "files", "protect", KEYS_LIST, values_path, TIGHT | KEYS_NAME_RULES,
		NULL, NULL },
	[PK_FILES_HOLD] = { "files", "hold", KEYS_LIST, values_path, TIGHT | KEYS_NAME_RULES, NULL,
		NULL },
	[PK_FILES_OVERLAY] = { "files", "overlay", KEYS_LIST, values_path, WRITES, NULL, NULL },
	[PK_FILES_CACHE] = { "files", "cache", KEYS_LIST, values_path, WRITES, NULL, NULL },
	[PK_FILES_REDACT] = { "files", "redact", KEYS_LIST, values_redact, 0, NULL, NULL },
	[PK_FILES_NO_OVERLAY] = { "files", "no-overlay", KEYS_SINGLE, NULL, 0, words_no_overlay,
		"refuse" },
	[PK_FILES_HONEY] = { "files", "honey", KEYS_SINGLE, NULL, 0, words_no_yes, "no" },
	[PK_ENV_KEEP] = { "env", "keep", KEYS_LIST, values_env_glob, 0, NULL, NULL },
	[PK_ENV_HIDE] = { "env", "hide", KEYS_LIST, values_env_glob, TIGHT, NULL, NULL },
	[PK_ENV_SET] = { "env", "set", KEYS_LINE, values_env_set, 0, NULL, NULL },
	[PK_EGRESS_ALLOW] = { "egress", "allow", KEYS_LIST, values_host, KEYS_NEEDS_PORT, NULL,
		NULL },
	[PK_EGRESS_DENY] = { "egress", "deny", KEYS_LIST, values_host, TIGHT, NULL, NULL },
	[PK_EGRESS_ASK] = { "egress", "ask", KEYS_LIST, values_host, LATER, NULL, NULL },
	[PK_EGRESS_PRIVATE] = { "egress", "private", KEYS_LIST, values_host, KEYS_NO_STAR, NULL,
		NULL },
	[PK_EGRESS_PUBLISH] = { "egress", "publish", KEYS_LIST, values_port, LATER, NULL, NULL },
	[PK_EGRESS_PARENT_PROXY] = { "egress", "parent-proxy", KEYS_SINGLE, values_parent_proxy, 0,
		NULL, "" },
	[PK_EGRESS_NO_PROXY] = { "egress", "no-proxy", KEYS_LIST, values_host, 0, NULL, NULL },
	[PK_EGRESS_PROXY_ENV] = { "egress", "proxy-env", KEYS_SINGLE, NULL, 0, words_no_yes, "no" },
	[PK_LIMITS_MEMORY] = { "limits", "memory", KEYS_SINGLE, values_amount, 0, NULL, "" },
	[PK_LIMITS_PIDS] = { "limits", "pids", KEYS_SINGLE, values_amount, 0, NULL, "" },
	[PK_LIMITS_CPU] = { "limits", "cpu", KEYS_SINGLE, values_amount, 0, NULL, "" },
	[PK_LIMITS_FILES] = { "limits", "files", KEYS_SINGLE, values_amount, 0, NULL, "" },
	[PK_LIMITS_TIME] = { "limits", "time", KEYS_SINGLE, values_amount, 0, NULL, "" },
	[PK_AUDIT_PATH] = { "audit", "path", KEYS_SINGLE, values_audit_path, 0, NULL, "" },
	[PK_AUDIT_LEVEL] = { "audit", "level", KEYS_SINGLE, NULL, 0, words_level, "decisions" },
	[PK_LOCKED_KEY] = { "locked", "key", KEYS_LIST, values_key_name,
		KEYS_TIGHTENS | KEYS_SYSTEM_ONLY, NULL, NULL },
};
_Static_assert(ARRAY_LEN(main_table) == PK_COUNT, "one row a key");

/* In the order of enum rules_key. */
static const struct keys_info inject_table[] = {
	[RULES_HOST] = { "inject", "host", KEYS_SINGLE, values_rule_host, 0, NULL, NULL },
	[RULES_PORT] = { "inject", "port", KEYS_LIST, values_port, 0, NULL, NULL },
	[RULES_METHOD] = { "inject", "method", KEYS_LIST, values_method, 0, NULL, NULL },
	[RULES_PATH] = { "inject", "path", KEYS_LIST, values_url_path, 0, NULL, NULL },
	[RULES_HEADER] = { "inject", "header", KEYS_LINE, values_header, 0, NULL, NULL },
	[RULES_REMOVE] = { "inject", "remove", KEYS_LIST, values_header_name, KEYS_TIGHTENS, NULL,
		NULL },
	[RULES_QUERY] = { "inject", "query", KEYS_LINE, values_query, 0, NULL, NULL },
	[RULES_BASIC] = { "inject", "basic", KEYS_SINGLE, values_basic, 0, NULL, NULL },
	[RULES_SECRET] = { "inject", "secret", KEYS_SINGLE, values_secret, 0, NULL, NULL },
	[RULES_TTL] = { "inject", "ttl", KEYS_SINGLE, values_seconds, 0, NULL, NULL },
	[RULES_CA] = { "inject", "ca", KEYS_SINGLE, values_file, 0, NULL, NULL },
	[RULES_CLIENT_CERT] = { "inject", "client-cert", KEYS_SINGLE, values_secret, 0, NULL,
		NULL },
	[RULES_CLIENT_KEY] = { "inject", "client-key", KEYS_SINGLE, values_secret, 0, NULL, NULL },
	[RULES_SIGN] = { "inject", "sign", KEYS_SINGLE, NULL, 0, words_sign, "none" },
	[RULES_KEY_ID] = { "inject", "key-id", KEYS_SINGLE, values_secret, 0, NULL, NULL },
	[RULES_SESSION_TOKEN] = { "inject", "session-token", KEYS_SINGLE, values_secret, 0, NULL,
		NULL },
	[RULES_PLAIN] = { "inject", "plain", KEYS_SINGLE, NULL, 0, words_no_yes, "no" },
	[RULES_ENV] = { "inject", "env", KEYS_LIST, values_env_name, 0, NULL, NULL },
	[RULES_REDACT] = { "inject", "redact", KEYS_SINGLE, NULL, 0, words_no_yes, "yes" },
	[RULES_STRIP_RESPONSE] = { "inject", "strip-response", KEYS_LIST, values_token,
		KEYS_TIGHTENS, NULL, NULL },
	[RULES_LIMITS] = { "inject", "limits", KEYS_LIST, values_limit, KEYS_TIGHTENS, NULL, NULL },
	[RULES_ELSE] = { "inject", "else", KEYS_SINGLE, NULL, 0, words_else, "refuse" },
};
_Static_assert(ARRAY_LEN(inject_table) == RULES_KEY_COUNT, "one row a key");

/* In the order of enum tools_key. */
static const struct keys_info tool_table[] = {
	[TOOLS_MATCH] = { "tool", "match", KEYS_LINE, values_match, 0, NULL, NULL },
	[TOOLS_COMMAND] = { "tool", "command", KEYS_SINGLE, values_command, 0, NULL, NULL },
	[TOOLS_ARGS] = { "tool", "args", KEYS_SINGLE, values_args, 0, NULL, "none" },
	[TOOLS_EGRESS] = { "tool", "egress", KEYS_LIST, values_host, KEYS_NEEDS_PORT, NULL, NULL },
	[TOOLS_INJECT] = { "tool", "inject", KEYS_LIST, values_name, 0, NULL, NULL },
	[TOOLS_KEEP_ENV] = { "tool", "keep-env", KEYS_LIST, values_env_glob, 0, NULL, NULL },
	[TOOLS_SECRET_ENV] = { "tool", "secret-env", KEYS_LINE, values_secret_env, 0, NULL, NULL },
	[TOOLS_FILES] = { "tool", "files", KEYS_LIST, values_path, 0, NULL, NULL },
	[TOOLS_LIMITS] = { "tool", "limits", KEYS_LIST, values_tool_limit, KEYS_TIGHTENS, NULL,
		NULL },
	[TOOLS_ASK] = { "tool", "ask", KEYS_SINGLE, NULL, LATER, words_no_yes, NULL },
};
_Static_assert(ARRAY_LEN(tool_table) == TOOLS_KEY_COUNT, "one row a key");

static const struct keys_table {
	const struct keys_info *rows;
	size_t n;
	bool is_named; /* its sections carry a name of their own */
} tables[] = {
	{ main_table, ARRAY_LEN(main_table), false },
	{ inject_table, ARRAY_LEN(inject_table), true },
	{ tool_table, ARRAY_LEN(tool_table), true },
};

/* Rationale: the longest section word is shorter by far; inih itself cuts at 49. */
#define SECTION_MAX 50

/* Calls nothing twice: rows of one section stand together in their table. */
static bool starts_section(const struct keys_table *table, size_t row)
{
	return row == 0 || strcmp(table->rows[row].section, table->rows[row - 1].section) != 0;
}

static const struct keys_table *find_table(const char *section)
{
	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (size_t i = 0; i < tables[t].n; i++)
			if (starts_section(&tables[t], i) &&
				strcmp(tables[t].rows[i].section, section) == 0)
				return &tables[t];
	return NULL;
}

static int no_section(const char *section, struct err *err)
{
	struct nearest nearest = { .word = section };
	AUTO_BUF struct buf all = { 0 };
	char quoted[64];

	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (size_t i = 0; i < tables[t].n; i++) {
			if (!starts_section(&tables[t], i))
				continue;
			nearest_try(&nearest, tables[t].rows[i].section);
			buf_addf(&all, " %s", tables[t].rows[i].section);
		}
	(void)log_quote(section, strlen(section), quoted, sizeof(quoted));
	if (nearest_best(&nearest) != NULL)
		return err_set(err, 0, "unknown section [%s]; did you mean [%s]?", quoted,
			nearest_best(&nearest));
	return err_set(err, 0, "unknown section [%s]; there are:%s", quoted,
		all.data != NULL ? all.data : "");
}

/* Splits "inject github" into its word, which has a table, and whether a valid name follows. */
static int split_section(const char *text, char word[SECTION_MAX],
	const struct keys_table **ret_table, struct err *err)
{
	size_t n = strcspn(text, " \t");
	const char *name = text + n + strspn(text + n, " \t");
	const struct keys_table *table;
	AUTO_BUF struct buf ignored = { 0 };

	if (n >= SECTION_MAX)
		n = SECTION_MAX - 1;
	memcpy(word, text, n);
	word[n] = '\0';
	table = find_table(word);
	if (table == NULL)
		return no_section(word, err);
	if (!table->is_named && *name != '\0')
		return err_set(err, 0, "[%s] takes no name; write [%s]", word, word);
	if (table->is_named && *name == '\0')
		return err_set(err, 0, "[%s] needs a name; write [%s NAME]", word, word);
	if (table->is_named && values_name(NULL, NULL, name, &ignored, err) < 0)
		return err_prefix(err, "[%s NAME]", word);
	*ret_table = table;
	return 0;
}

int keys_check_section(const char *text, struct err *err)
{
	const struct keys_table *table;
	char word[SECTION_MAX];

	return split_section(text, word, &table, err);
}

static const char *other_section(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(main_table); i++)
		if (strcmp(main_table[i].name, name) == 0)
			return main_table[i].section;
	return NULL;
}

static int no_key(const struct keys_table *table, const char *section, const char *name,
	struct err *err)
{
	struct nearest nearest = { .word = name };
	AUTO_BUF struct buf all = { 0 };
	char quoted[64];

	for (size_t i = 0; i < table->n; i++) {
		if (strcmp(table->rows[i].section, section) != 0)
			continue;
		nearest_try(&nearest, table->rows[i].name);
		buf_addf(&all, " %s", table->rows[i].name);
	}
	(void)log_quote(name, strlen(name), quoted, sizeof(quoted));
	if (nearest_best(&nearest) != NULL)
		return err_set(err, 0, "unknown key '%s' in [%s]; did you mean '%s'?", quoted,
			section, nearest_best(&nearest));
	if (other_section(name) != NULL)
		return err_set(err, 0, "unknown key '%s' in [%s]; it belongs into [%s]", quoted,
			section, other_section(name));
	return err_set(err, 0, "unknown key '%s' in [%s]; there are:%s", quoted, section,
		all.data != NULL ? all.data : "");
}

int keys_find(const char *section, const char *name, const struct keys_info **ret,
	enum policy_key *ret_key, struct err *err)
{
	const struct keys_table *table;
	char word[SECTION_MAX];
	int r = split_section(section, word, &table, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < table->n; i++) {
		if (strcmp(table->rows[i].name, name) != 0 ||
			strcmp(table->rows[i].section, word) != 0)
			continue;
		*ret = &table->rows[i];
		*ret_key = table->rows == main_table ? (enum policy_key)i : PK_COUNT;
		return 0;
	}
	return no_key(table, word, name, err);
}

const struct keys_info *keys_get(enum policy_key key)
{
	return &main_table[key];
}

const struct keys_info *keys_of_rule(enum rules_key key)
{
	return &inject_table[key];
}

bool keys_is_of_rule(const struct keys_info *info, enum rules_key *ret)
{
	for (size_t k = 0; k < RULES_KEY_COUNT; k++)
		if (info == &inject_table[k]) {
			*ret = (enum rules_key)k;
			return true;
		}
	return false;
}

const struct keys_info *keys_of_tool(enum tools_key key)
{
	return &tool_table[key];
}

bool keys_is_of_tool(const struct keys_info *info, enum tools_key *ret)
{
	for (size_t k = 0; k < TOOLS_KEY_COUNT; k++)
		if (info == &tool_table[k]) {
			*ret = (enum tools_key)k;
			return true;
		}
	return false;
}

const char *tools_key_name(enum tools_key key)
{
	return tool_table[key].name;
}

bool tools_key_is_list(enum tools_key key)
{
	return tool_table[key].kind != KEYS_SINGLE;
}

const char *rules_key_name(enum rules_key key)
{
	return inject_table[key].name;
}

bool rules_key_is_list(enum rules_key key)
{
	return inject_table[key].kind != KEYS_SINGLE;
}

bool keys_is_unsupported(const struct keys_info *info, const char *value)
{
	if ((info->flags & KEYS_UNSUPPORTED) != 0)
		return true;
	for (const struct keys_word *w = info->words; w != NULL && w->word != NULL; w++)
		if (w->unsupported && strcmp(w->word, value) == 0)
			return true;
	return false;
}

const char *policy_key_name(enum policy_key key)
{
	static const char *const names[] = {
		[PK_PROFILE_NAME] = "profile.name",
		[PK_PROFILE_INHERIT] = "profile.inherit",
		[PK_PROFILE_DESCRIPTION] = "profile.description",
		[PK_AGENT_KEEP] = "agent.keep",
		[PK_AGENT_KEEP_ENV] = "agent.keep-env",
		[PK_AGENT_HIDE] = "agent.hide",
		[PK_AGENT_PRIVATE] = "agent.private",
		[PK_AGENT_SHARE] = "agent.share",
		[PK_AGENT_RECEIVE] = "agent.receive",
		[PK_AGENT_TRUSTED] = "agent.trusted",
		[PK_AGENT_EGRESS] = "agent.egress",
		[PK_AGENT_TMP] = "agent.tmp",
		[PK_SANDBOX_ISOLATION] = "sandbox.isolation",
		[PK_SANDBOX_HOME] = "sandbox.home",
		[PK_SANDBOX_USERNS] = "sandbox.userns",
		[PK_SANDBOX_TTY] = "sandbox.tty",
		[PK_FILES_WRITE] = "files.write",
		[PK_FILES_READ] = "files.read",
		[PK_FILES_HIDE] = "files.hide",
		[PK_FILES_PROTECT] = "files.protect",
		[PK_FILES_HOLD] = "files.hold",
		[PK_FILES_OVERLAY] = "files.overlay",
		[PK_FILES_CACHE] = "files.cache",
		[PK_FILES_REDACT] = "files.redact",
		[PK_FILES_NO_OVERLAY] = "files.no-overlay",
		[PK_FILES_HONEY] = "files.honey",
		[PK_ENV_KEEP] = "env.keep",
		[PK_ENV_HIDE] = "env.hide",
		[PK_ENV_SET] = "env.set",
		[PK_EGRESS_ALLOW] = "egress.allow",
		[PK_EGRESS_DENY] = "egress.deny",
		[PK_EGRESS_ASK] = "egress.ask",
		[PK_EGRESS_PRIVATE] = "egress.private",
		[PK_EGRESS_PUBLISH] = "egress.publish",
		[PK_EGRESS_PARENT_PROXY] = "egress.parent-proxy",
		[PK_EGRESS_NO_PROXY] = "egress.no-proxy",
		[PK_EGRESS_PROXY_ENV] = "egress.proxy-env",
		[PK_LIMITS_MEMORY] = "limits.memory",
		[PK_LIMITS_PIDS] = "limits.pids",
		[PK_LIMITS_CPU] = "limits.cpu",
		[PK_LIMITS_FILES] = "limits.files",
		[PK_LIMITS_TIME] = "limits.time",
		[PK_AUDIT_PATH] = "audit.path",
		[PK_AUDIT_LEVEL] = "audit.level",
		[PK_LOCKED_KEY] = "locked.key",
	};
	_Static_assert(ARRAY_LEN(names) == PK_COUNT, "one name a key");

	return (size_t)key < PK_COUNT ? names[key] : "";
}

bool policy_key_is_list(enum policy_key key)
{
	return main_table[key].kind != KEYS_SINGLE;
}

enum policy_key policy_key_find(const char *section_key)
{
	for (size_t i = 0; i < PK_COUNT; i++)
		if (strcmp(policy_key_name((enum policy_key)i), section_key) == 0)
			return (enum policy_key)i;
	return PK_COUNT;
}
