/* Proves: paths of the command line become the right list entries; near names are found. */
#include "base/cleanup.h"
#include "cli/entry.h"
#include "cli/options.h"
#include "tap.h"

#include <unistd.h>

static void entry_is(const char *path, const char *want)
{
	AUTO_FREE char *got = NULL;
	struct err err = { 0 };

	if (entry_from_path(path, &got, &err) < 0)
		got = NULL;
	tap_is(got, want, want != NULL ? want : "refused");
}

static void test_entries(void)
{
	tap_ok(chdir("/usr/lib") == 0, "a known working directory");
	entry_is("/a/b", "\"/a/b\"");
	entry_is("a", "\"/usr/lib/a\"");
	entry_is(".", "\"/usr/lib\"");
	entry_is("..", "\"/usr\"");
	entry_is("../../../../x", "\"/x\"");
	entry_is("./a/../../b//c/.", "\"/usr/b/c\"");
	entry_is("/..", "\"/\"");
	entry_is("~", "\"~\"");
	entry_is("~/a/../b", "\"~/b\"");
	entry_is("~/../x", "\"~/x\""); /* ~ is no component that ".." takes away */
	entry_is("~user/x", "\"/usr/lib/~user/x\"");
	entry_is("!~/a", "!\"~/a\"");
	entry_is("!b", "!\"/usr/lib/b\"");
	entry_is("with blank/*.c", "\"/usr/lib/with blank/*.c\"");
	entry_is("a\"b", NULL);
	entry_is("a\nb", NULL);
}

static void parse_is(int argc, const char *const *argv, enum verb verb, size_t operands,
	const char *what)
{
	struct options o;
	struct err err = { 0 };
	int r = options_parse(argc, (char **)(uintptr_t)argv, &o, &err);

	tap_ok(r == 0 && o.verb == verb && o.n_operands == operands, "%s", what);
	options_done(&o);
}

int main(void)
{
	static const char *const plain[] = { "agentjail", "-q", "claude", "-q", "--", "run", NULL };
	static const char *const run[] = { "agentjail", "-v", "run", "-q", "--", "run", "-x", NULL };
	static const char *const dashes[] = { "agentjail", "--", "run", "x", NULL };
	static const char *const show[] = { "agentjail", "show", "claude", "--json", NULL };
	static const char *const none[] = { "agentjail", NULL };
	static const char *const dash[] = { "agentjail", "-", NULL };

	test_entries();
	parse_is(6, plain, VERB_AGENT, 4, "the agent's words are left alone");
	parse_is(7, run, VERB_RUN, 2, "options before and after the verb");
	parse_is(4, dashes, VERB_AGENT, 2, "an agent named like a verb");
	parse_is(4, show, VERB_SHOW, 1, "options after operands");
	parse_is(1, none, VERB_AGENT, 0, "nothing");
	parse_is(0, none + 1, VERB_AGENT, 0, "not even a name");
	parse_is(2, dash, VERB_AGENT, 1, "a lone dash is a word");
	tap_is(options_near_verb("docter"), "doctor", "near verb");
	tap_is(options_near_verb("swordfish"), NULL, "no near verb");
	return tap_done();
}
