"""What developers wait for, inside and outside: usage: work.py BENCH PROGRAM HOME ROUNDS.

Each round runs a row twice bare and once in a cell, in turn; inside, the stop watch runs in the cell,
so that its making (see table.py) does not count. The second bare row is the first again: what it differs
by is noise. Added is the median of the differences to the bare run of the same round.
"""
import json
import os
import shutil
import statistics
import subprocess
import sys

bench, program, home, rounds = sys.argv[1:5]
rounds = int(rounds)
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": True}


def write(path, text):
    """A file, and the directories it is in."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def large_repository(top):
    """20,000 files in 400 directories, one of variables among them that git has, one that it has not."""
    for directory in range(400):
        for number in range(50):
            write(f"{top}/dir{directory // 20}/sub{directory}/file{number}.c",
                  f"int f{directory}_{number};\n")
    write(f"{top}/dir1/.env.test", "A=1\n")
    git = ["git", "-C", top, "-c", "user.email=a@example.org", "-c", "user.name=n", "-c", "gc.auto=0"]
    subprocess.run(git + ["init", "-q"], **QUIET)
    subprocess.run(git + ["add", "."], **QUIET)
    subprocess.run(git + ["commit", "-qm", "all"], **QUIET)
    write(f"{top}/dir1/.env", "S=1\n")
    return ["git", "status", "--short"]


def build(top):
    """40 files in C that include much."""
    for number in range(40):
        write(f"{top}/f{number}.c", "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
              f"int f{number}(void) {{ return printf(\"%d\\n\", {number}); }}\n")
    write(f"{top}/Makefile", "all: $(patsubst %.c,%.o,$(wildcard *.c))\nclean:\n\trm -f *.o\n")
    return ["sh", "-c", "make -s clean && make -s -j2 CC=gcc"]


def packages(top):
    """30 packages of 40 files each, from tarballs."""
    wanted = {}
    for number in range(30):
        name = f"package{number}"
        write(f"{top}/packages/{name}/package/package.json",
              json.dumps({"name": name, "version": "1.0.0", "main": "file0.js"}))
        for file in range(40):
            write(f"{top}/packages/{name}/package/lib/file{file}.js", f"module.exports = {file}\n" * 20)
        subprocess.run(["tar", "-C", f"{top}/packages/{name}", "-czf", f"{top}/packages/{name}.tgz",
                        "package"], **QUIET)
        shutil.rmtree(f"{top}/packages/{name}")
        wanted[name] = f"file:packages/{name}.tgz"
    write(f"{top}/package.json", json.dumps({"name": "app", "version": "1.0.0", "dependencies": wanted}))
    flags = ["--offline", "--silent", "--no-audit", "--no-fund", "--no-update-notifier"]
    subprocess.run(["npm", "install"] + flags, cwd=top, **QUIET)
    return ["npm", "ci"] + flags


def renames(top):
    """One file, 20,000 times."""
    os.makedirs(top)
    return None


ROWS = [("git status, 20,000 files", large_repository, "git"), ("make -j2, 40 files in C", build, "make"),
        ("npm ci, 30 packages of 40 files", packages, "npm"), ("20,000 renames", renames, "true")]


def once(prefix, command, top):
    """Milliseconds of one run; None: it failed."""
    watch = ["./bench", "rename", "20000"] if command is None else ["./bench", "spawn", "1"] + command
    out = subprocess.run(prefix + watch, cwd=top, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         check=False).stdout
    value = int(out or -1)
    if value < 0:
        return None
    return value * 20000 / 1e6 if command is None else value / 1e6


def row(title, make, need):
    """Prints one row."""
    if not shutil.which(need):
        print(f"{title:38}{'not here':>12}")
        return
    top = f"{home}/work"
    command = make(top)
    shutil.copy(bench, f"{top}/bench")
    jail = [program, "-q", "run", "--"]
    bare, again, cell = [], [], []
    for number in range(rounds + 1):
        values = [once(prefix, command, top) for prefix in ([], jail, [])]
        if None in values:
            print(f"{title:38}{'FAILED':>12}")
            break
        if number > 0:  # the first one warms the caches
            bare.append(values[0])
            cell.append(values[1])
            again.append(values[2])
    else:
        first = statistics.median(bare)
        added = statistics.median(inside - (a + b) / 2 for inside, a, b in zip(cell, bare, again))
        print(f"{title:38}{len(bare):6}{first:10.1f}{statistics.median(again):10.1f}"
              f"{statistics.median(cell):10.1f}{100 * added / first:+9.1f}%")
    shutil.rmtree(top)


print(f"\nwork inside and outside, ms (medians; load {os.getloadavg()[0]:.1f})")
print(f"{'':38}{'n':>6}{'bare':>10}{'again':>10}{'in a cell':>10}{'added':>10}")
for words in ROWS:
    row(*words)
