# SPDX-License-Identifier: MIT
"""A Python function calls one of C, that one a function of Python, and that one a function of C, which allocates.

    mixed.py LIBRARY        LIBRARY is made of the C functions in profile.sh

It prints a line when it has 400 blocks of 50 000 bytes that were made so, and waits for one.
"""
import ctypes
import sys

library = ctypes.PyDLL(sys.argv[1])
callback_type = ctypes.PYFUNCTYPE(None)
library.c_calls.argtypes = [callback_type]
library.c_allocates.argtypes = [ctypes.c_size_t]
library.c_allocates.restype = ctypes.c_void_p
blocks = []


def python_inner():
    blocks.append(library.c_allocates(50_000))


def python_outer():
    callback = callback_type(python_inner)
    for _ in range(400):
        library.c_calls(callback)


python_outer()
print("ready", flush=True)
sys.stdin.readline()
