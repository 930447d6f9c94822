# SPDX-License-Identifier: MIT
"""What share of a program's time goes to the allocator's walk over the heap, by sampling with perf.

    walk_share.py PYTHON                          gc_fragmented, the usual names of both allocators
    walk_share.py PYTHON --program gc_dense heap_visit visit_pool

A PATTERN is a regular expression that a whole function name must match.  Counted is the time in the
functions themselves, not in the collector's visitors that they call.  By hand it is

    perf record -e cpu-clock -F 1999 PYTHON t/bench/python/program.py gc_fragmented
    perf report --no-children -F overhead,symbol
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "program.py")
# mimalloc's, then Arenite's
USUAL = (r"_?mi_heap_(area_)?visit_\w+", r"_?mi_heap_visit\w*", r"_mi_abandoned_pool_visit\w*",
         r"_mi_heap_delayed_free\w*", r"_mi_page_free_collect", r"mi_get_fast_divisor",
         r"(arn_)?(heap|family|pool|large|cache)_visit\w*", r"visit_(pool|heap|block|batch)\w*",
         r"live_bits|collect_word|gather_in")
LINE = re.compile(r"\s*([\d.]+)%\s*\|\s*\[[.k]\]\s*(\S+)")


def sample(python, program, data):
    """perf's table: [(percent, function)]."""
    record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "1999", "-o", data]
    report = ["perf", "report", "-i", data, "--stdio", "--no-children", "-F", "overhead,symbol", "-t", "|"]
    subprocess.run([*record, python, "-B", PROGRAM, program], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run(report, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return [(float(m[1]), m[2]) for m in map(LINE.match, done.stdout.splitlines()) if m]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("python", metavar="PYTHON")
    p.add_argument("patterns", metavar="PATTERN", nargs="*")
    p.add_argument("--program", default="gc_fragmented")
    p.add_argument("--at-most", type=float, metavar="PERCENT", help="fail when the share is larger")
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as where:
        rows = sample(args.python, args.program, os.path.join(where, "perf.data"))
    # gcc marks its clones: name.part.0, name.constprop.0
    wanted = re.compile(rf"(?:{'|'.join(args.patterns or USUAL)})(?:\.\w+)*")
    found = [(percent, name) for percent, name in rows if wanted.fullmatch(name)]
    for percent, name in found:
        print(f"{percent:6.2f} %  {name}")
    share = sum(percent for percent, _ in found)
    print(f"{share:6.2f} %  of {args.program} in the heap walk")
    if not found:
        print("no function matched: are the symbols stripped, or the names others?", file=sys.stderr)
        return 2
    return args.at_most is not None and share > args.at_most


if __name__ == "__main__":
    sys.exit(main())
