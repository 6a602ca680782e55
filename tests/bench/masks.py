"""What live masks cost and how long their window is: usage: masks.py BENCH PROGRAM HOME ROUNDS.

The window is seen by a command that already runs and reads one name as fast as it can, while the host
makes, replaces and deletes it. Trees are timed from a command line to its end.
"""
import os
import shutil
import subprocess
import sys
import time

bench, program, home, rounds = sys.argv[1:5]
rounds = int(rounds)
project = f"{home}/project"
SETTLE = 0.004  # seconds from one act of the host to its next


def percentile(values, part):
    """The value below which the part lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def acts(path):
    """The host's acts: (name, function) in turn, each leaves what the next one needs."""
    def write(name):
        with open(name, "w", encoding="utf-8") as file:
            file.write("PASSWORD=x")

    def replace():
        write(path + "-new")
        os.rename(path + "-new", path)

    return [("created by the host", lambda: write(path)), ("replaced by rename", replace),
            ("deleted by the host", lambda: os.unlink(path)), ("renamed in", replace),
            ("deleted by the host", lambda: os.unlink(path))]


def windows():
    """Prints the time in which a spinning command could read a name, for each act of the host."""
    path = f"{project}/.env"
    taken = []
    with subprocess.Popen([program, "-q", "run", "--", "./bench", "window", ".env"], cwd=project,
                          stdout=subprocess.PIPE) as spinner:
        time.sleep(1)
        for _ in range(rounds):
            for name, act in acts(path):
                taken.append((time.monotonic_ns(), name))
                act()
                time.sleep(SETTLE)
        open(path + "-end", "w", encoding="utf-8").close()
        out = spinner.communicate(timeout=60)[0].decode()
    os.unlink(path + "-end")
    seen = {name: [] for _, name in taken}
    starts = [start for start, _ in taken]
    for line in out.splitlines():
        first, last = (int(word) for word in line.split())
        index = max(i for i, start in enumerate(starts) if start <= first)
        seen[taken[index][1]].append((last - first) / 1000)
    print("\na masked name, read by a spinning command that already ran, us")
    print(f"{'':38}{'seen':>12}{'median':>10}{'p99':>10}{'max':>10}")
    for name, values in seen.items():
        total = sum(1 for _, other in taken if other == name)
        line = f"{name:38}{f'{len(values)}/{total}':>12}"
        print(line + "".join(f"{percentile(values, part):10.0f}" for part in (0.5, 0.99, 1)
                             if values))


def make_tree(path, count):
    """So many directories, ten in each, with a file in each."""
    os.makedirs(path)
    names = [path]
    made = 1
    for parent in names:
        for i in range(10):
            if made >= count:
                return
            name = f"{parent}/{i}"
            os.mkdir(name)
            open(f"{name}/file", "w", encoding="utf-8").close()
            names.append(name)
            made += 1


def trees():
    """Prints how long the first command of a session and a later one take."""
    print("\ncommands in large trees, ms (medians; first: from agentjail's start to its end)")
    print(f"{'':38}{'first':>12}{'later':>10}")
    for count in (1000, 10000, 100000):
        path = f"{home}/tree-{count}"
        make_tree(path, count)
        first, later = [], []
        for _ in range(5):
            start = time.monotonic()
            subprocess.run([program, "-q", "run", "--", "/bin/true"], cwd=path, check=True)
            first.append((time.monotonic() - start) * 1000)
        out = subprocess.run([program, "-q", "-p", f"{home}/bench.ini", "--", bench, "spawn", "20",
                              "/bin/true"], cwd=path, stdout=subprocess.PIPE, check=True).stdout
        later = [int(line) / 1e6 for line in out.split()]
        print(f"{f'{count} directories':38}{percentile(first, 0.5):12.1f}{percentile(later, 0.5):10.2f}")
        subprocess.run(["rm", "-rf", path], check=True)


def calls(act, what, count):
    """Prints what one call takes that the helper has to look at."""
    took = [[], []]
    for _ in range(5):
        for values, prefix in zip(took, ([], [program, "-q", "run", "--"])):
            out = subprocess.run(prefix + ["./bench", act, str(count)], cwd=project,
                                 stdout=subprocess.PIPE, check=True).stdout
            values.append(int(out) / 1000)
    print(f"{what}, us: {percentile(took[0], 0.5):.1f} bare, {percentile(took[1], 0.5):.1f} in a cell")


shutil.copy(bench, f"{project}/bench")  # HOME is closed to commands
windows()
trees()
print()
calls("unlink", "one deleted file", 2000)
calls("rename", "one renamed file, of 20,000", 20000)
