/*
 * Runs in the warden. Hostile: variables that the agent or a runtime in it took from the project.
 */
#include "warden/environ.h"

#include "base/cleanup.h"
#include "base/sha256.h"
#include "policy/tools.h"
#include "wire/door.h"
#include "wire/netplan.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Rationale: "1", "true" or a path are no secrets, and hiding every variable with one breaks all. */
#define WITHHELD_BYTES_MIN 8

static const char *const loader_names[] = { "LD_*", "NODE_OPTIONS", "NODE_PATH", "BUN_*", "DENO_*",
	"PYTHON*", "PERL5*", "PERL_*", "RUBY*", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_*", "BASH_ENV",
	"ENV", "SHELLOPTS", "BASHOPTS", "BASH_FUNC_*", "PROMPT_COMMAND", "ZDOTDIR", "GCONV_PATH",
	"GETCONF_DIR", "GLIBC_TUNABLES", "LOCPATH", "MALLOC_*", "NLSPATH", "OPENSSL_*", "DOTNET_*",
	"ELECTRON_*", "IFS" };

static size_t name_len(const char *assignment)
{
	return strcspn(assignment, "=");
}

/* Rationale: no variable that a profile names is longer; a longer one matches nothing. */
#define NAME_BYTES 256

static bool copy_name(const char *assignment, char name[NAME_BYTES])
{
	size_t n = name_len(assignment);

	if (n >= NAME_BYTES)
		return false;
	memcpy(name, assignment, n);
	name[n] = '\0';
	return true;
}

static bool list_matches(const struct policy *policy, enum policy_key key, const char *assignment)
{
	size_t n;
	const struct policy_item *items = policy_list(policy, key, &n);
	char name[NAME_BYTES];

	if (!copy_name(assignment, name))
		return key == PK_ENV_HIDE;
	for (size_t i = 0; i < n; i++) {
		const char *pattern = items[i].value;

		if ((pattern[0] == name[0] || pattern[0] == '*' || pattern[0] == '?') &&
			str_glob(pattern, name))
			return true;
	}
	return false;
}

bool environ_is_loader(const char *assignment)
{
	char name[NAME_BYTES];

	if (!copy_name(assignment, name))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(loader_names); i++)
		if (loader_names[i][0] == name[0] && str_glob(loader_names[i], name))
			return true;
	return false;
}

static uint64_t hash_value(const struct environ *e, const char *assignment)
{
	unsigned char digest[SHA256_BYTES];
	struct sha256 s;
	uint64_t h;

	sha256_init(&s);
	sha256_add(&s, &e->key, sizeof(e->key));
	sha256_add(&s, assignment + name_len(assignment), strlen(assignment + name_len(assignment)));
	sha256_final(&s, digest);
	memcpy(&h, digest, sizeof(h));
	return h;
}

static int compare_hashes(const void *pa, const void *pb)
{
	const uint64_t *a = pa, *b = pb;

	return *a < *b ? -1 : *a > *b;
}

static int compare_names(const void *pa, const void *pb)
{
	const char *const *a = pa, *const *b = pb;

	return strcmp(*a, *b);
}

/* --env NAME or NAME=VALUE: given to the cell by the user's own word. */
static bool is_asked_for(const struct environ *e, const char *assignment)
{
	size_t n = name_len(assignment);

	for (const char *const *v = e->plan->env; v != NULL && *v != NULL; v++)
		if (name_len(*v) == n && strncmp(*v, assignment, n) == 0)
			return true;
	return false;
}

/* --mode shared: the agent is in the cell itself, and its variables with it. */
static bool is_of_agent_inside(const struct environ *e, const char *assignment)
{
	return e->plan->mode == RUN_SHARED &&
		list_matches(e->plan->policy, PK_AGENT_KEEP_ENV, assignment);
}

/* May a variable of the user's environment go into the cell? */
static bool is_kept(const struct environ *e, const char *assignment)
{
	if (is_asked_for(e, assignment) || is_of_agent_inside(e, assignment))
		return true;
	return list_matches(e->plan->policy, PK_ENV_KEEP, assignment) &&
		!list_matches(e->plan->policy, PK_ENV_HIDE, assignment);
}

int environ_init(struct environ *e, const struct run_plan *plan, char *const *env, struct err *err)
{
	size_t n = 0;

	while (env[n] != NULL)
		n++;
	*e = (struct environ){ .plan = plan };
	e->withheld = calloc(n + 1, sizeof(e->withheld[0]));
	e->names = calloc(n + 1, sizeof(e->names[0]));
	if (e->withheld == NULL || e->names == NULL ||
		getrandom(&e->key, sizeof(e->key), 0) != (ssize_t)sizeof(e->key)) {
		environ_done(e);
		return err_set(err, ENOMEM, "environment");
	}
	for (size_t i = 0; i < n; i++) {
		char *name = strndup(env[i], name_len(env[i]));

		if (name == NULL) {
			environ_done(e);
			return err_set(err, ENOMEM, "environment");
		}
		e->names[e->n_names++] = name;
		if (!is_kept(e, env[i]) && strlen(env[i]) > name_len(env[i]) + WITHHELD_BYTES_MIN)
			e->withheld[e->n_withheld++] = hash_value(e, env[i]);
	}
	qsort(e->names, e->n_names, sizeof(e->names[0]), compare_names);
	qsort(e->withheld, e->n_withheld, sizeof(e->withheld[0]), compare_hashes);
	return 0;
}

void environ_done(struct environ *e)
{
	for (size_t i = 0; e->names != NULL && i < e->n_names; i++)
		free(e->names[i]);
	free(e->names);
	free(e->withheld);
	*e = (struct environ){ 0 };
}

/*
 * An agent's settings have more names than any list: what does not look like somebody else's secret
 * is its own. Where no profile knows the agent, nobody knows where its key is: it keeps all.
 */
static bool goes_to_agent(const struct environ *e, const char *assignment)
{
	const struct policy *policy = e->plan->policy;

	return !policy_has_agent_profile(policy) || is_asked_for(e, assignment) ||
		list_matches(policy, PK_AGENT_KEEP_ENV, assignment) ||
		!list_matches(policy, PK_ENV_HIDE, assignment);
}

char **environ_for_agent(const struct environ *e, char *const *env)
{
	/* cell/view_agent.c makes this one executable; for commands it is another name of /tmp. */
	static char own_tmp[] = "TMPDIR=/var/tmp";
	bool has_tmp = strcmp(policy_value(e->plan->policy, PK_AGENT_TMP)->value, "private") == 0;
	size_t n = 0, out = 0;
	char **list;

	while (env[n] != NULL)
		n++;
	list = calloc(n + 2, sizeof(list[0]));
	for (size_t i = 0; list != NULL && i < n; i++)
		if (goes_to_agent(e, env[i]) && !(has_tmp && str_starts(env[i], "TMPDIR=")))
			list[out++] = env[i];
	if (list != NULL && has_tmp)
		list[out++] = own_tmp;
	return list;
}

static bool was_the_users(const struct environ *e, const char *assignment)
{
	AUTO_FREE char *name = strndup(assignment, name_len(assignment));

	return name == NULL ||
		bsearch(&name, e->names, e->n_names, sizeof(e->names[0]), compare_names) != NULL;
}

static bool is_withheld_value(const struct environ *e, const char *assignment)
{
	uint64_t h;

	if (e->n_withheld == 0 || strlen(assignment) <= name_len(assignment) + WITHHELD_BYTES_MIN)
		return false;
	h = hash_value(e, assignment);
	return bsearch(&h, e->withheld, e->n_withheld, sizeof(h), compare_hashes) != NULL;
}

/* What the agent added by itself goes along, unless it looks like a secret or is one. */
static bool goes_to_cell(const struct environ *e, const char *assignment)
{
	if (strchr(assignment, '=') == NULL)
		return false;
	/* A tool's run has them from its caller, which is a cell, or from a fixed list. */
	if (e->plan->tool != NULL)
		return true;
	if (is_asked_for(e, assignment) || is_of_agent_inside(e, assignment))
		return true;
	if (list_matches(e->plan->policy, PK_ENV_HIDE, assignment) ||
		is_withheld_value(e, assignment))
		return false;
	return list_matches(e->plan->policy, PK_ENV_KEEP, assignment) || !was_the_users(e, assignment);
}

/* Is the variable set by [env] set or --env NAME=VALUE? */
static bool is_set_later(const struct environ *e, const char *assignment)
{
	size_t n, len = name_len(assignment);
	const struct policy_item *items = policy_list(e->plan->policy, PK_ENV_SET, &n);

	for (size_t i = 0; i < n; i++)
		if (name_len(items[i].value) == len && strncmp(items[i].value, assignment, len) == 0)
			return true;
	for (const char *const *v = e->plan->env; v != NULL && *v != NULL; v++)
		if (strchr(*v, '=') != NULL && name_len(*v) == len &&
			strncmp(*v, assignment, len) == 0)
			return true;
	return false;
}

/* A fake takes the place of whatever the variable has elsewhere. */
static bool is_overridden(const struct environ *e, const char *assignment)
{
	return is_set_later(e, assignment) ||
		(e->fakes != NULL && fakes_has(e->fakes, assignment, name_len(assignment)));
}

static size_t add_fakes(const struct environ *e, struct buf *out)
{
	const char *fake = e->fakes != NULL ? e->fakes->list.data : NULL;
	size_t count = 0;

	for (size_t i = 0; fake != NULL && i < e->fakes->n; i++, fake += strlen(fake) + 1)
		if (!is_set_later(e, fake)) {
			buf_add(out, fake, strlen(fake) + 1);
			count++;
		}
	return count;
}

/* Variables of certificate authorities that nobody else has a word on. */
static size_t add_trust(const struct environ *e, const bool *is_said, struct buf *out)
{
	size_t count = 0;

	for (size_t i = 0; e->trust != NULL && i < ENVIRON_TRUST_COUNT; i++) {
		AUTO_BUF struct buf text = { 0 };

		if (is_said[i] || !environ_trust_add(e->trust, i, &text) || text.failed ||
			is_overridden(e, text.data) || is_asked_for(e, text.data))
			continue;
		buf_add(out, text.data, text.len);
		count++;
	}
	return count;
}

/* For programs that insist on a proxy: the one that every cell has. */
static size_t add_proxy(const struct environ *e, struct buf *out)
{
	static const char *const variables[] = { "HTTPS_PROXY=http://127.0.0.1:3128",
		"https_proxy=http://127.0.0.1:3128", "HTTP_PROXY=http://127.0.0.1:3128",
		"http_proxy=http://127.0.0.1:3128", "ALL_PROXY=http://127.0.0.1:3128",
		"all_proxy=http://127.0.0.1:3128", "NO_PROXY=localhost,127.0.0.1,::1",
		"no_proxy=localhost,127.0.0.1,::1" };

	_Static_assert(NETPLAN_PROXY_PORT == 3128, "the port in the texts");
	if (strcmp(policy_value(e->plan->policy, PK_EGRESS_PROXY_ENV)->value, "yes") != 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(variables); i++)
		buf_add(out, variables[i], strlen(variables[i]) + 1);
	return ARRAY_LEN(variables);
}

/* Tools are reached by name: their links come first. */
static void add_variable(const struct environ *e, const char *assignment, struct buf *out)
{
	size_t n_tools;

	(void)tools_all(e->plan->policy, &n_tools);
	if (n_tools > 0 && str_starts(assignment, "PATH=") &&
		!str_starts(assignment, "PATH=" DOOR_TOOLS ":")) {
		buf_adds(out, "PATH=" DOOR_TOOLS ":");
		assignment += strlen("PATH=");
	}
	buf_add(out, assignment, strlen(assignment) + 1);
}

size_t environ_for_cell(const struct environ *e, const char *env, size_t n, struct buf *out)
{
	size_t count = 0, n_set;
	const struct policy_item *set = policy_list(e->plan->policy, PK_ENV_SET, &n_set);
	bool is_said[ENVIRON_TRUST_COUNT + 1] = { false };

	for (size_t i = 0; i < n; i++, env += strlen(env) + 1) {
		size_t k = e->trust != NULL ? environ_trust_find(env) : ENVIRON_TRUST_COUNT;

		if (!goes_to_cell(e, env) || is_overridden(e, env) ||
			(k < ENVIRON_TRUST_COUNT && !is_asked_for(e, env) &&
				environ_trust_replaces(e->trust, k, env)))
			continue;
		is_said[k] = true;
		add_variable(e, env, out);
		count++;
	}
	count += add_proxy(e, out) + add_trust(e, is_said, out) + add_fakes(e, out);
	for (size_t i = 0; i < n_set; i++, count++)
		add_variable(e, set[i].value, out);
	for (const char *const *v = e->plan->env; v != NULL && *v != NULL; v++)
		if (strchr(*v, '=') != NULL) {
			add_variable(e, *v, out);
			count++;
		}
	return count;
}
