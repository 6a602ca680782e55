# Workflows with files. Sourced by worker; see lib.bash.
# shellcheck shell=bash

ignore '*.xz' '*.zip'
work 'tar, gzip, xz, zip, unzip' tar zip unzip <<'end'
tar -C src -cf - . | tar -tf - | sort
mkdir x
tar -cJf a.tar.xz README src
tar -C x -xf a.tar.xz
zip -qr a.zip README src
unzip -qo a.zip -d y
diff -r x y && echo same
end

work 'rsync inside the project, twice, with --delete' rsync <<'end'
mkdir out
rsync -a --exclude .git --exclude .env ./ out/ --exclude out
rm hello.py
touch -d @1 . out
rsync -ai --delete --exclude .git --exclude .env --exclude out ./ out/ | sort
end

work 'find, xargs -P, parallel pipelines, sort of much' <<'end'
find src 'sub dir' -type f -print0 | sort -z | xargs -0 -n1 -P4 wc -c | sort
seq 300000 | shuf | sort -n | tail -1
seq 1000 | xargs -P8 -n50 echo | wc -l
end

work 'sed -i, perl -i, ed, patch, diff' patch <<'end'
sed -i s/one/1/ 'sub dir/list.txt'
sed -i.bak s/two/2/ 'sub dir/list.txt'
cp README R
echo more >>R
diff -u README R >d || patch -s README d
rm d
cat README 'sub dir/list.txt'
end

work 'atomic renames, exchange over a file, mv of directories' <<'end'
for i in 1 2 3; do echo $i >t.tmp; mv t.tmp README; done
mkdir -p a/b c
touch a/b/f
mv a c/
mv -T c d
ls -R d
mv -n README hello.py
mv README new
cat new
end

work 'hard links, as package managers make them' <<'end'
mkdir -p store node_modules/p
echo code >store/f
ln store/f node_modules/p/f
stat -c %h store/f
cp -al node_modules copy
echo more >>copy/p/f
cat store/f
find . -samefile store/f | sort
end

work 'symbolic links: relative, absolute, dangling, loops' <<'end'
ln -s README r
cat r
ln -s "$PWD/README" a
cat a
ln -s none d
test -L d && ! test -e d && echo dangling
ln -s l l
cat l 2>/dev/null || echo loop
readlink -f r
ln -sfn src s
ls s
end

work 'cp --reflink=auto, -a, --sparse, extended attributes' <<'end'
cp --reflink=auto README r
cp -a src s
truncate -s 50M hole
cp --sparse=always hole hole2
du -k hole2 | cut -f1
stat -c '%s %a' r hole2 s/hello.c
rm hole hole2
end

work 'a 200 MB file: written, copied, summed' <<'end'
head -c 200M /dev/zero >big; stat -c %s big; cp big big2; cmp big big2 && echo same; truncate -s 100M big; dd if=big of=/dev/null bs=1M 2>/dev/null; fallocate -l 10M big2; stat -c %s big big2; rm big big2
end

work '/tmp: much data, many files, mktemp, TMPDIR' <<'end'
d=$(mktemp -d)
head -c 100M /dev/zero >"$d/big"
cmp -n 1000000 "$d/big" /dev/zero && echo same
(cd "$d" && seq 2000 | xargs touch && find . -type f | wc -l)
rm -rf "$d"
f=$(mktemp -p .)
rm "$f"
stat -c '%a' /tmp
mktemp -u | cut -c1-9
d=$(TMPDIR=/var/tmp mktemp -d)
echo x >"$d/x"
cat "$d/x"
rm -r "$d"
end

differs stdout '^link$' '/var/tmp of a cell is its /tmp'
work 'the type of /var/tmp' <<'end'
test -L /var/tmp && echo link || echo directory
end

work 'programs and scripts in /tmp run' gcc <<'end'
d=$(mktemp -d)
printf '#!/bin/sh\necho from tmp\n' >"$d/s"
chmod +x "$d/s"
"$d/s"
gcc src/hello.c -o "$d/h"
"$d/h"
rm -r "$d"
end

session 'files in /tmp last from command to command' <<'end'
echo kept >/tmp/agentjail-workflow-$USER
---
cat /tmp/agentjail-workflow-$USER
rm /tmp/agentjail-workflow-$USER
end

differs stdout '^pip$' 'what package managers fetch is kept: the directories are there from the start'
session 'a directory in HOME lasts from command to command' <<'end'
mkdir -p ~/.cache/tool
echo kept >~/.cache/tool/f
echo x >~/.some-tool
---
cat ~/.cache/tool/f ~/.some-tool; ls ~/.cache
end

work 'long paths and names' <<'end'
n=$(printf 'n%.0s' $(seq 200))
for i in 1 2 3 4 5 6 7; do mkdir "$n"; cd "$n"; done
touch f
pwd | wc -c
ls
touch "$(printf 'x%.0s' $(seq 255))"
touch "$(printf 'x%.0s' $(seq 256))" 2>/dev/null || echo too long
end

work 'names with newlines, unicode, quotes, bytes that are no text' <<'end'
touch $'new\nline' 'ünï cödé 日本' 'q"u'\''o`t$e' $'\xff\xfe' -- -dash '*' ' '
ls -1b
rm -- -dash
git add -A
git status --short
find . -name $'new*' -print0 | xargs -0 rm
end

work 'modes, umask, chmod, set bits, directories without rights' <<'end'
umask
umask 077
touch a
mkdir b
umask 002
touch c
stat -c '%a %n' a b c
chmod 1755 a
chmod g+s b
chmod 0 c
stat -c '%a %n' a b c
cat c 2>/dev/null || echo denied
mkdir d
chmod 0 d
ls d 2>/dev/null || echo denied
chmod 700 d c
end

differs status,stdout,files 'Operation not permitted' \
	'a set-user-ID file that a command leaves would be one for everybody on the host'
work 'chmod u+s' <<'end'
touch a
chmod u+s a && stat -c %a a
end

work 'owners, times, touch, stat, test' <<'end'
touch -d '2001-02-03 04:05:06 UTC' f
stat -c '%U %G %u %g %Y' f
test -O f && test -G f && echo mine
test README -nt f && echo newer
chown "$(id -u)" f
chgrp "$(id -g)" f
stat -c '%U %a' .
end

differs stdout 'nobody|65534' 'a user namespace knows its own user alone: what others own is of nobody'
work 'owners of the system' <<'end'
stat -c '%U %a' /usr /etc/passwd
end

work 'extended attributes and access lists' setfattr getfattr <<'end'
touch f; setfattr -n user.k -v v f; getfattr -d f
end

work 'flock: exclusion of two commands' flock <<'end'
(flock 9; sleep 0.5; echo first) 9>lock & sleep 0.2
flock lock echo second
flock -n lock true && echo free
wait
end

work 'inotifywait sees a new file' inotifywait <<'end'
inotifywait -q -t 10 -e create --format %f . >seen 2>/dev/null & sleep 0.5
touch made
wait
cat seen
end

work 'df, du, mount points, free space' <<'end'
df . >/dev/null
df -h /tmp >/dev/null
test "$(df --output=avail . | tail -1)" -gt 1000 && echo space
du -sk src | cut -f1
stat -f -c %T .
mountpoint -q /proc && echo proc
findmnt -n / >/dev/null
echo $?
end

differs stdout 'none|No such file|missing' 'secrets in the project are hidden'
work 'the project'"'"'s file of secrets' <<'end'
if [ -s .env ]; then echo present; else echo missing; fi
cat .env.example
[ -e .env ] && echo there || echo not there
end

differs status,stdout,files 'dangling' 'a name that is hidden from the start cannot be made anew in the cell'
work 'cp .env.example .env, where there is one already' <<'end'
cp -f .env.example .env; cat .env
end

differs stdout 'No such file' 'a name that is hidden becomes so when it appears, also to who made it'
work 'cp .env.example .env, where there is none' <<'end'
mkdir service
cp .env.example service/
cd service
cp .env.example .env
sleep 0.5
cat .env || true
rm .env
end

differs status,files 'Device or resource busy' 'a hidden name cannot be renamed: what is behind it would show'
work 'mv .env .env.bak' <<'end'
mv .env .env.bak
end

differs status,files 'Device or resource busy' 'a hidden name cannot be replaced: the user has something there'
work 'an atomic save over .env' <<'end'
echo NEW=1 >new
mv new .env
end

differs stdout,files 'No such file' 'a hidden file is not there to be edited'
work 'sed -i, vim and python on .env' vim python3 <<'end'
sed -i s/a/b/ .env 2>&1 || echo "sed: $?"
python3 -c 'open(".env", "a").write("A=1\n")' 2>&1 | tail -1
vim -u NONE -es -c '%s/./x/' -c wq .env 2>&1 || echo "vim: $?"
ls -A | grep env
end

work 'a directory with a hidden file in it is moved and removed' <<'end'
mkdir -p deep/service
cp .env.example deep/service/.env
sleep 0.3
mv deep/service moved
ls -A moved
mv moved deep/again
rm -r deep
ls
end

work 'rm .env' <<'end'
rm -f .env
end

work 'the whole project as an archive and as a copy' tar zip <<'end'
tar -cf /dev/null .
d=$(mktemp -d)
tar -czf - . | tar -tzf - >"$d/list"
grep -c . "$d/list"
cp -r . "$d/r"
cp -a . "$d/a"
zip -qr "$d/z.zip" .
ls -A "$d/a"
rm -r "$d"
end

work 'the whole project by rsync, and by node' rsync node <<'end'
d=$(mktemp -d)
rsync -a . "$d/r"
ls -A "$d/r"
node -e 'require("fs").cpSync(".", process.argv[1], { recursive: true })' "$d/n"
ls -A "$d/n"
rm -r "$d"
end

differs status,stdout "\\.env.*No such file" 'a hidden file is in the directory as a link into nothing, which shutil.copytree follows'
work 'the whole project by python shutil.copytree' python3 <<'end'
d=$(mktemp -d)
python3 -c 'import shutil, sys; shutil.copytree(".", sys.argv[1] + "/c")' "$d"
ls -A "$d/c"
rm -r "$d"
end

differs stdout '^link$' 'a hidden file is in the directory as a link into nothing'
work 'the type of a hidden name' <<'end'
test -L .env && echo link || echo no link
end

work 'a template of secrets is read and changed' <<'end'
cat .env.example
echo NEW= >>.env.example
cat .env.example
mkdir -p deep/er
cp .env.example deep/er/.env.sample
ls -A deep/er
end

work 'rm -rf of a directory, of much, and of what is not there' <<'end'
mkdir -p d/{1..20}/{1..20}
touch d/{1..20}/{1..20}/f
rm -rf d
rm -f none
rm none 2>/dev/null || echo $?
rmdir src 2>/dev/null || echo $?
rm -rf src
ls
end

work 'cp -r and mv of directories' <<'end'
mkdir copy
cp -r README src 'sub dir' copy
mv copy/src copy/moved
mv copy elsewhere
find elsewhere | sort
end

work 'dd, split, cat, truncate, tee, tail -f' <<'end'
seq 1000 >n; split -l 400 n part.; wc -l part.*; cat part.* | cmp - n && echo same; (sleep 0.3; echo end >>n) & timeout 5 tail -n0 -f n | head -1; dd if=n bs=1 skip=2 count=3 2>/dev/null; echo x | tee a b >c; cat a b c
end

work 'openssl, sha256sum, base64, random' openssl <<'end'
openssl genrsa -out key.pem 2048 2>/dev/null
openssl req -x509 -new -key key.pem -subj /CN=x -out c.pem
openssl verify -CAfile c.pem c.pem
rm key.pem c.pem
sha256sum README
base64 README | base64 -d | cmp - README
head -c 8 /dev/urandom | wc -c
openssl rand -hex 4 | wc -c
end
