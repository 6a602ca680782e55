#!/usr/bin/env bats
# Proves: `try` answers as a session would, names the line that decides, and every remedy that it
# prints turns the answer into its opposite.
load lib.bash
setup() {
	new_home
	cat >"$config/agentjail.ini" <<-EOT
		[files]
		hide = ~/project/own "~/two words"
		protect = ./keep
		[egress]
		allow = *.good.test
		deny = bad.good.test
		[inject api]
		host = api.rule.test
		method = GET
		path = /ok/*
		header = Authorization: Bearer {secret}
		secret = env:FAKE_TOKEN
		[tool answer]
		command = /bin/echo 42
	EOT
}

# allows TEXT ACTION...: status 0 and the text
allows() {
	local text=$1
	shift
	works "$agentjail" try "$@"
	has "$text"
}

# denies TEXT ACTION...: status 1, the text, and the remedy (if there is one) allows it.
denies() {
	local text=$1
	shift
	run --separate-stderr "$agentjail" try "$@"
	[ "$status" = 1 ] || { echo "status $status: $output" && return 1; }
	has "$text"
	remedy=$(sed -n 's/.*one session: //p' <<<"$output")
	[ -n "$remedy" ] || return 0
	has "risk "
	eval "\"\$agentjail\" try $remedy \"\$@\"" >"$root/again" ||
		{ echo "does not help: $remedy" && cat "$root/again" && return 1; }
	# In the user's file the lines do the same.
	cp "$config/agentjail.ini" "$root/before"
	sed -n '/for good/,/risk/s/^             //p' <<<"$output" >>"$config/agentjail.ini"
	"$agentjail" try "$@" >"$root/again" || { cat "$root/again" && return 1; }
	cp "$root/before" "$config/agentjail.ini"
}

@test "files: what is shown, hidden, protected and absent" {
	allows "the real file, writable" write new/file
	allows "$config/agentjail.ini:3" read keep/x
	denies "hide = .env" read .env
	denies "hide = .env" read sub/.env
	denies "protected" write keep/x
	denies "[files] hide = $HOME/.ssh" read "$HOME/.ssh/id_rsa"
	denies "HOME is closed" read "$HOME/other"
	denies "HOME is closed" write "$HOME/other"
	denies "$config/agentjail.ini:2" read own
	denies "$config/agentjail.ini:2" read "$HOME/two words/x y"
	denies "nothing shows it" read /root-of-nothing
}

@test "a link is what it leads to" {
	mkdir "$HOME/.ssh" && echo key >"$HOME/.ssh/id"
	ln -s "$HOME/.ssh/id" innocent
	denies "$HOME/.ssh/id: denied" read innocent
}

@test "hosts: names, ports, addresses" {
	allows "[egress] allow = *.good.test" connect a.good.test
	denies "deny = bad.good.test" connect bad.good.test
	denies "no line of [egress] allow" connect evil.test
	denies "no line of [egress] allow" connect a.good.test:22
	denies "this very address" connect 10.1.2.3:5432
	denies "this very address" connect '[fd00::1]:80'
	denies "no line" connect localhost:5432
	allows "by an [inject] rule" connect api.rule.test
	fails 125 "a port is a number" "$agentjail" try connect host:99999
	fails 125 "neither a host's name" "$agentjail" try connect 'a b'
}

@test "requests: rules, methods, paths, hosts without rules" {
	allows "[inject api] host = api.rule.test" inject GET https://api.rule.test/ok/1
	denies "no rule of this host" inject POST https://api.rule.test/ok/1
	denies "no rule of this host" inject GET https://api.rule.test/else
	denies "no rule of this host" inject DELETE https://api.rule.test/else
	denies "never served" inject TRACE https://api.rule.test/ok/1
	denies "no line of [egress] allow" inject GET https://evil.test/
	allows "without a secret" inject GET https://a.good.test/x
	fails 125 "no rule serves such a path" "$agentjail" try inject GET https://api.rule.test/ok/../x
	fails 125 "write METHOD and https" "$agentjail" try inject GET api.rule.test
}

@test "commands and tools; options of theirs are not ours" {
	allows "allowed, in the cell" exec ls --json -p
	allows "allowed, in the cell" exec -- ls
	fails 125 "not found" "$agentjail" try exec no-such-program
	allows "[tool answer] command = /bin/echo 42" tool answer
	denies "takes no arguments" tool answer --json
	denies "there is no tool" tool other
}

@test "-p is the agent: its program stays in its context" {
	mkdir "$HOME/bin"
	printf '#!/bin/sh\n' >"$HOME/bin/some-agent" && chmod +x "$HOME/bin/some-agent"
	printf '[agent]\ntrusted = {agent} --again\n[files]\nread = ~/bin\n' \
		>"$config/profiles/some-agent.ini"
	PATH=$HOME/bin:$PATH
	allows "in the agent's context" -p some-agent exec some-agent --again
	allows "in the cell" -p some-agent exec some-agent --other
}

@test "what no line of the user's can change is said" {
	printf '[files]\nhide = ./mine\n' >.agentjail.ini
	denies "delete the line that decides" read mine
	[ -z "$remedy" ]
}

@test "--json is JSON, also with odd bytes" {
	run --separate-stderr "$agentjail" try --json read $'odd\e"\xff'
	[ "$status" = 0 ]
	run --separate-stderr "$agentjail" try read .env --json
	[ "$status" = 1 ]
	python3 -c 'import json, sys
a = json.load(sys.stdin)
assert a["allowed"] is False and a["verdict"] == "denied" and a["key"] == "hide" and a["line"] > 0
assert a["remedy"]["lines"][0]["section"] == "files" and a["remedy"]["risk"]' <<<"$output"
}

@test "wrong words name the nearest right ones" {
	fails 125 "did you mean connect?" "$agentjail" try conect a.test
	fails 125 "no action xyzzy" "$agentjail" try xyzzy a
	fails 125 "write ACTION TARGET" "$agentjail" try
	fails 125 "write read PATH" "$agentjail" try read
	fails 125 "write inject METHOD URL" "$agentjail" try inject GET
	fails 125 "write connect HOST" "$agentjail" try connect a.test b.test
}

@test "control characters of the target do not reach the terminal" {
	run "$agentjail" try read $'/x\e[31m\xc2\x9b'
	has_not $'\e'
	has '\x1b[31m\xc2\x9b'
}

@test "files: what git has is shown in spite of its name, until it is changed or its path is named" {
	git init -q && git config user.email a@b.test && git config user.name n
	echo A=1 >.env.test && echo 'use x' >.envrc && echo S=1 >.env && git add -f .env.test .envrc && git commit -qm 1
	allows "git has its content" read .env.test
	allows "git has its content" write .env.test
	allows "git has its content" read .envrc
	denies "hide = .envrc" write .envrc
	denies "hide = .env" read .env
	denies "hide" --hide .env.test read .env.test
	echo B=1 >>.env.test
	denies "hide = .env.*" read .env.test
}
