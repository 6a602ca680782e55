"""Part 3: protocols end to end, the other keys of rules, where secrets come from, and what happens when a
process of the session is killed."""
import hashlib
import os
import resource
import signal
import subprocess
import time
from concurrent import futures

import canary
import lab as base
import services
from lab import CORE, IS_FULL, figure, skip, tap
from part_clients import SYSTEM_PYTHON
from server import Response

TOKEN = f"tok_{CORE}_protocols"
BEARER = f"Bearer {TOKEN}"
NAMES = ("proto1.test proto2.test pass.test limit.test strip.test file.test command.test keyring.test "
         "gone.test plain.test").split()
GRPC_NAMES = ["grpc.test"]
MTLS_NAMES = ["mtls.test"]
H2_NAMES = ["proto2.test"]
OTHER_CA_NAMES = ["ca.test", "ca-without.test"]
PROFILE = """
[egress]
{private}

{rules}
[inject strip]
host = strip.test
header = Authorization: Bearer {{secret}}
secret = env:LAB_TOKEN
strip-response = Set-Cookie X-Internal

[inject limit]
host = limit.test
header = Authorization: Bearer {{secret}}
secret = env:LAB_TOKEN
limits = 3/minute

[inject pass]
host = pass.test
path = /api/*
header = Authorization: Bearer {{secret}}
secret = env:LAB_TOKEN
else = pass

[inject plain]
host = plain.test
plain = yes
header = Authorization: Bearer {{secret}}
secret = env:LAB_TOKEN

[inject ca]
host = ca.test
ca = {base}/other-ca.pem
header = Authorization: Bearer {{secret}}
secret = env:LAB_TOKEN

[inject mtls]
host = mtls.test
client-cert = file:{base}/secret/client.crt
client-key = file:{base}/secret/client.key
header = Authorization: Bearer {{secret}}
secret = env:LAB_TOKEN

[inject file]
host = file.test
header = Authorization: Bearer {{secret}}
secret = file:{base}/secret/token

[inject command]
host = command.test
header = Authorization: Bearer {{secret}}
secret = command:lab-token
ttl = 2

[inject keyring]
host = keyring.test
header = Authorization: Bearer {{secret}}
secret = keyring:lab/someone
"""
SIMPLE = """
[inject {name}]
host = {name}.test
header = Authorization: Bearer {{secret}}
secret = env:LAB_TOKEN
"""


def events(count):
    for i in range(count):
        yield f"data: {i} {time.clock_gettime_ns(time.CLOCK_MONOTONIC)}\n\n".encode()
        time.sleep(0.001)


def blocks(mib):
    block = hashlib.sha512(b"lab").digest() * 1024
    for i in range(mib * 16):
        yield i.to_bytes(8, "big") + block[8:]


def parameter(request, name):
    return next(p.partition("=")[2] for p in request.query.split("&") if p.startswith(name + "="))


PATHS = {
    "/ws": services.websocket,
    "/events": lambda r: Response(200, events(int(parameter(r, "count"))), [("Content-Type", "text/event-stream")]),
    "/download": lambda r: Response(200, blocks(int(parameter(r, "mib")))),
    "/upload": lambda r: Response(200, f"{r.length} {r.hash.hexdigest()}".encode()),
    "/204": lambda _r: Response(204),
    "/304": lambda _r: Response(304, b"", [("ETag", '"x"')]),
    "/gzip": services.gzipped(services.hello),
    "/chunks": lambda _r: Response(200, iter([b"x" * 1000] * 50)),
    "/fields": lambda _r: Response(200, b"", [("Set-Cookie", "a=b"), ("X-Internal", "c"), ("X-Kept", "d")]),
}


def paths(request):
    return PATHS.get(request.path, services.hello)(request)


def starts_bearer(service):
    """Any of a source's values."""
    def serve(request):
        value = request.all("authorization")
        if len(value) != 1 or not value[0].startswith(f"Bearer tok_{CORE}"):
            return Response(401, b"refused")
        return Response(200, b"welcome with value " + value[0].rpartition("_")[2].encode())
    return serve


class Talk:
    """A client that goes on: a line there, a line back."""

    def __init__(self, process):
        self.process = process
        if not process.stdout.readline():
            raise RuntimeError("the client did not start: " + process.stderr.read().decode(errors="replace"))

    def ask(self, *words):
        try:
            self.process.stdin.write(" ".join(str(w) for w in words).encode() + b"\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline().decode(errors="replace")
        except OSError:
            line = ""
        return line.partition(": ")[2].strip() if line else "[the client is gone]"

    def end(self):
        self.process.stdin.close()
        said = self.process.stderr.read()
        self.process.wait(20)
        return said


class Processes:
    """Those below one, by what they do in a session."""

    def __init__(self, top):
        self.top = top

    @staticmethod
    def table():
        out = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat") as f:
                    text = f.read()
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    out[int(pid)] = (int(text.rpartition(")")[2].split()[1]), f.read().split(b"\0"))
            except OSError:
                pass
        return out

    def below(self):
        table, found = self.table(), {self.top}
        while True:
            more = {p for p, (parent, _) in table.items() if parent in found} - found
            if not more:
                return {p: table[p] for p in found if p in table}
            found |= more

    def role(self, word):
        return [p for p, (_, words) in self.below().items() if word.encode() in words[1:2]]

    def keepers(self):
        all_of = self.role("@keeper")
        below = self.below()
        return [p for p in all_of if below[p][0] in all_of]

    @staticmethod
    def started(pid):
        """When, in ticks since the machine's start; numbers of processes begin anew some time."""
        try:
            with open(f"/proc/{pid}/stat") as f:
                return int(f.read().rpartition(")")[2].split()[19])
        except OSError:
            return 0

    @staticmethod
    def peak_kib(pid):
        try:
            with open(f"/proc/{pid}/status") as f:
                return next(int(x.split()[1]) for x in f if x.startswith("VmHWM"))
        except (OSError, StopIteration):
            return 0


class Protocols:
    def __init__(self, lab, _bin):
        self.lab = lab
        def slow(request):
            """Answers when all are there."""
            base.wait_for(lambda: lab.server.open_most >= 64)
            return services.hello(request)

        guarded = services.needs("authorization", BEARER, lambda r: slow(r) if r.path == "/slow" else paths(r))
        lab.services.update({n: guarded for n in [*NAMES, *MTLS_NAMES, *OTHER_CA_NAMES]})
        lab.services.update({n: starts_bearer(None) for n in ("command.test", "keyring.test", "file.test")})
        lab.services["pass.test"] = lambda r: guarded(r) if r.path.startswith("/api/") else services.hello(r)
        for n in (*NAMES, *MTLS_NAMES, *OTHER_CA_NAMES, *GRPC_NAMES, "plain.test:80"):
            lab.allowed[n] = ("authorization",)
        os.makedirs(f"{lab.base}/secret", mode=0o700, exist_ok=True)
        os.makedirs(f"{lab.base}/tools", exist_ok=True)
        self.secret_file("secret/token", f"tok_{CORE}_file\n")
        self.tool("lab-token", f'n=$(cat "{lab.base}/secret/count" 2>/dev/null || echo 0)\n'
                  f'echo $((n + 1)) >"{lab.base}/secret/count"\necho "tok_{CORE}_$n"\n')
        self.tool("secret-tool", f'[ "$*" = "lookup service lab account someone" ] || exit 1\nprintf %s "tok_{CORE}_ring"\n')
        lab.server.listen("127.0.0.3", 443, context=lab.server.context(lab.leaf, "mtls.test", f"{lab.ca}.pem"))
        base.make_leaf(f"{lab.base}/secret", "client", lab.ca, ["someone.test"], "clientAuth")
        for end in ("crt", "key"):
            os.chmod(f"{lab.base}/secret/client.{end}", 0o600)
        rules = "".join(SIMPLE.format(name=n) for n in ("proto1", "proto2", "grpc", "gone", "ca-without"))
        every = [*NAMES, *GRPC_NAMES, *MTLS_NAMES, *OTHER_CA_NAMES]
        self.profile = lab.profile("protocols", PROFILE.format(
            private=base.private(every), rules=rules, base=lab.base))
        self.secrets = {"LAB_TOKEN": TOKEN, "PATH": f"{lab.base}/tools:{os.environ['PATH']}"}
        with open(f"{base.HERE}/programs/proto.py") as f:
            lab.write("proto.py", f.read())

    def secret_file(self, name, text):
        path = f"{self.lab.base}/{name}"
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o600)

    def tool(self, name, script):
        path = f"{self.lab.base}/tools/{name}"
        with open(path, "w") as f:
            f.write("#!/bin/sh\n" + script)
        os.chmod(path, 0o755)

    # ---- sides ----

    def bare(self, credential=None):
        env = {**self.lab.env, **({"OWN_CREDENTIAL": credential} if credential else {})}
        return Talk(subprocess.Popen(base.DROP + [SYSTEM_PYTHON, "proto.py"], cwd=self.lab.project, env=env,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE))

    def cell(self):
        # What is killed might leave a core.
        resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
        process = self.lab.start(self.profile, [SYSTEM_PYTHON, "proto.py"], secrets=self.secrets)
        talk = Talk(process)
        self.processes = Processes(process.pid)
        return talk

    def check(self, title, *words, has=(), seen=None, control=True):
        """Bare it fails (control), in the cell the answer has these texts, and seen(requests) is None."""
        lab = self.lab
        if control:
            out = self.without.ask(*words)
            if all(h in out for h in has):
                return tap(False, f"{title}: control", f"let in without a credential: {out}")
        if not lab.program:
            return tap(True, title)
        lab.clear()
        out = self.jail.ask(*words)
        why = next((f"no {h!r}" for h in has if h not in out), None)
        why = why or (seen and seen(lab.server.seen())) or lab.leaks()
        if base.finds(out):
            why = "the secret came back"
        tap(not why, title, f"{why}\n{out}")
        return out

    # ---- parts ----

    def play_small(self):
        for n in ("proto1.test", "proto2.test"):
            # A keeper speaks HTTP/2 where its client does: here both are served by HTTP/1.1.
            version = "HTTP/1.1" if n == "proto1.test" else "h2"
            self.check(f"{version} origin: a GET", "fetch", n, has=(f"200 welcome to {n} by HTTP/1.1",))
            self.check(f"{version} origin: HEAD, 204, 304 and another request behind them", "odd", n,
                       has=("200:", ":0 204:None:0 304:", " 204:None:0 200:"))
            self.check(f"{version} origin: a chunked upload", "chunked", n, has=("200 15004",))
            self.check(f"{version} origin: a client that asks for gzip gets what it can read", "gzipped", n,
                       has=(f"200 None welcome to {n}",),
                       seen=lambda rs: None if all(r.get("accept-encoding") in (None, "identity") for r in rs) else f"{rs}")
            self.check(f"{version} origin: HTTP/1.0", "http10", n, has=(" 200 ", "False welcome to"))
            self.check(f"{version} origin: HTTP/1.0, a body of unknown length", "http10_stream", n, has=(" 200 ", "False 50000"))
        self.check("100-continue", "expect100", "proto1.test", has=("100 Continue; HTTP/1.1 200",))

    def play_streams(self):
        self.check("WebSocket: 1000 messages there and back, 1000 pushed", "websocket", "proto1.test", 1000,
                   has=("equal 1000 echoes 1000 pushed, closed True",))
        count = 10000 if IS_FULL else 500
        with_own = self.bare(BEARER)
        for n in ("proto1.test", "proto2.test"):
            direct = with_own.ask("sse", "proto1.test", count)
            out = self.check(f"server-sent events of {n}: {count} in order", "sse", n, count, has=(f"{count} in order",))
            figure(f"events: directly {direct}; through agentjail {out}")
        with_own.end()

    def play_bodies(self):
        mib = 200 if IS_FULL else 20
        for n in ("proto1.test", "proto2.test"):
            if n == "proto2.test" and IS_FULL:
                mib = 40  # the server is an interpreter's
            for words in (("upload", n, mib), ("upload", n, mib, "chunked"), ("download", n, mib)):
                out = self.check(f"{' '.join(str(w) for w in words)} MiB: equal", *words, has=("200 equal",))
                figure(f"{' '.join(str(w) for w in words)} MiB: {out}")
            out = self.check(f"HTTP/2 client, {n}: {mib} MiB there and back: equal", "curl_both", n, mib, has=("equal",),
                             seen=lambda rs, n=n: None if {r.alpn for r in rs} == {"h2" if n in H2_NAMES else "HTTP/1.1"}
                             else f"{ {r.alpn for r in rs} }")
            figure(f"HTTP/2 client, {n}, {mib} MiB: {out}")
        if self.lab.program:
            peaks = {"proxy": [self.processes.peak_kib(p) for p in self.processes.role("@proxy")],
                     "keepers": [self.processes.peak_kib(p) for p in self.processes.keepers()]}
            figure(f"peak memory in KiB: {peaks}")
            worst = max(peaks["proxy"] + peaks["keepers"])
            tap(peaks["proxy"] and peaks["keepers"] and worst < 40 << 10, "bodies are not kept in memory", f"{peaks}")

    def play_connections(self):
        self.check("500 requests on one connection", "many", "proto1.test", 500, has=("500 welcomed",),
                   seen=lambda rs: None if len(rs) == 500 and self.lab.server.connections <= 2 else
                   f"{len(rs)} requests, {self.lab.server.connections} connections")
        self.check("500 requests on one connection, h2 origin", "many", "proto2.test", 500, has=("500 welcomed",))
        self.check("64 connections at once", "parallel", "proto1.test", 64, has=("64 welcomed",))
        if self.lab.program:
            tap(self.lab.server.open_most >= 64, "they were at the server at once", self.lab.server.open_most)

    def play_grpc(self):
        if subprocess.run([SYSTEM_PYTHON, "-c", "import grpc"], capture_output=True).returncode != 0:
            return skip("gRPC", "python3-grpcio is not installed")
        server = grpc_server(self.lab)
        self.check("gRPC: unary, streams, both ways, a failure with its trailers, 3 MB", "grpc_calls", "grpc.test",
                   has=("hello back; 100 streamed; 100 both ways; NOT_FOUND not here lab; 3000005 bytes",))
        return server.stop(None)

    def play_keys(self):
        self.check("strip-response", "fields", "strip.test", has=("200", "x-kept"))
        if self.lab.program:
            out = self.jail.ask("fields", "strip.test")
            tap("x-kept" in out and "set-cookie" not in out and "x-internal" not in out, "what is stripped is not there", out)
        self.check("else = pass: what matches gets the secret", "fetch", "pass.test", "/api/x", has=("200 welcome",))
        self.check("else = pass: the rest goes without", "fetch", "pass.test", "/other", has=("200 welcome",), control=False,
                   seen=lambda rs: "a secret went along" if any(r.all("authorization") for r in rs) else None)
        self.check("limits: the fourth request of a minute is refused", "fetch", "limit.test", "/hello", 4,
                   has=("200 welcome to limit.test by HTTP/1.1 | " * 3 + "429",),
                   seen=lambda rs: None if len(rs) == 3 else f"{len(rs)} requests came")
        self.check("plain = yes: port 80 gets the secret", "plain", "plain.test", has=("200 welcome",))
        self.check("plain = yes: and so does 443", "fetch", "plain.test", has=("200 welcome",))
        self.check("without it, port 80 gets none", "plain", "proto1.test", has=(), control=False,
                   seen=lambda rs: "a secret went along" if any(r.all("authorization") for r in rs) else None)
        self.check("ca: a host that only this authority vouches for", "fetch", "ca.test", has=("200 welcome",))
        if self.lab.program:
            out = self.jail.ask("fetch", "ca-without.test")
            tap(out.startswith("502") and not self.lab.server.seen("ca-without.test"), "without ca it is 502", out)
        self.check("client-cert and client-key: the server asks for a certificate", "fetch", "mtls.test", has=("200 welcome",),
                   seen=lambda rs: None if rs and "someone.test" in str(rs[0].peer) else f"peer {rs and rs[0].peer}")

    def play_sources(self):
        self.check("file:", "fetch", "file.test", has=("200 welcome with value file",))
        self.check("keyring:", "fetch", "keyring.test", has=("200 welcome with value ring",))
        self.check("command:", "fetch", "command.test", has=("200 welcome with value 0",))
        if not self.lab.program:
            return
        out = self.jail.ask("fetch", "command.test", "/hello", 3)
        tap(out.count("value 0") == 3, "a value is used until its time is over", out)
        time.sleep(2.5)
        out = self.jail.ask("fetch", "command.test")
        tap("200 welcome with value 1" in out, "ttl: then it is fetched anew", out)

    def play_kills(self):
        if not self.lab.program:
            return None
        jail = self.jail
        tap("200 welcome" in jail.ask("fetch", "gone.test"), "a rule's keeper works")
        before = set(self.processes.keepers())
        out = self.kill_of("gone.test")
        if out is None:
            return tap(False, "the keeper of gone.test is found", f"{before}")
        again = [jail.ask("fetch", "gone.test") for _ in range(3)]
        tap(all(a.startswith("502") for a in again), "its keeper killed: 502", again)
        tap("200 welcome" in jail.ask("fetch", "proto1.test"), "other rules go on")
        proxies = self.processes.role("@proxy")
        for pid in proxies:
            os.kill(pid, 9)
        base.wait_for(lambda: not set(proxies) & set(self.processes.role("@proxy")))
        out = [jail.ask("fetch", "proto1.test") for _ in range(3)]
        tap("200 welcome" in out[-1], "the proxy killed: another one serves the same rules", out)
        tap(self.processes.role("@proxy") != proxies, "it is another one", proxies)
        return None

    def kill_of(self, name):
        """Keepers are alike from outside: that of a rule is the one that a fresh session started last."""
        keepers = self.processes.keepers()
        if not keepers:
            return None
        last = max(keepers, key=lambda p: (Processes.started(p), p))
        os.kill(last, signal.SIGSEGV)
        base.wait_for(lambda: last not in self.processes.keepers())
        return name

    def play(self, wanted):
        parts = {"small": self.play_small, "streams": self.play_streams, "bodies": self.play_bodies,
                 "connections": self.play_connections, "grpc": self.play_grpc, "keys": self.play_keys,
                 "sources": self.play_sources, "kills": self.play_kills, "canary": lambda: None}
        if wanted and not wanted & set(parts):
            return
        self.without = self.bare()
        self.jail = self.cell() if self.lab.program else None
        for name, part in parts.items():
            if not wanted or name in wanted:
                part()
        self.without.end()
        if self.jail and (not wanted or "canary" in wanted):
            canary.play_memory(self.processes, [TOKEN, *(f"tok_{CORE}_{n}" for n in ("file", "ring", "0", "1"))],
                               base.is_root())
        if self.jail:
            self.said = self.jail.end()
            self.lab.outputs.append((["what was said"], self.said))
            for line in self.said.decode(errors="replace").splitlines():
                figure("said: " + line)
            if not wanted or "kills" in wanted:
                tap(self.said.count(b"keeper") == 1, "that the keeper ended is said once", self.said.decode())


def grpc_server(lab):
    import grpc

    def allowed(context):
        if [v for n, v in context.invocation_metadata() if n == "authorization"] != [BEARER]:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "refused")

    def one(request, context):
        allowed(context)
        return request + b" back"

    def stream(request, context):
        allowed(context)
        for i in range(int(request)):
            yield b"%d" % i

    def both(requests, context):
        allowed(context)
        yield from requests

    def fails(_request, context):
        allowed(context)
        context.set_trailing_metadata((("lab-trailer", "lab"),))
        context.abort(grpc.StatusCode.NOT_FOUND, "not here")

    calls = {"One": grpc.unary_unary_rpc_method_handler(one), "Stream": grpc.unary_stream_rpc_method_handler(stream),
             "Both": grpc.stream_stream_rpc_method_handler(both), "Fails": grpc.unary_unary_rpc_method_handler(fails)}
    server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("lab.Lab", calls),))
    with open(f"{lab.origin}/leaf.key", "rb") as key, open(f"{lab.origin}/leaf.crt", "rb") as cert:
        server.add_secure_port("127.0.0.2:443", grpc.ssl_server_credentials([(key.read(), cert.read())]))
    server.start()
    return server
