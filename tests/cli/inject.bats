#!/usr/bin/env bats
# Proves: from a rule to a server that sees its secret, while nothing of the session but its keeper
# has it; what happens when sources fail, and when proxy, keepers or warden are killed. The server
# is a real one behind a name of the host's, in a network and mount namespace of the test's own.
# shellcheck disable=SC2016 # the jailed shell is to expand it
load lib.bash

canary=ghp_CanaryCanary0123456789Canary0123456789

setup_file() {
	command -v openssl python3 unshare curl >/dev/null || skip "no openssl, python3, unshare or curl"
	unshare -cmn true 2>/dev/null || skip "no namespaces for the test's own network here"
}

# The server answers with the Authorization that it got, and keeps what it got in $root/seen.
setup() {
	new_home
	unset API_TOKEN SSL_CERT_FILE CURL_CA_BUNDLE
	export API_TOKEN=$canary
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=ca \
		-keyout "$root/ca.key" -out "$HOME/ca.pem" 2>/dev/null
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=api.test \
		-keyout "$root/key" -out "$root/csr" 2>/dev/null
	openssl x509 -req -in "$root/csr" -CA "$HOME/ca.pem" -CAkey "$root/ca.key" -CAcreateserial \
		-days 1 -out "$root/pem" 2>/dev/null \
		-extfile <(echo "subjectAltName=DNS:api.test,DNS:other.test")
	cat "$root/pem" "$root/key" >"$root/server.pem"
	printf '127.0.0.1 localhost\n10.99.0.2 api.test other.test\n' >"$root/hosts"
	cat >"$root/server.py" <<-'END'
		import http.server, ssl, sys
		root = sys.argv[1]
		class Handler(http.server.BaseHTTPRequestHandler):
		    protocol_version = "HTTP/1.1"
		    def do_GET(self):
		        got = self.headers.get("Authorization") or "none"
		        with open(root + "/seen", "a") as f:
		            f.write(self.path + " " + got + "\n")
		        body = ("got " + got + "\n").encode()
		        self.send_response(200)
		        self.send_header("Content-Length", str(len(body)))
		        self.end_headers()
		        self.wfile.write(body)
		    do_POST = do_GET
		    def log_message(self, *args):
		        pass
		server = http.server.ThreadingHTTPServer(("10.99.0.2", 443), Handler)
		tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
		tls.load_cert_chain(root + "/server.pem")
		server.socket = tls.wrap_socket(server.socket, server_side=True)
		open(root + "/listens", "w").close()
		server.serve_forever()
	END
	cat >"$root/lab" <<-'END'
		ip link set lo up && ip addr add 10.99.0.2/32 dev lo && ip route add default dev lo
		mount --bind "$1/hosts" /etc/hosts
		python3 "$1/server.py" "$1" &
		server=$!
		trap 'kill $server' EXIT
		until [ -e "$1/listens" ]; do sleep 0.05; done
		shift
		[ "$(id -u)" = 0 ] || set -- setpriv --inh-caps=-all --ambient-caps=-all "$@"
		"$@"
	END
}

# rules LINE...: one rule for api.test, the lines are the rest of it
rules() {
	printf '%s\n' '[egress]' 'private = api.test other.test' >"$config/agentjail.ini"
	rule api api.test "$@"
}

rule() { # NAME HOST LINE...
	printf '%s\n' "[inject $1]" "host = $2" 'ca = ~/ca.pem' \
		'header = Authorization: Bearer {secret}' "${@:3}" >>"$config/agentjail.ini"
}

# lab COMMAND...: with the server there
lab() {
	local map=()
	[ "$(id -u)" = 0 ] || map=(-c --keep-caps)
	timeout 100 unshare "${map[@]}" -mn bash "$root/lab" "$root" "$@" </dev/null
}

# get URL: what a command in the cell runs
get='get() { curl -sS -m 20 -w "%{http_code}\n" "https://$1" "${@:2}"; }'

cell() { # SCRIPT: in a cell, with get()
	lab "$agentjail" run -- bash -c "$get; $1" 2>"$root/err"
}

audit() { # TEXT: some record has it
	grep -hqF -- "$1" "$HOME"/.local/state/agentjail/audit/*.jsonl
}

# steps SCRIPT...: the first in a cell; it waits for $project/go to go away, meanwhile the others
# run outside, with $warden set. Its output is in $root/out.
steps() {
	local script=$1
	shift
	cat >"$root/steps" <<-END
		for _ in \$(seq 600); do [ -e "$project/go" ] || sleep 0.05; done
		warden=\$(cat "$root/warden")
		$(printf '%s\n' "$@")
		rm -f "$project/go"
	END
	cat >"$root/outer" <<-END
		"$agentjail" run -- bash -c '$get; $script' >"$root/out" 2>"$root/err" &
		echo \$! >"$root/warden"
		bash "$root/steps" >"$root/step-out" 2>&1
		wait \$! || echo "status \$?"
	END
	lab bash "$root/outer"
	output=$(cat "$root/out" "$root/step-out")
}

# The jailed side's pause.
pause='touch go; while [ -e go ]; do sleep 0.05; done'

@test "the server gets the secret, the command a fake, and neither sees the other's" {
	rules 'secret = env:API_TOKEN' 'env = API_TOKEN'
	output=$(cell 'echo "$API_TOKEN"; get api.test/a; get api.test/b -H "Authorization: Bearer mine"')
	has "got Bearer"
	has_not anary
	[ "$(cat "$root/seen")" = "$(printf '/a Bearer %s\n/b Bearer %s' "$canary" "$canary")" ]
	audit '"event":"source","rule":"api","key":"secret","kind":"env","result":"fetched"'
	audit '"event":"keeper","rule":"api","state":"started"'
	audit '"event":"request","decision":"allow"'
	run ! grep -rq anary "$HOME/.local"
}

@test "mode shared: the agent itself is served too, and has no more than the fake" {
	rules 'secret = env:API_TOKEN' 'env = API_TOKEN'
	output=$(lab "$agentjail" -q --mode shared bash -c "$get"'; echo "$API_TOKEN"; get api.test/a; env; cat /proc/[0-9]*/environ' | tr '\0' '\n')
	has "got Bearer"
	has_not anary
	[ "$(cat "$root/seen")" = "/a Bearer $canary" ]
}

@test "a request that no rule allows is refused, told and recorded" {
	rules 'secret = env:API_TOKEN' 'method = GET' 'path = /ok/*'
	output=$(cell 'get api.test/no; get api.test/ok/x -X POST')
	[ "$(grep -cx 403 <<<"$output")" = 2 ]
	[ ! -e "$root/seen" ]
	grep -q 'POST https://api.test/ok/x denied by \[inject\]; see: agentjail why' "$root/err"
	audit '"event":"request","decision":"deny"'
}

@test "a command is run at the first request, and anew when the ttl is over" {
	printf '#!/bin/sh\necho run >>"$HOME/ran"\necho %s\n' "$canary" >"$HOME/fetch"
	chmod +x "$HOME/fetch"
	rules 'secret = command:~/fetch' 'ttl = 2'
	rule other other.test 'secret = command:~/fetch'
	output=$(cell 'get api.test/1; get api.test/2; sleep 3; get api.test/3')
	[ "$(grep -cx 200 <<<"$output")" = 3 ]
	[ "$(wc -l <"$HOME/ran")" = 2 ]
	audit '"event":"keeper","rule":"api","state":"expired"'
}

@test "a command that fails is a 502 with the reason, one line, and no storm" {
	printf '#!/bin/sh\necho run >>"$HOME/ran"\necho %s >&2\nexit 7\n' "$canary" >"$HOME/fetch"
	chmod +x "$HOME/fetch"
	rules 'secret = command:~/fetch'
	output=$(cell 'for i in 1 2 3 4 5; do get api.test/$i; done')
	[ "$(grep -cx 502 <<<"$output")" = 5 ]
	has "failed with status 7"
	has_not anary
	[ "$(wc -l <"$HOME/ran")" = 1 ]
	[ "$(grep -c 'the rule api is refused' "$root/err")" = 1 ]
	run ! grep -rq anary "$HOME/.local" "$root/err"
}

@test "only keepers have a secret, and memory that can be read not even there" {
	(umask 077 && echo "${canary}file" >"$HOME/token")
	rules 'secret = env:API_TOKEN'
	rule other other.test 'secret = file:~/token'
	steps "get api.test/a; get other.test/b; $pause" \
		"'$BATS_TEST_DIRNAME/scan.py' \$warden $canary" 'echo scanned'
	has scanned
	has 200
	has_not "$canary"
	has_not " environ"
	has_not " memory"
	grep -q "Bearer ${canary}file" "$root/seen"
}

@test "a proxy that is killed takes no keeper with it" {
	rules 'secret = env:API_TOKEN'
	steps "get api.test/a; $pause; get api.test/b" 'kill -9 $(pgrep -P $warden -f "@proxy")'
	[ "$(grep -cx 200 <<<"$output")" = 2 ]
	[ "$(grep -c '"event":"source"' "$HOME"/.local/state/agentjail/audit/*.jsonl)" = 1 ]
}

@test "a keeper that is killed is a 502 for its rule alone" {
	(umask 077 && echo other >"$HOME/token")
	rules 'secret = env:API_TOKEN'
	rule other other.test 'secret = file:~/token'
	steps "get api.test/a; $pause; get api.test/b; get other.test/c" \
		'kill -9 $(pgrep -P $(pgrep -P $warden -f "@keeper"))' 'sleep 0.3'
	[ "$(grep -xE '200|502' <<<"$output" | tr '\n' ' ')" = "200 502 200 " ]
	grep -q 'the keeper of the rule api ended' "$root/err"
}

@test "keepers that end all at once are said once" {
	rules 'secret = env:API_TOKEN'
	rule other other.test 'secret = command:echo x'
	steps "get api.test/a; $pause; get api.test/b; get other.test/c" \
		'kill -9 $(pgrep -P $warden -f "@keeper")' 'sleep 0.3'
	[ "$(grep -xE '200|502' <<<"$output" | tr '\n' ' ')" = "200 502 502 " ]
	has "start a new session"
	[ "$(grep -c 'the keepers ended' "$root/err")" = 1 ]
}

@test "with the warden killed nothing is left" {
	printf '#!/bin/sh\necho $$ >"$HOME/hangs"\nsleep 60\n' >"$HOME/fetch"
	chmod +x "$HOME/fetch"
	rules 'secret = env:API_TOKEN'
	rule other other.test 'secret = command:~/fetch'
	steps "get api.test/a; get other.test/b & sleep 1; $pause" \
		'all="$(pgrep -P $warden) $(pgrep -P $(pgrep -P $warden -f @keeper)) $(cat '"$HOME"'/hangs)"' \
		'kill -0 $all && echo there' 'kill -9 $warden' 'sleep 1' \
		'for pid in $all; do grep -sq "State:.[^Z]" /proc/$pid/status && echo left $pid; done'
	has there
	has_not left
}

@test "tools that read their token from a file send a fake, and the server gets the real one" {
	rules 'secret = env:API_TOKEN'
	printf '[files]\nredact = ~/.netrc\nhide = !~/.netrc\n' >>"$config/agentjail.ini"
	printf 'machine api.test login me password %s\n' "$canary" >"$HOME/.netrc"
	printf '//api.test/:_authToken=%s\nregistry=https://api.test/\nupdate-notifier=false\n' "$canary" >"$HOME/.npmrc"
	cell 'cat ~/.netrc ~/.npmrc; get api.test/with-netrc -n; curl -svn https://api.test/ 2>&1 | grep -i "> authorization"
		command -v npm >/dev/null && npm ping' >"$root/out" 2>&1 || true
	grep -qx "/with-netrc Bearer $canary" "$root/seen"
	[ "$(grep -cF "$canary" "$root/out")" = 0 ]
	grep -q 'machine api.test login me password ghp_' "$root/out"
	grep -qi '> authorization: basic ' "$root/out" # it did send something
	[ -z "$(command -v npm)" ] || grep -q "^/-/ping.* Bearer $canary" "$root/seen"
}
