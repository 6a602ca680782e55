"""A parent proxy for tests: honey_origin.py FILE. Writes its port to FILE.port. CONNECT to any name
leads to a web server that writes all it gets to FILE.got and answers "reached"."""
import re
import socket
import sys
import threading

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nreached\n"


def read_head(client):
    head = b""
    while b"\r\n\r\n" not in head:
        more = client.recv(4096)
        if not more:
            return None, b""
        head += more
        got.write(more)
        got.flush()
    end = head.index(b"\r\n\r\n") + 4
    return head[:end], head[end:]


def serve(client):
    if read_head(client)[0] is None:
        return
    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    while True:
        head, body = read_head(client)
        if head is None:
            return
        length = re.search(rb"(?i)content-length: (\d+)", head)
        want = int(length.group(1)) if length else 0
        while len(body) < want:
            more = client.recv(4096)
            if not more:
                return
            body += more
            got.write(more)
            got.flush()
        client.sendall(ANSWER)


listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
got = open(sys.argv[1] + ".got", "wb")
with open(sys.argv[1] + ".port", "w") as f:
    f.write(f"{listener.getsockname()[1]}\n")
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
