# SPDX-License-Identifier: MIT
"""Memory that a C library has freed serves Python's objects (cpython#156159).

    stranded.py [MIB]        prints "PHASE MiB" lines: what is resident before, at the peak of C, and at that of Python

First buffers of 2 to 64 KiB are made by the C library's malloc, MIB in all, and freed, all but the last one: so the C
library's own malloc cannot give the memory back.  Then as much is made in Python objects of 1 KiB, with their headers.
"""
import ctypes
import sys

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]


def resident():
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) // 1024


def strand(size):
    blocks, made, n = [], 0, 0
    while made < size:
        n += 1
        block_size = 2048 + n * 7919 % 62000
        blocks.append(libc.malloc(block_size))
        ctypes.memset(blocks[-1], 1, block_size)
        made += block_size
    peak, kept = resident(), blocks.pop()
    for block in blocks:
        libc.free(block)
    return peak, kept


def main(mib):
    print("begin", resident())
    peak, kept = strand(mib << 20)
    print("c", peak)
    print("freed", resident())
    objects = [bytes(970) for _ in range((mib << 20) // 1024)]
    print("python", resident())
    libc.free(kept)
    assert len(objects) == mib << 10


main(int(sys.argv[1]) if len(sys.argv) > 1 else 256)
