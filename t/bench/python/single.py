# SPDX-License-Identifier: MIT
"""Ordinary programs of one thread that allocate a lot."""
import copy
import json
import pickle
import random
import re

from report import cpu, metric


def timed(work):
    """A little to warm up the interpreter's specialization, then the fastest of five."""
    def program(scale):
        work(max(1, int(scale * 3)))
        metric("time", cpu(lambda: work(max(1, int(25 * scale))), 5))
    program.__doc__, program.__name__ = work.__doc__, work.__name__
    return program


@timed
def json_both_ways(n):
    """json.dumps and json.loads of nested data."""
    data = [{"id": i, "name": f"user {i}", "roles": ["a", "b"], "score": i / 7,
             "more": {"x": i, "y": [i] * 5}} for i in range(200)]
    for _ in range(n * 4):
        if json.loads(json.dumps(data))[7]["id"] != 7:
            raise SystemExit("wrong result")


@timed
def regular_expressions(n):
    """findall, sub and split with groups."""
    text = "key1=value1; some=thing else=3.14 <a href='x'>link</a>, and 2026-01-02 and so on. " * 20
    for _ in range(n * 24):
        re.findall(r"(\w+)=(\S+)", text)
        re.sub(r"\d+", lambda m: m.group() * 2, text)
        re.split(r"[;,.\s]+", text)


class Point:
    """With attributes that may be anything."""

    def __init__(self, x, y):
        self.x, self.y = x, y


class Slotted:
    """With slots."""

    __slots__ = ("x", "y", "z")

    def __init__(self, x, y, z):
        self.x, self.y, self.z = x, y, z


@timed
def objects(n):
    """Instances with attributes, with slots, and closures, made and dropped."""
    for _ in range(n * 6):
        a = [Point(i, i + 1) for i in range(600)]
        b = [Slotted(i, p, None) for i, p in enumerate(a)]
        c = [lambda i=i, p=p: p.x + i for i, p in enumerate(a)]
        if sum(f() for f in c) != 359_400 or b[-1].y is not a[-1]:
            raise SystemExit("wrong object")


@timed
def one_at_a_time(n):
    """One short-lived object after the other: the shortest way through malloc and free."""
    for _ in range(n * 16):
        for i in range(1000):
            Point(i, (i, i))


@timed
def floats_and_ints(n):
    """Arithmetic with floats, and with integers of some hundred digits."""
    x, big = 0.5, 3**400
    for i in range(n * 15_000):
        x = (x * 1.5 + i) % 1000.0
        if i % 8 == 0:
            big = (big * 7919 + i) % (10**250)


@timed
def big_integers(n):
    """Sums, products and remainders of integers of 100 to 4000 digits, and their digits."""
    modulus = 10**4000 - 1
    for i in range(n * 6):
        small, large = 3**200 + i, 7**1000
        for k in range(60):
            small = (small * 1_000_003 + k) % (10**100)
            large = (large * small + i) % modulus
        if str(small * large)[-1] not in "0123456789":
            raise SystemExit("no digit")


@timed
def strings(n):
    """split, join, concatenation, replace, format."""
    words = [f"word{i}" for i in range(500)]
    for i in range(n * 12):
        text = " ".join(words)
        parts = text.split()
        text = "".join(p + "-" for p in parts).replace("word", f"{i:>8}")
        for p in parts[:200]:
            text = p.upper().lower().strip("w") + p[1:]


@timed
def long_strings(n):
    """Strings and bytes of 20 to 400 KiB: large blocks that come and go."""
    line = "a line of text, neither long nor short\n"
    for i in range(n * 30):
        text = line * (500 + i % 10_000)
        rows = text.split("\n")
        data = "\n".join(rows).encode()
        if len(data.decode()) != len(text):
            raise SystemExit("wrong length")


@timed
def lists(n):
    """A list appended to 1 M times, lists of lists, slices, sorts."""
    for _ in range(max(1, n // 25)):
        grown = []
        for i in range(1_000_000 if n >= 25 else 1000):
            grown.append(i)
        table = [[i, i + 1, i + 2] for i in range(30_000)]
        turned = [list(row) for row in zip(*table)]
        if len(grown[::2]) != len(grown) // 2 or len(sorted(turned[0], reverse=True)) != 30_000:
            raise SystemExit("wrong length")


@timed
def dicts(n):
    """Dicts and sets that grow, shrink, are copied and merged."""
    rnd = random.Random(1)
    table = {}
    for i in range(n * 2500):
        table[rnd.randrange(20_000)] = (i, i)
        if i % 3 == 0:
            table.pop(rnd.randrange(20_000), None)
        if i % 50 == 0:
            small = {k: {k: i} for k in range(20)}
            small = {**small, **dict.fromkeys(range(15, 60))}
            set(small) | {i, "x"}


@timed
def async_tasks(n):
    """Tasks that wait for each other."""
    import asyncio  # here: it would make every other program of this file larger

    async def leaf(i):
        await asyncio.sleep(0)
        return [i]

    async def branch(i):
        return sum(len(x) for x in await asyncio.gather(*[leaf(i + k) for k in range(20)]))

    async def main():
        for _ in range(n):
            if sum(await asyncio.gather(*[branch(i) for i in range(12)])) != 240:
                raise SystemExit("wrong result")
    asyncio.run(main())


@timed
def copies(n):
    """pickle and deepcopy."""
    data = {i: [Point(i, str(i)), (i, [i] * 4), {"k": i}] for i in range(60)}
    for _ in range(n * 2):
        again = pickle.loads(pickle.dumps(data))
        if copy.deepcopy(again)[5][0].x != 5:
            raise SystemExit("wrong copy")


@timed
def bytearrays(n):
    """Buffers of 16 bytes to 64 KiB that grow and are replaced."""
    window = [bytearray(64) for _ in range(256)]
    for i in range(n * 7000):
        b = bytearray(16 << i % 13)
        b += b"0123456789"
        window[i % 256] = b
        if i % 16 == 0:
            b *= 3


@timed
def generators(n):
    """Generators and comprehensions that are made, run and dropped."""
    def pairs(k):
        for i in range(k):
            yield i, i * i
    for _ in range(n * 600):
        total = sum(b for a, b in pairs(12) if a % 2)
        if total + sum(x for x in (y + 1 for y in range(20))) != 496:
            raise SystemExit("wrong sum")


def trees(depth):
    return (None, None) if depth == 0 else (trees(depth - 1), trees(depth - 1))


@timed
def binary_trees(n):
    """Trees of tuples, the classic test of allocators."""
    for _ in range(n * 5):
        if len(trees(12)) != 2:
            raise SystemExit("no tree")
