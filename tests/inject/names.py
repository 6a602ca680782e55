"""A small DNS server for the lab: names that mean places nobody should be led to, and one that means
another place each time it is asked."""
import socket
import struct
import threading

PUBLIC = "9.9.9.9"  # the lab puts it on its loopback, in a network that leads nowhere
INSIDE = {  # name -> addresses; each is allowed by name alone
    "loop.test": ["127.0.0.1"], "meta.test": ["169.254.169.254"], "alibaba.test": ["100.100.100.200"],
    "azure.test": ["168.63.129.16"], "oracle.test": ["192.0.0.192"], "lan.test": ["10.1.2.3"],
    "zero.test": ["0.0.0.0"], "loop6.test": ["::1"], "mapped.test": ["::ffff:127.0.0.1"],
    "aws6.test": ["fd00:ec2::254"], "nat64.test": ["64:ff9b::7f00:1"], "6to4.test": ["2002:7f00:1::"],
    "mixed.test": [PUBLIC, "127.0.0.1"], "other-first.test": ["127.0.0.1", PUBLIC],
}
REBIND = "rebind.test"
PUBLIC_NAME = "public.test"
ALIAS = "alias.test"  # a CNAME of loop.test


def on_loopback():
    """Addresses that the lab's loopback must have for the controls."""
    return sorted({a for many in INSIDE.values() for a in many if a not in ("127.0.0.1", "::1", "0.0.0.0") and
                   not a.startswith("::ffff:")} | {PUBLIC})


def name_of(packet):
    at, labels = 12, []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1").lower())
        at += 1 + packet[at]
    return ".".join(labels), at + 5


def record(kind, data):
    return b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(data)) + data


class Server:
    def __init__(self):
        self.asked = 0
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def addresses(self, name, kind):
        if name == REBIND:
            self.asked += kind == 1
            return [PUBLIC if self.asked % 2 else "127.0.0.1"]
        if name == PUBLIC_NAME:
            return [PUBLIC]
        return INSIDE.get(name, [])

    def answer(self, packet):
        name, end = name_of(packet)
        kind = struct.unpack(">H", packet[end - 4:end - 2])[0]
        out = []
        if name == ALIAS:
            out.append(record(5, b"\x04loop\x04test\x00"))
            if kind == 1:
                out.append(b"\x04loop\x04test\x00" + struct.pack(">HHIH", 1, 1, 0, 4) + b"\x7f\0\0\1")
        for text in self.addresses(name, kind):
            family = socket.AF_INET6 if ":" in text else socket.AF_INET
            if kind == (28 if family == socket.AF_INET6 else 1):
                out.append(record(kind, socket.inet_pton(family, text)))
        known = name in INSIDE or name in (REBIND, PUBLIC_NAME, ALIAS)
        flags = 0x8180 if known else 0x8183
        return packet[:2] + struct.pack(">HHHHH", flags, 1, len(out), 0, 0) + packet[12:end] + b"".join(out)

    def serve(self):
        while True:
            packet, peer = self.sock.recvfrom(512)
            try:
                self.sock.sendto(self.answer(packet), peer)
            except (IndexError, struct.error):
                pass
