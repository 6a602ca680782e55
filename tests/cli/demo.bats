#!/usr/bin/env bats
# Proves: the demo measures what each architecture lets through and all cells of its table are as
# promised; it says so when one is not; it reads nothing of the user's home and leaves nothing behind.
load lib.bash
setup() {
	new_home
	run "$agentjail" doctor -q
	[ "$status" != 2 ] || skip "no userns or another essential thing is missing: agentjail doctor"
	export TMPDIR=$root/tmp
	mkdir "$TMPDIR"
}

# row TITLE NONE INJECT SHARED SPLIT SPLIT-WITH-RULES: that line is in the table
row() {
	local line
	printf -v line '%-30s %-9s %-9s %-9s %-9s %s' "$@"
	grep -qxF -- "$line" <<<"$output" && return
	echo "no such line: $line"
	echo "$output"
	return 1
}

@test "every cell of the table is as promised" {
	works "$agentjail" demo
	row "a private key, ~/.ssh" TAKEN TAKEN safe safe safe
	row "cloud credentials, ~/.aws" TAKEN TAKEN safe safe safe
	row "the project's .env" TAKEN TAKEN safe safe safe
	row "a service's token" TAKEN safe safe TAKEN safe
	row "  used to delete its data" DONE refused refused DONE refused
	row "a file outside the project" DELETED DELETED safe safe safe
	row "a git hook for you to run" PLANTED PLANTED refused refused refused
	row "the agent's key, environment" TAKEN TAKEN TAKEN safe safe
	row "the same, /proc/PID/environ" TAKEN TAKEN TAKEN safe safe
	row "the agent's login, its file" TAKEN TAKEN TAKEN safe safe
	row "a call to an evil host" ARRIVED ARRIVED refused refused refused
	row "the work that was asked for" "done" "done" "done" "done" "done"
	has_not "not as it should be"
	[ "$(wc -L <<<"$output")" -le 80 ]
	# README.md has it as it is printed.
	[ "$(sed -n '/^One poisoned line/,/^```$/p' "$top/README.md" | grep -v '^```$')" = "$output" ]
}

@test "--json has the same cells" {
	works "$agentjail" demo --json
	command -v python3 >/dev/null || skip "no python3"
	python3 - "$output" <<-'END'
		import json, sys
		demo = json.loads(sys.argv[1])
		assert demo["ok"] is True and len(demo["rows"]) == 12
		ways = ["none", "inject", "shared", "split-no-rules", "split"]
		cells = [[row[way] for way in ways] for row in demo["rows"]]
		bad = {"TAKEN", "DONE", "DELETED", "PLANTED", "ARRIVED"}
		assert [sum(c[i] in bad for c in cells) for i in range(5)] == [11, 9, 3, 2, 0], cells
		assert cells[-1] == ["done"] * 5
	END
}

@test "nothing of the user's home is read, and nothing is left behind" {
	echo x >"$HOME/.bashrc"
	find "$root" | sort >"$BATS_TEST_TMPDIR.before"
	if [ "$(id -u)" = 0 ]; then HOME=/nonexistent; else chmod 000 "$HOME"; fi
	export XDG_CONFIG_HOME=$root/nowhere XDG_CACHE_HOME=$root/nowhere XDG_STATE_HOME=$root/nowhere
	cd /
	got=0
	output=$("$agentjail" demo) || got=$?
	chmod 755 "$root/home"
	[ "$got" = 0 ]
	find "$root" | sort | diff "$BATS_TEST_TMPDIR.before" -
}

@test "a signal ends it, and nothing is left behind" {
	"$agentjail" demo >/dev/null 3>&- &
	pid=$!
	for _ in $(seq 100); do ls "$TMPDIR"/agentjail-demo.* >/dev/null 2>&1 && break; sleep 0.02; done
	kill -TERM $pid
	got=0
	wait $pid || got=$?
	[ "$got" = 143 ]
	[ -z "$(ls -A "$TMPDIR")" ]
}

# The check itself: an installation whose default profile shows what it must not.
@test "what is not as promised is said, and the status is 1" {
	mkdir -p "$root/tree/build"
	cp "$agentjail" "$root/tree/build/agentjail"
	cp -r "$top/profiles" "$root/tree/profiles"
	printf '%s\n' '[files]' 'hide = !~/.ssh' 'read = ~/.ssh' '[egress]' 'allow = *' \
		>>"$root/tree/profiles/default.ini"
	got=0
	output=$("$root/tree/build/agentjail" demo) || got=$?
	[ "$got" = 1 ]
	row "a private key, ~/.ssh" TAKEN TAKEN TAKEN TAKEN "TAKEN <- not as it should be"
	row "a call to an evil host" ARRIVED ARRIVED ARRIVED ARRIVED "ARRIVED <- not as it should be"
	row "the project's .env" TAKEN TAKEN safe safe safe
	echo '[files' >>"$root/tree/profiles/default.ini"
	fails 125 "demo: --mode" "$root/tree/build/agentjail" demo
	[ -z "$(ls -A "$TMPDIR")" ]
}

@test "--mode none and a cell pass the exit status on" {
	works "$agentjail" --mode none sh -c true
	run "$agentjail" -q --mode none sh -c 'exit 7'
	[ "$status" = 7 ]
	run "$agentjail" -q run -- sh -c 'exit 7'
	[ "$status" = 7 ]
}
