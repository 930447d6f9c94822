# SPDX-License-Identifier: MIT
"""Programs about the heap as a whole: the collector's pauses, and what is left when data is dropped."""
import gc
import random
import threading
import time

from report import metric, rss, status, wall


class Item:
    """An ordinary instance, without slots."""

    def __init__(self, number):
        self.number = number
        self.next = None


def gc_fragmented(scale):
    """A full collection over 350 k survivors of 700 k instances, every other one dropped."""
    gc.disable()
    items = [Item(i) for i in range(int(700_000 * scale))]
    del items[::2]
    gc.collect()
    metric("collect", wall(gc.collect, 7))


def gc_scattered(scale):
    """The same survivors, the others dropped in no order, as in a program that has run for a while."""
    gc.disable()
    items = [Item(i) for i in range(int(700_000 * scale))]
    dropped = list(range(0, len(items), 2))
    random.Random(1).shuffle(dropped)
    for i in dropped:
        items[i] = None
    gc.collect()
    metric("collect", wall(gc.collect, 7))


def gc_dense(scale):
    """A full collection over 300 k dicts and lists, none dropped."""
    gc.disable()
    items = [{"number": i} if i % 2 else [i] for i in range(int(300_000 * scale))]
    gc.collect()
    metric("collect", wall(gc.collect, 7))
    items.clear()


def gc_garbage(scale):
    """Full collections that find garbage: two for rings of 24 k instances and their payload."""
    gc.disable()

    def work():
        for _ in range(2):
            for i in range(int(12_000 * scale)):
                a, b = Item(i), Item([i])
                a.next, b.next = b, a
            gc.collect()
    metric("time", wall(work, 8))


def drop_large(scale):
    """A list, a dict and a string a million times, dropped and collected: what stays resident."""
    count = int(1_000_000 * scale)
    data = ([[None] for _ in range(count)], [{"key": None} for _ in range(count)],
            [f"string {i}" for i in range(count)])
    metric("time", wall(lambda: drop(data)))
    metric("rss_dropped", rss())
    time.sleep(1)
    metric("rss_idle", rss())


def drop(data):
    for part in data:
        part.clear()
    gc.collect()


def drop_strings(scale):
    """A string a million times, dropped: what stays resident, of a domain without the collector."""
    data = [f"string {i}" for i in range(int(1_000_000 * scale))]
    metric("time", wall(data.clear))
    metric("rss_dropped", rss())


def drop_scattered(scale):
    """Of 1 M strings and lists of all small sizes one in twenty stays: what stays resident with them."""
    count = int(1_000_000 * scale)
    data = [str(i) * (i % 60) if i % 2 else [i] * (i % 40) for i in range(count)]
    kept = data[::20]
    drop([data])
    metric("rss_dropped", rss())
    if len(kept) < count // 20:
        raise SystemExit("lost objects")


# What a server's worker has: of many kinds, so of many size classes.
KINDS = (lambda i: [i] * (i % 20), lambda i: {"key": i}, lambda i: "x" * i, lambda i: (i, i + 0.5), Item,
         lambda i: bytes(2 * i), lambda i: {i, -i}, lambda i: lambda: i)


def idle_threads(scale):
    """200 threads that made and dropped 300 objects each, and now wait: memory for each of them."""
    count = int(200 * scale)
    ready, leave = threading.Barrier(count + 1), threading.Event()

    def work():
        box = [KINDS[i % len(KINDS)](i) for i in range(300)]
        del box
        ready.wait()
        leave.wait()
    gc.collect()
    before = rss()
    threads = [threading.Thread(target=work) for _ in range(count)]
    for t in threads:
        t.start()
    ready.wait()
    time.sleep(0.2)
    metric("rss_thread", (rss() - before) / count)
    metric("space", status("VmSize"))
    leave.set()
    for t in threads:
        t.join()
