# SPDX-License-Identifier: MIT
"""
One misuse of memory from Python, by its name: t/python/guard.sh runs each with option GUARD and
compares the report.  The functions have the names that the script looks for.
"""

import array
import ctypes
import gc
import sys
import threading


def make(size, raw=False):
    wild.make(size, raw)


def drop(raw=False):
    wild.drop(raw)


def use(write=True):
    (wild.put if write else wild.get)(7)


def overflow():
    make(96)
    wild.put(96)


def written():
    make(96)
    drop()
    use()


def read():
    make(96)
    drop()
    use(write=False)


def elsewhere():
    make(96)
    thread = threading.Thread(target=drop)
    thread.start()
    thread.join()
    use()


def malloc():
    make(96, raw=True)
    drop(raw=True)
    use()


def numbers():
    numbers = array.array("d", [0.0] * 12)
    ctypes.memset(numbers.buffer_info()[0], 0, 104)


# ---- objects: plain ones, the collector's, and those with a pre-header

def create(kind):
    return [wild.create(kind)]


def release(box):
    wild.release(box)


def object_over(kind, offset):
    box = create(kind)
    wild.put(offset)


def object_1(): object_over(PLAIN, 96)
def object_8(): object_over(PLAIN, 103)
def object_100(): object_over(PLAIN, 195)
def collected_1(): object_over(COLLECTED, 96)
def weak_8(): object_over(WEAK, 119)


def object_late(kind=0):
    box = create(kind)
    release(box)
    readers_pass()
    use()


def collected_late(): object_late(COLLECTED)
def weak_late(): object_late(WEAK)


# This thread passes the goal, and blocks are made and freed, with which those that wait are looked
# for.
def readers_pass():
    for i in range(20):
        bytearray(1000)


def known(kind):
    name = ("Plain", "Collected", "Weak")[kind]
    return sum(type(one).__name__ == name for one in gc.get_objects())


# What the collector finds: each live object once, those of ended threads as well, and no freed one.
def walked():
    for kind in COLLECTED, WEAK:
        before = known(kind)
        kept = [wild.create(kind) for i in range(300)]
        thread = threading.Thread(target=lambda: kept.extend(wild.create(kind) for i in range(300)))
        thread.start()
        thread.join()
        assert known(kind) == before + 600, (kind, known(kind), before)
        for one, other in zip(kept, kept[1:] + kept[:1]):
            wild.hold(one, other)
        del one, other
        gc.collect()
        assert known(kind) == before + 600, (kind, known(kind), before)
        kept.clear()
        gc.collect()
        assert known(kind) == before, (kind, known(kind), before)


def fine():
    for size in range(300):
        make(size + 8)
        use()
        drop()
    junk = [str(i) * 10 for i in range(3000)]
    del junk


PLAIN, COLLECTED, WEAK = range(3)

if __name__ == "__main__":
    if sys.argv[2:]:
        sys.path.insert(0, sys.argv[2])
        import wild
    globals()[sys.argv[1]]()
