"""What the names of the lab serve, as far as clients can tell. A service refuses without its credential."""
import base64
import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
import threading

from server import Response


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def as_json(value, status=200, fields=()):
    return Response(status, json.dumps(value).encode(), [("Content-Type", "application/json"), *fields])


def needs(field, value, service, refusal=(401, ())):
    """The service behind a credential."""
    def serve(request):
        if request.all(field) != [value]:
            return Response(refusal[0], b"refused " + request.sni.encode() + b"\n", refusal[1])
        return service(request)
    return serve


def hello(request):
    return Response(200, f"welcome to {request.sni} by {request.alpn}\n".encode(), [("Content-Type", "text/plain")])


# The document is loaded, and printed, when the picture has come: the server holds it until then.
PAGE = b"""<body>loading<img src="/hold"><script>
async function play() {
	const got = await (await fetch('/hello')).text();
	const ws = new WebSocket('wss://' + location.host + '/ws');
	const echoed = await new Promise((done, fail) => {
		const got = [];
		ws.onopen = () => { for (let i = 0; i < 5; i++) ws.send('from the page ' + i); };
		ws.onmessage = (m) => { got.push(m.data); if (got.length === 5) done(got[4]); };
		ws.onerror = () => fail('no socket');
	});
	document.body.append('fetched: ' + got + ' echoed: ' + echoed);
}
play().catch((e) => document.body.append('failed ' + e)).then(() => fetch('/done'));
</script>"""


page_is_done = threading.Event()


def page(request):
    """A page whose script fetches, and talks over a WebSocket."""
    if request.path == "/done":
        page_is_done.set()
    if request.path == "/hold":
        page_is_done.wait(20)
    if request.path == "/page":
        page_is_done.clear()
        return Response(200, PAGE, [("Content-Type", "text/html")])
    if request.path == "/ws":
        return websocket(request)
    return hello(request)


def frame(opcode, payload):
    n = len(payload)
    head = bytes([0x80 | opcode]) + (bytes([n]) if n < 126 else bytes([126]) + n.to_bytes(2, "big"))
    return head + payload


def echo_frames():
    """Behind 101: sends back every message, and before each binary one a text of its own."""
    def serve(stream, held):
        pushed = 0

        def exactly(n):
            nonlocal held
            while len(held) < n:
                more = stream.recv(65536)
                if not more:
                    raise OSError("end")
                held += more
            out, held = held[:n], held[n:]
            return out

        while True:
            head = exactly(2)
            n = head[1] & 0x7f
            n = int.from_bytes(exactly(2), "big") if n == 126 else n
            key = exactly(4)
            payload = bytes(b ^ key[i % 4] for i, b in enumerate(exactly(n)))
            if head[0] & 0xf == 2:
                stream.sendall(frame(1, f"push {pushed}".encode()))
                pushed += 1
            stream.sendall(frame(head[0] & 0xf, payload))
            if head[0] & 0xf == 8:
                return
    return serve


def websocket(request):
    accept = base64.b64encode(hashlib.sha1(
        (request.get("sec-websocket-key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
    return Response(101, b"", [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)],
                    upgrade=echo_frames())


def git_http(folder, is_writable=True):
    """git's own server, as a CGI program."""
    def serve(request):
        env = {"PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": folder, "GIT_HTTP_EXPORT_ALL": "1",
               "REQUEST_METHOD": request.method, "PATH_INFO": request.path, "QUERY_STRING": request.query,
               "CONTENT_TYPE": request.get("content-type", ""), "REMOTE_USER": "someone",
               "REMOTE_ADDR": "127.0.0.1", "GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "safe.directory",
               "GIT_CONFIG_VALUE_0": "*", "GIT_CONFIG_KEY_1": "http.receivepack",
               "GIT_CONFIG_VALUE_1": "true" if is_writable else "false", "CONTENT_LENGTH": str(request.length),
               "HTTP_CONTENT_ENCODING": request.get("content-encoding", ""),
               "GIT_PROTOCOL": request.get("git-protocol", "")}
        out = subprocess.run(["git", "http-backend"], env=env, input=request.body, capture_output=True).stdout
        head, _, body = out.partition(b"\r\n\r\n")
        fields = [tuple(x.decode().split(": ", 1)) for x in head.split(b"\r\n") if b": " in x]
        status = next((int(v[:3]) for n, v in fields if n == "Status"), 200)
        return Response(status, body, [f for f in fields if f[0] != "Status"])
    return serve


def git_behind(login, folder):
    """401 first, as everywhere: git sends nothing before it is asked."""
    return needs("authorization", login, git_http(folder),
                 (401, [("WWW-Authenticate", 'Basic realm="git"')]))


def tarball(files, top="package"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(f"{top}/{name}")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


class Npm:
    """A registry of one private package; its archive is on another host, behind a redirect."""

    def __init__(self, url, cdn):
        self.url, self.cdn, self.published = url, cdn, {}
        self.archive = tarball({"package.json": '{"name":"lab-private","version":"1.0.0"}',
                                "index.js": "module.exports = 42\n"})

    def document(self):
        digest = base64.b64encode(hashlib.sha512(self.archive).digest()).decode()
        return {"name": "lab-private", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": {
            "name": "lab-private", "version": "1.0.0", "dist": {
                "integrity": f"sha512-{digest}", "tarball": f"{self.url}/lab-private/-/lab-private-1.0.0.tgz"}}}}

    def serve(self, request):
        name = request.path.lstrip("/")
        if request.method == "PUT":
            self.published[name] = json.loads(request.body)
            return as_json({"ok": True}, 201)
        if request.path == "/lab-private":
            return as_json(self.document())
        if request.path == "/-/whoami":
            return as_json({"username": "someone"})
        if request.path.endswith(".tgz"):
            return Response(302, b"", [("Location", f"https://{self.cdn}/a/lab-private.tgz")])
        return as_json({"error": "not found"}, 404)

    def serve_cdn(self, request):
        """As a store with signed addresses: a credential that it does not know is refused."""
        if request.all("authorization"):
            return Response(400, b"two kinds of authorization")
        return Response(200, self.archive, [("Content-Type", "application/octet-stream")])


def wheel():
    import zipfile
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr("lab_private.py", "answer = 42\n")
        z.writestr("lab_private-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: lab-private\nVersion: 1.0\n")
        z.writestr("lab_private-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: lab\nRoot-Is-Purelib: true\n"
                   "Tag: py3-none-any\n")
        z.writestr("lab_private-1.0.dist-info/RECORD", "lab_private.py,,\nlab_private-1.0.dist-info/METADATA,,\n"
                   "lab_private-1.0.dist-info/WHEEL,,\nlab_private-1.0.dist-info/RECORD,,\n")
    return out.getvalue()


class Pypi:
    WHEEL = "lab_private-1.0-py3-none-any.whl"

    def __init__(self):
        self.uploads, self.archive = [], wheel()

    def serve(self, request):
        if request.path == "/simple/lab-private/":
            digest = hashlib.sha256(self.archive).hexdigest()
            return Response(200, f'<a href="/files/{self.WHEEL}#sha256={digest}">{self.WHEEL}</a>'.encode(),
                            [("Content-Type", "text/html")])
        if request.path == f"/files/{self.WHEEL}":
            return Response(200, self.archive, [("Content-Type", "application/zip")])
        if request.method == "POST":
            self.uploads.append(request.body)
            return Response(200, b"uploaded\n")
        return Response(404)


class Cargo:
    """A sparse registry that wants the token for everything (RFC 3139)."""

    def __init__(self, url):
        self.url = url
        self.archive = tarball({"Cargo.toml": '[package]\nname = "labcrate"\nversion = "1.0.0"\nedition = "2021"\n',
                                "src/lib.rs": "pub fn answer() -> u32 { 42 }\n"}, "labcrate-1.0.0")

    def serve(self, request):
        if request.path == "/index/config.json":
            return as_json({"dl": f"{self.url}/dl/{{crate}}/{{version}}", "api": self.url, "auth-required": True})
        if request.path == "/index/la/bc/labcrate":
            return as_json({"name": "labcrate", "vers": "1.0.0", "deps": [], "features": {}, "yanked": False,
                            "cksum": hashlib.sha256(self.archive).hexdigest()})
        if request.path == "/dl/labcrate/1.0.0":
            return Response(200, self.archive)
        if request.path == "/api/v1/crates/new":
            return as_json({"warnings": {"invalid_categories": [], "invalid_badges": [], "other": []}})
        return Response(404)


def gzipped(service):
    """Answers in gzip if it is asked to, as most servers."""
    def serve(request):
        response = service(request)
        if "gzip" in request.get("accept-encoding", ""):
            response.body = gzip.compress(response.body)
            response.fields.append(("Content-Encoding", "gzip"))
        return response
    return serve
