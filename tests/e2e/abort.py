"""Presses ^C on a program: usage: abort.py SECONDS FILE -- COMMAND...

Starts the command as the leader of a session of its own, waits until FILE is there, sends SIGINT to
the command's process group, as a terminal does, and twice more if it goes on. Exits with its status,
124 when SECONDS were over.
"""
import os
import signal
import subprocess
import sys
import time

split = sys.argv.index("--")
seconds, file = float(sys.argv[1]), sys.argv[2]
end = time.time() + seconds
with subprocess.Popen(sys.argv[split + 1:], start_new_session=True) as command:
    while not os.path.exists(file) and time.time() < end and command.poll() is None:
        time.sleep(0.1)
    for _ in range(3):
        time.sleep(1)
        if command.poll() is None:
            os.killpg(command.pid, signal.SIGINT)
        try:
            command.wait(timeout=5)
        except subprocess.TimeoutExpired:
            continue
        break
    try:
        status = command.wait(timeout=max(1.0, end - time.time()))
    except subprocess.TimeoutExpired:
        os.killpg(command.pid, signal.SIGKILL)
        status = 124
sys.exit(status if status >= 0 else 128 - status)
