"""The driver. main.py BASE PROGRAM BIN [PART...]: PROGRAM may be empty (controls only)."""
import sys
import time

import lab as base
import part_clients
import part_presets


def main():
    folder, program, bin_dir = sys.argv[1:4]
    wanted = set(sys.argv[4:])
    names = {n: "127.0.0.1" for n in [*part_clients.NAMES, *part_presets.NAMES]}
    lab = base.Lab(folder, program, names, part_clients.H2_NAMES + part_presets.H2_NAMES)
    for part in (part_clients.Clients, part_presets.Presets):
        begin = time.monotonic()
        part(lab, bin_dir).play(wanted)
        base.figure(f"{part.__name__}: {time.monotonic() - begin:.1f} s")


if __name__ == "__main__":
    main()
