/* What the variables of git's configuration do to whoever runs git, as a table. Pure. */
#include "policy/gitconfig.h"

#include "base/cleanup.h"

#include <string.h>

#define RUNS_DIFF "git runs this program when it shows differences"
#define RUNS_FILTER "git runs this program on the project's files, also at git status"
#define RUNS_MERGE "git runs this program when it merges"
#define RUNS_SIGN "git runs this program to sign and to verify"
#define RUNS_TOOL "git runs this program when the tool is called"
#define RUNS_MAIL "git send-email runs it, or sends through it"
#define NEW_PLACE "fetch and push reach another place, and push sends your commits there"
#define NEW_IDENTITY "your commits carry another name or signature"
#define NEW_DEFAULT "changes what fetch, pull, push, merge and rebase do when no option says so"
#define NEW_HTTP "changes how git proves the server, what it sends to it, or the way there"

/* The first line that matches decides. A name and a section may have '*'. */
static const struct risk {
	const char *section, *name, *text;
} risks[] = {
	{ "core", "fsmonitor", "git runs this program at every git status, also from prompts and editors" },
	{ "core", "hookspath", "git runs the programs in this directory at commit, checkout, merge and push" },
	{ "core", "sshcommand", "git runs this program at fetch and push" },
	{ "core", "gitproxy", "git runs this program at fetch" },
	{ "core", "alternaterefscommand", "git runs this program at fetch and push" },
	{ "core", "askpass", "git runs this program to ask for passwords" },
	{ "core", "*editor", "git runs this program where you write a message" },
	{ "sequence", "editor", "git runs this program where you edit a rebase" },
	{ "core", "pager", "git runs this program to show its output" },
	{ "pager", "*", "git runs this program to show a command's output" },
	{ "core", "worktree", "git writes another directory's files as if they were the project" },
	{ "core", "attributesfile", "git reads another file of attributes, which choose filters and drivers" },
	{ "core", "excludesfile", "git reads another list of what it ignores" },
	{ "include*", "*", "git reads another file as configuration, which can do all that this one can" },
	{ "alias", "*", "a word behind git means another command, which may be any program" },
	{ "filter", "*", RUNS_FILTER },
	{ "diff", "external", RUNS_DIFF },
	{ "diff", "command", RUNS_DIFF },
	{ "diff", "textconv", RUNS_DIFF },
	{ "interactive", "difffilter", RUNS_DIFF },
	{ "merge", "driver", RUNS_MERGE },
	{ "mergetool", "*", RUNS_TOOL },
	{ "difftool", "*", RUNS_TOOL },
	{ "guitool", "*", RUNS_TOOL },
	{ "browser", "*", RUNS_TOOL },
	{ "man", "*", RUNS_TOOL },
	{ "web", "*", RUNS_TOOL },
	{ "instaweb", "*", RUNS_TOOL },
	{ "credential*", "*", "git asks this program for your passwords, or gives them to it" },
	{ "gpg", "*", RUNS_SIGN },
	{ "url", "*", "addresses are rewritten: " NEW_PLACE },
	{ "remote", "uploadpack", "git runs this program at fetch, here where the remote is a path" },
	{ "remote", "receivepack", "git runs this program at push, here where the remote is a path" },
	{ "remote", "vcs", "git runs the program git-remote-NAME at fetch and push" },
	{ "remote", "*", NEW_PLACE },
	{ "branch", "remote", NEW_PLACE },
	{ "branch", "pushremote", NEW_PLACE },
	{ "branch", "*", "changes what pull, merge and rebase do on this branch" },
	{ "submodule", "update", "git runs this where it begins with !, at git submodule update" },
	{ "submodule", "*", "git submodule fetches from another place or otherwise than before" },
	{ "protocol", "*", "git may use transports that run programs" },
	{ "uploadpack", "*", "changes what git does when somebody fetches from here, and may name a program" },
	{ "receive", "*", "changes what git does when somebody pushes to here, and may name a program" },
	{ "trailer", "*", "git runs this program when it adds lines to messages" },
	{ "sendemail", "*", RUNS_MAIL },
	{ "imap", "*", RUNS_MAIL },
	{ "http", "*", NEW_HTTP },
	{ "https", "*", NEW_HTTP },
	{ "ssh", "*", "changes how git runs ssh" },
	{ "lfs", "*", "Git LFS sends and fetches files elsewhere, or by another program" },
	{ "annex", "*", "git-annex sends and fetches files elsewhere, or runs another program" },
	{ "commit", "template", "git shows another file as the message to be edited" },
	{ "user", "*", NEW_IDENTITY },
	{ "author", "*", NEW_IDENTITY },
	{ "committer", "*", NEW_IDENTITY },
	{ "commit", "gpgsign", NEW_IDENTITY },
	{ "tag", "gpgsign", NEW_IDENTITY },
	{ "extensions", "*", "changes the repository's format; worktreeConfig makes git read one more file" },
	{ "safe", "*", "changes which repositories git trusts" },
	{ "push", "*", NEW_DEFAULT },
	{ "pull", "*", NEW_DEFAULT },
	{ "fetch", "*", NEW_DEFAULT },
	{ "merge", "*", NEW_DEFAULT },
	{ "rebase", "*", NEW_DEFAULT },
	{ "maintenance", "*", "changes what git does in the background" },
	{ "gc", "*", "changes what git throws away, and when" },
	{ "core", "*", "changes how git treats this repository's files" },
};

const char *gitconfig_risk(const struct gitconfig_variable *v)
{
	if (strcmp(v->section, "remote") == 0 && v->value != NULL && strstr(v->value, "::") != NULL)
		return "git runs a program to reach such an address, at fetch and push";
	for (size_t i = 0; i < ARRAY_LEN(risks); i++)
		if (str_glob(risks[i].section, v->section) && str_glob(risks[i].name, v->name))
			return risks[i].text;
	return "not known to be harmless";
}

static const struct named {
	const char *section, *name;
	enum gitconfig_named what;
} named[] = {
	{ "include", "path", GITCONFIG_NAMES_INCLUDE },
	{ "includeif", "path", GITCONFIG_NAMES_INCLUDE },
	{ "core", "hookspath", GITCONFIG_NAMES_PATH },
	{ "core", "attributesfile", GITCONFIG_NAMES_PATH },
	{ "core", "fsmonitor", GITCONFIG_NAMES_COMMAND },
	{ "core", "sshcommand", GITCONFIG_NAMES_COMMAND },
	{ "core", "askpass", GITCONFIG_NAMES_COMMAND },
	{ "core", "editor", GITCONFIG_NAMES_COMMAND },
	{ "core", "pager", GITCONFIG_NAMES_COMMAND },
	{ "sequence", "editor", GITCONFIG_NAMES_COMMAND },
	{ "pager", "*", GITCONFIG_NAMES_COMMAND },
	{ "filter", "clean", GITCONFIG_NAMES_COMMAND },
	{ "filter", "smudge", GITCONFIG_NAMES_COMMAND },
	{ "filter", "process", GITCONFIG_NAMES_COMMAND },
	{ "diff", "external", GITCONFIG_NAMES_COMMAND },
	{ "diff", "command", GITCONFIG_NAMES_COMMAND },
	{ "diff", "textconv", GITCONFIG_NAMES_COMMAND },
	{ "interactive", "difffilter", GITCONFIG_NAMES_COMMAND },
	{ "merge", "driver", GITCONFIG_NAMES_COMMAND },
	{ "credential", "helper", GITCONFIG_NAMES_COMMAND },
	{ "gpg", "program", GITCONFIG_NAMES_COMMAND },
};

enum gitconfig_named gitconfig_names(const struct gitconfig_variable *v)
{
	for (size_t i = 0; i < ARRAY_LEN(named); i++)
		if (strcmp(named[i].section, v->section) == 0 && str_glob(named[i].name, v->name))
			return named[i].what;
	return GITCONFIG_NAMES_NOTHING;
}
