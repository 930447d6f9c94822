# SPDX-License-Identifier: MIT
"""Programs that make and drop memory, and what giving it back costs them: price.py NAME [SCALE], or price.py --list.

A program of laps prints one line for each of them:

    lap CPU FAULTS CALLS BYTES RSS    seconds of processor time, page faults, and, where Arenite is active, the
                                      system calls that gave memory back and how much they gave; what is resident
                                      after the lap

Everything else is `metric value`, in bytes.  price.sh runs the programs, each in a process of its own.
"""
import collections
import concurrent.futures
import copy
import ctypes
import gc
import json
import os
import queue
import re
import resource
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench", "python"))
# pylint: disable-next=wrong-import-position
from report import metric, rss, status  # noqa: E402


class Statistics(ctypes.Structure):
    """struct arn_stats, without the names of what is not read here."""

    _fields_ = [("tags", ctypes.c_size_t * 8 * 4), ("others", ctypes.c_size_t * 10),
                ("purges", ctypes.c_size_t), ("purged_bytes", ctypes.c_size_t)]


class Resident(ctypes.Structure):
    """struct arn_resident, as far as it is read here."""

    _fields_ = [("total", ctypes.c_size_t)]


def function_of_arenite(name):
    """A function of Arenite's that fills a structure, or None."""
    function = getattr(ctypes.CDLL(None), name, None)
    if function:
        function.restype = None
        function.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    return function


def statistics_reader():
    """A function that returns (calls, bytes); without Arenite both are 0."""
    fill = function_of_arenite("arn_stats_read")
    if not fill:
        return lambda: (0, 0)
    stats = Statistics()

    def read():
        fill(ctypes.addressof(stats), ctypes.sizeof(stats))
        return stats.purges, stats.purged_bytes
    return read


read_given_back = statistics_reader()


def spent():
    return (time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt, *read_given_back())


LAPS = []


def lap(work, *args):
    """Run it, and note what it cost."""
    before = spent()
    work(*args)
    after = spent()
    LAPS.append((*(b - a for a, b in zip(before, after)), status("VmRSS")))


def work_a_little(seconds):
    """Some thread does something, now and then."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        _ = [f"{i}" for i in range(500)]
        time.sleep(0.01)


def see_what_stays():
    """At once, and after a second in which a little is done."""
    metric("rss_once", rss())
    work_a_little(float(os.environ.get("PRICE_LATER", 1)))
    metric("rss_second", rss())


def laps(count, work, *args):
    for _ in range(count):
        lap(work, *args)
    see_what_stays()


def report_laps():
    for cpu, faults, calls, given, resident in LAPS:
        print("lap", f"{cpu:.6f}", faults, calls, given, resident)


def together(count, work, *args):
    threads = [threading.Thread(target=work, args=args) for _ in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def metric_of_arenite(name):
    """How much of what is resident lies in Arenite; nothing where it is not active."""
    fill = function_of_arenite("arn_stats_resident")
    if fill:
        resident = Resident()
        fill(ctypes.addressof(resident), ctypes.sizeof(resident))
        metric(name, resident.total)


def scaled(count, scale):
    return max(1, int(count * scale))


# ---- what the programs make and drop --------------------------------------------------------------------------

class Item:
    """An ordinary instance."""

    def __init__(self, number, name):
        self.number, self.name = number, name


def make_strings(count):
    return [f"string {i}" for i in range(count)]


def make_items(count):
    return [Item(i, None) for i in range(count)]


def split_text(size):
    ("word " * (size // 5)).split()


def compute(seconds):
    """Processor time that allocates next to nothing."""
    end, x = time.process_time() + seconds, 0.5
    while time.process_time() < end:
        for _ in range(1000):
            x = (x * 1.5 + 1) % 1000


ROWS = [{"id": i, "name": f"user {i}", "tags": ["a", "b"], "more": {"x": i, "y": [i] * 5}} for i in range(40)]


def be_busy(box, everybody, rounds):
    """What a thread of a server does: json, re, dicts, cycles, exceptions, deepcopy, a queue."""
    everybody.wait()
    for r in range(rounds):
        rows = json.loads(json.dumps(ROWS))
        words = re.findall(r"(\w+)=(\d+)", " ".join(f"key{i}={i}" for i in range(100)))
        table = {w: [v, r] for w, v in words}
        table.update({i: str(i) for i in range(200)})
        for i in range(50):
            pair = [Item(i, rows), None]
            pair[1] = pair
            try:
                raise KeyError(f"no {i}")
            except KeyError as e:
                rows[0]["error"] = str(e)
        box.put(copy.deepcopy(rows[:10]))
        box.get()


def crowd(count, rounds):
    together(count, be_busy, queue.SimpleQueue(), threading.Barrier(count), rounds)


# ---- programs of the table ------------------------------------------------------------------------------------

def threads_300(scale):
    """300 threads at work at once."""
    laps(1, crowd, 300, scaled(10, scale))


def threads_100(scale):
    """100 threads at once, six times."""
    laps(6, crowd, 100, scaled(2, scale))


def phase_lists(scale):
    """3 laps of 200 000 instances; from then on, lists of 500 000 strings, then str.split of 2.4 MB, each lap."""
    for _ in range(3):
        make_items(scaled(200_000, scale))

    def both():
        make_strings(scaled(500_000, scale))
        split_text(scaled(2_400_000, scale))
    laps(12, both)




def strings(scale):
    """A list of 500 000 strings made and dropped."""
    laps(12, make_strings, scaled(500_000, scale))


def instances(scale):
    """200 000 instances made and dropped."""
    laps(12, make_items, scaled(200_000, scale))


def one_temporary(size, threads):
    """A lap is 20 steps of each thread."""
    def steps():
        for _ in range(20):
            _ = b"x" * size
            del _

    def program(scale):
        laps(scaled(10, scale), steps if threads == 1 else lambda: together(threads, steps))
    program.__doc__ = f"A temporary of {size >> 20} MiB a step" + (f", {threads} threads." if threads > 1 else ".")
    return program


def kinds(scale):
    """Ten phases of different kinds in one process."""
    n = scaled(70_000, scale)
    phases = [lambda: [[i] for i in range(4 * n)], lambda: [{"key": i} for i in range(2 * n)],
              lambda: make_strings(7 * n), lambda: make_items(3 * n), lambda: [(i, i + 0.5) for i in range(4 * n)],
              lambda: [bytes(50_000) for _ in range(n // 120)], lambda: [{i, -i} for i in range(2 * n)],
              lambda: json.loads(json.dumps(ROWS * (n // 1500))), lambda: ("word " * (6 * n)).split(),
              lambda: [bytearray(1_000_000) for _ in range(n // 2500)]]
    for phase in phases:
        lap(lambda p=phase: [p() and None for _ in range(2)])
    see_what_stays()


def handed(scale, ended):
    """330 MiB in all, of four threads."""
    def make(_):
        return [{"id": i, "text": f"text {i}"} for i in range(scaled(260_000, scale))]
    pool = concurrent.futures.ThreadPoolExecutor(4)
    made = list(pool.map(make, range(4)))
    metric("rss_full", rss())
    if ended:
        pool.shutdown()
    made.clear()
    gc.collect()
    if not ended:
        # Without the GIL an object is freed by the thread that made it, when it runs next: until then it is live.
        list(pool.map(time.sleep, [0.02] * 8))
    metric("rss_once", rss())
    worker = threading.Thread(target=work_a_little, args=(1,))
    worker.start()
    worker.join()
    metric("rss_second", rss())
    metric_of_arenite("ours_second")
    pool.shutdown()


def handed_idle(scale):
    """Four executor threads make 330 MiB, another drops it, they idle, some thread works a little."""
    handed(scale, False)


def handed_ended(scale):
    """The same, but they have ended before it is dropped."""
    handed(scale, True)


# ---- shapes beside them ---------------------------------------------------------------------------------------

def sizes(scale):
    """Sizes that change from lap to lap: blocks of 100 KB to 3 MB, 60 MB of them at most, by turns."""
    turn = collections.deque([100_000, 1_000_000, 300_000, 3_000_000, 150_000])

    def work():
        turn.rotate(-1)
        _ = [b"x" * turn[0] for _ in range(scaled(30_000_000 + 6_000_000 * len(LAPS) % 5, scale) // turn[0])]
    laps(15, work)


def computing(scale):
    """Lists of 300 000 strings, with as long a computation between two of them."""
    def work():
        make_strings(scaled(300_000, scale))
        compute(0.1 * scale)
    laps(12, work)


def bursts(scale):
    """A server with a burst of requests every 200 ms: each parses and builds 30 MB."""
    text = json.dumps(ROWS * scaled(600, scale))

    def work():
        json.loads(text)
        time.sleep(0.2)
    laps(15, work)


def saw(scale):
    """Half of 60 MB stays while the other half comes and goes."""
    stay = make_items(scaled(150_000, scale))

    def work():
        for i in range(0, len(stay), 2):
            stay[i] = None
        for i in range(0, len(stay), 2):
            stay[i] = Item(i, str(i))
    laps(12, work)


def two_threads(scale):
    """Two threads that build and drop beside each other, not in step."""
    def work(count):
        for _ in range(3):
            make_items(count)
            make_strings(count)
    laps(8, lambda: together(2, work, scaled(100_000, scale)))


PROGRAMS = {f.__name__: f for f in (threads_300, threads_100, phase_lists, strings, instances, kinds, handed_idle,
                                    handed_ended, sizes, computing, bursts, saw, two_threads)}
for _threads in (1, 4):
    for _size in (1, 3, 5, 20, 60):
        PROGRAMS[f"temporary_{_size}" + (f"_x{_threads}" if _threads > 1 else "")] = one_temporary(
            _size << 20, _threads)


def main(words):
    if words == ["--list"]:
        for name, program in PROGRAMS.items():
            print(f"{name:16} {program.__doc__}")
        return 0
    if not words or words[0] not in PROGRAMS:
        print("usage: price.py NAME [SCALE] | --list", file=sys.stderr)
        return 2
    PROGRAMS[words[0]](float(words[1]) if len(words) > 1 else 1.0)
    report_laps()
    metric("peak", status("VmHWM"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
