#!/usr/bin/env python3
"""Which processes of a session have a text in their environment, arguments or memory?

usage: scan.py PID TEXT     PID and everything below it; one line "PID NAME WHERE" each
Memory is only read by root. What cannot be read is left out, but PID itself has to be readable.
"""
import os
import sys


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:
        return None


def family(root):
    parents = {}
    for name in os.listdir("/proc"):
        stat = read(f"/proc/{name}/stat") if name.isdigit() else None
        if stat:
            parents[int(name)] = int(stat.rsplit(b")", 1)[1].split()[1])
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def memory_has(pid, text):
    maps = read(f"/proc/{pid}/maps") or b""
    try:
        mem = open(f"/proc/{pid}/mem", "rb", 0)
    except OSError:
        return False
    with mem:
        for line in maps.splitlines():
            area, flags = line.split()[:2]
            start, end = (int(x, 16) for x in area.split(b"-"))
            if not flags.startswith(b"r") or end - start > 1 << 28:
                continue
            try:
                mem.seek(start)
                if text in mem.read(end - start):
                    return True
            except (OSError, ValueError, OverflowError):
                continue
    return False


def main():
    root, text = int(sys.argv[1]), sys.argv[2].encode()
    if read(f"/proc/{root}/environ") is None:
        sys.exit(f"no process {root} that we may read")
    for pid in family(root):
        name = (read(f"/proc/{pid}/comm") or b"?").decode().strip()
        for where in "environ", "cmdline":
            if text in (read(f"/proc/{pid}/{where}") or b""):
                print(pid, name, where)
        if os.getuid() == 0 and memory_has(pid, text):
            print(pid, name, "memory")


main()
