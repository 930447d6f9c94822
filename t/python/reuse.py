# SPDX-License-Identifier: MIT
"""Code objects that come and go, so that one gets the address of another; each of them makes one block of 1 MiB.

It prints how many addresses were used again, and waits for a line.
"""
import gc
import sys

blocks, addresses = [], []


def make(number):
    names = {}
    exec(compile(f"def made_{number:02}():\n    return bytes(1 << 20)\n", f"file_{number:02}", "exec"), names)
    function = names[f"made_{number:02}"]
    addresses.append(id(function.__code__))
    blocks.append(function())


for number in range(40):
    make(number)
    gc.collect()
print("ready", len(addresses) - len(set(addresses)), flush=True)
sys.stdin.readline()
