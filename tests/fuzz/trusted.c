/*
 * Lines of [agent] trusted: for a line that is well formed, the match is the one of a reader as
 * plain as can be. Input, a line each: the line, file, program, script, root, then the arguments.
 */
#include "input.h"
#include "base/cleanup.h"
#include "policy/pathmatch.h"
#include "policy/trusted.h"

#include <stdio.h>

#define WORDS_MAX 12

/* '*' any run of bytes, '?' one: by trying all. `fuel` bounds what that takes. */
static bool plain_glob(const char *pattern, const char *s, unsigned *fuel)
{
	if (*fuel == 0)
		return false;
	--*fuel;
	if (*pattern == '\0')
		return *s == '\0';
	if (*pattern == '*')
		return plain_glob(pattern + 1, s, fuel) ||
		       (*s != '\0' && plain_glob(pattern, s + 1, fuel));
	return *s != '\0' && (*pattern == '?' || *pattern == *s) &&
	       plain_glob(pattern + 1, s + 1, fuel);
}

static bool plain_word(const char *word, const char *value, const struct policy_exec *exec,
	bool is_file, unsigned *fuel)
{
	size_t root = exec->root != NULL ? strlen(exec->root) : 0;

	if (strcmp(word, "{agent}") == 0)
		return strcmp(value, exec->program) == 0 ||
		       (!is_file && exec->script != NULL && strcmp(value, exec->script) == 0);
	if (strcmp(word, "{interp}") == 0)
		return strcmp(value, exec->program) == 0;
	if (strncmp(word, "{root}/", 7) == 0)
		return root > 1 && strncmp(value, exec->root, root) == 0 && value[root] == '/' &&
		       pathmatch_exact(word + 6, value + root);
	return is_file ? pathmatch_exact(word, value) : plain_glob(word, value, fuel);
}

/* Only lines of words without quotes: those are split here as anybody would. */
static bool plain_matches(char *line, const struct policy_exec *exec, unsigned *fuel)
{
	char *words[128], *rest = line, *word;
	size_t n = 0, first = 1, args = 0;

	while ((word = strsep(&rest, " \t")) != NULL && n < 128)
		if (*word != '\0')
			words[n++] = word;
	while (exec->argv[args] != NULL)
		args++;
	if (args == 0 || !plain_word(words[0], exec->file, exec, true, fuel))
		return false;
	if (n > 1 && strncmp(words[1], "argv0=", 6) == 0) {
		if (!plain_glob(words[1] + 6, exec->argv[0], fuel))
			return false;
		first = 2;
	}
	for (size_t i = first; i < n; i++) {
		if (i == n - 1 && strcmp(words[i], "*") == 0)
			return true;
		if (1 + i - first >= args ||
			!plain_word(words[i], exec->argv[1 + i - first], exec, false, fuel))
			return false;
	}
	return n - first + 1 == args;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *line = input_text(&data, &size, '\n');
	AUTO_FREE char *file = input_text(&data, &size, '\n');
	AUTO_FREE char *program = input_text(&data, &size, '\n');
	AUTO_FREE char *script = input_text(&data, &size, '\n');
	AUTO_FREE char *root = input_text(&data, &size, '\n');
	AUTO_BUF struct buf expanded = { 0 };
	char *argv[WORDS_MAX + 1] = { NULL };
	struct policy_exec exec = { .file = file,
		.program = program,
		.root = root,
		.script = script[0] != '\0' ? script : NULL,
		.argv = (const char *const *)argv };
	unsigned fuel = 20000;
	struct err err = { 0 };
	bool matches, plain;

	for (size_t i = 0; i < WORDS_MAX && size > 0; i++)
		argv[i] = input_text(&data, &size, '\n');
	matches = trusted_matches(line, &exec);
	if (trusted_check(line, &err) == 0) {
		assert(trusted_file(line, &exec, &expanded));
		if (strpbrk(line, "\"\\!") == NULL) {
			plain = plain_matches(line, &exec, &fuel);
			assert(fuel == 0 || plain == matches);
		}
	}
	for (size_t i = 0; i < WORDS_MAX; i++)
		free(argv[i]);
	return 0;
}
