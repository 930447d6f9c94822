# SPDX-License-Identifier: MIT
"""
One misuse of memory from Python, by its name: t/python/guard.sh runs each with option GUARD and
compares the report.  The functions have the names that the script looks for.
"""

import array
import ctypes
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


def fine():
    for size in range(300):
        make(size + 8)
        use()
        drop()
    junk = [str(i) * 10 for i in range(3000)]
    del junk


if __name__ == "__main__":
    if sys.argv[2:]:
        sys.path.insert(0, sys.argv[2])
        import wild
    globals()[sys.argv[1]]()
