# SPDX-License-Identifier: MIT
"""Threaded array work of numpy, with Arenite and without: equal results, no slower.

    numpy_check.py ARENITE PYTHON [--malloc] [--rounds N] [--bound RATIO]     both in turn, and TAP
    numpy_check.py --work                                                     the program itself; prints JSON

PYTHON is an interpreter that has numpy, as that of a virtual environment; without numpy the test is skipped.
A work's time is the smallest of the rounds.  numpy's array data comes from the raw domain or malloc, and its
array objects, small temporaries and views are Python objects.  With --malloc the array data is Arenite's, too: then
`arenite run` is what it is compared with, and what is resident after all arrays were dropped must be what it was before.
"""
import argparse
import hashlib
import json
import os
import subprocess
import sys
import threading
import time

THREADS = 4


def in_threads(function):
    """[function(0), function(1), ...], each in a thread of its own."""
    found = [None] * THREADS

    def work(me):
        found[me] = function(me)
    threads = [threading.Thread(target=work, args=(i,)) for i in range(THREADS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return found


def small_arrays(np):
    """Chains of operations on arrays of 500: as many temporaries as arithmetic."""
    def work(me):
        x, total = np.linspace(0, 1 + me, 500), 0.0
        for i in range(4000):
            y = np.sqrt(x * x + i) - x / (i + 1)
            total += float(y[::7].sum())
        return total
    return in_threads(work)


def views(np):
    """Slices, reshapes and rows: array objects without data."""
    table = np.arange(240_000).reshape(400, 600)

    def work(me):
        total = 0
        for i in range(12_000):
            total += int(table[i % 400, me::50].reshape(-1, 1).T[0, 3])
        return total
    return in_threads(work)


def large_arrays(np):
    """Matrices and sorts of some MiB."""
    def work(me):
        rng = np.random.default_rng(me)
        a = rng.integers(0, 1000, (300, 300)).astype(float)
        b = np.sort(rng.random(300_000))
        return float((a @ a).trace()), float(b[::1000].sum())
    return in_threads(work)


def objects(np):
    """Arrays of Python objects, which are made by one thread and dropped by another."""
    boxes = [np.array([(i, str(i)) for i in range(2000)], dtype=object) for _ in range(THREADS)]

    def work(me):
        other = boxes[(me + 1) % THREADS]
        total = 0
        for _ in range(20):
            mixed = np.concatenate([other, np.array([[float(i), me] for i in range(2000)], dtype=object)])
            total += len(mixed) + int(sum(mixed[2000:, 0]))
        return total
    return in_threads(work)


def resident():
    """KiB of this process that are in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def drop(np):
    """What is resident before arrays of 200 MiB are made in threads, and when they are dropped."""
    before = resident()

    def work(me):
        rng = np.random.default_rng(me)
        return [np.ones(int(size)) for size in rng.integers(100, 50_000, 50 * (1 << 20) // 8 // 25_000)]
    in_threads(work)
    return [before, resident()]


WORKS = (small_arrays, views, large_arrays, objects)


def work():
    """Every work's time and the digest of its result."""
    import numpy as np
    found = {"version": np.__version__}
    for function in WORKS:
        function(np)
        start = time.perf_counter()
        result = function(np)
        spent = time.perf_counter() - start
        found[function.__name__] = [spent, hashlib.sha256(repr(result).encode()).hexdigest()]
    found["resident"] = drop(np)
    print(json.dumps(found))


def run(command):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "ARENITE_"))}
    env.update(PYTHONDONTWRITEBYTECODE="1", OPENBLAS_NUM_THREADS="1")
    done = subprocess.run([*command, os.path.abspath(__file__), "--work"], env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=600)
    if done.returncode:
        print(f"Bail out! {command}: exit code {done.returncode}")
        sys.exit("\n".join(done.stderr.splitlines()[-10:]))
    return json.loads(done.stdout)


def has_numpy(python):
    return subprocess.run([python, "-c", "import numpy"], stderr=subprocess.DEVNULL).returncode == 0


def judge_dropped(runs):
    before, after = min((run["resident"] for run in runs), key=lambda pair: pair[1] / pair[0])
    note = f"{before} KiB before, {after} KiB after"
    return after <= before * 1.1, "numpy: arrays of 200 MiB were dropped, and at most a tenth more is resident", note


def judge(name, stock, arenite, bound):
    """The two lines of a work: its results, and its time."""
    digests = {run[name][1] for run in stock + arenite}
    yield len(digests) == 1, f"numpy, {name}: equal results", ""
    best = [min(run[name][0] for run in runs) for runs in (stock, arenite)]
    note = f"{best[0] * 1e3:.1f} ms, {best[1] * 1e3:.1f} ms the second: {best[1] / best[0]:.3f}"
    yield best[1] <= best[0] * bound, f"numpy, {name}: at most {bound} of the time", note


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("arenite", metavar="ARENITE")
    p.add_argument("python", metavar="PYTHON")
    p.add_argument("--malloc", action="store_true")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--bound", type=float, default=1.2, help="1.2, for noisy machines")
    args = p.parse_args()
    if not has_numpy(args.python):
        print("1..0 # SKIP no numpy in this interpreter")
        return 0
    preloaded = [os.path.abspath(args.arenite), "run"]
    commands = [[*preloaded, args.python], [*preloaded, "--malloc", args.python]] if args.malloc else \
        [[args.python], [*preloaded, args.python]]
    stock, arenite = [], []
    for _ in range(args.rounds):
        stock.append(run(commands[0]))
        arenite.append(run(commands[1]))
    lines = [line for f in WORKS for line in judge(f.__name__, stock, arenite, args.bound)]
    if args.malloc:
        lines.append(judge_dropped(arenite))
    print(f"# numpy {stock[0]['version']}: {' '.join(commands[1][1:])} after {' '.join(commands[0])}\n1..{len(lines)}")
    for number, (good, text, note) in enumerate(lines, 1):
        print(f"{'ok' if good else 'not ok'} {number} - {text}" + (f"\n# {note}" if note else ""))
    return 0 if all(line[0] for line in lines) else 1


if __name__ == "__main__":
    if sys.argv[1:] == ["--work"]:
        work()
    else:
        sys.exit(main())
