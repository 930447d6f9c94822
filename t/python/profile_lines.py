# SPDX-License-Identifier: MIT
"""A program whose live memory is known by line: what t/python/profile.py measures the heap profile with.

Five lines, two threads.  Each of the lines that are marked makes blocks of known sizes and nothing else.  The program
prints what is live and what was made by function, {name: [[size, blocks], ...]}, and waits for a line.
"""
import array
import ctypes
import json
import sys
import threading

MIB = 1 << 20
EMPTY = sys.getsizeof(b"")
malloc = ctypes.PyDLL(None).PyMem_Malloc
malloc.restype, malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]

SMALL, SMALL_BLOCKS = 16, 120_000  # by two threads, half each
TEXT, TEXT_BLOCKS = 512, 12_000
MIDDLE = [4096 * n for n in range(1, 17)] * 12  # by two threads, half each
LARGE, LARGE_BLOCKS = MIB, 12
PASSED, PASSED_BLOCKS = 256, 24_000

addresses = array.array("Q", bytes(8 * SMALL_BLOCKS))
texts = [None] * TEXT_BLOCKS
middle = [None] * len(MIDDLE)
large = [None] * LARGE_BLOCKS
passed = [None] * PASSED_BLOCKS


def line_small(part):
    for i in part:
        addresses[i] = malloc(SMALL)  # measured


def line_text(length):
    for i in range(TEXT_BLOCKS):
        texts[i] = bytes(length)  # measured


def line_middle(part):
    for i in part:
        length = MIDDLE[i] - EMPTY
        middle[i] = bytes(length)  # measured


def line_large(length):
    for i in range(LARGE_BLOCKS):
        large[i] = bytes(length)  # measured


def line_passed(length):
    for i in range(PASSED_BLOCKS):
        passed[i] = bytes(length)  # measured


def line_free():
    for i in range(PASSED_BLOCKS):
        passed[i] = None


def other():
    line_passed(PASSED - EMPTY)
    line_small(range(SMALL_BLOCKS // 2))
    line_middle(range(0, len(MIDDLE), 2))


def main():
    thread = threading.Thread(target=other)
    thread.start()
    line_text(TEXT - EMPTY)
    line_small(range(SMALL_BLOCKS // 2, SMALL_BLOCKS))
    line_middle(range(1, len(MIDDLE), 2))
    line_large(LARGE - EMPTY)
    thread.join()
    line_free()
    made = {"line_text": [[TEXT, TEXT_BLOCKS]], "line_middle": [[size, 1] for size in MIDDLE],
            "line_large": [[LARGE, LARGE_BLOCKS]], "line_passed": [[PASSED, PASSED_BLOCKS]]}
    live = dict(made, line_small=[[SMALL, SMALL_BLOCKS]], line_passed=[])  # its calls make integers, too
    print(json.dumps({"live": live, "made": made}), flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main()
