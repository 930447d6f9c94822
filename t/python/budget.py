# SPDX-License-Identifier: MIT
#
# What t/python/budget.sh runs in a group that may have 256 MiB.
"""Two programs: `grow` is 8 threads that make live data, `garbage` makes cycles beside live data."""
import gc
import sys
import threading

MIB = 1 << 20
collections = 0


def count(phase, info):
    global collections
    collections += phase == "stop"


class Row:
    def __init__(self, number):
        self.name = "row %d" % number
        self.following = [number]
        self.data = bytes(200)


# A thread that gets no memory while it starts leaves Thread.start() waiting, so all start before they grow.
started = threading.Barrier(8)


def fill(errors, which):
    rows = []
    started.wait()
    try:
        while True:
            rows.append(Row(len(rows)))
            if len(rows) % 100 == 0:
                rows.append(bytearray(20_000))
    except MemoryError:
        errors[which] += 1
    rows.clear()


def request():
    return sum(len(Row(i).name) for i in range(200)) + len(bytearray(100_000))


def grow():
    errors = [0] * 8
    threads = [threading.Thread(target=fill, args=(errors, i)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(0.05)
    gc.collect()
    served = sum(request() > 0 for _ in range(1000))
    print("errors", sum(errors), "collected", collections > 0, "served", served)


class Node:
    pass


def make_cycle(size):
    node = Node()
    node.itself = node
    node.data = bytearray(size)


def garbage():
    live = [bytearray(65536) for _ in range(100 * MIB // 65536)]
    errors = 0
    for _ in range(500 * MIB // 65536):
        try:
            make_cycle(65536)
        except MemoryError:
            errors += 1
    print("errors", errors, "collected", collections > 0, "live", len(live))


gc.callbacks.append(count)
{"grow": grow, "garbage": garbage}[sys.argv[1]]()
