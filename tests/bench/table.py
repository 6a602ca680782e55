"""Runs the bench and prints its table: usage: table.py BENCH PROGRAM HOME ROUNDS.

Every row is measured once a round, in turn, so that a neighbour's load falls on all of them alike;
the second "bare" row is the first again: what it differs by is noise. Ratios are of medians, to bare.
"""
import os
import shutil
import subprocess
import sys

bench, program, home, rounds = sys.argv[1:5]
rounds = int(rounds)
project = f"{home}/project"
TRUE = "/bin/true"
WARM = 20  # commands of a warm agent in one round
PAUSE_MS = 30  # an agent thinks between two commands, for longer than that

BWRAP = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp",
         "--bind", project, project, "--unshare-all", "--die-with-parent"]


def works(command):
    """Does it run here at all?"""
    return shutil.which(command[0]) and subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def cell_mounts():
    """How many mounts a cell has."""
    out = subprocess.run([program, "-q", "run", "--", "cat", "/proc/self/mountinfo"],
                         stdout=subprocess.PIPE, check=True).stdout
    return len(out.splitlines())


def same_mounts(count):
    """bubblewrap with as many mounts as a cell: binds of directories.

    Not in the project: agentjail would look at each of them, and watch it.
    """
    command = BWRAP[:]
    for i in range(count - 14):
        path = f"{home}/mounts/{i}"
        os.makedirs(path, exist_ok=True)
        command += ["--ro-bind", path, path]
    return command


def percentile(values, part):
    """The value below which the part lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def pin():
    """One CPU for everything, if the machine lets us; says whether."""
    try:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    except OSError:
        return "not pinned"
    return "pinned to one CPU"


def cold_rows():
    """(title, command) of the rows that are one program a measurement."""
    mounts = cell_mounts()
    rows = [
        ("bare /bin/true", [TRUE]),
        ("bare again (A/A)", [TRUE]),
        ("unshare -Urmpfn --mount-proc", ["unshare", "-Urmpfn", "--mount-proc", TRUE]),
        ("bwrap, the usual flags of agents", BWRAP + [TRUE]),
        (f"bwrap, {mounts} mounts as a cell has", same_mounts(mounts) + [TRUE]),
        ("firejail --noprofile --net=none", ["firejail", "--quiet", "--noprofile", "--net=none", TRUE]),
        ("agentjail run (cold: a new cell)", [program, "-q", "run", "--", TRUE]),
    ]
    return [(title, command if works(command) else None) for title, command in rows]


def warm_rows():
    """(title, command) of the rows that are an agent which measures its own commands."""
    spawn = [bench, "spawn", str(WARM)]
    jailed = [program, "-q", "-p", f"{home}/bench.ini", "--"]
    return [
        ("command of an agent, bare", spawn + [TRUE]),
        ("command of an agent, in its warm cell", jailed + spawn + [TRUE]),
        ("trusted command, in the agent itself", jailed + spawn + [f"{home}/agent/true"]),
        ("command of an agent, --fresh", fresh() + spawn + [TRUE]),
    ]


def fresh():
    """The agent's prefix where each command has a new cell."""
    return [program, "-q", "--fresh", "-p", f"{home}/bench.ini", "--"]


def paced_rows():
    """(title, command): as warm_rows(), with time between two commands; nobody runs them that fast."""
    paced = [bench, "paced", str(WARM), str(PAUSE_MS)]
    rows = [
        (f"{PAUSE_MS} ms apart: bare", paced + [TRUE]),
        (f"{PAUSE_MS} ms apart: warm cell", [program, "-q", "-p", f"{home}/bench.ini", "--"] + paced + [TRUE]),
        (f"{PAUSE_MS} ms apart: --fresh", fresh() + paced + [TRUE]),
    ]
    if works(BWRAP + [TRUE]):
        rows.append((f"{PAUSE_MS} ms apart: bwrap, usual flags", paced + BWRAP + [TRUE]))
    return rows


def measure(cold, warm):
    """{title: nanoseconds} of all rounds."""
    took = {title: [] for title, _ in cold + warm}
    running = [(title, command) for title, command in cold if command]
    with open(f"{home}/commands", "w", encoding="utf-8") as file:
        file.writelines(" ".join(command) + "\n" for _, command in running)
    for _ in range(rounds):
        out = subprocess.run([bench, "rounds", "1", f"{home}/commands"], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, check=True).stdout.decode()
        for line in out.splitlines():
            row, value = line.split()
            took[running[int(row)][0]].append(int(value))
        for title, command in warm:
            done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
            took[title] += [int(value) for value in done.stdout.split()]
    return took


def main():
    """Prints the table."""
    os.chdir(project)
    pinned = pin()
    cold, warm, paced = cold_rows(), warm_rows(), paced_rows()
    took = measure(cold, warm + paced)
    base = {}
    print(f"start to end of one program, ms; {rounds} rounds, {WARM} commands a round for agents; {pinned}; "
          f"Linux {os.uname().release}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    print(f"{'':38}{'n':>6}{'median':>10}{'p99':>10}{'to bare':>10}{'added':>10}")
    for group in (cold, warm, paced):
        for title, _ in group:
            values = [value / 1e6 for value in took[title] if value > 0]
            if not values or len(values) < len(took[title]):
                print(f"{title:38}{'not here' if not took[title] else 'FAILED':>16}")
                continue
            median = percentile(values, 0.5)
            first = base.setdefault(id(group), median)
            print(f"{title:38}{len(values):6}{median:10.2f}{percentile(values, 0.99):10.2f}"
                  f"{median / first:9.2f}x{median - first:+10.2f}")


main()
