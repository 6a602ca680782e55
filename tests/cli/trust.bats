#!/usr/bin/env bats
# shellcheck disable=SC2016 # other shells read what stands in single quotes
# Proves: clients in a cell of a session with rules accept what the session's authority signed for a
# rule's host and what the host's own authorities signed, with no flag, and nothing else; without
# rules nothing of it is there. The key is taken from the warden's memory, where the tests' user may
# look, and no cell can.

setup_file() {
	command -v openssl python3 unshare >/dev/null || skip "no openssl, python3 or unshare here"
}

setup() {
	load lib.bash
	# What rustup puts in PATH is no cargo, but looks for one in HOME.
	cargo=$(rustup which cargo 2>/dev/null || command -v cargo || true)
	new_home
	port=$((20000 + RANDOM % 20000))
	# Only what a test sets itself: a value of this shell's would be the user's word.
	unset SSL_CERT_FILE SSL_CERT_DIR NODE_EXTRA_CA_CERTS REQUESTS_CA_BUNDLE CURL_CA_BUNDLE PIP_CERT \
		GIT_SSL_CAINFO AWS_CA_BUNDLE NIX_SSL_CERT_FILE CARGO_HTTP_CAINFO HTTPLIB2_CA_CERTS
	export FAKE_TOKEN=not-a-secret
	echo "127.0.0.1 localhost api.rule.test host.test other.test" >"$root/hosts"
	ca "$root/host" "/CN=the host's own"
	leaf "$root/host" host.test
	cat "$root/host.pem" >"$root/bundle.pem"
}

teardown() {
	[ -z "${server:-}" ] || kill "$server" 2>/dev/null
	return 0
}

rules() { # LINE...: the profile, with a rule for api.rule.test
	printf '%s\n' "[inject api]" "host = *.rule.test" "header = Authorization: Bearer {secret}" \
		"secret = env:FAKE_TOKEN" "$@" "[egress]" \
		"allow = api.rule.test:$port host.test:$((port + 1)) other.test:$((port + 2))" \
		"private = api.rule.test host.test other.test" >"$config/agentjail.ini"
}

ca() { # FILE SUBJECT
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj "$2" \
		-keyout "$1.key" -out "$1.pem" 2>/dev/null
}

leaf() { # CA-FILE NAME: $root/NAME.chain has certificate and key
	printf 'subjectAltName=DNS:%s\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n' \
		"$2" >"$root/ext"
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/O=leaf" \
		-keyout "$root/$2.key" -out "$root/$2.csr" 2>/dev/null
	openssl x509 -req -in "$root/$2.csr" -CA "$1.pem" -CAkey "$1.key" -days 1 -set_serial 77 \
		-extfile "$root/ext" -out "$root/$2.crt" 2>/dev/null
	cat "$root/$2.crt" "$root/$2.key" >"$root/$2.chain"
}

# A mount namespace in which the three names are this machine.
with_hosts() {
	local map=() drop=()
	if [ "$(id -u)" != 0 ]; then
		map=(--user --keep-caps --map-user="$(id -u)" --map-group="$(id -g)")
		drop=(setpriv --inh-caps=-all --ambient-caps=-all)
	fi
	unshare "${map[@]}" --mount sh -c 'mount --bind "$1" /etc/hosts && shift && exec "$@"' - \
		"$root/hosts" "${drop[@]}" "$@"
}

server_program() {
	cat <<-'PYTHON'
		import http.server, ssl, sys, threading
		class Handler(http.server.BaseHTTPRequestHandler):
		    protocol_version = "HTTP/1.1"
		    def do_GET(self):
		        body = b'{"name":"trust","versions":{},"hello":"trust"}\n'
		        self.send_response(200)
		        self.send_header("Content-Type", "application/json")
		        self.send_header("Content-Length", str(len(body)))
		        self.end_headers()
		        self.wfile.write(body)
		    def log_message(self, *args):
		        pass
		for port, chain in zip(sys.argv[1::2], sys.argv[2::2]):
		    listener = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
		    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
		    context.load_cert_chain(chain)
		    listener.socket = context.wrap_socket(listener.socket, server_side=True)
		    threading.Thread(target=listener.serve_forever).start()
		print("ready", flush=True)
	PYTHON
}

# The session's certificate and key, from the memfd that the warden holds for its proxy.
take_key() { # FILE
	local fd i
	for i in $(seq 100); do
		for fd in /proc/[0-9]*/fd/*; do
			case $(readlink "$fd" 2>/dev/null) in
			*agentjail-authority*)
				if grep -q "PRIVATE KEY" "$fd" 2>/dev/null &&
					tr '\0' ' ' <"${fd%/fd/*}/cmdline" | grep -qF "$root"; then
					sed -n '/BEGIN CERT/,/END CERT/p' "$fd" >"$1.pem"
					sed -n '/BEGIN PRIVATE/,/END PRIVATE/p' "$fd" >"$1.key"
					return
				fi
				;;
			esac
		done
		sleep 0.1
	done
	echo "no session's key in sight (try $i)"
	return 1
}

# in_session SCRIPT: runs it in a cell, once the servers with the session's certificates listen.
in_session() {
	printf '%s\n' "$1" >"$project/script"
	with_hosts "$agentjail" run -- sh -c \
		'touch here; while [ ! -e go ]; do sleep 0.05; done; . ./script' "$root" \
		>"$root/out" 2>"$root/err" </dev/null &
	session=$!
	take_key "$root/session" || { cat "$root/err" && return 1; }
	leaf "$root/session" api.rule.test
	leaf "${other_ca:-$root/session}" other.test
	: >"$root/server"
	python3 -c "$(server_program)" "$port" "$root/api.rule.test.chain" \
		$((port + 1)) "$root/host.test.chain" $((port + 2)) "$root/other.test.chain" >"$root/server" 2>&1 3>&- &
	server=$!
	for _ in $(seq 100); do
		if grep -q ready "$root/server"; then break; fi
		sleep 0.1
	done
	touch "$project/go"
	wait $session || { cat "$root/out" "$root/err" && return 1; }
	output=$(cat "$root/out" "$root/err")
	kill $server 2>/dev/null
	wait $server 2>/dev/null || true
	rm -f "$project/go" "$project/here"
}

# accepts NAME COMMAND: the client, as COMMAND URL, believes the rule's host and the host's own, and
# not the session's word on a host without a rule.
accepts() {
	export SSL_CERT_FILE=$root/bundle.pem
	in_session "
		client() { $2; }
		client https://api.rule.test:$port/ >rule.log 2>&1 && echo rule accepted
		client https://host.test:$((port + 1))/ >host.log 2>&1 && echo host accepted
		client https://other.test:$((port + 2))/ >other.log 2>&1 || echo other refused
		head -n 5 rule.log host.log"
	unset SSL_CERT_FILE
	has "rule accepted" && has "host accepted" && has "other refused"
}

needs() {
	command -v "$1" >/dev/null 2>&1 || skip "no $1 here"
}

@test "without rules nothing of it exists" {
	: >"$config/agentjail.ini"
	works env -u FAKE_TOKEN "$agentjail" run -- sh -c '
		ls -d /run/agentjail-trust 2>/dev/null
		grep -E "trust|/etc/ssl/certs" /proc/mounts
		env | grep -E "CERT|_CA"
		true'
	[ -z "$output" ]
}

@test "with rules the bundles have one certificate more, and cannot be written" {
	rules
	works "$agentjail" run -- sh -c '
		f=$SSL_CERT_FILE
		grep -c BEGIN "$f"
		(echo x >>"$f") 2>/dev/null && echo written
		rm -f "$f" 2>/dev/null && echo removed
		mv /run/agentjail-trust /run/x 2>/dev/null && echo moved
		cat /etc/ssl/certs/*.0 2>/dev/null | grep -cF "$(sed -n 3p /run/agentjail-trust/session-ca.crt)"
		openssl x509 -noout -ext nameConstraints -in /run/agentjail-trust/session-ca.crt'
	has_not written
	has_not removed
	has_not moved
	has "DNS:rule.test"
	if [ -d /etc/ssl/certs ]; then has "
1
"; fi
}

@test "browsers' policies name the certificate, beside the host's own files" {
	[ -d /etc/opt ] || [ -d /etc/chromium ] || skip "no directory of policies here"
	rules
	works "$agentjail" run -- sh -c '
		for f in /etc/opt/chrome/policies/managed /etc/chromium/policies/managed; do
			[ ! -d "${f%/*/*}" ] || python3 -c "
import json, sys
kept = open(sys.argv[2]).read().split()
print(json.load(open(sys.argv[1]))[\"CACertificates\"] == [\"\".join(kept[2:-2])])" \
				"$f/agentjail.json" /run/agentjail-trust/session-ca.crt
			(echo x >>"$f/agentjail.json") 2>/dev/null && echo written
		done
		ls -A /etc/opt /etc/chromium 2>/dev/null'
	has True
	has_not False
	has_not written
	while read -r name; do has "$name"; done < <(
		find /etc/opt /etc/chromium -mindepth 1 -maxdepth 1 -printf '%f\n' 2>/dev/null
	)
}

@test "no key is in the cell" {
	rules
	works "$agentjail" run -- sh -c '
		grep -rl "PRIVATE KEY" /run /etc/ssl/certs 2>/dev/null
		for f in /proc/[0-9]*/fd/*; do readlink "$f"; done 2>/dev/null | grep memfd
		for f in /proc/1/fd/*; do head -c 1 "$f"; done 2>/dev/null
		true'
	[ -z "$output" ]
}

@test "curl" {
	needs curl
	rules
	accepts curl 'curl -sS "$1"'
}

@test "wget" {
	needs wget
	rules
	# wget has no variable: what it reads is the system's file, which the user's was merged into.
	accepts wget 'wget -q -O- "$1"'
}

@test "git" {
	needs git
	rules
	# The answer is no repository: what matters is that it was read.
	accepts git 'git ls-remote "$1" >git.log 2>&1; cat git.log; ! grep -qiE "certificate|SSL|TLS" git.log'
}

@test "openssl" {
	rules
	accepts openssl 'h=${1#https://}; h=${h%/}
		openssl s_client -brief -verify_return_error -verify_hostname "${h%:*}" -connect "$h" </dev/null'
}

@test "python: urllib" {
	rules
	accepts python3 'python3 -c "import sys, urllib.request as u; u.urlopen(sys.argv[1]).read()" "$1"'
}

@test "python: requests, with its own bundle" {
	python3 -c 'import requests' 2>/dev/null || skip "no python3-requests here"
	rules
	accepts requests 'python3 -c "import sys, requests; requests.get(sys.argv[1]).json()" "$1"'
}

@test "node: https and fetch" {
	needs node
	rules
	# Its own authorities are in it; a company's are named by the user.
	export NODE_EXTRA_CA_CERTS=$root/bundle.pem
	accepts node 'node -e "
		const get = u => new Promise((ok, no) => require(\"https\").get(u, r => r.resume().on(\"end\", ok))
			.on(\"error\", no));
		const all = async u => { await get(u); if (globalThis.fetch) await (await fetch(u)).text(); };
		all(process.argv[1]).catch(e => { console.error(e); process.exit(1); })" "$1"'
}

@test "npm" {
	needs npm
	rules
	accepts npm 'npm --cache ./npm --fetch-retries 0 --registry "$1" view trust name'
}

@test "java" {
	needs java
	rules
	cat >"$project/Get.java" <<-'JAVA'
		public class Get {
			public static void main(String[] args) throws Exception {
				new java.net.URL(args[0]).openStream().readAllBytes();
			}
		}
	JAVA
	# It does not look at what an authority in its key store is constrained to.
	ca "$root/unknown" "/CN=nobody"
	other_ca=$root/unknown
	accepts java 'java Get.java "$1"'
}

@test "go" {
	needs go
	rules
	cat >"$project/get.go" <<-'GO'
		package main

		import ("fmt"; "io"; "net/http"; "os")

		func main() {
			r, err := http.Get(os.Args[1])
			if err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			io.Copy(io.Discard, r.Body)
		}
	GO
	(cd "$project" && CGO_ENABLED=0 GOCACHE=$root/gocache GOFLAGS=-mod=mod go build -o get get.go) || skip "go does not build here"
	accepts go './get "$1"'
}

@test "cargo" {
	[ -n "$cargo" ] || skip "no cargo here"
	rules "[files]" "read = ${cargo%/bin/cargo}"
	mkdir -p "$project/crate/src" "$project/crate/.cargo"
	: >"$project/crate/src/lib.rs"
	printf '[package]\nname = "crate"\nversion = "0.1.0"\n[dependencies]\ntrust = "1"\n' \
		>"$project/crate/Cargo.toml"
	# The index is none: what matters is that it was read.
	accepts cargo "cargo=$cargo"'; cd crate
		printf "[source.crates-io]\nreplace-with = \"t\"\n[source.t]\nregistry = \"sparse+%s\"\n[net]\nretry = 0\n" "$1" \
			>.cargo/config.toml
		CARGO_HOME=$PWD/home "$cargo" generate-lockfile >cargo.log 2>&1; cat cargo.log; cd ..
		! grep -qiE "SSL|certificate" crate/cargo.log'
}

@test "a variable that the agent or the user's --env sets is left alone" {
	rules
	works "$agentjail" run --env REQUESTS_CA_BUNDLE=/mine.pem -- sh -c 'echo "$REQUESTS_CA_BUNDLE $PIP_CERT"'
	has "/mine.pem /"
	has_not "/mine.pem /mine.pem"
}

@test "what the user's variables name is in the bundle" {
	rules
	ca "$root/corp" "/CN=a company"
	export REQUESTS_CA_BUNDLE=$root/corp.pem
	works "$agentjail" run -- sh -c 'echo "$REQUESTS_CA_BUNDLE"; cat "$REQUESTS_CA_BUNDLE"'
	has_not "$root"
	has "$(sed -n 2p "$root/corp.pem")"
}

@test "the system's are in it too, when the user names others" {
	rules
	[ -e /etc/ssl/certs/ca-certificates.crt ] || skip "no system bundle at the place of Debian's"
	export SSL_CERT_FILE=$root/bundle.pem
	works "$agentjail" run -- sh -c 'cat /etc/ssl/certs/ca-certificates.crt'
	has "$(sed -n 2p "$root/bundle.pem")"
	has "$(sed -n 2p /etc/ssl/certs/ca-certificates.crt)"
}

@test "a virtual environment of the project can be removed" {
	rules
	mkdir -p "$project/.venv/lib/python3.11/site-packages/certifi"
	echo old >"$project/.venv/lib/python3.11/site-packages/certifi/cacert.pem"
	works "$agentjail" run -- sh -c 'rm -rf .venv && echo gone'
	has gone
}
