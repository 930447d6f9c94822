# SPDX-License-Identifier: MIT
"""A small order service on threads, run with and without Arenite in turn: what does the allocator change?

    demo.py GRAFT STOCK [--arenite PROGRAM] [--rounds N]   both, and a table; with --arenite also STOCK as it
                                                           is, under `arenite run`
    demo.py --work                                         the program itself; prints its measurements as JSON

The program: feeders write orders as JSON, workers parse them and build objects that refer to each other,
one thread keeps the books.  Then every other order is closed, the collector runs, and everything is dropped.
Before all that, a hundred threads wait for customers who do not come.
"""
import argparse
import gc
import json
import os
import queue
import random
import subprocess
import sys
import threading
import time

BATCHES, ORDERS, WORKERS, IDLE = 400, 250, 2, 100


class Order:
    """An order and its links; ordinary instances, as programs have them."""

    def __init__(self, row):
        self.number, self.customer = row["number"], row["customer"]
        self.lines = [Line(self, **line) for line in row["lines"]]
        self.notes = {"tags": set(row["tags"]), "text": row["text"].split()}

    def total(self):
        return sum(line.price * line.count for line in self.lines)


class Line:
    """One line of an order; order and line refer to each other, so only the collector frees them."""

    def __init__(self, order, article, price, count):
        self.order, self.article, self.price, self.count = order, article, price, count


def write_batch(rnd, batch):
    """The JSON text of some orders, and what they are worth."""
    rows = []
    for i in range(ORDERS):
        lines = [{"article": f"article {rnd.randrange(500)}", "price": rnd.randrange(100), "count": 1 + k}
                 for k in range(rnd.randrange(1, 5))]
        rows.append({"number": batch * ORDERS + i, "customer": f"customer {rnd.randrange(1000)}",
                     "lines": lines, "tags": ["new", f"region {i % 7}"],
                     "text": "please deliver " + "quickly " * (i % 9)})
    return json.dumps(rows), sum(line["price"] * line["count"] for row in rows for line in row["lines"])


def feed(box, which, worth):
    rnd = random.Random(which)
    for batch in range(which, BATCHES, 2):
        text, value = write_batch(rnd, batch)
        worth.append(value)
        box.put(text)


def parse(box, out):
    while (text := box.get()) is not None:
        out.put([Order(row) for row in json.loads(text)])
    out.put(None)


def keep_books(out, ledger):
    left = WORKERS
    while left:
        batch = out.get()
        left -= batch is None
        for order in batch or ():
            ledger[order.number] = order


def service():
    """Run the threads; the ledger they fill, which must be worth what the feeders wrote."""
    box, out, ledger, worth = queue.Queue(16), queue.Queue(16), {}, []
    feeders = [threading.Thread(target=feed, args=(box, i, worth)) for i in range(2)]
    others = [threading.Thread(target=parse, args=(box, out)) for _ in range(WORKERS)]
    others.append(threading.Thread(target=keep_books, args=(out, ledger)))
    for t in feeders + others:
        t.start()
    for t in feeders:
        t.join()
    for _ in range(WORKERS):
        box.put(None)
    for t in others:
        t.join()
    if len(ledger) != BATCHES * ORDERS or sum(o.total() for o in ledger.values()) != sum(worth):
        raise SystemExit("demo: the books are wrong")
    return ledger


def status(field):
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith(field + ":"))


def seconds(work):
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def idle_threads():
    """Resident bytes for each of some threads that have worked a little and wait."""
    ready, leave = threading.Barrier(IDLE + 1), threading.Event()

    def work():
        greeting = [Order(json.loads('{"number": 1, "customer": "", "lines": [], "tags": [], "text": "a b"}'))
                    for _ in range(100)]
        del greeting
        ready.wait()
        leave.wait()
    before = status("VmRSS")
    threads = [threading.Thread(target=work) for _ in range(IDLE)]
    for t in threads:
        t.start()
    ready.wait()
    size = (status("VmRSS") - before) / IDLE
    leave.set()
    for t in threads:
        t.join()
    return size


def work():
    """The program; every measurement by name."""
    found = {"thread": idle_threads()}  # first, while no dropped memory is there to be used again
    found["time"], ledger = seconds(service)
    gc.disable()
    for number in range(0, BATCHES * ORDERS, 2):
        del ledger[number]
    gc.collect()
    found["pause"] = min(seconds(gc.collect)[0] for _ in range(5))
    found["peak"] = status("VmHWM")
    ledger.clear()
    gc.collect()
    time.sleep(0.5)
    found["left"] = status("VmRSS")
    print(json.dumps(found))


ROWS = (("time", "whole program", 1, "s", "{:.2f}"),
        ("pause", "collector's pause", 1e3, "ms", "{:.1f}"),
        ("peak", "memory at the peak", 2**-20, "MiB", "{:.0f}"),
        ("left", "memory, data dropped", 2**-20, "MiB", "{:.0f}"),
        ("thread", "memory, idle thread", 2**-10, "KiB", "{:.0f}"))
BAR = 16


def bar(ratio):
    """A bar of eighths of a character, with a mark where stock is; above 1.5 times stock it is cut."""
    eighths = round(min(ratio, 1.5) * BAR / 1.5 * 8)
    text = "█" * (eighths // 8) + ("", *"▏▎▍▌▋▊▉")[eighths % 8]
    stock = round(BAR / 1.5)
    text = text.ljust(BAR)
    return text if text[stock - 1] != " " else text[:stock - 1] + "┊" + text[stock:].rstrip()


def run(command):
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    env.update(PYTHONHASHSEED="0", PYTHONDONTWRITEBYTECODE="1")
    done = subprocess.run([*command, os.path.abspath(__file__), "--work"], env=env, stdout=subprocess.PIPE,
                          text=True, timeout=300, check=False)
    if done.returncode:
        sys.exit(f"demo: {' '.join(command)} ended with exit code {done.returncode}")
    return json.loads(done.stdout)


def version(python):
    code = ("import platform, sys; "
            "print(platform.python_version(), 'with a GIL' if sys._is_gil_enabled() else 'without a GIL')")
    return subprocess.run([python, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def show(best):
    """A line for each measurement and variant; stock's number stands once."""
    print(f"{'':21}  {'stock':>10}  {'':7} {'arenite':>10}  {'of it':>6}")
    for key, title, factor, unit, form in ROWS:
        number = {who: form.format(found[key] * factor) + f" {unit:<3}" for who, found in best.items()}
        first = f"{title:<21}  {number['stock']:>10}"
        for who in list(best)[1:]:
            ratio = best[who][key] / best["stock"][key]
            print(f"{first:33}  {who:7} {number[who]:>10}  {ratio * 100:4.0f} %  {bar(ratio)}".rstrip())
            first = ""


def main():
    p = argparse.ArgumentParser(prog="t/python/demo.sh", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("graft", metavar="GRAFT", help="a free-threaded Python that is built on Arenite")
    p.add_argument("stock", metavar="STOCK", help="the same Python without Arenite")
    p.add_argument("--arenite", metavar="PROGRAM", help="the command arenite: STOCK runs under it, too")
    p.add_argument("--rounds", type=int, default=3)
    args = p.parse_args()
    commands = {"stock": [args.stock]}
    if args.arenite:
        commands["run"] = [args.arenite, "run", args.stock]
    commands["grafted"] = [args.graft]
    print(f"{BATCHES * ORDERS:,} orders through {WORKERS + 3} threads, and {IDLE} threads that wait; "
          f"best of {args.rounds}, in turn.\nPython {version(args.stock)}: stock; "
          f"{'the same under `arenite run`; ' if args.arenite else ''}and grafted,\n"
          "that is, built on Arenite.  Shorter is better; ┊ is stock.\n", flush=True)
    runs = {who: [] for who in commands}
    for _ in range(args.rounds):
        for who, command in commands.items():
            runs[who].append(run(command))
    show({who: {key: min(r[key] for r in found) for key in found[0]} for who, found in runs.items()})


if __name__ == "__main__":
    if sys.argv[1:] == ["--work"]:
        work()
    else:
        main()
