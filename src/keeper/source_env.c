/*
 * env: sources. Runs in the `agentjail` process before anything else exists; for the moment before
 * it executes itself again it has the values that its user's shell gave it. They go into pipes:
 * what lies in one is never swapped out, and tee(2) copies it without anybody reading it. Nothing
 * here is hostile: the environment is the user's.
 */
#include "keeper/source.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "policy/lines.h"
#include "policy/tools.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>

extern char **environ;

/* "NAME=FD NAME=FD...": where a process finds the pipes that its earlier self has filled. */
#define VARIABLE "AGENTJAIL_SECRETS"

/* Rationale: several for each rule there can be. */
#define HELD_MAX 256u

/* Rationale: "1", "true" or a path are no secrets, and every variable with one would go. */
#define COPY_BYTES_MIN 8u

static struct held {
	char *name;
	int pipe; /* reading end, full */
} held[HELD_MAX];
static size_t n_held;

bool source_env_is_name(const char *name)
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

	return n > 0 && name[n] == '\0' && (name[0] < '0' || name[0] > '9');
}

size_t source_env_fds(int *ret, size_t max)
{
	size_t n = 0;

	for (; n < n_held && n < max; n++)
		ret[n] = held[n].pipe;
	return n;
}

int source_env_find(const char *name)
{
	for (size_t i = 0; i < n_held; i++)
		if (strcmp(held[i].name, name) == 0)
			return held[i].pipe;
	return -1;
}

static int hold(const char *name, size_t n, int fd, struct err *err)
{
	if (n_held == HELD_MAX)
		return err_set(err, 0, "more than %u env: sources; take some out", HELD_MAX);
	held[n_held].name = strndup(name, n);
	if (held[n_held].name == NULL)
		return err_set(err, ENOMEM, "hold a secret");
	held[n_held++].pipe = fd;
	return 0;
}

/* ---- the second time: what the first has left ---- */

static bool is_full_pipe(int fd)
{
	struct stat st;
	int n = 0, flags = fcntl(fd, F_GETFL);

	return fd > 2 && flags >= 0 && (flags & O_ACCMODE) == O_RDONLY && fstat(fd, &st) == 0 &&
	       S_ISFIFO(st.st_mode) && ioctl(fd, FIONREAD, &n) == 0 && n > 0 &&
	       (unsigned)n <= KEEPMSG_SECRET_MAX && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

static int take_over(const char *text, struct err *err)
{
	while (*text != '\0') {
		size_t n = strcspn(text, "=");
		char *end = NULL;
		unsigned long fd = 0;

		if (n > 0 && text[n] == '=' && text[n + 1] >= '0' && text[n + 1] <= '9')
			fd = strtoul(text + n + 1, &end, 10);
		if (end == NULL || fd > 1u << 20 || !is_full_pipe((int)fd) ||
			(*end != ' ' && *end != '\0'))
			return err_set(err, 0,
				"the environment has " VARIABLE
				", which is agentjail's own; unset it");
		if (hold(text, n, (int)fd, err) < 0)
			return -err->code;
		text = end + (*end == ' ');
	}
	return 0;
}

int source_env_begin(struct err *err)
{
	const char *text = getenv(VARIABLE);

	if (text == NULL)
		return 0;
	if (take_over(text, err) < 0)
		return -err->code;
	(void)unsetenv(VARIABLE);
	/* The kernel has named us after /proc/self/exe. */
	(void)prctl(PR_SET_NAME, "agentjail");
	return 1;
}

int source_env_copy(const char *name, int *ret, struct err *err)
{
	AUTO_CLOSE int to = -1, from = -1;
	int fds[2], n = 0, fd = source_env_find(name);

	if (fd < 0)
		return err_set(err, 0, "the variable was not set when the session started");
	if (ioctl(fd, FIONREAD, &n) < 0 || pipe2(fds, O_CLOEXEC) < 0)
		return err_set(err, errno, "pipe");
	from = fds[0];
	to = fds[1];
	if (n <= 0 || tee(fd, to, (size_t)n, SPLICE_F_NONBLOCK) != n)
		return err_set(err, 0, "the pipe with the value cannot be copied");
	*ret = take_fd(&from);
	return 0;
}

/* ---- the first time: out of the environment ---- */

static int check_use(const char *value, bool is_pem, struct err *err)
{
	static struct source_value copy;
	bool trimmed;
	int r;

	copy.n = strlen(value);
	if (copy.n > KEEPMSG_SECRET_MAX)
		copy.n = KEEPMSG_SECRET_MAX + 1;
	memcpy(copy.bytes, value, copy.n);
	r = source_value_check(&copy, is_pem, &trimmed, err);
	/* What a variable has at its end was meant. */
	if (r == 0 && trimmed)
		r = err_set(err, 0, "the value ends with a line end");
	explicit_bzero(&copy, sizeof(copy));
	return r;
}

static int put_into_pipe(const char *name, const char *value, struct err *err)
{
	AUTO_CLOSE int to = -1, from = -1;
	size_t n = strlen(value);
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_set(err, errno, "pipe");
	from = fds[0];
	to = fds[1];
	if (write(to, value, n) != (ssize_t)n)
		return err_set(err, 0,
			"a pipe of this user holds less than %zu bytes; see "
			"fs.pipe-user-pages-soft in proc(5)",
			n);
	if (hold(name, strlen(name), from, err) < 0)
		return -err->code;
	(void)take_fd(&from);
	return 0;
}

static int take(const char *text, bool is_pem, struct err *err)
{
	enum sources_kind kind;
	const char *name, *value;

	if (!sources_parse(text, &kind, &name) || kind != SOURCES_ENV)
		return 0;
	value = source_env_is_name(name) ? getenv(name) : NULL;
	if (source_env_find(name) >= 0 && value == NULL)
		return 0;
	if (!source_env_is_name(name))
		return err_set(err, 0, "that is no name of a variable");
	if (value == NULL)
		return err_set(err, 0, "the variable is not set; set it, or take the rule out");
	if (check_use(value, is_pem, err) < 0)
		return -err->code;
	return source_env_find(name) >= 0 ? 0 : put_into_pipe(name, value, err);
}

/* Does text have the value of a variable that was taken? */
static bool has_copy(const char *text)
{
	for (size_t i = 0; i < n_held; i++) {
		const char *value = getenv(held[i].name);

		if (value != NULL && strlen(value) >= COPY_BYTES_MIN && strstr(text, value) != NULL)
			return true;
	}
	return false;
}

static bool is_held_name(const char *assignment, size_t n)
{
	for (size_t i = 0; i < n_held; i++)
		if (strlen(held[i].name) == n && strncmp(held[i].name, assignment, n) == 0)
			return true;
	return false;
}

/* The environment without the values, in an array of its own; out: our own variable. */
static char **scrubbed(char *own)
{
	size_t n = 0, out = 0;
	char **list;

	while (environ[n] != NULL)
		n++;
	list = calloc(n + 2, sizeof(list[0]));
	for (size_t i = 0; list != NULL && i < n; i++) {
		size_t len = strcspn(environ[i], "=");

		if (is_held_name(environ[i], len))
			continue;
		if (has_copy(environ[i])) {
			log_info(
				"the variable %.*s has the value of a secret too and is taken away",
				(int)len, environ[i]);
			continue;
		}
		list[out++] = environ[i];
	}
	if (list != NULL)
		list[out] = own;
	return list;
}

/* The same words go to the new program: what is in them cannot be hidden. */
static void warn_of_arguments(char **argv)
{
	for (size_t i = 1; argv[i] != NULL; i++)
		if (has_copy(argv[i]))
			log_warn(
				"an argument of this command line has the value of a secret in it: "
				"every process can read it; leave it out");
}

static void warn_of_agent(const struct run_plan *plan)
{
	size_t n;
	const struct policy_item *items = policy_list(plan->policy, PK_AGENT_KEEP_ENV, &n);

	for (size_t i = 0; i < n_held; i++)
		for (size_t j = 0; j < n; j++)
			if (str_glob(items[j].value, held[i].name)) {
				log_warn("[agent] keep-env = %s: %s is the secret of a rule of "
					 "[inject] now; "
					 "the agent does not get it",
					items[j].value, held[i].name);
				break;
			}
}

static int execute_again(char **argv, struct err *err)
{
	AUTO_BUF struct buf own = { 0 };
	AUTO_FREE char **env = NULL;

	buf_adds(&own, VARIABLE "=");
	for (size_t i = 0; i < n_held; i++) {
		if (fcntl(held[i].pipe, F_SETFD, 0) < 0)
			return err_set(err, errno, "fcntl");
		buf_addf(&own, "%s%s=%d", i > 0 ? " " : "", held[i].name, held[i].pipe);
	}
	env = own.failed ? NULL : scrubbed(own.data);
	if (env == NULL)
		return err_set(err, ENOMEM, "environment");
	warn_of_arguments(argv);
	(void)execve("/proc/self/exe", argv, env);
	return err_set(err, errno, "execute agentjail again without the secrets");
}

static int take_rules(const struct rules_rule *const *rules, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++)
		for (unsigned k = 0; k < KEEPMSG_SLOT_COUNT; k++) {
			enum keepmsg_slot slot = (enum keepmsg_slot)k;
			const struct policy_item *item = sources_item(rules[i], slot);

			if (item != NULL && take(item->value, sources_is_pem(slot), err) < 0)
				return sources_err(err, rules[i], slot);
		}
	return 0;
}

static int take_tool(const struct tools_tool *tool, struct err *err)
{
	size_t n;
	const struct policy_item *items = tools_list(tool, TOOLS_SECRET_ENV, &n);

	for (size_t i = 0; i < n; i++) {
		const char *source;

		(void)tools_secret(items[i].value, &source);
		if (take(source, false, err) == 0)
			continue;
		(void)err_prefix(err, "[tool %s] secret-env", tools_name(tool));
		return lines_at(err, items[i].origin.file, items[i].origin.line);
	}
	return 0;
}

static int take_all(const struct policy *policy, struct err *err)
{
	size_t n, n_tools;
	const struct rules_rule *const *rules = rules_all(policy, &n);
	const struct tools_tool *const *tools = tools_all(policy, &n_tools);
	int r = take_rules(rules, n, err);

	rules = tools_rules(policy, &n);
	if (r == 0)
		r = take_rules(rules, n, err);
	for (size_t i = 0; i < n_tools && r == 0; i++)
		r = take_tool(tools[i], err);
	return r;
}

int source_env_take(const struct run_plan *plan, char **argv, struct err *err)
{
	size_t before = n_held;

	if (take_all(plan->policy, err) < 0)
		return -err->code;
	if (n_held == before)
		return 0;
	warn_of_agent(plan);
	return execute_again(argv, err);
}
