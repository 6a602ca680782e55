"""A recording origin: real TLS and plain servers that keep every byte a connection brought. Runs in
the lab's network namespace, beside the driver, in threads."""
import gzip
import socket
import ssl
import subprocess
import threading
import time
import zlib

SECRET = "S3CR3T-canary-0123456789abcdef"


def make_ca(folder, name, *extra):
    key, cert = f"{folder}/{name}.key", f"{folder}/{name}.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", key, "-out", cert, "-days", "30", "-subj", f"/CN={name}", *extra],
        check=True, capture_output=True)
    return cert, key


def make_leaf(folder, name, ca, names, days="30", extra=()):
    """A certificate with its key in one file, signed by ca (a pair of files)."""
    key, csr, cert = (f"{folder}/{name}.{x}" for x in ("key", "csr", "pem"))
    san = ",".join(f"DNS:{n}" for n in names)
    subprocess.run(
        ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
         key, "-out", csr, "-subj", f"/CN={names[0]}"], check=True, capture_output=True)
    with open(f"{folder}/{name}.ext", "w") as f:
        f.write(f"subjectAltName={san}\nextendedKeyUsage=serverAuth\n")
    subprocess.run(
        ["openssl", "x509", "-req", "-in", csr, "-CA", ca[0], "-CAkey", ca[1], "-CAcreateserial",
         "-out", cert, "-days", days, "-extfile", f"{folder}/{name}.ext", *extra],
        check=True, capture_output=True)
    with open(cert, "a") as out, open(key) as f:
        out.write(f.read())
    return cert


class Connection:
    """One connection as the origin saw it: which name (SNI), which port, all bytes."""

    def __init__(self, port, address):
        self.port, self.address, self.sni, self.alpn, self.data = port, address, None, None, b""

    def __repr__(self):
        return f"<{self.sni}:{self.port} {self.data[:300]!r}>"


def read_request(conn, stream, held):
    """One HTTP/1 request off the stream: (head, body, rest), or None at the end."""
    while b"\r\n\r\n" not in held:
        more = stream.recv(65536)
        if not more:
            return None
        conn.data += more
        held += more
    head, _, held = held.partition(b"\r\n\r\n")
    low = head.lower()
    if b"\r\ntransfer-encoding: chunked" in low:
        while b"0\r\n\r\n" not in held:
            more = stream.recv(65536)
            if not more:
                return None
            conn.data += more
            held += more
        body, _, held = held.partition(b"0\r\n\r\n")
        return head, body, held
    length = 0
    for line in low.split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line[15:])
    while len(held) < length:
        more = stream.recv(65536)
        if not more:
            return None
        conn.data += more
        held += more
    return head, held[:length], held[length:]


def reply(status=b"200 OK", body=b"", fields=()):
    head = b"HTTP/1.1 " + status + b"\r\n"
    for f in fields:
        head += f + b"\r\n"
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunks(data, n):
    return b"".join(b"%x\r\n" % len(data[i:i + n]) + data[i:i + n] + b"\r\n"
                    for i in range(0, len(data), n)) + b"0\r\n\r\n"


class Origin:
    """Serves names on ports; path says what is answered. raw_replies: path -> bytes as they are."""

    def __init__(self, certificates):
        self.connections, self.lock = [], threading.Lock()
        self.raw_replies = {}
        self.contexts = {}
        self.first = next(iter(certificates.values()))
        for names, file in certificates.items():
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(file)
            context.set_alpn_protocols(["http/1.1"])
            for name in names.split():
                self.contexts[name] = context

    def clear(self):
        with self.lock:
            self.connections = []

    def seen(self):
        with self.lock:
            return list(self.connections)

    def listen(self, address, port, tls):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        server = socket.socket(family)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        server.listen(256)
        threading.Thread(target=self.accept, args=(server, port, address, tls), daemon=True).start()

    def accept(self, server, port, address, tls):
        while True:
            client, _ = server.accept()
            threading.Thread(target=self.serve, args=(client, Connection(port, address), tls), daemon=True).start()

    def serve(self, client, conn, tls):
        with self.lock:
            self.connections.append(conn)
        try:
            client.settimeout(20)
            if tls:
                client = self.start_tls(client, conn)
            self.talk(conn, client)
        except (OSError, ValueError):
            pass  # a hostile client's framing, or its end
        finally:
            client.close()

    def start_tls(self, client, conn):
        def choose(sock, name, _context):
            conn.sni = name
            if name in self.contexts:
                sock.context = self.contexts[name]

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        context.sni_callback = choose
        context.load_cert_chain(self.first)
        stream = context.wrap_socket(client, server_side=True)
        conn.alpn = stream.selected_alpn_protocol()
        return stream

    def talk(self, conn, stream):
        held = b""
        while True:
            request = read_request(conn, stream, held)
            if request is None:
                return
            head, body, held = request
            method, target = head.split(b" ")[:2]
            path = target.split(b"?")[0]
            answer = self.answer(method, path, target, head, body)
            if isinstance(answer, tuple):  # sent, then closed
                stream.sendall(answer[0])
                return
            if isinstance(answer, list):  # piece by piece, each a while after the one before
                for piece in answer:
                    stream.sendall(piece)
                    time.sleep(0.25)
                continue
            stream.sendall(answer if method != b"HEAD" else answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")

    def answer(self, method, path, target, head, body):
        if path in self.raw_replies:
            return self.raw_replies[path]
        secret = SECRET.encode()
        if path == b"/echo":
            return reply(body=head + b"\r\n\r\n" + body, fields=[b"Content-Type: text/plain"])
        if path == b"/echo-head":
            return reply(body=b"ok", fields=[b"X-Echo: " + secret, b"X-Bearer: Bearer " + secret,
                                             b"Set-Cookie: t=" + secret])
        if path == b"/echo-chunks":
            return (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(head, 1))
        if path == b"/echo-gzip":
            return reply(body=gzip.compress(head), fields=[b"Content-Encoding: gzip"])
        if path == b"/echo-deflate":
            return reply(body=zlib.compress(head), fields=[b"Content-Encoding: deflate"])
        if path == b"/echo-unknown":
            return reply(body=head, fields=[b"Content-Encoding: rot13"])
        if path == b"/redirect":
            return reply(b"302 Found", fields=[b"Location: https://evil.test/after"])
        if path == b"/redirect-plain":
            return reply(b"301 Moved", fields=[b"Location: http://api.test/after"])
        if path == b"/alt-svc":
            return reply(body=b"ok", fields=[b'Alt-Svc: h3=":443"'])
        return reply(body=b"ok %d" % len(body))
