"""Drives a program on a terminal: usage: type.py SECONDS UNTIL TEXT [UNTIL TEXT]... -- COMMAND...

Waits until the screen has shown UNTIL (a regular expression over the text without escape
sequences), types TEXT (with \\r, \\x03 and the like), and so on; then waits for the command's end.
SECONDS bound the whole. Prints what the screen showed; exits with the command's status, 124 when
the time was over.
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

ESCAPES = re.compile(rb"\x1b(\[[0-9;?<>=]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[()][0-9A-B]|[=>78cDEHM])")
ANSWERS = {b"\x1b[6n": b"\x1b[1;1R", b"\x1b[c": b"\x1b[?62;c"}


class Screen:
    """The terminal's other end: keeps what was shown since the last typing."""

    def __init__(self, fd, end):
        self.fd, self.end, self.shown, self.all = fd, end, b"", b""

    def pump(self):
        """Reads once; False at the end of the program or of the time."""
        if time.time() > self.end:
            return False
        if not select.select([self.fd], [], [], 0.2)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        for question, answer in ANSWERS.items():
            if question in data:
                os.write(self.fd, answer)
        self.shown += data
        self.all += data
        return bool(data)

    def wait(self, until):
        """True when the text was shown (blanks may be cursor movements: they are ignored)."""
        pattern = re.compile(until.encode())
        while not pattern.search(re.sub(rb"\s", b"", ESCAPES.sub(b"", self.shown))):
            if not self.pump():
                return False
        return True

    def type(self, text):
        """Key by key, as a person would, once the program is at rest."""
        time.sleep(0.5)
        self.shown = b""
        for byte in text.encode().decode("unicode_escape").encode("latin1"):
            os.write(self.fd, bytes([byte]))
            time.sleep(0.02)


def main():
    split = sys.argv.index("--")
    steps, command = sys.argv[2:split], sys.argv[split + 1:]
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        os.execvp(command[0], command)
    screen = Screen(fd, time.time() + float(sys.argv[1]))
    for until, text in zip(steps[::2], steps[1::2]):
        if not screen.wait(until):
            print(f"never shown: {until}", file=sys.stderr)
            break
        try:
            screen.type(text)
        except OSError:
            break
    while screen.pump():
        pass
    late = time.time() > screen.end
    if late:
        os.kill(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    sys.stdout.buffer.write(ESCAPES.sub(b"", screen.all))
    sys.exit(124 if late else status if status >= 0 else 128 - status)


main()
