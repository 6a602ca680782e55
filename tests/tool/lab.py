"""The driver: in a network and mount namespace of its own it starts a git server over https and a
PostgreSQL, then plays the scripts of hostile.py in cells and judges by what they printed and what the servers saw.
Prints TAP without a plan. lab.py BASE PROGRAM USER"""
import base64
import glob
import os
import shutil
import signal
import subprocess
import sys
import time

import hostile
import origin

BASE, PROGRAM, USER = sys.argv[1:4] # USER: whom cells run for; empty: who we are
HOME, STATE = f"{BASE}/home", f"{BASE}/servers"
PROJECT, HIDDEN = f"{HOME}/project", f"{HOME}/.secrets"
TOKEN, PASSWORD = "T0KEN-canary-0123456789abcdef", "PASSW0RD-canary-0123456789abcdef"
OWN_ROW, OTHER_ROW = "own-row-4711", "other-row-4712"
DROP = [] if os.geteuid() == 0 else ["setpriv", "--inh-caps=-all", "--ambient-caps=-all"]
if USER:
    DROP = ["setpriv", "--reuid", USER, "--regid", USER, "--init-groups"]
count = 0


def tap(good, title, why=None, skip=None):
    global count
    count += 1
    print(f"{'ok' if good else 'not ok'} {count} - {title}" + (f" # SKIP {skip}" if skip else ""))
    if not good:
        for line in str(why).splitlines()[:20]:
            print(f"# {line[:300]}")
    sys.stdout.flush()


# ---- git's own server behind TLS: pushing needs the token, reading does not ----

class Git(origin.Origin):
    """Runs git http-backend(1) for each request; remembers (method, path, authorization)."""

    def __init__(self, certificates, root):
        super().__init__(certificates)
        self.root, self.requests = root, []

    def answer(self, method, path, target, head, body):
        lines = dict(l.split(b": ", 1) for l in head.split(b"\r\n")[1:] if b": " in l)
        fields = {k.lower().decode(): v.decode() for k, v in lines.items()}
        auth = fields.get("authorization", "")
        self.requests.append((method.decode(), target.decode(), auth))
        want = "Basic " + base64.b64encode(b"x-access-token:" + TOKEN.encode()).decode()
        if b"receive-pack" in target and auth != want:
            return origin.reply(b"401 Unauthorized", b"no", [b'WWW-Authenticate: Basic realm="git"'])
        if not path.startswith(b"/acme/"):
            return origin.reply(body=b"here " + (b"with" if auth else b"without") + b" credential\n")
        if fields.get("content-encoding") == "gzip":
            import gzip
            body = gzip.decompress(body)
        env = {"GIT_PROJECT_ROOT": self.root, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path.decode(),
               "REQUEST_METHOD": method.decode(), "REMOTE_USER": "pusher", "REMOTE_ADDR": "127.0.0.1",
               "QUERY_STRING": target.partition(b"?")[2].decode(), "PATH": os.environ["PATH"],
               "CONTENT_TYPE": fields.get("content-type", ""), "CONTENT_LENGTH": str(len(body))}
        done = subprocess.run(["git", "-c", "safe.directory=*", "http-backend"], input=body, env=env,
                              capture_output=True)
        top, _, out = done.stdout.partition(b"\r\n\r\n")
        status, rest = b"200 OK", []
        for line in top.split(b"\r\n"):
            if line.lower().startswith(b"status: "):
                status = line[8:]
            elif line:
                rest.append(line)
        return origin.reply(status, out, rest)


def namespace(roots):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    bundle = "/etc/ssl/certs/ca-certificates.crt"
    texts = {"hosts": "127.0.0.1 localhost git.test db.test\n", "resolv.conf": "nameserver 127.0.0.1\n",
             "bundle": open(bundle).read() + "".join(open(r).read() for r in roots)}
    for name, target in (("hosts", "/etc/hosts"), ("bundle", bundle), ("resolv.conf", "/etc/resolv.conf")):
        with open(f"{STATE}/{name}", "w") as f:
            f.write(texts[name])
        subprocess.run(["mount", "--bind", f"{STATE}/{name}", os.path.realpath(target)], check=True)


# ---- PostgreSQL, with the password of a role that may read every customer's rows ----

def postgres_dir():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb")) or [shutil.which("initdb") or ""]
    return os.path.dirname(found[-1])


def start_postgres():
    bin_dir, data = postgres_dir(), f"{STATE}/db/data"
    as_db = []
    os.makedirs(f"{STATE}/db", exist_ok=True)
    if os.geteuid() == 0: # it refuses to be root
        as_db = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        shutil.chown(f"{STATE}/db", "nobody")
    with open(f"{STATE}/db-password", "w") as f:
        f.write(PASSWORD)
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    subprocess.run(as_db + [f"{bin_dir}/initdb", "-D", data, "-U", "owner", "-A", "scram-sha-256",
                            "--no-sync", f"--pwfile={STATE}/db-password"], **quiet)
    server = subprocess.Popen(
        as_db + [f"{bin_dir}/postgres", "-D", data, "-h", "127.0.0.1", "-p", "5432", "-k", f"{STATE}/db",
                 "-F"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
    env = dict(os.environ, PGPASSWORD=PASSWORD)
    sql = (f"create table orders(customer int, item text); insert into orders values (4711, '{OWN_ROW}'),"
           f"(4712, '{OTHER_ROW}');")
    for _ in range(100):
        if subprocess.run(["psql", "-h", "127.0.0.1", "-U", "owner", "postgres", "-c", sql], env=env,
                          capture_output=True).returncode == 0:
            return server
        time.sleep(0.1)
    raise SystemExit("PostgreSQL did not start")


# ---- cells ----

PROFILE = f"""
[egress]
allow = git.test
private = git.test db.test

[inject push]
host = git.test
path = /acme/*
basic = x-access-token:{{secret}}
secret = env:LAB_TOKEN

[tool git-push]
match = git push *
inject = push

[tool orders]
command = psql service=orders -X -v customer=4711 -f ~/queries/orders.sql
secret-env = PGPASSWORD=file:~/.secrets/db
files = ~/.pg_service.conf
egress = db.test:5432

[tool slow]
command = psql service=orders -X -v customer=4711 -f ~/queries/slow.sql
secret-env = PGPASSWORD=file:~/.secrets/db
files = ~/.pg_service.conf
egress = db.test:5432

[tool words]
command = sh -c "for a; do echo word:$a; done; cat; pwd; ls -A" sh
args = v* -n *
limits = 3/minute 2s

[tool long]
command = sh -c "trap : TERM; sleep 60; sleep 60"
limits = 1s

[tool moved]
command = date
secret-env = PW=file:~/link/db
"""
NO_TOOL = "[egress]\nallow = git.test db.test:5432\nprivate = git.test db.test\n"


def write(path, text, mode=0o600):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)
    if USER:
        subprocess.run(["chown", "-hR", f"{USER}:", HOME], check=True)


def cell(script, profile="lab", agent=False, timeout=60):
    """A script in a cell; everything that came back."""
    base = {"HOME": HOME, "PATH": os.environ["PATH"], "LAB_TOKEN": TOKEN, "TERM": "xterm"}
    verb = ["bash", "-c", '/bin/bash -c "$1"; true', "-"] if agent else ["run", "--", "bash", "-c"]
    options = ["-q", "-p", f"{BASE}/home/.config/agentjail/profiles/{profile}.ini"]
    command = [PROGRAM, *options, *verb, script] if agent else [PROGRAM, "run", *options, *verb[1:], script]
    done = subprocess.run(DROP + command, cwd=PROJECT, env=base, capture_output=True, timeout=timeout,
                          stdin=subprocess.DEVNULL)
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


def leaks(text):
    return next((w for w in (TOKEN, PASSWORD, OTHER_ROW, base64.b64encode(
        b"x-access-token:" + TOKEN.encode()).decode()) if w in text), None)


def setup():
    for d in (PROJECT, STATE, HIDDEN):
        os.makedirs(d, exist_ok=True)
    profiles = f"{HOME}/.config/agentjail/profiles"
    write(f"{profiles}/lab.ini", PROFILE)
    write(f"{profiles}/plain.ini", NO_TOOL)
    write(f"{HIDDEN}/db", PASSWORD)
    os.symlink(HIDDEN, f"{HOME}/link")
    write(f"{HOME}/queries/orders.sql", "select * from orders where customer = :customer;\n")
    write(f"{HOME}/queries/slow.sql", "select pg_sleep(1.5);\n"
          f"select * from orders where customer = :customer;\n")
    write(f"{HOME}/.pg_service.conf", "[orders]\nhost=db.test\nport=5432\nuser=owner\ndbname=postgres\n")
    ca = origin.make_ca(STATE, "ca", "-addext", "basicConstraints=critical,CA:TRUE")
    server = Git({"git.test": origin.make_leaf(STATE, "git", ca, ["git.test"])}, f"{STATE}/git")
    namespace([ca[0]])
    server.listen("127.0.0.1", 443, True)
    subprocess.run(["git", "init", "-q", "--bare", f"{STATE}/git/acme/repo.git"], check=True, cwd="/")
    write(f"{PROJECT}/file", "1\n")
    run = lambda *c: subprocess.run([*DROP, *c], check=True, capture_output=True, cwd=PROJECT,
                                    env={"HOME": HOME, "PATH": os.environ["PATH"]})
    run("git", "init", "-q", "-b", "main", ".")
    run("git", "config", "user.email", "a@b.test")
    run("git", "config", "user.name", "a")
    run("git", "remote", "add", "origin", "https://git.test/acme/repo.git")
    run("git", "add", "file")
    run("git", "commit", "-qm", "one")
    return server


def head_of(branch):
    done = subprocess.run(["git", "-c", "safe.directory=*", "-C", f"{STATE}/git/acme/repo.git", "rev-parse",
                           branch], capture_output=True)
    return done.stdout.decode().strip() if done.returncode == 0 else None


def main():
    server = setup()
    db = start_postgres() if os.geteuid() == 0 else None
    try:
        hostile.play(sys.modules[__name__], server)
    finally:
        if db:
            db.send_signal(signal.SIGINT)
            db.wait(10)


if __name__ == "__main__":
    main()
