#!/usr/bin/env bats
# Proves: `make install` installs exactly the list, and `make uninstall` leaves nothing.
load lib.bash

setup() {
	new_home
	unset MAKEFLAGS MAKELEVEL MFLAGS
	[ -w "$top/build" ] || skip "the build directory is not ours"
}

list() { (cd "$1" && find . ! -type d | sort); }

@test "install installs exactly the list" {
	make -s -C "$top" install DESTDIR="$root/stage" PREFIX=/usr/local >&2
	{
		echo ./usr/local/bin/agentjail
		echo ./usr/local/share/bash-completion/completions/agentjail
		echo ./usr/local/share/fish/vendor_completions.d/agentjail.fish
		echo ./usr/local/share/man/man1/agentjail.1
		echo ./usr/local/share/zsh/site-functions/_agentjail
		(cd "$top/profiles" && printf './usr/local/share/agentjail/profiles/%s\n' ./*.ini | sed 's/\.\/\([^/]*\)$/\1/')
		(cd "$top/profiles" && printf './usr/local/share/agentjail/profiles/%s\n' inject/*.ini)
	} | sort >"$root/want"
	diff -u "$root/want" <(list "$root/stage")
	[ -x "$root/stage/usr/local/bin/agentjail" ]
}

@test "uninstall leaves nothing of ours and everything of others" {
	make -s -C "$top" install DESTDIR="$root/stage" PREFIX=/usr/local >&2
	touch "$root/stage/usr/local/bin/of-others"
	make -s -C "$top" uninstall DESTDIR="$root/stage" PREFIX=/usr/local >&2
	[ "$(list "$root/stage")" = ./usr/local/bin/of-others ]
	rm "$root/stage/usr/local/bin/of-others"
	make -s -C "$top" install DESTDIR="$root/stage" PREFIX=/usr/local >&2
	make -s -C "$top" uninstall DESTDIR="$root/stage" PREFIX=/usr/local >&2
	[ -z "$(find "$root/stage" -mindepth 1)" ]
}

@test "every target of make help is real" {
	make -s -C "$top" help | awk '{ print $1 }' | while read -r target; do
		make -n -C "$top" "$target" >/dev/null || exit 1
	done
}

@test "an installed agentjail finds the installed profiles" {
	grep -aq '/usr/local/share/agentjail/profiles' "$agentjail"
}
