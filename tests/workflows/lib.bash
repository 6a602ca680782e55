# Shared by the tables of workflows (sourced by worker): one workflow bare, then in a cell, compared.
# Expects: base (a directory of this user), agentjail, share (0 or 1: every second workflow is ours),
# rust and tools (a directory each, or nothing), only, verbose, split, fresh.
# shellcheck shell=bash disable=SC2154

index=0
home=$base/home
project=$home/project
path=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
env_of=(env --default-signal -i HOME="$home" PATH="$path${rust:+:$rust/bin}${tools:+:$tools/node_modules/.bin}" USER="$(id -un)" LOGNAME="$(id -un)" SHELL=/bin/bash
	TERM=dumb LANG=C.UTF-8 TZ=UTC GIT_AUTHOR_DATE='2024-01-02 03:04:05 +0000'
	GIT_COMMITTER_DATE='2024-01-02 03:04:05 +0000' SOURCE_DATE_EPOCH=1700000000)
options=(-q ${rust:+--read "$rust"} ${tools:+--read "$tools"})

# In front of every workflow.
# shellcheck disable=SC2016 # for the workflow's own shell
prelude='
set -e
# eventually COMMAND...: until it succeeds, ten seconds at most.
eventually() {
	local _
	for _ in $(seq 200); do
		if "$@" >/dev/null 2>&1; then return 0; fi
		sleep 0.05
	done
	echo "never: $*"
	return 1
}
# quick COMMAND...: its status and output, and that it took no more than three seconds.
quick() {
	local start=$SECONDS status=0
	"$@" || status=$?
	if [ $((SECONDS - start)) -gt 3 ]; then echo "took $((SECONDS - start)) s"; fi
	return $status
}
'

# What the next workflow may have:
expected=0
differs=
pattern=
reason=
ignored=()

# ends STATUS: it ends like that when bare (default: 0).
ends() { expected=$1; }

# differs WHAT PATTERN REASON: in a cell, status, stdout or files (a list with commas) differ, each of
# them; what the cell says matches PATTERN.
differs() {
	differs=$1 pattern=$2 reason=$3
}

# fault REASON: the next workflow, one in a cell alone, fails, and should not.
fault() { reason="a fault: $1"; }

# ignore PATTERN...: files of no interest, as find's -path has them.
ignore() { ignored=("$@"); }

# The project that every workflow starts from: history, build files, an ignored file of secrets.
furnish() {
	local seed=$base/seed project=$base/seed/project
	mkdir -p "$project/src" "$project/sub dir"
	cat >"$seed/.gitconfig" <<-'end'
		[user]
			name = Test
			email = test@example.org
		[init]
			defaultBranch = main
		[pack]
			threads = 1
		[protocol "file"]
			allow = always
	end
	cd "$project" || exit 1
	echo 'a project' >README
	printf '%s\n' one two three >'sub dir/list.txt'
	printf '.env\n*.o\n/out/\n' >.gitignore
	printf 'DATABASE_PASSWORD=not-to-be-seen\n' >.env
	printf 'DATABASE_PASSWORD=\n' >.env.example
	printf '#include <stdio.h>\nint main(void)\n{\n\tputs("hello");\n\treturn 0;\n}\n' >src/hello.c
	printf 'print("hello")\n' >hello.py
	# shellcheck disable=SC2016 # for make
	printf 'hello: src/hello.c\n\t$(CC) -g -o $@ $<\n\ncheck: hello\n\t./hello\n\nclean:\n\trm -f hello\n' >Makefile
	printf '{ "name": "hello", "version": "1.0.0", "scripts": { "start": "node -p 1+1" } }\n' >package.json
	"${env_of[@]}" HOME="$seed" sh -c 'git init -q && git add . && git commit -qm first &&
		echo more >>README && git commit -qam second && git tag v1'
}

# has PROGRAM or python3:MODULE: can this user run it?
# shellcheck disable=SC2016 # for the inner shell
has() {
	case $1 in
	python3:*) "${env_of[@]}" python3 -c "import ${1#*:}" 2>/dev/null ;;
	*) "${env_of[@]}" sh -c 'command -v "$1"' - "$1" >/dev/null ;;
	esac
}

# What is in the project afterwards. Not what holds times and inode numbers (git's index, *.pyc).
listing() {
	local skip=() each
	for each in '*/.git/index' '*/.git/*/index' '*.pyc' "${ignored[@]}"; do
		skip+=(! -path "$each")
	done
	find . "${skip[@]}" -printf '%y %m %p -> %l\n' | LC_ALL=C sort
	find . -type f -readable "${skip[@]}" -print0 | LC_ALL=C sort -z | xargs -0r sha256sum
}

# side NAME COMMAND...: runs it in a fresh copy at the same place; leaves NAME.{out,err,status,files,ms}.
side() {
	local name=$1 start
	shift
	chmod -R u+rwx "$home" 2>/dev/null
	rm -rf "$home"
	cp -a "$base/seed" "$home"
	cd "$project" || return
	start=$(date +%s%3N)
	# of the shell that reads the tables: it keeps its own from 10 on
	{
		timeout -k 5 60 "${env_of[@]}" "$@" >"$base/$name.out" 2>"$base/$name.err" </dev/null 10<&- 11<&- 12<&-
		echo $? >"$base/$name.status"
	} 2>/dev/null # where this shell tells of a signal
	echo $(($(date +%s%3N) - start)) >"$base/$name.ms"
	listing >"$base/$name.files" 2>&1
	cd / || return
}

# Which of status, stdout, files are not the same, as a list with commas.
compare() {
	local what=
	cmp -s "$base"/{bare,jail}.status || what+=,status
	cmp -s "$base"/{bare,jail}.out || what+=,stdout
	cmp -s "$base"/{bare,jail}.files || what+=,files
	echo "${what#,}"
}

# What is to be said against it, on standard output; nothing if all is well.
judge() {
	local what
	if [ "$(cat "$base/bare.status")" != "$expected" ]; then
		echo "bare, it ended with $(cat "$base/bare.status") and not $expected"
		tail -n 5 "$base/bare.err"
	fi
	what=$(compare)
	if [ "$what" != "$differs" ]; then
		echo "differs: ${what:-nothing}; listed: ${differs:-nothing}"
	elif [ -n "$pattern" ] && ! grep -qE -- "$pattern" "$base"/jail.{out,err}; then
		echo "does not say: $pattern"
	fi
	# Two workers and other people's load make small numbers meaningless: this finds waits and time-outs.
	if [ "$(cat "$base/jail.ms")" -gt $(($(cat "$base/bare.ms") * 3 + 4000)) ]; then
		echo "took $(cat "$base/jail.ms") ms in the cell, $(cat "$base/bare.ms") ms bare"
	fi
}

details() {
	local each
	for each in status out files err; do
		diff -a "$base/bare.$each" "$base/jail.$each" | head -n 25 | cut -c1-300 | sed "s/^/# $each: /"
	done
}

# report TITLE COMPLAINTS: one line of TAP and its notes, in a file of its own.
report() {
	local title=$1 complaints=$2 file
	file=$base/results/$(printf %04d "$index")
	{
		if [ -n "$complaints" ]; then
			echo "not ok - $title"
			printf '%s\n' "$complaints" | sed 's/^/# /'
			details
		else
			echo "ok - $title${reason:+ ($reason)}"
			if [ -n "$verbose" ] && [ -n "$differs" ]; then details; fi
		fi
	} >"$file"
}

# next_one TITLE NEED...: is it ours to run? Says what is missing.
next_one() {
	local title=$1 need
	shift
	index=$((index + 1))
	if [ $((index % 2)) != "$share" ]; then return 1; fi
	if [ -n "$only" ] && [[ ! $title =~ $only ]]; then return 1; fi
	for need in "$@"; do
		if ! has "$need"; then
			echo "ok - $title # SKIP no $need here" >"$base/results/$(printf %04d "$index")"
			return 1
		fi
	done
}

forget() {
	expected=0 differs='' pattern='' reason='' ignored=()
}

# jailed SCRIPT: one command in a cell: of its own, or as an agent would run it.
jailed() {
	if [ -n "$split" ]; then
		printf 'bash -c %q\nexit $?\n' "$1" >"$base/seed/agent"
		side jail "$agentjail" ${fresh:+--fresh} "${options[@]}" -- bash "$home/agent"
	else
		side jail "$agentjail" run "${options[@]}" -- bash -c "$1"
	fi
}

# work TITLE NEED... <<end: one command of an agent, a script on standard input.
work() {
	local script
	script=$prelude$(cat)
	if next_one "$@"; then
		side bare bash -c "$script"
		jailed "$script"
		report "$1" "$(judge)"
	fi
	forget
}

# cell TITLE NEED... <<end: in a cell alone, where being bare says nothing; the script judges itself.
cell() {
	local script complaints=
	script=$prelude$(cat)
	if next_one "$@"; then
		jailed "$script"
		cp "$base/jail.files" "$base/bare.files"
		: | tee "$base/bare.out" >"$base/bare.err"
		echo 0 >"$base/bare.status"
		if [ "$(cat "$base/jail.status")" != 0 ]; then
			[ -n "$reason" ] || complaints="ended with $(cat "$base/jail.status")"
		elif [ -n "$reason" ]; then
			complaints="a known fault is no more: $reason"
		fi
		report "$1" "$complaints"
	fi
	forget
}

# agent TITLE NEED... <<end: the script is the agent: what it starts are tool commands, each by itself.
agent() {
	local script
	script=$prelude$(cat)
	if next_one "$@"; then
		printf '%s' "$script" >"$base/seed/agent"
		side bare bash "$home/agent"
		side jail "$agentjail" ${fresh:+--fresh} "${options[@]}" -- bash "$home/agent"
		report "$1" "$(judge)"
	fi
	forget
}

# session TITLE NEED... <<end: several commands of one agent, divided by lines of three dashes.
session() {
	local script='' command='' line
	while IFS= read -r line; do
		if [ "$line" = --- ]; then
			script+="bash -c $(printf %q "$prelude$command") || echo \"status \$?\""$'\n'
			command=
		else
			command+=$line$'\n'
		fi
	done
	script+="bash -c $(printf %q "$prelude$command")"$'\nexit $?\n'
	if next_one "$@"; then
		printf '%s' "$script" >"$base/seed/agent"
		side bare bash "$home/agent"
		side jail "$agentjail" ${fresh:+--fresh} "${options[@]}" -- bash "$home/agent"
		report "$1" "$(judge)"
	fi
	forget
}
