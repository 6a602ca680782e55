"""The driver: in a network and mount namespace of its own it starts the origins, then plays every case
in a cell and bare, and judges by the bytes that the origins recorded. Prints TAP without a plan.
lab.py BASE PROGRAM WHO [CASE...]    PROGRAM may be empty: controls only"""
import base64
import json
import os
import subprocess
import sys
import time
import urllib.parse

import cases_more as cases
import names
import origin

HERE = os.path.dirname(os.path.abspath(__file__))
SECRET = origin.SECRET
RULE_HOSTS = ("api.test scoped.test git.test query.test key.test a.wild.test ttl.test expired.test "
              "wrongname.test selfsigned.test constrained.test").split()
OTHER_HOSTS = ["evil.test"]
INSIDE_RULE_HOST = "loop.test"
PROFILE = """
[egress]
allow = evil.test evil.test:80 api.test:80 api.test:8443
allow = {inside}
private = {hosts}

[inject api]
host = api.test
header = Authorization: Bearer {{secret}}
secret = env:TEST_API_TOKEN
env = TEST_API_TOKEN

[inject inside]
host = loop.test
header = Authorization: Bearer {{secret}}
secret = env:TEST_API_TOKEN

[inject scoped]
host = scoped.test
method = GET POST
path = /v1/*
header = Authorization: Bearer {{secret}}
secret = env:TEST_API_TOKEN

[inject git]
host = git.test
basic = x-access-token:{{secret}}
secret = env:TEST_API_TOKEN

[inject query]
host = query.test
query = key={{secret}}
secret = env:TEST_API_TOKEN

[inject key]
host = key.test
header = X-Api-Key: {{secret}}
secret = env:TEST_API_TOKEN

[inject ttl]
host = ttl.test
header = Authorization: Bearer {{secret}}
secret = env:TEST_API_TOKEN
ttl = 1

[inject wild]
host = *.wild.test
header = Authorization: Bearer {{secret}}
secret = env:TEST_API_TOKEN
"""
BAD_RULE = """
[inject {name}]
host = {name}.test
header = Authorization: Bearer {{secret}}
secret = env:TEST_API_TOKEN
"""
number = 0


def tap(ok, title, note="", skip=""):
    global number
    number += 1
    print(f"{'ok' if ok else 'not ok'} {number} - {title}" + (f" # SKIP {skip}" if skip else ""))
    for line in str(note).splitlines() if not ok else []:
        print("# " + line[:500])
    sys.stdout.flush()


def encodings(secret):
    """The forms in which a value comes back, for the search."""
    raw = secret.encode()
    yield raw
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    for pad in range(3):  # base64 at three alignments, without the bytes that depend on neighbours
        text = base64.b64encode(b"x" * pad + raw)
        yield text[(0, 2, 3)[pad]:len(text) // 4 * 4 - 4]
    yield "".join(f"%{b:02x}" for b in raw).encode()
    yield "".join(f"\\u{b:04x}" for b in raw).encode()
    yield "".join(f"&#{b};" for b in raw).encode()


def finds_secret(data):
    return next((e for e in encodings(SECRET) if e in data), None)


class Echo(origin.Origin):
    """The origin with what needs the secret in other forms, and the hostile replies."""

    def listen_all(self):
        for port, tls in ((443, True), (8443, True), (80, False)):
            self.listen("127.0.0.1", port, tls)
        for address in ["::1"] + names.on_loopback():
            self.listen(address, 443, True)

    def answer(self, method, path, target, head, body):
        secret = SECRET.encode()
        if path.startswith(b"/raw/"):
            return (list(cases.RAW_REPLIES.values())[int(path[5:])],)
        if path == b"/extra":
            return (origin.reply(body=b"ok") + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nEXTRA",)
        if path == b"/te":
            return origin.reply(body=b"with te", fields=[b"TE: trailers"])
        if path == b"/links":
            return origin.reply(body=b"ok", fields=[b"Link: <http://127.0.0.1/>; rel=preload", b"Refresh: 0; url=/x"])
        if path == b"/echo-401":
            return origin.reply(b"401 Who", body=b"{}", fields=[b"Set-Cookie: a=" + secret + b"; Path=/",
                                b'WWW-Authenticate: Bearer realm="' + secret + b'"',
                                b"Authentication-Info: nextnonce=" + secret])
        if path == b"/echo-206":
            part = b"--b\r\nContent-Range: bytes 0-9/90\r\n\r\n" + secret + b"\r\n--b--\r\n"
            return origin.reply(b"206 Part", body=part, fields=[b"Content-Type: multipart/byteranges; boundary=b"])
        if path == b"/seconds":
            return [b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n"] + [b"."] * 20
        if path == b"/echo-slow":
            return [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n<" % (len(secret) + 2), secret[:1],
                    secret[1:5], secret[5:12], secret[12:] + b">"]
        made = {
            b"/echo-base64": b"x".join(base64.b64encode(b"x" * n + secret) for n in range(3)),
            b"/echo-percent": urllib.parse.quote(SECRET, safe="").encode() +
            "".join(f"%{b:02X}" for b in secret).encode(),
            b"/echo-json": json.dumps({"a": SECRET}).encode() + "".join(f"\\u{b:04X}" for b in secret).encode(),
            b"/echo-hex": secret.hex().encode() + b" " + secret.hex().upper().encode(),
        }
        if path in made:
            return origin.reply(body=made[path])
        if path in (b"/echo-br", b"/echo-zstd"):
            name = "brotli" if path == b"/echo-br" else "zstd"
            packed = subprocess.run([name, "-c"], input=head, capture_output=True).stdout
            return origin.reply(body=packed, fields=[b"Content-Encoding: " + path[6:]])
        return super().answer(method, path, target, head, body)


def start_origin(folder):
    ca = origin.make_ca(folder, "ca", "-addext", "basicConstraints=critical,CA:TRUE")
    limited = origin.make_ca(folder, "limited", "-addext", "basicConstraints=critical,CA:TRUE",
                             "-addext", "nameConstraints=critical,permitted;DNS:other.test")
    inside = [*names.INSIDE, names.REBIND, names.PUBLIC_NAME, names.ALIAS]
    good = inside + [h for h in RULE_HOSTS if h.split(".")[0] not in
            ("expired", "wrongname", "selfsigned", "constrained")] + OTHER_HOSTS
    files = {" ".join(good): origin.make_leaf(folder, "good", ca, good),
             "expired.test": origin.make_leaf(folder, "expired", ca, ["expired.test"], days="-1"),
             "wrongname.test": origin.make_leaf(folder, "wrongname", ca, ["elsewhere.test"]),
             "constrained.test": origin.make_leaf(folder, "constrained", limited, ["constrained.test"])}
    own = origin.make_ca(folder, "own", "-addext", "subjectAltName=DNS:selfsigned.test")
    with open(f"{folder}/own-both.pem", "w") as f:
        f.write(open(own[0]).read() + open(own[1]).read())
    files["selfsigned.test"] = f"{folder}/own-both.pem"
    return Echo(files), [ca[0], limited[0]]


def namespace(folder, roots):
    """lo, names and the authorities of this mount namespace alone."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in names.on_loopback():
        subprocess.run(["ip", "address", "add", address, "dev", "lo", *(["nodad"] if ":" in address else [])],
                       check=True)
    with open(f"{folder}/hosts", "w") as f:
        f.write("127.0.0.1 localhost\n")
        for h in RULE_HOSTS + OTHER_HOSTS:
            f.write(f"127.0.0.1 {h}\n")
    bundle = "/etc/ssl/certs/ca-certificates.crt"
    with open(f"{folder}/bundle", "w") as f:
        f.write(open(bundle).read())
        for root in roots:
            f.write(open(root).read())
    with open(f"{folder}/resolv.conf", "w") as f:
        f.write("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    for name, target in (("hosts", "/etc/hosts"), ("bundle", bundle), ("resolv.conf", "/etc/resolv.conf")):
        subprocess.run(["mount", "--bind", f"{folder}/{name}", os.path.realpath(target)], check=True)


class Side:
    """A client, in a cell or bare, that plays one case after the other."""

    def __init__(self, name, prefix, project, env):
        self.name, self.stderr = name, open(f"{project}/../{name}.stderr", "wb")
        self.process = subprocess.Popen(
            prefix + ["python3", f"{project}/client.py", "cases_more", name], cwd=project, env=env,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.stderr)

    def play(self, case):
        try:
            self.process.stdin.write(case.encode() + b"\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except OSError:
            line = b""
        return base64.b64decode(json.loads(line)["result"]) if line else b"[the client is gone]"


def play_all(server, jail, bare, wanted):
    for name, case in cases.CASES.items():
        if wanted and name not in wanted:
            continue
        title = f"{name}: {case.title}"
        if case.control:
            server.clear()
            bare.play(name)
            time.sleep(0.02)
            if not any(c.data or c.sni for c in server.seen()):
                tap(False, title, "control: bare, no origin heard anything")
                continue
        if jail is None:
            tap(True, title, skip="controls only")
            continue
        server.clear()
        result = jail.play(name)
        time.sleep(0.05)
        seen = server.seen()
        why = case.check(result, seen)
        if finds_secret(result):
            why = f"the secret came back: {result[:300]!r}"
        for c in seen:
            if finds_secret(c.data) and (c.sni not in RULE_HOSTS or c.port != 443):
                why = f"the secret went to {c}"
        tap(why is None, title, why)


def play_inject_mode(server, program, profile, project, env):
    """--mode inject: clients that know the proxy variables get the header, by no one else's leave."""
    def run(*words, **more):
        server.clear()
        done = subprocess.run(DROP + [program, "-q", "--mode", "inject", "-p", profile, "--", *words],
                              cwd=project, env={**env, **more}, capture_output=True, timeout=60)
        return done.stdout + done.stderr, server.seen()

    def injected(title, *words):
        out, seen = run(*words)
        data = b"".join(c.data for c in seen if c.sni == "api.test")
        tap(cases.SECRET in data and not finds_secret(out), f"mode inject: {title}", f"{out!r} {seen}")

    injected("curl", "curl", "-sS", "https://api.test/echo")
    injected("curl through SOCKS5", "sh", "-c",
             'curl -sS -x "$(echo "$HTTPS_PROXY" | sed s/http:/socks5h:/)" https://api.test/echo')
    injected("python3 urllib", "python3", "-c",
             "import urllib.request as u; print(u.urlopen('https://api.test/').read())")
    injected("git", "sh", "-c", "git ls-remote https://api.test/x || true")
    out, _ = run("sh", "-c", "env; tr '\\0' '\\n' </proc/$PPID/environ; ls -A; id -u")
    tap(not finds_secret(out) and str(os.geteuid()).encode() in out, "mode inject: no secret in the environment", out)
    out, _ = run("sh", "-c", 'curl -sS https://api.test/; for p in $PPID $(cat /proc/$PPID/task/*/children); do '
                 '[ $p = $$ ] || for f in /proc/$p/environ /proc/$p/fd/*; do timeout 0.2 cat "$f"; done; done')
    if os.geteuid() == 0:
        tap(True, "mode inject: no secret in what others of the user may open", skip="root may open everything")
    else:
        tap(not finds_secret(out) and b"ok 0" in out, "mode inject: no secret in what others of the user may open", out)
    out, seen = run("curl", "-sS", "https://evil.test/echo")
    tap(b"GET /echo" in out and SECRET.encode() not in b"".join(c.data for c in seen),
        "mode inject: a host without rules is passed on", out)
    out, seen = run("sh", "-c", "curl -sS -m 5 -x 127.0.0.1:${HTTPS_PROXY##*:} https://api.test/; "
                    "curl -sS -m 5 -x http://agentjail:wrong@127.0.0.1:${HTTPS_PROXY##*:} https://api.test/; "
                    "curl -sS -m 5 -x socks5h://127.0.0.1:${HTTPS_PROXY##*:} https://api.test/; "
                    "curl -sS -m 5 -x socks5h://agentjail:wrong@127.0.0.1:${HTTPS_PROXY##*:} https://api.test/; "
                    "curl -sS -m 5 -x socks4a://127.0.0.1:${HTTPS_PROXY##*:} https://api.test/")
    tap(not requests_of(seen) and out.count(b"407") == 2, "mode inject: nobody without the session's login", out)
    out, seen = run("sh", "-c", "exit 7")
    status = subprocess.run(DROP + [program, "-q", "--mode", "inject", "-p", profile, "--", "sh", "-c", "exit 7"],
                            cwd=project, env=env).returncode
    left = [d for d in os.listdir(env["XDG_RUNTIME_DIR"] + "/agentjail")] if os.path.isdir(
        env["XDG_RUNTIME_DIR"] + "/agentjail") else []
    tap(status == 7 and not left, "mode inject: the agent's status, and nothing left behind", f"{status} {left}")


def requests_of(seen):
    return [c for c in seen if c.data]


def start_lab(folder):
    server, roots = start_origin(folder)
    namespace(folder, roots)
    server.listen_all()
    names.Server()
    return server


def main():
    base, program, _who = sys.argv[1:4]
    project = f"{base}/home/project"
    for folder in (project, f"{base}/home/.config/agentjail/profiles", f"{base}/origin"):
        os.makedirs(folder, exist_ok=True)
    for file in ("client.py", "cases.py", "cases_more.py", "names.py"):
        with open(f"{HERE}/{file}") as f, open(f"{project}/{file}", "w") as out:
            out.write(f.read())
    server = start_lab(f"{base}/origin")
    profile = f"{base}/home/.config/agentjail/profiles/lab.ini"
    with open(profile, "w") as f:
        f.write(PROFILE.format(hosts=" ".join(RULE_HOSTS + OTHER_HOSTS),
                               inside=" ".join([*names.INSIDE, names.REBIND, names.PUBLIC_NAME, names.ALIAS])) + "".join(
                BAD_RULE.format(name=n) for n in ("expired", "wrongname", "selfsigned", "constrained")))
    env = {"HOME": f"{base}/home", "PATH": os.environ["PATH"], "TEST_API_TOKEN": SECRET}
    # What steers TLS libraries must steer no process of agentjail's.
    steered = {name: f"{base}/home/{name}" for name in ("SSLKEYLOGFILE", "OPENSSL_CONF")}
    with open(steered["OPENSSL_CONF"], "w") as f:
        f.write("openssl_conf = broken\n[broken]\nssl_conf = nowhere\n")
    bare = Side("bare", DROP, project, env | {"SSLKEYLOGFILE": f"{base}/home/control"})
    jail = Side("cell", DROP + [program, "run", "-p", profile, "--"], project, env | steered) if program else None
    if os.environ.get("ONLY") != "modes":
        play_all(server, jail, bare, sys.argv[4:])
    if program and not sys.argv[4:]:
        os.makedirs(f"{base}/run", mode=0o700)
        play_inject_mode(server, program, profile, project, {**env, "XDG_RUNTIME_DIR": f"{base}/run"})
    for side in (bare, jail):
        if side:
            side.process.stdin.close()
            side.process.wait(20)
    if jail:
        said = open(f"{base}/home/cell.stderr", "rb").read()
        tap(not finds_secret(said), "no secret in what was said on stderr", said)
    if jail and not sys.argv[4:]:
        tap(os.path.exists(f"{base}/home/control") and not os.path.exists(steered["SSLKEYLOGFILE"]),
            "H10: SSLKEYLOGFILE and OPENSSL_CONF of the user's steer nothing")


DROP = [] if os.geteuid() == 0 else ["setpriv", "--inh-caps=-all", "--ambient-caps=-all"]
if __name__ == "__main__":
    main()
