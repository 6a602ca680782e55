"""Part 4: where a secret may not lie: what came out, files of the session, the command lines, environments
and memory of its processes; in none of the forms that lab.encodings() lists."""
import os
import re

import lab as base
from lab import figure, tap


def regions(pid):
    """Readable memory, piece by piece; what cannot be read is left out."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
            if not found or "[v" in line:
                continue
            at, end = int(found[1], 16), int(found[2], 16)
            while at < end:
                try:
                    mem.seek(at)
                    piece = mem.read(min(end - at, 8 << 20))
                except (OSError, ValueError, OverflowError):
                    break
                if not piece:
                    break
                yield piece
                at += len(piece)


def scan(pid, needles):
    """(bytes read, needles that are in there); OSError: it may not be read at all."""
    n, found = 0, set()
    for piece in regions(pid):
        n += len(piece)
        found |= {x for x in needles if x in piece}
    return n, found


def scan_processes(processes, values):
    """All of a session: none but keepers has any form; no keeper has the values of two sources."""
    keepers, forms = set(processes.keepers()), list(base.encodings())
    bad, read, closed, names = [], 0, 0, []
    for pid, (_, words) in processes.below().items():
        name = words[1].decode(errors="replace") if words[1:2] and words[1].startswith(b"@") else words[0].decode()
        is_keeper = pid in keepers
        try:
            for file in ("cmdline", "environ"):
                with open(f"/proc/{pid}/{file}", "rb") as f:
                    if base.finds(f.read()):
                        bad.append(f"{file} of {pid} {name}")
            n, found = scan(pid, [v.encode() for v in values] if is_keeper else forms)
        except OSError:
            closed += 1
            continue
        read += n
        names.append(f"{name}{' (keeper)' if is_keeper else ''}")
        if len(found) > (1 if is_keeper else 0):
            bad.append(f"memory of {pid} {name}: {found}")
    return bad, read, closed, names


def play_memory(processes, values, is_root):
    own, found = scan(os.getpid(), list(base.encodings())[:1])
    tap(found, "memory: control: a process that has a secret is found out", own)
    bad, read, closed, names = scan_processes(processes, values)
    figure(f"memory: {read >> 20} MiB read of {sorted(set(names))}, {closed} processes cannot be read")
    # Of an ordinary user's processes not even the user may read those that are not dumpable.
    enough = len(names) >= 5 and closed == 0 if is_root else len(names) + closed >= 5
    tap(enough and not bad, "memory, command line and environment of the session's processes: no secret", f"{bad} {names} {closed}")


def walk(*folders):
    for folder in folders:
        for at, _, files in os.walk(folder):
            for name in files:
                path = os.path.join(at, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    yield path


def play_rest(lab):
    bad = [words for words, out in lab.outputs if base.finds(out)]
    tap(not bad, f"output of {len(lab.outputs)} commands in cells: no secret", bad)
    leak = lab.leaks_ever
    tap(leak is None, f"{lab.heard} requests at servers: a secret only where its rule says", leak)
    bad, n, audits = [], 0, 0
    for path in walk(lab.home, f"{lab.base}/run", "/run/agentjail", f"/tmp/agentjail-{os.getuid()}"):
        try:
            with open(path, "rb") as f:
                data = f.read()
        except OSError:
            continue
        n += 1
        audits += b'"api.github.com"' in data or b'"limit.test"' in data
        if base.finds(data):
            bad.append(path)
    tap(not bad, f"{n} files of home, project, state and run directory: no secret", bad)
    tap(audits > 0, "the audit is among them", n)
