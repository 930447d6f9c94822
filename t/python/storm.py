# SPDX-License-Identifier: MIT
"""Starts of subprocesses and forks from a program whose threads allocate all the time: no hang, no crash.

    storm.py [STARTS [FORKS]]     how many of each; 300 and 100 by default

Every start is an interpreter of the same kind, which allocates, runs a thread and ends.  Every forked child
allocates in what it has inherited, collects, runs a thread and ends.  A child that is not done after a minute
counts as hanging and is killed.
"""
import gc
import os
import queue
import signal
import subprocess
import sys
import threading
import time

LIMIT = 60
WORK = """
import threading
def work():
    box = [{"key": str(i), "list": [i] * (i % 50)} for i in range(200)]
    assert box[77]["list"] == [77] * 27
work()
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


def background(stop, box, turns, me):
    """Make objects for the next thread and drop those of the one before."""
    while not stop.is_set():
        box[me].put([{"key": str(i), "list": [i] * (i % 50)} for i in range(300)])
        got = box[(me + 1) % len(box)].get()
        if got[77]["list"] != [77] * 27:
            os.abort()
        turns[me] += 1
        while box[me].qsize() > 8 and not stop.is_set():
            time.sleep(0.001)


def one_start():
    """None, or what went wrong."""
    command = [sys.executable, "-I", "-S", "-c", WORK]
    try:
        done = subprocess.run(command, timeout=LIMIT, capture_output=True, text=True)
    except subprocess.TimeoutExpired:
        return "a start hangs"
    if done.returncode:
        return f"a start ended with {done.returncode}: {done.stderr[-300:]}"
    return None


def starts(count, failures):
    for _ in range(count):
        wrong = one_start()
        if wrong:
            failures.append(wrong)


def child():
    namespace = {}
    exec(WORK, namespace)
    gc.collect()


def wait(pid):
    """Exit code of a forked child, which is killed when it hangs."""
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.0005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "hangs"


def forks(count, failures):
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                child()
                code = 0
            finally:
                os._exit(code)
        code = wait(pid)
        if code:
            failures.append(f"a forked child: {code}")


def main(words):
    count, forked = (int(words[0]) if words else 300), (int(words[1]) if words[1:] else 100)
    # A child forked while another thread collects inherits "a collection is under way" for good: CPython's.
    gc.disable()
    stop, failures, turns = threading.Event(), [], [0] * 3
    box = [queue.SimpleQueue() for _ in turns]
    workers = [threading.Thread(target=background, args=(stop, box, turns, i), daemon=True)
               for i in range(len(turns))]
    starters = [threading.Thread(target=starts, args=(count // 2, failures)) for _ in range(2)]
    for t in workers + starters:
        t.start()
    forks(forked, failures)
    for t in starters:
        t.join()
    stop.set()
    for me, queue_of in enumerate(box):
        queue_of.put([{"list": [77] * 27}] * 300)
    for t in workers:
        t.join(LIMIT)
    if any(t.is_alive() for t in workers) or min(turns) < 10:
        failures.append(f"a thread did not get on: {turns}")
    for text in failures[:10]:
        print(text, file=sys.stderr)
    print(f"{count // 2 * 2} starts, {forked} forks: {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
