# Workflows in which the agent itself is the script: each program that it starts goes the way from the
# agent to the cell by itself. Sourced by worker; see lib.bash.
# shellcheck shell=bash

agent 'pipelines between commands' <<'end'
seq 100000 | sort -rn | head -n 1
yes | head -n 2
echo "${PIPESTATUS[@]}"
seq 5 | while read -r i; do /bin/echo "$i"; done | tac | tr '\n' ' '
cat README | /usr/bin/env cat | wc -l
end

agent 'command substitution, redirections, here-documents' <<'end'
x=$(/bin/echo "a  b")
echo "$x"
/bin/cat <<<"here"
/bin/cat <<x
doc $(/bin/echo inner)
x
/bin/echo one >f
/bin/echo two >>f
/bin/cat <f
ls none 2>err || echo $?
wc -l <err
/bin/ls none >/dev/null 2>&1 || echo $?
end

agent 'arguments exactly as given, and many' <<'end'
/usr/bin/printf '<%s>' a '' 'b c' $'d\ne' $'\xff\xfe' '*' "'" '"' '\'
echo
/bin/echo {1..100000} | md5sum
x=$(printf 'a%.0s' {1..130000})
/bin/echo "$x" | wc -c
/bin/true {1..120000}
echo $?
end

agent 'an environment of 500 kB, names that are no identifiers' <<'end'
big=$(printf 'b%.0s' {1..100000})
env CI="$big" DEBUG="$big" EMAIL="$big" sh -c 'echo ${#CI} ${#DEBUG}'
env 'PYTEST_X-Y=1' env | grep PYTEST
end

agent 'arguments beyond what the kernel takes' <<'end'
big=$(printf 'b%.0s' {1..140000})
/bin/echo "$big" 2>/dev/null || echo $?
end

agent 'variables that the agent sets for one command' <<'end'
TZ=Asia/Tokyo date -d @0 +%H
LC_ALL=C CC=x env | grep -E '^(CC|LC_ALL)=' | sort
PATH=/usr/bin:$PWD/src env true
FOO_BAR=1 NODE_ENV=test sh -c 'echo $NODE_ENV'
end

agent 'a variable that nobody has heard of, set for one command' <<'end'
FOO_BAR=1 sh -c 'echo ${FOO_BAR:-unset}'
end

agent 'exec, argv[0], PATH, relative and absolute names' <<'end'
(exec -a another sh -c 'echo $0')
cp /bin/echo ./mine
./mine relative
PATH=$PWD:$PATH mine found
cd src
../mine up
(cd /usr/bin && ./env echo absolute)
ln -s ../mine link
./link by link
(exec ../mine replaced)
end

agent 'scripts: with an interpreter line, without, with a missing one, env -S' <<'end'
printf '#!/bin/sh\necho "sh $0 $*"\n' >a
printf '#!/usr/bin/env -S bash -e\necho "env $*"\n' >b
printf 'echo "none $*"\n' >c
printf '#!/no/such\n' >d
printf '#!/usr/bin/python3\nimport sys; print(sys.argv)\n' >e
printf '#!/bin/cat\ntext\n' >f
chmod +x a b c d e f
./a 1 2
./b 3
./c 4
./d 2>/dev/null || echo $?
./e 'x y'
./f
end

agent 'what cannot be executed: missing, not executable, a directory, an empty file, a bad format' <<'end'
./none 2>/dev/null || echo $?
./README 2>/dev/null || echo $?
./src 2>/dev/null || echo $?
: >empty
chmod +x empty
./empty
echo $?
printf '\177ELFxx' >bad
chmod +x bad
./bad 2>/dev/null || echo $?
no-such 2>/dev/null || echo $?
ln -s none dangling
./dangling 2>/dev/null || echo $?
end

agent 'the messages of what cannot be executed' <<'end'
{ ./none; ./README; ./src; no-such; } 2>&1 | sed 's/.*: line [0-9]*: //' || true
end

agent 'python as the one who starts: errors of exec by errno' python3 <<'end'
python3 -c 'import subprocess
for c in "./none", "./README", "./src", "/etc/passwd/x", "x" * 300, "":
    try: print(subprocess.run([c]).returncode)
    except OSError as e: print(e.errno)'
end

agent 'background commands: wait, kill, statuses' <<'end'
sleep 60 & kill $!
wait $! || echo $?
sleep 60 & kill -9 $!
wait $! || echo $?
sh -c 'exit 7' & wait $! || echo $?
sh -c 'trap "exit 9" TERM; echo ready >r; while :; do sleep 0.05; done' & eventually test -s r
kill $!
wait $! || echo $?
end

differs stdout '^continued$' 'a fault: SIGSTOP stops what stands in for the command, which cannot see it'
agent 'stop and continue' <<'end'
sh -c 'while :; do echo x >>ticks; sleep 0.02; done' & p=$!
eventually test -s ticks
kill -STOP $p
sleep 0.3
a=$(wc -l <ticks)
sleep 0.4
b=$(wc -l <ticks)
[ "$a" = "$b" ] && echo stopped
kill -CONT $p
sleep 0.4
c=$(wc -l <ticks)
[ "$c" -gt "$b" ] && echo continued
kill $p
wait $p || echo $?
rm ticks
end

agent 'a process group is signalled: the whole tree ends' <<'end'
set -m
sh -c 'sleep 61 & sleep 62 & echo up >up; wait' & p=$!
eventually test -s up
kill -TERM -- -$p
wait $p || echo $?
sleep 0.3
pgrep -x sleep -a | grep -cE 'sleep 6[12]' || true
end

agent 'timeout as the agent uses it' <<'end'
timeout 0.3 sleep 60 || echo $?
timeout -s KILL 0.3 sleep 60 || echo $?
timeout 0.3 sh -c 'sleep 60; true' || echo $?
timeout 5 sh -c 'exit 3' || echo $?
end

agent 'a command that ends while its background process holds the pipe' <<'end'
start=$SECONDS
x=$(sh -c 'sleep 2 & echo started')
echo "$x"
[ $((SECONDS - start)) -ge 2 ] && echo waited
start=$SECONDS
sh -c 'sleep 3 >/dev/null 2>&1 & echo free' | cat
[ $((SECONDS - start)) -lt 2 ] && echo at once
end

agent 'forty commands at once' <<'end'
for i in {1..40}; do sh -c "sleep 0.2; echo $i" & done | sort -n | tail -n 1
for i in {1..40}; do /bin/true & done
wait
echo all
end

agent 'two hundred commands, one after the other' <<'end'
for i in {1..200}; do /bin/true; done; /bin/echo "$i"
end

agent 'working directories: /, /tmp, HOME, a new one' <<'end'
(cd / && /bin/pwd)
(cd /tmp && /bin/pwd)
(cd ~ && /bin/pwd | grep -c .)
mkdir -p new/er
(cd new/er && /bin/pwd | grep -o new/er)
(cd src && /bin/cat hello.c | wc -l)
end

differs status,stdout 'the cell has no directory' 'a fault: no command runs where the working directory is gone'
agent 'a working directory that is gone' <<'end'
mkdir gone
cd gone
rmdir ../gone
/bin/ls | wc -l
cd ..
/bin/echo back
end

agent 'umask and limits are the command'"'"'s too' <<'end'
umask 077
/usr/bin/touch a
umask 002
/usr/bin/touch b
stat -c %a a b
(ulimit -n 33; sh -c 'ulimit -n')
(ulimit -c 0; bash -c 'ulimit -c')
(ulimit -t 100; bash -c 'ulimit -t')
end

agent 'standard input: a pipe, a file at its place, closed, 50 MB' <<'end'
echo piped | cat
{ read -r a; cat; } <'sub dir/list.txt'
echo "$a"
head -c 50M /dev/zero | md5sum
cat <&- 2>/dev/null || echo $?
sh -c 'echo x' >&- 2>/dev/null || echo $?
{ head -n 1 >/dev/null; cat; } <'sub dir/list.txt' | wc -l
end

agent 'files appended to by several commands at once' <<'end'
for i in {1..20}; do sh -c "for j in 1 2 3 4 5; do echo $i; done" >>log & done
wait
wc -l <log
sort -n log | uniq -c | awk '{ n += $1 } END { print n }'
rm log
end

agent 'standard output is a file: truncated, sought, read again' <<'end'
{ /bin/echo one; /bin/echo two; } >f
cat f
exec 1<>f
/bin/echo ONE
exec 1>/dev/null
exec 2>&1
:
end

differs status,stdout 'Bad file descriptor|No such file' 'a command gets descriptors 0 to 2'
agent 'descriptors above 2' <<'end'
exec 5<README
cat <&5
cat /dev/fd/6 6<README
cat <(echo substituted)
end

agent 'node as the one who starts: exec, spawn, shell, cwd, env, kill' node <<'end'
cat >n.js <<'j'
const c = require('child_process');
console.log(c.execSync('pwd; echo $X', { cwd: 'src', env: { ...process.env, TZ: 'UTC' }, shell: '/bin/bash' }).toString().split('/').pop());
const p = c.spawn('sh', ['-c', 'echo out; echo err >&2; exit 6']); p.stdout.on('data', d => process.stdout.write(d)); p.on('close', s => { console.log(s);
const q = c.spawn('sleep', ['60'], { detached: true }); q.on('exit', (a, b) => console.log(a, b)); setTimeout(() => process.kill(-q.pid, 'SIGTERM'), 200); });
j
node n.js
end

agent 'git in every form from an agent' git <<'end'
git status --short
git -C src status --short
echo x >>README
git diff --stat | cat
git commit -qam "several words 'quoted'"
git log -1 --format=%s
git rev-parse --show-toplevel | xargs basename
git stash list
git ls-files | wc -l
end
