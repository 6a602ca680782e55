"""Writes the first inputs of the fuzz targets: usage: seeds.py [CORPUS]   (tests/fuzz/corpus)

Files named seed-*; the others of a corpus are what fuzzing found, minimised.
"""
import os
import struct
import sys

corpus = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


def seed(target, name, *parts):
    """One file; texts are Latin-1."""
    os.makedirs(f"{corpus}/{target}", exist_ok=True)
    with open(f"{corpus}/{target}/seed-{name}", "wb") as file:
        for part in parts:
            file.write(part if isinstance(part, bytes) else part.encode("latin-1"))


def crlf(text):
    return text.replace("\n", "\r\n")


GET = crlf("GET /a?b=c HTTP/1.1\nHost: api.test\nAccept: */*\n\n")
ABSOLUTE = crlf("GET http://api.test/a HTTP/1.1\nHost: api.test\nProxy-Connection: keep-alive\n\n")
LENGTH = crlf("POST / HTTP/1.1\nHost: api.test\nContent-Length: 3\n\n") + "abc" + GET
CHUNKED = crlf("POST / HTTP/1.1\nHost: api.test\nTransfer-Encoding: chunked\n\n"
               "3\nabc\nA;x=y\n0123456789\n0\n\n") + GET
TRAILERS = crlf("POST / HTTP/1.1\nHost: api.test\nTransfer-Encoding: chunked\n\n1\na\n0\nX: y\n\n")
UPGRADE = crlf("GET /ws HTTP/1.1\nHost: api.test\nConnection: keep-alive, Upgrade\nUpgrade: websocket\n"
               "Sec-WebSocket-Key: AAAA\n\n")
H2C = crlf("GET / HTTP/1.1\nHost: api.test\nConnection: Upgrade, HTTP2-Settings\nUpgrade: h2c\n"
           "HTTP2-Settings: AA\n\n")
TWO = crlf("POST / HTTP/1.1\nHost: api.test\nContent-Length: 3\nTransfer-Encoding: chunked\n\n")
FOLDED = crlf("GET / HTTP/1.1\nHost: api.test\nContent_Length: 3\nX: a\n b\nExpect: 100-continue\n\n")
OLD = crlf("GET / HTTP/1.0\nHost: api.test\nConnection: close\n\n")
CONNECT = crlf("CONNECT api.test:443 HTTP/1.1\nHost: api.test:443\n\n")
STATUS = crlf("HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\n\n")
REQUESTS = {"get": GET, "absolute": ABSOLUTE, "length": LENGTH, "chunked": CHUNKED, "trailers": TRAILERS,
            "upgrade": UPGRADE, "h2c": H2C, "two": TWO, "folded": FOLDED, "old": OLD, "connect": CONNECT}


def http():
    for name, text in REQUESTS.items():
        seed("http1", name, b"\x12", text)
        seed("gate", name, b"\x08", b"\x04", text)
    seed("http1", "status", b"\0", STATUS)
    seed("gate", "single", b"\x04\0", GET, GET)
    seed("gate", "opaque", b"\x01\0", "SSH-2.0-x\r\n")
    seed("gate", "tls", b"\x01\7", records(hello(b"api.test")))
    seed("gate", "tls-literal", b"\x02\7", records(hello(None)))


def block(data, width):
    return len(data).to_bytes(width, "big") + data


def hello(name, more=b""):
    """A ClientHello; name None: without server_name."""
    extensions = b""
    if name is not None:
        extensions += b"\0\0" + block(block(b"\0" + block(name, 2), 2), 2)
    extensions += b"\0\x2b" + block(block(b"\3\4\3\3", 1), 2) + more
    body = b"\3\3" + bytes(32) + block(bytes(32), 1) + block(b"\x13\1\x13\2", 2) + block(b"\0", 1)
    return b"\1" + block(body + block(extensions, 2), 3)


def records(handshake, piece=16384):
    return b"".join(b"\x16\3\1" + block(handshake[i:i + piece], 2) for i in range(0, len(handshake), piece))


def tls():
    ech = b"\xfe\x0d" + block(bytes(40), 2)
    for name, message in {"plain": hello(b"api.test"), "ech": hello(b"a.b.test", ech), "none": hello(None),
                          "twice": hello(b"api.test", b"\0\0" + block(block(b"\0" + block(b"x", 2), 2), 2))}.items():
        seed("clienthello", name, b"\x09", message)
        seed("clienthello", name + "-records", b"\0", records(message, 50))


def query(name, kind, opt=b"", flags=0x0100):
    labels = b"".join(block(label.encode(), 1) for label in name.split(".")) + b"\0" if name else b"\0"
    return struct.pack(">6H", 7, flags, 1, 0, 0, 1 if opt else 0) + labels + struct.pack(">2H", kind, 1) + opt


def names():
    opt = b"\0" + struct.pack(">2HI", 41, 1232, 0)
    seed("dns", "a", query("api.test", 1))
    seed("dns", "aaaa", query("localhost", 28, opt + b"\0\0"))
    seed("dns", "ptr", query("4.0.0.127.in-addr.arpa", 12))
    seed("dns", "ptr-long", query("5.2.0.10.in-addr.arpa", 12, opt + b"\0\4\0\3\0\0"))
    seed("dns", "short", query("sx", 1))
    seed("dns", "root", query("", 2))
    seed("dns", "any", query("a.test", 255))
    seed("dns", "pointer", struct.pack(">6H", 7, 0, 1, 0, 0, 0), b"\xc0\x0c\0\1\0\1")


def socks():
    name = b"\5\1\0\3" + block(b"api.test", 1) + b"\1\xbb"
    seed("socks", "name", b"\0\5\1\0", name)
    seed("socks", "ip4", b"\0\5\2\0\2\5\1\0\1\x7f\0\0\1\0\x50")
    seed("socks", "ip6", b"\0\5\1\0\5\1\0\4", bytes(15), b"\1\0\x50")
    seed("socks", "4", b"\0\4\1\0\x50\x7f\0\0\1user\0")
    seed("socks", "4a", b"\0\4\1\0\x50\0\0\0\1user\0api.test\0")
    seed("socks", "login", b"\1\5\1\2\1", block(b"agentjail", 1), block(b"0123", 1), name)
    seed("socks", "wrong", b"\1\5\1\2\1", block(b"agentjail", 1), block(b"0124", 1), name)
    seed("socks", "no-login", b"\1\5\1\0", name)


def head(fields, method=b"", path=b"", query_=None, status=0, framing=0, length=0):
    texts = method + path + (query_ or b"") + b"".join(n + v for n, v in fields)
    return (struct.pack("=4IQ4I", 0, status, framing, len(fields), length, len(method), len(path),
                        0xffffffff if query_ is None else len(query_), 0) +
            b"".join(struct.pack("=2I", len(n), len(v)) for n, v in fields) + texts)


def keepmsg():
    fields = [(b"accept", b"*/*"), (b"x-a", b"")]
    seed("keepmsg", "request", b"\0", head(fields, b"POST", b"/a%2Fb", b"c=d", framing=1, length=7))
    seed("keepmsg", "star", b"\0", head([], b"OPTIONS", b"*"))
    seed("keepmsg", "response", b"\1", head(fields, status=200, framing=2))
    seed("keepmsg", "trailers", b"\2", head(fields))


def paths():
    seed("urlpath", "plain", "/v1/*\n/v1/**\n/v1/a%2fb;c?d\n")
    seed("urlpath", "deep", "/**/x\n/a/*/x\n/a/b%7e/x\n")
    seed("urlpath", "dots", "*\n/\n/a/%2e%2E/b\n")
    seed("urlpath", "utf8", "/%C3%A9*\n/*\n/%c3%a9%20\n")
    seed("hostmatch", "below", "*.a.test\n**.a.test:8080\nX.a.test.\n")
    seed("hostmatch", "any", "*\na.test:443\na.test\n")
    seed("hostmatch", "literal", "192.0.2.1\n[2001:db8::1]:80\n192.0.2.1\n")
    seed("hostmatch", "mapped", "::1\n[::ffff:192.0.2.1]\n[::1]\n")


def policies():
    user = ("[profile]\nname = x\n[agent]\ntrusted = {agent} --version\nkeep = ~/.x\n[files]\nwrite = .\n"
            "read = /usr ~/.gitconfig\nhide = .env\n[env]\nset = A=b c\nhide = *TOKEN*\n[egress]\n"
            "allow = a.test *.b.test:8443\nparent-proxy = http://p.test:3128\n[limits]\nmemory = 2G\n")
    rule = ("[inject api]\nhost = api.test\nmethod = GET POST\npath = /v1/*\n"
            "header = Authorization: Bearer {secret}\nsecret = env:TOKEN\n")
    seed("policy", "user", b"\0", user)
    seed("policy", "rule", b"\0", rule)
    seed("policy", "sign", b"\0", "[inject aws]\nhost = *.amazonaws.com\nsign = aws-sigv4\nsecret = env:S\n"
         "key-id = env:K\nttl = 5m\nlimit = 10/m\n")
    seed("policy", "dump", b"\1", "agentjail-policy 1\nproject 5:/home,\nhome 5:/home,\nagent 3:yes,\n"
         "warning 1:w,\nitem files.read 12 11:default.ini,4:/usr,\nitem egress.allow 1 1:x,6:a.test,\n"
         "rule 3:api, 3 8:user.ini,\nsays host 4 8:user.ini,8:api.test,\nend\n")
    node = "/opt/n/node_modules/a/cli.js\n/opt/n/node_modules/a/cli.js\n/opt/n/node_modules/.bin/a\n/opt/n/node_modules\n"
    seed("trusted", "agent", "{agent} argv0=a -x *\n", node, "a\n-x\ny\n")
    seed("trusted", "root", "{root}/**/cli.js {root}/b/*\n", node, "a\n/opt/n/node_modules/b/c\n")
    seed("trusted", "interp", "{interp} {agent} a*b?\n", node, "n\n/opt/n/node_modules/.bin/a\naxxbc\n")
    seed("trusted", "path", "/opt/*/node_modules/a/cli.* * b *\n", node, "n\nx\nb\n")
    seed("trusted", "quoted", "{agent} \"a b\" !x\n", node, "n\na b\n!x\n")


def job(body, argc, envc, flags=0, open_mask=1, tty_mask=0):
    return struct.pack("=5IIi3IQ4H36sI4x", 1, flags, 5, argc, envc, 0o22, 0, open_mask, tty_mask, len(body), 0,
                       24, 80, 0, 0, bytes(36), 0)[:-4] + bytes(16 * 16) + body


def messages():
    body = b"/bin/sh\0/tmp\0sh\0-c\0A=b\0"
    seed("job", "inline", b"\2", job(body, 2, 1))
    seed("job", "memfd", b"\x0b", job(body, 2, 1, flags=1)[:-len(body)], body)
    seed("job", "terminal", b"\1", job(body, 2, 1, open_mask=7, tty_mask=7))
    ip4 = b"\x45\0\0\x28\0\0\0\0\x40\6\0\0\x0a\0\0\2\xc0\0\2\1"
    tcp = b"\x9c\x40\1\xbb" + bytes(8) + b"\x50\2" + bytes(6)
    seed("nflog", "tcp4", b"\0", ip4, tcp)
    seed("nflog", "udp6", b"\0", b"\x60\0\0\0\0\x08\x11\x40", bytes(15), b"\2\x20\1\x0d\xb8", bytes(11), b"\1",
         b"\0\x35\0\x35\0\x08\0\0")
    seed("nflog", "message", b"\1", struct.pack("=IIQ256s48s200s120s6H24s256s16s16s4xQQ", 5, 1, 9, b"api.test", b"192.0.2.1",
                                               b"x.ini:1 egress.allow a", b"", 443, 2, 1, 2, 200, 0, b"GET", b"/", b"",
                                               b"", 1, 2))


def configurations():
    host = "[core]\n\tbare = false\n[remote \"origin\"]\n\turl = https://h/x\n"
    main = "[branch \"main\"]\n\tremote = origin\n\tmerge = refs/heads/main\n"
    seed("gitconfig", "branch", host, b"\0", host, main)
    seed("gitconfig", "removed", host, main, "[x] y\n", b"\0", host)
    seed("gitconfig", "under", host, "[branch \"main\"] rebase # c\n", b"\0", host, main)
    seed("gitconfig", "quoted", "[a.B \"c\\\"d\"] e = \"f \\\n # g\" ; h\r\n", b"\0", "[advice]\nx=true\n[a]b=\\t\\")
    seed("gitconfig", "clone", b"\0", "[core]\nrepositoryformatversion=0\nfsmonitor=x\n", host, main)


for make in (http, tls, names, socks, keepmsg, paths, policies, messages, configurations):
    make()


def index(version, hash_bytes, paths, more=b""):
    """git's index with these paths: (bytes dropped of the one before, rest) in version 4."""
    out = struct.pack(">4sII", b"DIRC", version, len(paths))
    last = ""
    for entry in paths:
        strip, rest = entry if version == 4 else (len(last), entry)
        last = last[:len(last) - strip] + rest
        flags = min(len(last), 0xfff) | (0x4000 if version == 3 else 0)
        head = bytes(40 + hash_bytes) + struct.pack(">H", flags) + (b"\0\0" if version == 3 else b"")
        if version == 4:
            out += head + bytes([strip]) + rest.encode() + b"\0"
        else:
            out += head + rest.encode() + bytes(8 - (len(head) + len(rest)) % 8)
    return out + more + bytes(hash_bytes)


seed("gitindex", "two", "sub/.env\n", index(2, 20, [".env.test", "README", "sub/.env"]))
seed("gitindex", "three", ".env\n", index(3, 20, [".env", "a"]))
seed("gitindex", "four", ".env.test\n", index(4, 20, [(0, ".env.example"), (7, "test"), (9, "x" * 100)]))
seed("gitindex", "sha256", "a\n", index(2, 32, ["a", "b"]))
seed("gitindex", "split", "b\n", index(2, 20, ["a"], b"TREE\0\0\0\1xlink\0\0\0\0"))
