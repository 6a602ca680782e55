# Workflows of the shell: pipes, redirections, statuses. Sourced by worker; see lib.bash.
# shellcheck shell=bash

work 'here-documents, here-strings, process substitution' <<'end'
cat <<x
here $((1+1))
x
cat <<<string
diff <(seq 3) <(seq 4) || echo "status $?"
seq 3 | tee >(wc -l >n) >/dev/null
sleep 0.2
cat n
while read -r l; do echo "<$l>"; done < <(echo a; echo b)
end

work 'named pipes, coproc' <<'end'
mkfifo p
(echo through >p) & cat p
wait
coproc cat
echo co >&"${COPROC[1]}"
read -r l <&"${COPROC[0]}"
echo "$l"
rm p
end

work '/dev/fd, /dev/stdin, /dev/stdout, /dev/stderr' <<'end'
echo in | cat /dev/stdin
echo a | cat /dev/fd/0
echo out >/dev/stdout | cat
echo err 2>&1 >/dev/stderr | cat
exec 5<README
cat /dev/fd/5
cat /proc/self/fd/5 5<README
ls /dev/fd/ | head -2
end

work '/dev/stdout and /dev/stderr where they are files' <<'end'
sh -c 'echo one >/dev/stderr' 2>f
cat f
sh -c 'echo two >>/dev/stdout' >>f
cat f
echo three | tee /dev/stderr 2>g
cat g
sh -c 'cat /dev/stdin' <README
end

work 'devices: null, zero, full, urandom, tty, ptmx, shm' <<'end'
echo x >/dev/null
head -c 4 /dev/zero | od -An -tx1
echo x >/dev/full 2>/dev/null || echo full
(: </dev/tty) 2>/dev/null || echo no tty
test -c /dev/ptmx && echo ptmx
echo x >/dev/shm/agentjail-wf-$$
cat /dev/shm/agentjail-wf-$$
rm /dev/shm/agentjail-wf-$$
end

work '50 MB from a pipe' <<'end'
head -c 50M /dev/zero | md5sum
head -c 50M /dev/zero | (sleep 0.2; wc -c)
yes | head -c 50M | tail -c 3 | od -c | head -1
end

work 'a pipe closed early: SIGPIPE by status' <<'end'
set +e
yes | head -n 1
echo "${PIPESTATUS[@]}"
head -c 50M /dev/zero | head -c 1 | wc -c
seq 10000000 | sed 3q | tail -1
set -o pipefail
yes | true
echo $?
end

for status in 0 1 2 64 100 124 125 126 127 128 130 137 255; do
	ends $status
	work "exit status $status" <<<"echo ran; exit $status"
done

for signal in 1 2 3 6 9 13 14 15; do
	ends $((128 + signal))
	work "ended by signal $signal" perl <<<"exec perl -e 'kill $signal, \$\$; sleep 5'"
done

ends 127
work 'a command that is not there' <<'end'
no-such-command-here
end

ends 126
work 'a file that is not executable' <<'end'
./README
end

work 'statuses in a session' <<'end'
for s in 0 1 77 255; do sh -c "exit $s" || echo $?; done
sh -c 'kill -9 $$' || echo $?
(exit 300) || echo $?
end

ends 255
session 'statuses from command to command, by exit and by signal' <<'end'
exit 3
---
kill -TERM $$
---
kill -KILL $$
---
exit 255
end

work 'traps and signals' <<'end'
trap 'echo usr1' USR1
kill -USR1 $$
trap 'echo exit' EXIT
(trap 'echo term; exit 5' TERM; sleep 5 & kill -TERM $BASHPID; wait) || echo $?
trap '' INT
kill -INT $$
echo alive
end

work 'timeout: in time, too late, killed' <<'end'
timeout 5 true
timeout 0.2 sleep 9 || echo $?
timeout -s KILL 0.2 sleep 9 || echo $?
timeout -k 0.2 0.2 sh -c 'trap "" TERM; sleep 1; sleep 1' || echo $?
end

work 'job control: background, wait, jobs, kill %1, disown' <<'end'
set -m
sleep 30 & jobs | sed 's/ *&//'
first=$!
kill %1
wait "$first" 2>/dev/null || echo $?
(exit 4) & wait $! || echo $?
sleep 30 & disown
kill $!
(sleep 0.1; echo late) & wait
wait -n 2>/dev/null || echo none
end

session 'a background process that holds standard output does not hold the command' <<'end'
(sleep 2; echo late >&2) >/dev/null 2>&1 & echo started
---
echo next
end

session 'nohup, setsid and disown: alive at the next command' <<'end'
nohup sleep 300 >/dev/null 2>&1 & echo $! >one
setsid sleep 300 >/dev/null 2>&1 </dev/null & echo $! >two
sleep 300 >/dev/null 2>&1 & echo $! >three
disown
---
for f in one two three; do kill -0 "$(cat $f)" && echo alive; kill "$(cat $f)"; rm $f; done
end

work 'standard input closed, output closed' <<'end'
sh -c 'cat' <&- 2>/dev/null || echo "in $?"
sh -c 'echo x' >&- 2>/dev/null || echo "out $?"
bash -c 'ls /proc/self/fd' <&- | head -1
end

work 'standard input is what the agent gave: empty' <<'end'
cat
read -r x || echo eof
test -t 0 || echo no terminal
test -t 1 || echo none
tty || true
end

work 'arguments: empty, quotes, newlines, bytes, 100000 of them, one of 100 kB' <<'end'
printf '<%s>' a '' "b c" $'d\ne' $'\xff' "'"
echo
printf '%s' {1..100000} | wc -c
/bin/true {1..50000}
x=$(printf 'a%.0s' {1..100000})
/bin/echo "$x" | wc -c
end

work 'environment: PATH, HOME, PWD, variables of one command, export' <<'end'
echo "$HOME" "$PWD" "$USER" "$LANG" "$TZ" "$TERM" "$SHELL"
X=1 sh -c 'echo $X'
export Y=2
env | grep ^Y
cd src
pwd
cd - >/dev/null
cd ~
pwd
env -i /bin/sh -c 'echo ${PATH:-none}' | cut -c1-4
end

work 'bash -l, -i, sh, dash; aliases from start files' <<'end'
bash -lc 'echo login'
bash -ic 'echo interactive' 2>/dev/null
sh -c 'echo $0'
dash -c 'echo dash'
type -t ls
command -v git
bash -c 'shopt -s globstar; ls **/*.c'
end

work 'ulimit: shown, lowered, held' <<'end'
ulimit -n
ulimit -s
ulimit -v
ulimit -c 0
(ulimit -n 16; exec 17<README) 2>/dev/null || echo held
(ulimit -f 1; head -c 100000 /dev/zero >f) 2>/dev/null || echo $?
(ulimit -t 1; ulimit -t)
(ulimit -v 100000; python3 -c 'x = "x" * 10**9' 2>/dev/null) || echo memory
end

differs stdout '^[0-9]+$' '[limits] pids: a cell has a ceiling on processes from the start'
work 'ulimit -u' <<'end'
ulimit -u
end

work 'time zones and locales' <<'end'
date -d @0 +%H
TZ=Europe/Berlin date -d @0 +%H:%Z
TZ=America/New_York date -d @0
LANG=de_DE.UTF-8 LC_ALL=de_DE.UTF-8 date -d @0 2>/dev/null
LC_ALL=C.UTF-8 locale charmap
LC_ALL=C sort <<<$'b\nA'
printf "%'d\n" 1000
locale -a | head -3
end

work 'bash arithmetic loops with many forks' <<'end'
for i in $(seq 300); do x=$(echo "$i"); done; echo "$x"; for i in {1..20}; do (true) & done; wait; echo done
end

work 'script -qc, in a terminal of its own' script <<'end'
script -qec 'tty >/dev/null && echo terminal; stty size; exit 3' /dev/null | tr -d '\r' || true
script -qec 'exit 3' /dev/null || echo $?
end

work 'less, more, pagers without a terminal' less more <<'end'
echo text | less
echo text | more
git --no-pager log --oneline
git -c core.pager=less log --oneline -1
man -P cat true 2>/dev/null | head -0
PAGER=less git log -1 --format=%s
end
