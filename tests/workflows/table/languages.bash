# Workflows with interpreters. Sourced by worker; see lib.bash.
# shellcheck shell=bash

ignore '*/venv/bin/activate*' '*/venv/pyvenv.cfg'
work 'python venv, with pip, and a program of its own' python3:ensurepip python3:venv <<'end'
python3 -m venv venv
. venv/bin/activate
pip --version | cut -d' ' -f1
python -c 'import sys; print(sys.prefix)'
pip list 2>/dev/null | head -2
end

ignore '*'
work 'pip install of the project itself, no index' python3:venv python3:ensurepip python3:setuptools python3:wheel <<'end'
python3 -m venv --system-site-packages venv
. venv/bin/activate
printf 'from setuptools import setup\nsetup(name="demo", version="1", py_modules=["hello"])\n' >setup.py
pip install -q --no-index --no-build-isolation --no-deps . 2>/dev/null
pip list 2>/dev/null | grep -i demo
cd /
python -c 'import hello'
end

ignore '*/venv/*' '*.egg-info/*' '*/__pycache__*'
work 'pip install -e of the project, no index' python3:venv python3:ensurepip python3:setuptools python3:wheel <<'end'
python3 -m venv --system-site-packages venv
. venv/bin/activate
printf 'from setuptools import setup\nsetup(name="demo", version="1", py_modules=["hello"])\n' >setup.py
pip install -q --no-index --no-build-isolation --no-deps -e . 2>/dev/null
echo 'print("changed")' >hello.py
cd /
python -c 'import hello; print(hello.__file__)' | sed "s|$HOME|~|"
end

ignore '*/.pre-commit/*' '*/.git/hooks/pre-commit'
work 'pre-commit: installed into a new repository, hooks of the project' pre-commit git <<'end'
mkdir app
cd app
git init -q
export PRE_COMMIT_HOME=$PWD/../out/.pre-commit
cat >.pre-commit-config.yaml <<'y'
repos:
- repo: local
  hooks:
  - { id: fix, name: fix, language: system, entry: "sed -i s/bad/good/", files: "txt$" }
  - { id: refuse, name: refuse, language: system, entry: "sh -c 'exit 1'", files: "wrong$" }
y
git add .
pre-commit install | sed "s|$HOME|~|"
echo bad >a.txt
git add a.txt
git commit -qm one 2>&1 | grep -E '^fix'
git add a.txt
git commit -qm two 2>&1 | grep -E '^fix'
echo x >wrong
git add wrong
git commit -qm three 2>&1 | grep -E '^refuse' || true
git log --format=%s
cat a.txt
end

ignore '*/_/*'
differs files '' '.git/config is held: core.hooksPath, which names programs, waits for the user'
work 'husky: installed into a new repository, hooks run at a commit and refuse one' husky git npm <<'end'
mkdir app
cd app
git init -q
npm init -y >/dev/null
husky
git config core.hooksPath
printf 'echo husky; test ! -e wrong\n' >.husky/pre-commit
git add .
git commit -qm one 2>&1
touch wrong
git add wrong
git commit -qm two 2>&1 || echo refused
git log --format=%s
end

ignore '*/node_modules/.modules.yaml' '*/store/*/index/*' '*/store/*-index.json' '*/pnpm-state/*' '*.tgz'
work 'pnpm install: hard links from a store in the project, and from the one in HOME' pnpm npm node <<'end'
export npm_config_update_notifier=false
mkdir -p lib/package app
printf '{ "name": "lib", "version": "1.0.0", "main": "index.js" }\n' >lib/package/package.json
echo 'module.exports = 42' >lib/package/index.js
echo 'KEY=' >lib/package/env
tar -C lib --transform s,/env,/.env, --sort=name --mtime=@1700000000 --owner=0 --group=0 --numeric-owner \
	-czf lib/lib-1.0.0.tgz package
cd app
printf '{ "name": "app", "version": "1.0.0", "dependencies": { "lib": "file:../lib/lib-1.0.0.tgz" } }\n' >package.json
pnpm install --offline --silent --store-dir ../store
node -p 'require("lib")'
test "$(stat -c %h node_modules/lib/index.js)" -gt 1 && echo linked
find ../store -samefile node_modules/lib/index.js | wc -l
rm -rf node_modules
pnpm install --offline --silent --frozen-lockfile --store-dir ../store
node -p 'require("lib")'
rm -rf node_modules ../store
pnpm install --offline --silent
node -p 'require("lib")'
cat node_modules/lib/.env
rm -rf node_modules
end

session 'a server started by one command is used by the next' python3 curl <<'end'
python3 -m http.server 18734 --bind 127.0.0.1 >server.log 2>&1 & echo $! >server.pid
---
eventually curl -fs http://127.0.0.1:18734/README
curl -s http://localhost:18734/README
curl -sI http://127.0.0.1:18734/nothing | head -1
---
kill "$(cat server.pid)"
sleep 0.2
rm server.pid server.log
curl -s http://127.0.0.1:18734/ || echo "status $?"
end

work 'python multiprocessing: pool, queue, shared memory, semaphore, manager' python3 <<'end'
cat >m.py <<'p'
import multiprocessing as mp
from multiprocessing import shared_memory
def square(x): return x * x
def put(q, lock):
    with lock: q.put('from a process')
if __name__ == '__main__':
    with mp.Pool(2) as pool: print(pool.map(square, range(5)))
    q, lock = mp.Queue(), mp.Lock(); p = mp.Process(target=put, args=(q, lock)); p.start(); print(q.get()); p.join()
    s = shared_memory.SharedMemory(create=True, size=64); s.buf[0] = 7; print(s.buf[0]); s.close(); s.unlink()
    with mp.Manager() as m: d = m.dict(); d['k'] = 1; print(dict(d))
    for way in 'spawn', 'forkserver':
        with mp.get_context(way).Pool(1) as pool: print(way, pool.map(square, [3]))
p
python3 m.py
end

work 'python subprocess, signals, pipes, pty' python3 <<'end'
cat >s.py <<'p'
import os, pty, signal, subprocess, sys
print(subprocess.run(['sh', '-c', 'cat; exit 3'], input=b'in', capture_output=True))
print(subprocess.check_output('echo shell | tr a-z A-Z', shell=True))
p = subprocess.Popen(['sleep', '60']); p.send_signal(signal.SIGTERM); print(p.wait())
try: subprocess.run(['sleep', '60'], timeout=0.2)
except subprocess.TimeoutExpired: print('timed out')
print(pty.spawn(['sh', '-c', 'test -t 0 && echo terminal; exit 4']) >> 8)
p
python3 s.py
end

work 'python asyncio: processes, tcp and unix servers, threads' python3 <<'end'
cat >a.py <<'p'
import asyncio, os, tempfile
async def serve(r, w): w.write(b'got ' + await r.readline()); await w.drain(); w.close()
async def ask(r, w):
    w.write(b'line\n'); await w.drain(); print(await r.read()); w.close()
async def main():
    s = await asyncio.start_server(serve, '127.0.0.1', 0); await ask(*await asyncio.open_connection(*s.sockets[0].getsockname()))
    with tempfile.TemporaryDirectory() as d:
        s = await asyncio.start_unix_server(serve, d + '/s'); await ask(*await asyncio.open_unix_connection(d + '/s'))
    p = await asyncio.create_subprocess_exec('echo', 'sub', stdout=-1); print(await p.communicate())
    print(await asyncio.to_thread(sum, range(10)))
asyncio.run(main())
p
python3 a.py
end

work 'python sqlite3 on disk, WAL, two connections' python3 <<'end'
cat >d.py <<'p'
import sqlite3
a = sqlite3.connect('data.db'); print(a.execute('pragma journal_mode=wal').fetchone())
a.execute('create table t(x)'); a.executemany('insert into t values(?)', [(i,) for i in range(100)]); a.commit()
b = sqlite3.connect('data.db'); print(b.execute('select sum(x) from t').fetchone()); b.close(); a.close()
p
python3 d.py
end

work 'sqlite3 shell' sqlite3 <<'end'
sqlite3 x.db 'create table t(a); insert into t values(1),(2); select sum(a) from t;'
sqlite3 x.db .dump
end

work 'pytest with tmp_path, monkeypatch and a failing test' python3:pytest <<'end'
printf 'def test_ok(tmp_path, monkeypatch):\n    monkeypatch.chdir(tmp_path); (tmp_path / "f").write_text("x")\n\ndef test_bad():\n    assert 1 == 2\n' >test_x.py
python3 -m pytest -q -p no:cacheprovider test_x.py | grep -oE '1 failed, 1 passed' || true
end

work 'python tempfile, fcntl locks, mmap, os.sendfile, memfd, eventfd, inotify by ctypes' python3 <<'end'
cat >f.py <<'p'
import ctypes, fcntl, mmap, os, tempfile, select, socket
with tempfile.NamedTemporaryFile() as t:
    fcntl.lockf(t, fcntl.LOCK_EX); t.write(b'x' * 4096); t.flush(); print(len(mmap.mmap(t.fileno(), 4096)))
m = os.memfd_create('m'); os.write(m, b'hi'); print(os.pread(m, 2, 0))
e = os.eventfd(1); print(os.eventfd_read(e)); p = select.epoll(); p.register(e, 1); os.eventfd_write(e, 2); print(len(p.poll(1)))
libc = ctypes.CDLL(None); n = libc.inotify_init1(0); print(libc.inotify_add_watch(n, b'.', 0x100) > 0); open('made', 'w').close(); print(b'made' in os.read(n, 4096))
a, b = socket.socketpair(); socket.send_fds(a, [b'x'], [0]); print(len(socket.recv_fds(b, 1, 1)[1]))
print(os.sched_getaffinity(0) == os.sched_getaffinity(os.getppid()), os.copy_file_range(os.open('README', 0), os.open('copied', os.O_CREAT | os.O_WRONLY), 99))
print(os.getpriority(os.PRIO_PROCESS, 0), os.getgroups() == sorted(os.getgroups()), os.getlogin.__name__)
p
python3 f.py
end

work 'python from standard input and -c, exit status, uncaught exception' python3 <<'end'
echo 'print(1)' | python3; python3 - <<'p'
print(2)
p
python3 -c 'import sys; sys.exit(7)' || echo $?
python3 -c 'raise ValueError' 2>/dev/null || echo $?
PYTHONPATH=. python3 -m hello
end

work 'node: fs, path, process, os' node <<'end'
node -e 'const fs=require("fs"),os=require("os");fs.writeFileSync("o",fs.readFileSync("README"));fs.mkdirSync("a/b",{recursive:true});fs.renameSync("o","a/b/o");fs.rmSync("a/b/o");
console.log(os.homedir()===process.env.HOME,os.userInfo().username===process.env.USER,os.cpus().length>0,os.totalmem()>0,process.cwd(),os.tmpdir())'
end

work 'node child_process: exec, execFile, spawn with a shell, fork, signals' node <<'end'
cat >c.js <<'j'
const c = require('child_process');
if (process.argv[2]) { process.on('message', m => { process.send(m + 1); process.disconnect(); }); } else {
console.log(c.execSync('echo one | cat').toString(), c.execFileSync('printf', ['%s|', 'a b', '']).toString());
console.log(c.spawnSync('exit 5', { shell: true }).status, c.spawnSync('sh', ['-c', 'kill $$']).signal, c.spawnSync('none').error.code);
const f = c.fork(__filename, ['x']); f.send(1); f.on('message', m => console.log('message', m));
const p = c.spawn('sleep', ['60'], { detached: true, stdio: 'ignore' }); p.on('exit', (s, g) => console.log(s, g)); process.kill(-p.pid, 'SIGKILL'); }
j
node c.js | sort
end

work 'node worker_threads, shared memory, cluster' node <<'end'
cat >w.js <<'j'
const { Worker, isMainThread, workerData } = require('worker_threads');
if (isMainThread) { const s = new SharedArrayBuffer(4), a = new Int32Array(s); let n = 3;
for (let i = 0; i < 3; i++) new Worker(__filename, { workerData: s }).on('exit', () => { if (!--n) console.log(a[0]); }); }
else Atomics.add(new Int32Array(workerData), 0, 2);
j
node w.js
cat >k.js <<'j'
const c = require('cluster'), h = require('http');
if (c.isPrimary) { const w = c.fork(); w.on('message', p => h.get({ port: p, host: '127.0.0.1' }, r => { r.pipe(process.stdout); r.on('end', () => w.kill()); })); }
else { const s = h.createServer((q, r) => r.end('from a worker\n')).listen(0, '127.0.0.1', () => process.send(s.address().port)); }
j
node k.js
end

work 'node http server and fetch, by 127.0.0.1, localhost and ::1 if there' node <<'end'
cat >h.mjs <<'j'
import http from 'http';
for (const [host, name] of [['127.0.0.1', '127.0.0.1'], [undefined, 'localhost']]) {
const s = http.createServer((q, r) => r.end('body ' + q.url)); await new Promise(f => s.listen(0, host, f));
console.log(await (await fetch(`http://${name}:${s.address().port}/x`)).text()); s.close(); s.closeAllConnections(); }
j
node h.mjs
end

work 'node fs.watch and fs.watchFile' node <<'end'
cat >w.js <<'j'
const fs = require('fs'); const w = fs.watch('.', (e, f) => { if (f === 'new') { console.log('seen'); w.close(); clearTimeout(t); } });
const t = setTimeout(() => { console.log('not seen'); process.exit(1); }, 5000); setTimeout(() => fs.writeFileSync('new', ''), 100);
j
node w.js
end

ignore '*/node_modules/*' '*.tgz'
work 'npm init, pack, install of a tarball and of a directory, npx, npm test' npm <<'end'
# npm 9 of Debian 12 fails at some of this when bare.
case $(npm --version) in [1-9].*) exit 0 ;; esac
mkdir tool && cd tool && npm init -y >/dev/null && printf '#!/usr/bin/env node\nconsole.log("tool", process.argv.slice(2).join())\n' >bin.js && npm pkg set bin=bin.js >/dev/null
npm pack --silent
cd ..
mkdir app && cd app && npm init -y >/dev/null
npm install --silent --offline --no-audit --no-fund ../tool/tool-1.0.0.tgz
npx --offline tool one
ls node_modules node_modules/.bin
npm uninstall --silent --offline tool
npm install --silent --offline --no-audit --no-fund file:../tool
npx --offline tool two
readlink node_modules/tool
npm pkg set scripts.test='tool three' >/dev/null
npm test --silent
npm run nothing --silent 2>/dev/null || echo "status $?"
end

work 'npm run scripts with pre and post, arguments, failure' npm <<'end'
npm start --silent
npm pkg set scripts.prego='echo pre' scripts.go='echo go' scripts.postgo='echo post' scripts.bad='exit 9' >/dev/null
npm run --silent go -- more
npm run --silent bad || echo "status $?"
npm ls --depth 0 --json | head -2
npm config get cache | sed "s|$HOME|~|"
end

ignore '*/node_modules/*'
work 'npm ci from a lock file, workspaces, node --test' npm <<'end'
npm init -y >/dev/null 2>&1
npm init -y -w packages/a >/dev/null 2>&1
npm install --silent --offline --no-audit
npm ci --silent --offline --no-audit
readlink node_modules/a
ls -l node_modules | wc -l
echo 'require("node:test")("t", () => {})' >a.test.js
node --test a.test.js | grep -oE '^# pass 1'
end

work 'node: streams of standard input, an uncaught error, a signal, exit codes' node <<'end'
echo '{"a":1}' | node -e 'process.stdin.pipe(process.stdout)'
echo 'console.log(3)' | node
node -e 'throw 1' 2>/dev/null || echo $?
node -e 'process.exit(9)' || echo $?
node -e 'process.kill(process.pid, "SIGTERM"); setTimeout(()=>{}, 5000)' || echo $?
head -c 20M /dev/zero | node -e 'let n=0;process.stdin.on("data",d=>n+=d.length).on("end",()=>console.log(n))'
end

ignore '*/node_modules/*'
work 'npm link of a package into another' npm <<'end'
mkdir lib app
(cd lib && npm init -y >/dev/null)
cd app
npm init -y >/dev/null
npm install --silent --offline --no-audit --install-links=false ../lib
node -p 'require.resolve.paths("lib").length > 0'
readlink node_modules/lib
end

work 'perl: files, fork, sockets, -i, -pe' perl <<'end'
perl -i -pe 's/one/ONE/' 'sub dir/list.txt'
cat 'sub dir/list.txt'
perl -e 'if(!fork){exit 4} wait; print $? >> 8, "\n"; open my $f,"<","README"; print <$f>; print -e "/etc/passwd", "\n"'
perl -MIO::Socket::UNIX -e 'my $s=IO::Socket::UNIX->new(Local=>"s",Listen=>1) or die $!; print "listening\n"'
end

work 'ruby: files, processes, threads, gem' ruby <<'end'
ruby -e 'puts File.read("README"); puts `echo sub`; puts $?.exitstatus; Thread.new { puts :thread }.join; pid = fork { exit 3 }; Process.wait pid; puts $?.exitstatus'
gem --version >/dev/null
ruby -rsocket -e 's = TCPServer.new("127.0.0.1", 0); c = TCPSocket.new("127.0.0.1", s.addr[1]); s.accept.puts "hi"; puts c.gets'
end

work 'tclsh, awk, bc, jq' tclsh jq <<'end'
echo 'puts [exec echo tcl]' | tclsh
awk 'BEGIN { "date +%Y" | getline y; print y > 2000; system("echo sys") }'
echo '{"a":[1,2]}' | jq -c '.a|add'
end
