"""The hostile client: runs in a cell (or bare, as the control). Reads names of cases, one a line, runs
each and writes what came back as one line of JSON. client.py CASES-MODULE bare|cell"""
import base64
import importlib
import json
import os
import socket
import ssl
import struct
import sys
import time

PROXY = ("127.0.0.1", 3128)


class Client:
    def __init__(self, side):
        self.is_bare = side == "bare"
        # Bare, only what the origin heard counts; in the cell, the answer does.
        self.deadline, self.quiet = (0.4, 0.03) if self.is_bare else (6, 0.3)

    # ---- getting there ----

    def tcp(self, host, port=443, via="plain"):
        """via: plain (transparent), connect, socks."""
        if via == "plain" or self.is_bare:
            sock = socket.create_connection((host, port), timeout=6)
        else:
            sock = socket.create_connection(PROXY, timeout=6)
            if via == "connect":
                self.tunnel(sock, f"{host}:{port}")
            else:
                sock.sendall(b"\x05\x01\x00")
                self.exactly(sock, 2)
                name = host.encode()
                sock.sendall(b"\x05\x01\x00\x03" + bytes([len(name)]) + name + struct.pack(">H", port))
                if self.exactly(sock, 10)[1] != 0:
                    raise OSError("socks refused")
        sock.settimeout(6)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def tunnel(self, sock, authority):
        if isinstance(authority, str):
            authority = authority.encode()
        sock.sendall(b"CONNECT " + authority + b" HTTP/1.1\r\nHost: " + authority + b"\r\n\r\n")
        head = b""
        while b"\r\n\r\n" not in head:
            more = sock.recv(1)
            if not more:
                raise OSError("tunnel closed")
            head += more
        if b" 200" not in head.split(b"\r\n")[0]:
            raise OSError("tunnel: " + head.split(b"\r\n")[0].decode("latin-1"))

    def tls(self, sock, sni, alpn=("http/1.1",), verify=False):
        context = ssl.create_default_context()
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(list(alpn))
        return context.wrap_socket(sock, server_hostname=sni)

    def tls_as(self, sock, *names):
        """TLS 1.2 or later with these bytes as the names of the SNI, whatever they are: a ClientHello of
        OpenSSL's with its server_name rewritten. A record layer between us and the socket."""
        into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        tls = context.wrap_bio(into, out, server_hostname="placeholder.test")
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        sock.sendall(self.with_names(out.read(), names))
        return sock

    @staticmethod
    def with_names(hello, names):
        """A ClientHello (RFC 8446, 4.1.2) with the names of its server_name extension (RFC 6066, 3)."""
        old = b"placeholder.test"
        at = hello.index(old)
        entries = b"".join(b"\0" + struct.pack(">H", len(n)) + n for n in names)
        was = 3 + len(old)
        grown = len(entries) - was
        # type, length of the extension, length of the list, then the entries
        start = at - 3 - 2 - 2
        extension = struct.pack(">HH", len(entries) + 2, len(entries)) + entries
        body = hello[:start] + extension + hello[at + len(old):]
        body = bytearray(body)
        body[3:5] = struct.pack(">H", struct.unpack(">H", hello[3:5])[0] + grown)
        body[6:9] = (int.from_bytes(hello[6:9], "big") + grown).to_bytes(3, "big")
        # the length of all extensions stands behind session, ciphers and compressions
        i = 5 + 4 + 2 + 32
        i += 1 + body[i]
        i += 2 + int.from_bytes(body[i:i + 2], "big")
        i += 1 + body[i]
        body[i:i + 2] = (int.from_bytes(body[i:i + 2], "big") + grown).to_bytes(2, "big")
        return bytes(body)

    @staticmethod
    def exactly(sock, n):
        data = b""
        while len(data) < n:
            more = sock.recv(n - len(data))
            if not more:
                raise OSError("closed early")
            data += more
        return data

    # ---- talking ----

    def read_all(self, sock, until=None):
        """What comes until the end, until(data) is true or nothing comes for a while."""
        data = b""
        sock.settimeout(self.quiet)
        first = time.monotonic() + self.deadline
        while True:
            try:
                more = sock.recv(65536)
            except TimeoutError:
                if data or time.monotonic() > first:
                    return data
                continue
            except OSError as e:
                return data + b"\n[" + type(e).__name__.encode() + b"]"
            if not more:
                return data + b"\n[end]"
            data += more
            if until and until(data):
                return data

    def raw(self, sock, data, pieces=None, gap=0.0):
        """Sends bytes (in pieces), reads what comes."""
        step = pieces or len(data) or 1
        try:
            for i in range(0, len(data), step):
                sock.sendall(data[i:i + step])
                if gap:
                    time.sleep(gap)
        except OSError:
            pass
        out = self.read_all(sock)
        sock.close()
        return out

    def send(self, data, host="api.test", sni=None, port=443, via="plain", pieces=None):
        """TLS to host, bytes as they are."""
        return self.raw(self.tls(self.tcp(host, port, via), sni or host), data, pieces)

    def get(self, path="/", host="api.test", authority=None, fields=(), method="GET", body=b"", **more):
        authority = authority if authority is not None else host
        head = f"{method} {path} HTTP/1.1\r\nHost: {authority}\r\n"
        for f in fields:
            head += f + "\r\n"
        return self.send(head.encode("latin-1") + b"\r\n" + body, host, **more)

    # ---- HTTP/2, frame by frame ----

    PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

    @staticmethod
    def frame(kind, flags, stream, payload=b""):
        return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload

    @staticmethod
    def literal(name, value):
        """One header field, never indexed, without Huffman coding (RFC 7541, 6.2.3)."""
        def text(t):
            t = t.encode("latin-1") if isinstance(t, str) else t
            if len(t) < 127:
                return bytes([len(t)]) + t
            n, out = len(t) - 127, b"\x7f"
            while n >= 128:
                out += bytes([n % 128 + 128])
                n //= 128
            return out + bytes([n]) + t
        return b"\x10" + text(name) + text(value)

    def headers(self, stream, fields, end=True):
        block = b"".join(self.literal(n, v) for n, v in fields)
        return self.frame(1, 4 | (1 if end else 0), stream, block)

    def h2(self, frames, host="api.test", sni=None, via="plain"):
        """Sends preface, settings and the frames; returns a list of (type, flags, stream, payload)."""
        sock = self.tls(self.tcp(host, 443, via), sni or host, alpn=("h2",))
        if sock.selected_alpn_protocol() != "h2":
            return [("no h2",)]
        try:
            sock.sendall(self.PREFACE + self.frame(4, 0, 0) + frames)
        except OSError:
            pass
        data = self.read_all(sock)
        sock.close()
        out = []
        while len(data) >= 9:
            n = int.from_bytes(data[:3], "big")
            if len(data) < 9 + n:
                break
            out.append((data[3], data[4], int.from_bytes(data[5:9], "big"), data[9:9 + n]))
            data = data[9 + n:]
        return out

    REQUEST = [(":method", "GET"), (":scheme", "https"), (":authority", "api.test"), (":path", "/")]

    def h2_get(self, fields=None, **more):
        return self.h2_result(self.h2(self.headers(1, fields or self.REQUEST), **more))

    @staticmethod
    def h2_result(frames):
        """A text that says what became of the streams: status bytes are found by their coding."""
        out = []
        for f in frames:
            if f[0] == "no h2":
                return b"no h2"
            kind, _, stream, payload = f
            if kind == 3:
                out.append(b"RST:%d" % stream)
            elif kind == 7:
                out.append(b"GOAWAY")
            elif kind == 1:
                out.append(b"HEADERS:%d" % stream)
            elif kind == 0:
                out.append(b"DATA:%d:" % stream + payload)
        return b" ".join(out)


def main():
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    cases = importlib.import_module(sys.argv[1]).CASES
    client = Client(sys.argv[2])
    for line in sys.stdin:
        case = cases.get(line.strip())
        try:
            result = case.attack(client)
        except Exception as e:  # whatever a refusal looks like to a client
            result = b"[" + type(e).__name__.encode() + b"] " + str(e).encode()
        if isinstance(result, str):
            result = result.encode()
        print(json.dumps({"result": base64.b64encode(result).decode()}), flush=True)


if __name__ == "__main__":
    main()
