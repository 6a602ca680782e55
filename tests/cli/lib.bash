# What the tests of the command line share: a home, a project, and the program.
bats_require_minimum_version 1.5.0
# shellcheck shell=bash
top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
# shellcheck disable=SC2034 # the tests use it
agentjail=${AGENTJAIL:-$top/build/agentjail}

# A home and a project of the test's own; nothing of the real ones is read.
new_home() {
	unset XDG_CONFIG_HOME XDG_STATE_HOME XDG_CACHE_HOME XDG_RUNTIME_DIR
	root=$(cd "$BATS_TEST_TMPDIR" && pwd -P)
	export HOME=$root/home
	project=$HOME/project
	config=$HOME/.config/agentjail
	mkdir -p "$project" "$config/profiles"
	cd "$project" || return 1
}

# fails STATUS TEXT COMMAND...: it ends so, with exactly one line on stderr that has the text.
fails() {
	local status=$1 text=$2 got=0
	shift 2
	"$@" >"$root/out" 2>"$root/err" </dev/null || got=$?
	if [ "$got" != "$status" ] || [ "$(wc -l <"$root/err")" != 1 ] ||
		! grep -q '^agentjail: ' "$root/err" || ! grep -qF -- "$text" "$root/err"; then
		echo "wanted: status $status and one line with: $text"
		echo "got: status $got and:"
		cat "$root/err"
		return 1
	fi
	[ ! -s "$root/out" ]
}

# works COMMAND...: status 0, nothing on stderr; its output is in $output.
works() {
	local got=0
	output=$("$@" 2>"$root/err" </dev/null) || got=$?
	if [ "$got" != 0 ] || [ -s "$root/err" ]; then
		echo "wanted: status 0 and silence; got: status $got and:"
		cat "$root/err"
		return 1
	fi
}

has() { # TEXT: $output has it
	case $output in *"$1"*) return 0 ;; esac
	echo "not there: $1"
	echo "$output"
	return 1
}

has_not() {
	case $output in *"$1"*) echo "there: $1" && echo "$output" && return 1 ;; esac
	return 0
}
