"""Runs the network bench and prints its table: usage: net.py BASE PROGRAM ROUNDS SECONDS

Every row is measured once a round, in turn, so that a neighbour's load falls on all of them alike.
Ratios are medians of the rounds' own ratios; the second "direct" row shows what is noise.
"""
import os
import statistics
import sys
import time

import net_lab

base, program = sys.argv[1:3]
rounds, seconds = int(sys.argv[3]), sys.argv[4]
ONLY = os.environ.get("ONLY", "").split()
ANSWERED = bool(os.environ.get("ANSWERED"))
BARE, CELL = "bare", "cell"

# group: (unit, {row: (where, host, port, proxy, who has to be there)})
TUNNELS = {
    "direct": (BARE, "free.test", 443, "-", "nginx"),
    "direct again (A/A)": (BARE, "free.test", 443, "-", "nginx"),
    "splice relay": (BARE, "free.test", 9443, "-", "relay"),
    "agentjail": (CELL, "free.test", 443, "-", "nginx"),
    "squid CONNECT": (BARE, "free.test", 443, "127.0.0.1:3128", "squid"),
}
TERMINATED = {
    "direct": (BARE, "api.test", 443, "-", "nginx"),
    "agentjail, a header injected": (CELL, "api.test", 443, "-", "nginx"),
    "squid ssl-bump, the same": (BARE, "api.test", 443, "127.0.0.1:3129", "squid"),
    "mitmproxy, the same": (BARE, "api.test", 443, "127.0.0.1:8081", "mitmdump"),
}
LATENCY = {
    "direct": (BARE, "free.test", 443, "-", "nginx"),
    "agentjail, tunnel": (CELL, "free.test", 443, "-", "nginx"),
    "agentjail, a header injected": (CELL, "api.test", 443, "-", "nginx"),
    "splice relay": (BARE, "free.test", 9443, "-", "relay"),
}
# title, load's kind, connections, rows
GROUPS = (
    ("download, MiB/s", "down", 1, TUNNELS),
    ("upload, MiB/s", "up", 1, TUNNELS),
    ("new connections with TLS and a request, 1/s", "connects", 8, TUNNELS),
    ("requests of HTTP/1.1, 16 connections, 1/s", "requests", 16, TERMINATED),
    ("requests of HTTP/2, 8 connections of 10 streams, 1/s", "h2", 8, TERMINATED),
    ("one request after the other, us", "latency", 1, LATENCY),
)
# group's kind: (row, other row, goal)
GOALS = {
    "down": [("agentjail", "splice relay", 0.9)],
    "up": [("agentjail", "splice relay", 0.9)],
    "connects": [("agentjail", "splice relay", 0.9)],
    "requests": [("agentjail, a header injected", "squid ssl-bump, the same", 1.5),
                 ("agentjail, a header injected", "mitmproxy, the same", 10)],
    "h2": [("agentjail, a header injected", "mitmproxy, the same", 10)],
}


class Cpu:
    """Seconds of CPU of some processes, and bytes, connections or requests in that time."""

    def __init__(self):
        self.spent, self.done = 0.0, 0

    @staticmethod
    def of(pids):
        """So far."""
        ticks = 0
        for pid in pids:
            fields = net_lab.say(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def each(self, scale):
        """Seconds for as many as scale says."""
        return self.spent / self.done * scale if self.done else 0


def memory(pids):
    """PSS of processes in MiB, or None: not ours to read."""
    if not ANSWERED or not pids:
        return None
    net_lab.write(f"{base}/pids.part", "".join(f"{pid}\n" for pid in pids))
    os.rename(f"{base}/pids.part", f"{base}/pids")
    for _ in range(50):
        time.sleep(0.1)
        if os.path.exists(f"{base}/pss"):
            values = [float(word) for word in net_lab.say(f"{base}/pss").split()]
            os.remove(f"{base}/pss")
            return sum(values) / 1024 if len(values) == len(pids) else None
    return None


def command(kind, row, connections):
    """What is run for one figure."""
    where, host, port, proxy, _ = row
    if kind != "h2":
        return f"./load {kind} {host} {port} {proxy} {connections} {seconds}"
    if proxy == "127.0.0.1:8081":
        port = 9081  # h2load knows no proxy: a relay asks for it
    elif proxy != "-":
        return None  # squid bumps to HTTP/1.1
    return f"h2load -D {max(1, round(float(seconds)))} -c {connections} -m 10 https://{host}:{port}/small"


def figures(kind, said):
    """Numbers of what was printed; None: it failed."""
    words = said.split()
    try:
        if kind == "h2":
            values = [float(words[words.index("req/s,") - 1])]
            return values if " 0 failed" in said and values[0] > 0 else None
        values = [float(words[0]), float(words[1])]
    except (ValueError, IndexError):
        return None
    scale = {"down": 1 / 2**20, "up": 1 / 2**20, "latency": 1e-3}.get(kind, 1)
    return [values[0] * scale, values[1] * (scale if kind == "latency" else 1)] if values[0] else None


def measure(lab, took, cpu):
    """One round."""
    roles = lab.roles()
    others = {name: [process.pid] for name, process in lab.running}
    ours = roles["@proxy"] + roles["@keeper"] + [lab.cell.process.pid]
    for _, kind, connections, rows in GROUPS:
        if ONLY and kind not in ONLY:
            continue
        for title, row in rows.items():
            line = command(kind, row, connections)
            if line is None or row[4] in lab.missing:
                continue
            pids = ours if row[0] == CELL else others.get(row[4], [])
            before = Cpu.of(pids)
            said = (lab.cell if row[0] == CELL else lab.bare).run(line)
            values = figures(kind, said)
            if values is None:
                print(f"{kind}, {title}: {said[-300:]}", file=sys.stderr)
            took.setdefault((kind, title), []).append(values)
            if values and len(values) > 1 and kind != "latency":
                spent = cpu.setdefault((kind, title), Cpu())
                spent.spent += Cpu.of(pids) - before
                spent.done += values[1]


def good(took, kind, title):
    """The rounds' figures, None where one failed."""
    return took.get((kind, title)) or []


def ratio(took, kind, title, other):
    """The median of the rounds' ratios, or None."""
    pairs = [(a[0], b[0]) for a, b in zip(good(took, kind, title), good(took, kind, other)) if a and b]
    return statistics.median(a / b for a, b in pairs) if pairs else None


def verdict(what, value, goal, is_least, form="{:.2f}x"):
    """A line about a goal."""
    if value is None:
        print(f"  {what:58}{'not measured':>14}")
        return
    met = value >= goal if is_least else value <= goal
    print(f"  {what:58}{form.format(value):>14}   goal {'>=' if is_least else '<='} {form.format(goal)}"
          f"   {'met' if met else 'MISSED'}")


def print_rates(lab, took):
    """Everything but latency."""
    for heading, kind, _, rows in GROUPS:
        if kind == "latency" or (ONLY and kind not in ONLY):
            continue
        print(f"\n{heading}")
        for title, row in rows.items():
            values = [v[0] for v in good(took, kind, title) if v]
            if not values:
                why = lab.missing.get(row[4]) or ("not measured" if not good(took, kind, title) else "FAILED")
                print(f"  {title:40}{why:>14}")
                continue
            against = ratio(took, kind, title, "direct")
            print(f"  {title:40}{statistics.median(values):14.1f}{against:9.2f}x of direct")
        for title, other, goal in GOALS[kind]:
            verdict(f"{title} to {other}", ratio(took, kind, title, other), goal, True)


def print_latency(took):
    """Medians of the rounds' percentiles and what is added to direct."""
    print("\none request after the other, microseconds" + f"{'p50':>18}{'p99':>10}{'added p50':>12}{'added p99':>12}")
    direct = good(took, "latency", "direct")
    added = {}
    for title in LATENCY:
        pairs = [(a, b) for a, b in zip(good(took, "latency", title), direct) if a and b]
        if not pairs:
            print(f"  {title:40}{'FAILED':>14}")
            continue
        p50, p99 = (statistics.median(a[i] for a, _ in pairs) for i in (0, 1))
        added[title] = [statistics.median(a[i] - b[i] for a, b in pairs) for i in (0, 1)]
        print(f"  {title:40}{p50:18.1f}{p99:10.1f}{added[title][0]:12.1f}{added[title][1]:12.1f}")
    for title, part, goal in (("agentjail, tunnel", 0, 50), ("agentjail, a header injected", 0, 150),
                              ("agentjail, a header injected", 1, 1000)):
        verdict(f"{title}: added p{(50, 99)[part]}", added[title][part] if title in added else None, goal, False,
                "{:.0f} us")


def print_cpu(cpu):
    """What the processes between client and origin used; it counts whoever else is running."""
    print("\nCPU of all processes between client and origin (agentjail: with the one that keeps the audit)")
    for kind, scale, unit in (("down", 2**30, "ms a GiB"), ("up", 2**30, "ms a GiB"),
                              ("connects", 1, "ms each"), ("requests", 1, "ms each")):
        rows = {title: spent.each(scale) * 1000 for (of, title), spent in cpu.items()
                if of == kind and not title.startswith("direct")}
        for title, value in rows.items():
            print(f"  {kind:10}{title:40}{value:14.3f} {unit}")
        for title, other in ((title, other) for title in rows for other in rows
                             if title.startswith("agentjail") and title != other and rows[other]):
            goal = 1.2 if kind in ("down", "up") and other == "splice relay" else None
            if goal:
                verdict(f"{kind}: {title} to {other}", rows[title] / rows[other], goal, False)
            else:
                print(f"  {kind + ': ' + title + ' to ' + other:58}{rows[title] / rows[other]:13.2f}x")


def main():
    """Prints the table."""
    lab = net_lab.Lab(base, program)
    took, cpu = {}, {}
    for host in net_lab.HOSTS.split():
        lab.cell.run(f"./load requests {host} 443 - 1 0.1")
    roles = lab.roles()
    idle = memory(roles["@proxy"] + roles["@keeper"])
    for _ in range(rounds):
        measure(lab, took, cpu)
    loaded = memory(roles["@proxy"] + roles["@keeper"])
    print(f"network: medians of {rounds} rounds of {seconds} s a row; Linux {os.uname().release}, "
          f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; user {os.getuid()}")
    print_rates(lab, took)
    if not ONLY or "latency" in ONLY:
        print_latency(took)
    print_cpu(cpu)
    print(f"\nmemory (PSS) of {len(roles['@proxy'])} proxy, keepers and their mother: {len(roles['@keeper'])}, MiB")
    verdict("after one request to each host", idle, 6, False, "{:.1f}")
    print(f"  {'after the load, connections to the host kept for two minutes':58}"
          + (f"{loaded:14.1f}" if loaded else f"{'not measured':>14}"))
    lab.close()


main()
