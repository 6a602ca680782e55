"""What a command can leave behind, and whether another one sees it: leave|look THING."""
import ctypes
import ctypes.util
import glob
import os
import socket
import subprocess
import sys
import time

libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
KEY = 0x616a6672
CREATE = 0o1666
QUEUE = b"/agentjail-left"
HOME = os.environ["HOME"]
FILES = {"home": f"{HOME}/left", "tmp": "/tmp/left", "shm": "/dev/shm/left", "run": "/run/left",
         "layer": f"{HOME}/.layer/left"}
MARK = "31420"


def stay(keep):
    """Goes on in the background, with what it holds; the command itself ends."""
    ready, told = os.pipe()
    if os.fork() > 0:
        os.close(told)
        os.read(ready, 1)
        os._exit(0)
    os.setsid()
    null = os.open("/dev/null", os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    kept = keep()
    os.close(told)
    time.sleep(20)
    os._exit(bool(kept) and 0)


def listening(family, address):
    """A listening socket."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.bind(address)
    sock.listen()
    return sock


def connects(family, address):
    """Does somebody listen there?"""
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        return sock.connect_ex(address) == 0


def leave(thing):
    """Leaves it."""
    if thing in FILES:
        with open(FILES[thing], "w", encoding="ascii") as file:
            file.write("left")
    elif thing == "queue":
        assert libc.syscall(240, QUEUE[1:], os.O_RDWR | os.O_CREAT, 0o600, None) >= 0
    elif thing == "memory":
        assert libc.shmget(KEY, 4096, CREATE) >= 0
    elif thing == "semaphore":
        assert libc.semget(KEY, 1, CREATE) >= 0
    elif thing == "process":
        stay(lambda: subprocess.Popen(["sleep", MARK], start_new_session=True))
    elif thing == "abstract":
        stay(lambda: listening(socket.AF_UNIX, b"\0agentjail-left"))
    elif thing == "port":
        stay(lambda: listening(socket.AF_INET, ("127.0.0.1", 31420)))
    elif thing == "terminal":
        stay(os.openpty)


def processes():
    """The arguments of all processes."""
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                yield file.read().split(b"\0")
        except OSError:
            continue


def look(thing):
    """Is it there?"""
    if thing in FILES:
        return os.path.exists(FILES[thing])
    if thing == "queue":
        return libc.syscall(240, QUEUE[1:], os.O_RDWR, 0, None) >= 0
    if thing == "memory":
        return libc.shmget(KEY, 4096, 0o600) >= 0
    if thing == "semaphore":
        return libc.semget(KEY, 1, 0o600) >= 0
    if thing == "process":
        return any(args[:2] == [b"sleep", MARK.encode()] for args in processes())
    if thing == "abstract":
        return connects(socket.AF_UNIX, b"\0agentjail-left")
    if thing == "port":
        return connects(socket.AF_INET, ("127.0.0.1", 31420))
    return len(glob.glob("/dev/pts/[0-9]*")) > 0


if sys.argv[1] == "leave":
    leave(sys.argv[2])
else:
    print("seen" if look(sys.argv[2]) else "not seen", sys.argv[2])
