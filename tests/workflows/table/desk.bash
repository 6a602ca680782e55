# Workflows with editors, terminals and what stands on a developer's desk. Sourced by worker; see lib.bash.
# shellcheck shell=bash

work 'vim -es edits a file' vim <<'end'
vim -N -u NONE -i NONE -es -c '%s/project/PROJECT/' -c wq README || echo $?
cat README
vim -N -u NONE -i NONE -es -c 'r !echo from vim' -c wq new || true
cat new
end

work 'git commit with an editor' git <<'end'
printf '#!/bin/sh\necho "by the editor" >"$1"\n' >ed.sh
chmod +x ed.sh
GIT_EDITOR=./ed.sh git commit -q --allow-empty
git log -1 --format=%s
EDITOR=./ed.sh git commit -q --allow-empty
git log -2 --format=%s
end

work 'an editor that is not there' <<'end'
emacs-nox-not-here 2>/dev/null || echo $?
command -v no-editor || echo none
end

work 'tmux: a server, a session, its output' tmux <<'end'
export TMUX_TMPDIR
TMUX_TMPDIR=$(mktemp -d)
tmux -f /dev/null new-session -d -s s -x 80 -y 24 'echo in tmux; sleep 30'
eventually sh -c 'tmux capture-pane -p -t s | grep -q "in tmux"'
tmux capture-pane -p -t s | head -1
tmux list-sessions -F '#S'
tmux kill-server
rm -r "$TMUX_TMPDIR"
end

work 'gpg: no keys, a hash, a key made and used' gpg <<'end'
export GNUPGHOME=$PWD/gnupg-home
mkdir -m 700 gnupg-home
gpg --list-keys 2>/dev/null
echo x | gpg --print-md sha256
gpg --batch -q --passphrase '' --quick-gen-key t@example.org default default never 2>/dev/null
echo signed | gpg -q --clearsign | gpg -q --verify 2>/dev/null && echo good
gpgconf --kill all
# it ends in its own time, and takes its sockets with it
eventually sh -c '! ls gnupg-home/S.* >/dev/null 2>&1'
rm -r gnupg-home
end

ignore '*'
work 'gpg --list-keys in a home without keys' gpg <<'end'
gpg --list-keys 2>/dev/null; echo $?
end

work 'git commit -S without a key fails, and says so' git gpg <<'end'
git commit -S --allow-empty -m x 2>&1 | grep -c 'failed to sign'
end

work 'ssh-agent: a key added, listed, used to sign' ssh-agent ssh-add ssh-keygen <<'end'
eval "$(ssh-agent -s)" >/dev/null
trap 'ssh-agent -k >/dev/null' EXIT
ssh-keygen -q -t ed25519 -N '' -C c -f ./testkey
ssh-add -q testkey
ssh-add -l | awk '{ print $3, $4 }'
echo x >f
ssh-keygen -q -Y sign -f testkey -n file f 2>/dev/null
head -n 1 f.sig
rm f.sig testkey*
end

ignore '*/.git/*'
work 'git commit signed by an ssh key made in the cell' ssh-keygen git <<'end'
ssh-keygen -q -t ed25519 -N '' -f ./testkey
git -c gpg.format=ssh -c user.signingkey="$PWD/testkey" commit -q -S --allow-empty -m signed
git cat-file commit HEAD | grep -c 'BEGIN SSH SIGNATURE'
rm testkey*
end

work 'the tools of systemd and of the desktop fail at once' systemctl <<'end'
quick systemctl --user status >/dev/null 2>&1 </dev/null || echo failed
quick journalctl -n 1 >/dev/null 2>&1 || true
quick xdg-open README >/dev/null 2>&1 || echo failed
end

work 'locale, tput, stty, clear, TERM' tput <<'end'
TERM=xterm tput cols
TERM=xterm-256color tput colors
TERM=dumb tput colors
stty size 2>/dev/null || echo none
infocmp xterm >/dev/null && echo known
end

work 'man, info of programs, file, which, ldd, nm, objdump' gcc file <<'end'
file README src/hello.c
gcc src/hello.c -o hello
ldd hello | grep -c libc
nm hello | grep -c ' T main'
objdump -d hello | grep -c '<main>:'
which git
readelf -h hello | grep Class
strip hello
./hello
end

work 'jq, rg, grep -r, wc, cut, column' rg <<'end'
rg -n hello | sort
grep -rn --exclude-dir=.git hello . | sort
rg --files | sort
rg --hidden --no-ignore -l PASSWORD . 2>/dev/null | grep -v '^./.env$' | sort
end

work 'crontab and at have nothing to talk to' crontab <<'end'
crontab -l >/dev/null 2>&1 || echo "status $?"
end

session 'cd, variables and umask are of one command' <<'end'
cd src; export X=1; umask 077; pwd
---
pwd; echo "${X:-unset}"; umask; echo "$SHLVL" >/dev/null
end

session 'ten commands at once' <<'end'
for i in 1 2 3 4 5 6 7 8 9 10; do (sleep 0.1; echo $i >n$i) & done
wait
cat n* | sort -n | tail -1
---
seq 10 | xargs -P10 -I{} bash -c 'echo {} >m{}'
cat m* | sort -n | tail -1
end
