# SPDX-License-Identifier: MIT
"""The rows of the statistics sum to what the kernel says is resident, within 2 %; prints both in MiB.

What Arenite counts as its own is compared with what it has mapped: it must not be more.
"""
import ctypes
import json
import os
import re
import sys

ROWS = "live cached remote waiting retired pinned retained metadata other files".split()


def status(name):
    with open("/proc/self/status") as f:
        return int(re.search(rf"^{name}:\s+(\d+) kB", f.read(), re.M).group(1)) * 1024


def main():
    kept = [{"number": i, "text": str(i)} for i in range(100_000)]
    blocks = [bytes(100_000) for i in range(100)]
    del kept[::3]
    fd = os.memfd_create("statistics")
    ctypes.PyDLL(None).arn_stats_json(fd)
    rss, anonymous = status("VmRSS"), status("RssAnon")
    resident = json.loads(os.pread(fd, 1 << 16, 0))["resident"]
    rows = sum(resident[row + "_bytes"] for row in ROWS)
    at_least = sum(len(block) for block in blocks) // 2
    good = abs(rows - rss) <= rss * 0.02 and at_least < resident["total_bytes"] <= anonymous * 1.02
    return good, f"rows {rows / 2**20:.2f} MiB, VmRSS {rss / 2**20:.2f} MiB"


if __name__ == "__main__":
    good, text = main()
    print(text)
    sys.exit(not good)
