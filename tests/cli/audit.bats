#!/usr/bin/env bats
# Proves: `log` lists and prints sessions, finds what was changed in an audit, and lets nothing that
# a command wrote reach the terminal as it is; a denial can be followed from its line on stderr
# through `why` to a line of profile that `try` accepts; `status` knows which sessions run.
load lib.bash
setup() { new_home; }

teardown() {
	[ -z "${session:-}" ] || kill "$session" 2>/dev/null || true
}

audit() { printf '%s\n' "$HOME/.local/state/agentjail/audit"/*.jsonl; }

# A session of one command, whatever it does.
run_one() { "$agentjail" -q run -- "$@" >"$root/ran" 2>&1 </dev/null || true; }

# An audit with a good chain, made of the lines on standard input (without prev and its brace).
chain() {
	python3 -c 'import hashlib, sys
prev = "0" * 64
for line in sys.stdin.buffer.read().split(b"\n")[:-1]:
    line += b",\"prev\":\"" + prev.encode() + b"\"}"
    prev = hashlib.sha256(line).hexdigest()
    sys.stdout.buffer.write(line + b"\n")' >"$1"
}

# What runs without a terminal must be as clean as on one.
is_clean() { # FILE: printable ASCII and line ends alone
	if LC_ALL=C grep -nP '[^\x20-\x7e]' "$1"; then return 1; fi
}

@test "without a session there is an empty list, and last is an error" {
	works "$agentjail" log
	[ -z "$output" ]
	fails 125 "there is no session yet" "$agentjail" log last
	fails 125 "one SESSION at most" "$agentjail" log a b
}

@test "log lists the sessions, newest first, and prints one" {
	run_one true
	run_one sh -c 'exit 3'
	works "$agentjail" log
	[ "$(wc -l <<<"$output")" = 3 ]
	[[ $(sed -n 2p <<<"$output") = *"exit 3"*"sh -c 'exit 3'"*"$project" ]]
	[[ $(sed -n 3p <<<"$output") = *"exit 0"*"  true  $project" ]]
	id=$(sed -n 3p <<<"$output" | cut -d ' ' -f 1)
	works "$agentjail" log "$id"
	has "session             true  in $project  mode run"
	has "exec        cell    #1 true  in $project"
	has "end                 status 0"
	whole=$output
	works "$agentjail" log "$HOME/.local/state/agentjail/audit/$id.jsonl"
	[ "$output" = "$whole" ]
	works "$agentjail" log last
	has "exit 3"
	fails 125 "2 sessions begin with 2" "$agentjail" log 2
	fails 125 "no session begins with 1999" "$agentjail" log 1999
	fails 125 "did you mean agentjail log?" "$agentjail" lgo
}

@test "--json prints the records as they are stored, and the list as JSON" {
	run_one true
	works "$agentjail" log last --json
	[ "$output" = "$(cat "$(audit)")" ]
	works "$agentjail" log --json
	python3 -c 'import json, sys
s = json.load(sys.stdin)
assert s["argv"] == ["true"] and s["state"] == "ended" and s["status"] == 0
assert s["commands"] == 1 and s["denials"] == 0 and s["project"] == sys.argv[1]' "$project" <<<"$output"
}

@test "--verify says which record was changed, taken out, put in or cut" {
	run_one true
	file=$(audit)
	works "$agentjail" log last --verify
	has "each follows the one before"
	cp "$file" "$root/good"
	n=$(wc -l <"$file")
	for change in '2s/"event"/"evenT"/' 2d 2p 1d; do
		sed "$change" "$root/good" >"$file"
		run "$agentjail" log last --verify
		[ "$status" = 1 ]
		[[ $output =~ ^"$file":[123]:\  ]]
	done
	# Nothing follows the last record: it is vouched for by the hash that is printed alone.
	works "$agentjail" log "$root/good" --verify
	hash=${output##* }
	sed "\$s/\"end\"/\"enD\"/" "$root/good" >"$file"
	works "$agentjail" log last --verify
	has_not "$hash"
	head -c -5 "$root/good" >"$file"
	run "$agentjail" log last --verify
	[ "$status" = 1 ]
	has "$file:$n: is cut off"
	printf 'no json\n' >"$file"
	run "$agentjail" log last --verify
	[ "$status" = 1 ]
	has "$file:1: is no record"
	: >"$file"
	run "$agentjail" log last --verify
	[ "$status" = 1 ]
	has "has no record"
}

@test "nothing that a command wrote reaches the terminal" {
	evil=$'a\e]0;owned\a\nagentjail: fine \xc2\x9b31m\xe2\x80\xae'
	mkdir "$evil"
	(cd "$evil" && run_one printf '%s' "$evil"$'\xff')
	# The positive control: the audit has the escape, and JSON passes U+009B and U+202E on.
	grep -q '\\u001b' "$(audit)"
	LC_ALL=C grep -qP '\xc2\x9b' "$(audit)"
	"$agentjail" log >"$root/list"
	"$agentjail" log last >"$root/text"
	script -qec "$agentjail log last --json" /dev/null </dev/null | tr -d '\r' >"$root/json"
	(cd "$evil" && "$agentjail" why 3) >"$root/why"
	for file in list text json why; do is_clean "$root/$file"; done
	grep -qF 'a\x1b]0;owned\x07\x0a' "$root/text"
	python3 -c 'import json, sys
for shown, stored in zip(open(sys.argv[1]), open(sys.argv[2])):
    assert json.loads(shown) == json.loads(stored)' "$root/json" "$(audit)"
}

@test "records of other hands are escaped too, and none of them is believed" {
	chain "$root/x.jsonl" <<-'EOT'
		{"id":1,"time":"2026-01-31T10:00:00.000Z","event":"session","mode":"run","argv":["x"],"project":"/p"
		{"id":2,"time":"\u001b[31m","event":"\u001b]0;x\u0007","\u001b[1m":"\u009b1m"
		{"id":3,"time":"2026-01-31T10:00:00.000Z","event":"connect","decision":"\u001b[7mdeny","host":"\u001b[5mevil","port":70000,"reason":"\ud83d\ude00 \ud800 \u0000"
		{"id":4,"time":"2026-01-31T10:00:00.000Z","event":"masks","paths":[{"path":"\u001b[31m"},[[]]]
	EOT
	printf '\033[31mno json\n{"id":5,"a":1e5}\n{"id":6' >>"$root/x.jsonl"
	"$agentjail" log "$root/x.jsonl" >"$root/text"
	is_clean "$root/text"
	grep -qF 'line 5 is no record: \x1b[31mno json' "$root/text"
	[ "$(wc -l <"$root/text")" = 6 ]
	fails 125 "is no regular file" "$agentjail" log /dev/null
	fails 125 "No such file" "$agentjail" log ./nothing
}

@test "--denied prints denials alone" {
	chain "$root/x.jsonl" <<-'EOT'
		{"id":1,"time":"2026-01-31T10:00:00.000Z","event":"session","mode":"run","argv":["x"],"project":"/p"
		{"id":2,"time":"2026-01-31T10:00:01.500Z","event":"connect","decision":"allow","host":"a.test","port":443
		{"id":3,"time":"2026-01-31T10:00:02.500Z","event":"connect","decision":"deny","host":"b.test","port":8443,"reason":"because"
	EOT
	works "$agentjail" log "$root/x.jsonl" --denied
	[ "$(wc -l <<<"$output")" = 1 ]
	has "connect     deny    b.test:8443: because"
}

@test "a denial leads from its line to why, and from there to a line that allows it" {
	command -v curl >/dev/null || skip "no curl"
	"$agentjail" run -- curl -sS https://denied.test/ >"$root/out" 2>"$root/err" </dev/null && false
	line=$(grep '^agentjail: connect denied.test:443 denied by \[egress\]' "$root/err")
	id=${line##* }
	run "$agentjail" try connect denied.test
	[ "$status" = 1 ]
	works "$agentjail" why "$id"
	has "connect denied.test:443: denied"
	has "curl -sS https://denied.test/"
	has "in $project"
	has "no line of [egress] allow"
	has "risk "
	has "one session: --allow denied.test"
	# The lines as they are printed go into the file that is named.
	file=$(sed -n 's/.*for good, in \(.*\):$/\1/p' <<<"$output")
	[ "$file" = "$config/agentjail.ini" ]
	sed -n '/for good/,/risk/s/^             //p' <<<"$output" >>"$file"
	works "$agentjail" try connect denied.test
	has "connect denied.test:443: allowed"
	has "$file:2"
	works "$agentjail" why "$id"
	has "now      allowed"
	works "$agentjail" why denied.test
	has "record   $id of session"
	pid=$(sed -n 's/^  process  //p' <<<"$output")
	works "$agentjail" why "$pid"
	has "record   $id of session"
}

@test "a denied request is explained with the rule, and with method and path" {
	command -v curl >/dev/null || skip "no curl"
	printf '%s\n' "[inject api]" "host = api.rule.test" "method = GET" "path = /ok/*" \
		"header = Authorization: Bearer {secret}" "secret = env:FAKE_TOKEN" >"$config/agentjail.ini"
	export FAKE_TOKEN=not-a-secret
	"$agentjail" run -- curl -sS -X POST https://api.rule.test/ok/1 >"$root/out" 2>"$root/err" </dev/null
	id=$(sed -n 's/.*see: agentjail why //p' "$root/err")
	works "$agentjail" why "$id"
	has "request POST https://api.rule.test/ok/1: denied"
	has "[inject api]"
	has "method = POST"
	has_not "path = "
	has "--set 'inject api.method=POST'"
	works "$agentjail" try --set 'inject api.method=POST' inject POST https://api.rule.test/ok/1
	has "a rule matches"
}

@test "a denial in a run of a tool is found and names the tool's section" {
	command -v curl >/dev/null || skip "no curl"
	printf '[tool answer]\ncommand = /usr/bin/env curl -sS https://denied.test/\n' >"$config/agentjail.ini"
	"$agentjail" run -- sh -c 'answer; true' >"$root/out" 2>"$root/err" </dev/null
	id=$(sed -n 's/.*denied.test:443 denied.*see: agentjail why //p' "$root/err")
	works "$agentjail" why "$id"
	has "connect denied.test:443: denied"
	has "[tool answer]
             egress = denied.test"
	works "$agentjail" log
	[ "$(wc -l <<<"$output")" = 3 ]
	sed -n '/\[tool/,/egress/s/^             //p' <("$agentjail" why "$id") >>"$config/agentjail.ini"
	"$agentjail" run -- sh -c 'answer; true' >"$root/out" 2>"$root/err" </dev/null
	works "$agentjail" log --denied
	[ -z "$output" ]
}

@test "why explains commands, hosts and files, and names what there is not" {
	run_one sh -c 'true "two words"'
	echo x >.env
	works "$agentjail" why 3
	has "exec /"
	has "ran in the cell"
	has "'true \"two words\"'"
	works "$agentjail" why .env
	has "read $project/.env: denied"
	has "hide = .env"
	has "lets them use a secret without seeing it"
	works "$agentjail" why nobody-asked.test
	has "no command has tried"
	fails 125 "no session of this project has a record or process 4711" "$agentjail" why 4711
	fails 125 "no record and no process 4711" "$agentjail" why --session last 4711
	fails 125 "one ID, HOST, FILE or PID" "$agentjail" why
	fails 125 "neither a host's name nor an address" "$agentjail" why 'what?'
	mkdir -p "$HOME/other" && cd "$HOME/other"
	fails 125 "no session of this project has" "$agentjail" why 3
	works "$agentjail" why --session last 3
	has "ran in the cell"
}

@test "why takes a number of the session before when the newest has no denial of it" {
	command -v curl >/dev/null || skip "no curl"
	"$agentjail" run -- curl -sS https://denied.test/ >"$root/out" 2>"$root/err" </dev/null && false
	id=$(sed -n 's/.*see: agentjail why //p' "$root/err")
	run_one sh -c 'true; true; true'
	works "$agentjail" why "$id"
	has "connect denied.test:443: denied"
}

@test "status shows the sessions that run, and a killed one is cut off" {
	works "$agentjail" status
	[ "$output" = "no session runs" ]
	works "$agentjail" status --json
	[ "$output" = '{"sessions": []}' ]
	"$agentjail" -q run -- sh -c 'touch here; sleep 60' >/dev/null 2>&1 </dev/null 3>&- &
	session=$!
	for _ in $(seq 100); do
		[ ! -e here ] || break
		sleep 0.1
	done
	works "$agentjail" status
	has "running"
	has "sleep 60"
	works "$agentjail" status --json
	python3 -c 'import json, sys
s, = json.load(sys.stdin)["sessions"]
assert s["pid"] == int(sys.argv[1]) and s["commands"] == 1 and s["state"] == "running"' \
		"$session" <<<"$output"
	works "$agentjail" log last --verify
	has "still runs"
	kill -KILL "$session"
	wait "$session" 2>/dev/null || true
	works "$agentjail" status
	[ "$output" = "no session runs" ]
	works "$agentjail" log
	has "cut off"
	fails 125 "takes no argument" "$agentjail" status x
}

@test "--follow prints what comes, until the session ends" {
	"$agentjail" -q run -- sh -c 'touch here; while [ ! -e go ]; do sleep 0.1; done; exit 7' \
		>/dev/null 2>&1 </dev/null 3>&- &
	session=$!
	for _ in $(seq 100); do
		[ ! -e here ] || break
		sleep 0.1
	done
	"$agentjail" log last --follow >"$root/follow" 2>&1 3>&- &
	follow=$!
	for _ in $(seq 100); do
		! grep -q "exec  *cell" "$root/follow" || break
		sleep 0.1
	done
	if grep -q "end  *status" "$root/follow"; then return 1; fi
	touch go
	wait "$session" || [ $? = 7 ]
	wait "$follow"
	grep -q "end  *status 7" "$root/follow"
}

@test "--follow ends with a session that was killed" {
	"$agentjail" -q run -- sh -c 'touch here; sleep 60' >/dev/null 2>&1 </dev/null 3>&- &
	session=$!
	for _ in $(seq 100); do
		[ ! -e here ] || break
		sleep 0.1
	done
	timeout 30 "$agentjail" log last --follow >"$root/follow" 2>&1 3>&- &
	follow=$!
	sleep 0.3
	kill -KILL "$session"
	wait "$follow"
	grep -q "exec  *cell" "$root/follow"
}

@test "where the profiles put the audit, there it is looked for" {
	mkdir "$HOME/audit"
	printf '[audit]\npath = %s\n' "$HOME/audit" >"$config/agentjail.ini"
	run_one true
	works "$agentjail" log
	has "true  $project"
	printf 'no profile\n' >"$config/agentjail.ini"
	run --separate-stderr "$agentjail" log
	[ "$status" = 0 ]
	# shellcheck disable=SC2154
	[[ ${stderr_lines[0]} = *"looking where the audit is by default" ]]
}
