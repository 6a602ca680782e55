"""A registry of one package for npm, pip, cargo and go, on loopback. Prints its port, and writes each
request for a package's content (not its description) as a line to the file that is its argument."""
import base64
import gzip
import hashlib
import http.server
import io
import json
import sys
import tarfile
import zipfile


def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return gzip.compress(out.getvalue(), mtime=0)


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


NPM = tar({"package/package.json": json.dumps({"name": "leftish", "version": "1.0.0"}),
           "package/index.js": "module.exports = 1\n"})
WHEEL_NAME = "leftish-1.0.0-py3-none-any.whl"
META = "Metadata-Version: 2.1\nName: leftish\nVersion: 1.0.0\n"
WHEEL = zipped({"leftish.py": "value = 1\n", "leftish-1.0.0.dist-info/METADATA": META,
                "leftish-1.0.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: x\n"
                "Root-Is-Purelib: true\nTag: py3-none-any\n",
                "leftish-1.0.0.dist-info/RECORD": "leftish.py,,\n"})
CRATE = tar({"leftish-1.0.0/Cargo.toml": '[package]\nname = "leftish"\nversion = "1.0.0"\n',
             "leftish-1.0.0/src/lib.rs": "pub fn value() -> u32 { 1 }\n"})
GO_MOD = "module example.test/leftish\n\ngo 1.18\n"
GO_ZIP = zipped({"example.test/leftish@v1.0.0/go.mod": GO_MOD,
                 "example.test/leftish@v1.0.0/leftish.go": "package leftish\n\nconst Value = 1\n"})


def npm_about(base):
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(NPM).digest()).decode()
    return json.dumps({"name": "leftish", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": {
        "name": "leftish", "version": "1.0.0",
        "dist": {"tarball": base + "/npm/leftish/-/leftish-1.0.0.tgz", "integrity": integrity}}}})


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self):
        base = "http://" + self.headers["Host"]
        wheel = hashlib.sha256(WHEEL).hexdigest()
        about = {
            "/npm/leftish": npm_about(base),
            "/pip/leftish/": '<a href="%s/pip/%s#sha256=%s">%s</a>' % (base, WHEEL_NAME, wheel, WHEEL_NAME),
            "/cargo/config.json": json.dumps({"dl": base + "/cargo/crates"}),
            "/cargo/le/ft/leftish": json.dumps({
                "name": "leftish", "vers": "1.0.0", "deps": [], "features": {}, "yanked": False,
                "cksum": hashlib.sha256(CRATE).hexdigest()}),
            "/go/example.test/leftish/@v/v1.0.0.info": '{"Version": "v1.0.0"}',
            "/go/example.test/leftish/@v/v1.0.0.mod": GO_MOD,
        }
        content = {
            "/npm/leftish/-/leftish-1.0.0.tgz": NPM,
            "/pip/" + WHEEL_NAME: WHEEL,
            "/cargo/crates/leftish/1.0.0/download": CRATE,
            "/go/example.test/leftish/@v/v1.0.0.zip": GO_ZIP,
        }
        path = self.path.split("?")[0]
        if path in content:
            with open(sys.argv[1], "a", encoding="ascii") as log:
                log.write(path + "\n")
            return 200, content[path]
        return (200, about[path].encode()) if path in about else (404, b"no")

    def do_GET(self):  # pylint: disable=invalid-name
        status, body = self.answer()
        self.send_response(status)
        kind = "text/html" if "/pip/" in self.path else "application/octet-stream"
        self.send_header("Content-Type", kind)
        # pip keeps what it may: as the public index says it
        self.send_header("Cache-Control", "max-age=365000000, immutable, public")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
