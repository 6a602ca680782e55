#!/usr/bin/env bats
# Proves: what passes a limit of [limits] is ended with one line that names limit and profile line, with
# all that it started, and the next command of the same session runs; what stays below one is not
# touched, and the same acts go on where nothing is limited; node, python, go and java work under all.
# shellcheck disable=SC2016 # the commands are expanded by the shell that runs them
load lib.bash
setup() {
	new_home
	command -v python3 >/dev/null || skip "no python3"
	agent=$root/agent.sh
}

# limits LINE...: of the user's profile.
limits() {
	{ echo '[limits]' && printf '%s\n' "$@"; } >"$config/agentjail.ini"
}

# session COMMANDS: an agent, whose standard input has the commands; its words are in $root/said.
session() {
	printf '#!/bin/bash\n%s\n' "$1" >"$agent"
	chmod 755 "$agent"
	timeout 60 "$agentjail" -q "$agent" >"$root/said" 2>&1 </dev/null
}

said() { # TEXT: exactly one line of it, and what follows ran
	if [ "$(grep -cF -- "$1" "$root/said")" != 1 ] || ! grep -qx "next 0" "$root/said"; then
		echo "wanted once: $1" && cat "$root/said"
		return 1
	fi
}

next='/bin/sh -c "exit 0"; echo "next $?"'
hog='/usr/bin/env python3 -c "
a = []
for i in range(60): a.append(bytearray(10 << 20))
print(\"had 600 MB\")"; echo "status $?"'
bomb='/usr/bin/env python3 -c "
import os, time
n = 0
end = time.time() + 20
while time.time() < end and n < 400:
    try:
        if os.fork() == 0: time.sleep(20)
        n += 1
    except OSError: pass
print(\"forked\", n)
time.sleep(2)"; echo "status $?"'
filler='/bin/sh -c "
for i in 1 2 3 4 5 6 7 8 9 10; do dd if=/dev/zero of=big bs=1M count=10 conv=notrunc oflag=append 2>/dev/null; sleep 0.1; done
echo filled; rm -f big"; echo "status $?"'
burner='/usr/bin/env python3 -c "
import time
end = time.process_time() + 2.5
while time.process_time() < end: pass
print(\"burned\")"; echo "status $?"'

@test "without a limit nothing is ended: the acts of the tests below" {
	session "$hog; $filler; $burner; $bomb; $next"
	grep -q "^had 600 MB" "$root/said"
	grep -q filled "$root/said"
	grep -q burned "$root/said"
	grep -q "forked 400" "$root/said"
	if grep -q "was ended" "$root/said"; then false; fi
}

@test "a memory hog ends: python" {
	limits 'memory = 256M'
	session "$hog; $next"
	said "agentjail: the command was ended: the memory of all commands is over 256M ([limits], $config/agentjail.ini:2)"
	grep -qx "status 137" "$root/said"
	if grep -q "^had 600 MB" "$root/said"; then false; fi
}

@test "a memory hog ends: node" {
	command -v node >/dev/null || skip "no node"
	limits 'memory = 400M'
	session '/usr/bin/env node -e "const a = []; for (;;) a.push(Buffer.alloc(10 << 20, 1))"; echo "status $?"; '"$next"
	said "the memory of all commands is over 400M"
	grep -qx "status 137" "$root/said"
}

@test "many small processes are one hog, and the command that uses most is the one that ends" {
	limits 'memory = 300M'
	session '/bin/sleep 30 & small=$!
/bin/sh -c "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do python3 -c \"a = bytearray(40 << 20); import time; time.sleep(30)\" & done; wait"; echo "status $?"
kill -0 $small && echo "the small one lives"; kill $small; '"$next"
	said "the memory of all commands is over 300M"
	grep -qx "status 137" "$root/said"
	grep -qx "the small one lives" "$root/said"
}

@test "memory that is shared counts once" {
	limits 'memory = 400M'
	session '/usr/bin/env python3 -c "
import os, time
a = bytearray(100 << 20)
for i in range(12):
    if os.fork() == 0: time.sleep(3); os._exit(0)
for i in range(12): os.wait()
print(\"12 times 100 MB\")"; '"$next"
	grep -q "12 times 100 MB" "$root/said"
	if grep -q "was ended" "$root/said"; then false; fi
}

@test "a fork bomb ends, of one tree and of orphans" {
	limits 'pids = 200'
	session "$bomb; $next"
	said "the processes and threads of all commands are more than 200"
	grep -qx "status 137" "$root/said"
	# what it leaves is nobody's child, and its own command has ended; it does not die of forks that fail
	session '/bin/bash -c "(while :; do /bin/sleep 20 & done) & exit"; /bin/sleep 3; /bin/sh -c "ls -d /proc/[0-9]* | wc -l"; '"$next"
	said "the processes and threads of all commands are more than 200"
	[ "$(grep -xE '[0-9]+' "$root/said")" -lt 30 ]
}

@test "threads count as processes do" {
	limits 'pids = 200'
	session '/usr/bin/env python3 -c "
import threading, time
for i in range(400):
    try: threading.Thread(target=time.sleep, args=(20,), daemon=True).start()
    except RuntimeError: pass
time.sleep(20)"; echo "status $?"; '"$next"
	said "the processes and threads of all commands are more than 200"
}

@test "a disk filler ends, however many files and processes it takes" {
	limits 'files = 40M'
	session "$filler; $next"
	said "what it wrote to files is over 40M"
	grep -qx "status 137" "$root/said"
	[ "$(stat -c %s "$project/big")" -lt 100000000 ]
	rm "$project/big"
	# of processes that have ended, and were never the command's own children
	session '/bin/sh -c "for i in 1 2 3 4 5 6 7 8 9 10; do (setsid dd if=/dev/zero of=big\$i bs=1M count=10 2>/dev/null &); sleep 0.1; done; sleep 5"; echo "status $?"; '"$next"
	said "what it wrote to files is over 40M"
}

@test "space that is taken without writing is refused where files are limited, and only there" {
	command -v fallocate >/dev/null || skip "no fallocate"
	works "$agentjail" -q run -- fallocate -l 1M big
	status=0
	"$agentjail" -q run --set limits.files=40M -- fallocate -l 1M big2 2>"$root/err" || status=$?
	[ "$status" != 0 ]
	grep -qi "not supported" "$root/err"
}

@test "what is memory has a size: a filler of /tmp or /dev/shm gets ENOSPC, and others still have memory" {
	limits 'memory = 256M'
	session '/bin/dd if=/dev/zero of=/tmp/x bs=1M count=300; echo "status $?"
/bin/dd if=/dev/zero of=/dev/shm/x bs=1M count=300; echo "status $?"; '"$next"
	[ "$(grep -c "No space left on device" "$root/said")" = 2 ]
	grep -qx "next 0" "$root/said"
	if grep -q "was ended" "$root/said"; then false; fi
}

@test "a CPU burner ends, and processors can be few" {
	limits 'cpu = 1 1s'
	session "$burner; /bin/sh -c nproc; $next"
	said "its processor time is over 1s"
	grep -qx "status 137" "$root/said"
	grep -qx 1 "$root/said"
}

@test "a command that takes too long ends; a server that it left behind does not" {
	limits 'time = 2s'
	session '/bin/sh -c "sleep 30 & echo \$! >/tmp/server"
/bin/sleep 20; echo "status $?"
/bin/sh -c "kill -0 \$(cat /tmp/server) && echo lives"; '"$next"
	said "agentjail: the command was ended: it ran for more than 2s"
	grep -qx "status 137" "$root/said"
	grep -qx lives "$root/said"
}

@test "a line finds the stderr that the command was started with" {
	limits 'time = 1s'
	session '/bin/sh -c "sleep 20 2>/dev/null; true"; '"$next"
	said "it ran for more than 1s"
}

@test "the session's time ends the agent, which gets a moment" {
	limits 'time = 2s/session'
	printf '#!/bin/bash\ntrap "echo last words; exit 3" TERM\nsleep 20 & wait\n' >"$agent"
	chmod 755 "$agent"
	status=0
	timeout 30 "$agentjail" -q "$agent" >"$root/said" 2>&1 </dev/null || status=$?
	[ "$status" = 3 ]
	grep -q "last words" "$root/said"
	grep -q "agentjail: the session was ended: it ran for more than 2s" "$root/said"
}

@test "the audit says it, and why explains it" {
	limits 'time = 1s'
	status=0
	"$agentjail" -q run -- sleep 20 2>"$root/err" || status=$?
	[ "$status" = 137 ]
	id=$(sed -n 's/.*agentjail why //p' "$root/err")
	works "$agentjail" why "$id"
	has "limit sleep 20: the command was ended"
	has "it ran for more than 1s"
	has "agentjail.ini:2"
	works "$agentjail" log last
	has "limit       ended   #1: it ran for more than 1s"
}

@test "runtimes work below all limits" {
	limits 'memory = 2G' 'pids = 400' 'cpu = 1.5 10m' 'files = 2G' 'time = 10m 8h/session'
	works "$agentjail" -q run -- python3 -c 'import subprocess; print(subprocess.run(["echo", "python works"], capture_output=True).stdout.decode())'
	has "python works"
	if command -v node >/dev/null; then
		echo 'import { Worker, isMainThread } from "node:worker_threads";
let n = 0;
if (isMainThread) for (let i = 0; i < 8; i++) new Worker(new URL(import.meta.url)).on("exit", () => { if (++n === 8) console.log("node works"); });' >w.mjs
		works "$agentjail" -q run -- node w.mjs
		has "node works"
	fi
	if command -v java >/dev/null && command -v javac >/dev/null; then
		echo 'public class H { public static void main(String[] a) { System.out.println("java works"); } }' >H.java
		works "$agentjail" -q run -- java -XX:+UseZGC H.java
		has "java works"
	fi
	if command -v go >/dev/null; then
		printf 'package main\nfunc main() { println("go works") }\n' >m.go
		"$agentjail" -q run -- go run m.go >"$root/out" 2>&1
		grep -q "go works" "$root/out"
	fi
}

@test "a control group that is ours holds parts of a processor, and is gone afterwards" {
	group=/sys/fs/cgroup/agentjail-test-$$
	grep -qw memory /sys/fs/cgroup/cgroup.subtree_control 2>/dev/null &&
		grep -qw cpu /sys/fs/cgroup/cgroup.subtree_control && mkdir "$group" 2>/dev/null ||
		skip "no control group (version 2) that could be divided"
	limits 'memory = 200M' 'cpu = 0.5'
	# alone in it, as systemd starts a scope
	sh -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' sh "$group" \
		"$agentjail" -q run -- sleep 3 3>&- &
	session=$!
	sleep 1.5
	cpu=$(cat "$group"/agentjail-*-cells/cpu.max)
	memory=$(cat "$group"/agentjail-*-cells/memory.high)
	wait "$session"
	left=$(find "$group" -mindepth 1 -type d)
	rmdir "$group"
	[ "$cpu" = "50000 100000" ]
	[ "$memory" = 222822400 ]
	[ -z "$left" ]
}
