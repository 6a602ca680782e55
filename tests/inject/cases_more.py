"""More pitfalls of injecting proxies: what cases.py has no attack for, by the same rules. E: names and
addresses; the rest stands under the letter that it belongs to."""
import os
import re
import socket
import subprocess

import names
from cases import (BEARER, CASES, H2, RAW_REPLIES, SECRET, bad_request, case, either, harmless, injected,
                   injected_without, refused, requests, status)

__all__ = ["CASES", "RAW_REPLIES", "SECRET"]

# ---- A: the destination ----

for number, name in enumerate(["a_pi.test", "api.test.", "x" * 255, "api..test", "API.test", "*.test", ".api.test",
                               "api.test\x01"]):
    def attack(c, name=name):
        return c.raw(c.tls_as(c.tcp("api.test"), name.encode("latin-1")),
                     b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")
    case(f"A13-name-{number}", f"SNI {name[:20]!r}", either(refused(), injected()))(attack)


@case("A13-two", "two names in one SNI", refused(), control=False)
def _(c):
    return c.raw(c.tls_as(c.tcp("api.test"), b"api.test", b"evil.test"), b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")


for number, text in enumerate(["xn--pi-7ka.wild.test.test", "a.wild.test%2eevil.test", "a\uff0ewild\uff0etest",
                               "a.wild.tes", "wild.test.", ".wild.test", "*.wild.test"]):
    def attack(c, text=text):
        if c.is_bare:
            return c.get("/")
        sock = socket.create_connection(("127.0.0.1", 3128), timeout=5)
        c.tunnel(sock, text.encode() + b":443")
        return b"connected"
    case(f"A15-more-{number}", f"{text} is not *.wild.test", refused())(attack)


@case("A19-renegotiation", "TLS renegotiation is refused", lambda result, seen: None
      if b"RENEGOTIATING" in result and b"no renegotiation" in result and not requests(seen)
      else f"the client got {result[-300:]!r} {seen}")
def _(c):
    out = subprocess.run(["openssl", "s_client", "-connect", "api.test:443", "-servername", "api.test", "-tls1_2",
                          "-legacy_renegotiation"], input=b"R\nGET / HTTP/1.1\r\nHost: api.test\r\n\r\n",
                         capture_output=True, timeout=20)
    return out.stdout + out.stderr


def no_early_data(result, seen):
    offered = re.findall(rb"Max Early Data: *([0-9]+)", result)
    if any(int(n) for n in offered):
        return f"early data: {offered}"
    return None if b"HTTP/1.1 200" in result else f"the client got {result[:300]!r}"


@case("A19-early", "no early data: a ticket allows none", no_early_data)
def _(c):
    ask = ("(printf 'GET / HTTP/1.1\\r\\nHost: api.test\\r\\n\\r\\n'; sleep 0.7) | "
           "openssl s_client -connect api.test:443 -servername api.test -tls1_3 2>&1")
    return subprocess.run(["sh", "-c", ask], stdout=subprocess.PIPE, timeout=20).stdout


# ---- B: redirects, alternates ----

@case("B2", "redirected to cleartext, the request there has no secret", lambda result, seen: next(
    (f"the secret went out: {c}" for c in requests(seen) if c.port == 80 and SECRET in c.data), None))
def _(c):
    first = c.get("/redirect-plain")
    return first + c.raw(c.tcp("api.test", 80), b"GET /after HTTP/1.1\r\nHost: api.test\r\n\r\n")


@case("B5", "Link, Refresh and Location are the host's business", lambda result, seen: None
      if b"Refresh: 0" in result and b"Link: <http://127.0.0.1/>" in result else f"the client got {result[:300]!r}")
def _(c):
    return c.get("/links")


@case("B6", "a client that pushes is told to go, and asks for nothing", lambda result, seen: None
      if b"GOAWAY" in result and not requests(seen) else f"the client got {result[:200]!r} {seen}", control=False)
def _(c):
    frames = c.h2(c.frame(5, 4, 1, b"\0\0\0\2") + c.headers(3, H2))
    return c.h2_result(frames)


# ---- C: overwriting ----

for number, text in enumerate(["x_api_key", "X-API-KEY", "x.api.key", "close, x-api-key"]):
    def attack(c, text=text):
        return c.get("/", host="key.test", fields=[f"Connection: {text}"])
    case(f"C6-{number}", f"Connection: {text}", lambda result, seen: None if b"".join(
        c.data for c in requests(seen, "key.test")).count(SECRET) == 1 else f"{requests(seen)}")(attack)

for number, text in enumerate(["/?access_token=ATTACKER", "/?api_key=ATTACKER&x=1",
                               "/?X-Amz-Signature=ATTACKER", "/?a=1&Access_Token=ATTACKER"]):
    def attack(c, text=text):
        return c.get(text)
    case(f"C4-query-{number}", f"another channel: {text}",
         either(injected_without(b"attacker"), refused("400", "403")))(attack)


@case("C4-cookie", "a Cookie is stripped or the rule's business, never instead of the header", injected())
def _(c):
    return c.get("/", fields=["Cookie: session=ATTACKER"])


@case("C12-options", "OPTIONS *", either(injected(), bad_request, refused("403", "405")))
def _(c):
    return c.get("*", method="OPTIONS")


@case("C12-max-forwards", "Max-Forwards: 0 changes nothing", injected(1, b"ok 0"))
def _(c):
    return c.get("/", fields=["Max-Forwards: 0"])


# ---- D: framing ----

@case("D9", "a body by its length, then a request: the reader reads as the head says", injected(2, b"ok 5"))
def _(c):
    return c.send(b"POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 5\r\n\r\nhello"
                  b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")


for number, (title, length, data) in enumerate([("less than it says", "10", b"hello"),
                                                ("more than it says", "2", b"hello")]):
    def attack(c, length=length, data=data):
        fields = [(":method", "POST")] + H2[1:] + [("content-length", length)]
        return c.h2_result(c.h2(c.headers(1, fields, end=False) + c.frame(0, 1, 1, data)))

    def check(result, seen):
        for conn in requests(seen):
            head, _, body = conn.data.partition(b"\r\n\r\n")
            if b"smuggled" in conn.data or len(body) > 10 or (body == b"hello" and b": 2\r\n" in head):
                return f"an origin got {conn}"
        return None if b"DATA:1:ok" not in result else f"answered {result!r}"
    case(f"D13-{number}", f"HTTP/2: a body with {title}", check, control=False)(attack)

# ---- E: names and addresses ----

for name, addresses in names.INSIDE.items():
    def attack(c, name=name):
        return c.get("/", host=name)
    # 0.0.0.0 and addresses that carry an IPv4 one lead bare to this machine as well, or nowhere.
    reachable = name not in ("6to4.test", "nat64.test", "mapped.test", "zero.test")
    case(f"E1-{name.split('.')[0]}", f"a name that means {' and '.join(addresses)}", refused(),
         control=reachable)(attack)


@case("E1-public", "a name that means an address of the internet", lambda result, seen: None
      if requests(seen, names.PUBLIC_NAME) and status(result) == "200" else f"{result[:200]!r} {seen}")
def _(c):
    return c.get("/", host=names.PUBLIC_NAME)


def only_public(result, seen):
    inside = [c for c in seen if c.address != names.PUBLIC]
    if inside:
        return f"led inside: {inside}"
    return None if requests(seen) else f"never reached: {result[:200]!r}"


@case("E2", "a name that means another address each time", only_public)
def _(c):
    out = b""
    for via in ("plain", "connect", "plain", "socks", "plain", "connect"):
        try:
            out += c.get("/", host=names.REBIND, via=via)
        except OSError as e:
            out += str(e).encode()
    return out


@case("E4", "an alias of a name that leads inside", refused())
def _(c):
    return c.get("/", host=names.ALIAS)


for number, target in enumerate(["127.0.0.1:3128", "localhost:3128", "127.0.0.1:53", "[::1]:3128", "0.0.0.0:3128"]):
    def attack(c, target=target):
        if c.is_bare:
            return c.get("/")
        sock = socket.create_connection(("127.0.0.1", 3128), timeout=5)
        try:
            c.tunnel(sock, target)
        except OSError as e:
            return str(e).encode()
        return b"connected"
    case(f"E8-{number}", f"the proxy itself as a target: {target}",
         lambda result, seen: "connected" if result == b"connected" else None)(attack)


def names_no_address(result, seen):
    for text in ("10.1.2.3", "169.254."):
        if text.encode() in result:
            return f"the refusal tells the address: {result[:300]!r}"
    return None if not requests(seen) else f"an origin got {requests(seen)}"


@case("E9", "a refusal does not tell what a name means", names_no_address, control=False)
def _(c):
    sock = socket.create_connection(("127.0.0.1", 3128), timeout=5)
    sock.sendall(b"CONNECT lan.test:443 HTTP/1.1\r\nHost: lan.test:443\r\n\r\n")
    return c.read_all(sock)


# ---- F: fakes ----

def fake():
    return os.environ.get("TEST_API_TOKEN", "")


def kept_as_fake(result, seen):
    data = b"".join(c.data for c in requests(seen, "api.test"))
    if data.count(SECRET) != 1:
        return f"the secret {data.count(SECRET)} times: {data[:600]!r}"
    return None if status(result) == "200" else f"answered {result[:200]!r}"


@case("F12", "a fake in a body stays a fake", kept_as_fake)
def _(c):
    body = f"the token is {fake()}"
    return c.get("/", method="POST", fields=[f"Content-Length: {len(body)}", f"Authorization: Bearer {fake()}"],
                 body=body.encode())


@case("F13", "a fake in other fields and in the URL stays a fake", kept_as_fake)
def _(c):
    return c.get("/" + fake(), fields=[f"User-Agent: {fake()}", f"X-Request-Id: {fake()}", f"Referer: {fake()}",
                                       f"Origin: https://{fake()}"])


@case("F7", "206 and multipart/byteranges are read for the secret as any other", lambda result, seen: None
      if SECRET not in result and b" 206 " in result else f"the client got {result[:300]!r}")
def _(c):
    return c.get("/echo-206")


@case("F11", "the secret in Set-Cookie and WWW-Authenticate", lambda result, seen: None
      if SECRET not in result and b" 401 " in result else f"the client got {result[:300]!r}")
def _(c):
    return c.get("/echo-401")


# ---- G: misuse ----

@case("G2", "the fake of one rule at the host of another is no credential there", lambda result, seen: None if (
    lambda d: d.count(SECRET) == 1 and b"\r\nAuthorization" not in d)(b"".join(
        c.data for c in requests(seen, "key.test"))) else f"{requests(seen)}")
def _(c):
    return c.get("/", host="key.test", fields=[f"Authorization: Bearer {fake()}"])


@case("G2-evil", "a fake at a host without a rule is sent as the fake", harmless)
def _(c):
    return c.get("/", host="evil.test", fields=[f"Authorization: Bearer {fake()}"])


@case("G10", "CONNECT is no request of the rule: it needs no method or path of it", lambda result, seen: None
      if BEARER in b"".join(c.data for c in requests(seen, "scoped.test")) else f"{result[:200]!r}")
def _(c):
    return c.get("/v1/x", host="scoped.test", via="connect")
