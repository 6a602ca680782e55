#!/usr/bin/env bats
# Proves: the demo shows every step as it should be, and leaves nothing behind.
load lib.bash
setup() {
	new_home
	run "$agentjail" doctor -q
	[ "$status" != 2 ] || skip "no userns or another essential thing is missing: agentjail doctor"
}

@test "the demo's commands work outside, and only the harmless ones in a cell" {
	works "$agentjail" demo
	has_not "not as it should be"
	has "PASSWORD=correct-horse"
	[ "$(grep -c refused <<<"$output")" = 5 ]
	[ "$(grep -c 'done' <<<"$output")" = 2 ]
}

@test "the demo leaves nothing behind" {
	works "$agentjail" demo
	[ -z "$(ls -A "$HOME/.cache/agentjail")" ]
}

@test "--mode none and a cell pass the exit status on" {
	works "$agentjail" --mode none sh -c true
	run "$agentjail" -q --mode none sh -c 'exit 7'
	[ "$status" = 7 ]
	run "$agentjail" -q run -- sh -c 'exit 7'
	[ "$status" = 7 ]
}
