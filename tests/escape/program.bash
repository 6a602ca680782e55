# Shared by the scripts of tests/escape, tests/e2e and tests/bench (sourced): the program under
# test, where the test's user can reach it, and that user. Expects: top (the tree), stage (a
# directory that the script made and removes).
# shellcheck shell=bash disable=SC2034,SC2154

program=${AGENTJAIL:-$top/${B:-build}/agentjail}
test_user=agentjail-test
as_user=()

# need_program: ends the script where there is nothing to test yet. Loud: no plan, status 1.
need_program() {
	[ -x "$program" ] && return
	echo "Bail out! no program: $program (make first)"
	exit 1
}

# stage_program DIR: an ordinary user may not be able to reach the tree, and a profile must belong to
# who uses it: the program and its profiles are copied to DIR, for that user if a second argument
# says so. An installed program is used where it is.
stage_program() {
	local beside
	beside=$(cd "$(dirname "$program")/.." && pwd)/profiles
	[ -d "$beside" ] || return 0
	mkdir -p "$1/build"
	cp "$program" "$1/build/agentjail"
	cp -r "$beside" "$1/profiles"
	chmod -R a+rX "$1"
	[ -z "${2:-}" ] || chown -R "$2:" "$1"
	program=$1/build/agentjail
}

# As root: makes the test's user if it is missing, and sets as_user, a prefix for commands.
need_user() {
	[ "$(id -u)" = 0 ] || return 0
	id $test_user >/dev/null 2>&1 ||
		useradd --system --user-group --home-dir /nonexistent --shell /bin/sh $test_user || exit 1
	as_user=(setpriv --reuid "$test_user" --regid "$test_user" --init-groups)
}
