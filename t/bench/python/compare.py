# SPDX-License-Identifier: MIT
"""Run the programs of this directory on two or more interpreters and print one table.

Each NAME=PYTHON is a column; the first is what the others are measured by.  PYTHON may be a command of
several words: preload="arenite run python3.14t".  Every run is a fresh process, and the interpreters take
turns: A B A B.  The table shows the minimum of the rounds, the ratio of the minima, and, because machines
are noisy, the median of the ratios of the single rounds beside it.

    time     processor time of a program of one thread, elapsed time of one with several; each is repeated
             inside its process, and the fastest counts
    collect  one full collection, the fastest of seven
    peak     largest resident memory (VmHWM)
    rss_...  resident memory at a point that the program's description names; for each thread: rss_thread
    space    address space (VmSize)
    instr    instructions, with --callgrind: exact, and slow to get
"""
import argparse
import json
import math
import os
import re
import shlex
import statistics
import subprocess
import sys
import time

from program import MODULES

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, "program.py")
STARTUP = {"startup": ["-c", "pass"], "startup_bare": ["-I", "-S", "-c", "pass"]}
PEAK_LINE = "print(*[l for l in open('/proc/self/status') if l.startswith('VmHWM')])"
SECONDS = ("time", "collect")
WIDTH = 11


class Failed(Exception):
    """A program that did not end well."""


def environment():
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return dict(env, PYTHONHASHSEED="0", PYTHONDONTWRITEBYTECODE="1")


def run(command):
    """stdout and stderr of a command that must succeed."""
    try:
        done = subprocess.run(command, env=environment(), stdin=subprocess.DEVNULL, text=True, timeout=900,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except subprocess.TimeoutExpired:
        raise Failed(f"{shlex.join(command)}: no end within 900 s") from None
    if done.returncode:
        raise Failed(f"{shlex.join(command)}: exit code {done.returncode}\n{done.stderr[-1500:]}")
    return done.stdout, done.stderr


def measure_startup(python, words, times):
    """Metrics of starting and ending the interpreter."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        run([*python, *words])
        found.append(time.perf_counter() - start)
    out, _ = run([*python, *words[:-1], PEAK_LINE])
    return {"time": min(found), "peak": int(out.split()[1]) << 10}


def measure(python, name, args):
    """{metric: value} of one run of one program."""
    if name in STARTUP:
        return measure_startup(python, STARTUP[name], 5 if args.quick else 20)
    command = [*python, PROGRAM, name, str(args.scale)]
    if args.callgrind:
        valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--trace-children=yes"]
        return {"instr": int(re.search(r"Collected : (\d+)", run(valgrind + command)[1]).group(1))}
    lines = run(command)[0].splitlines()
    return {metric: float(value) for metric, value in (line.split() for line in lines)}


def rounds_of(name, columns, args):
    """{metric: {column: [value of each round]}}; the interpreters take turns."""
    found = {}
    for number in range(args.rounds):
        for column, python in columns.items():
            say(f"{name}: round {number + 1} of {args.rounds}, {column}")
            for metric, value in measure(python, name, args).items():
                found.setdefault(metric, {}).setdefault(column, []).append(value)
    say("")
    return found


def say(text):
    """Progress, for somebody who watches."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def readable(metric, value):
    if metric == "instr":
        return f"{value / 1e6:.1f} M"
    if metric in SECONDS:
        return f"{value:.3f} s" if value >= 1 else f"{value * 1e3:.2f} ms"
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if value >= 2 * size:
            return f"{value / size:.1f} {unit}"
    return f"{value / 1024:.0f} KiB"


def ratios(values, column, base):
    """(ratio of the minima, median of the ratios of the rounds)"""
    pairs = [b / a for a, b in zip(values[base], values[column]) if a]
    return min(values[column]) / min(values[base]), statistics.median(pairs)


def print_head(columns):
    base, *others = columns
    cells = [f"{base:>{WIDTH}}"] + [f"{c:>{WIDTH}} {'ratio':>6} {'median':>6}" for c in others]
    print(f"{'program':<20} {'metric':<12}", *cells, flush=True)


def print_rows(name, found, columns):
    base, *others = columns
    for metric, values in found.items():
        cells = [f"{readable(metric, min(values[base])):>{WIDTH}}"]
        for column in others:
            ratio, median = ratios(values, column, base)
            cells.append(f"{readable(metric, min(values[column])):>{WIDTH}} {ratio:6.3f} {median:6.3f}")
        print(f"{name:<20} {metric:<12}", *cells, flush=True)
        name = ""


def print_means(results, columns):
    """Geometric means of the ratios of the minima, by kind of program."""
    base, *others = columns
    single, threads = MODULES["single"], MODULES["threads"]
    for title, names, metric in (("one thread", single, "time"), ("one thread", single, "instr"),
                                 ("threads", threads, "time"), ("all of these", single + threads, "peak")):
        chosen = [results[n][metric] for n in names if metric in results.get(n, {})]
        if len(chosen) < 2 or not others:
            continue
        cells = [" " * WIDTH]
        for column in others:
            both = [ratios(values, column, base) for values in chosen]
            means = [math.exp(statistics.fmean(math.log(r[i]) for r in both)) for i in (0, 1)]
            cells.append(f"{' ' * WIDTH} {means[0]:6.3f} {means[1]:6.3f}")
        print(f"{'mean: ' + title:<20} {metric:<12}", *cells)


def arguments():
    p = argparse.ArgumentParser(prog="t/bench/python.sh", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("columns", metavar="NAME=PYTHON", nargs="*")
    p.add_argument("--quick", action="store_true", help="two rounds of half the work")
    p.add_argument("--rounds", type=int, default=0, help="5, or 2 with --quick")
    p.add_argument("--scale", type=float, default=0, help="size of the work; 1, or 0.5 with --quick")
    p.add_argument("--only", metavar="NAME,...", default="", help="these programs")
    p.add_argument("--list", action="store_true", help="list the programs")
    p.add_argument("--callgrind", action="store_true", help="count instructions, of one thread, once")
    p.add_argument("--json", metavar="FILE", help="write every single value there")
    args = p.parse_args()
    args.rounds = args.rounds or (1 if args.callgrind else 2 if args.quick else 5)
    args.scale = args.scale or (0.05 if args.callgrind else 0.5 if args.quick else 1.0)
    bad = [c for c in args.columns if not re.fullmatch(r"[\w.+-]+=.+", c)]
    if bad or not (args.columns or args.list):
        p.error(f"not NAME=PYTHON: {bad}" if bad else "which interpreters?")
    return args


def wanted(args):
    every = [*STARTUP, *(n for names in MODULES.values() for n in names)]
    if args.callgrind:
        every = list(MODULES["single"])
    chosen = args.only.split(",") if args.only else every
    unknown = [n for n in chosen if n not in every]
    if unknown:
        sys.exit(f"python.sh: no such program: {', '.join(unknown)}")
    return chosen


def main():
    args = arguments()
    if args.list:
        print(run([sys.executable, PROGRAM, "--list"])[0], end="")
        return 0
    columns = {name: shlex.split(python) for name, _, python in (c.partition("=") for c in args.columns)}
    results, failures = {}, []
    print_head(columns)
    for name in wanted(args):
        try:
            results[name] = rounds_of(name, columns, args)
            print_rows(name, results[name], columns)
        except Failed as e:
            failures.append(str(e))
            print(f"{name:<20} failed", flush=True)
    print_means(results, columns)
    for text in failures:
        print(text, file=sys.stderr)
    if args.json:
        with open(args.json, "w") as f:
            json.dump(results, f, indent=1)
    return len(failures) != 0


if __name__ == "__main__":
    sys.exit(main())
