"""The client of the protocols: runs in a cell, and bare as the control. Reads lines "NAME WORD...", answers
each with one line "NAME: what came of it". Without the standard library's help where bytes matter."""
import base64
import hashlib
import http.client
import os
import socket
import ssl
import struct
import sys
import threading
import time

CONTEXT = ssl.create_default_context()
# Bare, with a credential, to compare times with.
OWN = os.environ.get("OWN_CREDENTIAL")
FIELDS = {"Authorization": OWN} if OWN else {}


def tls(host, port=443, alpn=("http/1.1",)):
    context = ssl.create_default_context()
    context.set_alpn_protocols(list(alpn))
    sock = socket.create_connection((host, port), timeout=60)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(sock, server_hostname=host)


def raw(host, text):
    sock = tls(host)
    sock.sendall(text.encode())
    data = b""
    while True:
        more = sock.recv(65536)
        if not more:
            return data
        data += more


def fields_text():
    return "".join(f"{n}: {v}\r\n" for n, v in FIELDS.items())


def connection(host):
    return http.client.HTTPSConnection(host, timeout=120, context=CONTEXT)


def get(host, path, method="GET", body=None, fields=None, conn=None, **more):
    conn = conn or connection(host)
    conn.request(method, path, body=body, headers={**FIELDS, **(fields or {})}, **more)
    r = conn.getresponse()
    return r, r.read()


def percentile(values, p):
    return sorted(values)[min(len(values) - 1, int(len(values) * p / 100))]


# ---- WebSocket (RFC 6455) ----

def frame(opcode, payload, mask=True):
    n = len(payload)
    head = bytes([0x80 | opcode])
    bit = 0x80 if mask else 0
    if n < 126:
        head += bytes([bit | n])
    elif n < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", n)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", n)
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(b ^ key[i % 4] for i, b in enumerate(payload))


class Frames:
    def __init__(self, sock, held=b""):
        self.sock, self.held = sock, held

    def exactly(self, n):
        while len(self.held) < n:
            more = self.sock.recv(65536)
            if not more:
                raise OSError("closed early")
            self.held += more
        out, self.held = self.held[:n], self.held[n:]
        return out

    def next(self):
        head = self.exactly(2)
        n = head[1] & 0x7f
        if n == 126:
            n = struct.unpack(">H", self.exactly(2))[0]
        elif n == 127:
            n = struct.unpack(">Q", self.exactly(8))[0]
        key = self.exactly(4) if head[1] & 0x80 else None
        payload = self.exactly(n)
        if key:
            payload = bytes(b ^ key[i % 4] for i, b in enumerate(payload))
        return head[0] & 0xf, payload


def websocket(host, count):
    """Messages of many sizes, twenty on the way at once: each comes back, and as many of the server's own.
    One thread: two may not use one connection of TLS at once."""
    count = int(count)
    sock = tls(host)
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall((f"GET /ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{fields_text()}\r\n").encode())
    held = b""
    while b"\r\n\r\n" not in held:
        more = sock.recv(4096)
        if not more:
            return "no answer"
        held += more
    head, _, held = held.partition(b"\r\n\r\n")
    if b" 101 " not in head.split(b"\r\n")[0]:
        return "refused " + head.split(b"\r\n")[0].decode()
    accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
    if accept not in head:
        return "wrong accept"
    sent = [os.urandom((i * 37) % 4000 + 1) for i in range(count)]
    frames, echoes, pushed, at = Frames(sock, held), [], 0, 0
    while len(echoes) < count or pushed < count:
        while at < count and at < len(echoes) + 20:
            sock.sendall(frame(2, sent[at]))
            at += 1
        opcode, payload = frames.next()
        if opcode == 2:
            echoes.append(payload)
        elif opcode == 1:
            pushed += payload == f"push {pushed}".encode()
    sock.sendall(frame(8, b"\x03\xe8"))
    opcode, _ = frames.next()
    return f"{'equal' if echoes == sent else 'different'} {len(echoes)} echoes {pushed} pushed, closed {opcode == 8}"


# ---- events ----

def sse(host, count):
    """Delay between the server's stamp and our reading, on one clock."""
    conn = connection(host)
    conn.request("GET", f"/events?count={count}", headers={**FIELDS, "Accept": "text/event-stream"})
    r = conn.getresponse()
    if r.status != 200:
        return f"refused {r.status}"
    delays, at = [], 0
    for line in r:
        if line.startswith(b"data: "):
            n, stamp = line[6:].split()
            delays.append(time.clock_gettime_ns(time.CLOCK_MONOTONIC) - int(stamp))
            at += int(n) == at
    return (f"{at} in order p50 {percentile(delays, 50) / 1000:.0f} us p99 {percentile(delays, 99) / 1000:.0f} us "
            f"max {max(delays) / 1000:.0f} us")


# ---- bodies ----

def blocks(mib):
    block = hashlib.sha512(b"lab").digest() * 1024
    for i in range(mib * 16):
        yield struct.pack(">Q", i) + block[8:]


def upload(host, mib, way="length"):
    mib, digest = int(mib), hashlib.sha256()
    for b in blocks(mib):
        digest.update(b)
    fields = {} if way == "chunked" else {"Content-Length": str(mib << 20)}
    begin = time.monotonic()
    r, body = get(host, "/upload", "POST", body=blocks(mib), fields=fields, encode_chunked=way == "chunked")
    took = time.monotonic() - begin
    same = body.decode().split() == [str(mib << 20), digest.hexdigest()]
    return f"{r.status} {'equal' if same else 'different'} in {took:.2f} s, {mib / took:.0f} MiB/s"


def download(host, mib):
    digest, n, begin = hashlib.sha256(), 0, time.monotonic()
    conn = connection(host)
    conn.request("GET", f"/download?mib={mib}", headers=FIELDS)
    r = conn.getresponse()
    if r.status != 200:
        return f"refused {r.status}"
    while True:
        piece = r.read(1 << 18)
        if not piece:
            break
        digest.update(piece)
        n += len(piece)
    want, took = hashlib.sha256(), time.monotonic() - begin
    for b in blocks(int(mib)):
        want.update(b)
    same = digest.digest() == want.digest() and n == int(mib) << 20
    return f"{r.status} {'equal' if same else 'different'} in {took:.2f} s, {int(mib) / took:.0f} MiB/s"


def curl_both(host, mib):
    """The same by a client of HTTP/2, there and back."""
    import subprocess
    mib, digest, begin = int(mib), hashlib.sha256(), time.monotonic()
    up = subprocess.Popen(["curl", "-sS", "--http2", "-w", " %{http_code} %{http_version}", "-X", "POST", "-T", "-",
                           f"https://{host}/upload"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        for b in blocks(mib):
            digest.update(b)
            up.stdin.write(b)
        up.stdin.close()
    except BrokenPipeError:
        pass  # refused
    said = up.stdout.read().decode().split()
    up.wait()
    took = time.monotonic() - begin
    down = subprocess.Popen(["curl", "-sS", "--http2", f"https://{host}/download?mib={mib}"], stdout=subprocess.PIPE)
    got, begin = hashlib.sha256(), time.monotonic()
    while piece := down.stdout.read(1 << 18):
        got.update(piece)
    down.wait()
    same = said == [str(mib << 20), digest.hexdigest(), "200", "2"] and got.digest() == digest.digest()
    return (f"{'equal' if same else 'different'} up {mib / took:.0f} MiB/s down "
            f"{mib / (time.monotonic() - begin):.0f} MiB/s {said[-2:]}")


def expect100(host):
    sock = tls(host)
    sock.sendall((f"POST /upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n"
                  f"{fields_text()}\r\n").encode())
    first = sock.recv(4096).split(b"\r\n")[0].decode()
    sock.sendall(b"hello")
    return f"{first}; {sock.recv(4096).split(chr(13).encode())[0].decode()}"


def chunked(host):
    r, body = get(host, "/upload", "POST", body=iter([b"one", b"two" * 5000, b"3"]), encode_chunked=True)
    return f"{r.status} {body.split()[0].decode()}"


# ---- connections ----

def many(host, count):
    conn, ok = connection(host), 0
    for _ in range(int(count)):
        r, body = get(host, "/hello", conn=conn)
        ok += r.status == 200 and body.startswith(b"welcome")
    return f"{ok} welcomed"


def parallel(host, count):
    results = []

    def one():
        try:
            r, body = get(host, "/slow")
            results.append(r.status == 200 and body.startswith(b"welcome"))
        except OSError as e:
            results.append(str(e))

    threads = [threading.Thread(target=one) for _ in range(int(count))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return f"{results.count(True)} welcomed {[r for r in results if r is not True][:3]}"


# ---- small things ----

def odd(host):
    """HEAD, 204, 304 and what comes behind them on the same connection."""
    conn, out = connection(host), []
    for method, path in (("HEAD", "/hello"), ("GET", "/204"), ("GET", "/304"), ("DELETE", "/204"), ("GET", "/hello")):
        r, body = get(host, path, method, conn=conn)
        out.append(f"{r.status}:{r.getheader('content-length')}:{len(body)}")
    return " ".join(out)


def gzipped(host):
    r, body = get(host, "/gzip", fields={"Accept-Encoding": "gzip, br"})
    coding = r.getheader("content-encoding")
    if coding == "gzip":
        import gzip
        body = gzip.decompress(body)
    return f"{r.status} {coding} {body.decode().strip()}"


def http10(host):
    data = raw(host, f"GET /hello HTTP/1.0\r\nHost: {host}\r\n{fields_text()}\r\n")
    head, _, body = data.partition(b"\r\n\r\n")
    return f"{head.split(chr(13).encode())[0].decode()} {b'chunked' in head.lower()} {body.decode().strip()}"


def http10_stream(host):
    data = raw(host, f"GET /chunks HTTP/1.0\r\nHost: {host}\r\n{fields_text()}\r\n")
    head, _, body = data.partition(b"\r\n\r\n")
    return f"{head.split(chr(13).encode())[0].decode()} {b'chunked' in head.lower()} {len(body)}"


def plain(host, path="/hello"):
    conn = http.client.HTTPConnection(host, timeout=20)
    conn.request("GET", path, headers=FIELDS)
    r = conn.getresponse()
    return f"{r.status} {r.read().decode().strip()}"


def fetch(host, path="/hello", times="1"):
    out = []
    for _ in range(int(times)):
        r, body = get(host, path)
        out.append(f"{r.status} {body.decode().strip()}")
    return " | ".join(out)


def fields(host, path="/fields"):
    r, _ = get(host, path)
    return f"{r.status} " + " ".join(sorted(n.lower() for n in r.headers))


def grpc_calls(host):
    import grpc
    with open(os.environ.get("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "/etc/ssl/certs/ca-certificates.crt"), "rb") as f:
        channel = grpc.secure_channel(f"{host}:443", grpc.ssl_channel_credentials(f.read()))
    with channel:
        try:
            one = channel.unary_unary("/lab.Lab/One")(b"hello", timeout=20)
        except grpc.RpcError as e:
            return f"refused {e.code().name}"
        many_back = list(channel.unary_stream("/lab.Lab/Stream")(b"100", timeout=20))
        both = channel.stream_stream("/lab.Lab/Both")((b"%d" % i for i in range(100)), timeout=20)
        echoed = list(both)
        try:
            channel.unary_unary("/lab.Lab/Fails")(b"", timeout=20)
            failed = "no failure"
        except grpc.RpcError as e:
            failed = f"{e.code().name} {e.details()} {dict(e.trailing_metadata()).get('lab-trailer')}"
        big = channel.unary_unary("/lab.Lab/One")(b"x" * 3000000, timeout=20)
        return f"{one.decode()}; {len(many_back)} streamed; {len(echoed)} both ways; {failed}; {len(big)} bytes"


def main():
    print("ready", flush=True)
    for line in sys.stdin:
        name, *words = line.split()
        try:
            text = globals()[name](*words)
        except Exception as e:  # what a refusal looks like to a client
            text = f"failed {type(e).__name__} {e}"
        print(f"{name}: " + str(text).replace("\n", " "), flush=True)


main()
