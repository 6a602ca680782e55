/* See heldrisk.h. The path is a cell's word; no more than a row of the table depends on it. */
#include "policy/heldrisk.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <string.h>

#define GIT_CONFIG "git reads it at every command, also from prompts and editors, and it can name programs to run"
#define GIT_ELSEWHERE "git reads configuration and hooks from the place that it names"
#define GIT_HOOK "git runs it as a hook: at commit, checkout, merge or push"
#define GIT_ATTRIBUTES "chooses the filters and drivers that git runs on files"
#define EDITOR_RUNS "an editor that opens the folder runs or starts what it names"
#define SHELL_RUNS "the shell loads it when somebody enters the directory"
#define BUILD_RUNS "it runs when somebody builds, tests or installs the project"
#define CI_RUNS "it runs on the project's servers, with their secrets, once it is pushed"
#define AGENT_READS "agents take it as instructions from you"
#define AGENT_RUNS "agents start the programs that it names, outside of any jail where they are not jailed"
#define NAMED_RUNS "it runs when somebody calls a program by this name"
#define PACKAGES "names registries and programs that a package manager uses"

/*
 * The first row that matches the path, or what of it stands behind a slash, decides. '*' is any run
 * of bytes.
 */
static const struct row {
	const char *pattern, *text;
} rows[] = {
	{ ".git/config", GIT_CONFIG },
	{ ".git/config.worktree", GIT_CONFIG },
	{ ".git/modules/*/config", GIT_CONFIG },
	{ ".git/worktrees/*/config.worktree", GIT_CONFIG },
	{ ".gitconfig", GIT_CONFIG },
	{ ".git/hooks/*", GIT_HOOK },
	{ ".git/modules/*/hooks/*", GIT_HOOK },
	{ ".git/info/attributes", GIT_ATTRIBUTES },
	{ ".git/*commondir", GIT_ELSEWHERE },
	{ ".git/*gitdir", GIT_ELSEWHERE },
	{ ".git", GIT_ELSEWHERE },
	{ ".git/*", "git reads it as part of the repository" },
	{ ".gitattributes", GIT_ATTRIBUTES },
	{ ".gitmodules", "names places that git submodule fetches from" },
	{ ".husky/*", GIT_HOOK },
	{ ".githooks/*", GIT_HOOK },
	{ ".hooks/*", GIT_HOOK },
	{ ".pre-commit-config.yaml", GIT_HOOK },
	{ "lefthook.y*ml", GIT_HOOK },
	{ ".vscode/tasks.json", "an editor runs these tasks, some as soon as the folder is opened" },
	{ ".vscode/settings.json", "an editor starts the interpreters, linters and terminals that it names" },
	{ ".vscode/launch.json", "an editor starts these programs under its debugger" },
	{ ".vscode/extensions.json", "an editor proposes these extensions, which are programs" },
	{ ".vscode/mcp.json", AGENT_RUNS },
	{ ".vscode/*", EDITOR_RUNS },
	{ ".idea/*", EDITOR_RUNS },
	{ ".zed/*", EDITOR_RUNS },
	{ ".fleet/*", EDITOR_RUNS },
	{ ".helix/*", EDITOR_RUNS },
	{ "*.code-workspace", EDITOR_RUNS },
	{ ".nvim.lua", EDITOR_RUNS },
	{ ".nvimrc", EDITOR_RUNS },
	{ ".exrc", EDITOR_RUNS },
	{ ".vimrc", EDITOR_RUNS },
	{ ".lvimrc", EDITOR_RUNS },
	{ ".dir-locals.el", EDITOR_RUNS },
	{ ".devcontainer/*", "an editor makes a container as it says, with commands and directories of this machine" },
	{ ".devcontainer.json", "an editor makes a container as it says, with commands and directories of this machine" },
	{ ".envrc", SHELL_RUNS },
	{ ".mise.toml", SHELL_RUNS },
	{ "mise.toml", SHELL_RUNS },
	{ ".mise/*", SHELL_RUNS },
	{ ".rtx.toml", SHELL_RUNS },
	{ ".tool-versions", SHELL_RUNS },
	{ ".autoenv.zsh", SHELL_RUNS },
	{ ".venv/bin/*", NAMED_RUNS },
	{ "venv/bin/*", NAMED_RUNS },
	{ "node_modules/.bin/*", NAMED_RUNS },
	{ "package.json", "its scripts run at npm install, npm test and the like" },
	{ "Makefile", BUILD_RUNS },
	{ "makefile", BUILD_RUNS },
	{ "GNUmakefile", BUILD_RUNS },
	{ "*.mk", BUILD_RUNS },
	{ "justfile", BUILD_RUNS },
	{ "Taskfile.y*ml", BUILD_RUNS },
	{ "Rakefile", BUILD_RUNS },
	{ "CMakeLists.txt", BUILD_RUNS },
	{ "build.rs", BUILD_RUNS },
	{ "setup.py", BUILD_RUNS },
	{ "pyproject.toml", BUILD_RUNS },
	{ "conftest.py", BUILD_RUNS },
	{ "build.gradle*", BUILD_RUNS },
	{ "gradlew", BUILD_RUNS },
	{ "pom.xml", BUILD_RUNS },
	{ "docker-compose.y*ml", BUILD_RUNS },
	{ "Dockerfile", BUILD_RUNS },
	{ ".github/workflows/*", CI_RUNS },
	{ ".github/actions/*", CI_RUNS },
	{ ".gitlab-ci.yml", CI_RUNS },
	{ ".circleci/*", CI_RUNS },
	{ ".buildkite/*", CI_RUNS },
	{ ".travis.yml", CI_RUNS },
	{ ".drone.yml", CI_RUNS },
	{ ".woodpecker*", CI_RUNS },
	{ "azure-pipelines.yml", CI_RUNS },
	{ "bitbucket-pipelines.yml", CI_RUNS },
	{ "Jenkinsfile", CI_RUNS },
	{ ".mcp.json", AGENT_RUNS },
	{ ".cursor/mcp.json", AGENT_RUNS },
	{ ".claude/settings*.json", AGENT_RUNS },
	{ ".gemini/settings.json", AGENT_RUNS },
	{ ".codex/config.toml", AGENT_RUNS },
	{ ".opencode/*", AGENT_RUNS },
	{ "opencode.json*", AGENT_RUNS },
	{ "CLAUDE.md", AGENT_READS },
	{ "CLAUDE.local.md", AGENT_READS },
	{ "AGENTS.md", AGENT_READS },
	{ "GEMINI.md", AGENT_READS },
	{ ".claude/*", AGENT_READS },
	{ ".cursor/*", AGENT_READS },
	{ ".cursorrules", AGENT_READS },
	{ ".windsurfrules", AGENT_READS },
	{ ".clinerules*", AGENT_READS },
	{ ".github/copilot-instructions.md", AGENT_READS },
	{ ".npmrc", PACKAGES },
	{ ".yarnrc*", PACKAGES },
	{ ".pnpmfile.cjs", PACKAGES },
	{ "bunfig.toml", PACKAGES },
	{ ".cargo/config*", PACKAGES },
	{ ".agentjail.ini", "agentjail reads it; what loosens in it counts only after agentjail trust" },
};

static bool matches(const char *pattern, const char *path)
{
	for (const char *at = path; at != NULL; at = strchr(at, '/')) {
		at += at > path;
		if (str_glob(pattern, at))
			return true;
	}
	return false;
}

const char *heldrisk_of(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (matches(rows[i].pattern, path))
			return rows[i].text;
	return "the host may run or load it";
}

bool heldrisk_is_gitconfig(const char *path)
{
	return strcmp(heldrisk_of(path), GIT_CONFIG) == 0;
}

/*
 * Rationale: every build changes its own files, every release the servers' ones, and an agent keeps notes
 * in its instructions: held, they would be out of step with the rest of the project after each command.
 */
static const char *const listed[] = {
	"package.json",
	"Makefile",
	"makefile",
	"GNUmakefile",
	"justfile",
	"Taskfile.yml",
	"Rakefile",
	"CMakeLists.txt",
	"build.rs",
	"setup.py",
	"pyproject.toml",
	"conftest.py",
	"build.gradle",
	"build.gradle.kts",
	"gradlew",
	"pom.xml",
	"Dockerfile",
	"docker-compose.yml",
	".gitattributes",
	".gitmodules",
	".pre-commit-config.yaml",
	"lefthook.yml",
	".npmrc",
	".pnpmfile.cjs",
	"bunfig.toml",
	".cargo/config.toml",
	".gitlab-ci.yml",
	".travis.yml",
	".drone.yml",
	"azure-pipelines.yml",
	"bitbucket-pipelines.yml",
	"Jenkinsfile",
	".github/workflows/",
	".circleci/",
	".buildkite/",
	"CLAUDE.md",
	"CLAUDE.local.md",
	"AGENTS.md",
	"GEMINI.md",
	".mcp.json",
	".claude/",
	".cursor/",
	".cursor/rules/",
	".cursorrules",
	".github/copilot-instructions.md",
	"opencode.json",
	".codex/",
	".idea/",
	".envrc",
	".venv/bin/",
	"node_modules/.bin/",
	"__pycache__/",
};

const char *const *heldrisk_listed(size_t *n)
{
	*n = ARRAY_LEN(listed);
	return listed;
}
