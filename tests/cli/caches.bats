#!/usr/bin/env bats
# Proves: what a command writes in [files] cache is there in the project's next session and nowhere
# else, whatever an earlier session's command left there; `cache list` and `cache clean` tell and
# remove it.
# shellcheck disable=SC2016,SC2030,SC2031,SC2088 # for the shell in the cell, and for the profile
load lib.bash
setup() {
	new_home
	config_text '~/.store'
	mkdir -p "$HOME/.store/sub"
	echo host >"$HOME/.store/sub/file"
	kept=$HOME/.cache/agentjail
}

config_text() { # CACHES [LINE...]
	printf '[files]\ncache = %s\n' "$1" >"$config/agentjail.ini"
	shift
	printf '%s\n' "$@" >>"$config/agentjail.ini"
}

# Nothing of default.ini but the caches of the test would be there: its own cost nothing here.
cell() { works "$agentjail" run -- sh -c "$1"; }

# A session that lasts until its standard input is closed; its pid is $holder.
hold() {
	rm -f started
	mkfifo -m 600 "$root/hold"
	"$agentjail" -q run -- sh -c 'touch started; read -r _ || true' <"$root/hold" 3>&- &
	holder=$!
	exec 7>"$root/hold"
	for _ in $(seq 100); do [ -e started ] || sleep 0.05; done
	[ -e started ]
}

@test "what is written is there in the next session, and not on the host" {
	cell 'cat ~/.store/sub/file; echo poison >~/.store/sub/file; echo new >~/.store/new; rm -r ~/.store/sub && mkdir ~/.store/sub && echo own >~/.store/sub/own'
	[ "$output" = host ]
	cell 'cat ~/.store/new ~/.store/sub/own; ls ~/.store/sub'
	[ "$output" = $'new\nown\nown' ]
	[ "$(cd "$HOME/.store" && find . -type f)" = ./sub/file ]
	[ "$(cat "$HOME/.store/sub/file")" = host ]
}

@test "a cache that the host does not have is kept too, and not made there" {
	config_text '~/.nowhere/deep ~/.store'
	cell 'echo kept >~/.nowhere/deep/file'
	cell 'cat ~/.nowhere/deep/file'
	[ "$output" = kept ]
	[ ! -e "$HOME/.nowhere" ]
	# where HOME is the host's it cannot be made, and is not
	works "$agentjail" run --set sandbox.home=open -- sh -c 'ls -d ~/.nowhere 2>&1 || echo none'
	has none
	[ ! -e "$HOME/.nowhere" ]
}

@test "what is kept can be removed by hand" {
	cell 'echo new >~/.store/new'
	rm -rf "$kept"
	[ ! -e "$kept" ]
	cell 'ls ~/.store'
	[ "$output" = sub ]
}

@test "another project has a cache of its own" {
	cell 'echo new >~/.store/new'
	mkdir "$HOME/other" && cd "$HOME/other"
	cell 'ls ~/.store'
	[ "$output" = sub ]
}

@test "a second session at once drops its own, in one line, and the first one's stays whole" {
	cell 'echo one >~/.store/new'
	hold
	"$agentjail" run -- sh -c 'ls ~/.store; echo two >~/.store/second; cat ~/.store/second' >"$root/out" 2>"$root/err"
	[ "$(cat "$root/out")" = $'sub\ntwo' ]
	[ "$(wc -l <"$root/err")" = 1 ]
	grep -q '^agentjail: another session of this project' "$root/err"
	exec 7>&-
	wait "$holder"
	cell 'ls ~/.store'
	[ "$output" = $'new\nsub' ]
}

@test "after SIGKILL the next session has what was written, and the place is free" {
	hold
	kill -9 "$holder"
	wait "$holder" || true
	exec 7>&-
	for _ in $(seq 50); do "$agentjail" cache list | grep -q 'in use' || break; sleep 0.1; done
	cell 'echo after >~/.store/new'
	cell 'cat ~/.store/new'
	[ "$output" = after ]
}

@test "a cell that is made again in a session has the cache of the one before" {
	cat >two.sh <<-'end'
		/bin/sh -c 'echo one >~/.store/new; touch written; exec sleep 20'
		/bin/sh -c 'cat ~/.store/new; touch ~/.store/second'
	end
	"$agentjail" -q -- /bin/bash two.sh >"$root/out" 2>"$root/err" </dev/null 3>&- &
	warden=$!
	for _ in $(seq 100); do [ -e written ] || sleep 0.05; done
	sleep 0.2
	for status in /proc/[0-9]*/status; do
		if grep -qx "Name:[[:blank:]]agentjail-cell" "$status" 2>/dev/null &&
			grep -qx "PPid:[[:blank:]]$warden" "$status" 2>/dev/null; then
			kill -9 "$(basename "${status%/status}")"
		fi
	done
	wait "$warden" || true
	grep -qx one "$root/out" || { cat "$root/out" "$root/err" && return 1; }
	cell 'ls ~/.store'
	has second
}

@test "hidden files below a cache stay hidden, also when a session moves what is around them" {
	config_text '~/.store' 'hide = ~/.store/sub/token ~/.store/late/token'
	echo not-to-be-seen >"$HOME/.store/sub/token"
	cell 'cat ~/.store/sub/token 2>&1; mv ~/.store/sub ~/.store/moved 2>/dev/null; rm -rf ~/.store/sub 2>/dev/null; mkdir -p ~/.store/late; true'
	has_not not-to-be-seen
	# made by the host after a command prepared the place: under its own directory, a link, a file
	mkdir "$HOME/.store/late"
	echo not-to-be-seen >"$HOME/.store/late/token"
	for trick in true 'rm -rf ~/.store/late; ln -s sub ~/.store/late' 'rm -rf ~/.store/late; echo x >~/.store/late'; do
		"$agentjail" -q run -- sh -c "$trick" || true
		run "$agentjail" -q run -- sh -c 'find ~/.store -type f -exec cat {} +; cat ~/.store/*/token'
		has_not not-to-be-seen
	done
}

@test "attributes of overlayfs that a command sets lead nowhere" {
	command -v setfattr >/dev/null || command -v python3 >/dev/null || skip "no python3"
	config_text '~/.nowhere/deep' 'hide = ~/.nowhere/deep/secret'
	cell 'mkdir -p ~/.nowhere/deep/dir; : >~/.nowhere/deep/file; python3 - <<END
import os
home = os.path.expanduser("~/.nowhere/deep/")
for name in ("user.overlay.redirect", "user.overlay.metacopy", "user.overlay.origin", "user.overlay.opaque"):
    for path, value in (("dir", b"/secret"), ("file", b"/secret/token")):
        try:
            os.setxattr(home + path, name, b"y" if name.endswith("opaque") else value if name.endswith("redirect") else b"")
            print("set", name)
        except OSError as error:
            print(error.strerror)
END'
	has "set user.overlay.redirect" # the control: the attributes are really there
	mkdir -p "$HOME/.nowhere/deep/secret" "$HOME/.nowhere/deep/dir"
	echo not-to-be-seen >"$HOME/.nowhere/deep/secret/token"
	run "$agentjail" -q run -- sh -c 'find ~/.nowhere/deep; cat ~/.nowhere/deep/file ~/.nowhere/deep/dir/* ~/.nowhere/deep/secret/*'
	[ -n "$output" ]
	has_not not-to-be-seen
}

@test "a link in a cache does not lead a mount out of the cell, and breaks no start" {
	config_text '~/.store' 'read = ~/.store/shown/bin' 'hide = ~/.store/sub/file'
	mkdir -p "$HOME/.store/shown/bin" "$HOME/target"
	echo program >"$HOME/.store/shown/bin/x"
	cell 'cat ~/.store/shown/bin/x'
	[ "$output" = program ]
	# as a hostile session would leave it: the mount point's directory replaced by a link
	key=$(ls "$kept")
	upper=$(echo "$kept/$key"/.store-*/upper)
	rm -rf "$upper/shown"
	ln -s "$HOME/target" "$upper/shown"
	"$agentjail" run -- sh -c 'cat ~/.store/shown/bin/x; ls ~/target' >"$root/out" 2>"$root/err" || true
	[ "$(head -n 1 "$root/out")" = program ]
	grep -q 'is not kept: what earlier sessions left in it does not fit' "$root/err"
	[ -z "$(ls -A "$HOME/target")" ]
	# and a file
	rm "$upper/shown"
	echo >"$upper/shown"
	run "$agentjail" -q run -- sh -c 'cat ~/.store/shown/bin/x'
	[ "$output" = program ]
}

@test "what is kept is hidden from commands and agents, wherever it is" {
	export XDG_CACHE_HOME=$HOME/visible
	config_text '~/.store' 'read = ~/visible'
	mkdir "$HOME/visible"
	echo yes >"$HOME/visible/control"
	cell 'cat ~/visible/control; echo new >~/.store/new; ls ~/visible/agentjail'
	[ "$output" = yes ]
	[ -n "$(ls "$HOME/visible/agentjail")" ]
	config_text '~/.store' 'write = ~/visible'
	fails 125 "commands can write $HOME/visible/agentjail" "$agentjail" run -- true
}

@test "without a place to keep them caches are dropped at the end, and a line says so" {
	[ "$(id -u)" != 0 ] || skip "root writes anywhere"
	mkdir -p "$HOME/closed"
	chmod 500 "$HOME/closed"
	export XDG_CACHE_HOME=$HOME/closed
	"$agentjail" run -- sh -c 'echo new >~/.store/new && cat ~/.store/new' >"$root/out" 2>"$root/err"
	[ "$(cat "$root/out")" = new ]
	grep -q 'caches are dropped at the end: .*Permission denied' "$root/err"
}

@test "on a kernel without overlay for users no cell is made, or directories are read-only" {
	command -v cc >/dev/null || skip "no compiler"
	# above the session stands who answers fsopen("overlay") as such a kernel would
	cc -w -o "$root/none" -x c - <<-'end'
		#define _GNU_SOURCE
		#include <errno.h>
		#include <linux/filter.h>
		#include <linux/seccomp.h>
		#include <poll.h>
		#include <stddef.h>
		#include <string.h>
		#include <sys/ioctl.h>
		#include <sys/prctl.h>
		#include <sys/syscall.h>
		#include <sys/uio.h>
		#include <sys/wait.h>
		#include <unistd.h>
		static int listen_for_fsopen(void)
		{
			struct sock_filter code[] = {
				BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
				BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fsopen, 0, 1),
				BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
				BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
			};
			struct sock_fprog all = { sizeof(code) / sizeof(*code), code };
			prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
			return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &all);
		}
		static void answer(int fd)
		{
			struct seccomp_notif call = { 0 };
			char type[8] = "";
			if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0)
				return;
			struct iovec to = { type, sizeof(type) }, from = { (void *)call.data.args[0], sizeof(type) };
			process_vm_readv(call.pid, &to, 1, &from, 1, 0);
			struct seccomp_notif_resp reply = { .id = call.id,
				.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
			if (memcmp(type, "overlay", 8) == 0)
				reply.flags = 0, reply.error = -ENODEV;
			ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &reply);
		}
		int main(int argc, char **argv)
		{
			struct pollfd calls = { listen_for_fsopen(), POLLIN };
			int status, pid = fork();
			if (pid == 0)
				_exit(execv(argv[1], argv + 1));
			while (waitpid(pid, &status, WNOHANG) == 0)
				if (poll(&calls, 1, 20) > 0)
					answer(calls.fd);
			return WEXITSTATUS(status);
		}
	end
	none() { "$root/none" "$agentjail" run "$@"; }
	run none -- true
	[ "$status" = 125 ]
	has "no overlay (see [files] no-overlay)"
	run --separate-stderr none --set files.no-overlay=read -- sh -c 'cat ~/.store/sub/file; echo x >~/.store/sub/file; true'
	[ "$status" = 0 ]
	has host
	[[ $stderr == *"read-only"*"Read-only file system"* ]]
	[ "$(cat "$HOME/.store/sub/file")" = host ]
}

@test "cache list tells project, size, age and use" {
	works "$agentjail" cache list
	[ -z "$output" ]
	cell 'head -c 3000000 /dev/urandom >~/.store/large'
	works "$agentjail" cache list
	[[ $output =~ ^\ +[23]\.[0-9]\ MB\ +[0-9]+\ seconds?\ +$project$ ]]
	hold
	works "$agentjail" cache list
	has "in use"
	works "$agentjail" cache list --json
	python3 -c 'import json, sys
[c] = json.load(sys.stdin)
assert c["project"] == sys.argv[1] and c["in_use"] and c["is_complete"] and c["bytes"] > 2.9e6' "$project" <<<"$output"
	exec 7>&-
	wait "$holder"
	# another day
	touch -d '3 days ago' "$kept"/*/lock
	works "$agentjail" cache list
	has "3 days"
	has_not "in use"
}

@test "cache clean removes one project's or all, and leaves what is in use" {
	cell 'echo new >~/.store/new'
	mkdir "$HOME/other" && cd "$HOME/other"
	cell 'echo >~/.store/new'
	cd "$project"
	works "$agentjail" cache clean ../other
	has "$HOME/other"
	works "$agentjail" cache list
	has_not "$HOME/other"
	has "$project"
	fails 125 "no caches are kept for $HOME/other" "$agentjail" cache clean "$HOME/other"
	hold
	fails 125 "uses its caches" "$agentjail" cache clean .
	run --separate-stderr "$agentjail" cache clean
	[ "$status" = 0 ]
	[[ $stderr == *"left"* ]]
	exec 7>&-
	wait "$holder"
	works "$agentjail" cache clean
	[ -z "$(ls -A "$kept")" ]
	[ -e "$HOME/.store/sub/file" ]
	cell 'ls ~/.store'
	[ "$output" = sub ]
}

@test "cache clean removes trees that are deep, closed and linked, and follows nothing" {
	mkdir "$HOME/precious"
	echo stays >"$HOME/precious/file"
	cell 'python3 - <<END
import os
os.chdir(os.path.expanduser("~/.store"))
os.symlink(os.path.expanduser("~/precious"), "link")
os.mkdir("closed"); open("closed/file", "w").close(); os.chmod("closed", 0)
os.mkdir("read-only"); os.mkdir("read-only/sub"); os.chmod("read-only", 0o500)
for n in range(600):
    os.mkdir("d"); open("deep-0", "w").close(); os.chdir("d")
os.mkdir("deep-1"); os.mkdir("end"); os.chmod("end", 0)
END'
	works "$agentjail" cache list
	has ">"
	works "$agentjail" cache clean
	[ -z "$(ls -A "$kept")" ]
	[ "$(cat "$HOME/precious/file")" = stays ]
}

@test "a project's path reaches no terminal with its control characters" {
	mkdir $'esc\e[31m' && cd $'esc\e[31m'
	cell true
	works "$agentjail" cache list
	has_not $'\e'
	works "$agentjail" cache clean
	has_not $'\e'
}

@test "cache says what it takes" {
	fails 125 "list or clean is needed" "$agentjail" cache
	fails 125 "there are list and clean" "$agentjail" cache purge
	fails 125 "takes no DIR" "$agentjail" cache list .
	fails 125 "one DIR at most" "$agentjail" cache clean a b
}
