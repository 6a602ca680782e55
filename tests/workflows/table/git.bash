# Workflows with git. Sourced by worker; see lib.bash for work, session, cell, differs, ends.
# shellcheck shell=bash

work 'git init, add, commit in a new directory' git <<'end'
mkdir new && cd new && git init -q && echo text >file && git add file && git commit -qm one
git log --format='%s %an %cI' && git status --short --branch && git fsck
end

work 'git status, diff, add, commit, log, show' git <<'end'
git status --short
echo change >>README
git status --short
git diff
git add -A
git diff --cached --stat
git commit -qm third
git log --oneline --stat
git show --stat HEAD
end

work 'git commit --amend, reset, revert, cherry-pick' git <<'end'
echo a >>README
git commit -qam a
git commit -q --amend -m b
git reset -q --hard HEAD~1
git revert --no-edit HEAD
git cherry-pick HEAD~1 --allow-empty --strategy-option=theirs
git log --oneline
end

work 'git branch, checkout, merge with a conflict resolved' git <<'end'
git checkout -q -b side
echo side >>README
git commit -qam side
git checkout -q main
echo main >>README
git commit -qam main
git merge side || echo conflict
git status --short
printf 'both\n' >README
git add README
git commit -qm merged
git log --graph --oneline
git branch -a
git branch -d side
end

work 'git switch, merge --no-ff, tag, describe' git <<'end'
git switch -q -c topic
echo t >t
git add t
git commit -qm t
git switch -q main
git merge --no-ff -q -m join topic
git tag -a v2 -m two
git describe
git tag -l
git show v2 --stat
end

work 'git rebase and rebase -i by an editor script' git <<'end'
git checkout -q -b side
for i in 1 2 3; do echo $i >f$i; git add .; git commit -qm $i; done
git checkout -q main
echo base >base
git add base
git commit -qm base
git checkout -q side
git rebase -q main
GIT_SEQUENCE_EDITOR="sed -i 2s/pick/squash/" GIT_EDITOR=true git rebase -q -i main
git log --oneline; ls
end

work 'git stash, stash -u, pop' git <<'end'
echo x >>README
echo new >new
git stash -q -u
git status --short
git stash list
git stash pop -q
git status --short
end

work 'git worktree add, commit in it, list, remove' git <<'end'
git worktree add -q tree -b other
cd tree
echo w >w
git add w
git commit -qm w
git status --short --branch
cd ..
git worktree list
git log --oneline --all
git worktree remove tree
git worktree prune
git branch
end

session 'a command that starts inside a new worktree' git <<'end'
git worktree add -q tree -b other
---
cd tree && git rev-parse --git-dir && echo x >x && git add x && git commit -qm x && git log --oneline
---
git -C tree status --short --branch
end

work 'git bisect run' git <<'end'
for i in 1 2 3 4 5 6; do echo $i >n; git add n; git commit -qm $i; done
git bisect start HEAD v1
git bisect run sh -c 'test ! -e n || test "$(cat n)" -lt 4' | grep 'first bad'
git bisect reset
end

differs files '' 'where a repository that commands make was cloned from waits for review'
ignore '*/objects/*'
work 'git clone of the project, plain, --bare, --depth' git <<'end'
git clone -q . plain
git clone -q . local
git clone -q --bare . bare.git
git clone -q --depth 1 "file://$PWD" shallow
git -C plain log --oneline
git -C shallow log --oneline
cd local
echo c >c
git add c
git commit -qm c
git status -sb
end

differs status,stdout,files 'Invalid cross-device link' \
	'.git is a mount of its own, lest it be renamed away: no hard links out of it; without --local git copies'
ignore '*/.git/objects/*'
work 'git clone --local, which insists on hard links' git <<'end'
git clone -q --local . local; git -C local log --oneline
end

# a copied object has another mode than a linked one
differs files '' 'where a repository that commands make was cloned from waits for review'
ignore '*/objects/*'
work 'git config and remote add in a clone made by the same command' git <<'end'
git clone -q . copy
cd copy
git config user.name Other
git remote add up ../up
git config --get-regexp 'user|remote'
end

differs files '' 'where a repository that commands make was cloned from waits for review'
ignore '*/objects/*'
work 'git push to a bare repository in the project, fetch, pull' git <<'end'
git clone -q --bare . up.git
git push -q ./up.git HEAD:refs/heads/new
git -C up.git log --oneline new
git fetch -q ./up.git new
git log -1 --format=%s FETCH_HEAD
git clone -q up.git two
cd two
echo p >p
git add p
git commit -qm p
git push -q origin main
cd ..
git pull -q --ff-only ./up.git main
git log --oneline
end

differs files '' '.git/config is held: the host gets what is harmless'
work 'git config user.name in the project' git <<'end'
git config user.name Other; git config user.name
end

differs files '' '.git/config is held: the host gets what is harmless'
work 'git remote add in the project' git <<'end'
git remote add up ./up.git; git remote -v
end

differs files '' '.git/config is held: the host gets what is harmless'
work 'git remote rename, set-url, remove' git <<'end'
git remote add up ./up.git; git remote rename up down; git remote set-url down ../x.git; git remote -v
git remote remove down; git remote -v; git config a.b c
end

differs files '' '.git/config is held: the host gets what is harmless'
ignore '*/objects/*'
work 'git checkout -b --track, push -u, branch -D, config --unset' git <<'end'
git clone -q --bare . up.git
git remote add up ./up.git
git fetch -q up
git checkout -q -b side --track up/main
git commit -q --allow-empty -m x
git push -q -u up side
git checkout -q main
git branch -D side
git config a.b c
git config --unset a.b
git config --list --local
end

differs files '' '.git/config is held: the host gets what is harmless'
work 'configuration changed at once by many' git <<'end'
for i in 1 2 3 4; do
	( for k in 1 2 3 4 5; do until git config n$i.k$k v 2>/dev/null; do :; done; done ) &
done
wait
git config --list --local | grep -c '^n'
end

differs files '' '.git/config is held: the host gets what is harmless'
work 'editors of .git/config' git python3 <<'end'
sed -i 's/^\tbare.*/&\n\tpager = cat/' .git/config
perl -pi -e 's/pager = cat/pager = less/' .git/config
python3 -c 'import os
open(".git/c", "w").write(open(".git/config").read() + "[a]\n\tb = c\n"); os.replace(".git/c", ".git/config")'
printf '[d]\n\te = f\n' >>.git/config
git config --list --local | grep -E 'pager|a.b|d.e'
end

differs files '' 'configuration of a repository that commands make is held, too'
ignore '*/objects/*'
work 'git init in a directory, config, another worktree, removed again' git <<'end'
git init -q sub
cd sub
git config user.nickname n
git commit -q --allow-empty -m one
git worktree add -q ../tree
git -C ../tree status --short --branch
cd ..
rm -rf tree
git -C sub worktree prune
git clone -q sub copy
git -C copy config x.y z
mv copy moved
git -C moved config x.y w
git -C moved config x.y
rm -rf moved
end

differs files '' '.git/config is held: the host gets what is harmless'
ignore '*/objects/*'
work 'git submodule add of a local repository' git <<'end'
git init -q lib
git -C lib commit -q --allow-empty -m lib
git submodule add -q ./lib vendor/lib
git commit -qm sub
git submodule status
end

work 'git gc, repack, fsck, count-objects' git <<'end'
echo g >>README
git commit -qam g
git gc -q
git repack -adq
git fsck
git count-objects -v | grep -E 'count|packs'
git log --oneline
end

work 'git clean -fd leaves what is ignored' git <<'end'
touch new
mkdir -p dir/sub
touch dir/sub/file out.o
git clean -fd
ls -A
end

work 'git clean -fdx removes what is ignored, a hidden file too' git <<'end'
mkdir out
touch out/a out.o
git clean -fdxq
git status --short --ignored
ls
end

work 'hooks of the repository run at a commit' git <<'end'
git -c core.hooksPath=hooks commit --allow-empty -qm x
mkdir hooks
printf '#!/bin/sh\necho hook ran\n' >hooks/pre-commit
chmod +x hooks/pre-commit
git -c core.hooksPath=hooks commit --allow-empty -qm y
git log --oneline
end

differs status,stdout,files 'Permission denied|Read-only' '.git/hooks is protected: the host runs what is in it'
work 'writing a hook' git <<'end'
printf '#!/bin/sh\n' >.git/hooks/pre-push
ls .git/hooks/pre-push
end

# What a command writes under a hidden name is hidden: git brings it here.
session 'files of variables that git has: status, diff, checkout, stash, rebase, merge, reset' git <<'end'
cat >has <<'s'
blob=$(echo "$2" | git hash-object -w --stdin)
git update-index --add --cacheinfo "100644,$blob,$1"
s
sh has .env.test A=1
sh has service/.env B=1
git commit -qm variables
git checkout -q .
git status --short
cat .env.test service/.env
---
git checkout -q -b side
sh has .env.test A=2
git commit -qm second
git checkout -q .
git checkout -q main
git status --short
cat .env.test
git merge -q side
cat .env.test
---
git checkout -q -b third HEAD~1
sh has service/.env.local C=1
git commit -qm third
git checkout -q .
git rebase -q main
git log --format=%s
git status --short
cat .env.test service/.env service/.env.local
---
git reset -q --hard main
git status --short
for i in 1 2 3 4 5; do
	git checkout -q third@{1}
	cat .env.test service/.env
	git status --short
	git checkout -q third
	cat .env.test service/.env
	git status --short
done
ls -A service
echo x >>README
git stash -q
git stash pop -q
git status --short
rm -r service
git status --short
git checkout -q service
cat service/.env
end

differs status,stdout,files 'Permission denied' 'what is written into a hidden name is hidden, and git refuses to add it'
work 'a file of variables that git has is changed and added' git <<'end'
blob=$(echo A=1 | git hash-object -w --stdin)
git update-index --add --cacheinfo "100644,$blob,.env.test"
git commit -qm variables
git checkout -q .
echo A=2 >>.env.test
sleep 0.5
git status --short
git add .env.test 2>&1
git commit -qm changed
git log --format=%s
end

work 'git in a subdirectory' git <<'end'
cd 'sub dir'
echo four >>list.txt
git diff --stat
git add .
git commit -qm four
git rev-parse --show-toplevel --show-prefix
end

work 'git with safe.directory, -c settings and --git-dir' git <<'end'
git -c safe.directory='*' status --short
git --git-dir=.git --work-tree=. log --oneline
git config --get user.email
GIT_DIR=.git git rev-parse HEAD
end

differs files '' 'where a repository that commands make was cloned from waits for review'
ignore '*/.git/objects/pack/*' '*.bundle'
work 'git grep, blame, ls-files, archive, bundle, format-patch, apply' git <<'end'
git grep -n hello
git blame -s README
git ls-files -s
git archive HEAD | tar -t
git bundle create -q all.bundle main
git clone -q all.bundle from-bundle
git format-patch -q -1 -o patches
git apply --check -R patches/*
ls patches
end

work 'git rm, mv, restore, sparse checks, ignored files' git <<'end'
git mv README READ
git rm -q hello.py
git status --short
git restore --staged --worktree .
git status --short
git check-ignore -v .env; git status --short --ignored
end

work 'a commit -a with a hidden file in the tree does not touch it' git <<'end'
echo z >>README
git add -A
git commit -qm z
git show --stat --format=%s
git ls-files | grep -c env
end

work 'git refuses to ask for a password at once' git <<'end'
GIT_TERMINAL_PROMPT=0 quick git ls-remote https://127.0.0.1:1/x.git 2>/dev/null || echo "status $?"
end
