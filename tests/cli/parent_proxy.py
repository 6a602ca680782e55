"""A parent proxy for tests: parent_proxy.py FILE. Writes its port to FILE.port and every request to
FILE.log. CONNECT leads to a web server that answers "reached"; a name with "forbidden" gets 403, one
with "slow" an answer byte by byte, one with "long" an endless head, one with "rude" nothing."""
import socket
import sys
import threading
import time

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\nreached\n"


def serve(client, log):
    head = b""
    while b"\r\n\r\n" not in head:
        more = client.recv(4096)
        if not more:
            return
        head += more
    log.write(head.decode("latin-1").replace("\r\n", "|") + "\n")
    log.flush()
    if b"forbidden" in head:
        client.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
    elif b"long" in head:
        client.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 2000)
    elif b"rude" not in head:
        for byte in b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n":
            client.sendall(bytes([byte]))
            time.sleep(0.002 if b"slow" in head else 0)
        request = b""
        while b"\r\n\r\n" not in request:
            request += client.recv(4096)
        client.sendall(ANSWER)
    client.close()


listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
with open(sys.argv[1] + ".log", "w") as log:
    with open(sys.argv[1] + ".port", "w") as f:
        f.write(f"{listener.getsockname()[1]}\n")
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0], log), daemon=True).start()
