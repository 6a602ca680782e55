#!/usr/bin/env bats
# Proves: secrets that rules name leave the environment before anything runs, commands get fakes,
# sources that are not fit stop the start with one line, and no line ever has the value.
# shellcheck disable=SC2030,SC2031 # each test has its own environment
# shellcheck disable=SC2016 # the jailed shell is to expand it
load lib.bash

canary=ghp_CanaryCanary0123456789Canary0123456789

setup() {
	new_home
	unset GITHUB_TOKEN OTHER
}

# rule LINE...: the rule "github" with these lines
rule() {
	printf '[inject github]\nhost = api.github.test\n' >"$config/agentjail.ini"
	case $* in *'sign = '* | *client-key* | 'ca = '*) ;; *) set -- "$@" 'header = X: {secret}' ;; esac
	printf '%s\n' "$@" >>"$config/agentjail.ini"
}

jailed() { "$agentjail" run -- "$@" </dev/null; }

# refused TEXT: the session does not start; one line has the text and none the canary
refused() {
	fails 125 "$1" "$agentjail" run -- touch "$project/started"
	[ ! -e "$project/started" ]
	output=$(cat "$root/err")
	has "[inject github]"
	has_not anary
}

@test "without the rule the variable is where it was" {
	export OTHER=$canary
	output=$("$agentjail" --env OTHER run -- sh -c 'echo "$OTHER"')
	has "$canary"
	"$agentjail" run -- sleep 20 &
	sleep 1
	output=$("$BATS_TEST_DIRNAME/scan.py" $! "$canary")
	kill $!
	has " agentjail environ"
	[ "$(id -u)" != 0 ] || has " agentjail memory"
}

@test "the variable of a rule is nowhere in the session" {
	rule 'secret = env:GITHUB_TOKEN'
	export GITHUB_TOKEN=$canary OTHER="x$canary" SHORT=1
	output=$("$agentjail" --env OTHER --env SHORT run -- env)
	has_not anary
	has SHORT=1
	has_not AGENTJAIL_SECRETS
	"$agentjail" run -- sleep 20 &
	sleep 1
	output=$("$BATS_TEST_DIRNAME/scan.py" $! "$canary")
	[ "$(cat /proc/$!/comm)" = agentjail ]
	kill $!
	[ -z "$output" ] || { echo "$output" && return 1; }
}

@test "the contents of a file of a rule are nowhere in the session" {
	rule 'secret = file:~/token' 'env = GITHUB_TOKEN'
	(umask 077 && echo "$canary" >"$HOME/token")
	"$agentjail" run -- sleep 20 &
	sleep 1
	output=$("$BATS_TEST_DIRNAME/scan.py" $! "$canary")
	kill $!
	[ -z "$output" ] || { echo "$output" && return 1; }
}

@test "short values take no other variable with them" {
	rule 'secret = env:GITHUB_TOKEN'
	export GITHUB_TOKEN=abc OTHER=abcd
	output=$("$agentjail" --env OTHER run -- sh -c 'echo "$OTHER"')
	has abcd
}

@test "-v names the variables that go" {
	rule 'secret = env:GITHUB_TOKEN'
	output=$(GITHUB_TOKEN=$canary OTHER="x$canary" "$agentjail" -v run -- true 2>&1)
	has "variable OTHER has the value of a secret too"
	has_not anary
}

@test "an agent that wants the variable is told whose it is, once" {
	rule 'secret = env:GITHUB_TOKEN'
	printf '[agent]\nkeep-env = GITHUB_*\n' >>"$config/agentjail.ini"
	output=$(GITHUB_TOKEN=$canary "$agentjail" sh -c env 2>&1)
	[ "$(grep -c 'GITHUB_TOKEN is the secret of a rule' <<<"$output")" = 1 ]
	has_not anary
}

@test "an argument with the value is warned of" {
	rule 'secret = env:GITHUB_TOKEN'
	output=$(GITHUB_TOKEN=$canary "$agentjail" run -- true "$canary" 2>&1)
	has "an argument of this command line"
	has_not anary
}

@test "fakes have the shape of the real thing and nothing else of it" {
	rule 'secret = env:GITHUB_TOKEN' 'env = GITHUB_TOKEN GH_TOKEN'
	export GITHUB_TOKEN=$canary GH_TOKEN=another
	output=$(jailed sh -c 'echo "$GITHUB_TOKEN"; echo "$GH_TOKEN"')
	[ "$(grep -cxE 'ghp_[A-Za-z0-9]{38}' <<<"$output")" = 2 ]
	has_not anary
	[ "$output" != "$(jailed sh -c 'echo "$GITHUB_TOKEN"; echo "$GH_TOKEN"')" ]
}

@test "fakes for AWS are such that clients sign with them" {
	rule 'sign = aws' 'key-id = env:KEY' 'secret = env:SECRET' 'session-token = env:SESSION'
	export KEY=ASIAQWERTYUIOPASDFGH SECRET=0123456789012345678901234567890123456789
	export SESSION=IQoJb3JpZ2luX2Vjsession0123456789
	output=$(jailed env | grep '^AWS')
	grep -Eqx 'AWS_ACCESS_KEY_ID=ASIA[A-Z2-7]{16}' <<<"$output"
	grep -Eqx 'AWS_SECRET_ACCESS_KEY=[A-Za-z0-9+/]{40}' <<<"$output"
	grep -Eqx 'AWS_SESSION_TOKEN=IQoJb3JpZ2luX2Vj[A-Za-z0-9+/]{17}' <<<"$output"
	has_not QWERTY
	has_not 0123456789
}

@test "what the user sets for the cell wins over a fake" {
	rule 'secret = env:GITHUB_TOKEN' 'env = GITHUB_TOKEN'
	export GITHUB_TOKEN=$canary
	output=$("$agentjail" --env GITHUB_TOKEN=mine run -- sh -c 'echo "$GITHUB_TOKEN"')
	[ "$output" = mine ]
}

@test "env: a variable that is not fit is refused" {
	rule 'secret = env:GITHUB_TOKEN'
	refused "the variable is not set"
	GITHUB_TOKEN='' refused "the value is empty"
	GITHUB_TOKEN=$'Canary\rx' refused "has a line end in it"
	GITHUB_TOKEN=$'Canary\n' refused "a line end"
	GITHUB_TOKEN=$'Canary\x01' refused "has a control character in it"
	GITHUB_TOKEN=$(printf 'Canary%033000d' 1) refused "larger than 32 KiB"
}

@test "env: the name of the variable that carries the pipes is agentjail's own" {
	rule 'secret = env:GITHUB_TOKEN'
	for value in x GITHUB_TOKEN=0 GITHUB_TOKEN=99 'GITHUB_TOKEN=3x' =3; do
		AGENTJAIL_SECRETS=$value fails 125 "AGENTJAIL_SECRETS" "$agentjail" run -- true
	done
}

@test "file: a file is read, its line end taken off, and its fake has its shape" {
	rule "secret = file:$HOME/token" 'env = GITHUB_TOKEN'
	(umask 077 && echo "$canary" >"$HOME/token")
	output=$(jailed sh -c 'echo "$GITHUB_TOKEN"')
	[[ $output =~ ^ghp_[A-Za-z0-9]{38}$ ]]
	has_not anary
}

@test "file: a file that is not fit is refused" {
	rule 'secret = file:~/token'
	umask 077
	refused "No such file"
	: >"$HOME/token" && refused "the value is empty"
	echo >"$HOME/token" && refused "the value is empty"
	printf 'Canary\r\n' >"$HOME/token" && refused "has a line end in it"
	printf 'Canary\n\n' >"$HOME/token" && refused "has a line end in it"
	printf 'Canary\0' >"$HOME/token" && refused "has a NUL byte in it"
	printf 'Canary%033000d' 1 >"$HOME/token" && refused "larger than 32 KiB"
	echo Canary >"$HOME/token" && chmod 644 "$HOME/token" && refused "chmod 600"
	rm "$HOME/token" && mkdir "$HOME/token" && refused "no regular file"
	rmdir "$HOME/token" && mkfifo "$HOME/token" && refused "no regular file"
	rm "$HOME/token" && ln -s /dev/zero "$HOME/token" && refused "no regular file"
}

@test "file: a place that commands can write is refused, also by way of links" {
	umask 077
	echo Canary | tee "$project/token" >"$HOME/real"
	rule "secret = file:$project/token"
	refused "can be written"
	rule 'secret = file:~/token'
	ln -s "$project/token" "$HOME/token" && refused "can be written"
	ln -s "$HOME/real" "$project/link"
	ln -sf "$project/link" "$HOME/token" && refused "can be written"
	ln -sf "$HOME/real" "$HOME/token" && jailed true
	printf '[agent]\nkeep = ~/real\n' >>"$config/agentjail.ini"
	refused "can be written"
}

@test "file: one that commands can read is refused" {
	(umask 077 && echo "$canary" >"$HOME/token")
	rule 'secret = file:~/token'
	printf '[sandbox]\nhome = open\n' >>"$config/agentjail.ini"
	refused "can be read by commands"
	printf '[files]\nhide = ~/token\n' >>"$config/agentjail.ini"
	jailed true
	ln -s token "$HOME/link"
	rule 'secret = file:~/link'
	printf '[files]\nread = ~/token\n' >>"$config/agentjail.ini"
	refused "can be read by commands"
}

@test "client-key = file: may have lines" {
	umask 077
	printf '%s\n' 'BEGIN' 'x' 'END' >"$HOME/key"
	rule 'client-cert = file:~/key' 'client-key = file:~/key'
	jailed true
}

@test "ca: a file that commands can write is refused" {
	cp /etc/hostname "$project/ca.pem"
	rule "ca = $project/ca.pem"
	refused "can be written"
	cp /etc/hostname "$HOME/ca.pem"
	rule 'ca = ~/ca.pem'
	jailed true
}

@test "command: one that commands can write is refused" {
	printf '#!/bin/sh\necho x\n' >"$project/get" && chmod +x "$project/get"
	rule "secret = command:$project/get"
	refused "can be written"
	rule "secret = command:sh $project/get"
	refused "can be written"
	ln -s "$project/get" "$HOME/get"
	rule 'secret = command:~/get'
	refused "can be written"
	printf '#!%s/sh\n' "$project" >"$HOME/script" && chmod +x "$HOME/script"
	ln -s /bin/sh "$project/sh"
	rule 'secret = command:~/script'
	refused "can be written"
	rule 'secret = command:get'
	PATH=$project:$PATH jailed true
}

@test "command: and keyring: run nothing at the start" {
	rule "secret = command:touch $HOME/ran"
	jailed true
	[ ! -e "$HOME/ran" ]
	rule 'secret = keyring:github/me'
	jailed true
}

@test "show, check and --explain need no secret" {
	rule 'secret = env:GITHUB_TOKEN'
	works "$agentjail" show
	works "$agentjail" check "$config/agentjail.ini"
	works "$agentjail" --explain run -- true
}

@test "a secret that is too short to be taken out of responses is a warning" {
	rule 'secret = env:OTHER'
	OTHER=1234567 jailed true 2>"$root/err"
	grep -q '^agentjail: \[inject github\]: the secret has fewer than 8 bytes' "$root/err"
	OTHER=12345678 works "$agentjail" run -- true
	echo 'redact = no' >>"$config/agentjail.ini"
	OTHER=1234567 jailed true 2>"$root/err"
	run ! grep -q 'fewer than' "$root/err"
}
