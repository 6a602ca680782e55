"""A recording server: HTTP/1.1 and HTTP/2 over TLS, and cleartext, for many names on one port. Runs in
the lab's network namespace, beside the driver, in threads. A name's service is a function from Request
to Response; every request is kept, for the search for secrets that went where they should not."""
import hashlib
import socket
import ssl
import threading

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

# Of a longer body only length and digest are kept.
KEPT_BYTES = 4 << 20


class Request:
    def __init__(self, sni, port, alpn, method, target, fields):
        self.sni, self.port, self.alpn, self.method, self.target = sni, port, alpn, method, target
        self.fields = fields  # (lower-case name, value), as they came
        self.path, _, self.query = target.partition("?")
        self.body, self.length, self.hash = b"", 0, hashlib.sha256()
        self.peer = None  # the client's certificate, of a connection that had to bring one

    def all(self, name):
        return [v for n, v in self.fields if n == name]

    def get(self, name, default=None):
        return next(iter(self.all(name)), default)

    def feed(self, data):
        self.length += len(data)
        self.hash.update(data)
        if len(self.body) < KEPT_BYTES:
            self.body += data

    def __repr__(self):
        return f"<{self.sni}:{self.port} {self.alpn} {self.method} {self.target} {self.fields}>"


class Response:
    """body: bytes, or an iterator of bytes (chunked, or DATA frames). upgrade: a function of the raw
    stream and what was read too far, for 101. raw: bytes of HTTP/1 as they are, then closed."""

    def __init__(self, status=200, body=b"", fields=(), trailers=None, upgrade=None, raw=None):
        self.status, self.body, self.fields = status, body, list(fields)
        self.trailers, self.upgrade, self.raw = trailers, upgrade, raw


class Server:
    """services: name -> function; files: name -> certificate with key; h2_names speak HTTP/2 too."""

    def __init__(self, services, files, h2_names=()):
        self.services, self.h2_names = services, set(h2_names)
        self.requests, self.lock, self.open_now, self.open_most = [], threading.Lock(), 0, 0
        self.connections = 0
        self.contexts, self.first = {}, next(iter(files.values()))
        for name, file in files.items():
            self.contexts[name] = self.context(file, name)

    def context(self, file, name, client_ca=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        context.set_alpn_protocols(["h2", "http/1.1"] if name in self.h2_names else ["http/1.1"])
        if client_ca:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def clear(self):
        with self.lock:
            self.requests, self.open_most, self.connections = [], self.open_now, 0

    def seen(self, name=None):
        with self.lock:
            return [r for r in self.requests if name is None or r.sni == name]

    def listen(self, address, port, tls=True, context=None):
        """context: one for all names, as that of a server that asks for certificates has to be."""
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        server.listen(256)
        threading.Thread(target=self.accept, args=(server, port, tls, context), daemon=True).start()

    def accept(self, server, port, tls, context):
        while True:
            client, _ = server.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(client, port, tls, context), daemon=True).start()

    def serve(self, client, port, tls, context):
        with self.lock:
            self.connections += 1
            self.open_now += 1
            self.open_most = max(self.open_most, self.open_now)
        try:
            client.settimeout(60)
            sni = [None]
            if tls:
                client = self.start_tls(client, sni, context)
            if tls and client.selected_alpn_protocol() == "h2":
                Session2(self, client, sni[0], port).run()
            else:
                Session1(self, client, sni[0], port).run()
        except (OSError, ValueError, h2.exceptions.ProtocolError):
            pass  # the client's end
        finally:
            client.close()
            with self.lock:
                self.open_now -= 1

    def start_tls(self, client, sni, fixed):
        def choose(sock, name, _context):
            sni[0] = name
            if name in self.contexts and not fixed:
                sock.context = self.contexts[name]

        context = fixed or ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sni_callback = choose
        if fixed:
            return context.wrap_socket(client, server_side=True)
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self.first)
        return context.wrap_socket(client, server_side=True)

    def answer(self, request):
        with self.lock:
            self.requests.append(request)
        request.sni = request.sni or (request.get("host") or "").partition(":")[0]
        name = request.sni
        service = self.services.get(name)
        return service(request) if service else Response(404, b"no such host\n")


class Session1:
    """HTTP/1 on one connection."""

    def __init__(self, server, stream, sni, port):
        self.server, self.stream, self.sni, self.port, self.held = server, stream, sni, port, b""

    def fill(self):
        more = self.stream.recv(65536)
        if not more:
            raise OSError("end")
        self.held += more

    def line(self):
        while b"\r\n" not in self.held:
            self.fill()
        line, _, self.held = self.held.partition(b"\r\n")
        return line

    def take(self, request, n):
        while n > 0:
            if not self.held:
                self.fill()
            piece, self.held = self.held[:n], self.held[n:]
            request.feed(piece)
            n -= len(piece)

    def read_body(self, request):
        if "100-continue" in (request.get("expect") or ""):
            self.stream.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" not in (request.get("transfer-encoding") or ""):
            return self.take(request, int(request.get("content-length", "0")))
        while True:
            size = int(self.line().split(b";")[0], 16)
            self.take(request, size)
            if size == 0:
                while self.line():
                    pass
                return None
            self.line()

    def read(self):
        while b"\r\n\r\n" not in self.held:
            self.fill()
        head, _, self.held = self.held.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        method, target, version = lines[0].split(" ")
        fields = [(n.lower(), v.strip()) for n, _, v in (x.partition(":") for x in lines[1:])]
        request = Request(self.sni, self.port, version, method, target, fields)
        if isinstance(self.stream, ssl.SSLSocket):
            request.peer = self.stream.getpeercert()
        self.read_body(request)
        return request

    def write(self, request, response):
        is_stream = not isinstance(response.body, bytes)
        head = f"HTTP/1.1 {response.status} X\r\n" + "".join(f"{n}: {v}\r\n" for n, v in response.fields)
        if is_stream:
            head += "Transfer-Encoding: chunked\r\n"
        elif response.status not in (101, 204, 304) and \
                not any(n.lower() == "content-length" for n, _ in response.fields):
            head += f"Content-Length: {len(response.body)}\r\n"
        self.stream.sendall(head.encode("latin-1") + b"\r\n")
        if request.method == "HEAD":
            return
        if not is_stream:
            self.stream.sendall(response.body)
            return
        for piece in response.body:
            self.stream.sendall(b"%x\r\n" % len(piece) + piece + b"\r\n")
        self.stream.sendall(b"0\r\n\r\n")

    def run(self):
        while True:
            request = self.read()
            response = self.server.answer(request)
            if response.raw is not None:
                self.stream.sendall(response.raw)
                return
            self.write(request, response)
            if response.upgrade:
                response.upgrade(self.stream, self.held)
                return
            if request.get("connection", "").lower() == "close" or request.alpn == "HTTP/1.0":
                return


class Session2:
    """HTTP/2 on one connection; a response is written before the next one is looked at."""

    def __init__(self, server, stream, sni, port):
        self.server, self.stream, self.sni, self.port = server, stream, sni, port
        self.conn = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=False, header_encoding="latin-1", validate_inbound_headers=True))
        self.open, self.ready, self.gone = {}, [], set()

    def flush(self):
        data = self.conn.data_to_send()
        if data:
            self.stream.sendall(data)

    def pump(self):
        """Reads once."""
        data = self.stream.recv(65536)
        if not data:
            raise OSError("end")
        for event in self.conn.receive_data(data):
            self.take(event)
        self.flush()

    def take(self, event):
        if isinstance(event, h2.events.RequestReceived):
            pseudo = {n: v for n, v in event.headers if n.startswith(":")}
            self.open[event.stream_id] = Request(
                self.sni, self.port, "h2", pseudo[":method"], pseudo[":path"],
                [("host", pseudo.get(":authority", ""))] + [f for f in event.headers if f[0] not in pseudo])
        elif isinstance(event, h2.events.DataReceived):
            if event.stream_id in self.open:
                self.open[event.stream_id].feed(event.data)
            self.conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self.ready.append(event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self.gone.add(event.stream_id)
        elif isinstance(event, h2.events.ConnectionTerminated):
            raise OSError("end")

    def send(self, stream, data):
        while data and stream not in self.gone:
            n = min(self.conn.local_flow_control_window(stream), self.conn.max_outbound_frame_size, len(data))
            if n == 0:
                self.pump()
                continue
            self.conn.send_data(stream, data[:n])
            data = data[n:]
            self.flush()

    def respond(self, stream, request):
        response = self.server.answer(request)
        fields = [(":status", str(response.status))] + [(n.lower(), v) for n, v in response.fields]
        is_bare = request.method == "HEAD" or response.status in (204, 304) or \
            (response.body == b"" and not response.trailers)
        self.conn.send_headers(stream, fields, end_stream=is_bare)
        self.flush()
        if is_bare:
            return
        for piece in [response.body] if isinstance(response.body, bytes) else response.body:
            self.send(stream, piece)
        if stream not in self.gone and response.trailers:
            self.conn.send_headers(stream, response.trailers, end_stream=True)
        elif stream not in self.gone:
            self.conn.end_stream(stream)
        self.flush()

    def run(self):
        self.conn.initiate_connection()
        self.flush()
        while True:
            while self.ready:
                stream = self.ready.pop(0)
                try:
                    self.respond(stream, self.open.pop(stream))
                except h2.exceptions.StreamClosedError:
                    pass
            self.pump()
