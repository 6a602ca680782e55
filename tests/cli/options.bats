#!/usr/bin/env bats
# Proves: options, verbs and programs that are wrong are refused with one line and the documented
# exit status, and the agent's own options are left alone.
load lib.bash
setup() { new_home; }

@test "without an agent it says so" {
	fails 125 "no AGENT given" "$agentjail"
	fails 125 "no COMMAND given" "$agentjail" run --
}

@test "a misspelt option names the nearest one" {
	fails 125 "did you mean --project?" "$agentjail" --projet . true
	fails 125 "did you mean --hide?" "$agentjail" run --hid x -- true
	fails 125 "unknown option --xyzzyxyzzy" "$agentjail" --xyzzyxyzzy true
	fails 125 "unknown option -x" "$agentjail" -x true
}

@test "a misspelt verb names the nearest one" {
	fails 125 "did you mean agentjail doctor?" "$agentjail" docter
	fails 125 "did you mean agentjail check?" "$agentjail" chekc x.ini
}

@test "an option without its argument is refused" {
	fails 125 "--project needs DIR" "$agentjail" --project
	fails 125 "--explain takes no value" "$agentjail" --explain=1 true
}

@test "an option of another verb is refused" {
	fails 125 "no option of agentjail doctor" "$agentjail" doctor --hide x
	fails 125 "no option for running an agent" "$agentjail" --json true
	fails 125 "no option of agentjail check" "$agentjail" --mode none check x
}

@test "what is not supported yet is said, and never taken for an agent" {
	for verb in learn report import alias; do
		fails 125 "$verb is not supported yet" "$agentjail" $verb
	done
	fails 125 "not supported yet" "$agentjail" --publish=1 true
}

@test "a wrong mode is refused" {
	fails 125 "no such mode" "$agentjail" --mode jail true
}

@test "a wrong --set is refused" {
	fails 125 "SECTION.KEY=VALUE" "$agentjail" --set files true
	fails 125 "SECTION.KEY=VALUE" "$agentjail" --set .hide=x true
	fails 125 "files" "$agentjail" --set files.hid=/x true
}

@test "a wrong --env is refused without showing its value" {
	fails 125 "no name of a variable" "$agentjail" --env '1A=hunter2' true
	run cat "$root/err"
	has_not hunter2
}

@test "a missing agent is 127" {
	fails 127 "no-such-agent: not found" "$agentjail" no-such-agent
	fails 127 "./no-such-agent: not found" "$agentjail" run -- ./no-such-agent
}

@test "a file that cannot be executed is 126" {
	echo '#!/bin/sh' >tool
	fails 126 "not executable" "$agentjail" ./tool
	fails 126 "not executable" "$agentjail" run -- /
	mkdir bin && cp tool bin/some-agent
	PATH=$PWD/bin:$PATH fails 126 "not executable" "$agentjail" some-agent
}

@test "a name with control characters is quoted in messages" {
	fails 127 'a\x0ab' "$agentjail" $'a\nb'
}

@test "options stop at the agent and at two dashes" {
	works "$agentjail" --explain -q sh --hide x -v
	has "argument --hide"
	has "argument -v"
	works "$agentjail" --explain -q run -- sh --hide x
	has "argument --hide"
	cp /bin/sh "$root/doctor"
	PATH=$root:$PATH works "$agentjail" --explain -q -- doctor
	has "program  $root/doctor"
}

@test "letters and long forms of options mean the same" {
	printf '[files]\nhide = ~/from-profile\n' >"$root/p.ini"
	for option in "-p $root/p.ini" "-qp$root/p.ini" "--profile $root/p.ini" "--profile=$root/p.ini"; do
		# shellcheck disable=SC2086
		works "$agentjail" $option -q --explain sh
		has "$HOME/from-profile"
	done
}

@test "an unknown role is refused" {
	fails 125 "no such role" "$agentjail" @nobody
}

@test "a full standard output is a failure" {
	# shellcheck disable=SC2016 # the inner shell's
	run -125 bash -c '"$1" --help >/dev/full' - "$agentjail"
}

@test "version and help go to standard output with status 0" {
	works "$agentjail" --version
	has "agentjail "
	works "$agentjail" --help
	has "--project DIR"
	help=$output
	works "$agentjail" help
	[ "$output" = "$help" ]
}
