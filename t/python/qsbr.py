# SPDX-License-Identifier: MIT
"""Pools of objects change their size class again and again, while the other threads block, detach, run or end.

    qsbr.py [CHECK...]      under libarenite-python; output is TAP, each check runs in a process of its own

Each check allocates about ROUND bytes of objects of one size, drops them, goes on with another size, and so on:
what is claimed in arenas must stay near what a few rounds need.  A pool whose readers are never done would keep its
size class, and each size would claim memory of its own: as many rounds as there are sizes.

While a thread that is attached has no processor nobody's readers are done, with any allocator.  Where the threads of a
check make that likely, what is claimed is bounded after them; and while they run, what is resident, by what it is
without Arenite, measured in the same way.
"""
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

ROUND = 4 << 20
SIZES = [int(64 * 1.14 ** k) for k in range(46)]  # up to 23 000 bytes
ROUNDS = 2 * len(SIZES)
# Rounds overlap: one in use, some in caches and heaps of other threads, some waiting for their readers; a thread that
# the system has taken off its processor is a reader for that long.
BOUND = len(SIZES) // 2 * ROUND


def statistics():
    with tempfile.TemporaryFile() as f:
        ctypes.CDLL(None).arn_stats_json(f.fileno())
        f.seek(0)
        return json.loads(f.read())


def claimed():
    return statistics()["claimed_bytes"]


def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def one_round(number):
    size = SIZES[number * 17 % len(SIZES)]
    kept = [bytes(size) for i in range(ROUND // size)]
    del kept[::2]
    return len(kept)


def churn(rounds=ROUNDS, measure=claimed):
    """The most that was claimed, sampled between rounds."""
    most = 0
    for number in range(rounds):
        one_round(number)
        most = max(most, measure())
    return most


class Others:
    """Threads that do this until the end of the block."""

    def __init__(self, function, count=3):
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(function,)) for _ in range(count)]
        self.rounds = 0

    def run(self, function):
        while not self.over.is_set():
            function(self)
            self.rounds += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


def growth(function=None, count=3):
    """Bytes that were claimed at the worst moment above what one thread alone needs."""
    churn(2)
    before = claimed()
    if function is None:
        return churn() - before
    with Others(function, count):
        return churn() - before


def check_alone():
    """one thread"""
    return growth()


def check_blocked():
    """threads that block in a lock, each with objects and half-empty pools of its own"""
    def block(others):
        kept = [bytes(100 + i % 50) for i in range(2000)]
        del kept[::3]
        others.over.wait()
        del kept
    return growth(block)


def check_detached():
    """threads that sleep, wake, allocate a little and sleep again"""
    def doze(_):
        kept = [bytes(300) for _ in range(100)]
        time.sleep(0.002)
        del kept
    return growth(doze)


def check_running():
    """threads that run Python code all the time and free what they allocate"""
    def run(_):
        kept = [str(i) * 20 for i in range(2000)]
        del kept
    return growth(run, 2)


def growth_after(function, count):
    """Bytes that are claimed after the threads above what one thread alone needs."""
    churn(2)
    before = claimed()
    with Others(function, count):
        churn()
    churn(4)
    return claimed() - before


def check_long_calls():
    """threads that stay attached in long calls of C: what had to wait for them is used again after them"""
    number = 3 ** 400_000

    def call(_):
        pow(number, 2)
    return growth_after(call, 2)


def ending():
    """A function that starts a thread, which leaves live and freed objects, and awaits its end"""
    left = []

    def start(_):
        def work():
            kept = [bytes(200 + i % 100) for i in range(3000)]
            left.append(kept[::10])
            del left[:-20]
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    return start


def check_ending():
    """threads that end with live and with freed objects, many of them: what they leave is used again"""
    return growth_after(ending(), 1)


def check_ending_resident():
    """the same: while they run, no more is resident than without Arenite"""
    churn(2, resident)
    before = resident()
    with Others(ending(), 1):
        return churn(ROUNDS, resident) - before


def check_hand_over():
    """objects that one thread allocates and another frees, while the first blocks"""
    start = claimed()
    most = 0
    for number in range(ROUNDS):
        box, made, freed = [], threading.Event(), threading.Event()
        size = SIZES[number * 17 % len(SIZES)]

        def produce():
            box.extend(bytes(size) for _ in range(ROUND // size))
            made.set()
            freed.wait()
        producer = threading.Thread(target=produce)
        producer.start()
        made.wait()
        box.clear()
        freed.set()
        producer.join()
        most = max(most, claimed())
    return most - start


def check_fork():
    """a child of a program with threads: its own memory is bounded, too"""
    def run(_):
        kept = [bytes(500) for _ in range(500)]
        time.sleep(0.001)
        del kept
    with Others(run):
        end, other = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.write(other, str(growth()).encode())
            finally:
                os._exit(0)
        os.close(other)
        answer = os.read(end, 100)
        os.waitpid(pid, 0)
    return int(answer)


def check_interpreters():
    """interpreters that come and go"""
    try:
        import _interpreters as interpreters
    except ImportError:
        return None
    code = "kept = [bytes({}) for i in range(10_000)]; del kept[::2]"
    before = claimed()
    for size in SIZES[:30]:
        interp = interpreters.create()
        interpreters.exec(interp, code.format(size))
        interpreters.destroy(interp)
    return claimed() - before


RELATIVE = {"ending_resident"}  # these run without Arenite, too

CHECKS = {name[len("check_"):]: f for name, f in globals().items() if name.startswith("check_")}


def is_served():
    python = statistics().get("python", {})
    return python.get("object") == "served" and python["gil"] is False


def run(name, environment):
    """(exit code, what it wrote) of a check in a process of its own."""
    done = subprocess.run([sys.executable, "-W", "ignore", __file__, "--inside=" + name], stdout=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True, timeout=300, env=environment)
    return done.returncode, done.stdout


def bound(name):
    """Bytes: what CPython's own allocator takes, where that is more and can be said."""
    if name not in RELATIVE:
        return BOUND
    status, answer = run(name, {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"})
    return max(BOUND, int(answer)) if status == 0 else BOUND


def judge(name):
    """(whether it is well, what to add to the line, a note)."""
    status, answer = run(name, None)
    if status != 0:
        return False, "", f"exit code {status}"
    if answer == "None\n":
        return True, " # SKIP not in this version", ""
    grown, most = int(answer), bound(name)
    return grown <= most, "", f"{grown / 2**20:.1f} MiB more, at most {most / 2**20:.1f} MiB"


def report(number, good, line, note=""):
    print(f"{'ok' if good else 'not ok'} {number} - {line}", flush=True)
    if note:
        print(f"# {note}", flush=True)
    return not good


def main(wanted):
    print(f"1..{1 + len(wanted)}", flush=True)
    bad = report(1, is_served(), "objects of a free-threaded interpreter are served")
    for number, name in enumerate(wanted, 2):
        good, more, note = judge(name)
        bad += report(number, good, f"{name}: {CHECKS[name].__doc__}{more}", note)
    return bad != 0


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1].startswith("--inside="):
        print(CHECKS[sys.argv[1].split("=")[1]]())
    else:
        sys.exit(main(sys.argv[1:] or list(CHECKS)))
