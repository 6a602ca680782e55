"""An agent in Python: usage: storm.py PROGRAM COUNT cell|here. subprocess: vfork, or fork with a hook."""
import concurrent.futures
import os
import subprocess
import sys

program, count, place = sys.argv[1:4]
own = os.readlink("/proc/self/ns/mnt")


def one(number):
    """Returns (wrong, escaped) of one command."""
    done = subprocess.run(
        [program, f"job-{number}", ""],
        env={**os.environ, "STORM": f"env-{number}"},
        stdout=subprocess.PIPE,
        start_new_session=number % 3 == 0,
        preexec_fn=(lambda: None) if number % 5 == 0 else None,
        check=False,
    )
    words = done.stdout.decode(errors="replace").split()
    if done.returncode or words[:2] != [f"job-{number}", f"env-{number}"]:
        print(f"job {number}: {done}", file=sys.stderr)
        return 1, 0
    return 0, int((words[2] == own) == (place == "cell"))


with concurrent.futures.ThreadPoolExecutor(16) as pool:
    results = list(pool.map(one, range(int(count))))
wrong, escaped = (sum(column) for column in zip(*results))
print(f"{count} commands: {wrong} wrong, {escaped} in the wrong place")
sys.exit(bool(wrong or escaped))
