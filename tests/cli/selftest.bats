#!/usr/bin/env bats
# Proves: selftest says PASS where a cell stops an attack that succeeds bare, and FAIL where nothing
# stops it; what no sandbox and bwrap get is what the table expects; nothing is left behind.
load lib.bash
setup() {
	new_home
	run "$agentjail" doctor -q
	[ "$status" != 2 ] || skip "no userns or another essential thing is missing: agentjail doctor"
	export TMPDIR=$root
}

# verdicts PYTHON [ARGUMENT...]: a program over the attacks of $output, as `attacks` and `report`.
verdicts() {
	python3 -c 'import json, sys
report = json.load(open(sys.argv[1]))
attacks = report["attacks"]
by_id = {a["id"]: a for a in attacks}
'"$1" "$root/out" "${@:2}"
}

# tried STATUS ARGUMENT...: runs it with --json into $root/out; the status is the one that is wanted.
tried() {
	local wanted=$1 got=0
	shift
	"$agentjail" selftest --json "$@" >"$root/out" 2>"$root/err" || got=$?
	if [ "$got" != "$wanted" ] || [ -s "$root/err" ]; then
		echo "wanted status $wanted, got $got; stderr:"
		cat "$root/err"
		verdicts 'for a in attacks: a["verdict"] in ("FAIL", "WEAK") and print(a["id"], a["verdict"], a["why"])'
		return 1
	fi
	verdicts 'assert len(by_id) == len(attacks) > 200, len(attacks)
for a in attacks: assert a["title"] and a["source"] and a["why"] and "no act" not in a["why"], a
assert report["seconds"] > 0, report["seconds"]
for word, verdict in ("passed", "PASS"), ("failed", "FAIL"), ("weak", "WEAK"), ("skipped", "SKIP"):
	assert report[word] == sum(a["verdict"] == verdict for a in attacks), word
assert report["status"] == (2 if report["failed"] else 1 if report["weak"] else 0)'
}

nothing_left() {
	[ -z "$(find "$root" -mindepth 1 -maxdepth 1 -name 'agentjail-selftest*')" ]
	[ -z "$(find "$HOME" -newer "$root/mark" ! -type d ! -path '*/kept')" ]
	# No process of a test's own: its copies are executed by that name.
	[ -z "$(pgrep -f "$root/agentjail-selftest" || true)" ]
}

@test "the default profile and claude's stop every attack" {
	touch "$root/mark"
	for profile in default claude; do
		tried 0 -p "$profile"
		verdicts '
bad = [a for a in attacks if a["verdict"] in ("FAIL", "WEAK")]
assert not bad, bad
# What needs nothing but a file system has its control on every machine.
for i in "key env-file rename-parent hard-link late-env agent-read agent-exec kill dbus loopback".split():
	assert by_id[i]["verdict"] == "PASS", by_id[i]'
	done
	nothing_left
}

@test "without a sandbox every attack that can be tried succeeds" {
	tried 2 --against env
	verdicts 'bad = [a for a in attacks if a["verdict"] not in ("SKIP", a["expected"]["none"])]
assert not bad, bad
assert report["failed"] > 120, report["failed"]'
}

@test "bwrap --dev-bind / / gets what the table expects of it" {
	command -v bwrap >/dev/null || skip "no bwrap"
	bwrap --dev-bind / / -- true || skip "bwrap does not work here"
	tried 2 --against 'bwrap --dev-bind / / --'
	verdicts 'bad = [a for a in attacks if a["verdict"] not in ("SKIP", a["expected"]["bwrap"])]
assert not bad, bad
assert by_id["new-privileges"]["verdict"] in ("PASS", "SKIP")'
}

@test "the user's own profile is the one that is tried, and one line that opens a cell is seen" {
	printf '[files]\nread = ~/documents ~/.nobody-has-heard-of\n' >"$config/agentjail.ini"
	printf '[inject x]\nhost = api.example.test\nheader = X: {secret}\nsecret = env:NOT_THERE\n' \
		>>"$config/agentjail.ini"
	cp "$top/profiles/claude.ini" "$root/mine.ini"
	tried 2 --set 'files.hide=!.env' -p "$root/mine.ini"
	verdicts 'for i in "unknown-store", "env-file": assert by_id[i]["verdict"] == "FAIL", by_id[i]
assert by_id["key"]["verdict"] == "PASS", by_id["key"]'
}

@test "a sandbox in which nothing runs is no sandbox that stops everything" {
	fails 125 "nothing can be tried" "$agentjail" selftest --against false
	fails 125 "nothing can be tried" "$agentjail" selftest --against 'no-such-program --'
	fails 125 "leave --profile and --set out" "$agentjail" selftest --against env -p claude
	fails 125 "selftest takes no argument" "$agentjail" selftest x
}

@test "the table names each attack with its source, and -v says why" {
	run "$agentjail" selftest -v
	has "CVE-2026-39861"
	has "CVE-2017-5226"
	has "GitSpawn"
	has "      key: without a sandbox OK, in it ENOENT"
	has " passed, "
}

@test "nothing is left after SIGINT, at any moment" {
	touch "$root/mark"
	for wait in 0.05 0.3 1 2; do
		"$agentjail" selftest >/dev/null 2>&1 &
		pid=$!
		sleep $wait
		# A background job of a shell without job control ignores SIGINT; ours does not.
		kill -INT $pid
		wait $pid || [ $? = 130 ]
		nothing_left
	done
}
