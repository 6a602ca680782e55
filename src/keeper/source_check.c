/*
 * The check of all sources at a session's start. Runs in the warden before anything else does, and
 * in one child that reads the values and says what shape they have, no byte of them.
 */
#include "keeper/source.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "policy/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* What the child says of one value: smaller than PIPE_BUF. */
struct finding {
	uint32_t rule, slot;
	int32_t code;
	struct shape shape;
	char text[ERR_TEXT_BYTES];
};

static int read_env(const char *name, struct source_value *value, struct err *err)
{
	AUTO_CLOSE int fd = -1;
	ssize_t n;

	if (source_env_copy(name, &fd, err) < 0)
		return -err->code;
	for (value->n = 0; value->n < sizeof(value->bytes); value->n += (size_t)n) {
		n = read(fd, value->bytes + value->n, sizeof(value->bytes) - value->n);
		if (n < 0)
			return err_set(err, errno, "read");
		if (n == 0)
			break;
	}
	return 0;
}

/* Which values are there already? */
static bool is_readable(const struct rules_rule *rule, enum keepmsg_slot slot,
	enum sources_kind *ret_kind, const char **ret_arg)
{
	const struct policy_item *item = sources_item(rule, slot);

	return item != NULL && sources_parse(item->value, ret_kind, ret_arg) &&
	       (*ret_kind == SOURCES_ENV || *ret_kind == SOURCES_FILE);
}

static void inspect(const struct run_plan *plan, const struct rules_rule *rule, unsigned slot,
	struct source_value *value, int to)
{
	struct finding found = { .rule = (uint32_t)rules_index(rule), .slot = slot };
	struct err err = { 0 };
	enum sources_kind kind;
	const char *arg;
	bool trimmed;

	if (!is_readable(rule, (enum keepmsg_slot)slot, &kind, &arg))
		return;
	if ((kind == SOURCES_ENV ? read_env(arg, value, &err)
				 : source_file_read(plan, arg, value, &err)) == 0 &&
		source_value_check(
			value, sources_is_pem((enum keepmsg_slot)slot), &trimmed, &err) == 0)
		found.shape = shape_of_value(value->bytes, value->n);
	explicit_bzero(value, sizeof(*value));
	found.code = err.code;
	(void)snprintf(found.text, sizeof(found.text), "%s", err.text);
	(void)!write(to, &found, sizeof(found));
}

static _Noreturn void be_inspector(const struct run_plan *plan, pid_t parent, int to)
{
	static struct source_value value;
	size_t n;
	const struct rules_rule *const *rules = rules_all(plan->policy, &n);

	source_become(parent);
	(void)mlock(&value, sizeof(value));
	for (size_t i = 0; i < n; i++)
		for (unsigned slot = 0; slot < KEEPMSG_SLOT_COUNT; slot++)
			inspect(plan, rules[i], slot, &value, to);
	_exit(0);
}

/* The findings: 0 when all of `want` have come and are good. */
static int read_findings(const struct run_plan *plan, int from, size_t want,
	struct source_shapes *shapes, struct err *err)
{
	size_t n;
	const struct rules_rule *const *rules = rules_all(plan->policy, &n);
	struct finding found;

	for (; want > 0; want--) {
		if (read(from, &found, sizeof(found)) != (ssize_t)sizeof(found) ||
			found.rule >= n || found.slot >= KEEPMSG_SLOT_COUNT)
			return err_set(
				err, 0, "the process that checks the secrets of rules has failed");
		found.text[sizeof(found.text) - 1] = '\0';
		if (found.code != 0) {
			(void)err_set(err, 0, "%s", found.text);
			return sources_err(err, rules[found.rule], (enum keepmsg_slot)found.slot);
		}
		shapes[found.rule].slots[found.slot] = found.shape;
	}
	return 0;
}

static int inspect_all(
	const struct run_plan *plan, size_t n_values, struct source_shapes *shapes, struct err *err)
{
	AUTO_CLOSE int from = -1, to = -1;
	pid_t parent = getpid(), pid;
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set(err, errno, "pipe");
	from = fds[0];
	to = fds[1];
	pid = fork();
	if (pid < 0)
		return err_set(err, errno, "fork");
	if (pid == 0)
		be_inspector(plan, parent, to);
	cleanup_close(&to);
	r = read_findings(plan, from, n_values, shapes, err);
	cleanup_close(&from);
	(void)waitpid(pid, NULL, 0);
	return r;
}

/* One that is not installed is said when the rule is used; anything else stops the start. */
static int check_command(const struct run_plan *plan, const struct rules_rule *rule,
	enum keepmsg_slot slot, struct err *err)
{
	const struct policy_item *item = sources_item(rule, slot);
	struct source_command command = { 0 };
	enum sources_kind kind;
	const char *arg;
	int r;

	if (item == NULL)
		return 0;
	if (!sources_parse(item->value, &kind, &arg))
		return err_set(err, 0, "that is no source");
	if (kind != SOURCES_COMMAND && kind != SOURCES_KEYRING)
		return 0;
	r = source_command_parse(plan, kind, arg, &command, err);
	source_command_done(&command);
	return r == -ENOENT ? 0 : r;
}

/* Who can write it can be the host. */
static int check_authorities(
	const struct run_plan *plan, const struct rules_rule *rule, struct err *err)
{
	const struct policy_item *item = rules_value(rule, RULES_CA);
	AUTO_BUF struct buf path = { 0 };
	char shown[120];

	if (item == NULL)
		return 0;
	if (!source_place_expand(plan, item->value, &path))
		return err_set(err, ENOMEM, "ca");
	if (source_place_check(plan, path.data, err) == 0)
		return 0;
	(void)err_prefix(err, "[inject %s] ca = %s", rules_name(rule),
		log_quote(item->value, strlen(item->value), shown, sizeof(shown)));
	return lines_at(err, item->origin.file, item->origin.line);
}

int source_check(const struct run_plan *plan, struct source_shapes *shapes, struct err *err)
{
	size_t n, n_values = 0;
	const struct rules_rule *const *rules = rules_all(plan->policy, &n);
	enum sources_kind kind;
	const char *arg;

	for (size_t i = 0; i < n; i++) {
		if (check_authorities(plan, rules[i], err) < 0)
			return -err->code;
		for (unsigned slot = 0; slot < KEEPMSG_SLOT_COUNT; slot++) {
			if (check_command(plan, rules[i], (enum keepmsg_slot)slot, err) < 0)
				return sources_err(err, rules[i], (enum keepmsg_slot)slot);
			n_values += is_readable(rules[i], (enum keepmsg_slot)slot, &kind, &arg);
		}
	}
	return n_values > 0 ? inspect_all(plan, n_values, shapes, err) : 0;
}
