# SPDX-License-Identifier: MIT
"""Programs about resident memory: memory_programs.py NAME [SCALE] prints lines `metric value`, bytes and seconds.

A line that begins with # is only to be read.  Exit code 77: it cannot run here, and says why.
"""
import collections
import concurrent.futures
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
from heaps import KINDS, drop_large  # noqa: E402
from report import metric, rss, status  # noqa: E402
import memory_states  # noqa: E402

ROUNDS = 200


def scaled(count, scale):
    return max(1, int(count * scale))


class Series:
    """One value a round; the first fifth is warm-up."""

    def __init__(self, name):
        self.name, self.values = name, []

    def add(self, value):
        self.values.append(value)

    def steady(self):
        return self.values[len(self.values) // 5:]

    def mean(self):
        return sum(self.steady()) / len(self.steady())

    def rise(self):
        """From first to last on the straight line of least squares."""
        values = self.steady()
        middle = (len(values) - 1) / 2
        up = sum((i - middle) * v for i, v in enumerate(values))
        square = sum((i - middle) ** 2 for i in range(len(values)))
        return up / square * (len(values) - 1) if square else 0

    def floor(self):
        """How far the least of the second half is above the least of the first: a rise below what swings."""
        values = self.steady()
        half = len(values) // 2
        return min(values[half:]) - min(values[:half] or values)

    def report(self):
        metric(self.name, max(self.steady()))
        metric(self.name + "_rise", self.rise())
        metric(self.name + "_floor", self.floor())


def repeat(rounds, work, *more):
    """Rounds of work, with what is resident and the time after each; more: other (Series, function)."""
    watched = [(Series("rss"), rss), (Series("space"), lambda: status("VmSize")), *more]
    took = Series("round")
    for _ in range(rounds):
        start = time.process_time()
        work()
        took.add(time.process_time() - start)
        for series, read in watched:
            series.add(read())
    for series, _ in watched:
        series.report()
    metric("round", took.mean())
    metric("round_rise", 100 * took.rise() / took.mean())


def million(scale):
    """A list, a dict and a string a million times, dropped and collected."""
    drop_large(scale)


def phases(scale):
    """Lists, dicts and strings made and dropped five times, a second apart: resident after the drops, at most."""
    count, left = scaled(1_000_000, scale), []
    for _ in range(5):
        box = [[i] for i in range(count)]
        box.append([{"key": i} for i in range(count // 2)])
        box.append([f"s{i}" for i in range(count)])
        del box
        gc.collect()
        left.append(rss())
        time.sleep(1)
    metric("rss_dropped", max(left))


# ---- idle threads ---------------------------------------------------------------------------------------------

HEAD = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \S+ *(.*)$")


def mappings():
    """{what: resident bytes}; what has no name goes by its size, so that stacks of threads come together."""
    sums, name = collections.Counter(), ""
    with open("/proc/self/smaps") as lines:
        for line in lines:
            head = HEAD.match(line)
            if head:
                size = int(head[2], 16) - int(head[1], 16)
                name = head[3] or f"without a name, {size >> 10} KiB"
            elif line.startswith("Rss:"):
                sums[name] += int(line.split()[1]) << 10
    return sums


def books():
    """The JSON of the allocator's statistics; empty without them."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "arn_stats_json"):
        return {}
    fd = os.memfd_create("statistics")
    library.arn_stats_json(fd)
    text = os.pread(fd, 1 << 16, 0)
    os.close(fd)
    return json.loads(text)


def show_more(count, before, after):
    """What there is more of for each of count threads, the largest first; nothing below half a KiB."""
    for name, more in sorted((after - before).items(), key=lambda item: -item[1]):
        if more >= count << 9:
            print(f"# {more / count / 1024:8.1f} KiB a thread: {name}")


def causes():
    """{cause: resident bytes} by the allocator's books."""
    return collections.Counter({f"arenite, {k}": v or 0 for k, v in books().get("resident", {}).items()})


def make_kinds(barrier, leave):
    box = [KINDS[i % len(KINDS)](i) for i in range(300)]
    del box
    barrier.wait()
    leave.wait()


def idle_threads(scale):
    """200 threads that made and dropped 300 objects each, and now wait: memory for each of them."""
    count = scaled(200, scale)
    ready, leave = threading.Barrier(count + 1), threading.Event()
    threads = [threading.Thread(target=make_kinds, args=(ready, leave)) for _ in range(count)]
    gc.collect()
    why = causes()
    before = mappings()
    for t in threads:
        t.start()
    ready.wait()
    time.sleep(0.2)
    after = mappings()
    metric("rss_thread", (sum(after.values()) - sum(before.values())) / count)
    metric("space", status("VmSize"))
    show_more(count, before, after)
    show_more(count, why, causes())
    leave.set()
    for t in threads:
        t.join()


def make_small(barrier, leave):
    box = [[[i] for i in range(50)], [{i: i} for i in range(50)], [bytes(40 + i) for i in range(50)]]
    del box
    barrier.wait()
    leave.wait()


def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def median(values):
    return sorted(values)[len(values) // 2]


def claimed():
    """Text about what the allocator has claimed, by its books; none without them."""
    return f", {books()['claimed_bytes'] >> 20} MiB claimed" if books() else ""


def make_and_drop(laps):
    """Makes and drops 100 000 bytes objects of 200 to 900 bytes, lap after lap.  From lap 10 on all has to be flat."""
    sizes = [200 + i * 7919 % 701 for i in range(100_000)]
    claimed()  # what the books themselves need is there before the first lap
    space, faulted, start = [], [], time.process_time()
    for lap in range(1, laps + 1):
        before = faults()
        box = [bytes(size) for size in sizes]
        del box
        faulted.append(faults() - before)
        space.append(status("VmSize"))
        if lap in (10, 50, 100, 200):
            print(f"# lap {lap}: {space[-1] >> 20} MiB of address space{claimed()}, {faulted[-1]} pages faulted in")
    print(f"# {laps} laps: {time.process_time() - start:.2f} s of processor time")
    early = min(10, laps // 2)
    later = faulted[early:]
    metric("space_rise", max(space[early:]) - space[early - 1])
    metric("faults", median(later))
    metric("faults_most", max(later))
    metric("faults_rise", median(later[len(later) // 2:]) - median(later[:len(later) // 2] or later))


def beside_idle(scale):
    """1000 threads that made 150 small objects once and wait; one makes and drops 100 000 bytes objects, 200 times."""
    count = scaled(1000, scale)
    ready, leave = threading.Barrier(count + 1), threading.Event()
    threading.stack_size(256 << 10)
    threads = [threading.Thread(target=make_small, args=(ready, leave)) for _ in range(count)]
    for t in threads:
        t.start()
    ready.wait()
    make_and_drop(scaled(ROUNDS, scale))
    leave.set()
    for t in threads:
        t.join()


def nothing_kept(scale):
    """The same loop without other threads while nothing that is free may be kept: ARENITE_RETAIN=0 and its percent."""
    run_again({"ARENITE_RETAIN": "0", "ARENITE_RETAIN_PERCENT": "0"})
    make_and_drop(scaled(ROUNDS, scale))


def run_again(variables):
    """The same program again, with these variables in its environment."""
    if any(os.environ.get(name) != value for name, value in variables.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **variables})


def until_full(make):
    box = []
    try:
        while True:
            box.append(make())
    except MemoryError:
        return len(box)


def after_limit(scale):
    """ARENITE_LIMIT=200M: 1 MB strings until MemoryError, lists until MemoryError, then 3000 times 20 000 lists."""
    run_again({"ARENITE_LIMIT": "200M"})
    if not books():
        print("the limit is Arenite's")
        sys.exit(77)
    metric("missing_strings", 180 - min(180, until_full(lambda: "x" * (1 << 20))))
    print(f"# {until_full(lambda: [*range(10)])} lists of ten")
    failed = 0
    for _ in range(scaled(3000, scale)):
        try:
            box = [[*range(10)] for _ in range(20_000)]
            del box
        except MemoryError:
            failed += 1
    metric("failed", failed)


# ---- objects that change threads -----------------------------------------------------------------------------

def executor(scale):
    """Four workers build lists of bytearrays, the main thread drops them."""
    def build():
        return [bytearray(64) for _ in range(4000)]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        def work():
            tasks = [pool.submit(build) for _ in range(20)]
            for task in tasks:
                task.result()
            del tasks, task
            gc.collect()
            gc.collect()
        repeat(scaled(ROUNDS, scale), work, (Series("blocks"), sys.getallocatedblocks))


def not_freed():
    """Bytes that Python has asked for and not freed, by the allocator's books."""
    return sum(tag.get("live_bytes", 0) for tag in books().get("tags", {}).values())


def lists_handed_on(scale):
    """A thread builds long lists, another one appends to each: arrays that are freed by a thread not their owner.

    Python frees them late, when it knows that nobody reads them.  The ratio is of what is resident to what Python has
    not freed: whatever it is, the peak is then Python's doing.
    """
    handed = queue.Queue(2)
    count, ratios, base = scaled(160, scale), [], rss()

    def consume():
        for _ in range(count):
            handed.get().append(None)

    consumer = threading.Thread(target=consume)
    consumer.start()
    for _ in range(count):
        handed.put([None] * 3_100_000)
        live = not_freed()
        if live:
            ratios.append((rss() - base) / live)
    consumer.join()
    metric("peak", status("VmHWM"))
    if ratios:
        metric("rss_ratio", sorted(ratios)[len(ratios) // 2])
    gc.collect()
    metric("rss_end", rss() - base)


def capped_dict(scale):
    """Four threads set items of one dict under a lock, and take some out when there are 100 000."""
    shared, lock, cap = {}, threading.Lock(), 100_000
    steps = scaled(50_000, 1)

    def change(start):
        for i in range(start, start + steps):
            with lock:
                shared[i] = i
                while len(shared) > cap:
                    shared.popitem()
        with lock:
            for key in list(shared)[:1000]:
                del shared[key]

    start = 0

    def work():
        nonlocal start
        threads = [threading.Thread(target=change, args=(start + k * steps,)) for k in range(4)]
        start += 4 * steps
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    repeat(scaled(100, scale), work)


def short_threads(scale):
    """100 000 threads, one after the other, that allocate and leave one object; the last 1000 of these live."""
    left = collections.deque(maxlen=1000)

    def live_shortly():
        box = [KINDS[i % len(KINDS)](i) for i in range(60)]
        left.append(box[7])

    def work():
        for _ in range(500):
            t = threading.Thread(target=live_shortly)
            t.start()
            t.join()
    repeat(scaled(ROUNDS, scale), work)


# ---- garbage in cycles ---------------------------------------------------------------------------------------

class Node:
    """A member of a small ring, with some payload."""

    def __init__(self, payload):
        self.payload, self.next = bytes(payload), None


def ring(length, payload):
    nodes = [Node(payload) for _ in range(length)]
    for i, node in enumerate(nodes):
        node.next = nodes[i - 1]
    return nodes[0]


def cycles(scale):
    """A queue of 20 000 small rings that old ones leave: the collector alone frees them."""
    live, pauses = collections.deque(maxlen=20_000), []
    started = 0

    def watch(phase, _):
        nonlocal started
        now = time.perf_counter()
        if phase == "start":
            started = now
        else:
            pauses.append(now - started)

    def work():
        for i in range(5000):
            live.append(ring(2 + i % 4, 50 * (i % 10)))

    before = rss()
    for _ in range(4):
        work()
    gc.collect()
    full = rss() - before
    gc.callbacks.append(watch)
    repeat(scaled(ROUNDS, scale), work)
    gc.callbacks.remove(watch)
    metric("rss_live", (rss() - before) / full)
    pauses.sort()
    if pauses:
        middle, late = pauses[len(pauses) // 2], pauses[len(pauses) * 99 // 100]
        print(f"# {len(pauses)} pauses: median {middle * 1e3:.1f} ms, one in a hundred {late * 1e3:.1f} ms or more")


# ---- thread states and interpreters -----------------------------------------------------------------------------

def states(scale):
    """PyGILState_Ensure and PyGILState_Release 100 000 times, by two threads at a time that Python does not know."""
    repeat(scaled(ROUNDS, scale), memory_states.churner(2, 250, memory_states.allocate))
    alone, beside = memory_states.beside(memory_states.churner(1, 5000, memory_states.allocate))
    print(f"# another thread meanwhile takes {beside / alone:.2f} of the processor time that it takes alone")


def interpreters(scale):
    """1000 interpreters made and ended.

    What they leave alive is Python's (3.13: about 3900 objects each); what is resident beside it is the allocator's.
    """
    def beside():
        resident = books().get("resident", {})
        return rss() - resident.get("live_bytes", 0) - resident.get("pinned_bytes", 0)
    repeat(scaled(ROUNDS, scale), memory_states.interpreter_round(5), (Series("rss_beside"), beside))


PROGRAMS = {f.__name__: f for f in (million, phases, idle_threads, beside_idle, nothing_kept, after_limit, executor,
                                    lists_handed_on, capped_dict, short_threads, cycles, states, interpreters)}


def main(words):
    if not words or words[0] not in PROGRAMS:
        print("usage: memory_programs.py NAME [SCALE]; names:", *PROGRAMS, file=sys.stderr)
        return 2
    PROGRAMS[words[0]](float(words[1]) if len(words) > 1 else 1.0)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
