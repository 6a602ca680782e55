#!/usr/bin/env bats
# Proves: with [egress] parent-proxy every allowed connection goes through it by CONNECT, and what
# is not allowed, or is to go without it, does not reach it.
load lib.bash

setup() {
	new_home
	python3 "$top/tests/cli/parent_proxy.py" "$root/parent" 3>&- &
	parent=$!
	for _ in $(seq 100); do
		[ -s "$root/parent.port" ] && break
		sleep 0.05
	done
	url=http://127.0.0.1:$(cat "$root/parent.port")
}
teardown() { kill "$parent"; }

# get NAME OPTION...: fetches it in a cell, by CONNECT so that names are not looked up there.
get() {
	local name=$1
	shift
	"$agentjail" run --set "egress.parent-proxy=$url" "$@" -- \
		curl -sS --max-time 10 -p -x 127.0.0.1:3128 "http://$name/" \
		>"$root/out" 2>"$root/err" </dev/null
}

asked() { grep -c "^CONNECT $1" "$root/parent.log" || true; }

@test "a name that only the parent can look up is reached through it" {
	get inner.corp.test --allow inner.corp.test
	[ "$(cat "$root/out")" = reached ]
	grep -qxF 'CONNECT inner.corp.test:80 HTTP/1.1|Host: inner.corp.test:80||' "$root/parent.log"
}

@test "an answer that comes byte by byte is understood" {
	get slow.test --allow slow.test
	[ "$(cat "$root/out")" = reached ]
}

@test "what is not allowed never reaches the parent" {
	run ! get denied.test --allow inner.corp.test
	[ "$(asked denied)" = 0 ]
	grep -q 'connect denied.test:80 denied by' "$root/err"
}

@test "a private address stays refused where it can be looked up here" {
	# Positive control: with the name in `private` the same request goes to the parent.
	local name
	name=$(hostname)
	getent hosts "$name" | grep -qE '^(127|::1|10\.|192\.168|172\.)' ||
		skip "the machine's own name has no private address"
	run ! get "$name" --allow "$name"
	[ "$(asked "$name")" = 0 ]
	get "$name" --allow "$name" --set "egress.private=$name"
	[ "$(asked "$name")" = 1 ]
}

@test "a refusal, an endless answer and silence are failures at once" {
	for name in forbidden.test long.test rude.test; do
		run ! get $name --allow $name
		[ "$(asked $name)" = 1 ]
	done
}

@test "[egress] no-proxy and NO_PROXY keep a host away from the parent" {
	run ! get inner.corp.test --allow inner.corp.test --set egress.no-proxy=inner.corp.test
	NO_PROXY=other,.corp.test run ! get inner.corp.test --allow inner.corp.test
	[ "$(asked inner)" = 0 ]
	NO_PROXY=other get inner.corp.test --allow inner.corp.test
	[ "$(asked inner)" = 1 ]
}

@test "localhost:PORT does not go through the parent" {
	local port=${url##*:}
	"$agentjail" run --set "egress.parent-proxy=$url" --allow "localhost:$port" -- \
		curl -sS --max-time 10 "http://localhost:$port/direct" >"$root/out" 2>&1 || true
	[ "$(asked localhost)" = 0 ]
	grep -q '^GET /direct' "$root/parent.log"
}

@test "a password in the address is refused and not shown" {
	fails 125 'no user or password can stand here' \
		"$agentjail" run --set egress.parent-proxy=http://u:hunter2@127.0.0.1:1 -- true
	run ! grep -q hunter2 "$root/err"
	fails 125 'write http://HOST:PORT' \
		"$agentjail" run --set egress.parent-proxy=socks5://127.0.0.1:1 -- true
}
