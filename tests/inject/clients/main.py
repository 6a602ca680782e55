"""The driver. main.py BASE PROGRAM BIN [PART...]: PROGRAM may be empty (controls only)."""
import sys
import time

import canary
import lab as base
import part_clients
import part_presets
import part_protocols


def main():
    folder, program, bin_dir = sys.argv[1:4]
    wanted = set(sys.argv[4:])
    is_whole = not wanted
    # What root's sessions do otherwise than a user's; the programs are the same.
    if is_whole and base.is_root() and not base.IS_FULL:
        wanted = set("issuer git github git-presets aws small streams grpc keys sources kills canary".split())
    of_all = part_clients, part_presets, part_protocols
    others = part_protocols.OTHER_CA_NAMES
    names = {n: "127.0.0.1" for names in [*(p.NAMES for p in of_all), others] for n in names}
    # Servers with an address of their own.
    names.update({n: "127.0.0.2" for n in part_protocols.GRPC_NAMES})
    names.update({n: "127.0.0.3" for n in part_protocols.MTLS_NAMES})
    lab = base.Lab(folder, program, names, [n for p in of_all for n in p.H2_NAMES], others)
    for part in (part_clients.Clients, part_presets.Presets, part_protocols.Protocols):
        begin = time.monotonic()
        part(lab, bin_dir).play(wanted)
        base.figure(f"{part.__name__}: {time.monotonic() - begin:.1f} s")
    lab.clear()
    if program and is_whole:
        canary.play_rest(lab)


if __name__ == "__main__":
    main()
