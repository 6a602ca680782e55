"""The cases: what commands of a cell get of a tool, and what they do not."""
import os
import re

HOOK = r"""#!/bin/bash
exec >"$(git rev-parse --show-toplevel)/hook.out" 2>&1
env
cat /proc/*/environ /proc/*/cmdline | tr '\0' '\n'
git config --list; git credential fill </dev/null
ls -la ~ ~/.secrets; cat ~/.secrets/*
curl -sS https://git.test/other/place
curl -sS -o /dev/null -w 'rule: %{http_code}\n' "https://git.test/acme/repo.git/info/refs?service=git-receive-pack"
curl -sSv https://git.test/acme/repo.git/info/refs?service=git-upload-pack | tr -d '\0'
exit 0
"""


def git(lab, server):
    quiet = "GIT_TERMINAL_PROMPT=0 "
    status, out = lab.cell(quiet + "git push origin main", profile="plain")
    lab.tap(status != 0 and lab.head_of("main") is None and
            not any(a for _, t, a in server.requests if "receive-pack" in t),
            "control: without the tool a push has no credential", out)
    server.requests.clear()
    status, out = lab.cell(quiet + "/usr/bin/git push origin main")
    lab.tap(status != 0 and lab.head_of("main") is None and not any(a for _, _, a in server.requests),
            "the program by its path is not the tool: no credential", out)
    server.requests.clear()
    status, out = lab.cell(quiet + "git ls-remote origin; curl -sS https://git.test/acme/x")
    lab.tap(status == 0 and server.requests and not any(a for _, _, a in server.requests),
            "other arguments run in place, and the rule is not the cell's", (status, out, server.requests))
    server.requests.clear()
    status, out = lab.cell(quiet + "git push origin main")
    lab.tap(status == 0 and lab.head_of("main") is not None and lab.leaks(out) is None and
            any(a for _, t, a in server.requests if "receive-pack" in t),
            "git push through the tool is served with the rule's credential", (status, out, server.requests))
    status, out = lab.cell(quiet + "git push origin main:refs/heads/x; echo status $?; git push nowhere; echo status $?")
    lab.tap("status 0" in out and "status 128" in out, "its status and words are the program's own", out)
    lab.write(f"{lab.PROJECT}/.git/hooks/pre-push", HOOK, 0o755)
    server.requests.clear()
    status, out = lab.cell(quiet + "git push origin main:refs/heads/hooked")
    said = open(f"{lab.PROJECT}/hook.out").read() if os.path.exists(f"{lab.PROJECT}/hook.out") else ""
    os.remove(f"{lab.PROJECT}/.git/hooks/pre-push")
    lab.tap("rule: 200" in said, "a hook can use the rule while it runs, as the manual says", said)
    lab.tap("here with credential" not in said and "PATH=" in said and
            not any(a for _, t, a in server.requests if t.startswith("/other")),
            "but not another path of the host", said)
    lab.tap(lab.leaks(said + out) is None, "and reads no secret", lab.leaks(said + out))


def rows(out):
    return set(re.findall(r"\w+-row-\d+", out))


EVIL_C = "__attribute__((constructor)) static void f(void) { " \
         "extern int setenv(const char*,const char*,int), unsetenv(const char*);" \
         "extern int system(const char*); unsetenv(\\\"LD_PRELOAD\\\"); system(\\\"env >&2\\\"); }"

ATTACKS = {
    "arguments": "orders -c 'select * from orders'; orders -v customer=4712; orders --version; orders ''",
    "variables": "PGOPTIONS='-c search_path=x' PGHOST=localhost PGUSER=x PSQLRC=$PWD/.psqlrc PAGER=env "
                 "PSQL_PAGER=env EDITOR=env PGPASSFILE=/dev/stderr PGSERVICEFILE=$PWD/pg_service.conf "
                 "PGSYSCONFDIR=$PWD PERL5OPT=-Mevil PERL5LIB=$PWD BASH_ENV=$PWD/evil.sh ENV=$PWD/evil.sh orders",
    "a library to load": f"echo \"{EVIL_C}\" >e.c; cc -shared -fPIC -o e.so e.c 2>/dev/null; "
                         "LD_PRELOAD=$PWD/e.so /bin/true 2>&1 | grep -q ^HOME= && echo control-works; "
                         "LD_PRELOAD=$PWD/e.so LD_LIBRARY_PATH=$PWD LD_AUDIT=$PWD/e.so orders",
    "limits": "(ulimit -f 20 -v 20000 -n 8 -s 256; trap '' PIPE TERM; umask 777; exec orders)",
    "the working directory": "mkdir -p d && cd d && echo '\\! env' >.psqlrc && cp .psqlrc psqlrc && "
                             "printf '[orders]\\nhost=localhost\\n' >pg_service.conf && orders",
    "HOME": "mkdir -p h && echo '\\! env' >h/.psqlrc && HOME=$PWD/h orders",
    "PATH": "mkdir -p p && printf '#!/bin/sh\\nenv\\n' >p/psql && chmod +x p/psql && cp p/psql p/perl && "
            "PATH=$PWD/p:$PATH orders",
    "files that it reads": "mkdir -p ~/queries; echo 'select * from orders' >~/queries/orders.sql; "
                           "echo '\\! env' >~/.psqlrc; printf '[orders]\\nhost=localhost\\n' >~/.pg_service.conf; "
                           "mkdir -p ~/.postgresql ~/.local/bin; printf '#!/bin/sh\\nenv' >~/.local/bin/psql; "
                           "chmod +x ~/.local/bin/psql; orders",
    "standard input": "echo 'select * from orders;' | orders; printf '\\\\! env\\n' | orders",
    "a terminal": "printf '\\\\! env\\nselect * from orders;\\n!env\\n' | script -qec orders /dev/null",
    "processes": "slow & sleep 0.7; cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'; "
                 "for p in /proc/[0-9]*; do ls -l $p/fd; done; wait",
    "signals": "for s in INT QUIT TERM HUP USR1 TSTP CONT; do slow & sleep 0.5; kill -$s $!; wait $!; done",
    "the door replaced": "rm -rf /run/agentjail; mv /run/agentjail /run/x; echo x >/run/agentjail/tools/orders; "
                         "ln -sf /bin/sh /run/agentjail/tools/orders; mount -t tmpfs x /run/agentjail; orders",
    "its standard output closed": "slow >&-; slow | true; slow >/dev/full; orders",
    "calls of its own": "python3 call.py",
}

# Speaks to the door itself: descriptors and words that no link would send.
CALL = r"""
import array, fcntl, os, socket, struct, sys
LIMITS = b"".join(struct.pack("QQ", 1, 1) for _ in range(16)) # nothing could run with these
def call(word, argv, env, fds, cwd="/", seal=True, bytes_=None, version=0x646f6f72):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect("/run/agentjail/door")
    body = b"\0".join(x.encode() for x in [word, cwd] + argv + env) + b"\0"
    m = os.memfd_create("x", os.MFD_ALLOW_SEALING)
    os.write(m, body)
    if seal: fcntl.fcntl(m, 1033, 1 | 2 | 4 | 8)
    h = struct.pack("IIQQQIIIIiIQII4H36sI", version, 448, 0, bytes_ or len(body), 0, 0, len(argv), len(env),
                    0o22, 0, 0, 0, (1 << len(fds)) - 1, 0, 0, 0, 0, 0, b"", 0) + LIMITS
    h = h[:4] + struct.pack("I", len(h)) + h[8:]
    try: s.sendmsg([h], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [m] + fds))])
    except OSError as e: return print("send", e)
    s.settimeout(6)
    try:
        while True:
            r = s.recv(100)
            if not r: break
            print(word, "answer", struct.unpack("II", r))
            s.send(struct.pack("II", 1, 18 | 0x100))
    except OSError as e: print(word, e)
a, b = socket.socketpair()
b.send(b"\\! env\nselect * from orders;\n")
call("orders", ["orders"], ["PGOPTIONS=-c x", "LD_PRELOAD=/tmp/x.so"], [a.fileno()] * 3)
b.settimeout(0.5)
try: print("by socket:", b.recv(9999).decode(), "#")
except OSError as e: print(e)
n = os.open("/dev/null", os.O_RDWR)
call("orders", ["orders", "-c", "select 1"], [], [n, n, n])
call("orders", ["-c"], [], [n, n, n], seal=False)
call("orders", ["orders"], [], [n, n, n], bytes_=1 << 20)
call("orders", ["orders"], [], [n, n, n], version=1)
call("../../bin/sh", ["sh"], [], [n, n, n])
call("orders", ["orders"], [], [os.open("/", os.O_RDONLY), n, n])
call("orders", ["orders"], [], [os.open("/", os.O_PATH), n, n])
r, w = os.pipe()
for i in range(100):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.setblocking(False)
    try: s.connect("/run/agentjail/door"); s.send(b"x" * (i * 7 + 1))
    except OSError: pass
sys.stdout.flush()
os.execvp("orders", ["orders"])
"""


def database(lab):
    every = "PGPASSWORD={} psql -h db.test -U owner -d postgres -c 'select * from orders'".format(lab.PASSWORD)
    status, out = lab.cell(every, profile="plain")
    lab.tap(rows(out) == {lab.OWN_ROW, lab.OTHER_ROW},
            "control: with the password in its hands a cell reads every customer", out)
    status, out = lab.cell(every)
    lab.tap(rows(out) == set(), "the tool's host is not the cell's", out)
    status, out = lab.cell("orders")
    lab.tap(status == 0 and rows(out) == {lab.OWN_ROW}, "the tool gives one customer's rows", (status, out))
    lab.write(f"{lab.PROJECT}/call.py", CALL, 0o644)
    lab.write(f"{lab.PROJECT}/.psqlrc", "\\! env\n", 0o644)
    lab.write(f"{lab.PROJECT}/evil.sh", "env >&2\n", 0o644)
    lab.write(f"{lab.PROJECT}/pg_service.conf", "[orders]\nhost=localhost\nuser=x\n", 0o644)
    for name, script in ATTACKS.items():
        _, out = lab.cell(script + "\necho; echo done-with-it; orders")
        good = lab.leaks(out) is None and rows(out) <= {lab.OWN_ROW} and "done-with-it" in out
        served = rows(out.rpartition("done-with-it")[2]) == {lab.OWN_ROW}
        if name == "a library to load":
            good = good and "control-works" in out
        if name == "calls of its own": # a socket as its output gets the rows, and is not read
            good = good and "by socket:" in out and lab.OWN_ROW in out.rpartition("by socket:")[2].split("#")[0]
        if name == "files that it reads": # the cell's own view of HOME is its own loss alone
            served = True
        if name == "calls of its own": # ends as orders itself
            served = lab.OWN_ROW in out
        lab.tap(good and served, f"nothing more for {name}", out)


def words(lab):
    _, out = lab.cell("words v1 -n 'a b'; echo status $?")
    lab.tap("word:v1\nword:-n\nword:a b" in out and "status 0" in out and "agentjail/empty" in out,
            "arguments go where args admits them; in an empty directory, with no input", out)
    _, out = lab.cell("words; words x1 -n; words v1 -x; words v1 -n -y; words v1; echo status $?")
    lab.tap("word:" not in out and "status 126" in out, "and nowhere else", out)
    _, out = lab.cell("for i in 1 2 3 4 5; do words v1 -n $i; done")
    lab.tap("word:3" in out and "word:4" not in out and "limit" in out, "runs a minute are limited", out)


def limits(lab):
    status, out = lab.cell("time -p long; echo status $?")
    took = float(re.search(r"real ([\d.]+)", out).group(1))
    lab.tap("status 137" in out and took < 10, "the time of a run is limited", (took, out))
    _, out = lab.cell("orders; git status -s | head -1; hello() { :; }; words v1 -n x", agent=True)
    lab.tap(rows(out) == {lab.OWN_ROW} and "word:x" in out, "an agent's commands have the tools too", out)
    _, out = lab.cell("moved >/dev/null; echo status $?")
    lab.tap("status 0" in out, "control: a source behind a link", out)
    os.remove(f"{lab.HOME}/link")
    os.symlink(lab.PROJECT, f"{lab.HOME}/link")
    lab.write(f"{lab.PROJECT}/db", "chosen by a command")
    _, out = lab.cell("moved >/dev/null; echo status $?")
    lab.tap("status 0" not in out, "a source that leads into the project is refused", out)


def play(lab, server):
    git(lab, server)
    if os.geteuid() == 0:
        database(lab)
        words(lab)
        limits(lab)
    else: # a program's owner has to be root, whom a namespace of one user does not know
        lab.tap(True, "commands that the user has fixed", skip="needs root for the laboratory")
