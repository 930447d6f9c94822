# SPDX-License-Identifier: MIT
"""What stays resident in Python programs: memory_programs.py against its bounds.  Output is TAP.

    memory.py [--full] [--only NAME] GRAFT [STOCK]

A program runs in a process of its own.  With --full it runs all of its rounds, else a part of them.  GRAFT and STOCK
may be commands of several words: "arenite run python3.14t".  STOCK, an interpreter with its own allocator, runs the
same programs for comparison and need not keep any bound.  A peak is shown beside that of an interpreter with a GIL,
too: the one named by ARN_GIL_PYTHON, or the python3 that runs this file if it has a GIL; its version may be another.
"""
import argparse
import os
import shlex
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = os.path.join(HERE, "memory_programs.py")
TIMEOUT = 900
KIB, MIB = 1 << 10, 1 << 20


class Skipped(Exception):
    """A program cannot run here; why."""


# program, scale without --full, {metric: (bound, unit, what it is)}
BOUNDS = [
    ("million", 1, {
        "rss_dropped": (40 * MIB, MIB, "a million lists, dicts and strings dropped: at once"),
        "rss_idle": (40 * MIB, MIB, "a million lists, dicts and strings dropped: after a second")}),
    ("phases", 1, {
        "rss_dropped": (48 * MIB, MIB, "2.5 million made and dropped, five times with pauses: at most")}),
    ("idle_threads", 1, {
        # on 3.13; from 3.14 on 58 KiB more are each thread's copy of the bytecode
        "rss_thread": (80 * KIB, KIB, "200 idle threads: each of them"),
        "space": (4096 * MIB, MIB, "200 idle threads: address space")}),
    ("beside_idle", 0.2, {
        "space_rise": (4 * MIB, MIB, "one at work beside 1000 idle threads: rise of address space after lap 10"),
        "faults": (1500, 1, "one at work beside 1000 idle threads: pages faulted in, of 15 000 a lap")}),
    ("nothing_kept", 0.2, {
        "space_rise": (4 * MIB, MIB, "nothing that is free is kept: rise of address space after lap 10"),
        "faults_rise": (1500, 1, "nothing that is free is kept: rise of the pages faulted in, of 15 000 a lap")}),
    ("after_limit", 0.1, {
        # each takes whole slices, and what the interpreter itself has counts, too
        "missing_strings": (8, 1, "LIMIT=200M: strings of 1 MB that are missing to 180"),
        "failed": (0, 1, "LIMIT=200M: attempts that fail after all is dropped")}),
    # what is kept from one round to the next is chance: 50 MiB, some more or less, and the same after 600 rounds
    ("executor", 1, {
        "rss_floor": (4 * MIB, MIB, "workers build, the main thread drops: rise of the least that is resident"),
        "blocks_rise": (4000, 1, "workers build, the main thread drops: rise of the number of blocks")}),
    ("lists_handed_on", 0.25, {
        "rss_ratio": (1.1, 1, "long lists grown by another thread: resident for what Python has not freed"),
        "rss_end": (40 * MIB, MIB, "long lists grown by another thread: what stays")}),
    ("capped_dict", 0.5, {
        "rss_floor": (4 * MIB, MIB, "four threads at one dict: rise of the least that is resident")}),
    ("short_threads", 0.2, {
        "rss_rise": (512 * KIB, KIB, "short threads: rise of what is resident"),
        "space_rise": (MIB, MIB, "short threads: rise of address space")}),
    ("cycles", 0.25, {
        # From 3.14 on CPython collects when what is resident has grown by a tenth since the last collection.  So the
        # garbage that is there at once decides, and the same comes with stock: 98 MB at most, with Arenite 93 to 96.
        # If nothing is kept (RETAIN=0), there are 36 collections in the place of 10, and half as much again of CPU.
        "rss_rise": (32 * MIB, MIB, "garbage in cycles: rise of what is resident"),
        "rss_live": (3, 1, "garbage in cycles: resident for what is live, at most")}),
    ("states", 0.1, {
        "rss_rise": (512 * KIB, KIB, "thread states made and dropped: rise of what is resident"),
        "space_rise": (MIB, MIB, "thread states made and dropped: rise of address space"),
        "round_rise": (25, 1, "thread states made and dropped: rise of the time for a round, percent")}),
    ("interpreters", 0.1, {
        "rss_beside_rise": (16 * MIB, KIB, "interpreters made and ended: rise of what is resident and not alive"),
        "round_rise": (25, 1, "interpreters made and ended: rise of the time for a round, percent")}),
]
UNITS = {1: "", KIB: " KiB", MIB: " MiB"}


def environment():
    drop = ("PYTHON", "ARENITE_") if not os.environ.get("ARN_MEMORY_KEEP") else ("PYTHON",)
    env = {k: v for k, v in os.environ.items() if not k.startswith(drop)}
    return dict(env, PYTHONDONTWRITEBYTECODE="1")


def run(python, program, scale):
    """{metric: value} and the lines that are only to be shown."""
    command = [*shlex.split(python), PROGRAMS, program, str(scale)]
    done = subprocess.run(command, env=environment(), text=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode == 77:
        raise Skipped(done.stdout.strip())
    if done.returncode:
        raise RuntimeError(f"{program}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    lines = done.stdout.splitlines()
    metrics = {name: float(value) for name, value in (line.split() for line in lines if line[:1] != "#")}
    return metrics, [line for line in lines if line[:1] == "#"]


def gil_python():
    """(program, its name), or None."""
    named = os.environ.get("ARN_GIL_PYTHON")
    ask = "import sys; print(sys.version.split()[0], getattr(sys, '_is_gil_enabled', lambda: True)())"
    for python in filter(None, (named, sys.executable)):
        version, gil = subprocess.run([python, "-c", ask], env=environment(), text=True, check=True,
                                      stdout=subprocess.PIPE).stdout.split()
        if gil == "True":
            return python, version
    return None


def note_peak(metrics, stock, program, scale):
    """A line about peaks, which depend on when Python frees, not on the allocator alone."""
    if "peak" not in metrics:
        return
    text = f"# {program}: peak {metrics['peak'] / MIB:.0f} MiB"
    if "peak" in stock:
        text += f", {stock['peak'] / MIB:.0f} on stock"
    gil = gil_python()
    if gil:
        text += f", {run(gil[0], program, scale)[0]['peak'] / MIB:.0f} with a GIL ({gil[1]})"
    print(text)


class Report:
    """Numbered TAP lines."""

    def __init__(self):
        self.n = self.failed = 0

    def line(self, good, text):
        self.n += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.n} - {text}", flush=True)

    def end(self):
        print(f"1..{self.n}")
        return self.failed > 0


def show(metrics, bounds, stock):
    for name, (bound, unit, what) in bounds.items():
        beside = f"; {stock[name] / unit:.1f} on stock" if name in stock else ""
        yield metrics[name] <= bound, (f"{what}: {metrics[name] / unit:.1f} of at most "
                                       f"{bound / unit:g}{UNITS[unit]}{beside}")


def measure(options, report, program, scale, bounds):
    metrics, notes = run(options.graft, program, scale)
    stock = run(options.stock, program, scale)[0] if options.stock else {}
    note_peak(metrics, stock, program, scale)
    for note in notes:
        print(note)
    for good, text in show(metrics, bounds, stock):
        report.line(good, text)


def main():
    parser = argparse.ArgumentParser(prog="t/python/memory.sh", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--full", action="store_true", help="all rounds")
    parser.add_argument("--only", default="", help="one program")
    parser.add_argument("graft")
    parser.add_argument("stock", nargs="?")
    options = parser.parse_args()
    report = Report()
    for program, scale, bounds in BOUNDS:
        if options.only not in ("", program):
            continue
        try:
            measure(options, report, program, 1 if options.full else scale, bounds)
        except Skipped as why:
            report.line(True, f"{program} # SKIP {why}")
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            for line in str(error).splitlines():
                print("#", line)
            report.line(False, f"{program}: it ran")
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
