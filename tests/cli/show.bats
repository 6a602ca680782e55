#!/usr/bin/env bats
# Proves: `show` and --explain tell the effective policy, each line with its origin, and --json is
# JSON whatever the values are.
load lib.bash
setup() { new_home; }

@test "each line has the file and line that it came from" {
	printf '[files]\nhide = ~/mine ~/also-mine\n' >"$config/agentjail.ini"
	works "$agentjail" show
	has "hide = $HOME/mine "
	[[ $output =~ "$HOME/also-mine"\ +"$config/agentjail.ini:2" ]]
	[[ $output =~ "isolation = session"\ +"(built-in)" ]]
}

@test "the command line is a layer of its own" {
	works "$agentjail" show --allow example.com:8443 --set sandbox.home=open
	[[ $output =~ "allow = example.com:8443"\ +"(command line)" ]]
	[[ $output =~ "home = open"\ +"(command line)" ]]
}

@test "an entry that a later layer takes away is not shown" {
	printf '[egress]\nallow = one.example two.example\n' >"$config/agentjail.ini"
	works "$agentjail" show --allow '!one.example'
	has "two.example"
	has_not "one.example"
}

@test "an agent's profile is shown for that agent alone" {
	printf '[files]\nhide = ~/of-the-agent\n' >"$config/profiles/some-agent.ini"
	works "$agentjail" show some-agent
	has "$HOME/of-the-agent"
	works "$agentjail" show
	has_not "$HOME/of-the-agent"
}

@test "an untrusted project's profile can tighten and not loosen" {
	printf '[files]\nhide = ./secret-dir\nwrite = ~/elsewhere\n' >.agentjail.ini
	run --separate-stderr "$agentjail" show
	[ "$status" = 0 ]
	has "$project/secret-dir"
	has_not "$HOME/elsewhere"
	[ "${#stderr_lines[@]}" = 1 ]
}

@test "--json is JSON, also with odd bytes in names" {
	fails 125 "a quote" "$agentjail" show --hide "a\"b"
	works "$agentjail" show --json --hide $'a\xff c\\d'
	python3 -c 'import json, sys
plan = json.load(sys.stdin)
assert any(i["key"] == "files.hide" and i["file"] == "(command line)" for i in plan["items"])
assert plan["project"] == sys.argv[1] and plan["agent"] is None' "$project" <<<"$output"
}

@test "what is shown and hidden here is told by path, with reason and line" {
	mkdir -p "$HOME/.ssh" "$HOME/.npm" "$HOME/.cache/pip" "$HOME/.nvm" "$HOME/.unheard-of"
	touch "$HOME/.npmrc" "$HOME/.gitignore"
	works "$agentjail" show
	for line in "hide .*/.ssh +hidden +.*default.ini:[0-9]+$" "cache .*/.npm +a copy that is kept .*default.ini:" \
		"read .*/.nvm +the real file, read-only .*default.ini:" "redact .*/.npmrc +a read-only copy " \
		"absent .*/home +HOME is closed" "write .*/home/project +the real file, writable"; do
		grep -qE "^  ${line/ / +}" <<<"$output"
	done
	has_not .unheard-of
	works "$agentjail" show --json
	python3 -c 'import json, sys
files = {f["path"]: f for f in json.load(sys.stdin)["files"]}
assert files[sys.argv[1] + "/.ssh"]["kind"] == "hide" and files[sys.argv[1] + "/.ssh"]["key"] == "files.hide"
assert sys.argv[1] + "/.rustup" not in files' "$HOME" <<<"$output"
	works "$agentjail" -q --explain --read ~/.unheard-of sh
	grep -qE "^  read +$HOME/.unheard-of +.*command line" <<<"$output"
}

@test "control characters of a profile do not reach the terminal" {
	mkdir $'esc\e[31m' && cd $'esc\e[31m'
	works "$agentjail" show
	has_not $'\e'
}

@test "--explain prints the plan and runs nothing" {
	works "$agentjail" -q --explain --env TOKEN=hunter2 sh -c "touch $root/was-run"
	[ ! -e "$root/was-run" ]
	has "mode     split"
	has "program  /"
	has "project  $project"
	has "profile layers"
	has "files of a cell"
	has "variables of a cell"
	has "--env TOKEN (with a value)"
	has_not hunter2
	has "hosts"
}

@test "--explain writes nothing below HOME" {
	works "$agentjail" -q --explain sh
	[ ! -e "$HOME/.local" ] && [ ! -e "$HOME/.cache" ]
}
