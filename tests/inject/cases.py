"""The pitfalls of injecting proxies, one attack each. attack(client) runs in the cell; check(result,
seen) runs outside, with what the client got and the connections that the origins recorded: it returns
what is wrong, or None. Whatever a case checks, the driver also looks for the secret everywhere.

Hosts: api.test has a rule (Authorization: Bearer), scoped.test one for GET and POST of /v1/*,
git.test one with `basic`, query.test one with `query`, key.test one for X-Api-Key; evil.test is
allowed without a rule; denied.test is not allowed."""
import time

BEARER = b"Authorization: Bearer S3CR3T-canary-0123456789abcdef"
SECRET = b"S3CR3T-canary-0123456789abcdef"
CASES = {}


class Case:
    def __init__(self, name, title, attack, check, control):
        self.name, self.title, self.attack, self.check, self.control = name, title, attack, check, control


def case(name, title, check, control=True):
    """control: bare, the same bytes reach some origin."""
    def register(attack):
        assert name not in CASES, name
        CASES[name] = Case(name, title, attack, check, control)
        return attack
    return register


# ---- what must come out ----

def requests(seen, sni=None):
    """Connections that carried a request's bytes."""
    return [c for c in seen if c.data and (sni is None or c.sni == sni)]


def status(result):
    first = result.split(b"\r\n")[0].split(b" ")
    return first[1].decode("latin-1") if len(first) > 1 and result.startswith(b"HTTP/") else "none"


def refused(*wanted):
    """No origin got a byte; the client got one of these statuses, or nothing ("none")."""
    def check(result, seen):
        if requests(seen):
            return f"an origin got {requests(seen)}"
        if wanted and status(result) not in wanted:
            return f"answered {status(result)}: {result[:200]!r}"
        return None
    return check


def harmless(result, seen):
    """Some origin may have got a request, but no secret went with it (the driver looks)."""
    for c in requests(seen):
        if SECRET in c.data:
            return f"the secret went out: {c}"
    return None


def injected(n=1, marker=b""):
    """n requests reached api.test, each with the header exactly once and no other of that name."""
    def check(result, seen):
        data = b"".join(c.data for c in requests(seen, "api.test"))
        if data.lower().count(b"\r\nauthorization:") != n or data.lower().count(BEARER.lower()) != n:
            return f"headers at the origin: {data[:400]!r} (client: {result[:200]!r})"
        if marker and marker not in result:
            return f"the client got {result[:300]!r}"
        for c in requests(seen):
            if c.sni != "api.test":
                return f"elsewhere: {c}"
        return None
    return check


def injected_without(*lost):
    """As injected(), and these bytes (any case) did not reach the origin."""
    def check(result, seen):
        data = b"".join(c.data for c in requests(seen)).lower()
        for word in lost:
            if word.lower() in data:
                return f"{word!r} reached the origin: {data[:400]!r}"
        return injected()(result, seen)
    return check


def either(*checks):
    def check(result, seen):
        why = [c(result, seen) for c in checks]
        return None if None in why else "; or ".join(why)
    return check


bad_request = refused("400", "none")
misdirected = refused("421", "400", "none")

# ---- it works at all: what every other case is compared with ----


@case("ok-get", "a request gets its header", injected(1, b"ok 0"))
def _(c):
    return c.get("/")


@case("ok-post", "a body goes with it", injected(1, b"ok 5"))
def _(c):
    return c.get("/", method="POST", fields=["Content-Length: 5"], body=b"hello")


@case("ok-chunked", "a chunked body goes with it", injected(1))
def _(c):
    return c.get("/", method="POST", fields=["Transfer-Encoding: chunked"],
                 body=b"5\r\nhello\r\n0\r\n\r\n")


@case("ok-connect", "through CONNECT", injected(1, b"ok 0"))
def _(c):
    return c.get("/", via="connect")


@case("ok-socks", "through SOCKS", injected(1, b"ok 0"))
def _(c):
    return c.get("/", via="socks")


@case("ok-two", "two requests on one connection", injected(2))
def _(c):
    one = b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n"
    return c.send(one + one)


@case("ok-h2", "over HTTP/2", injected(1, b"HEADERS:1"))
def _(c):
    return c.h2_get()


# ---- A: the destination ----


# Without a rule for evil.test its TLS is passed on unread: Host in it may say anything.
@case("A1", "CONNECT and SNI of another host, Host of the rule's", harmless)
def _(c):
    return c.get("/", host="evil.test", authority="api.test", via="connect")


@case("A1-transparent", "the same without CONNECT", harmless)
def _(c):
    return c.get("/", host="evil.test", authority="api.test")


@case("A2", "CONNECT of another host, SNI and Host of the rule's", misdirected)
def _(c):
    return c.get("/", host="evil.test", sni="api.test", authority="api.test", via="connect")


@case("A3", "connection to another address, SNI and Host of the rule's", misdirected)
def _(c):
    return c.get("/", host="evil.test", sni="api.test", authority="api.test")


@case("A4", "cleartext to another host with Host of the rule's", misdirected)
def _(c):
    return c.raw(c.tcp("evil.test", 80), b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")


@case("A4-own", "cleartext to the rule's own host: no secret", harmless)
def _(c):
    return c.raw(c.tcp("api.test", 80), b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")


@case("A5", "the rule's tunnel with Host of another", misdirected)
def _(c):
    return c.get("/", authority="evil.test", via="connect")


@case("A6", "absolute-form of another host in the rule's tunnel", misdirected)
def _(c):
    return c.get("https://evil.test/", via="connect")


@case("A7", "absolute-form of the rule's host, Host of another, on the plain port", misdirected)
def _(c):
    return c.raw(c.tcp("evil.test", 80), b"GET http://api.test/ HTTP/1.1\r\nHost: evil.test\r\n\r\n")


for number, (text, check) in enumerate([
        ("api.test.", misdirected), ("API.TEST", injected()), ("api.test:443", injected()),
        ("api.test:80", misdirected), ("api.test@evil.test", misdirected),
        ("[api.test]", misdirected), ("", misdirected), ("api.test, evil.test", misdirected),
        ("api.test evil.test", misdirected), ("api.test\x00", misdirected), ("api.test/", misdirected),
        ("user@api.test", misdirected), ("api%2etest", misdirected), ("api.test:0443", None),
        ("api.test:", None), ("xapi.test", misdirected)]):
    def attack(c, text=text):
        return c.get("/", authority=text)
    case(f"A8-{number}", f"Host: {text!r}", check or either(misdirected, injected()))(attack)

for number, pair in enumerate([("api.test", "evil.test"), ("evil.test", "api.test"),
                               ("api.test", "api.test")]):
    def attack(c, pair=pair):
        return c.send(b"GET / HTTP/1.1\r\nHost: %s\r\nHost: %s\r\n\r\n" %
                      tuple(p.encode() for p in pair))
    case(f"A9-{number}", f"two Host fields: {pair}", bad_request)(attack)


def h2_refused(result, seen):
    if requests(seen):
        return f"an origin got {requests(seen)}"
    return None if b"DATA:1:ok" not in result else f"answered: {result[:200]!r}"


H2 = [(":method", "GET"), (":scheme", "https"), (":authority", "api.test"), (":path", "/")]
for number, (title, fields) in enumerate([
        (":authority and another host", H2 + [("host", "evil.test")]),
        ("two host fields, wrong first", H2 + [("host", "evil.test"), ("host", "api.test")]),
        ("two host fields, right first", H2 + [("host", "api.test"), ("host", "evil.test")]),
        ("host alone, another", [f for f in H2 if f[0] != ":authority"] + [("host", "evil.test")]),
        ("two :authority", H2[:3] + [(":authority", "evil.test"), H2[3]]),
        ("two :path", H2 + [(":path", "/other")]),
        ("two :method", H2 + [(":method", "POST")]),
        ("a pseudo field behind another", H2[:3] + [("accept", "*/*"), H2[3]]),
        ("userinfo in :authority", H2[:2] + [(":authority", "x@api.test"), H2[3]]),
        ("another :authority", H2[:2] + [(":authority", "evil.test"), H2[3]]),
        (":authority with another port", H2[:2] + [(":authority", "api.test:8443"), H2[3]]),
        ("scheme http", H2[:1] + [(":scheme", "http")] + H2[2:]),
        ("an unknown pseudo field", H2 + [(":evil", "x")]),
        ("transfer-encoding", H2 + [("transfer-encoding", "chunked")]),
        ("connection", H2 + [("connection", "authorization")]),
        ("a capital in a name", H2 + [("Authorization", "x")]),
        ("CR LF in a value", H2 + [("x-a", "b\r\nauthorization: x")]),
        ("NUL in a value", H2 + [("x-a", "b\x00c")]),
        ("a blank in :path", H2[:3] + [(":path", "/ HTTP/1.1\r\nx: y")]),
        (":path without slash", H2[:3] + [(":path", "evil.test/")]),
        (":path absolute", H2[:3] + [(":path", "https://evil.test/")]),
        ("an empty :path", H2[:3] + [(":path", "")]),
        ("CONNECT", [(":method", "CONNECT"), (":authority", "evil.test:443")]),
        ("extended CONNECT", [(":method", "CONNECT"), (":protocol", "websocket")] + H2[1:]),
        ("TRACE", [(":method", "TRACE")] + H2[1:])]):
    def attack(c, fields=fields):
        return c.h2_get(fields)
    case(f"A10-{number}", f"HTTP/2: {title}", h2_refused, control=False)(attack)


@case("A12", "a second request of the connection is for another host", injected(1))
def _(c):
    return c.send(b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\nGET / HTTP/1.1\r\nHost: evil.test\r\n\r\n")


@case("A12-h2", "a second stream is for another host", injected(1), control=False)
def _(c):
    other = [H2[0], H2[1], (":authority", "evil.test"), H2[3]]
    return c.h2_result(c.h2(c.headers(1, H2) + c.headers(3, other)))


@case("A13-none", "no SNI", either(refused(), injected()))
def _(c):
    return c.raw(c.tls(c.tcp("api.test"), None), b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")


@case("A13-address", "SNI of an address", either(refused(), injected()))
def _(c):
    return c.get("/", sni="127.0.0.1", authority="api.test")


@case("A13-split", "a ClientHello byte by byte", injected())
def _(c):
    import ssl
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    tls = context.wrap_bio(into, out, server_hostname="api.test")
    sock = c.tcp("api.test")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    for byte in out.read():
        sock.sendall(bytes([byte]))
    while True:
        into.write(sock.recv(65536))
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            pass
        finally:
            sock.sendall(out.read())
    tls.write(b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")
    sock.sendall(out.read())
    into.write(sock.recv(65536))
    return tls.read(65536)


for number, text in enumerate(["127.1:443", "2130706433:443", "0x7f.1:443", "0177.0.0.1:443",
                               "[::ffff:127.0.0.1]:443", "[fe80::1%25api.test]:443", "127.0.0.1:443",
                               "api.test", "api.test:0", "api.test:99999", "a..test:443",
                               "api.test\x00.evil.test:443", "%61pi.test:443", "[::1]:443"]):
    def attack(c, text=text):
        if c.is_bare:
            return c.get("/")
        import socket
        sock = socket.create_connection(("127.0.0.1", 3128), timeout=5)
        c.tunnel(sock, text.encode("latin-1"))
        return b"connected"
    case(f"A14-{number}", f"CONNECT {text!r}", refused())(attack)

for number, text in enumerate(["a.wild.test.evil.test", "wild.test", "xwild.test", "a..wild.test"]):
    def attack(c, text=text):
        if c.is_bare:
            return c.get("/")
        import socket
        sock = socket.create_connection(("127.0.0.1", 3128), timeout=5)
        c.tunnel(sock, text + ":443")
        return b"connected"
    case(f"A15-{number}", f"{text} is not *.wild.test", refused())(attack)


@case("A15-ok", "a.wild.test is", lambda result, seen: None if SECRET in b"".join(
    c.data for c in requests(seen, "a.wild.test")) else f"nothing injected: {result[:200]!r}")
def _(c):
    return c.get("/", host="a.wild.test")


@case("A17", "another port of the rule's host: no secret", harmless)
def _(c):
    return c.get("/", port=8443)


for name in ("expired", "wrongname", "selfsigned", "constrained"):
    def attack(c, name=name):
        return c.get("/", host=f"{name}.test")
    case(f"A18-{name}", f"certificate of the host: {name}", refused("502"))(attack)

# ---- B: redirects, alternates ----


@case("B1", "a redirect is not followed", injected(1, b"302"))
def _(c):
    return c.get("/redirect")


@case("B3", "Alt-Svc does not come through",
      lambda result, seen: "Alt-Svc" if b"alt-svc" in result.lower() else injected()(result, seen))
def _(c):
    return c.get("/alt-svc")


@case("B4", "HTTPS records and AAAA are empty", refused(), control=False)
def _(c):
    import socket
    import struct
    out = b""
    for kind in (28, 64, 65):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.settimeout(3)
        question = b"\x03api\x04test\x00" + struct.pack(">HH", kind, 1)
        sock.sendto(b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + question, ("127.0.0.1", 53))
        answer = sock.recv(512)
        if answer[6:8] != b"\x00\x00":
            raise AssertionError(f"type {kind} answered")
    return out


@case("B7", "CONNECT inside the terminated connection", refused("400", "405", "421", "501"))
def _(c):
    return c.send(b"CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n\r\n")


# ---- C: overwriting ----


@case("C1", "the cell's own Authorization is replaced", injected_without(b"attacker"))
def _(c):
    return c.get("/", fields=["Authorization: Bearer ATTACKER"])


@case("C2", "ten of them", injected_without(b"attacker"))
def _(c):
    return c.get("/", fields=["Authorization: Bearer ATTACKER"] * 10)


for number, text in enumerate(["authorization", "AUTHORIZATION", "aUTHORIZATION"]):
    def attack(c, text=text):
        return c.get("/", fields=[f"{text}: Bearer ATTACKER"])
    case(f"C3-{number}", f"spelt {text}", injected_without(b"attacker"))(attack)


@case("C3-fold", "X_Api_Key and x.api.key beside the rule's X-Api-Key",
      lambda result, seen: None if (lambda d: d.count(SECRET) == 1 and b"ATTACKER" not in d)(
          b"".join(c.data for c in requests(seen, "key.test"))) else f"{requests(seen)}")
def _(c):
    return c.get("/", host="key.test", fields=["X_Api_Key: ATTACKER", "x.api.key: ATTACKER",
                                               "X-API-KEY: ATTACKER"])


for number, text in enumerate(["Proxy-Authorization: Basic ATTACKER", "X-Api-Key: ATTACKER",
                               "Authorization_: ATTACKER"]):
    def attack(c, text=text):
        return c.get("/", fields=[text])
    case(f"C4-{number}", f"another channel: {text}", injected_without(b"attacker"))(attack)


for number, text in enumerate(["authorization", "close, authorization", "Authorization, x-api-key",
                               "AUTHORIZATION"]):
    def attack(c, text=text):
        return c.get("/", fields=[f"Connection: {text}"])
    case(f"C5-{number}", f"Connection: {text}", injected())(attack)

for number, text in enumerate(["host", "content-length", "transfer-encoding"]):
    def attack(c, text=text):
        return c.get("/", fields=[f"Connection: {text}"])
    case(f"C5-framing-{number}", f"Connection: {text}", bad_request)(attack)


@case("C7", "a trailer named Authorization", either(injected_without(b"attacker"), bad_request))
def _(c):
    return c.get("/", method="POST", fields=["Transfer-Encoding: chunked", "Trailer: Authorization"],
                 body=b"2\r\nhi\r\n0\r\nAuthorization: Bearer ATTACKER\r\n\r\n")


@case("C8", "Upgrade: h2c", injected_without(b"h2c", b"http2-settings"))
def _(c):
    return c.get("/", fields=["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c",
                              "HTTP2-Settings: AAMAAABkAAQAAP__"])


@case("C8-te", "TE: trailers, chunked", injected_without(b"te: trailers, chunked"))
def _(c):
    return c.get("/", fields=["TE: trailers, chunked"])


@case("C9", "fields that steer past the rule",
      injected_without(b"override", b"x-original-url", b"x-rewrite-url", b"forwarded"))
def _(c):
    return c.get("/", fields=["X-HTTP-Method-Override: DELETE", "X-Original-URL: /admin",
                              "X-Rewrite-URL: /admin", "X-Forwarded-Host: evil.test",
                              "Forwarded: host=evil.test", "X-HTTP-Method: DELETE",
                              "X-Method-Override: DELETE"])


@case("C10", "Expect: 100-continue", injected(1, b"ok 5"))
def _(c):
    sock = c.tls(c.tcp("api.test"), "api.test")
    sock.sendall(b"POST / HTTP/1.1\r\nHost: api.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    if not c.is_bare:
        head = c.read_all(sock, until=lambda d: b"\r\n\r\n" in d)
        if b" 100 " not in head:
            return head
    return c.raw(sock, b"hello")


for number, text in enumerate(["TRACE", "TRACK"]):
    def attack(c, text=text):
        return c.get("/echo", method=text)
    case(f"C12-{number}", text, refused("405", "403", "400"))(attack)

for number, (text, title) in enumerate([
        ("/v1/../admin", "dot segments"), ("/v1/%2e%2e/admin", "encoded dot segments"),
        ("/v1/%2E%2E/admin", "encoded dot segments, capitals"), ("//v1/x", "two slashes"),
        ("/v1%2fadmin", "an encoded slash"), ("/v1/..%2fadmin", "both"), ("/v1\\admin", "a backslash"),
        ("/v1/%5c..%5cadmin", "an encoded backslash"), ("/v1/..;/admin", "a path parameter"),
        ("/v1/;x=/../admin", "another one"), ("/v1/x#/admin", "a fragment"),
        ("/v1/%c0%ae%c0%ae/admin", "overlong UTF-8"), ("/v1/%", "half an encoding"),
        ("/v1/%00", "an encoded NUL"), ("/admin", "another path"), ("/V1/x", "another case"),
        ("/v1", "the directory itself"), ("*", "an asterisk"), ("v1/x", "no slash")]):
    def attack(c, text=text):
        return c.get(text, host="scoped.test")
    case(f"C14-{number}", f"path {text} ({title})", refused("400", "403", "none"))(attack)


@case("C14-ok", "a path within the rule",
      lambda result, seen: None if SECRET in b"".join(c.data for c in requests(seen, "scoped.test"))
      else f"nothing injected: {result[:200]!r}")
def _(c):
    return c.get("/v1/x%41?a=/../b", host="scoped.test")


@case("C14-method", "a method that the rule has not", refused("403"))
def _(c):
    return c.get("/v1/x", host="scoped.test", method="DELETE")


# ---- D: framing ----

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: evil.test\r\n\r\n"
for number, (title, head, body) in enumerate([
        ("CL and TE", "Content-Length: 5\r\nTransfer-Encoding: chunked", b"0\r\n\r\n" + SMUGGLED),
        ("two CL, different", "Content-Length: 0\r\nContent-Length: 5", b"hello"),
        ("two CL, equal", "Content-Length: 5\r\nContent-Length: 5", b"hello"),
        ("CL +2", "Content-Length: +2", b"hi"), ("CL 0x2", "Content-Length: 0x2", b"hi"),
        ("CL 2, 2", "Content-Length: 2, 2", b"hi"),
        ("CL of 20 digits", "Content-Length: 99999999999999999999", b"hi"),
        ("CL -1", "Content-Length: -1", b"hi"), ("an empty CL", "Content-Length:", b"hi"),
        ("TE xchunked", "Transfer-Encoding: xchunked", b"0\r\n\r\n"),
        ("TE chunked, identity", "Transfer-Encoding: chunked, identity", b"0\r\n\r\n"),
        ("TE twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
        ("TE with a blank before the colon", "Transfer-Encoding : chunked", b"0\r\n\r\n"),
        ("TE identity", "Transfer-Encoding: identity", b"hi"),
        ("a folded line", "X-A: b\r\n c", b""), ("a folded TE", "Transfer-Encoding:\r\n chunked", b"0\r\n\r\n"),
        ("a bare LF", "X-A: b\nX-B: c", b""), ("a bare CR", "X-A: b\rX-B: c", b""),
        ("a NUL", "X-A: b\x00c", b""), ("no colon", "X-A", b""), ("an empty name", ": b", b""),
        ("chunk size 0x2", "Transfer-Encoding: chunked", b"0x2\r\nhi\r\n0\r\n\r\n"),
        ("chunk size -1", "Transfer-Encoding: chunked", b"-1\r\nhi\r\n0\r\n\r\n"),
        ("chunk size too large", "Transfer-Encoding: chunked", b"fffffffffffffffff\r\nhi\r\n0\r\n\r\n"),
        ("a chunk without its end", "Transfer-Encoding: chunked", b"2\r\nhiXX0\r\n\r\n"),
        ("LF in a chunk extension", "Transfer-Encoding: chunked", b"2;a\nb\r\nhi\r\n0\r\n\r\n"),
        ("bare LF behind a chunk size", "Transfer-Encoding: chunked", b"2\nhi\r\n0\r\n\r\n"),
        ("Upgrade and CL", "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5", b"hello")]):
    def attack(c, head=head, body=body):
        return c.get("/", method="POST", fields=[head], body=body)

    def check(result, seen):
        for conn in requests(seen):
            if b"smuggled" in conn.data or (conn.sni != "api.test"):
                return f"smuggled: {conn}"
        if status(result) not in ("400", "501", "431", "413", "none"):
            return f"answered {status(result)}: {result[:200]!r}"
        # A broken chunk is seen when the head has gone: the request must not be complete then.
        for conn in requests(seen):
            if conn.data.endswith(b"0\r\n\r\n"):
                return f"completed: {conn}"
        return None
    case(f"D1-{number}", f"framing: {title}", check)(attack)

for number, line in enumerate([b"GET / HTTP/1.10\r\nHost: api.test\r\n\r\n", b"GET /\r\n\r\n",
                               b"GET / HTTP/2.0\r\nHost: api.test\r\n\r\n",
                               b"GET  / HTTP/1.1\r\nHost: api.test\r\n\r\n",
                               b"GET\t/ HTTP/1.1\r\nHost: api.test\r\n\r\n",
                               b"GET / HTTP/1.1 \r\nHost: api.test\r\n\r\n",
                               b"G(T / HTTP/1.1\r\nHost: api.test\r\n\r\n",
                               b"GET / HTTP/1.1\nHost: api.test\n\n",
                               b"\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: api.test\r\n\r\n",
                               b"GET / HTTP/1.1\r\n Host: api.test\r\n\r\n",
                               b"POST / HTTP/1.0\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                               b"GET / HTTP/1.1\r\nHost: api.test\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
                               b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: api.test\r\n\r\n"]):
    def attack(c, line=line):
        return c.send(line)
    case(f"D5-{number}", f"request line or head: {line[:40]!r}", refused("400", "505", "431", "414", "501", "none"))(
        attack)


@case("D7", "GET with a chunked body", either(injected(), bad_request))
def _(c):
    return c.get("/", fields=["Transfer-Encoding: chunked"], body=b"5\r\nhello\r\n0\r\n\r\n")


@case("D10", "a request within a body is a body", injected(1, b"ok 45"))
def _(c):
    body = SMUGGLED.ljust(45, b"x")
    return c.get("/", method="POST", fields=[f"Content-Length: {len(body)}"], body=body)


# What a hostile server answers: (path, bytes), sent as they are and then the end.
RAW_REPLIES = {
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "CL and TE": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "101 that nobody asked for": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc",
    "status 099": b"HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n",
    "status 1000": b"HTTP/1.1 1000 Odd\r\nContent-Length: 0\r\n\r\n",
    "CR in a header": b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n",
    "NUL in a header": b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
    "no header end": b"HTTP/1.1 200 OK\r\nX: a",
    "a head without end": b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 200000,
    "no HTTP": b"220 smtp ready\r\n",
    "1xx without end": b"HTTP/1.1 102 P\r\n\r\n" * 1000,
    "chunk size of nonsense": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
}


def cut_short(result, seen):
    """502, or a response that the client can tell to be broken off; never a complete one."""
    got = status(result)
    if got in ("502", "none") or b"HTTP/1.1 502 " in result:
        return None
    if got == "200" and b"chunked" in result.lower() and not result.rstrip(b"\n[end]").endswith(b"0\r\n\r\n"):
        return None
    return f"answered {result[:200]!r}"


for number, title in enumerate(RAW_REPLIES):
    def attack(c, number=number):
        return c.get(f"/raw/{number}")
    case(f"D11-{number}", f"response with {title}", cut_short)(attack)


@case("D11-extra", "bytes behind a response go nowhere",
      lambda result, seen: "came through" if b"EXTRA" in result else None)
def _(c):
    return c.send(b"GET /extra HTTP/1.1\r\nHost: api.test\r\n\r\nGET / HTTP/1.1\r\nHost: api.test\r\n\r\n")


# ---- F: reflection ----

def redacted(result, seen):
    data = b"".join(c.data for c in requests(seen, "api.test"))
    if SECRET not in data:
        return f"nothing was injected: {data[:200]!r}"
    if SECRET in result:
        return f"the secret came back: {result[:400]!r}"
    if status(result) != "200":
        return f"answered {result[:200]!r}"
    return None


for path in ("/echo", "/echo-head", "/echo-chunks", "/echo-gzip", "/echo-deflate", "/echo-base64",
             "/echo-percent", "/echo-json", "/echo-hex", "/echo-br", "/echo-zstd"):
    def attack(c, path=path):
        return c.get(path)
    case("F" + path.replace("/", "-"), f"the secret echoed: {path}", redacted)(attack)


def mostly_redacted(result, seen):
    if SECRET[5:12] in result or SECRET[12:] in result:
        return f"most of the secret came back: {result[:300]!r}"
    return None if result.endswith(b"*>") else f"the client got {result[:300]!r}"


@case("F3-slow", "the secret echoed in pieces, with pauses between them", mostly_redacted)
def _(c):
    c.quiet = 0.6 if not c.is_bare else c.quiet
    try:
        return c.get("/echo-slow")
    finally:
        c.quiet = 0.3 if not c.is_bare else c.quiet


def answers(word):
    return lambda result, seen: None if result.endswith(word) else f"the client got {result[:300]!r}"


@case("D11-te", "a response with TE comes without it", answers(b"\r\n\r\nwith te"))
def _(c):
    return c.get("/te")


@case("D11-head", "hEAD is not HEAD: its response has its body", answers(b"\r\n\r\nok 0"))
def _(c):
    return c.get("/", method="hEAD")


for number, query in enumerate(["_method=DELETE", "a=1&_method=put", "a;_method=x", "%5fmethod=DELETE"]):
    def attack(c, query=query):
        return c.get("/v1/x?" + query, host="scoped.test", method="POST")
    case(f"C9-query-{number}", f"another method by the query: {query}", refused("403"))(attack)


@case("C9-query-ok", "a rule without methods leaves _method alone", injected(1, b"ok 0"))
def _(c):
    return c.get("/x?_method=DELETE&method=y")


@case("F4-unknown", "a coding that nobody knows", lambda result, seen: "the secret came back" if SECRET in
      result else None)
def _(c):
    return c.get("/echo-unknown")


@case("F6", "Range does not reach the host", injected_without(b"range:"))
def _(c):
    return c.get("/", fields=["Range: bytes=0-3", "If-Range: x"])


@case("F-coding", "Accept-Encoding does not invite what cannot be read", injected_without(b"gzip", b"rot13"))
def _(c):
    return c.get("/", fields=["Accept-Encoding: gzip, rot13"])


# ---- rules of other kinds ----

def in_time(result, seen):
    return None if result.startswith(b"200 in time") else f"the client got {result[:200]!r}"


@case("ttl", "a value that has expired is fetched anew while a response with the old one goes on", in_time)
def _(c):
    get = b"GET %s HTTP/1.1\r\nHost: ttl.test\r\n\r\n"
    busy = c.tls(c.tcp("ttl.test"), "ttl.test")
    busy.sendall(get % b"/seconds")
    if c.is_bare:
        return b""
    time.sleep(1.8)
    start = time.monotonic()
    answer = c.get("/", host="ttl.test")
    took = time.monotonic() - start
    busy.settimeout(5)
    rest = b""
    while len(rest.partition(b"\r\n\r\n")[2]) < 20:
        more = busy.recv(4096)
        if not more:
            break
        rest += more
    busy.close()
    if status(answer) != "200" or took > 2.2 or not rest.endswith(b"." * 20):
        return b"%r after %.1f s, %r" % (answer, took, rest)
    return b"200 in time"


def has(sni, *wanted):
    def check(result, seen):
        data = b"".join(c.data for c in requests(seen, sni))
        for word in wanted:
            if word.lower() not in data.lower():
                return f"{word!r} is not in {data[:300]!r}; client: {result[:200]!r}"
        return None
    return check


@case("basic", "basic = x-access-token:{secret}",
      has("git.test", b"Authorization: Basic eC1hY2Nlc3MtdG9rZW46UzNDUjNULWNhbmFyeS0wMTIzNDU2Nzg5YWJjZGVm"))
def _(c):
    return c.get("/", host="git.test")


@case("query", "query = key={secret}, over the cell's own",
      has("query.test", b"/q?a=1&key=" + SECRET))
def _(c):
    return c.get("/q?a=1&key=ATTACKER", host="query.test")
