# SPDX-License-Identifier: MIT
"""Programs of several threads: short lives, and objects that are made by one and dropped by another."""
import collections
import concurrent.futures
import json
import queue
import threading

from report import metric, wall


def together(functions):
    threads = [threading.Thread(target=f) for f in functions]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def short_threads(scale):
    """500 threads, one after the other, each with a little work; three times."""
    def work():
        return [(i, str(i)) for i in range(100)]

    def all_of_them():
        for _ in range(int(500 * scale)):
            t = threading.Thread(target=work)
            t.start()
            t.join()
    metric("time", wall(all_of_them, 3))


def producer_consumer(scale):
    """One thread makes objects, another drops them, over a queue of batches."""
    box = queue.SimpleQueue()
    room = threading.Semaphore(64)
    rounds = int(1000 * scale)

    def produce():
        for r in range(rounds):
            room.acquire()
            box.put([({"id": i}, [i, r], f"{i}") for i in range(200)])

    def consume():
        for r in range(rounds):
            got = box.get()
            if got[-1][1] != [199, r]:
                raise SystemExit("wrong object")
            del got
            room.release()
    metric("time", wall(lambda: together([produce, consume]), 4))


def many_to_one(scale):
    """Three threads make objects, one keeps the last 20 batches of them."""
    box = queue.SimpleQueue()
    room = threading.Semaphore(64)
    rounds = int(300 * scale)

    def produce():
        for r in range(rounds):
            room.acquire()
            box.put([[i, f"{r}"] for i in range(300)])

    def consume():
        recent = collections.deque(maxlen=20)
        for _ in range(rounds * 3):
            recent.append(box.get())
            room.release()
    metric("time", wall(lambda: together([produce] * 3 + [consume]), 4))


def pool_of_workers(scale):
    """An executor's two workers parse and build, the main thread drops what they return."""
    text = json.dumps([{"id": i, "name": f"name {i}", "tags": ["a", "b", str(i)]} for i in range(100)])

    def parse(_):
        return {row["id"]: row for row in json.loads(text)}

    def work():
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for found in pool.map(parse, range(int(500 * scale))):
                if len(found) != 100:
                    raise SystemExit("wrong result")
    metric("time", wall(work, 4))


def both_allocate(scale):
    """Two threads that share nothing and allocate all the time."""
    def work():
        for _ in range(int(400 * scale)):
            box = [{"i": i, "s": str(i)} for i in range(1000)]
            if box[-1]["s"] != "999":
                raise SystemExit("wrong object")
    metric("time", wall(lambda: together([work, work]), 4))
