#!/usr/bin/env bats
# Proves: which directory is the project, which ones are refused, and where files are looked for.
load lib.bash
setup() { new_home; }

# plan OPTION...: what --explain prints.
plan() { works "$agentjail" -q "$@" --explain sh; }

@test "the working directory is the project outside of git" {
	mkdir sub && cd sub
	plan
	has "project  $project/sub"
}

@test "the git top level is the project" {
	mkdir -p .git sub/deep && cd sub/deep
	plan
	has "project  $project"$'\n'
	has "cwd      $project/sub/deep"
}

@test "a .git file counts as well (worktrees, submodules)" {
	mkdir -p tree/sub && echo "gitdir: /elsewhere" >tree/.git && cd tree/sub
	plan
	has "project  $project/tree"$'\n'
}

@test "no git is executed" {
	mkdir -p .git bin
	printf '#!/bin/sh\ntouch %s/executed\n' "$root" >bin/git
	chmod +x bin/git
	PATH=$PWD/bin:$PATH plan
	[ ! -e "$root/executed" ]
}

@test "a repository in HOME does not make HOME the project" {
	mkdir "$HOME/.git"
	plan
	has "project  $project"$'\n'
}

@test "--project names another directory, symbolic links resolved" {
	mkdir "$root/other" && ln -s "$root/other" "$root/link"
	plan --project "$root/link"
	has "project  $root/other"$'\n'
	plan --project ../project
	has "project  $project"$'\n'
}

@test "the root, HOME and what is above HOME are refused with the remedy" {
	cd /
	fails 125 "give --project DIR" "$agentjail" sh
	cd "$HOME"
	fails 125 "your home directory; cd into a project" "$agentjail" sh
	cd "$root"
	fails 125 "above your home directory" "$agentjail" run -- sh
	cd "$project"
	fails 125 "give --project DIR" "$agentjail" --project / sh
	fails 125 "give --project DIR" "$agentjail" --project "$HOME/." sh
	ln -s "$HOME" "$root/home-link"
	fails 125 "give --project DIR" "$agentjail" --project "$root/home-link" sh
}

@test "a project that is not there or no directory is refused" {
	fails 125 "No such file" "$agentjail" --project nowhere sh
	touch file
	fails 125 "Not a directory" "$agentjail" --project file sh
}

@test "a HOME that is no directory gives way to that of /etc/passwd" {
	if [ "$(id -u)" = 0 ]; then
		HOME=relative works "$agentjail" -q --explain sh
		has "home     /"
		HOME=/nonexistent works "$agentjail" -q --explain sh
		has_not "/nonexistent"
	else
		skip "/etc/passwd may have no home of this user"
	fi
}

@test "absolute XDG directories are honoured, relative ones are not" {
	XDG_STATE_HOME=$root/s XDG_CACHE_HOME=relative plan
	has "state    $root/s/agentjail"
	has "cache    $HOME/.cache/agentjail"
	mkdir -p "$root/c/agentjail"
	printf '[files]\nhide = ~/from-xdg\n' >"$root/c/agentjail/agentjail.ini"
	XDG_CONFIG_HOME=$root/c plan
	has "$HOME/from-xdg"
}

@test "relative paths of options mean the working directory" {
	mkdir -p .git sub && cd sub
	# shellcheck disable=SC2088 # agentjail expands it
	plan --hide secret --read ./a/../b --write "with blank" --protect '~/x' --overlay /y/./z
	has "hide = $project/sub/secret "
	has "read = $project/sub/b "
	has "write = $project/sub/with blank "
	has "protect = $HOME/x "
	has "overlay = /y/z "
	has "(command line)"
}

@test "an agent without a profile is told so in one line" {
	run --separate-stderr "$agentjail" --explain sh
	[ "$status" = 0 ]
	[ "${#stderr_lines[@]}" = 1 ]
	case $stderr in *"no profile for sh"*"agentjail learn"*) ;; *) false ;; esac
}
