#!/usr/bin/env bats
# Proves: rules are asked for by name, shown with their origins and never with a secret; what is wrong
# with one is one line with file, line and remedy, and nothing is run; the rules that come along are valid,
# and each of their lines has its reason.
load lib.bash
setup() { new_home; }

own() { printf '%b' "$1" >"$config/agentjail.ini"; }

@test "the rules that come along are valid and go together" {
	all=()
	for file in "$top"/profiles/inject/*.ini; do
		name=${file##*/}
		works "$agentjail" check "$file"
		has "[inject ${name%.ini}]"
		works "$agentjail" show --inject "${name%.ini}"
		all+=(--inject "${name%.ini}")
	done
	works "$agentjail" show "${all[@]}"
	has "[inject github]"
	has "[inject aws]"
}

@test "every line of the rules that come along has its reason above it" {
	for file in "$top"/profiles/inject/*.ini; do
		awk -v file="$file" '
			/^#/ { reason = 1; next }
			/^$/ || /^\[/ { reason = 0; next }
			{ line = $0; if (seen[line]++) { reason = 0; next } } # said once a file
			!reason { print file ": no reason: " $0; bad = 1 }
			{ reason = 0 }
			END { exit bad }' "$file"
		# The manual and the completions know it.
		name=${file##*/}
		grep -q "[ ,]${name%.ini}\b" "$top/agentjail.1"
	done
}

@test "package registries are named by wildcard in the rules" {
	run grep -hE '^host' "$top"/profiles/inject/{npm,pypi,crates,docker}.ini
	[ "$(grep -c '= \*' <<<"$output")" = 4 ]
}

# blocks FILE START END: the literal blocks that have a section, a file each, in $root/blocks
blocks() {
	mkdir -p "$root/blocks"
	awk -v start="$2" -v end="$3" -v to="$root/blocks/${1##*/}" '
		$0 ~ end { on = 0 }
		on && /^\[/ && !begun { begun = 1; file = to "." ++n }
		on { print > file }
		$0 ~ start { on = 1; begun = 1; file = to "." ++n }' "$1"
}

@test "the examples of README.md and the manual page are valid" {
	blocks "$top/README.md" '^```ini' '^```$'
	blocks "$top/agentjail.1" '^.Bd -literal' '^.Ed'
	[ "$(grep -l '^\[inject' "$root"/blocks/* | wc -l)" -ge 3 ]
	grep -L '^\[' "$root"/blocks/* | xargs -r rm # commands, not profiles
	chmod 644 "$root"/blocks/*
	works "$agentjail" check "$root"/blocks/*
	for file in "$root"/blocks/*; do
		cp "$file" "$config/agentjail.ini"
		works "$agentjail" show
	done
}

@test "a rule is shown with its origins" {
	own '[inject acme]\nhost = api.acme.test\nmethod = GET\nheader = Authorization: Bearer {secret}\nsecret = env:ACME\n'
	works "$agentjail" show
	has "[inject acme]"
	[[ $output =~ "header = Authorization: Bearer {secret}"\ +"$config/agentjail.ini:4" ]]
	[[ $output =~ "port = 443"\ +"(built-in)" ]]
	works "$agentjail" -q --explain sh
	has "secrets put into requests"
	has "host = api.acme.test"
	works "$agentjail" show --json
	python3 -c 'import json, sys
rule = json.load(sys.stdin)["rules"][0]
assert rule["name"] == "acme"
assert {"key": "secret", "value": "env:ACME", "file": sys.argv[1], "line": 5} in rule["items"]' \
		"$config/agentjail.ini" <<<"$output"
}

@test "no secret is shown, not even one that stands in the wrong place" {
	own '[inject a]\nhost = a.test\nheader = X-Odd: hunter2\nquery = k=hunter2\nheader = A: {secret}\nsecret = command:/bin/echo hunter2\n'
	export A_TOKEN=hunter2
	for how in "show" "show --json" "-q --explain sh" "check $config/agentjail.ini"; do
		# shellcheck disable=SC2086
		works "$agentjail" $how
		has "X-Odd"
		has "command:/bin/echo ..."
		has_not hunter2
	done
	own '[inject a]\nhost = a.test\nsecret = hunter2\n'
	fails 125 "a secret is named, not written" "$agentjail" show
	run cat "$root/err"
	has_not hunter2
	fails 125 "never a secret" "$agentjail" show --inject 'a=hunter2'
	run cat "$root/err"
	has_not hunter2
}

@test "--env does not hand on what a rule keeps back" {
	export GITHUB_TOKEN=hunter2
	fails 125 "--env GITHUB_TOKEN would show commands the secret of [inject github-read]" \
		"$agentjail" --inject github-read --env GITHUB_TOKEN run -- true
	works "$agentjail" -q --explain --inject github-read --env GITHUB_TOKEN=other sh
	works "$agentjail" -q --explain --env GITHUB_TOKEN sh
}

@test "a rule is switched on by name, and a misspelt name is told the nearest" {
	works "$agentjail" show
	has_not "[inject github"
	works "$agentjail" show --inject github-read
	[[ $output =~ "secret = env:GITHUB_TOKEN"\ +"$top/profiles/inject/github-read.ini:" ]]
	fails 125 "--inject gihub: there is no such rule or preset; did you mean 'github'?" "$agentjail" --inject gihub true
	fails 125 "--inject needs RULE" "$agentjail" --inject
	fails 125 "is no name" "$agentjail" --inject ../default true
	fails 125 "a rule's name is needed" "$agentjail" --inject= true
}

@test "a rule of one's own by that name is the rule" {
	own '[inject npm]\nhost = npm.acme.test\nheader = Authorization: Bearer {secret}\nsecret = env:ACME\n'
	works "$agentjail" show --inject npm
	has "host = npm.acme.test"
	[ "$(grep -c '^\[inject' <<<"$output")" = 1 ]
	[[ $output =~ "method = *"\ +"(built-in)" ]]
}

@test "a rule of one's own file is for --inject and inherit" {
	mkdir "$config/profiles/inject"
	printf '[inject acme]\nhost = acme.test\nremove = Cookie\n' >"$config/profiles/inject/acme.ini"
	works "$agentjail" show --inject acme
	has "host = acme.test"
	own '[profile]\ninherit = inject/acme inject/openai\n[inject openai]\nsecret = command:pass show openai\n'
	works "$agentjail" show
	has "host = acme.test"
	has "secret = command:pass ..."
	works "$agentjail" show --set 'inject openai.secret=env:OTHER'
	[[ $output =~ "secret = env:OTHER"\ +"(command line)" ]]
}

@test "check knows that a rule may be half of one" {
	printf '[profile]\ninherit = inject/openai\n[inject openai]\nhost = api.acme.test\nttl = 5m\n' >half.ini
	works "$agentjail" check half.ini
	printf '[inject openai]\nsecret = env:X\n' >half.ini
	works "$agentjail" check half.ini
	printf '[inject openai]\nhost = api.acme.test\n' >whole.ini
	fails 125 "does nothing" "$agentjail" check whole.ini
}

@test "what is wrong with a rule is one line, and nothing is run" {
	while IFS='|' read -r profile text; do
		own "$profile"
		fails 125 "$text" "$agentjail" sh -c "touch $root/was-run"
	done <<-'LIST'
		[inject a]\nhots = a.test\n|:2: unknown key 'hots' in [inject]; did you mean 'host'?
		[inject a]\nhost = *\n|:2: [inject a] host: '*' would give the secret to every host
		[inject a]\nhost = a.test\n|:1: [inject a] does nothing
		[inject a]\nhost = a.test\nheader = A: {secret}\n|:1: [inject a] has no secret
		[inject a]\nhost = a.test\nheader = Host: b\n|:3: [inject a] header: host frames
		[inject a]\nhost = a.test\nremove = B\n[inject b]\nhost = a.test\nremove = C\n|:4: [inject b] is never reached: [inject a]
		[inject a]\nhost = a.test\nca = ./ca.pem\n|is no file; write an absolute path
		[inject a]\nhost = a.test\nca = ~/project/ca.pem\n|ca: file
		[inject github]\nhost = api.github.com\nremove = B\n[profile]\ninherit = inject/github-read\n|
	LIST
	[ ! -e "$root/was-run" ]
}

@test "a rule that commands could turn is refused" {
	own '[inject a]\nhost = a.test\nheader = A: {secret}\nsecret = file:~/project/token\n'
	fails 125 "can be written by commands" "$agentjail" show
	own '[inject a]\nhost = a.test\nheader = A: {secret}\nsecret = file:~/token\n'
	works "$agentjail" show
	ln -s project/token "$HOME/token" && touch token
	fails 125 "can be written by commands" "$agentjail" show
}

@test "what is doubtful is a warning" {
	own '[inject a]\nhost = *.github.io\nheader = A: {secret}\nsecret = env:T\n'
	run --separate-stderr "$agentjail" show
	[ "$status" = 0 ]
	[ "${#stderr_lines[@]}" = 1 ]
	[[ ${stderr_lines[0]} == *"agentjail.ini:2: [inject a] gives the secret to every customer"* ]]
	run --separate-stderr "$agentjail" check "$config/agentjail.ini"
	[ "$status" = 0 ] && [ "${#stderr_lines[@]}" = 1 ]
}

@test "an untrusted project's profile adds no rule" {
	own '[inject a]\nhost = a.test\nremove = Cookie\n'
	printf '[inject a]\nhost = evil.test\n[inject b]\nhost = evil.test\nremove = A\n' >.agentjail.ini
	run --separate-stderr "$agentjail" show
	[ "$status" = 0 ]
	has "host = a.test"
	has_not evil.test
	[[ ${stderr_lines[0]} == *".agentjail.ini:2: 3 lines skipped"* ]]
}
