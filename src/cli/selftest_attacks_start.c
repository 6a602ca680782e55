/*
 * Attacks on the start and on the agent's own context: repositories that aim at the agent's own
 * git, settings that loosen, commands that avoid the shell.
 */
#include "cli/selftest.h"

#define AGENT(id, title, source, act, flags)                                                       \
	{                                                                                          \
		id, title, source, SELFTEST_AGENT, act, NULL, NULL, NULL, NULL, NULL, NULL, flags  \
	}
#define SPAWN(id, title, config, act)                                                              \
	{                                                                                          \
		id, title, "GitSpawn 2026-09 (CVE-2026-71963)", SELFTEST_AGENT_SCRIPT, act, NULL,  \
			NULL, "ran", SELFTEST_REPO " && cd ~/project/repo && git config " config,  \
			NULL, "git", 0                                                             \
	}
#define SETTING(id, title, source, line, path, file)                                               \
	{                                                                                          \
		id, title, source, SELFTEST_SETTING, line, path, NULL, file, NULL, NULL, NULL,     \
			SELFTEST_OWN                                                               \
	}

#define SELFTEST_REPO "rm -rf ~/project/repo ~/ran && cp -a ~/template ~/project/repo"

/* clang-format off: one row an attack */
const struct selftest_attack selftest_attacks_start[] = {
	SPAWN("spawn-fsmonitor", "the agent's git status in a repository with core.fsmonitor",
		"core.fsmonitor ./evil", "git status; :"),
	SPAWN("spawn-filter", "the agent's git diff with filter.clean",
		"filter.x.clean ./evil && echo '* filter=x' >.gitattributes && echo more >>file",
		"git diff; :"),
	SPAWN("spawn-diff", "the agent's git diff with diff.external",
		"diff.external ./evil && echo more >>file", "git diff; :"),
	SPAWN("spawn-textconv", "the agent's git diff with textconv",
		"diff.x.textconv ./evil && echo '* diff=x' >.gitattributes && echo more >>file",
		"git diff; :"),
	SPAWN("spawn-ssh", "the agent's git fetch with core.sshCommand",
		"core.sshCommand ./evil && git remote add away ssh://host.invalid/x",
		"git fetch -q away; :"),
	SPAWN("spawn-gpg", "the agent's git log with gpg.program",
		"gpg.program ./evil && printf 'tree %s\\nauthor x <x> 1 +0000\\ncommitter x <x> 1 "
		"+0000\\n"
		"gpgsig -----BEGIN PGP SIGNATURE-----\\n -----END PGP SIGNATURE-----\\n\\nx\\n' "
		"$(git rev-parse HEAD^{tree}) | git hash-object -t commit -w --stdin "
		">.git/refs/heads/signed",
		"git log -1 --show-signature signed; :"),
	{ "agent-cwd", "the agent starts a command in HOME to widen what is writable",
		"CVE-2025-59532 (Codex)", SELFTEST_AGENT_SCRIPT,
		"cd ~ && sh -c 'echo \"$1\" >>.bashrc' sh \"$1\"", NULL, NULL, ".bashrc",
		SELFTEST_REPO, NULL, "git", 0 },
	{ "bash-env", "BASH_ENV of a command, set by the agent",
		"agent-glovebox PR#5210, CVE-2026-22708", SELFTEST_AGENT_SCRIPT,
		"BASH_ENV=./evil ENV=./evil bash -c :", NULL, NULL, "ran", SELFTEST_REPO, NULL,
		"bash", 0 },
	{ "pager", "PAGER and GIT_* poisoned for the next command", "CVE-2026-22708 (Cursor)",
		SELFTEST_AGENT_SCRIPT,
		"GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=core.fsmonitor GIT_CONFIG_VALUE_0=./evil git "
		"status; :",
		NULL, NULL, "ran", SELFTEST_REPO, NULL, "git", 0 },
	{ "path", "a directory of the project at the front of PATH, set by the agent",
		"CVE-2026-22708 (Cursor), termaxa#91", SELFTEST_AGENT_SCRIPT,
		"mkdir -p bin && ln -f evil bin/git && PATH=$PWD/bin:$PATH git status; :", NULL,
		NULL, "ran", SELFTEST_REPO, NULL, "git", 0 },
	{ "own-start", "the sandbox itself looks at a hostile repository",
		"GitSpawn 2026-09 (CVE-2026-71963)", SELFTEST_AGENT_SCRIPT, ":", NULL, NULL, "ran",
		SELFTEST_REPO " && cd ~/project/repo && git config core.fsmonitor ./evil", NULL,
		"git", SELFTEST_HARMLESS },
	{ "injected-text", "a command's text is taken for shell",
		"kagent PR#1493, claude-code#56161", SELFTEST_AGENT_SCRIPT,
		"printf %s \"'; ./evil; '\" \"\" \"$(printf '\\n./evil')\"", NULL, NULL, "ran",
		SELFTEST_REPO, NULL, NULL, SELFTEST_HARMLESS },
	AGENT("agent-read", "the agent's own file tool reads ~/.ssh/id_rsa", "claude-code#15789",
		"read %HOME%/.ssh/id_rsa", 0),
	AGENT("agent-env", "the agent's own file tool reads .env", "claude-code#15789",
		"read %PROJ%/.env", 0),
	AGENT("agent-exec", "a command by execve, without a shell", "termaxa#91",
		"exec plain /bin/cat %HOME%/.ssh/id_rsa", 0),
	AGENT("agent-shell", "a shell by its absolute path", "termaxa#91",
		"exec plain /bin/sh -c cat<%HOME%/.ssh/id_rsa", 0),
	AGENT("agent-spawn", "a command by posix_spawn", "termaxa#91",
		"exec spawn /bin/cat %HOME%/.ssh/id_rsa", 0),
	AGENT("agent-execveat", "a command by execveat", "termaxa#91",
		"exec execveat /bin/cat %HOME%/.ssh/id_rsa", 0),
	AGENT("agent-exec32", "a command by the 32-bit execve", "birdcage#32",
		"exec32 /bin/cat %HOME%/.ssh/id_rsa", 0),
	AGENT("agent-script", "a script of the project, by its own name", "termaxa#91",
		"exec plain %PROJ%/read-key.sh", 0),
	AGENT("agent-loader", "a command by the loader", "Ona 2026-04",
		"exec plain %LOADER% /bin/cat %HOME%/.ssh/id_rsa", 0),
	AGENT("agent-memfd", "a command from memory", "Ona 2026-04",
		"exec memfd %HOME%/.ssh/id_rsa", 0),
	AGENT("agent-proc", "the agent's own file tool reads another process's environment",
		"Ona 2026-04", "proc-scan environ", SELFTEST_BWRAP_USER),
	{ "agent-bashrc", "the agent's own file tool writes ~/.bashrc", "claude-code#15789",
		SELFTEST_AGENT, "create %HOME%/.bashrc", NULL, NULL, ".bashrc", NULL, NULL, NULL,
		0 },
	{ "agent-bin", "the agent's own file tool writes a program of the user's",
		"CVE-2025-59532 class", SELFTEST_AGENT, "create %HOME%/.local/bin/ls", NULL, NULL,
		".local/bin/ls", NULL, NULL, NULL, 0 },
	{ "agent-hook", "the agent's own file tool writes a git hook", "agentcage#170",
		SELFTEST_AGENT, "create %PROJ%/.git/hooks/post-merge", NULL, NULL,
		"project/.git/hooks/post-merge", NULL, NULL, NULL, 0 },
	AGENT("agent-kill", "the agent signals a process of the host", "process view class",
		"kill %PID%", 0),
	AGENT("agent-ptrace", "the agent traces a process of the host", "process view class",
		"ptrace %PID%", SELFTEST_BWRAP_USER),
	AGENT("agent-link", "the agent's own file tool reads a key by a hard link", "sandlock#179",
		"read %PROJ%/hard-link-to-key", 0),
	{ "orphan", "the agent starts a command after its supervisor was killed",
		"sandlock#27, GHSA-72w7-mf9g-733p (nono_py)", SELFTEST_ORPHAN, "", NULL, NULL, NULL,
		NULL, NULL, NULL, 0 },
	SETTING("project-unhide", "'hide = !.env' in the project's own settings",
		"claude-code#86504, CVE-2026-32048 (openclaw)", "hide = !.env", "project/.env",
		"project/.agentjail.ini"),
	SETTING("project-read", "'read = ~/documents' in the project's own settings",
		"claude-code#86504", "read = ~/documents", "documents/diary.txt",
		"project/.agentjail.ini"),
	SETTING("env-config", "a project's .env names another configuration",
		"CVE-2025-61260 (Codex)", "read = ~/documents", "documents/diary.txt",
		"project/evil/agentjail/agentjail.ini"),
	{ "nested", "agentjail inside the cell, to loosen", "CVE-2026-32048 (openclaw)",
		SELFTEST_ACT,
		"exec plain %PROJ%/build/agentjail --mode none cat %HOME%/.ssh/id_rsa", NULL, NULL,
		NULL, NULL, NULL, NULL, 0 },
	{ NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0 },
};
/* clang-format on */
