#!/usr/bin/env bats
# Proves: with --mode shared the agent is one command in a cell: its exit status, signals and terminal
# are as with `run`, files, hosts and fakes are the cell's, and what the agent has as its own is there
# for it, and so for its commands. What is open here is shown to be closed in --mode split.
# shellcheck disable=SC2016,SC2088 # for the agent, which is a shell, and for profiles
load lib.bash

setup() {
	new_home
	run "$agentjail" doctor -q
	[ "$status" != 2 ] || skip "no userns or another essential thing is missing: agentjail doctor"
	mkdir -p "$HOME/.ssh" "$HOME/.toy/hooks" "$HOME/apps/node_modules/toy/lib" "$HOME/bin" "$HOME/work"
	echo ssh-secret >"$HOME/.ssh/id_rsa"
	echo toy-login >"$HOME/.toy/login"
	echo 'a hook' >"$HOME/.toy/hooks/start"
	echo other-project >"$HOME/work/notes"
	echo DATABASE=env-secret >.env
	# The agent: does what it is told to, itself and in a command.
	printf '#!/bin/bash\neval "$1"\n' >"$HOME/apps/node_modules/toy/toy"
	echo 'part of the package' >"$HOME/apps/node_modules/toy/lib/part"
	chmod +x "$HOME/apps/node_modules/toy/toy"
	ln -s ../apps/node_modules/toy/toy "$HOME/bin/toy"
	profile '[agent]' 'keep = ~/.toy' 'keep-env = TOY_*' 'egress = api.toy.test' \
		'[files]' 'read = ~/.toy/hooks' '[env]' 'hide = TOY_*'
	export PATH=$HOME/bin:$PATH TOY_KEY=toy-key-0123456789 OTHER_TOKEN=other-0123456789
}

profile() { printf '%s\n' "$@" >"$config/profiles/toy.ini"; }
shared() { "$agentjail" -q --mode shared "$@" </dev/null; }
said() { "$agentjail" --mode shared "$@" 2>"$root/err" </dev/null; }

@test "exit statuses are the agent's, a signal is raised again" {
	run shared toy 'exit 7'
	[ "$status" = 7 ]
	run shared toy 'kill -TERM $$'
	[ "$status" = 143 ]
	run -127 shared no-such-agent
	: >"$HOME/bin/notexec"
	run shared notexec
	[ "$status" = 126 ]
	printf '#!/no/such/interpreter\n' >"$HOME/bin/odd" && chmod +x "$HOME/bin/odd"
	run -127 shared odd
}

@test "a signal that agentjail gets is the agent's, and the agent can handle it" {
	"$agentjail" -q --mode shared toy 'trap "echo caught; exit 9" TERM; touch up; while :; do sleep 0.05; done' \
		>"$root/out" </dev/null 3>&- &
	pid=$!
	for _ in $(seq 200); do [ ! -e up ] || break; sleep 0.05; done
	kill -TERM $pid
	got=0
	wait $pid || got=$?
	[ "$got" = 9 ]
	[ "$(cat "$root/out")" = caught ]
}

@test "on a terminal keys, job control and the size are the agent's" {
	command -v python3 >/dev/null || skip "no python3"
	run timeout 60 python3 "$top/tests/e2e/type.py" 40 'ready' 'sleep 100\r' 'sleep100' '\x03' 'ready' \
		'echo st=$?\r' 'st=130' 'sleep 99\r' 'sleep99' '\x1a' 'Stopped' 'fg\r' 'sleep99' '\x03' \
		'ready' 'stty size; exit 5\r' -- \
		"$agentjail" -q --mode shared --env 'PS1=ready ' bash --norc -i
	[ "$status" = 5 ]
	has 'st=130'
}

@test "agent and commands are in one cell, and no exec is asked about" {
	output=$(shared toy 'for ns in net pid mnt user; do readlink /proc/self/ns/$ns; sh -c "readlink /proc/self/ns/$ns; :"; done')
	[ "$(wc -l <<<"$output")" = 8 ]
	[ "$(sort -u <<<"$output" | wc -l)" = 4 ]
	for ns in net pid mnt user; do has_not "$(readlink /proc/self/ns/$ns)"; done
	grep -q '"mode":"shared"' "$HOME"/.local/state/agentjail/audit/*.jsonl
	[ "$(grep -c '"event":"exec"' "$HOME"/.local/state/agentjail/audit/*.jsonl)" = 1 ]
	run ! grep -q '"file":"[^"]*/sh"' "$HOME"/.local/state/agentjail/audit/*.jsonl
	output=$("$agentjail" -q toy 'sh -c "readlink /proc/self/ns/net; :"')
	has_not "$(readlink /proc/self/ns/net)"
	grep -q '"file":"[^"]*/sh"' "$HOME"/.local/state/agentjail/audit/*.jsonl
}

@test "what the agent keeps is there for its commands too; split keeps it apart" {
	own='cat ~/.toy/login; echo "key $TOY_KEY"; tr "\0" "\n" </proc/$PPID/environ | grep TOY_KEY'
	output=$(shared toy "sh -c '$own; echo new >~/.toy/new; echo worse >~/.toy/hooks/start'" 2>/dev/null) || true
	has toy-login
	has "key toy-key-0123456789"
	has "TOY_KEY=toy-key-0123456789"
	[ "$(cat "$HOME/.toy/new")" = new ]
	[ "$(cat "$HOME/.toy/hooks/start")" = 'a hook' ]
	output=$("$agentjail" -q toy "sh -c '$own; :'" 2>&1 </dev/null)
	has_not toy-login
	has_not toy-key
}

@test "what is hidden from a cell is hidden from the agent in it" {
	# Positive control: without a boundary the same words find all of it.
	words='cat ~/.ssh/id_rsa .env; echo "$OTHER_TOKEN"; cat ~/work/notes'
	output=$("$agentjail" --mode none toy "$words")
	for text in ssh-secret env-secret other-01 other-project; do has $text; done
	output=$(shared toy "$words" 2>/dev/null) || true
	for text in ssh-secret env-secret other-01 other-project; do has_not $text; done
}

@test "a secret that comes during the session is hidden from the next command" {
	shared toy 'touch up; while [ ! -e .env.local ] && [ ! -e stop ]; do sleep 0.05; done; :; while [ ! -e stop ]; do sleep 0.05; done; sh -c "cat .env.local"' \
		>"$root/out" 2>&1 3>&- &
	pid=$!
	for _ in $(seq 200); do [ ! -e up ] || break; sleep 0.05; done
	echo late-secret >.env.local
	sleep 0.5
	touch stop
	wait $pid || true
	run ! grep late-secret "$root/out"
	grep -q 'No such file' "$root/out"
}

@test "what is protected cannot be changed" {
	git init -q .
	run shared toy 'echo x >.git/hooks/post-checkout'
	[ "$status" != 0 ]
	[ ! -e .git/hooks/post-checkout ]
}

@test "the agent's package is shown in a closed HOME, and its name is on PATH" {
	output=$(shared toy 'cat ~/apps/node_modules/toy/lib/part; command -v toy; toy "echo again"')
	has 'part of the package'
	has "$HOME/bin/toy"
	has again
	# A script in a directory of work opens that directory to nobody.
	cp "$HOME/apps/node_modules/toy/toy" "$HOME/work/toy"
	output=$(shared "$HOME/work/toy" 'cat ~/work/notes; ls ~/work' 2>/dev/null)
	[ "$output" = toy ]
	# A link to the package from such a directory finds the package.
	printf '#!/bin/bash\ncat "$(dirname "$(realpath "$0")")/lib/part"\n' >"$HOME/apps/node_modules/toy/part"
	chmod +x "$HOME/apps/node_modules/toy/part"
	ln -s ../apps/node_modules/toy/part "$HOME/work/part"
	output=$(shared "$HOME/work/part")
	[ "$output" = 'part of the package' ]
	cp "$HOME/apps/node_modules/toy/toy" ./local
	output=$(shared ./local 'echo from the project')
	[ "$output" = 'from the project' ]
	echo x >"$HOME/apps/node_modules/toy/lib/part"
	run shared toy 'echo y >~/apps/node_modules/toy/lib/part'
	[ "$(cat "$HOME/apps/node_modules/toy/lib/part")" = x ]
}

@test "named hosts of [agent] egress are allowed in the cell, others and * are not" {
	python3 -u -m http.server 0 --bind 127.0.0.1 >"$root/server" 2>&1 3>&- &
	server=$!
	for _ in $(seq 100); do grep -q 'port [0-9]' "$root/server" 2>/dev/null && break; sleep 0.05; done
	port=$(sed -n 's/.*port \([0-9]*\).*/\1/p' "$root/server")
	[ -n "$port" ]
	get="curl -s -m 5 -o /dev/null -w %{http_code} http://127.0.0.1:$port/"
	run shared toy "$get"
	[ "$output" = 000 ]
	profile '[agent]' "egress = localhost:$port *"
	run shared toy "$get"
	[ "$output" = 200 ]
	run shared toy "curl -sS -m 5 http://evil.test/"
	has 'connect evil.test:80 denied by [egress]'
	kill $server
}

@test "in split a list without * is refused, not ignored" {
	profile '[agent]' 'egress = !* api.toy.test'
	fails 125 'without * is not supported yet' "$agentjail" toy true
	run shared toy 'exit 3'
	[ "$status" = 3 ]
}

@test "the secret of a rule is a fake for the agent too" {
	profile '[agent]' 'keep-env = TOY_*' '[inject toy]' 'host = api.toy.test' \
		'header = X-Key: {secret}' 'secret = env:TOY_KEY' 'env = TOY_KEY'
	output=$(shared toy 'echo "<$TOY_KEY>"; cat /proc/[0-9]*/environ' | tr '\0' '\n')
	has '<'
	has_not '<>'
	has_not toy-key-0123456789
}

@test "one line says what this mode gives up, and -q keeps quiet" {
	said toy true
	[ "$(wc -l <"$root/err")" = 1 ]
	grep -q '^agentjail: mode shared: .*open to each' "$root/err"
	output=$(shared toy true 2>&1)
	[ -z "$output" ]
}

@test "--explain has what the agent keeps among the files of the cell" {
	works "$agentjail" --explain -q --mode shared toy
	has 'mode     shared: the agent and what it starts in one cell'
	has "write = $HOME/.toy "
	has 'allow = api.toy.test '
	has_not 'of the agent alone'
	works "$agentjail" --explain -q toy
	has_not "write = $HOME/.toy "
	has 'files of the agent alone'
}

@test "descriptors are the agent's own, a directory is refused" {
	output=$(echo in | "$agentjail" -q --mode shared toy 'cat; echo err >&2' 2>"$root/err")
	[ "$output" = in ]
	[ "$(cat "$root/err")" = err ]
	fails 125 'would lead out of the cell' sh -c '"$1" -q --mode shared toy true <"$2"' - "$agentjail" "$HOME/work"
}

@test "run --mode shared is a command with the agent's own" {
	output=$("$agentjail" run -q --mode shared -p toy -- sh -c 'cat ~/.toy/login' </dev/null)
	[ "$output" = toy-login ]
	run "$agentjail" run -q -p toy -- sh -c 'cat ~/.toy/login'
	has_not toy-login
}
