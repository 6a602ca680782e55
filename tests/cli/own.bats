#!/usr/bin/env bats
# Proves: no command can write what agentjail itself believes or keeps (configuration, what is trusted,
# audit, kept caches, runtime directory), wherever the user has it and whatever the profile shows.
# shellcheck disable=SC2016 # for the shell in the cell
load lib.bash

setup() {
	new_home
	git init -q
	printf '[egress]\nallow = mine.test\n' >"$config/agentjail.ini"
	mkdir -p "$HOME/.local/state/agentjail" "$HOME/.cache/agentjail" "$root/run/agentjail"
	chmod 700 "$root/run"
	export XDG_RUNTIME_DIR=$root/run
	printf '[files]\nhide = ./x\n' >.agentjail.ini
	"$agentjail" trust --yes >/dev/null
	"$agentjail" -q run -- true
	echo here | tee "$HOME/.local/state/agentjail/own" "$HOME/.cache/agentjail/own" >"$root/run/agentjail/own"
}

# What all of it is, without the audit and caches that sessions add.
own() {
	for each in "${XDG_CONFIG_HOME:-$HOME/.config}" "${XDG_STATE_HOME:-$HOME/.local/state}" \
		"${XDG_CACHE_HOME:-$HOME/.cache}" "$XDG_RUNTIME_DIR"; do
		find "$each/agentjail" \( -path '*/audit' -o -path '*/agentjail/*-*' \) -prune -o -printf '%y %m %p %l\n'
		find "$each/agentjail" -path '*/audit' -prune -o -path '*/agentjail/*-*' -prune -o -type f -exec cat {} +
	done
	cat "$project/.agentjail.ini"
}

attack='
for dir in "$@"; do
	echo evil >>"$dir/agentjail/agentjail.ini"; echo evil >>"$dir/agentjail/trusted"
	echo evil >>"$dir/agentjail/own"; echo evil >"$dir/agentjail/new"; mkdir -p "$dir/agentjail/profiles"
	echo evil >"$dir/agentjail/profiles/claude.ini"; ln -s /etc "$dir/agentjail/link"
	mv "$dir" "$dir-away"; mkdir -p "$dir/agentjail"; echo evil >"$dir/agentjail/agentjail.ini"
	mv "$dir/agentjail" "$dir/away"; mkdir -p "$dir/agentjail"; echo evil >"$dir/agentjail/agentjail.ini"
	rm -rf "$dir/agentjail"; mkdir -p "$dir/agentjail"; echo evil >"$dir/agentjail/agentjail.ini"
	mv "${dir%/*}" "${dir%/*}-away"; mkdir -p "$dir/agentjail"; echo evil >"$dir/agentjail/agentjail.ini"
done
echo evil >>.agentjail.ini; mv .agentjail.ini away; rm -f .agentjail.ini; echo evil >.agentjail.ini
echo ran'

# nothing_of OPTIONS...: a cell with these changes nothing of it, and the command ran.
nothing_of() {
	own >"$root/before"
	"$agentjail" -q run "$@" -- sh -c "$attack" sh "${XDG_CONFIG_HOME:-$HOME/.config}" \
		"${XDG_STATE_HOME:-$HOME/.local/state}" "${XDG_CACHE_HOME:-$HOME/.cache}" "$XDG_RUNTIME_DIR" \
		>"$root/out" 2>"$root/err" || true
	tail -n 1 "$root/out" | grep -qx ran || { cat "$root/err" && return 1; }
	own >"$root/after"
	diff "$root/before" "$root/after"
}

@test "control: outside the same words change all of it" {
	own >"$root/before"
	sh -c "$attack" sh "$HOME/.config" "$HOME/.local/state" "$HOME/.cache" "$root/run" >/dev/null 2>&1
	for each in "$HOME/.config" "$HOME/.local/state" "$HOME/.cache" "$root/run"; do
		[ ! -e "$each/agentjail/own" ] && [ ! -e "$each/agentjail/trusted" ]
	done
	[ "$(cat .agentjail.ini)" = evil ]
}

@test "a closed home" {
	nothing_of
}

@test "an open home" {
	nothing_of --set sandbox.home=open
}

@test "a profile that shows what is around it" {
	nothing_of --write "$HOME/.local"
	nothing_of --write "$HOME/.cache"
	nothing_of --write "$HOME/.config"
	nothing_of --write "$root/run"
}

@test "an agent, not a cell's command" {
	own >"$root/before"
	"$agentjail" -q bash -c "$attack" bash "$HOME/.config" "$HOME/.local/state" "$HOME/.cache" "$root/run" \
		>"$root/out" 2>&1 || true
	grep -qx ran "$root/out"
	own >"$root/after"
	diff "$root/before" "$root/after"
}

@test "a directory of ours that is not there yet, where the profile shows what it would be in" {
	rm -rf "$HOME/.config/agentjail" .agentjail.ini
	fails 125 "commands could write" "$agentjail" run --write "$HOME/.config" -- true
	mkdir "$HOME/.config/agentjail"
	works "$agentjail" run --write "$HOME/.config" -- sh -c 'echo evil 2>/dev/null >~/.config/agentjail/agentjail.ini || :'
	[ ! -e "$HOME/.config/agentjail/agentjail.ini" ]
}

# in_the_project VARIABLE: its directory lies where commands write.
in_the_project() {
	export "$1=$project/own/$1"
	mkdir -p "$project/own"
	cp -r "$2" "$project/own/$1"
	nothing_of
}

@test "directories in the project: refused, or not to be changed" {
	refused='commands can write|commands could write'
	for each in "XDG_CONFIG_HOME $HOME/.config" "XDG_STATE_HOME $HOME/.local/state" \
		"XDG_CACHE_HOME $HOME/.cache" "XDG_RUNTIME_DIR $root/run"; do
		# shellcheck disable=SC2086 # two words
		(in_the_project $each) >"$root/said" 2>&1 || grep -Eq "$refused" "$root/said" ||
			{ echo "$each" && cat "$root/said" && return 1; }
		rm -rf "$project/own"
	done
}
