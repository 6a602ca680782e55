#!/usr/bin/env bats
# Proves: doctor tries things and leaves nothing behind; its table and its JSON say the same, and
# its exit status follows from the states. What a refusing machine gets is in tests/unit/cli_probe.c.
load lib.bash
setup() { new_home; }

@test "the exit status follows from the states" {
	run "$agentjail" doctor --json
	python3 -c 'import json, sys
report = json.loads(sys.argv[1])
states = [(p["state"], p["optional"]) for p in report["probes"]]
want = 2 if ("missing", False) in states or ("missing", True) in states \
	else 1 if ("degraded", False) in states else 0
assert want == report["status"] == int(sys.argv[2]), (want, report["status"], sys.argv[2])
for p in report["probes"]:
	assert p["found"], p
	assert p["state"] == "ok" or (p["lost"] and p["fix"]), p' "$output" "$status"
}

@test "the table has a line for every probe" {
	run "$agentjail" doctor
	for name in "user namespaces" overlayfs nf_tables "seccomp notification" "seccomp signals" \
		ptrace Landlock "inotify limits" "secret memory" limits "memfd execution"; do
		has "$name "
	done
}

@test "nothing is left behind" {
	before=$(sort /proc/self/mounts | sha256sum)
	run "$agentjail" doctor
	[ "$before" = "$(sort /proc/self/mounts | sha256sum)" ]
	[ -z "$(find "$root" -newer "$project" -type f ! -name err ! -name out)" ]
}

@test "doctor works where no project could be" {
	cd /
	run "$agentjail" doctor
	[ "$status" -lt 3 ]
}

@test "an argument is refused" {
	fails 125 "doctor takes no argument" "$agentjail" doctor x
	fails 125 "demo takes no argument" "$agentjail" demo x
}
