# SPDX-License-Identifier: MIT
"""Run one of the programs of this directory: program.py NAME [SCALE], or program.py --list."""
import importlib
import sys

import report

MODULES = {
    "heaps": ("gc_fragmented", "gc_scattered", "gc_dense", "gc_garbage", "drop_large", "drop_strings",
              "drop_scattered", "idle_threads"),
    "threads": ("short_threads", "producer_consumer", "many_to_one", "pool_of_workers", "both_allocate"),
    "single": ("json_both_ways", "regular_expressions", "objects", "one_at_a_time", "floats_and_ints",
               "big_integers", "strings", "long_strings", "lists", "dicts", "async_tasks", "copies",
               "bytearrays", "generators", "binary_trees"),
}


def find(name):
    """The function; only its module is imported, to keep the process small."""
    for module, names in MODULES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    return None


def main(words):
    if words == ["--list"]:
        for name in [n for names in MODULES.values() for n in names]:
            print(f"{name:20} {find(name).__doc__}")
        return 0
    function = find(words[0]) if words else None
    if not function:
        print("usage: program.py NAME [SCALE] | --list", file=sys.stderr)
        return 2
    function(float(words[1]) if len(words) > 1 else 1.0)
    report.metric("peak", report.status("VmHWM"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
