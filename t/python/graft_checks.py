# SPDX-License-Identifier: MIT
"""What graft.py runs inside the interpreter under test: python graft_checks.py NAME."""
import ctypes
import gc
import os
import queue
import random
import re
import sys
import tempfile
import threading
import time
import weakref


class Node:
    """An instance with a __dict__, for cycles."""


def expect(condition, text):
    # Not assert: PYTHONOPTIMIZE must not switch a test off.
    if not condition:
        raise SystemExit(f"wrong: {text}")


def run_threads(*functions):
    """Run them all to the end; an exception in one of them ends the process."""
    errors = []

    def guarded(function):
        try:
            function()
        except BaseException as e:  # SystemExit too: expect() must not be lost in a thread
            errors.append(e)
    threads = [threading.Thread(target=guarded, args=(f,)) for f in functions]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    expect(not errors, f"in a thread: {errors[:3]}")


def check_free_threaded():
    """the interpreter runs without a GIL"""
    expect(not sys._is_gil_enabled(), "the GIL is enabled")


def check_version():
    """the process exports arn_version"""
    version = ctypes.CDLL(None).arn_version
    version.restype = ctypes.c_char_p
    expect(re.fullmatch(rb"\d+\.\d+\.\d+.*", version()), f"arn_version() is {version()!r}")


def check_object_is_ours():
    """objects, their dictionaries and buffers lie in Arenite's pools"""
    usable = ctypes.CDLL(None).arn_usable_size
    usable.restype, usable.argtypes = ctypes.c_size_t, [ctypes.c_void_p]
    for thing in (object(), 1.5, 10**50, bytes(100), (1, 2), range(5)):
        # id() points past the header that the collector or a weak reference needs, if there is one.
        sizes = [usable(id(thing) - back) for back in (0, 16)]
        expect(any(s >= sys.getsizeof(thing) - 16 for s in sizes), f"{thing!r}: usable sizes {sizes}")
    expect(usable(ctypes.addressof(ctypes.c_int.in_dll(ctypes.pythonapi, "Py_DebugFlag"))) == 0,
           "a static variable counts as a block")


def debug_stats():
    """sys._debugmallocstats() as {title: number}; it writes to C's stderr."""
    with tempfile.TemporaryFile() as f:
        keep = os.dup(2)
        os.dup2(f.fileno(), 2)
        try:
            sys._debugmallocstats()
        finally:
            os.dup2(keep, 2)
            os.close(keep)
        f.seek(0)
        text = f.read().decode()
    lines = re.findall(r"^\s*(Allocated [^:]*|Bytes [^:]*):\s*(\d+)$", text, re.M)
    return {title: int(number) for title, number in lines}


def check_debugmallocstats():
    """sys._debugmallocstats() follows what is allocated"""
    gc.disable()
    before = debug_stats()
    kept = [[object()] for _ in range(100_000)]
    full = debug_stats()
    kept.clear()
    after = debug_stats()
    grown = full["Allocated Blocks"] - before["Allocated Blocks"]
    left = after["Allocated Blocks"] - before["Allocated Blocks"]
    expect(100_000 <= grown <= 310_000, f"100 000 lists with an object each are {grown} blocks")
    expect(full["Allocated Bytes"] - before["Allocated Bytes"] >= 3_200_000, f"bytes: {before} to {full}")
    expect(full["Bytes Reserved"] >= full["Bytes Committed"] >= full["Allocated Bytes"], f"{full}")
    expect(left < 1000, f"{left} blocks are left when they are gone")


def check_stats_agree():
    """arn_stats_json() counts as many live blocks as sys.getallocatedblocks()"""
    import json
    library = ctypes.CDLL(None)
    kept = [[float(i)] for i in range(50_000)]
    gc.collect()
    with tempfile.TemporaryFile() as f:
        library.arn_stats_json(f.fileno())
        f.seek(0)
        text = f.read().decode()
    live = sum(int(n) for n in re.findall(r'"live_blocks"\s*:\s*(\d+)', text))
    json.loads(text)
    count = sys.getallocatedblocks()
    expect(len(kept) * 3 < count, f"getallocatedblocks() is {count}")
    # The JSON counts large blocks and the buffers of this very function as well.
    expect(abs(live - count) < 2000, f"live_blocks {live}, getallocatedblocks() {count}")


def check_rows():
    """the rows of the statistics sum to VmRSS"""
    import rows
    expect(*rows.main())


def check_allocated_blocks():
    """sys.getallocatedblocks() grows and shrinks with the objects"""
    gc.disable()
    n = 20_000
    kept = [None] * n

    def fill():
        for i in range(n):
            kept[i] = object()

    def drop():
        for i in range(n):
            kept[i] = None
    for filler in (fill, lambda: run_threads(fill)):  # by a thread that has ended: its heap is an orphan
        filler()
        drop()
        start = sys.getallocatedblocks()
        filler()
        full = sys.getallocatedblocks()
        drop()
        end = sys.getallocatedblocks()
        expect(abs(full - start - n) <= 50, f"{n} objects are {full - start} blocks")
        expect(abs(end - start) <= 50, f"{end - start} blocks left")


def make_cycles(count, dead):
    for _ in range(count):
        a, b = Node(), Node()
        a.other, b.other = b, a
        weakref.finalize(a, dead.append, 1).atexit = False
        a.text = [str(i) for i in range(3)]


def check_collect_others():
    """the collector finds cycles made by other threads, running and ended"""
    gc.disable()
    count, workers, dead = 3000, 4, []
    made, leave = threading.Barrier(workers + 1), threading.Event()

    def worker():
        make_cycles(count, dead)
        made.wait()
        leave.wait()
    threads = [threading.Thread(target=worker) for _ in range(workers)]
    for t in threads:
        t.start()
    made.wait()
    gc.collect()
    expect(len(dead) == count * workers, f"running threads: {len(dead)} of {count * workers} cycles found")
    leave.set()
    for t in threads:
        t.join()
    dead.clear()
    run_threads(*[lambda: make_cycles(count, dead)] * workers)
    expect(not dead, "collected before the collector ran")
    gc.collect()
    expect(len(dead) == count * workers, f"ended threads: {len(dead)} of {count * workers} cycles found")


def check_get_objects():
    """gc.get_objects() lists what dead threads have left, each once"""
    kept = []

    def worker():
        for _ in range(5000):
            kept.append(Node())
    run_threads(*[worker] * 3)
    seen = [o for o in gc.get_objects() if type(o) is Node]
    expect(len(seen) == len(kept) == 15_000, f"{len(seen)} of {len(kept)} listed")
    expect({id(o) for o in seen} == {id(o) for o in kept}, "not the same objects")
    kept.pop()
    seen.clear()
    listed = sum(type(o) is Node for o in gc.get_objects())
    expect(listed == 14_999, f"{listed} of 14 999 listed when one is freed")


MAKERS = (lambda i: (i, i), lambda i: (i, str(i), i), lambda i: (i, *range(i % 40), i))


def whole(item, what):
    expect(type(item) is tuple and item[0] == item[-1], f"{what}: {item!r}")


def check_lock_free_readers():
    """list and dict readers without locks see whole values beside mutators"""
    until = time.monotonic() + 4
    items = [MAKERS[0](i) for i in range(64)]
    table = {i: MAKERS[0](i) for i in range(64)}
    reads = []

    def reader():
        n = 0
        while time.monotonic() < until:
            for i in range(64):
                try:
                    whole(items[i], "list")
                except IndexError:
                    pass
                got = table.get(i)
                if got is not None:
                    whole(got, "dict")
                    expect(got[0] % 64 == i, f"dict[{i}] is {got!r}")
                n += 1
        reads.append(n)

    def mutator(seed):
        rnd = random.Random(seed)
        while time.monotonic() < until:
            for i in range(64):
                value = rnd.randrange(1000) * 64 + i
                try:
                    items[i] = rnd.choice(MAKERS)(value)
                except IndexError:
                    items.append(rnd.choice(MAKERS)(value))
                table[i] = rnd.choice(MAKERS)(value)
            if rnd.random() < .2:
                del items[rnd.randrange(32):]
            if rnd.random() < .2:
                table.clear()
    run_threads(reader, reader, lambda: mutator(1), lambda: mutator(2))
    expect(len(reads) == 2 and min(reads) > 1000, f"the readers got only {reads} turns")


def child_of_fork():
    """The work of a forked child: allocate, collect, run a thread."""
    dead = []
    run_threads(lambda: make_cycles(200, dead))
    text = "".join(str(i) for i in range(2000))
    gc.collect()
    return 0 if len(dead) == 200 and len(text) == 6890 else 1


def check_fork():
    """fork in a process of allocating threads: parent and children go on"""
    # A child forked while another thread collects inherits "a collection is under way" for good: CPython's own,
    # stock has it too.
    gc.disable()
    stop = threading.Event()
    turns = [0, 0, 0]

    def worker(me):
        while not stop.is_set():
            box = [{"key": str(i), "list": [i] * (i % 50)} for i in range(500)]
            expect(box[77]["list"] == [77] * 27, "a value changed")
            turns[me] += 1
    threads = [threading.Thread(target=worker, args=(i,)) for i in range(3)]
    for t in threads:
        t.start()
    codes = []
    for _ in range(25):
        pid = os.fork()
        if pid == 0:
            code = 2
            try:
                code = child_of_fork()
            finally:
                os._exit(code)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    stop.set()
    for t in threads:
        t.join()
    expect(codes == [0] * 25, f"the children ended with {codes}")
    expect(min(turns) > 0, f"a thread of the parent did not get on: {turns}")


SUB = """
import threading, gc, sys
def work():
    keep = []
    for i in range(3000):
        node = {"i": i}
        node["self"] = node
        keep.append([node, str(i)])
    assert keep[2999][1] == "2999"
threads = [threading.Thread(target=work) for i in range(3)]
for t in threads: t.start()
for t in threads: t.join()
assert gc.collect() >= 3000, "the cycles of this interpreter were not found"
"""


def check_subinterpreters():
    """interpreters with threads come and go, and their memory with them"""
    import _interpreters
    kept = [object() for _ in range(1000)]
    growth = []
    for _ in range(12):
        new = _interpreters.create()
        failed = _interpreters.run_string(new, SUB)
        expect(failed is None, f"in a sub-interpreter: {failed}")
        _interpreters.destroy(new)
        gc.collect()
        growth.append(memory("VmRSS"))
    expect(len(kept) == 1000, "the first interpreter lost an object")
    # CPython itself leaves 4 to 6 MiB behind with each of them.
    expect(growth[-1] - growth[3] < 8 * 12 << 20, f"RSS grows from interpreter to interpreter: {growth}")


def memory(field):
    """Bytes of a line of /proc/self/status."""
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith(field + ":"))


def check_producer_consumer():
    """objects made by one thread and dropped by another: right values, bounded memory"""
    box = queue.SimpleQueue()
    rounds, size = 300, 200
    peaks = []

    def produce():
        for r in range(rounds):
            while box.qsize() > 40:
                time.sleep(0.001)
            box.put([(i * r, {"i": i}, str(i)) for i in range(size)])

    def consume():
        for r in range(rounds):
            got = box.get()
            expect(got == [(i * r, {"i": i}, str(i)) for i in range(size)], "a value changed on the way")
    for _ in range(6):
        run_threads(produce, consume)
        gc.collect()
        peaks.append(memory("VmRSS"))
    expect(peaks[-1] - peaks[1] < 32 << 20, f"RSS grows from round to round: {peaks}")


def check_many_threads():
    """threads one after the other and many at once leave no growing memory behind"""
    def work():
        expect(len([[i] for i in range(300)]) == 300, "length")
    sizes = []
    for _ in range(5):
        for _ in range(20):
            run_threads(work)
        run_threads(*[work] * 40)
        gc.collect()
        sizes.append(memory("VmRSS"))
    expect(sizes[-1] - sizes[1] < 16 << 20, f"RSS grows: {sizes}")


def raises(function):
    try:
        function()
    except (MemoryError, OverflowError):
        return True
    return False


def check_no_memory():
    """impossible sizes raise MemoryError and leave old blocks as they were"""
    kept = bytearray(b"abc" * 100)
    for n in (2**62, 2**60, 2**63 - 40):
        expect(raises(lambda n=n: bytes(n)), f"bytes({n})")
        expect(raises(lambda n=n: bytearray(n)), f"bytearray({n})")
        expect(raises(lambda n=n: [None] * (n >> 3)), f"list of {n >> 3}")
        expect(raises(lambda n=n: "x" * n), f"str of {n}")
        if sys.version_info < (3, 15):  # which empties the array itself when there is no memory
            expect(raises(lambda n=n: kept.__imul__(n >> 10)), f"bytearray grown {n >> 10} times")
    expect(kept == b"abc" * 100, "a block that could not grow has changed")


if __name__ == "__main__":
    globals()["check_" + sys.argv[1]]()
