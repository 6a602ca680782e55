/*
 * Attacks that stay: what a command writes and the user's shell, git, editor or agent runs later.
 * An attack has succeeded when the host's file holds its mark, or when the host's own program ran
 * it.
 */
#include "cli/selftest.h"

#define CREATE(id, title, source, path, flags)                                                     \
	{                                                                                          \
		id, title, source, SELFTEST_ACT, "create %HOME%/" path, NULL, NULL, path, NULL,    \
			NULL, NULL, flags                                                          \
	}
#define REPLACE(id, title, source, path, flags)                                                    \
	{                                                                                          \
		id, title, source, SELFTEST_ACT, "replace %HOME%/" path, NULL, NULL, path, NULL,   \
			NULL, NULL, flags                                                          \
	}
#define GIT(id, title, source, act, after)                                                         \
	{                                                                                          \
		id, title, source, SELFTEST_SCRIPT, act, NULL, NULL, "ran", SELFTEST_GIT_REPO,     \
			after, "git", 0                                                            \
	}

/* A repository of the attack's own; `evil` leaves the mark where only the host's programs can. */
#define SELFTEST_GIT_REPO "rm -rf ~/project/repo ~/ran && cp -a ~/template ~/project/repo"
#define SELFTEST_GIT_LINKED                                                                        \
	"rm -rf ~/project/repo ~/project/main ~/ran && cp -a ~/template ~/project/main && "        \
	"git -C ~/project/main worktree add -qf ~/project/repo"
#define STATUS "git status; git log -1 >/dev/null; :"

/* clang-format off: one row an attack */
const struct selftest_attack selftest_attacks_kept[] = {
	CREATE("hook", "a new .git/hooks/post-checkout", "agentcage#170",
		"project/.git/hooks/post-checkout", 0),
	CREATE("hook-append", "a line more in .git/hooks/pre-commit", "agentcage#170",
		"project/.git/hooks/pre-commit", 0),
	REPLACE("hook-replace", "another .git/hooks/pre-commit renamed over it", "agentcage#170",
		"project/.git/hooks/pre-commit", 0),
	CREATE("git-config", "a line more in .git/config", "GitSpawn 2026-09, core.fsmonitor",
		"project/.git/config", 0),
	REPLACE("git-config-rename", ".git/config replaced as git does it", "GitSpawn 2026-09",
		"project/.git/config", 0),
	CREATE("git-worktree", "a new .git/config.worktree", "GitSpawn 2026-09",
		"project/.git/config.worktree", 0),
	{ "casefold", "a hook in .GIT/hooks, where names differ by case alone",
		"CVE-2025-59944 (Cursor)", SELFTEST_ACT,
		"create %HOME%/project/.GIT/hooks/pre-push", NULL, NULL,
		"project/.git/hooks/pre-push", NULL, NULL, NULL, 0 },
	CREATE("husky", "a new .husky/pre-commit", "sandy PR#86, core.hooksPath",
		"project/.husky/pre-commit", 0),
	CREATE("vscode", "a new .vscode/tasks.json", "CVE-2026-25725 class, tasks of editors",
		"project/.vscode/tasks.json", 0),
	CREATE("zed", "a new .zed/tasks.json", "CVE-2026-25725 class, tasks of editors",
		"project/.zed/tasks.json", 0),
	CREATE("idea", "a new .idea/workspace.xml", "CVE-2026-25725 class, tasks of editors",
		"project/.idea/workspace.xml", SELFTEST_NOTICED),
	CREATE("devcontainer", "a new .devcontainer/devcontainer.json", "CVE-2026-25725 class",
		"project/.devcontainer/devcontainer.json", 0),
	CREATE("envrc", "a new .envrc", "CVE-2026-25725 class, direnv", "project/.envrc",
		SELFTEST_NOTICED),
	CREATE("claude-settings", "a new .claude/settings.json", "CVE-2026-25725 (Claude Code)",
		"project/.claude/settings.json", SELFTEST_NOTICED),
	CREATE("mcp", "a new .mcp.json", "CVE-2026-25725 class", "project/.mcp.json",
		SELFTEST_NOTICED),
	CREATE("cursor", "a new .cursor/mcp.json", "CVE-2026-25725 class",
		"project/.cursor/mcp.json", SELFTEST_NOTICED),
	CREATE("codex-settings", "a new .codex/config.toml", "CVE-2025-61260 class",
		"project/.codex/config.toml", SELFTEST_NOTICED),
	CREATE("own-settings", "a new .agentjail.ini", "claude-code#86504",
		"project/.agentjail.ini", 0),
	CREATE("agents-md", "a line more in AGENTS.md", "bmad-loop#461", "project/AGENTS.md",
		SELFTEST_NOTICED),
	CREATE("claude-md", "a new CLAUDE.md", "bmad-loop#461", "project/CLAUDE.md",
		SELFTEST_NOTICED),
	CREATE("venv", "another .venv/bin/python", "sandy PR#85", "project/.venv/bin/python",
		SELFTEST_NOTICED),
	CREATE("pyc", "a compiled module in __pycache__", "sandy PR#85",
		"project/__pycache__/mod.cpython-312.pyc", SELFTEST_NOTICED),
	CREATE("node-bin", "a program in node_modules/.bin", "sandy PR#85",
		"project/node_modules/.bin/tsc", SELFTEST_NOTICED),
	CREATE("package-json", "a line more in package.json", "postinstall class",
		"project/package.json", SELFTEST_NOTICED),
	CREATE("makefile", "a line more in Makefile", "build files class", "project/Makefile",
		SELFTEST_NOTICED),
	CREATE("ci", "a new .github/workflows/ci.yml", "build files class",
		"project/.github/workflows/ci.yml", SELFTEST_NOTICED),
	CREATE("pre-commit", "a new .pre-commit-config.yaml", "build files class",
		"project/.pre-commit-config.yaml", SELFTEST_NOTICED),
	CREATE("npmrc", "a new .npmrc", "build files class", "project/.npmrc", SELFTEST_NOTICED),
	CREATE("cargo", "a new .cargo/config.toml", "build files class",
		"project/.cargo/config.toml", SELFTEST_NOTICED),
	CREATE("bashrc", "a line more in ~/.bashrc", "start files class", ".bashrc", 0),
	CREATE("bash-profile", "a new ~/.bash_profile", "start files class", ".bash_profile", 0),
	CREATE("autostart", "a new entry of ~/.config/autostart", "start files class",
		".config/autostart/x.desktop", 0),
	CREATE("user-unit", "a new unit of the user's systemd", "fence#186",
		".config/systemd/user/x.service", 0),
	CREATE("authorized-keys", "a new ~/.ssh/authorized_keys", "start files class",
		".ssh/authorized_keys", 0),
	CREATE("local-bin", "a git of its own in ~/.local/bin", "start files class",
		".local/bin/git", 0),
	CREATE("gitconfig", "a line more in ~/.gitconfig", "GitSpawn 2026-09", ".gitconfig", 0),
	CREATE("own-config", "a line more in agentjail's own configuration", "claude-code#86504",
		".config/agentjail/agentjail.ini", 0),
	CREATE("tmp-write", "a file in a directory of the host's /tmp", "CVE-2026-46406 class",
		"../planted", 0),
	CREATE("npm-cache", "a package in the user's cache", "cache poisoning class",
		".npm/package", 0),
	GIT("git-fsmonitor", "git config core.fsmonitor, then the host's git status",
		"GitSpawn 2026-09", "git config core.fsmonitor ./evil", STATUS),
	GIT("git-moved", "move .git away, put another in its place", "srt#8",
		"mv .git .gone && cp -a .gone .git && git config core.fsmonitor ./evil", STATUS),
	GIT("git-exchanged", "exchange .git for another", "srt#8, renameat2",
		"cp -a .git other && git config --file other/config core.fsmonitor ./evil && "
		"~/project/act @act run exchange \"$PWD/other\" \"$PWD/.git\"; "
		"mv .git .gone && mv other .git",
		STATUS),
	GIT("git-commondir", ".git/commondir leads elsewhere", "GitSpawn 2026-09",
		"cp -a .git other && git config --file other/config core.fsmonitor ./evil && "
		"echo ../other >.git/commondir",
		STATUS),
	GIT("git-nested", "a repository inside is added, with settings of its own",
		"GitSpawn 2026-09",
		"git init -q inner && cp evil inner/ && cd inner && "
		"git -c user.name=x -c user.email=x@y commit -q --allow-empty -m x && cd .. && "
		"git add inner; git config --file inner/.git/config core.fsmonitor ./evil",
		STATUS),
	GIT("git-submodule", "a submodule's settings", "GitSpawn 2026-09",
		"git -c protocol.file.allow=always submodule --quiet add ./.git module; cp evil "
		"module/; "
		"git config --file .git/modules/module/config core.fsmonitor ./evil",
		STATUS),
	GIT("git-bare", "a directory that looks like a bare repository", "GitSpawn 2026-09",
		"mkdir -p bare/refs bare/objects bare/tree && cp evil bare/tree/ && echo ref: "
		"refs/heads/main >bare/HEAD && "
		"git config --file bare/config core.repositoryformatversion 0 && "
		"git config --file bare/config core.worktree tree && git config --file bare/config "
		"core.bare false"
		" && git config --file bare/config core.fsmonitor ./evil",
		"cd bare && git status; :"),
	GIT("git-worktree-config", "a worktree's settings", "GitSpawn 2026-09",
		"git config extensions.worktreeConfig true; git config --worktree core.fsmonitor "
		"./evil",
		STATUS),
	GIT("git-hook-path", "git config core.hooksPath, then the host's commit", "sandy PR#86",
		"mkdir hooks && cp evil hooks/pre-commit && git config core.hooksPath hooks",
		"git -c user.name=x -c user.email=x@y commit -q --allow-empty -m x; :"),
	GIT("git-hook", "a hook, then the host's commit", "agentcage#170",
		"cp evil .git/hooks/pre-commit",
		"git -c user.name=x -c user.email=x@y commit -q --allow-empty -m x; :"),
	GIT("git-filter", "a filter in .gitattributes and its command",
		"GitSpawn 2026-09, filter.clean",
		"echo '* filter=x' >.gitattributes; git config filter.x.clean ./evil; echo CONTENT "
		">file",
		STATUS),
	GIT("git-include", "an included file of settings", "GitSpawn 2026-09",
		"printf '[core]\\n\\tfsmonitor = ./evil\\n' >inc; git config include.path ../inc",
		STATUS),
	{ "git-symlink", "a .git that is a link: its settings", "CVE-2026-39861 class",
		SELFTEST_SCRIPT, "git config core.fsmonitor ./evil", NULL, NULL, "ran",
		SELFTEST_GIT_REPO
		" && rm -rf ~/project/real && mv ~/project/repo/.git ~/project/real && "
		"ln -s ../real ~/project/repo/.git",
		STATUS, "git", 0 },
	{ "git-linked", "a linked worktree: the settings of its repository", "claude-code#17374",
		SELFTEST_SCRIPT, "git config core.fsmonitor ./evil", NULL, NULL, "ran",
		SELFTEST_GIT_LINKED, STATUS, "git", 0 },
	{ "git-linked-hook", "a linked worktree: a hook of its repository", "claude-code#17374",
		SELFTEST_SCRIPT, "cp evil \"$(git rev-parse --git-common-dir)/hooks/pre-commit\"",
		NULL, NULL, "ran", SELFTEST_GIT_LINKED,
		"git -c user.name=x -c user.email=x@y commit -q --allow-empty -m x; :", "git", 0 },
	{ NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0 },
};
/* clang-format on */
