#!/usr/bin/env bats
# Proves: with default.ini as it is, what npm, pip, cargo and go fetched in one session is taken from
# the cache in the next one of the project, is not on the host, and two sessions at once both work.
# shellcheck disable=SC2016,SC2088 # for the shell in the cell, and for the profile
load lib.bash

setup() {
	new_home
	python3=/usr/bin/python3
	: >"$root/fetched"
	"$python3" "$BATS_TEST_DIRNAME/registry.py" "$root/fetched" >"$root/port" 3>&- &
	server=$!
	for _ in $(seq 100); do [ -s "$root/port" ] || sleep 0.05; done
	port=$(cat "$root/port")
	base=http://localhost:$port
	export PATH=/usr/local/bin:/usr/bin:/bin
}
teardown() {
	kill "$server"
	[ ! -d "$HOME/.cache" ] || chmod -R u+rwX "$HOME"
}

need() { command -v "$1" >/dev/null || skip "no $1"; }
fetched() { wc -l <"$root/fetched"; }
cell() { "$agentjail" run --allow "localhost:$port" ${toolchain:+--read "$toolchain"} -- sh -ec "$1"; }

# served CACHE SCRIPT: three sessions, two of them at once; the first alone fetches, but for the second
# of the two, which has what the host has: nothing. Before, as a control: a session without the cache.
served() {
	local got without
	without=!$1
	shift
	"$agentjail" run --set "files.cache=$without" --allow "localhost:$port" \
		${toolchain:+--read "$toolchain"} -- sh -ec "$1" >"$root/out" 2>&1 || { cat "$root/out" && return 1; }
	[ "$(fetched)" = 1 ]
	: >"$root/fetched"
	cell "$1" >"$root/out" 2>&1 || { cat "$root/out" && return 1; }
	[ "$(fetched)" = 1 ] || { echo "fetched at first:" && cat "$root/fetched" "$root/out" && return 1; }
	cell "$1" >"$root/out" 2>&1 || { cat "$root/out" && return 1; }
	[ "$(fetched)" = 1 ] || { echo "fetched again:" && cat "$root/fetched" "$root/out" && return 1; }
	mkfifo "$root/hold"
	"$agentjail" -q run -- sh -c 'touch started; read -r _ || true' <"$root/hold" 3>&- &
	exec 7>"$root/hold"
	for _ in $(seq 100); do [ -e started ] || sleep 0.05; done
	cell "$1" >"$root/out" 2>&1 || { cat "$root/out" && return 1; }
	exec 7>&-
	wait $!
	grep -q 'another session of this project' "$root/out"
	got=$(fetched)
	[ "$got" = 2 ] || { echo "fetched by the second at once: $got" && return 1; }
	echo "# fetched once by two sessions in turn, once more by one beside a third" >&3
}

@test "npm ci" {
	need npm
	printf '{ "name": "x", "version": "1.0.0", "dependencies": { "leftish": "1.0.0" } }\n' >package.json
	printf 'registry=%s/npm/\naudit=false\nfund=false\nupdate-notifier=false\n' "$base" >.npmrc
	npm install --package-lock-only --cache "$root/elsewhere" >/dev/null
	served '~/.npm' 'rm -rf node_modules; npm ci; node -e "if (require(\"leftish\") !== 1) process.exit(1)"'
	[ ! -e "$HOME/.npm" ]
}

@test "pip install" {
	"$python3" -m pip --version >/dev/null 2>&1 || skip "no pip"
	served '~/.cache/pip' "rm -rf lib; $python3 -m pip install --disable-pip-version-check -i $base/pip --trusted-host localhost -t lib leftish
		PYTHONPATH=lib $python3 -c 'import leftish; assert leftish.value == 1'"
	[ ! -e "$HOME/.cache/pip" ]
}

@test "cargo build" {
	sysroot=$(HOME=$(getent passwd "$(id -u)" | cut -d: -f6) PATH=$PATH:~root/.cargo/bin rustc --print sysroot 2>/dev/null) ||
		skip "no rustc"
	[ -x "$sysroot/bin/cargo" ] || skip "no cargo"
	toolchain=$sysroot
	export PATH=$PATH:$sysroot/bin
	mkdir -p src .cargo
	printf '[package]\nname = "x"\nversion = "1.0.0"\n[dependencies]\nleftish = { version = "1", registry = "local" }\n' >Cargo.toml
	printf 'fn main() { assert_eq!(leftish::value(), 1); }\n' >src/main.rs
	printf '[registries.local]\nindex = "sparse+%s/cargo/"\n' "$base" >.cargo/config.toml
	served '~/.cargo/registry' 'rm -rf target; cargo run'
	[ ! -e "$HOME/.cargo" ]
}

@test "go build" {
	need go
	printf 'module x\n\ngo 1.18\n\nrequire example.test/leftish v1.0.0\n' >go.mod
	printf 'package main\n\nimport "example.test/leftish"\n\nfunc main() {\n\tif leftish.Value != 1 {\n\t\tpanic("")\n\t}\n}\n' >main.go
	served '~/go/pkg/mod' "export GOPROXY=$base/go GOFLAGS=-mod=mod GOSUMDB=off; rm -f x; go build -o x . && ./x"
	[ ! -e "$HOME/go" ]
}
