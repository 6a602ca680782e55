#!/usr/bin/env bats
# Proves: a file of a known format shows a copy without its secrets, to commands and to the agent; the
# real token is not readable by any name; what is not understood is hidden; and, as a control, that the
# files have what is looked for.
# shellcheck disable=SC2016,SC2088 # for the shell in the cell, and for the profile
load lib.bash
setup() {
	new_home
	secret=npm_R3alT0kenThatMustNeverBeSeen12345678
	password=R3al-Passw0rd-must-never-be-seen
}

# Every byte that a command can read below HOME.
all='cd; find . -type f -exec cat {} + 2>/dev/null; cat .git/config 2>/dev/null; true'
cell() { works "$agentjail" run -- sh -c "$1"; }
not_there() { has_not "$secret" && has_not "$password"; }

furnish() {
	mkdir -p "$HOME"/.config/gh "$HOME"/.cargo "$HOME"/.docker "$HOME"/.config/pip
	cat >"$HOME/.npmrc" <<-end
		; a comment with $secret
		registry=https://npm.corp.test/
		@corp:registry=https://user:$password@npm.corp.test/scoped/
		//npm.corp.test/:_authToken=$secret
		//other.test/:_authToken=\${NPM_TOKEN}
		always-auth=true
	end
	cat >"$HOME/.config/gh/hosts.yml" <<-end
		github.com:
		    user: somebody
		    oauth_token: gho_${password//-/}abcdefgh
		    git_protocol: https
		    users:
		        somebody:
		            oauth_token: gho_${password//-/}abcdefgh
	end
	printf '[registry]\ntoken = "%s"\n\n[registries.corp]\ntoken = "Bearer %s"\n' "$password" "$password" >"$HOME/.cargo/credentials.toml"
	printf '{\n\t"auths": { "ghcr.io": { "auth": "%s" }, "x.test": { "identitytoken": "%s" } },\n\t"credsStore": "desktop", "experimental": true\n}\n' \
		"$(printf 'me:%s' "$password" | base64)" "$password" >"$HOME/.docker/config.json"
	printf 'machine a.test login me password %s\ndefault login you\n\tpassword %s\n' "$password" "$password" >"$HOME/.netrc"
	printf 'https://me:%s@github.test\n' "$password" >"$HOME/.git-credentials"
	printf '[distutils]\nindex-servers =\n    pypi\n    corp\n[pypi]\nusername = __token__\npassword = pypi-%s\n[corp]\nrepository = https://x:%s@corp.test/\n' "$password" "$password" >"$HOME/.pypirc"
	printf '[global]\nindex-url = https://me:%s@pip.corp.test/simple/\ntimeout = 60\n' "$password" >"$HOME/.config/pip/pip.conf"
	printf '[user]\n\tname = Some Body\n\temail = some@body.test\n\tsigningkey = ABCD\n[url "https://x-access-token:%s@github.test/"]\n\tinsteadOf = https://github.test/\n[http "https://corp.test"]\n\textraheader = "Authorization: basic %s"\n[alias]\n\tst = "!f() { git status; }; f"\n' "$password" "$password" >"$HOME/.gitconfig"
	git init -q .
	git remote add origin "https://me:$password@github.test/me/project-with-a-long-name-2024.git"
	printf '[files]\nredact = ~/.netrc\nhide = !~/.netrc\n' >"$config/agentjail.ini"
}

@test "no real secret is readable by any name, and outside all of them are" {
	furnish
	output=$(sh -c "$all")
	has "$secret" # the control
	[ "$(grep -c "${password//-/}\|$password" <<<"$output")" -gt 12 ]
	cell "$all"
	not_there
	has_not "${password//-/}"
	has_not "$(printf 'me:%s' "$password" | base64)"
	has "registry=https://npm.corp.test/"
	cell 'cat /proc/self/mountinfo; cat /proc/1/root/home/*/.npmrc /proc/self/root"$HOME"/.npmrc 2>&1; true'
	not_there
	# a file that is hidden without the key, and shown whole by another
	works "$agentjail" run --set 'files.redact=!~/.npmrc' --read "$HOME/.npmrc" -- cat "$HOME/.npmrc"
	has "$secret"
}

@test "the copies are what their tools read" {
	furnish
	cell 'cat ~/.npmrc'
	[[ $output == *$'\n@corp:registry=https://user:'*'@npm.corp.test/scoped/'* ]]
	[[ $output == *'//npm.corp.test/:_authToken=npm_'* ]]
	[[ $output == *'_authToken=${NPM_TOKEN}'* ]]
	[[ $output == *'always-auth=true'* ]]
	cell 'python3 - <<END
import base64, configparser, json, netrc, os, tomllib
home = os.path.expanduser("~/")
docker = json.load(open(home + ".docker/config.json"))
assert base64.b64decode(docker["auths"]["ghcr.io"]["auth"]).startswith(b"faked:"), docker
assert docker["credsStore"] == "desktop" and docker["experimental"] is True
hosts = netrc.netrc(home + ".netrc").hosts
assert hosts["a.test"][0] == "me" and len(hosts["a.test"][2]) > 8 and hosts["default"][0] == "you"
pypi = configparser.ConfigParser()
pypi.read(home + ".pypirc")
assert pypi["distutils"]["index-servers"].split() == ["pypi", "corp"]
assert pypi["pypi"]["username"] == "__token__" and pypi["pypi"]["password"].startswith("pypi-")
cargo = tomllib.load(open(home + ".cargo/credentials.toml", "rb"))
assert len(cargo["registry"]["token"]) > 8 and "corp" in cargo["registries"]
END'
	cell 'git config user.name; git config user.signingkey; git config --get-urlmatch http.extraheader https://corp.test | cut -c1-20; git config alias.st; git ls-remote --get-url origin'
	[[ $output == $'Some Body\nABCD\nAuthorization: basic\n!f() { git status; }; f\nhttps://me:'*'@github.test/me/project-with-a-long-name-2024.git' ]]
	cell 'cat ~/.config/gh/hosts.yml'
	[[ $output =~ ^github\.com:$'\n'\ +user:\ somebody$'\n'\ +oauth_token:\ gho_[A-Za-z0-9]+$'\n'\ +git_protocol:\ https ]]
}

@test "a file without a secret is the host's own" {
	printf '[user]\n\tname = Me\n    email = a@b.test ; a comment\n' >"$HOME/.gitconfig"
	git init -q .
	git remote add origin https://github.test/me/x.git
	cell 'cat ~/.gitconfig; cat .git/config; git remote -v; cat /proc/self/mountinfo'
	has "$(cat "$HOME/.gitconfig")"
	has "$(cat .git/config)"
	[ "$(grep -c "/.gitconfig " <<<"$output")" = 1 ]
}

@test "what is not understood is hidden, and a line says so" {
	printf '//npm.corp.test/:_authToken=\\\n%s\n' "$secret" >"$HOME/.npmrc"
	"$agentjail" run -- sh -c "$all; ls ~/.npmrc" >"$root/out" 2>"$root/err" || true
	output=$(cat "$root/out")
	not_there
	grep -q "^agentjail: .*/.npmrc is hidden: line 1 is not understood" "$root/err"
	grep -q "No such file" "$root/err"
	# where something else shows it
	run "$agentjail" -q run --read "$HOME/.npmrc" -- sh -c "cat ~/.npmrc"
	not_there
	mkfifo "$HOME/.pypirc"
	rm "$HOME/.npmrc"
	run "$agentjail" -q run -- true
	[ "$status" = 0 ]
}

@test "the agent's own file tools see the copy, and what it keeps as it is" {
	furnish
	printf '[agent]\nkeep = ~/.docker\n' >"$config/profiles/python3.ini"
	cat >agent.py <<-'end'
		import os
		for name in (".npmrc", ".netrc", ".pypirc", ".gitconfig", "project/.git/config"):
		    print(open(os.path.expanduser("~/" + name)).read())
	end
	output=$(/usr/bin/python3 agent.py)
	has "$password" # the control
	output=$("$agentjail" -q -- /usr/bin/python3 agent.py 2>&1)
	has "registry=https://npm.corp.test/"
	not_there
	echo 'import os; print(open(os.path.expanduser("~/.docker/config.json")).read())' >agent.py
	output=$("$agentjail" -q -- /usr/bin/python3 agent.py 2>&1)
	has "$password"
}

@test "a hard link in the project to a redacted file is hidden" {
	furnish
	ln "$HOME/.npmrc" "$project/innocent"
	output=$(cat innocent)
	has "$secret"
	run "$agentjail" -q run -- sh -c 'cat innocent; ls -l'
	not_there
}

@test "what a command does to a copy reaches neither the host nor the real one" {
	furnish
	before=$(cat "$HOME/.npmrc" .git/config)
	run "$agentjail" -q run -- sh -c 'echo x >>~/.npmrc; mv ~/.npmrc ~/away; rm -f ~/.npmrc .git/config; git remote set-url origin https://evil.test; umount ~/.npmrc; cat ~/.npmrc ~/away .git/config'
	not_there
	[ "$(cat "$HOME/.npmrc" .git/config)" = "$before" ]
}

@test "secrets in the configuration of nested repositories and modules are replaced" {
	furnish
	git init -q sub
	git -C sub remote add origin "https://$secret@github.test/x.git"
	git -C sub config http.extraheader "Authorization: Bearer $password"
	output=$(cat sub/.git/config)
	has "$secret"
	cell 'cat sub/.git/config; git -C sub config --list'
	not_there
	has "extraheader"
}

@test "a FIFO, a link and a device in place of a repository's configuration stop no start" {
	git init -q .
	git init -q other
	for kind in 'mkfifo .git/config' 'ln -s /dev/zero .git/config' 'ln -s ../../.ssh/id .git/config' 'mkdir .git/config'; do
		rm -rf .git/config
		$kind
		run timeout 20 "$agentjail" -q run -- echo ran
		[ "$output" = ran ]
	done
}

@test "only files whose format is known are taken" {
	fails 125 "no file whose format is known; there are: .npmrc" "$agentjail" run --set 'files.redact=~/.kube/config' -- true
	fails 125 "no file whose format is known" "$agentjail" run --set 'files.redact=~/*/.npmrc' -- true
}

@test "the user's own hide wins" {
	furnish
	run "$agentjail" -q run --hide "$HOME/.npmrc" -- cat "$HOME/.npmrc"
	[ "$status" != 0 ]
	has_not registry
}
