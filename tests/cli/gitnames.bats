#!/usr/bin/env bats
# Proves: what the host's own configuration of git runs or reads in the project, no command can change,
# move away or replace: the host's next `git status` runs what the user wrote. The control: what the
# configuration does not name can be changed, and what is so changed runs.

setup() {
	load lib.bash
	command -v git >/dev/null || skip "no git"
	new_home
	git init -q . && git config user.email a@b && git config user.name n
	mkdir -p tools/hooks lib
	printf '#!/bin/sh\necho ran >>%s/ours\nexec cat\n' "$root" | tee tools/clean >lib/other
	printf '#!/bin/sh\necho ran >>%s/ours\n' "$root" | tee tools/monitor >tools/hooks/pre-commit
	chmod +x tools/clean tools/monitor tools/hooks/pre-commit lib/other
	printf '[alias]\n\tx = status\n' >tools/gitconfig
	printf '*.txt filter=t\n' >tools/attributes
	echo text >a.txt && git add a.txt
	evil='#!/bin/sh\necho evil >>'$root/evil'\nexec cat\n'
}

# Of the same size: git has to read it, through the filter.
touch_text() { printf '%04d\n' $((RANDOM % 10000)) >a.txt; }

# attack FILE: a command tries all it can to change the file; what it says is in $root/said.
attack() {
	"$agentjail" -q run -- sh -c "
		printf '$evil' >$1; chmod +x $1
		printf '$evil' >new && chmod +x new && mv -f new $1
		ln -f new $1; rm -rf $1
		python3 -c 'import os, sys; os.rename(sys.argv[1], sys.argv[2])' $1 moved
		mv ${1%/*} away && mkdir -p ${1%/*} && printf '$evil' >$1 && chmod +x $1
		true" >"$root/said" 2>&1 || true
}

# keeps FILE COMMAND...: the attack leaves it as it is, and the host's git runs nothing of the cell's.
keeps() {
	local file=$1 before
	shift
	before=$(cat "$file")
	attack "$file"
	[ "$(cat "$file")" = "$before" ] || { echo "$file was changed" && cat "$root/said" && return 1; }
	touch_text
	"$@" >/dev/null 2>&1 || true
	[ ! -e "$root/evil" ]
}

@test "a filter of the project's" {
	git config filter.t.clean "./tools/clean %f" && git config core.attributesFile tools/attributes
	keeps tools/clean git status
	[ -e "$root/ours" ]
	keeps tools/attributes git status
	# The control: the same attack on a program that configuration did not name when it was made.
	git config --unset filter.t.clean
	attack lib/other
	git config filter.t.clean ./lib/other
	touch_text
	git status >/dev/null
	[ -e "$root/evil" ]
}

@test "a monitor of the file system, behind an interpreter and with quotes" {
	git config core.fsmonitor "sh 'tools/monitor'"
	keeps tools/monitor git status
	[ -e "$root/ours" ]
}

@test "a directory of hooks" {
	git config core.hooksPath tools/hooks
	keeps tools/hooks/pre-commit git commit -qam x
	[ -e "$root/ours" ]
	"$agentjail" -q run -- sh -c "printf '$evil' >tools/hooks/post-commit; chmod +x tools/hooks/post-commit" || true
	git commit -qam y --allow-empty
	[ ! -e "$root/evil" ]
}

@test "files of configuration that include one another" {
	git config include.path ../tools/gitconfig
	printf '[include]\n\tpath = more\n' >>tools/gitconfig
	printf '[core]\n\tfsmonitor = ./lib/other\n' >tools/more
	evil='[core]\nfsmonitor = echo evil >>'$root/evil';\n'
	keeps tools/gitconfig git status
	keeps tools/more git status
	evil='#!/bin/sh\necho evil >>'$root/evil'\nexec cat\n'
	keeps lib/other git status
}

@test "what the user's own configuration names in every project" {
	git config --global core.hooksPath tools/hooks
	keeps tools/hooks/pre-commit git commit -qam x
	[ -e "$root/ours" ]
}

@test "a link is kept where it lies, and what it leads to" {
	ln -s ../lib/other tools/link
	git config filter.t.clean ./tools/link && git config core.attributesFile tools/attributes
	keeps tools/link git status
	keeps lib/other git status
	[ -L tools/link ]
}

@test "nothing else of the project is closed, and odd configuration stops no session" {
	git config filter.t.clean ./tools/clean
	git config alias.y '!./lib/other'
	git config core.hooksPath /nonexistent
	printf '[filter "u"]\n\tclean = ./ / ../../../../etc/passwd %s\n[include]\n\tpath = ~somebody/x\n' \
		"$(printf 'x/%.0s' {1..3000})" >>.git/config
	works "$agentjail" run -- sh -c 'echo x >lib/other; echo y >tools/monitor; mkdir tools/sub; mv lib lib2'
	[ -d tools/sub ] && [ -d lib2 ]
	printf '[include]\n\tpath = config\n[core\n' >>.git/config
	works "$agentjail" run -- true
}
