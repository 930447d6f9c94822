# SPDX-License-Identifier: MIT
"""The rows of the statistics sum to what the kernel says is resident, within 2 %; prints both in MiB.

That sum alone would be right whatever the rows say, because `other` is the rest of the anonymous memory.  So this
counts the pages of the process as well, one by one: those in arenas, those of no file outside of them (CPython's heaps,
libc's, stacks, and a mapping of this program), and those of files.
"""
import array
import ctypes
import json
import os
import re
import sys

OURS = "live cached remote waiting retired pinned retained metadata".split()
PAGE = os.sysconf("SC_PAGE_SIZE")
ARENA, SLICE, TAGS = 32 << 20, 64 << 10, 4
SLACK = 1 << 20  # the kernel adds its counts up in steps, for each processor
PRESENT, OF_FILE = 1 << 63, 1 << 61  # in /proc/self/pagemap


def status(name):
    with open("/proc/self/status") as f:
        return int(re.search(rf"^{name}:\s+(\d+) kB", f.read(), re.M).group(1)) * 1024


def mappings():
    """Parts of mappings, so that the numbers for one take little memory themselves."""
    with open("/proc/self/maps") as f:
        lines = f.read().splitlines()
    for line in lines:
        first, last = (int(n, 16) for n in line.split()[0].split("-"))
        if first < 1 << 47:
            for part in range(first, last, ARENA):
                yield part, min(part + ARENA, last)


def has_pool(window, tag_of):
    return any(tag_of(address) < TAGS for address in range(window, window + ARENA, SLICE))


def pages():
    """Bytes that are resident: in arenas in which there is a pool, elsewhere of no file, and of files."""
    tag_of = ctypes.PyDLL(None).arn_tag_of
    tag_of.argtypes = [ctypes.c_void_p]
    windows, sums = {}, {"arenas": 0, "outside": 0, "files": 0}
    with open("/proc/self/pagemap", "rb", buffering=0) as f:
        for first, last in mappings():
            f.seek(first // PAGE * 8)
            for i, entry in enumerate(array.array("Q", f.read((last - first) // PAGE * 8))):
                if not entry & PRESENT:
                    continue
                window = (first + i * PAGE) // ARENA * ARENA
                if entry & OF_FILE:
                    sums["files"] += PAGE
                    continue
                if window not in windows:
                    windows[window] = has_pool(window, tag_of)
                sums["arenas" if windows[window] else "outside"] += PAGE
    return sums


def wrong_rows(resident):
    """In which parts rows and pages differ.  Arenite's records lie partly in arenas and partly outside."""
    ours, records = (sum(resident[f"{row}_bytes"] for row in rows) for rows in (OURS, ["metadata"]))
    other, files = resident["other_bytes"], resident["files_bytes"]
    sums = pages()
    wanted = {"arenas": (ours - records, ours), "outside": (other, other + records), "files": (files, files)}
    return [
        f"{name}: {sums[name] / 2**20:.2f} MiB, by the rows {least / 2**20:.2f} to {most / 2**20:.2f}"
        for name, (least, most) in wanted.items()
        if not least * 0.98 - SLACK <= sums[name] <= most * 1.02 + SLACK
    ]


def main():
    kept = [{"number": i, "text": str(i)} for i in range(100_000)]
    blocks = [bytes(100_000) for i in range(100)]
    foreign = ctypes.CDLL(None).mmap
    foreign.restype = ctypes.c_void_p
    foreign.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    ctypes.memset(foreign(None, 20 << 20, 3, 0x22, -1, 0), 1, 20 << 20)  # memory of somebody else
    del kept[::3]
    fd = os.memfd_create("statistics")
    ctypes.PyDLL(None).arn_stats_json(fd)
    rss, anonymous = status("VmRSS"), status("RssAnon")
    resident = json.loads(os.pread(fd, 1 << 16, 0))["resident"]
    rows = sum(resident[row + "_bytes"] for row in OURS + ["other", "files"])
    at_least = sum(len(block) for block in blocks) // 2
    good = abs(rows - rss) <= rss * 0.02 and at_least < resident["total_bytes"] <= anonymous * 1.02
    wrong = wrong_rows(resident)
    text = f"rows {rows / 2**20:.2f} MiB, VmRSS {rss / 2**20:.2f} MiB"
    return good and not wrong, "; ".join([text, *wrong])


if __name__ == "__main__":
    good, text = main()
    print(text)
    sys.exit(not good)
