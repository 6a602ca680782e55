#!/usr/bin/env bats
# Proves: what is wrong with a tool is one line with file, line and remedy; a tool and the rules that
# serve it alone are shown with their origins; no untrusted project adds one; locks hold. What a tool
# does is tests/tool.
load lib.bash
setup() { new_home; }

own() { printf '%b' "$1" >"$config/agentjail.ini"; }

rule='[inject push]\nhost = git.test\nbasic = x:{secret}\nsecret = env:LAB\n'

@test "what is wrong with a tool is one line, and nothing is run" {
	while IFS='|' read -r profile text; do
		own "$profile"
		fails 125 "$text" "$agentjail" show
	done <<-'LIST'
		[tool a]\negress = a.test\n|:1: [tool a] has neither match nor command; write one of the two
		[tool a]\nmatch = git *\ncommand = date\n|:1: [tool a] has match and command
		[tool a]\nmatch = git push *\n|:1: [tool a] gives nothing; write inject = RULE
		[tool a]\nmatch = git *\ninject = push\n|:3: [tool a] inject: there is no rule 'push'
		[tool a]\nmatch = git *\nsecret-env = A=env:B\n|:3: [tool a] secret-env goes with command alone
		[tool a]\nmatch = git *\nfiles = ~/x\n|:3: [tool a] files goes with command alone
		[tool a]\nmatch = git *\negress = a.test\nargs = *\n|:4: [tool a] args goes with command
		[tool a]\nmatch = /usr/bin/git *\negress = a.test\n|does not begin with a command's name
		[tool a]\ncommand = ./run.sh\n|command: takes a program by absolute path, ~/PATH or bare name
		[tool a]\ncommand = ~/project/run.sh\n|[tool a] command: program
		[tool a]\ncommand = sh ~/project/run.sh\n|can be written by commands
		[tool a]\ncommand = date\nsecret-env = PW\n|write NAME=SOURCE
		[tool a]\ncommand = date\nsecret-env = PW=hunter2\n|a secret is named, not written
		[tool a]\ncommand = date\nsecret-env = PW=file:~/project/pw\n|can be written by commands
		[tool a]\ncommand = date\nsecret-env = PW=env:A\nsecret-env = PW=env:B\n|:4: [tool a] sets PW twice
		[tool a]\ncommand = date\nlimits = often\n|'often' is no limit; write for example 6/minute
		[tool a]\ncommand = date\n[tool b]\nmatch = a *\negress = a.test\n|:3: [tool b] and [tool a]
		[tool a]\ncomand = date\n|unknown key 'comand' in [tool]; did you mean 'command'?
		[tool a]\ncommand = date\nask = yes\n|[tool] ask is not supported yet
	LIST
}

@test "a tool and its rule are shown, the rule as the tool's alone" {
	own "${rule}[tool git-push]\nmatch = git push *\ninject = push\n[tool day]\ncommand = date -u\nsecret-env = A=command:pass show db\n"
	works "$agentjail" show
	has "(for [tool git-push] alone)"
	[[ $output =~ "match = git push *"\ +"$config/agentjail.ini:6" ]]
	has "secret-env = A=command:pass ..."
	has_not "show db"
	works "$agentjail" check "$config/agentjail.ini"
	has "[tool day]"
	works env LAB=x "$agentjail" -q --explain sh
	has "commands with grants of their own"
	works "$agentjail" show --json
	python3 -c 'import json, sys
all = json.load(sys.stdin)
assert [t["name"] for t in all["tools"]] == ["git-push", "day"]
assert all["rules"][0]["for_tools_alone"] is True
assert {"key": "args", "value": "none", "file": "(built-in)", "line": 0} in all["tools"][1]["items"]' \
		<<<"$output"
}

@test "an untrusted project's profile adds no tool" {
	printf '[tool x]\ncommand = date\n' >.agentjail.ini
	run "$agentjail" show
	[[ $output == *"skipped"* && $output != *"[tool x]"* ]]
}

@test "later layers add to a tool, and the command line too" {
	own "[tool day]\ncommand = date\nlimits = 6/minute\n"
	works "$agentjail" show --set 'tool day.limits=10s' --set 'tool day.command=date -u'
	has "limits = 10s"
	has "command = date -u"
}

@test "a variable that a tool keeps secret is not handed on" {
	own "[tool day]\ncommand = date\nsecret-env = A=env:LAB\n"
	export LAB=value-of-lab
	fails 125 "would show commands a secret of [tool day]" "$agentjail" run --env LAB -- true
	unset LAB
	fails 125 "the variable is not set" "$agentjail" run -- true
}
