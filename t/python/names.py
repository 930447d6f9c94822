# SPDX-License-Identifier: MIT
"""Functions whose names and files have what would end a line or a frame of a collapsed stack: each makes 1 MiB.

`names.py --judge FILE` reads collapsed stacks by the rules by which speedscope does: a line ends where JavaScript says
so, and is frames with semicolons between them, a blank, and a number.
"""
import re
import sys

# how the function and its file are called, and how the profile is to write that
NAMES = [
    ("semi;colon", "a;b.py", "semi,colon (a,b.py:1)"),
    ("a blank 12", "with blank 7", "a blank 12 (with blank 7:1)"),
    ("new\nline 5", "file\n9.py", "new?line 5 (file?9.py:1)"),
    ("re\rturn\t", "\x1b[31m.py", "re?turn? (?[31m.py:1)"),
    ("línea_größe", "файл.py", "línea_größe (файл.py:1)"),
    ("sep\u2028par\u2029\x85", "\U0001f40d.py", "sep???par????? (\U0001f40d.py:1)"),
    ("lone\udcff", "file\udc80", "lone\ufffd (file\ufffd:1)"),
]


def judge(path):
    """Say what is wrong with a file of collapsed stacks, and return how much."""
    with open(path, encoding="utf-8", newline="") as file:
        lines = [line for line in re.split("[\n\r\u2028\u2029]", file.read()) if line]
    sums, wrong = {}, 0
    for line in lines:
        match = re.fullmatch(r"(.*) (\d+)", line)
        if not match:
            print("no stack:", ascii(line))
            wrong += 1
            continue
        for frame in set(match[1].split(";")):
            sums[frame] = sums.get(frame, 0) + int(match[2])
    for _, _, text in NAMES:
        if not 1 << 20 <= sums.get(text, 0) < 1.1 * (1 << 20):
            print("not 1 MiB:", ascii(text), sums.get(text))
            wrong += 1
    return wrong


def run():
    """Make what is looked for, and wait for a line."""
    blocks, names = [], {}
    for name, file, _ in NAMES:
        # a file's name that cannot be encoded is no name for compile()
        exec(compile("def make():\n    return bytes(1 << 20)\n".replace("\n    ", " "), "file", "exec"), names)
        code = names["make"].__code__.replace(co_name=name, co_qualname=name, co_filename=file)
        names["make"].__code__ = code
        blocks.append(names["make"]())
    print("ready", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    sys.exit(judge(sys.argv[2]) if sys.argv[1:2] == ["--judge"] else run())
