#!/usr/bin/env bats
# Proves: what [agent] hide names is hidden from the agent and not from its commands, also where git has
# the file: commands see it, git in the cell finds nothing changed, and branches change as ever. Without
# the line the agent sees it (the control). The profiles that come with agentjail say which agents nobody
# has run.
# shellcheck disable=SC2016 # for the agent, which is a shell
load lib.bash

setup() {
	new_home
	run "$agentjail" doctor -q
	[ "$status" != 2 ] || skip "no userns or another essential thing is missing: agentjail doctor"
	mkdir -p "$HOME/bin"
	# The agent: a shell, so that its own reading and its commands can be told apart.
	printf '#!/bin/bash\neval "$1"\n' >"$HOME/bin/toy"
	chmod +x "$HOME/bin/toy"
	printf '[user]\n\tname = Test\n\temail = test@example.org\n' >"$HOME/.gitconfig"
	export PATH=$HOME/bin:$PATH
	git init -q . 2>/dev/null
	echo NAME=first >.env
	git add -f .env
	git commit -qm first
	git checkout -qb other
	echo NAME=second >.env
	git commit -qam second
	git checkout -q -
}

profile() { printf '%s\n' "$@" >"$config/profiles/toy.ini"; }
toy() { "$agentjail" -q toy "$1" </dev/null; }
look='if read -r line <.env; then echo "agent: $line"; else echo "agent: nothing"; fi 2>/dev/null'

@test "without the line the agent sees a file that git has (control)" {
	profile '[profile]' 'name = toy'
	works toy "$look"
	has "agent: NAME=first"
}

@test "a file that git has is hidden from the agent and shown to its commands" {
	profile '[agent]' 'hide = .env'
	works toy "$look; cat .env; git status --short; git diff"
	has "agent: nothing"
	has "NAME=first"
	has_not ".env"
}

@test "commands change branches with it, and it stays hidden from the agent" {
	profile '[agent]' 'hide = .env'
	works toy "git checkout -q other; sleep 0.3; cat .env; $look; git checkout -q -; cat .env; git status --short"
	has "NAME=second"
	has "agent: nothing"
	has "NAME=first"
	[ "$(cat .env)" = NAME=first ]
	[ -z "$(git status --short)" ]
}

@test "profiles of agents that nobody has run say so" {
	for agent in aider cursor-agent goose crush; do
		works "$agentjail" show "$agent"
		has "untested"
	done
	for agent in claude codex gemini opencode qwen pi cline copilot; do
		works "$agentjail" show "$agent"
		has_not "untested"
	done
}
