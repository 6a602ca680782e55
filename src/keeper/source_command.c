/*
 * command: and keyring: sources, their words and their program. Runs in the warden before a session
 * starts (to say what is wrong with the line) and in a source process. Hostile: nothing but what
 * commands of the session could have put in the way; source_place.c looks.
 */
#include "keeper/source.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "policy/entries.h"
#include "policy/profilefile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Rationale: a line of a profile has at most 199 bytes. */
#define ARGS_MAX 100u

static int add_arg(struct source_command *c, const char *text, struct err *err)
{
	if (c->argv == NULL)
		c->argv = calloc(ARGS_MAX + 1, sizeof(c->argv[0]));
	if (c->argv == NULL)
		return err_set(err, ENOMEM, "command");
	if (c->n_args == ARGS_MAX)
		return err_set(err, 0, "more than %u words", ARGS_MAX);
	c->argv[c->n_args] = strdup(text);
	if (c->argv[c->n_args] == NULL)
		return err_set(err, ENOMEM, "command");
	c->n_args++;
	return 0;
}

/* Words as in every list of a profile: blanks between them, double quotes around one with blanks.
 */
static int split(
	const struct run_plan *plan, const char *line, struct source_command *c, struct err *err)
{
	AUTO_ENTRIES struct entries e = { .rest = line };
	int r;

	while ((r = entries_next(&e, err)) > 0) {
		AUTO_BUF struct buf word = { 0 };

		if (e.is_removal)
			buf_adds(&word, "!");
		if (!source_place_expand(plan, e.text.data, &word))
			return err_set(err, ENOMEM, "command");
		if (add_arg(c, word.data, err) < 0)
			return -err->code;
	}
	if (r == 0 && c->n_args == 0)
		return err_set(err, 0, "no command");
	return r;
}

/* SERVICE/ACCOUNT: the account is what follows the last slash. */
static int split_keyring(const char *text, struct source_command *c, struct err *err)
{
	static const char *const words[] = { "secret-tool", "lookup", "service", NULL, "account",
		NULL };
	const char *slash = strrchr(text, '/');
	AUTO_FREE char *service = NULL;

	if (slash == NULL || slash == text || slash[1] == '\0')
		return err_set(err, 0, "write keyring:SERVICE/ACCOUNT");
	service = strndup(text, (size_t)(slash - text));
	if (service == NULL)
		return err_set(err, ENOMEM, "keyring");
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		const char *word = words[i] != NULL ? words[i] : i == 3 ? service : slash + 1;

		if (add_arg(c, word, err) < 0)
			return -err->code;
	}
	return 0;
}

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* Along the safe PATH, which stands first in the environment. */
static char *find(const struct source_command *c)
{
	const char *name = c->argv[0], *dir = c->envp[0] + strlen("PATH=");

	if (name[0] == '/')
		return is_program(name) ? strdup(name) : NULL;
	for (size_t n; *dir != '\0'; dir += n + (dir[n] == ':')) {
		AUTO_BUF struct buf path = { 0 };

		n = strcspn(dir, ":");
		buf_add(&path, dir, n);
		buf_addf(&path, "/%s", name);
		if (!path.failed && is_program(path.data))
			return take_ptr(&path.data);
	}
	return NULL;
}

static int check_owner(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_set(err, errno, "stat");
	if (!profilefile_is_owner(st.st_uid) || (st.st_mode & S_IWOTH) != 0)
		return err_set(err, EPERM, "others than you can write the program");
	return 0;
}

/* The interpreter of a script, when the first line names one; empty: there is none. */
static void read_interpreter(const char *path, char *out, size_t out_bytes)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n = fd < 0 ? -1 : read(fd, out, out_bytes - 1);
	size_t from = 2;

	if (n < 2 || out[0] != '#' || out[1] != '!')
		n = 0;
	out[n] = '\0';
	if (n == 0)
		return;
	from += strspn(out + from, " \t");
	memmove(out, out + from, strlen(out + from) + 1);
	out[strcspn(out, " \t\r\n")] = '\0';
}

/* The program, its interpreter, and every word that is a path: a script among them, for example. */
static int check_places(
	const struct run_plan *plan, const struct source_command *c, struct err *err)
{
	char interpreter[256];

	if (source_place_check(plan, c->path, err) < 0 || check_owner(c->path, err) < 0)
		return -err->code;
	read_interpreter(c->path, interpreter, sizeof(interpreter));
	if (interpreter[0] != '\0' && source_place_check(plan, interpreter, err) < 0)
		return -err->code;
	for (size_t i = 1; i < c->n_args; i++)
		if (c->argv[i][0] == '/' && source_place_check(plan, c->argv[i], err) < 0 &&
			err->code == EPERM)
			return -err->code;
	return 0;
}

int source_command_parse(const struct run_plan *plan, enum sources_kind kind, const char *arg,
	struct source_command *ret, struct err *err)
{
	char shown[100];

	ret->timeout_ms = SOURCE_TIMEOUT_MS;
	if ((kind == SOURCES_KEYRING ? split_keyring(arg, ret, err) : split(plan, arg, ret, err)) <
		0)
		return -err->code;
	if (ret->argv == NULL || ret->argv[0] == NULL)
		return err_set(err, 0, "no command");
	if (ret->argv[0][0] != '/' && strchr(ret->argv[0], '/') != NULL)
		return err_set(err, 0, "write the program's name, its absolute path or ~/...");
	ret->envp = source_place_environ(plan);
	if (ret->envp == NULL)
		return err_set(err, ENOMEM, "environment");
	ret->path = find(ret);
	if (ret->path == NULL) {
		(void)log_quote(ret->argv[0], strlen(ret->argv[0]), shown, sizeof(shown));
		(void)err_set(err, 0,
			"there is no program %s in the system's directories or in those of PATH "
			"that "
			"nothing in the session can write",
			shown);
		err->code = ENOENT;
		return -ENOENT;
	}
	return check_places(plan, ret, err);
}

int source_find_command(const struct run_plan *plan, const char *line, struct tool_command *ret,
	struct err *err)
{
	struct source_command command = { 0 };
	int r = source_command_parse(plan, SOURCES_COMMAND, line, &command, err);

	if (r == 0) {
		ret->file = take_ptr(&command.path);
		ret->argv = take_ptr(&command.argv);
	}
	source_command_done(&command);
	return r;
}

void source_command_done(struct source_command *command)
{
	policy_free_strings(command->argv);
	policy_free_strings(command->envp);
	free(command->path);
	*command = (struct source_command){ 0 };
}
